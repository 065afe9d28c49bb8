/*
 * labels.c - what the config's labels and the manifest's annotations say: a sorted list, so that
 * the order in which they were given does not matter.
 */
#include "pack/pack_priv.h"

#include "base/str.h"

#include <string.h>

enum {
    KEY_BYTES = 255,
    VALUE_BYTES = 8192
};

void sk_pack_labels_done(struct sk_pack_labels *l)
{
    for (size_t i = 0; i < l->count; i++) {
        free(l->items[i].key);
        free(l->items[i].value);
    }
    l->count = 0;
}

int sk_pack_labels_set(struct sk_pack_labels *l, const char *key, const char *value,
                       struct sk_err *err)
{
    SK_OWN(free) char *k = NULL;
    SK_OWN(free) char *v = NULL;
    size_t at = 0;

    if (!value)
        return 0;
    k = strdup(key);
    v = strdup(value);
    if (!k || !v)
        return sk_nomem(err);
    while (at < l->count && strcmp(l->items[at].key, key) < 0)
        at++;
    if (at < l->count && strcmp(l->items[at].key, key) == 0) {
        free(l->items[at].value);
        l->items[at].value = SK_TAKE(v);
        return 0;
    }
    if (l->count == SK_LABELS_MAX)
        return sk_fail(err, SK_LIMIT, "more than %d labels", SK_LABELS_MAX);
    memmove(&l->items[at + 1], &l->items[at], (l->count - at) * sizeof l->items[0]);
    l->items[at] = (struct sk_pack_label){ SK_TAKE(k), SK_TAKE(v) };
    l->count++;
    return 0;
}

int sk_pack_labels_user(struct sk_pack_labels *l, const char *text, struct sk_err *err)
{
    const char *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : 0;

    if (n == 0)
        return sk_fail(err, SK_INVALID, "label '%.100s': KEY=VALUE is expected", text);
    if (n > KEY_BYTES || strlen(equals + 1) > VALUE_BYTES)
        return sk_fail(err, SK_LIMIT, "label '%.100s': a key has at most %d bytes, a value %d",
                       text, KEY_BYTES, VALUE_BYTES);
    if (!sk_utf8_valid(text, strlen(text)))
        return sk_fail(err, SK_INVALID, "label '%.*s': not UTF-8", (int)(n < 100 ? n : 100), text);
    SK_OWN(free) char *key = strndup(text, n);
    if (!key)
        return sk_nomem(err);
    if (sk_starts_with(key, "skerry."))
        return sk_fail(err, SK_INVALID, "label '%s': what begins with skerry. is set by us", key);
    return sk_pack_labels_set(l, key, equals + 1, err);
}

void sk_pack_labels_json(const struct sk_pack_labels *l, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    for (size_t i = 0; i < l->count; i++) {
        if (i > 0)
            sk_buf_chr(out, ',');
        sk_buf_json_str(out, l->items[i].key);
        sk_buf_chr(out, ':');
        sk_buf_json_str(out, l->items[i].value);
    }
    sk_buf_chr(out, '}');
}
