/*
 * scan.c - bounds what a parse can cost before any of it is paid.
 *
 * One pass over the bytes, outside strings and inside them, counts what the parser would allocate:
 * one for a number, a literal, a text or a key, CONTAINER_COST for an array or object. It does not
 * check grammar (but for NUL bytes): a parser that stops at an error has allocated for a prefix of
 * the text, and the count of a prefix is never larger than that of the whole. So whatever the text,
 * the parser's memory is at most max_values * 64 bytes and the text once more, and its recursion at
 * most max_depth.
 */
#include "json/json_priv.h"

#include "base/str.h"

#include <string.h>

/* An empty object takes 224 bytes in jansson, an empty array 112, a number 32. */
enum {
    CONTAINER_COST = 4
};

static bool ends_word(unsigned char c)
{
    return c <= ' ' || c == ',' || c == ':' || c == '"' || c == '[' || c == ']' || c == '{' ||
           c == '}';
}

/* The position behind a text that begins at i (its quote); len when it has no end. */
static size_t skip_text(const char *text, size_t len, size_t i)
{
    for (i++; i < len && text[i] != '"'; i++) {
        if (text[i] == '\\')
            i++;
    }
    return i < len ? i + 1 : len;
}

static size_t skip_word(const char *text, size_t len, size_t i)
{
    while (i < len && !ends_word((unsigned char)text[i]))
        i++;
    return i;
}

int sk_json_scan(const char *text, size_t len, const struct sk_json_limits *limits,
                 struct sk_err *err)
{
    size_t cost = 0;
    unsigned depth = 0;
    size_t i = 0;

    if (!sk_utf8_valid(text, len))
        return sk_fail(err, SK_INVALID, "not UTF-8");
    if (memchr(text, '\0', len)) /* jansson 2.14 passes over one behind a number */
        return sk_fail(err, SK_INVALID, "a NUL byte at %zu", strlen(text));
    while (i < len) {
        unsigned char c = (unsigned char)text[i];
        if (c == '[' || c == '{') {
            if (++depth > limits->max_depth)
                return sk_fail(err, SK_LIMIT, "nested deeper than %u", limits->max_depth);
            cost += CONTAINER_COST;
            i++;
        } else if (c == ']' || c == '}') {
            depth -= depth > 0;
            i++;
        } else if (c == '"') {
            cost++;
            i = skip_text(text, len, i);
        } else if (ends_word(c)) {
            i++;
        } else {
            cost++;
            i = skip_word(text, len, i);
        }
        if (cost > limits->max_values)
            return sk_fail(err, SK_LIMIT, "more than %zu values", limits->max_values);
    }
    return 0;
}
