/*
 * scan.c - the letters of a filter: words, keys, values, and where an error is.
 *
 * What is read depends on where it stands: "a-b" is one name as a key, "-1" a number as a value.
 * Texts without doubled quotes are views into the filter; others are copied into the arena.
 */
#include "query/query_priv.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_BEFORE = 40, /* bytes of the filter, before and behind an error */
    SHOWN_AFTER = 30,
    SHOWN_TEXT = 200 /* of what an error says */
};

int sk_scan_begin(struct sk_scan *s, const char *what, struct sk_view text, struct sk_arena *arena,
                  struct sk_err *err)
{
    if (text.len > SK_QUERY_FILTER_MAX)
        return sk_fail(err, SK_LIMIT, "%s: %zu bytes, at most %d", what, text.len,
                       SK_QUERY_FILTER_MAX);
    if (!sk_utf8_valid(text.ptr, text.len) || memchr(text.len ? text.ptr : "", 0, text.len))
        return sk_fail(err, SK_INVALID, "%s: not UTF-8 text", what);
    *s = (struct sk_scan){ .text = text, .what = what, .arena = arena };
    return 0;
}

static char peek(const struct sk_scan *s, size_t ahead)
{
    return s->pos + ahead < s->text.len ? s->text.ptr[s->pos + ahead] : 0;
}

static void skip_spaces(struct sk_scan *s)
{
    while (peek(s, 0) == ' ' || (peek(s, 0) >= '\t' && peek(s, 0) <= '\r'))
        s->pos++;
}

bool sk_scan_at_end(struct sk_scan *s)
{
    skip_spaces(s);
    return s->pos == s->text.len;
}

static bool is_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || (unsigned char)c >= 0x80;
}

/* What a name behind a prefix may have without quotes. */
static bool is_long_name(char c)
{
    return is_name(c) || c == '.' || c == '-' || c == '/';
}

bool sk_scan_word(struct sk_scan *s, const char *word)
{
    size_t len = strlen(word);

    skip_spaces(s);
    if (s->text.len - s->pos < len || is_name(peek(s, len)) ||
        !sk_view_eq_nocase((struct sk_view){ s->text.ptr + s->pos, len }, word))
        return false;
    s->pos += len;
    return true;
}

bool sk_scan_sign(struct sk_scan *s, const char *sign)
{
    size_t len = strlen(sign);

    skip_spaces(s);
    if (s->text.len - s->pos < len || memcmp(s->text.ptr + s->pos, sign, len) != 0)
        return false;
    s->pos += len;
    return true;
}

static struct sk_view run_of(struct sk_scan *s, bool (*fits)(char c))
{
    size_t from = s->pos;

    while (s->pos < s->text.len && fits(peek(s, 0)))
        s->pos++;
    return (struct sk_view){ s->text.ptr + from, s->pos - from };
}

/* At the opening quote. */
static int quoted(struct sk_scan *s, struct sk_view *out, struct sk_err *err)
{
    char quote = peek(s, 0), *copy;
    size_t at = s->pos++, from = s->pos, doubled = 0, len = 0;

    for (; s->pos < s->text.len; s->pos++) {
        if (peek(s, 0) != quote)
            continue;
        if (peek(s, 1) != quote)
            break;
        doubled++;
        s->pos++;
    }
    if (s->pos == s->text.len)
        return sk_scan_fail(s, at, err, "the %c is never closed", quote);
    *out = (struct sk_view){ s->text.ptr + from, s->pos - from };
    s->pos++;
    if (doubled == 0)
        return 0;
    copy = sk_arena_alloc(s->arena, out->len);
    if (!copy)
        return sk_nomem(err);
    for (size_t i = 0; i < out->len; i++) {
        copy[len++] = out->ptr[i];
        i += out->ptr[i] == quote;
    }
    *out = (struct sk_view){ copy, len };
    return 0;
}

static int name_part(struct sk_scan *s, bool (*fits)(char c), struct sk_view *out,
                     struct sk_err *err)
{
    if (peek(s, 0) == '`' || peek(s, 0) == '"')
        return quoted(s, out, err);
    *out = run_of(s, fits);
    return 0;
}

int sk_scan_key(struct sk_scan *s, struct sk_scan_key *out, struct sk_err *err)
{
    skip_spaces(s);
    *out = (struct sk_scan_key){ .prefix = SK_VIEW(""), .at = s->pos };
    if (name_part(s, is_name, &out->name, err) < 0)
        return -1;
    if (peek(s, 0) == '.' && out->name.len > 0) {
        s->pos++;
        out->prefix = out->name;
        if (name_part(s, is_long_name, &out->name, err) < 0)
            return -1;
    }
    if (out->name.len == 0)
        return sk_scan_fail(s, s->pos, err, "expected a key such as name or tags.`site`");
    return 0;
}

static bool is_number(char c)
{
    return isdigit((unsigned char)c) || c == '.' || c == '-' || c == '+' || c == 'e' || c == 'E';
}

int sk_scan_value(struct sk_scan *s, struct sk_view *out, bool *is_quoted, struct sk_err *err)
{
    char c;

    skip_spaces(s);
    c = peek(s, 0);
    *is_quoted = c == '\'' || c == '"';
    if (*is_quoted)
        return quoted(s, out, err);
    *out = run_of(s, is_number);
    if (out->len == 0)
        return sk_scan_fail(s, s->pos, err, "expected a value: a text in quotes or a number");
    return 0;
}

/* Not inside of a character. */
static size_t to_start(struct sk_view v, size_t at)
{
    while (at > 0 && at < v.len && ((unsigned char)v.ptr[at] & 0xc0) == 0x80)
        at--;
    return at;
}

int sk_scan_fail(const struct sk_scan *s, size_t at, struct sk_err *err, const char *fmt, ...)
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
