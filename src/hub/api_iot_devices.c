/*
 * api_iot_devices.c - identities of devices and modules.
 *
 *     GET    /devices?top=n                 an array of Device
 *     POST   /devices                       an array of ExportImportDevice -> 200, or 400 with
 * errors GET, PUT, DELETE /devices/ID          PUT creates without If-Match, and updates with it
 *     GET    /devices/ID/modules            an array of Module
 *     GET, PUT, DELETE /devices/ID/modules/ID
 *
 * A device may ask those of its modules with its own credentials: that is how an edge gets the
 * identities of what it runs.
 */
#include "hub/api_iot_priv.h"

#include <string.h>

struct list {
    struct sk_buf *out;
    bool with_keys;
};

static int add_one(void *ctx, const struct sk_identity *i, struct sk_err *err)
{
    const struct list *l = ctx;
    if (l->out->data[l->out->len - 1] == '}')
        sk_buf_chr(l->out, ',');
    sk_identity_json(i, l->with_keys, l->out);
    return sk_buf_ok(l->out) ? 0 : sk_buf_fail(l->out, err);
}

/* device NULL: all devices. */
static int write_list(struct sk_hub_call *call, const char *device, struct sk_err *err)
{
    struct sk_devices *d = call->hub->iot->devices;
    struct list l = { sk_http_out(call->req), sk_hub_iot_shows_keys(call) };
    unsigned top = 0;
    if (sk_hub_iot_top(call, &top, err) < 0)
        return -1;
    sk_buf_chr(l.out, '[');
    if (!sk_buf_ok(l.out))
        return sk_buf_fail(l.out, err);
    if ((device ? sk_identity_modules(d, device, add_one, &l, err)
                : sk_identity_list(d, 0, top, add_one, &l, err)) < 0)
        return -1;
    sk_buf_chr(l.out, ']');
    return 0;
}

void sk_hub_iot_list(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    sk_hub_iot_answer(call, write_list(call, NULL, &err), 200, &err);
}

void sk_hub_iot_modules(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity device;
    int rc = sk_identity_get(call->hub->iot->devices, call->parts[0], "", &device, &err);
    if (rc == 0)
        rc = write_list(call, call->parts[0], &err);
    sk_hub_iot_answer(call, rc, 200, &err);
}

/* ---- one ---- */

static void write_one(struct sk_hub_call *call, const struct sk_identity *i)
{
    char etag[SK_ETAG_TEXT];
    sk_etag_text(i->etag, etag);
    sk_hub_iot_set_etag(call, etag);
    sk_identity_json(i, sk_hub_iot_shows_keys(call), sk_http_out(call->req));
}

void sk_hub_iot_get(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    int rc = sk_identity_get(call->hub->iot->devices, call->parts[0], sk_hub_iot_module(call), &i,
                             &err);
    if (rc == 0)
        write_one(call, &i);
    sk_hub_iot_answer(call, rc, 200, &err);
}

/* The path says whom it is about; what the body says must be the same. */
static int take_name(const char *member, const char *of_path, const char **of_body,
                     struct sk_err *err)
{
    if (*of_body && **of_body && strcmp(*of_body, of_path) != 0)
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: %s is '%.128s' in the body and '%.128s' in the address",
                       member, *of_body, of_path);
    *of_body = of_path;
    return 0;
}

static int put(struct sk_hub_call *call, struct sk_identity *out, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    struct sk_devices *d = call->hub->iot->devices;
    struct sk_identity_spec spec;
    const char *if_match = sk_hub_iot_if_match(call);
    if (sk_hub_body_json(call, &body, err) < 0 || sk_identity_spec_read(body, &spec, err) < 0 ||
        take_name("deviceId", call->parts[0], &spec.device, err) < 0 ||
        take_name("moduleId", sk_hub_iot_module(call), &spec.module, err) < 0)
        return -1;
    return if_match ? sk_identity_update(d, &call->who, &spec, if_match, out, err)
                    : sk_identity_create(d, &call->who, &spec, out, err);
}

void sk_hub_iot_put(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    int rc = put(call, &i, &err);
    if (rc == 0)
        write_one(call, &i);
    sk_hub_iot_answer(call, rc, 200, &err);
}

void sk_hub_iot_delete(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    const char *if_match = sk_hub_iot_if_match(call);
    int rc = sk_identity_delete(call->hub->iot->devices, &call->who, call->parts[0],
                                sk_hub_iot_module(call), if_match ? if_match : "*", &err);
    sk_hub_iot_answer(call, rc, 204, &err);
}

/* ---- many ---- */

static int bulk(struct sk_hub_call *call, bool *ok, struct sk_err *err)
{
    struct sk_view body = sk_http_body(call->req);
    SK_OWN(sk_json_free) struct sk_json *array = NULL;
    if (sk_json_parse(body.ptr, body.len, NULL, &array, err) < 0)
        return sk_wrap(err, "the body");
    return sk_identity_bulk(call->hub->iot->devices, &call->who, array, sk_http_out(call->req), ok,
                            err);
}

void sk_hub_iot_bulk(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    bool ok = false;
    int rc = bulk(call, &ok, &err);
    sk_hub_iot_answer(call, rc, ok ? 200 : 400, &err);
}
