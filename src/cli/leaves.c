/* leaves.c - a JSON document as lines of path and value, for people. */
#include "base/cleanup.h"
#include "base/str.h"
#include "cli/device_priv.h"
#include "cli/remote_priv.h"

#include <string.h>

enum {
    PATH_WIDTH = 34,
    PATH_BYTES = 1 << 16,
    VALUE_BYTES = 1 << 20
};

static bool is_left_out(const char *key, const char *const *without)
{
    for (; without && *without; without++)
        if (strcmp(key, *without) == 0)
            return true;
    return false;
}

/* A time that never was, as IoT Hub writes it. */
static bool is_nothing(const char *text)
{
    return !*text || sk_starts_with(text, "0001-01-01T");
}

static void add_leaf(const struct sk_json *v, const char *path, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf value = SK_BUF_INIT(VALUE_BYTES);
    const char *text = sk_json_text(v, NULL);
    size_t len = strlen(path);

    if (text && is_nothing(text))
        return;
    if (sk_ends_with(path, "_timestamp"))
        sk_cli_when(&value, sk_json_int(v, 0));
    else if (text)
        sk_buf_str(&value, text);
    else
        sk_json_dump(v, &value);
    sk_cli_cell(out, path, len > PATH_WIDTH ? (unsigned)len : PATH_WIDTH);
    sk_cli_cell(out, value.data ? value.data : "", 0);
    sk_buf_chr(out, '\n');
}

static void add_leaves(const struct sk_json *v, const char *path, const char *const *without,
                       struct sk_buf *out)
{
    if (sk_json_type(v) == SK_JSON_NULL ||
        (sk_json_type(v) == SK_JSON_ARRAY && sk_json_count(v) == 0))
        return;
    if (sk_json_type(v) != SK_JSON_OBJECT) {
        add_leaf(v, path, out);
        return;
    }
    for (void *it = sk_json_first(v); it; it = sk_json_next(v, it)) {
        SK_AUTO(sk_buf_done) struct sk_buf deeper = SK_BUF_INIT(PATH_BYTES);

        if (is_left_out(sk_json_key(it), without))
            continue;
        sk_buf_fmt(&deeper, "%s%s%s", path, *path ? "." : "", sk_json_key(it));
        if (sk_buf_ok(&deeper))
            add_leaves(sk_json_value(it), deeper.data, without, out);
    }
}

void sk_cli_leaves(const struct sk_json *v, const char *const *without, struct sk_buf *out)
{
    add_leaves(v, "", without, out);
}
