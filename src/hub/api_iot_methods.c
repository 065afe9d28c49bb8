/*
 * api_iot_methods.c - direct methods.
 *
 *     POST /twins/ID[/modules/ID]/methods
 *         {"methodName","payload":<any>,"responseTimeoutInSeconds":30,"connectTimeoutInSeconds":0}
 *         -> 200 {"status":200,"payload":<any>}
 *
 * A worker hands the call to the gateway and is free; the request stays open, and is answered from
 * whichever thread the end of the call is told on.
 */
#include "hub/api_iot_priv.h"

#include "base/log.h"

#include <string.h>

enum {
    RESPONSE_S = 30,
    RESPONSE_S_MIN = 5
};

/* A byte order mark is let in at the begin of a text, and nowhere else. */
static void add_json(struct sk_buf *out, struct sk_view json)
{
    static const char mark[] = "\xEF\xBB\xBF";
    const size_t skip = json.len >= 3 && memcmp(json.ptr, mark, 3) == 0 ? 3 : 0;
    sk_buf_add(out, json.ptr + skip, json.len - skip);
}

/* On any thread; the device's answer is not trusted to be JSON. */
static void on_answer(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    struct sk_hub_call *call = ctx;
    struct sk_buf *out = sk_http_out(call->req);
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (failed) {
        sk_hub_fail(call, failed);
        return;
    }
    sk_buf_fmt(out, "{\"status\":%d,\"payload\":", status);
    if (payload.len == 0)
        sk_buf_str(out, "null");
    else if (sk_json_parse(payload.ptr, payload.len, NULL, &doc, &err) == 0)
        add_json(out, payload);
    else
        sk_buf_json(out, payload.ptr, payload.len);
    sk_buf_chr(out, '}');
    sk_hub_iot_answer(call, 0, 200, &err);
}

static int invoke(struct sk_hub_call *call, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(SK_HUB_JSON_BYTES);
    const char *name = NULL;
    int64_t response_s = RESPONSE_S, connect_s = 0;
    if (sk_hub_body_json(call, &body, err) < 0 ||
        sk_json_want_text(body, "methodName", &name, err) < 0 ||
        sk_json_want_int(body, "responseTimeoutInSeconds", RESPONSE_S_MIN,
                         SK_METHOD_RESPONSE_MS_MAX / 1000, &response_s, err) < 0 ||
        sk_json_want_int(body, "connectTimeoutInSeconds", 0, SK_METHOD_CONNECT_MS_MAX / 1000,
                         &connect_s, err) < 0)
        return -1;
    if (!name)
        return sk_fail(err, SK_INVALID, "ArgumentNull: methodName is missing");
    const struct sk_json *value = sk_json_get(body, "payload");
    if (value)
        sk_json_dump(value, &payload);
    if (!sk_buf_ok(&payload))
        return sk_buf_fail(&payload, err);
    const struct sk_method_call method = {
        .device = call->parts[0],
        .module = sk_hub_iot_module(call),
        .name = name,
        .payload = { payload.data ? payload.data : "", payload.len },
        .response_ms = (unsigned)response_s * 1000,
        .connect_ms = (unsigned)connect_s * 1000,
        .done = on_answer,
        .ctx = call,
    };
    sk_log_request(NULL); /* its id may be gone with the request, before this function ends */
    return sk_gateway_invoke(call->hub->iot->gateway, &method, err);
}

void sk_hub_iot_method(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    if (invoke(call, &err) < 0)
        sk_hub_fail(call, &err);
}
