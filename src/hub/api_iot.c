/*
 * api_iot.c - the table of IoT Hub's service REST, which the service SDKs and `az iot` speak, and
 * of what devices ask over HTTPS. docs/spec/iot-hub.md describes every row.
 *
 * Ids stand in paths percent-encoded or as they are. api-version may be anything.
 */
#include "hub/api_iot_priv.h"

#include "base/str.h"

#include <string.h>

void sk_hub_iot_answer(struct sk_hub_call *call, int rc, int status, const struct sk_err *err)
{
    struct sk_err full = SK_ERR_INIT;
    if (rc < 0) {
        sk_hub_fail(call, err);
        return;
    }
    if (!sk_buf_ok(sk_http_out(call->req))) {
        (void)sk_buf_fail(sk_http_out(call->req), &full);
        sk_hub_fail(call, &full);
        return;
    }
    sk_hub_reply(call, status);
}

void sk_hub_iot_set_etag(struct sk_hub_call *call, const char *etag)
{
    char quoted[80];
    (void)snprintf(quoted, sizeof quoted, "\"%.70s\"", etag);
    sk_http_set_header(call->req, "ETag", quoted);
}

void sk_hub_iot_copy_etag(struct sk_hub_call *call)
{
    const struct sk_buf *out = sk_http_out(call->req);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err err = SK_ERR_INIT;
    if (!sk_buf_ok(out) || !out->data || sk_json_parse(out->data, out->len, NULL, &doc, &err) < 0)
        return;
    const char *etag = sk_json_get_text(doc, "etag", NULL);
    if (etag)
        sk_hub_iot_set_etag(call, etag);
}

const char *sk_hub_iot_if_match(const struct sk_hub_call *call)
{
    return sk_http_header(call->req, "If-Match");
}

int sk_hub_iot_top(const struct sk_hub_call *call, unsigned *out, struct sk_err *err)
{
    const char *text = sk_http_query(call->req, "top");
    uint64_t top = 0;
    const bool is_negative = text && *text == '-';
    if (text && sk_parse_u64("top", text + is_negative, 0, INT64_MAX, &top, err) < 0)
        return -1;
    const bool is_inside = !is_negative && top > 0 && top < SK_HUB_IOT_TOP;
    *out = is_inside ? (unsigned)top : SK_HUB_IOT_TOP;
    return 0;
}

bool sk_hub_iot_shows_keys(const struct sk_hub_call *call)
{
    const struct sk_who *who = &call->who;
    return who->is_device || who->is_policy || (who->rights & SK_RIGHT_REGISTRY_WRITE) != 0;
}

const char *sk_hub_iot_module(const struct sk_hub_call *call)
{
    return call->parts[1] ? call->parts[1] : "";
}

static void not_here(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_UNSUPPORTED, "this hub has no jobs, digital twins or file uploads");
    sk_hub_fail(call, &err);
}

static void no_polling(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    (void)sk_fail(&err, SK_UNSUPPORTED,
                  "messages to devices are taken over MQTT, on port 8883 or as WebSocket");
    sk_hub_fail(call, &err);
}

enum {
    READ = SK_HUB_RIGHTS(SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE),
    WRITE = SK_HUB_RIGHTS(SK_RIGHT_REGISTRY_WRITE),
    SERVICE = SK_HUB_RIGHTS(SK_RIGHT_SERVICE),
    AS_DEVICE = SK_HUB_RIGHTS(SK_RIGHT_DEVICE),
    ANY = SK_HUB_RIGHTS(SK_RIGHT_REGISTRY_READ | SK_RIGHT_REGISTRY_WRITE | SK_RIGHT_SERVICE),
};

#define PATTERN(method, path, flags, run)                                                          \
    {                                                                                              \
        method, path, SK_HUB_PATTERN | (flags), SK_HUB_IOT, SK_ROLE_NONE, run                      \
    }
#define EXACT(method, path, flags, run)                                                            \
    {                                                                                              \
        method, path, (flags), SK_HUB_IOT, SK_ROLE_NONE, run                                       \
    }
#define BELOW(method, path, flags, run)                                                            \
    {                                                                                              \
        method, path, SK_HUB_PREFIX | (flags), SK_HUB_IOT, SK_ROLE_NONE, run                       \
    }

