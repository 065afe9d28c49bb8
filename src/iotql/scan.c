/*
 * scan.c - the letters of a query: words, paths, values, and where an error is.
 *
 *     path    := name { . segment | [ digits ] | [[ anything ]] }
 *     segment := name | [[ anything ]]
 *     text    := ' ' or " ", the quote doubled inside
 *     number  := digits [. digits] [e [+-] digits]
 */
#include "iotql/iotql_priv.h"

#include <ctype.h>
#include <float.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_BEFORE = 40, /* bytes of the text, before and behind an error */
    SHOWN_AFTER = 30,
    SHOWN_TEXT = 256 /* of what an error says */
};

int sk_iotql_scan_begin(struct iotql_scan *s, const char *what, const char *text,
                        struct sk_arena *arena, struct sk_err *err)
{
    struct sk_view view = sk_view_of(text);

    if (view.len > SK_IOTQL_TEXT_MAX)
        return sk_fail(err, SK_LIMIT, "%s: %zu bytes, at most %d", what, view.len,
                       SK_IOTQL_TEXT_MAX);
    if (!sk_utf8_valid(view.ptr, view.len))
        return sk_fail(err, SK_INVALID, "%s: not UTF-8 text", what);
    view.ptr = sk_arena_strndup(arena, view.len ? view.ptr : "", view.len);
    if (!view.ptr)
        return sk_nomem(err);
    *s = (struct iotql_scan){ .text = view, .what = what, .arena = arena };
    return 0;
}

static char peek(const struct iotql_scan *s, size_t ahead)
{
    return s->pos + ahead < s->text.len ? s->text.ptr[s->pos + ahead] : 0;
}

static void skip_spaces(struct iotql_scan *s)
{
    while (peek(s, 0) == ' ' || (peek(s, 0) >= '\t' && peek(s, 0) <= '\r'))
        s->pos++;
}

