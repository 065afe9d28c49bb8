/*
 * hub_priv.h - what the hub's parts share: the call, the route table, the ways to answer.
 *
 * A route is one row. The dispatcher (dispatch.c) finds who asks, asks for the row's role, and runs
 * the row's function on a worker; rows of SK_HUB_BODY run on the event loop when the headers are
 * there and take the body piece by piece (sk_http_take_body). Each function answers exactly once:
 * sk_hub_reply_* or sk_hub_fail.
 */
#ifndef SK_HUB_HUB_PRIV_H
#define SK_HUB_HUB_PRIV_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "http/http.h"
#include "hub/hub.h"
#include "store/store.h"
#include "json/json.h"

#include <stdbool.h>
#include <stddef.h>

/* How errors look: {"error"}, MLflow's {"error_code","message"}, OCI's {"errors":[...]} */
enum sk_hub_style {
    SK_HUB_PLAIN,
    SK_HUB_MLFLOW,
    SK_HUB_OCI
};

enum sk_hub_flags {
    SK_HUB_PREFIX = 1u << 0, /* the path is a prefix; call->rest is what follows, decoded part by
                                part by the caller */
    SK_HUB_BODY = 1u << 1,   /* streams; see above */
    SK_HUB_OPEN = 1u << 2,   /* answers without credentials (call->who.name is "" then) */
    SK_HUB_DEVICE = 1u << 3, /* devices may call it; the function decides further */
    SK_HUB_INLINE = 1u << 4  /* short and without disk: run on the event loop */
};

struct sk_hub_call {
    struct sk_hub *hub;
    struct sk_http_req *req;
    const struct sk_hub_route *route;
    struct sk_who who;
    const char *rest; /* raw */
    void *state;      /* of the function that answers */
};

struct sk_hub_route {
    const char *method;
    const char *path;
    unsigned flags;
    enum sk_hub_style style;
    enum sk_role role; /* at least; NONE: any who is known */
    void (*run)(struct sk_hub_call *call);
};

/* The tables, each ended by a row without method; hub.c lists them. */
extern const struct sk_hub_route sk_hub_routes_native[]; /* api_native.c, api_blobs.c: /api/v1 */
extern const struct sk_hub_route sk_hub_routes_oci[];    /* api_oci.c: /v2/ */
extern const struct sk_hub_route sk_hub_routes_mlflow[]; /* api_mlflow.c: /api/2.0/mlflow, /ajax-api
                                                          */

struct sk_store *sk_hub_store(const struct sk_hub *h);
struct sk_accounts *sk_hub_accounts(const struct sk_hub *h);
const struct sk_hub_options *sk_hub_opts(const struct sk_hub *h);

/* ---- answers; the call is gone afterwards ---- */
/* Status (0: what was set, as by sk_http_send_range) and what sk_http_out(call->req) holds. */
void sk_hub_reply(struct sk_hub_call *call, int status);
/* The body is this JSON text; 200. */
void sk_hub_reply_json(struct sk_hub_call *call, const struct sk_buf *json);
void sk_hub_fail(struct sk_hub_call *call, const struct sk_err *err);
/* With a status and a code of the style's own ("RESOURCE_ALREADY_EXISTS", "BLOB_UNKNOWN"). */
void sk_hub_fail_as(struct sk_hub_call *call, int status, const char *code, const char *text);
/* Runs a function on a worker, for calls of SK_HUB_BODY whose end needs the disk. */
void sk_hub_later(struct sk_hub_call *call, void (*run)(struct sk_hub_call *call));

/* ---- requests ---- */
/* The body as a JSON object ({} when empty); *out in the request's life: sk_json_free it. */
int sk_hub_body_json(struct sk_hub_call *call, struct sk_json **out, struct sk_err *err) SK_CHECK;

#endif