/* clang-format off */
/* Exact paths go before the patterns that would take them for an id. */
const struct sk_hub_route sk_hub_routes_iot[] = {
    EXACT("GET", "/devices", READ, sk_hub_iot_list),
    EXACT("POST", "/devices", WRITE, sk_hub_iot_bulk),
    EXACT("POST", "/devices/query", SERVICE, sk_hub_iot_query),
    PATTERN("GET", "/devices/*", READ, sk_hub_iot_get),
    PATTERN("PUT", "/devices/*", WRITE, sk_hub_iot_put),
    PATTERN("DELETE", "/devices/*", WRITE, sk_hub_iot_delete),
    PATTERN("GET", "/devices/*/modules", READ | SK_HUB_DEVICE, sk_hub_iot_modules),
    PATTERN("GET", "/devices/*/modules/*", READ | SK_HUB_DEVICE, sk_hub_iot_get),
    PATTERN("PUT", "/devices/*/modules/*", WRITE | SK_HUB_DEVICE, sk_hub_iot_put),
    PATTERN("DELETE", "/devices/*/modules/*", WRITE | SK_HUB_DEVICE, sk_hub_iot_delete),
    PATTERN("GET", "/devices/*/modules/*/devicesAndModulesInDeviceScope", SK_HUB_MODULE | AS_DEVICE, sk_hub_iot_scope),
    PATTERN("GET", "/devices/*/modules/*/deviceAndModuleInDeviceScope", SK_HUB_MODULE | AS_DEVICE, sk_hub_iot_scope_one),
    PATTERN("POST", "/devices/*/applyConfigurationContent", WRITE, sk_hub_iot_apply),
    PATTERN("DELETE", "/devices/*/commands", SERVICE, sk_hub_iot_purge),
    PATTERN("POST", "/devices/*/messages/deviceBound", SERVICE, sk_hub_iot_send),
    PATTERN("GET", "/devices/*/messages/deviceBound", SK_HUB_DEVICE | AS_DEVICE, no_polling),
    PATTERN("POST", "/devices/*/modules/*/inputs/*", SERVICE, sk_hub_iot_send),
    PATTERN("POST", "/devices/*/messages/events", SK_HUB_DEVICE | AS_DEVICE, sk_hub_iot_event),
    PATTERN("POST", "/devices/*/modules/*/messages/events", SK_HUB_MODULE | AS_DEVICE, sk_hub_iot_event),
    PATTERN("GET", "/twins/*", SERVICE, sk_hub_iot_twin_get),
    PATTERN("PATCH", "/twins/*", SERVICE, sk_hub_iot_twin_patch),
    PATTERN("PUT", "/twins/*", SERVICE, sk_hub_iot_twin_put),
    PATTERN("GET", "/twins/*/modules/*", SERVICE, sk_hub_iot_twin_get),
    PATTERN("PATCH", "/twins/*/modules/*", SERVICE, sk_hub_iot_twin_patch),
    PATTERN("PUT", "/twins/*/modules/*", SERVICE, sk_hub_iot_twin_put),
    PATTERN("POST", "/twins/*/methods", SERVICE, sk_hub_iot_method),
    PATTERN("POST", "/twins/*/modules/*/methods", SERVICE, sk_hub_iot_method),
    EXACT("GET", "/configurations", READ, sk_hub_iot_configurations),
    EXACT("POST", "/configurations/testQueries", READ, sk_hub_iot_configuration_test),
    PATTERN("GET", "/configurations/*", READ, sk_hub_iot_configuration_get),
    PATTERN("PUT", "/configurations/*", WRITE, sk_hub_iot_configuration_put),
    PATTERN("DELETE", "/configurations/*", WRITE, sk_hub_iot_configuration_delete),
    EXACT("GET", "/statistics/devices", READ, sk_hub_iot_device_statistics),
    EXACT("GET", "/statistics/service", READ, sk_hub_iot_service_statistics),
    EXACT("GET", "/messages/serviceBound/feedback", SERVICE, sk_hub_iot_feedback),
    PATTERN("DELETE", "/messages/serviceBound/feedback/*", SERVICE, sk_hub_iot_feedback_complete),
    PATTERN("POST", "/messages/serviceBound/feedback/*/abandon", SERVICE, sk_hub_iot_feedback_abandon),
    EXACT("GET", "/jobs", ANY, not_here),
    EXACT("POST", "/jobs", ANY, not_here),
    BELOW("GET", "/jobs/", ANY, not_here),
    BELOW("PUT", "/jobs/", ANY, not_here),
    BELOW("POST", "/jobs/", ANY, not_here),
    BELOW("DELETE", "/jobs/", ANY, not_here),
    BELOW("GET", "/digitaltwins/", ANY, not_here),
    BELOW("PATCH", "/digitaltwins/", ANY, not_here),
    BELOW("POST", "/digitaltwins/", ANY, not_here),
    { .method = NULL },
};
/* clang-format on */