bool sk_iotql_scan_at_end(struct iotql_scan *s)
{
    skip_spaces(s);
    return s->pos == s->text.len;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

bool sk_iotql_scan_word(struct iotql_scan *s, const char *word)
{
    size_t len = strlen(word);

    skip_spaces(s);
    if (s->text.len - s->pos < len || is_name(peek(s, len)) ||
        !sk_view_eq_nocase((struct sk_view){ s->text.ptr + s->pos, len }, word))
        return false;
    s->pos += len;
    return true;
}

bool sk_iotql_scan_sign(struct iotql_scan *s, const char *sign)
{
    size_t len = strlen(sign);

    skip_spaces(s);
    if (s->text.len - s->pos < len || memcmp(s->text.ptr + s->pos, sign, len) != 0)
        return false;
    s->pos += len;
    return true;
}

static struct sk_view run_of(struct iotql_scan *s, bool (*fits)(char c))
{
    size_t from = s->pos;

    while (s->pos < s->text.len && fits(peek(s, 0)))
        s->pos++;
    return (struct sk_view){ s->text.ptr + from, s->pos - from };
}

struct sk_view sk_iotql_scan_name(struct iotql_scan *s)
{
    skip_spaces(s);
    return run_of(s, is_name);
}

/* ---- values ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sk_iotql_scan_is_text(struct iotql_scan *s)
{
    skip_spaces(s);
    return peek(s, 0) == '\'' || peek(s, 0) == '"';
}

bool sk_iotql_scan_is_number(struct iotql_scan *s)
{
    skip_spaces(s);
    return is_digit(peek(s, 0)) || (peek(s, 0) == '.' && is_digit(peek(s, 1)));
}

int sk_iotql_scan_text(struct iotql_scan *s, struct sk_view *out, struct sk_err *err)
{
    char quote = peek(s, 0), *copy;
    size_t at = s->pos++, from = s->pos, len = 0;

    for (; s->pos < s->text.len; s->pos++) {
        if (peek(s, 0) != quote)
            continue;
        if (peek(s, 1) != quote)
            break;
        s->pos++;
    }
    if (s->pos >= s->text.len)
        return sk_iotql_scan_fail(s, at, err, "the %c is never closed", quote);
    copy = sk_arena_alloc(s->arena, s->pos - from);
    if (!copy)
        return sk_nomem(err);
    for (size_t i = from; i < s->pos; i++) {
        copy[len++] = s->text.ptr[i];
        i += s->text.ptr[i] == quote;
    }
    s->pos++;
    *out = (struct sk_view){ copy, len };
    return 0;
}

int sk_iotql_scan_number(struct iotql_scan *s, bool *is_whole, int64_t *whole, double *num,
                         struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    size_t at = s->pos, len;
    char copy[64], *end;

    (void)run_of(s, is_digit);
    *is_whole = s->pos - at <= SK_IOTQL_INTEGER_DIGITS;
    if (peek(s, 0) == '.') {
        *is_whole = false;
        s->pos++;
        (void)run_of(s, is_digit);
    }
    if (peek(s, 0) == 'e' || peek(s, 0) == 'E') {
        *is_whole = false;
        s->pos += peek(s, 1) == '-' || peek(s, 1) == '+' ? 2 : 1;
        (void)run_of(s, is_digit);
    }
    len = s->pos - at;
    if (len >= sizeof(copy) || is_name(peek(s, 0)))
        return sk_iotql_scan_fail(s, at, err, "expected a number");
    memcpy(copy, s->text.ptr + at, len);
    copy[len] = 0;
    *num = 0;
    if (*is_whole)
        *whole = strtoll(copy, &end, 10);
    else if (sk_parse_f64("number", copy, -DBL_MAX, DBL_MAX, num, &why) < 0)
        return sk_iotql_scan_fail(s, at, err, "expected a number");
    return 0;
}

/* ---- paths ---- */

/* Behind [[. */
static int quoted_name(struct iotql_scan *s, struct sk_view *out, struct sk_err *err)
{
    size_t from = s->pos;

    while (s->pos < s->text.len && !(peek(s, 0) == ']' && peek(s, 1) == ']'))
        s->pos++;
    if (s->pos == s->text.len)
        return sk_iotql_scan_fail(s, from - 2, err, "the [[ is never closed");
    *out = (struct sk_view){ s->text.ptr + from, s->pos - from };
    if (out->len == 0)
        return sk_iotql_scan_fail(s, from, err, "expected a name in [[ ]]");
    s->pos += 2;
    return 0;
}

static int index_of(struct iotql_scan *s, struct segment *out, struct sk_err *err)
{
    size_t at = s->pos;

    *out = (struct segment){ .name = run_of(s, is_digit), .is_index = true };
    if (out->name.len == 0 || out->name.len > SK_IOTQL_INDEX_DIGITS || peek(s, 0) != ']')
        return sk_iotql_scan_fail(s, at, err, "expected an index of at most %d digits and ]",
                                  SK_IOTQL_INDEX_DIGITS);
    s->pos++;
    return 0;
}

/* 1: there is one; 0: the path has ended. */
static int next_segment(struct iotql_scan *s, struct segment *out, struct sk_err *err)
{
    bool has_dot = peek(s, 0) == '.';

    *out = (struct segment){ .is_index = false };
    s->pos += has_dot;
    if (peek(s, 0) == '[' && peek(s, 1) == '[') {
        s->pos += 2;
        return quoted_name(s, &out->name, err) < 0 ? -1 : 1;
    }
    if (!has_dot && peek(s, 0) == '[') {
        s->pos++;
        return index_of(s, out, err) < 0 ? -1 : 1;
    }
    if (!has_dot)
        return 0;
    out->name = run_of(s, is_name);
    if (out->name.len == 0)
        return sk_iotql_scan_fail(s, s->pos, err, "expected a name or [[name]]");
    return 1;
}

int sk_iotql_scan_path(struct iotql_scan *s, struct path *out, struct sk_err *err)
{
    struct segment all[SK_IOTQL_SEGMENTS_MAX], next;
    int more;

    skip_spaces(s);
    *out = (struct path){ .at = s->pos };
    all[out->count++] = (struct segment){ .name = run_of(s, is_name) };
    if (all[0].name.len == 0)
        return sk_iotql_scan_fail(s, s->pos, err,
                                  "expected a value: a field such as tags.site, 'text' or number");
    while ((more = next_segment(s, &next, err)) > 0) {
        if (out->count == SK_IOTQL_SEGMENTS_MAX)
            return sk_fail(err, SK_LIMIT, "%s: a path of more than %d names", s->what,
                           SK_IOTQL_SEGMENTS_MAX);
        all[out->count++] = next;
    }
    if (more < 0)
        return -1;
    out->segments = sk_arena_alloc(s->arena, out->count * sizeof(all[0]));
    if (!out->segments)
        return sk_nomem(err);
    memcpy(out->segments, all, out->count * sizeof(all[0]));
    return 0;
}

/* ---- errors ---- */

/* Not inside of a character. */
static size_t to_start(struct sk_view v, size_t at)
{
    while (at > 0 && at < v.len && ((unsigned char)v.ptr[at] & 0xc0) == 0x80)
        at--;
    return at;
}

int sk_iotql_scan_fail(const struct iotql_scan *s, size_t at, struct sk_err *err, const char *fmt,
                       ...)
{
    const char *text = s->text.ptr;
    size_t from = to_start(s->text, at > SHOWN_BEFORE ? at - SHOWN_BEFORE : 0);
    size_t to = to_start(s->text, s->text.len - at > SHOWN_AFTER ? at + SHOWN_AFTER : s->text.len);
    size_t position = 1;
    char said[SHOWN_TEXT];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(said, sizeof(said), fmt, args);
    va_end(args);
    for (size_t i = 0; i < at; i++)
        position += ((unsigned char)text[i] & 0xc0) != 0x80;
    return sk_fail(err, SK_INVALID, "%s: %s, at %zu: %s%.*s>>>%.*s%s", s->what, said, position,
                   from > 0 ? "..." : "", (int)(at - from), from < at ? text + from : "",
                   (int)(to - at), at < to ? text + at : "", to < s->text.len ? "..." : "");
}
