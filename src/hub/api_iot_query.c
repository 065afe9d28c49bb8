/*
 * api_iot_query.c - queries of twins, and counts.
 *
 *     POST /devices/query           {"query":"SELECT .."} -> an array of Twin, or of what was
 *                                   selected; x-ms-max-item-count, x-ms-continuation in and out,
 *                                   x-ms-item-type out
 *     GET  /statistics/devices      {"totalDeviceCount","enabledDeviceCount","disabledDeviceCount"}
 *     GET  /statistics/service      {"connectedDeviceCount"}
 */
#include "hub/api_iot_priv.h"

#include "base/str.h"

#include <string.h>

enum {
    PAGE = 100
};

/* Clients write -1 or nothing for "as you like", and may ask for more than a page. */
static int read_max(const struct sk_hub_call *call, unsigned *out, struct sk_err *err)
{
    const char *text = sk_http_header(call->req, "x-ms-max-item-count");
    uint64_t max = PAGE;
    if (text && *text && strcmp(text, "-1") != 0 &&
        sk_parse_u64("x-ms-max-item-count", text, 1, INT32_MAX, &max, err) < 0)
        return -1;
    *out = max < SK_DEVICES_PAGE_MAX ? (unsigned)max : SK_DEVICES_PAGE_MAX;
    return 0;
}

static int query(struct sk_hub_call *call, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    const char *text = NULL, *type = NULL;
    const char *continuation = sk_http_header(call->req, "x-ms-continuation");
    char next[32] = "";
    unsigned max = 0;
    if (read_max(call, &max, err) < 0 || sk_hub_body_json(call, &body, err) < 0 ||
        sk_json_want_text(body, "query", &text, err) < 0)
        return -1;
    if (!text)
        return sk_fail(err, SK_INVALID, "ArgumentNull: query is missing");
    if (continuation && !*continuation)
        continuation = NULL;
    if (sk_devices_query(call->hub->iot->devices, text, continuation, max, sk_http_out(call->req),
                         next, &type, err) < 0)
        return -1;
    sk_http_set_header(call->req, "x-ms-item-type", type);
    if (next[0])
        sk_http_set_header(call->req, "x-ms-continuation", next);
    return 0;
}

void sk_hub_iot_query(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    sk_hub_iot_answer(call, query(call, &err), 200, &err);
}

void sk_hub_iot_device_statistics(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_counts n = { 0 };
    int rc = sk_devices_count(call->hub->iot->devices, &n, &err);
    if (rc == 0)
        sk_buf_fmt(sk_http_out(call->req),
                   "{\"totalDeviceCount\":%llu,\"enabledDeviceCount\":%llu,"
                   "\"disabledDeviceCount\":%llu}",
                   (unsigned long long)n.devices, (unsigned long long)n.enabled,
                   (unsigned long long)n.disabled);
    sk_hub_iot_answer(call, rc, 200, &err);
}

void sk_hub_iot_service_statistics(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_device_counts n = { 0 };
    int rc = sk_devices_count(call->hub->iot->devices, &n, &err);
    if (rc == 0)
        sk_buf_fmt(sk_http_out(call->req), "{\"connectedDeviceCount\":%llu}",
                   (unsigned long long)n.connected);
    sk_hub_iot_answer(call, rc, 200, &err);
}
