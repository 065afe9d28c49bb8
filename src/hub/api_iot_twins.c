/*
 * api_iot_twins.c - twins of devices and modules as the service sees them.
 *
 *     GET   /twins/ID[/modules/ID]
 *     PATCH /twins/ID[/modules/ID]     {"tags":{},"properties":{"desired":{}}} is merged
 *     PUT   /twins/ID[/modules/ID]     tags and desired are replaced
 *
 * All answer with the whole twin and its etag. Reported properties are the device's own: they are
 * let in, since clients send back the twin that they read, and change nothing.
 */
#include "hub/api_iot_priv.h"

static void answer(struct sk_hub_call *call, struct sk_twin *twin, int rc, const struct sk_err *err)
{
    if (rc == 0) {
        char etag[SK_ETAG_TEXT];
        sk_etag_text(twin->etag, etag);
        sk_hub_iot_set_etag(call, etag);
        sk_twin_json(twin, sk_http_out(call->req));
    }
    sk_hub_iot_answer(call, rc, 200, err);
    sk_twin_done(twin);
}

void sk_hub_iot_twin_get(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_twin twin = { 0 };
    int rc = sk_twin_get(call->hub->iot->devices, call->parts[0], sk_hub_iot_module(call), &twin,
                         &err);
    answer(call, &twin, rc, &err);
}

static void change(struct sk_hub_call *call, bool replace)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    struct sk_twin twin = { 0 };
    int rc = sk_hub_body_json(call, &body, &err);
    if (rc == 0)
        rc = sk_twin_change(call->hub->iot->devices, &call->who, call->parts[0],
                            sk_hub_iot_module(call), body, replace, sk_hub_iot_if_match(call),
                            &twin, &err);
    answer(call, &twin, rc, &err);
}

void sk_hub_iot_twin_patch(struct sk_hub_call *call)
{
    change(call, false);
}

void sk_hub_iot_twin_put(struct sk_hub_call *call)
{
    change(call, true);
}
