/*
 * api_iot_events.c - a message of a device or module over HTTPS.
 *
 *     POST /devices/ID[/modules/ID]/messages/events     -> 204 when it is on the disk
 *
 * Asked with the credentials of that identity, or of a policy that speaks as any device. The
 * journal's thread answers.
 */
#include "hub/api_iot_priv.h"

#include "base/log.h"

#include <string.h>

/* As the gateway stamps messages over MQTT. */
static void write_auth_method(const struct sk_hub_call *call, char out[128])
{
    const bool is_cert = !sk_http_header(call->req, "Authorization");
    const char *scope = call->who.is_policy ? "hub" : call->parts[1] ? "module" : "device";
    (void)snprintf(out, 128, "{\"scope\":\"%s\",\"type\":\"%s\",\"issuer\":\"%s\"}", scope,
                   is_cert ? "x509" : "sas", is_cert ? "external" : "iothub");
}

static void on_stored(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct sk_hub_call *call = ctx;
    (void)seq;
    if (failed)
        sk_hub_fail(call, failed);
    else
        sk_hub_reply(call, 204);
}

/* A policy may speak as any device, but not as one that is disabled. */
static int find(const struct sk_hub_call *call, struct sk_identity *out, struct sk_err *err)
{
    struct sk_devices *d = call->hub->iot->devices;
    const char *module = sk_hub_iot_module(call);
    if (sk_identity_get(d, call->parts[0], "", out, err) < 0)
        return -1;
    bool is_enabled = out->is_enabled;
    if (*module && sk_identity_get(d, call->parts[0], module, out, err) < 0)
        return -1;
    is_enabled &= out->is_enabled;
    return is_enabled ? 0
                      : sk_fail(err, SK_DENIED, "'%s%s%s' or its device is disabled", out->device,
                                *module ? "/" : "", out->module);
}

static int store(struct sk_hub_call *call, struct sk_hub_iot_headers *h, struct sk_iot_bag *bag,
                 struct sk_err *err)
{
    static const char batch[] = "application/vnd.microsoft.iothub.json";
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_IOT_BAG_MAX);
    struct sk_identity i;
    char auth_method[128];
    if (sk_hub_iot_headers_read(call->req, h, err) < 0 || find(call, &i, err) < 0)
        return -1;
    if (h->content_type && strncmp(h->content_type, batch, sizeof batch - 1) == 0)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA,
                       "several messages in one request are not taken: send each on its own");
    sk_hub_iot_headers_bag(h, NULL, &text);
    if (!sk_buf_ok(&text))
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the properties have over %d bytes",
                       SK_IOT_BAG_MAX);
    if (sk_iot_bag_parse((struct sk_view){ text.data ? text.data : "", text.len }, bag, err) < 0)
        return -1;
    write_auth_method(call, auth_method);
    const struct sk_message m = {
        .device = i.device,
        .module = i.module,
        .source = "Telemetry",
        .generation = i.generation,
        .auth_method = auth_method,
        .bag = bag,
        .body = sk_http_body(call->req),
    };
    return sk_telemetry_add(call->hub->iot->telemetry, &m, on_stored, call, err);
}

void sk_hub_iot_event(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_hub_iot_headers h = { 0 };
    struct sk_iot_bag bag = { 0 };
    sk_log_request(NULL); /* its id may be gone with the request, before this function ends */
    if (store(call, &h, &bag, &err) < 0)
        sk_hub_fail(call, &err);
    sk_iot_bag_done(&bag);
    sk_hub_iot_headers_done(&h);
}
