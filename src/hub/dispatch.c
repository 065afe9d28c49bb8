/*
 * dispatch.c - from a request to the function of its route.
 *
 *     headers are there   admit: who asks, may they (else 401, 403, 429; no body was read)
 *     SK_HUB_BODY         run on the event loop at once, takes the body
 *     SK_HUB_INLINE       run on the event loop when the body is there
 *     others              run on a worker when the body is there; 503 when too many wait
 *
 * The call lives in the request's arena, so it goes when the answer is sent.
 */
#include "hub/hub_priv.h"
#include "hub/iot_priv.h"

#include "base/log.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct sk_hub_row {
    struct sk_hub *hub;
    const struct sk_hub_route *route;
};

static const struct sk_hub_route *const tables[] = {
    sk_hub_routes_core,   sk_hub_routes_native,    sk_hub_routes_oci,
    sk_hub_routes_mlflow, sk_hub_routes_device_ca, sk_hub_routes_telemetry,
};

enum {
    TABLES = sizeof tables / sizeof tables[0]
};

static void run_job(struct sk_hub_call *call)
{
    sk_log_request(sk_http_id(call->req));
    call->route->run(call);
    sk_log_request(NULL);
}

static void handle(struct sk_http_req *req, void *ctx)
{
    struct sk_hub_call *call = sk_http_user(req);
    struct sk_err err = SK_ERR_INIT;
    (void)ctx;
    if (call->route->flags & (SK_HUB_BODY | SK_HUB_INLINE)) {
        run_job(call);
        return;
    }
    call->job = run_job;
    if (sk_hub_workers_push(call->hub->workers, call, &err) < 0)
        sk_hub_fail(call, &err);
}

void sk_hub_later(struct sk_hub_call *call, void (*run)(struct sk_hub_call *call))
{
    call->job = run;
    if (!sk_hub_workers_add(call->hub->workers, call))
        run(call);
}

/* ---- admission ---- */

static int check_who(struct sk_hub_call *call, struct sk_err *err)
{
    const struct sk_http_req *req = call->req;
    struct sk_view cert = sk_http_client_cert(req);
    const struct sk_credentials shown = {
        .authorization = sk_http_header(req, "Authorization"),
        .api_key = sk_http_header(req, "X-API-Key"),
        .client_cert = cert.ptr,
        .client_cert_len = cert.len,
        .peer = sk_http_peer(req),
        .hub_names = (const char *const *)call->hub->config->hostnames,
    };
    return sk_accounts_check(call->hub->accounts, &shown, &call->who, err);
}

/* The care thread writes it down: this one has no time for the disk. */
static void note_first_use(struct sk_hub *h)
{
    SK_LOCK(&h->lock);
    h->is_use_due = true;
    (void)pthread_cond_signal(&h->wake);
}

static int check_role(const struct sk_hub_call *call, struct sk_err *err)
{
    const struct sk_hub_route *route = call->route;
    if (!call->who.is_device)
        return sk_who_need(&call->who, route->role, err);
    if (route->flags & SK_HUB_DEVICE)
        return 0;
    return sk_fail(err, SK_DENIED, "device '%s' may only pull the images it runs", call->who.name);
}

int sk_hub_admit(struct sk_http_req *req, void *ctx)
{
    const struct sk_hub_row *row = sk_http_route_of(req)->ctx;
    struct sk_hub_call *call = sk_arena_alloc(sk_http_arena(req), sizeof *call);
    struct sk_err err = SK_ERR_INIT;
    (void)ctx;
    if (!call) {
        (void)sk_nomem(&err);
        sk_http_error(req, &err);
        sk_http_answer(req);
        return -1;
    }
    *call = (struct sk_hub_call){
        .hub = row->hub, .req = req, .route = row->route, .rest = sk_http_rest(req)
    };
    sk_http_set_user(req, call);
    if (row->route->flags & SK_HUB_OPEN) {
        (void)snprintf(call->who.peer, sizeof call->who.peer, "%s", sk_http_peer(req));
        return 0;
    }
    int is_known = check_who(call, &err);
    if (is_known == 0 && call->who.is_first_use)
        note_first_use(call->hub);
    if (is_known == 0 && check_role(call, &err) == 0)
        return 0;
    if (is_known < 0 && err.code == SK_BUSY)
        sk_hub_fail_limited(call, &err);
    else
        sk_hub_fail(call, &err);
    return -1;
}

void sk_hub_finished(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx)
{
    const struct sk_hub_call *call = sk_http_user(req);
    bool is_quiet = call && call->route->flags & SK_HUB_OPEN && status < 400;
    (void)ctx;
    sk_log(is_quiet ? SK_DEBUG : SK_INFO, "request",
           "req=%s method=%s path=\"%s\" status=%d ms=%.3f peer=%s who=\"%s\"", sk_http_id(req),
           sk_http_method(req) ? sk_http_method(req) : "-",
           sk_http_path(req) ? sk_http_path(req) : "-", status, (double)total_ns / 1e6,
           sk_http_peer(req), call ? call->who.name : "");
}

/* ---- the table ---- */

static struct sk_http_route http_route(const struct sk_hub *h, const struct sk_hub_row *row)
{
    const struct sk_hub_route *r = row->route;
    bool streams = r->flags & SK_HUB_BODY;
    return (struct sk_http_route){
        .method = r->method,
        .path = r->path,
        .flags = (r->flags & SK_HUB_PREFIX ? SK_HTTP_PREFIX : 0u) | (streams ? SK_HTTP_STREAM : 0u),
        .handle = handle,
        .max_body_bytes = streams ? h->opts.max_blob_bytes : SK_HUB_JSON_BYTES,
    };
}

int sk_hub_dispatch_init(struct sk_hub *h, struct sk_err *err)
{
    size_t count = 0;
    for (size_t t = 0; t < TABLES; t++)
        for (const struct sk_hub_route *r = tables[t]; r->method; r++)
            count++;
    h->rows = calloc(count, sizeof *h->rows);
    h->http_routes = calloc(count + 1, sizeof *h->http_routes);
    if (!h->rows || !h->http_routes)
        return sk_nomem(err);
    size_t i = 0;
    for (size_t t = 0; t < TABLES; t++) {
        for (const struct sk_hub_route *r = tables[t]; r->method; r++, i++) {
            h->rows[i] = (struct sk_hub_row){ .hub = h, .route = r };
            h->http_routes[i] = http_route(h, &h->rows[i]);
            h->http_routes[i].ctx = &h->rows[i];
        }
    }
    return 0;
}
