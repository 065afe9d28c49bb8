/*
 * scan.c - what is MLflow's in a filter: keys and values.
 *
 * What is read depends on where it stands: "a-b" is one name as a key, "-1" a number as a value.
 */
#include "query/query_priv.h"

#include <ctype.h>

/* What a name behind a prefix may have without quotes. */
static bool is_long_name(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.' || c == '-' || c == '/' ||
           (unsigned char)c >= 0x80;
}

/* In quotes, it is any text. */
static int name_part(struct sk_scan *s, bool is_long, struct sk_view *out, struct sk_err *err)
{
    if (sk_scan_peek(s, 0) == '`' || sk_scan_peek(s, 0) == '"')
        return sk_scan_quoted(s, out, err);
    *out = is_long ? sk_scan_run(s, is_long_name) : sk_scan_name(s);
    return 0;
}

int sk_query_read_key(struct sk_scan *s, struct sk_query_key *out, struct sk_err *err)
{
    sk_scan_skip_spaces(s);
    *out = (struct sk_query_key){ .prefix = SK_VIEW(""), .at = s->pos };
    if (name_part(s, false, &out->name, err) < 0)
        return -1;
    if (sk_scan_peek(s, 0) == '.' && out->name.len > 0) {
        s->pos++;
        out->prefix = out->name;
        if (name_part(s, true, &out->name, err) < 0)
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

int sk_query_read_value(struct sk_scan *s, struct sk_view *out, bool *is_quoted, struct sk_err *err)
{
    char c;

    sk_scan_skip_spaces(s);
    c = sk_scan_peek(s, 0);
    *is_quoted = c == '\'' || c == '"';
    if (*is_quoted)
        return sk_scan_quoted(s, out, err);
    *out = sk_scan_run(s, is_number);
    if (out->len == 0)
        return sk_scan_fail(s, s->pos, err, "expected a value: a text in quotes or a number");
    return 0;
}
