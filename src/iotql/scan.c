/*
 * scan.c - what is IoT Hub's in a query: paths and numbers.
 *
 *     path    := name { . segment | [ digits ] | [[ anything ]] }
 *     segment := name | [[ anything ]]
 *     number  := digits [. digits] [e [+-] digits]
 */
#include "iotql/iotql_priv.h"

#include <ctype.h>
#include <float.h>
#include <string.h>

int sk_iotql_scan_begin(struct sk_scan *s, const char *what, const char *text,
                        struct sk_arena *arena, struct sk_err *err)
{
    if (sk_scan_begin(s, what, sk_view_of(text), SK_IOTQL_TEXT_MAX, arena, err) < 0)
        return -1;
    s->also = '$';
    s->text.ptr = sk_arena_strndup(arena, s->text.len ? text : "", s->text.len);
    return s->text.ptr ? 0 : sk_nomem(err);
}

struct sk_view sk_iotql_scan_name(struct sk_scan *s)
{
    sk_scan_skip_spaces(s);
    return sk_scan_name(s);
}

/* ---- values ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool sk_iotql_scan_is_text(struct sk_scan *s)
{
    sk_scan_skip_spaces(s);
    return sk_scan_peek(s, 0) == '\'' || sk_scan_peek(s, 0) == '"';
}

bool sk_iotql_scan_is_number(struct sk_scan *s)
{
    sk_scan_skip_spaces(s);
    return is_digit(sk_scan_peek(s, 0)) ||
           (sk_scan_peek(s, 0) == '.' && is_digit(sk_scan_peek(s, 1)));
}

int sk_iotql_scan_number(struct sk_scan *s, bool *is_whole, int64_t *whole, double *num,
                         struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    size_t at = s->pos, len;
    char copy[64], *end;

    (void)sk_scan_run(s, is_digit);
    *is_whole = s->pos - at <= SK_IOTQL_INTEGER_DIGITS;
    if (sk_scan_peek(s, 0) == '.') {
        *is_whole = false;
        s->pos++;
        (void)sk_scan_run(s, is_digit);
    }
    if (sk_scan_peek(s, 0) == 'e' || sk_scan_peek(s, 0) == 'E') {
        *is_whole = false;
        s->pos += sk_scan_peek(s, 1) == '-' || sk_scan_peek(s, 1) == '+' ? 2 : 1;
        (void)sk_scan_run(s, is_digit);
    }
    len = s->pos - at;
    if (len >= sizeof(copy) || sk_scan_is_name(s, sk_scan_peek(s, 0)))
        return sk_scan_fail(s, at, err, "expected a number");
    memcpy(copy, s->text.ptr + at, len);
    copy[len] = 0;
    *num = 0;
    if (*is_whole)
        *whole = strtoll(copy, &end, 10);
    else if (sk_parse_f64("number", copy, -DBL_MAX, DBL_MAX, num, &why) < 0)
        return sk_scan_fail(s, at, err, "expected a number");
    return 0;
}

/* ---- paths ---- */

/* Behind [[. */
static int quoted_name(struct sk_scan *s, struct sk_view *out, struct sk_err *err)
{
    size_t from = s->pos;

    while (s->pos < s->text.len && !(sk_scan_peek(s, 0) == ']' && sk_scan_peek(s, 1) == ']'))
        s->pos++;
    if (s->pos == s->text.len)
        return sk_scan_fail(s, from - 2, err, "the [[ is never closed");
    *out = (struct sk_view){ s->text.ptr + from, s->pos - from };
    if (out->len == 0)
        return sk_scan_fail(s, from, err, "expected a name in [[ ]]");
    s->pos += 2;
    return 0;
}

static int index_of(struct sk_scan *s, struct segment *out, struct sk_err *err)
{
    size_t at = s->pos;

    *out = (struct segment){ .name = sk_scan_run(s, is_digit), .is_index = true };
    if (out->name.len == 0 || out->name.len > SK_IOTQL_INDEX_DIGITS || sk_scan_peek(s, 0) != ']')
        return sk_scan_fail(s, at, err, "expected an index of at most %d digits and ]",
                            SK_IOTQL_INDEX_DIGITS);
    s->pos++;
    return 0;
}

/* 1: there is one; 0: the path has ended. */
static int next_segment(struct sk_scan *s, struct segment *out, struct sk_err *err)
{
    bool has_dot = sk_scan_peek(s, 0) == '.';

    *out = (struct segment){ .is_index = false };
    s->pos += has_dot;
    if (sk_scan_peek(s, 0) == '[' && sk_scan_peek(s, 1) == '[') {
        s->pos += 2;
        return quoted_name(s, &out->name, err) < 0 ? -1 : 1;
    }
    if (!has_dot && sk_scan_peek(s, 0) == '[') {
        s->pos++;
        return index_of(s, out, err) < 0 ? -1 : 1;
    }
    if (!has_dot)
        return 0;
    out->name = sk_scan_name(s);
    if (out->name.len == 0)
        return sk_scan_fail(s, s->pos, err, "expected a name or [[name]]");
    return 1;
}

int sk_iotql_scan_path(struct sk_scan *s, struct path *out, struct sk_err *err)
{
    struct segment all[SK_IOTQL_SEGMENTS_MAX], next;
    int more;

    sk_scan_skip_spaces(s);
    *out = (struct path){ .at = s->pos };
    all[out->count++] = (struct segment){ .name = sk_scan_name(s) };
    if (all[0].name.len == 0)
        return sk_scan_fail(s, s->pos, err,
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
