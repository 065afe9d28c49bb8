/*
 * check_twin.c - what a twin can hold: keys, texts, numbers, depth.
 *
 * Rules of IoT Hub for desired properties. createOptions given as an object is let through: it is a
 * body for Docker, whose labels have dots, and it is kept as it is.
 */
#include "manifest/manifest_priv.h"

#include <string.h>

enum {
    LONGEST_INT_BITS = 52
};

bool sk_check_is_key(const char *key, const char **why)
{
    size_t len = strlen(key);

    *why = NULL;
    if (len == 0)
        *why = "a key is empty";
    else if (len > SK_MANIFEST_KEY_MAX)
        *why = "a key has at most 1024 bytes";
    for (size_t i = 0; i < len && !*why; i++) {
        unsigned char c = (unsigned char)key[i];

        if (c < ' ' || c == 0x7f || strchr(".$# ", c))
            *why = "a key has no '.', '$', '#', space or control character";
    }
    return !*why;
}

static bool is_free(const char *key)
{
    return sk_manifest_chunk_of(key) != NULL;
}

static void check_text(struct sk_check *c, const struct sk_json *v)
{
    size_t len = sk_json_text_len(v);

    if (len <= SK_MANIFEST_TEXT_MAX)
        return;
    sk_check_error(c, SK_TOO_LARGE, "a text of %zu bytes, at most %d%s", len, SK_MANIFEST_TEXT_MAX,
                   c->place.data && sk_ends_with(c->place.data, ".createOptions")
                       ? "; cut it in createOptions, createOptions01, createOptions02 and so on"
                       : "");
}

static void check_int(struct sk_check *c, const struct sk_json *v)
{
    int64_t n = sk_json_int(v, 0), max = (int64_t)1 << LONGEST_INT_BITS;

    if (n < -max || n > max)
        sk_check_error(c, SK_INVALID, "%lld is beyond what a twin holds, 2^52", (long long)n);
}

static void check_array(struct sk_check *c, const struct sk_json *v, unsigned depth)
{
    for (size_t i = 0; i < sk_json_count(v); i++) {
        size_t mark = sk_check_enter_index(c, i);

        if (sk_json_type(sk_json_at(v, i)) == SK_JSON_NULL)
            sk_check_error(c, SK_INVALID, "an array in a twin has no null");
        else
            sk_check_twin(c, sk_json_at(v, i), depth + 1);
        sk_check_leave(c, mark);
    }
}

static void check_object(struct sk_check *c, const struct sk_json *v, unsigned depth)
{
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        const char *key = sk_json_key(it), *why;
        size_t mark;

        /* The hub's own, as in a section that was read from a twin. */
        if (depth == 0 && (strcmp(key, "$version") == 0 || strcmp(key, "$metadata") == 0))
            continue;
        mark = sk_check_enter(c, key);
        if (!sk_check_is_key(key, &why))
            sk_check_error(c, SK_INVALID, "%s", why);
        if (sk_json_type(sk_json_value(it)) != SK_JSON_OBJECT || !is_free(key))
            sk_check_twin(c, sk_json_value(it), depth + 1);
        sk_check_leave(c, mark);
    }
}

void sk_check_twin(struct sk_check *c, const struct sk_json *v, unsigned depth)
{
    enum sk_json_type type = sk_json_type(v);

    if (type == SK_JSON_STRING)
        check_text(c, v);
    else if (type == SK_JSON_INT)
        check_int(c, v);
    if (type != SK_JSON_OBJECT && type != SK_JSON_ARRAY)
        return;
    if (depth > SK_MANIFEST_DEPTH_MAX)
        sk_check_error(c, SK_INVALID, "nested deeper than %d", SK_MANIFEST_DEPTH_MAX);
    else if (type == SK_JSON_OBJECT)
        check_object(c, v, depth);
    else
        check_array(c, v, depth);
}
