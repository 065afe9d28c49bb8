/*
 * topic.c - topics that clients publish and subscribe to, and those that the hub publishes.
 *
 * Ids stand in topics as they are, never percent-encoded (the SDKs agree). Clients differ in
 * slashes: Node ends an output's topic with one behind the bag, others leave out the one behind
 * `events`. What the hub writes is what the strictest reader takes: C finds `?$rid=` by its
 * position, Node wants a '/' behind an input's name even without a bag.
 */
#include "iot/iot_priv.h"

#include <limits.h>
#include <string.h>

/* Takes prefix off the front of v. */
static bool skip(struct sk_view *v, const char *prefix)
{
    size_t len = strlen(prefix);
    if (v->len < len || memcmp(v->ptr, prefix, len) != 0)
        return false;
    *v = (struct sk_view){ v->ptr + len, v->len - len };
    return true;
}

/* Takes "a/" off the front of v. */
static bool take_segment(struct sk_view *v, struct sk_view *out)
{
    return sk_iot_cut(v, '/', out) && out->len > 0;
}

static struct sk_view find_rid(struct sk_view query)
{
    while (query.len > 0) {
        struct sk_view item;
        (void)sk_iot_cut(&query, '&', &item);
        if (skip(&item, "$rid="))
            return item;
    }
    return SK_VIEW("");
}

/* What may stand behind the fixed part of a request: nothing, "/", or "/?$rid=..". */
static bool read_rid(struct sk_view rest, struct sk_iot_topic *t)
{
    t->rid = SK_VIEW("");
    if (rest.len == 0 || sk_view_eq(rest, "/"))
        return true;
    if (!skip(&rest, "/?"))
        return false;
    t->rid = find_rid(rest);
    return true;
}

/* An int in decimal; "-1" is one, "+1" and "" are not. */
static bool read_status(struct sk_view v, int *out)
{
    bool is_negative = skip(&v, "-");
    int64_t n = 0;
    if (v.len == 0)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        if (v.ptr[i] < '0' || v.ptr[i] > '9')
            return false;
        n = 10 * n + (v.ptr[i] - '0');
        if (n > INT_MAX)
            return false;
    }
    *out = (int)(is_negative ? -n : n);
    return true;
}

static bool read_response(struct sk_view rest, struct sk_iot_topic *t)
{
    const char *slash = rest.len > 0 ? memchr(rest.ptr, '/', rest.len) : NULL;
    struct sk_view status = { rest.ptr, slash ? (size_t)(slash - rest.ptr) : rest.len };
    return read_status(status, &t->status) &&
           read_rid((struct sk_view){ rest.ptr + status.len, rest.len - status.len }, t);
}

static bool read_events(struct sk_view rest, struct sk_iot_topic *t)
{
    t->module = SK_VIEW("");
    t->bag = SK_VIEW("");
    if (!take_segment(&rest, &t->device) ||
        (skip(&rest, "modules/") && !take_segment(&rest, &t->module)) ||
        !skip(&rest, "messages/events"))
        return false;
    if (rest.len == 0)
        return true;
    if (!skip(&rest, "/"))
        return false;
    if (rest.len > 0 && rest.ptr[rest.len - 1] == '/')
        rest.len--;
    t->bag = rest;
    return true;
}

struct sk_iot_topic sk_iot_topic_parse(struct sk_view topic)
{
    static const struct {
        const char *prefix;
        enum sk_iot_topic_kind kind;
        bool (*read)(struct sk_view rest, struct sk_iot_topic *t);
    } rows[] = {
        { "devices/", SK_TOPIC_EVENTS, read_events },
        { "$iothub/methods/res/", SK_TOPIC_METHOD_RESPONSE, read_response },
        { "$iothub/twin/GET", SK_TOPIC_TWIN_GET, read_rid },
        { "$iothub/twin/PATCH/properties/reported", SK_TOPIC_TWIN_REPORTED, read_rid },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_iot_topic t = { .kind = rows[i].kind };
        struct sk_view rest = topic;
        if (skip(&rest, rows[i].prefix) && rows[i].read(rest, &t))
            return t;
    }
    return (struct sk_iot_topic){ .kind = SK_TOPIC_NONE };
}

static bool skip_segment(struct sk_view *v, const char *name)
{
    return skip(v, name) && skip(v, "/");
}

enum sk_iot_sub sk_iot_filter_parse(struct sk_view filter, const char *device, const char *module)
{
    static const struct {
        const char *filter;
        enum sk_iot_sub sub;
    } fixed[] = {
        { "$iothub/methods/POST/#", SK_SUB_METHODS },
        { "$iothub/twin/res/#", SK_SUB_TWIN_RESPONSES },
        { "$iothub/twin/PATCH/properties/desired/#", SK_SUB_TWIN_DESIRED },
    };

    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++)
        if (sk_view_eq(filter, fixed[i].filter))
            return fixed[i].sub;
    if (!skip(&filter, "devices/") || !skip_segment(&filter, device))
        return SK_SUB_NONE;
    if (!module[0])
        return sk_view_eq(filter, "messages/devicebound/#") ? SK_SUB_C2D : SK_SUB_NONE;
    if (!skip(&filter, "modules/") || !skip_segment(&filter, module))
        return SK_SUB_NONE;
    return sk_view_eq(filter, "inputs/#") || sk_view_eq(filter, "#") ? SK_SUB_INPUTS : SK_SUB_NONE;
}

void sk_iot_topic_method(struct sk_buf *out, const char *method, const char *rid)
{
    sk_buf_str(out, "$iothub/methods/POST/");
    sk_buf_percent(out, method, strlen(method), "");
    sk_buf_str(out, "/?$rid=");
    sk_buf_percent(out, rid, strlen(rid), "");
}

void sk_iot_topic_twin_response(struct sk_buf *out, int status, struct sk_view rid, int64_t version)
{
    sk_buf_str(out, "$iothub/twin/res/");
    sk_buf_i64(out, status);
    sk_buf_str(out, "/?$rid=");
    sk_buf_add(out, rid.ptr, rid.len); /* raw as it came */
    if (version < 0)
        return;
    sk_buf_str(out, "&$version=");
    sk_buf_i64(out, version);
}

void sk_iot_topic_desired(struct sk_buf *out, int64_t version)
{
    sk_buf_str(out, "$iothub/twin/PATCH/properties/desired/?$version=");
    sk_buf_i64(out, version);
}

void sk_iot_topic_c2d(struct sk_buf *out, const char *device)
{
    sk_buf_str(out, "devices/");
    sk_buf_str(out, device);
    sk_buf_str(out, "/messages/devicebound/");
}

void sk_iot_topic_input(struct sk_buf *out, const char *device, const char *module,
                        const char *input)
{
    sk_buf_str(out, "devices/");
    sk_buf_str(out, device);
    sk_buf_str(out, "/modules/");
    sk_buf_str(out, module);
    sk_buf_str(out, "/inputs/");
    sk_buf_percent(out, input, strlen(input), "");
    sk_buf_chr(out, '/');
}
