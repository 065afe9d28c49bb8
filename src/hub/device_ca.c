/*
 * device_ca.c - the certificates to which those of devices may chain: <dir>/tls/device-ca.pem.
 *
 *     GET /api/v1/device-ca      the PEM text
 *     PUT /api/v1/device-ca      replaces it; an empty body removes it
 */
#include "hub/iot_priv.h"

#include "base/file.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    PEM_BYTES = 1 << 20
};

static char *path_of(const struct sk_hub *h)
{
    return sk_path_join(h->dir, "tls/device-ca.pem");
}

static int read_file(const struct sk_hub *h, char **pem, size_t *len, struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(h);
    if (!path)
        return sk_nomem(err);
    if (sk_file_read(path, PEM_BYTES, pem, len, err) == 0)
        return 0;
    if (err->code != SK_NOT_FOUND)
        return -1;
    *err = (struct sk_err)SK_ERR_INIT;
    *pem = strdup("");
    *len = 0;
    return *pem ? 0 : sk_nomem(err);
}

int sk_hub_device_ca_load(struct sk_hub *h, struct sk_err *err)
{
    SK_OWN(free) char *pem = NULL;
    size_t len = 0;
    return read_file(h, &pem, &len, err) < 0 ||
                   sk_accounts_set_device_ca(h->accounts, pem, len, err) < 0
               ? -1
               : 0;
}

static void get_ca(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *pem = NULL;
    size_t len = 0;
    if (read_file(call->hub, &pem, &len, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_http_set_type(call->req, "application/x-pem-file");
    sk_buf_add(sk_http_out(call->req), pem, len);
    sk_hub_reply(call, 200);
}

/* What accounts takes is written, so that the next start finds nothing else; what cannot be written
 * does not hold. */
static int put(struct sk_hub *h, const struct sk_who *who, struct sk_view pem, struct sk_err *err)
{
    SK_OWN(free) char *path = path_of(h);
    SK_OWN(free) char *old = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    size_t old_len = 0;
    struct sk_err ignored = SK_ERR_INIT;
    if (!path)
        return sk_nomem(err);
    if (pem.len > PEM_BYTES)
        return sk_fail(err, SK_TOO_LARGE, "the certificates are beyond %d bytes", PEM_BYTES);
    if (read_file(h, &old, &old_len, err) < 0 ||
        sk_db_begin(sk_store_db(h->store), SK_DB_WRITE, &tx, err) < 0 ||
        sk_audit(tx, who, pem.len > 0 ? "device-ca.put" : "device-ca.remove", "device-ca", NULL,
                 err) < 0 ||
        sk_accounts_set_device_ca(h->accounts, pem.ptr, pem.len, err) < 0)
        return -1;
    if (sk_file_write(path, pem.ptr, pem.len, 0644, err) == 0)
        return sk_tx_commit(&tx, err);
    if (sk_accounts_set_device_ca(h->accounts, old, old_len, &ignored) < 0)
        sk_log(SK_ERROR, "device_ca_unclear", "error=\"%s\" next=\"a restart reads the file\"",
               ignored.text);
    return -1;
}

static void put_ca(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    if (put(call->hub, &call->who, sk_http_body(call->req), &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_gateway_logins_changed(call->hub->iot->gateway, SK_GATEWAY_BY_CERT);
    sk_hub_reply(call, 204);
}

const struct sk_hub_route sk_hub_routes_device_ca[] = {
    { "GET", "/api/v1/device-ca", 0, SK_HUB_PLAIN, SK_ROLE_READER, get_ca },
    { "PUT", "/api/v1/device-ca", 0, SK_HUB_PLAIN, SK_ROLE_OWNER, put_ca },
    { .method = NULL },
};
