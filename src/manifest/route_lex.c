/*
 * route_lex.c - the words of a route.
 *
 * A name is a run of characters other than ( ) < > @ , ; : \ " / [ ] ? = { } and white space, so
 * "a-b", "a.b" and "a||b" are names. Three things are read as people mean them where edgeHub's
 * lexer, which takes the longest run, finds a name: an operator at the start of a word ("-x",
 * "||x"), the ! of "a!=b", and a text in single quotes with something behind it ("'a'||x").
 *
 * Comments are slash and star to star and slash; one that is never closed is a division.
 */
#include "manifest/route_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHOWN_BEFORE = 70, /* bytes of the route, before and behind an error */
    SHOWN_AFTER = 50,
    SHOWN_TEXT = 200, /* of what an error says */
    HEX_DIGITS_MAX = 16
};

/* ---- errors ---- */

static bool is_inside(unsigned char c)
{
    return (c & 0xc0) == 0x80; /* of a UTF-8 character, not its first byte */
}

int sk_route_fail(struct sk_view route, size_t at, struct sk_err *err, const char *fmt, ...)
{
    char said[SHOWN_TEXT], shown[SHOWN_BEFORE + SHOWN_AFTER + 1], spaces[SHOWN_BEFORE + 1];
    size_t from, to, len = 0, columns = 0;
    const char *before, *after;
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(said, sizeof(said), fmt, args);
    va_end(args);
    if (at > route.len)
        at = route.len;
    from = at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0;
    to = route.len - at > SHOWN_AFTER ? at + SHOWN_AFTER : route.len;
    while (from < at && is_inside((unsigned char)route.ptr[from]))
        from++;
    while (to > at && to < route.len && is_inside((unsigned char)route.ptr[to]))
        to--;
    before = from > 0 ? "..." : "";
    after = to < route.len ? "..." : "";
    for (size_t i = from; i < to; i++) {
        unsigned char c = (unsigned char)route.ptr[i];

        shown[len++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
        if (i < at && !is_inside(c))
            spaces[columns++] = ' ';
    }
    shown[len] = 0;
    spaces[columns] = 0;
    /* sk_fail() makes one line of everything; here all is UTF-8 and short enough. */
    err->code = SK_INVALID;
    (void)snprintf(err->text, sizeof(err->text), "%s\n%s%s%s\n%s%s^", said, before, shown, after,
                   *before ? "   " : "", spaces);
    return -1;
}

/* ---- characters ---- */

static char peek(const struct sk_route_lex *lex, size_t ahead)
{
    return lex->pos + ahead < lex->text.len ? lex->text.ptr[lex->pos + ahead] : 0;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static bool is_name(char c)
{
    return c != 0 && !is_space(c) && !strchr("()<>@,;:\\\"/[]?={}", c);
}

/* Of what stands behind a $: brackets too. */
static bool is_path(char c)
{
    return is_name(c) || c == '[' || c == ']';
}

static int digit_of(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
        return (c | 0x20) - 'a' + 10;
    return -1;
}

/* Bytes of a closed comment that begins here, 0 when none does. */
static size_t comment_len(const struct sk_route_lex *lex)
{
    if (peek(lex, 0) != '/' || peek(lex, 1) != '*')
        return 0;
    for (size_t i = 2; lex->pos + i + 1 < lex->text.len; i++)
        if (peek(lex, i) == '*' && peek(lex, i + 1) == '/')
            return i + 2;
    return 0;
}

static void skip_blank(struct sk_route_lex *lex)
{
    for (;;) {
        size_t comment = comment_len(lex);

        if (comment)
            lex->pos += comment;
        else if (is_space(peek(lex, 0)))
            lex->pos++;
        else
            return;
    }
}

/* ---- texts ---- */

/* Four hexadecimal digits at i, or -1. */
static long read_unit(const struct sk_route_lex *lex, size_t i)
{
    long unit = 0;

    for (size_t k = 0; k < 4; k++) {
        int digit = digit_of(peek(lex, i + k));

        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

/* The escape it comes from is longer, so there is room. */
static size_t put_utf8(char *to, long c)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | (c >> 6));
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | (c >> 12));
        to[1] = (char)(0x80 | ((c >> 6) & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | (c >> 18));
    to[1] = (char)(0x80 | ((c >> 12) & 0x3f));
    to[2] = (char)(0x80 | ((c >> 6) & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

/* An escape at pos + i. *used: its bytes; 0 when there is no such escape. */
static size_t read_escape(const struct sk_route_lex *lex, size_t i, char *to, size_t *used)
{
    char c = peek(lex, i + 1);
    long unit, low;

    *used = 0;
    if (c == '"' || c == '\'' || c == '\\') {
        *used = 2;
        to[0] = c;
        return 1;
    }
    unit = c == 'u' ? read_unit(lex, i + 2) : -1;
    if (unit < 0)
        return 0;
    *used = 6;
    if (unit >= 0xd800 && unit < 0xdc00 && peek(lex, i + 6) == '\\' && peek(lex, i + 7) == 'u') {
        low = read_unit(lex, i + 8);
        if (low >= 0xdc00 && low < 0xe000) {
            *used = 12;
            return put_utf8(to, 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00));
        }
    }
    return put_utf8(to, unit >= 0xd800 && unit < 0xe000 ? 0xfffd : unit);
}

static int read_text(struct sk_route_lex *lex, struct sk_route_word *out, struct sk_err *err)
{
    char quote = peek(lex, 0), *to;
    size_t len = 0, i = 1, used, end = 1;

    while (lex->pos + end < lex->text.len && peek(lex, end) != quote)
        end += peek(lex, end) == '\\' ? 2 : 1;
    if (lex->pos + end >= lex->text.len)
        return sk_route_fail(lex->text, lex->pos, err, "the %c is never closed", quote);
    to = sk_arena_alloc(lex->arena, end);
    if (!to)
        return sk_nomem(err);
    while (i < end) {
        if (peek(lex, i) != '\\') {
            to[len++] = peek(lex, i++);
            continue;
        }
        len += read_escape(lex, i, to + len, &used);
        if (used == 0)
            return sk_route_fail(lex->text, lex->pos + i, err,
                                 "expected \\\", \\', \\\\ or \\u and four digits");
        i += used;
    }
    to[len] = 0;
    lex->pos += end + 1;
    out->sign = SK_SIGN_TEXT;
    out->text = (struct sk_view){ to, len };
    return 0;
}

/* ---- numbers and names ---- */

/* 12, 1.5, .5, 1e3: the whole text, and nothing else. */
static bool is_decimal(struct sk_view v)
{
    size_t i = 0, whole = 0, part = 0, power = 0;

    for (; i < v.len && v.ptr[i] >= '0' && v.ptr[i] <= '9'; i++)
        whole++;
    if (i < v.len && v.ptr[i] == '.') {
        for (i++; i < v.len && v.ptr[i] >= '0' && v.ptr[i] <= '9'; i++)
            part++;
        if (part == 0)
            return false;
    }
    if (whole + part == 0)
        return false;
    if (i == v.len)
        return true;
    if (v.ptr[i] != 'e' && v.ptr[i] != 'E')
        return false;
    i++;
    i += i < v.len && (v.ptr[i] == '+' || v.ptr[i] == '-');
    for (; i < v.len && v.ptr[i] >= '0' && v.ptr[i] <= '9'; i++)
        power++;
    return power > 0 && i == v.len;
}

/* 0x1F, as 64 bits with a sign. */
static bool read_hex(struct sk_view v, double *out)
{
    uint64_t bits = 0;

    if (v.len < 3 || v.len > 2 + HEX_DIGITS_MAX || v.ptr[0] != '0' || (v.ptr[1] | 0x20) != 'x')
        return false;
    for (size_t i = 2; i < v.len; i++) {
        int digit = digit_of(v.ptr[i]);

        if (digit < 0)
            return false;
        bits = bits * 16 + (uint64_t)digit;
    }
    *out = (double)(int64_t)bits;
    return true;
}

/* A run of name characters is a number, a keyword or a name. */
static int read_run(struct sk_route_lex *lex, size_t len, struct sk_route_word *out,
                    struct sk_err *err)
{
    static const struct {
        const char *word;
        enum sk_route_sign sign;
    } words[] = { { "AND", SK_SIGN_AND }, { "OR", SK_SIGN_OR }, { "NOT", SK_SIGN_NOT } };
    struct sk_view run = { lex->text.ptr + lex->pos, len };

    out->sign = SK_SIGN_WORD;
    out->text = run;
    if (is_decimal(run)) {
        const char *copy = sk_arena_strndup(lex->arena, run.ptr, run.len);

        if (!copy)
            return sk_nomem(err);
        out->number = strtod(copy, NULL);
        out->sign = SK_SIGN_NUMBER;
    } else if (read_hex(run, &out->number)) {
        out->sign = SK_SIGN_NUMBER;
    }
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (sk_view_eq_nocase(run, words[i].word))
            out->sign = words[i].sign;
    lex->pos += len;
    return 0;
}

static bool read_sign(struct sk_route_lex *lex, struct sk_route_word *out)
{
    /* Longer ones first. */
    static const struct {
        const char *text;
        enum sk_route_sign sign;
    } signs[] = {
        { "||", SK_SIGN_CONCAT },    { "??", SK_SIGN_COALESCE },   { "!=", SK_SIGN_NE },
        { "<>", SK_SIGN_NE },        { "<=", SK_SIGN_LE },         { ">=", SK_SIGN_GE },
        { "<", SK_SIGN_LT },         { ">", SK_SIGN_GT },          { "=", SK_SIGN_EQ },
        { "(", SK_SIGN_OPEN },       { ")", SK_SIGN_CLOSE },       { ",", SK_SIGN_COMMA },
        { "{", SK_SIGN_LEFT_BRACE }, { "}", SK_SIGN_RIGHT_BRACE }, { "*", SK_SIGN_STAR },
        { "/", SK_SIGN_SLASH },      { "%", SK_SIGN_PERCENT },     { "+", SK_SIGN_PLUS },
        { "-", SK_SIGN_MINUS },
    };

    for (size_t i = 0; i < sizeof(signs) / sizeof(signs[0]); i++) {
        const char *s = signs[i].text;

        if (peek(lex, 0) != s[0] || (s[1] && peek(lex, 1) != s[1]))
            continue;
        out->sign = signs[i].sign;
        lex->pos += s[1] ? 2 : 1;
        return true;
    }
    return false;
}

int sk_route_lex_next(struct sk_route_lex *lex, struct sk_route_word *out, struct sk_err *err)
{
    struct sk_route_word word = { .sign = SK_SIGN_END };
    size_t len = 0;

    skip_blank(lex);
    word.at = lex->pos;
    if (lex->pos < lex->text.len) {
        char c = peek(lex, 0);

        if (c == '"' || c == '\'') {
            if (read_text(lex, &word, err) < 0)
                return -1;
        } else if (!read_sign(lex, &word)) {
            while (c == '$' ? is_path(peek(lex, len)) : is_name(peek(lex, len)))
                len++;
            if (len > 1 && peek(lex, len - 1) == '!' && peek(lex, len) == '=')
                len--;
            if (len == 0)
                return sk_route_fail(lex->text, lex->pos, err, "'%c' has no meaning here", c);
            if (read_run(lex, len, &word, err) < 0)
                return -1;
            if (c == '$')
                word.sign = SK_SIGN_SYSTEM;
        }
    }
    word.end = lex->pos;
    *out = word;
    return 0;
}

int sk_route_lex_item(struct sk_route_lex *lex, struct sk_view *out, struct sk_err *err)
{
    size_t len = 0;

    while (is_name(peek(lex, len)))
        len++;
    if (len == 0)
        return sk_route_fail(lex->text, lex->pos, err, "expected a name or * behind the /");
    *out = (struct sk_view){ lex->text.ptr + lex->pos, len };
    lex->pos += len;
    return 0;
}
