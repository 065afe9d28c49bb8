/* scan.c - a small language read piece by piece. */
#include "base/scan.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
    SHOWN_BEFORE = 40, /* bytes of the text, before and behind an error */
    SHOWN_AFTER = 30,
    SHOWN_TEXT = 256 /* of what an error says */
};

int sk_scan_begin(struct sk_scan *s, const char *what, struct sk_view text, size_t max,
                  struct sk_arena *arena, struct sk_err *err)
{
    if (text.len > max)
        return sk_fail(err, SK_LIMIT, "%s: %zu bytes, at most %zu", what, text.len, max);
    if (!sk_utf8_valid(text.ptr, text.len) || memchr(text.len ? text.ptr : "", 0, text.len))
        return sk_fail(err, SK_INVALID, "%s: not UTF-8 text", what);
    *s = (struct sk_scan){ .text = text, .what = what, .arena = arena };
    return 0;
}

char sk_scan_peek(const struct sk_scan *s, size_t ahead)
{
    return s->pos + ahead < s->text.len ? s->text.ptr[s->pos + ahead] : 0;
}

void sk_scan_skip_spaces(struct sk_scan *s)
{
    for (char c = sk_scan_peek(s, 0); c == ' ' || (c >= '\t' && c <= '\r'); c = sk_scan_peek(s, 0))
        s->pos++;
}

bool sk_scan_at_end(struct sk_scan *s)
{
    sk_scan_skip_spaces(s);
    return s->pos == s->text.len;
}

bool sk_scan_is_name(const struct sk_scan *s, char c)
{
    return isalnum((unsigned char)c) || c == '_' || (c && c == s->also) || (unsigned char)c >= 0x80;
}

bool sk_scan_word(struct sk_scan *s, const char *word)
{
    size_t len = strlen(word);

    sk_scan_skip_spaces(s);
    if (s->text.len - s->pos < len || sk_scan_is_name(s, sk_scan_peek(s, len)) ||
        !sk_view_eq_nocase((struct sk_view){ s->text.ptr + s->pos, len }, word))
        return false;
    s->pos += len;
    return true;
}

bool sk_scan_sign(struct sk_scan *s, const char *sign)
{
    size_t len = strlen(sign);

    sk_scan_skip_spaces(s);
    if (s->text.len - s->pos < len || memcmp(s->text.ptr + s->pos, sign, len) != 0)
        return false;
    s->pos += len;
    return true;
}

struct sk_view sk_scan_name(struct sk_scan *s)
{
    size_t from = s->pos;

    while (s->pos < s->text.len && sk_scan_is_name(s, sk_scan_peek(s, 0)))
        s->pos++;
    return (struct sk_view){ s->text.ptr + from, s->pos - from };
}

struct sk_view sk_scan_run(struct sk_scan *s, bool (*fits)(char c))
{
    size_t from = s->pos;

    while (s->pos < s->text.len && fits(sk_scan_peek(s, 0)))
        s->pos++;
    return (struct sk_view){ s->text.ptr + from, s->pos - from };
}

int sk_scan_quoted(struct sk_scan *s, struct sk_view *out, struct sk_err *err)
{
    char quote = sk_scan_peek(s, 0), *copy;
    size_t at = s->pos++, from = s->pos, doubled = 0, len = 0;

    for (; s->pos < s->text.len; s->pos++) {
        if (sk_scan_peek(s, 0) != quote)
            continue;
        if (sk_scan_peek(s, 1) != quote)
            break;
        doubled++;
        s->pos++;
    }
    if (s->pos >= s->text.len)
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

/* ---- errors ---- */

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
