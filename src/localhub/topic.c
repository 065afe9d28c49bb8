/*
 * topic.c - the topics on which the cloud publishes to a device or module, read as its client.
 */
#include "localhub/localhub_priv.h"

#include <string.h>

static bool skip(struct sk_view *v, const char *prefix)
{
    const size_t len = strlen(prefix);
    if (v->len < len || memcmp(v->ptr, prefix, len) != 0)
        return false;
    v->ptr += len;
    v->len -= len;
    return true;
}

/* Up to c, which is skipped; false: it is not there. */
static bool take_until(struct sk_view *v, char c, struct sk_view *out)
{
    const char *at = v->len > 0 ? memchr(v->ptr, c, v->len) : NULL;
    if (!at)
        return false;
    *out = (struct sk_view){ v->ptr, (size_t)(at - v->ptr) };
    v->len -= out->len + 1;
    v->ptr = at + 1;
    return true;
}

static bool number(struct sk_view v, int64_t *out)
{
    char digits[20];
    struct sk_err err = SK_ERR_INIT;
    uint64_t n = 0;
    if (v.len == 0 || v.len >= sizeof digits)
        return false;
    memcpy(digits, v.ptr, v.len);
    digits[v.len] = '\0';
    if (sk_parse_u64("number", digits, 0, INT64_MAX, &n, &err) < 0)
        return false;
    *out = (int64_t)n;
    return true;
}

/* "$rid=7&$version=3", encoded ("%24rid") or not; what is not known is passed over. */
static void read_query(struct sk_view v, struct sk_lh_down *out)
{
    while (v.len > 0) {
        struct sk_view pair = v;
        if (!take_until(&v, '&', &pair))
            v.len = 0;
        if (!skip(&pair, "$"))
            (void)skip(&pair, "%24");
        if (skip(&pair, "rid="))
            out->rid = pair;
        else if (skip(&pair, "version="))
            (void)number(pair, &out->version);
    }
}

static bool read_name(struct sk_view v, char out[SK_IOT_METHOD_NAME_MAX + 1])
{
    size_t used = 0;
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c == '%') {
            int high = i + 2 < v.len ? sk_hex_digit(v.ptr[i + 1]) : -1;
            int low = i + 2 < v.len ? sk_hex_digit(v.ptr[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        if (c == '\0' || used >= SK_IOT_METHOD_NAME_MAX)
            return false;
        out[used++] = c;
    }
    out[used] = '\0';
    return used > 0 && sk_utf8_valid(out, used);
}

static enum sk_lh_down_kind read_twin(struct sk_view v, struct sk_lh_down *out)
{
    struct sk_view status;
    int64_t n = 0;
    if (!take_until(&v, '/', &status) || !number(status, &n) || n > 999 || !skip(&v, "?"))
        return SK_LH_DOWN_NONE;
    out->status = (int)n;
    read_query(v, out);
    return out->rid.len > 0 ? SK_LH_DOWN_TWIN : SK_LH_DOWN_NONE;
}

static enum sk_lh_down_kind read_method(struct sk_view v, struct sk_lh_down *out)
{
    struct sk_view name;
    if (!take_until(&v, '/', &name) || !read_name(name, out->name) || !skip(&v, "?"))
        return SK_LH_DOWN_NONE;
    read_query(v, out);
    return out->rid.len > 0 && out->rid.len < SK_LH_RID ? SK_LH_DOWN_METHOD : SK_LH_DOWN_NONE;
}

static enum sk_lh_down_kind read_message(struct sk_view v, struct sk_lh_down *out)
{
    struct sk_view device;
    if (!take_until(&v, '/', &device) || device.len == 0 || !skip(&v, "messages/devicebound/"))
        return SK_LH_DOWN_NONE;
    out->bag = v;
    return SK_LH_DOWN_MESSAGE;
}

struct sk_lh_down sk_lh_down_parse(struct sk_view topic)
{
    struct sk_lh_down d = { .version = -1, .rid = { "", 0 }, .bag = { "", 0 } };
    struct sk_view v = topic;
    if (skip(&v, "$iothub/twin/res/")) {
        d.kind = read_twin(v, &d);
    } else if (skip(&v, "$iothub/twin/PATCH/properties/desired/?")) {
        read_query(v, &d);
        d.kind = d.version >= 0 ? SK_LH_DOWN_DESIRED : SK_LH_DOWN_NONE;
    } else if (skip(&v, "$iothub/methods/POST/")) {
        d.kind = read_method(v, &d);
    } else if (skip(&v, "devices/")) {
        d.kind = read_message(v, &d);
    }
    return d;
}
