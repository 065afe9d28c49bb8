/*
 * api_priv.h - what the endpoints share: the server, the state of one request, its answer.
 *
 * Endpoints are rows in routes.c. Each lives in api_<name>.c.
 */
#ifndef SK_SERVE_API_PRIV_H
#define SK_SERVE_API_PRIV_H

#include "http/http.h"
#include "serve/models_priv.h"
#include "serve/pool_priv.h"
#include "serve/recent_priv.h"
#include "serve/serve.h"

struct sk_reporter;

struct sk_server {
    struct sk_serve_options opts; /* defaults filled in */
    struct sk_engine *engine;
    struct sk_models *models;
    struct sk_pool *pool;           /* one worker per core */
    struct sk_pool *chores;         /* one worker: loads over the API */
    struct sk_http_server *http;    /* handlers may run before it is set: see sk_http_server_of */
    struct sk_http_server *control; /* NULL: none. Set before any handler runs */
    char *api_key;                  /* NULL: open */
    struct sk_reporter *reporter;   /* NULL: we are no module */
    struct sk_status_counts responses; /* of all requests but those over control, likewise below */
    struct sk_recent recent;           /* those that ask a model */
    atomic_uint *inside;               /* of these, the ones that are not answered yet */
    atomic_uint own_inside;            /* what it points to, unless it is a file's */
    uint64_t start_wall_ms;
    pthread_t watcher;
    bool has_watcher;
    pthread_mutex_t watch_mutex; /* guards is_stopping */
    pthread_cond_t watch_wake;
    bool is_stopping;
    atomic_bool is_cut; /* the drain is over: whatever still runs gives up */
};

/* Requests that use a model. Lives in the request's arena, hung on the request with
 * sk_http_set_user() so that the end of the request (sk_server_finished) counts it and lets the
 * model go. */
struct sk_call {
    struct sk_server *server;
    struct sk_http_req *req;
    struct sk_loaded *loaded; /* one reference */
    bool is_control;          /* it came over control: not counted, not reported */
    uint64_t deadline_ns;
    _Atomic uint64_t infer_ns; /* in the model, all runs of the request */
    uint64_t done_ns;          /* result ready; 0: not yet */
    _Atomic unsigned told;     /* results that were reported */
};

/* Finds the model and starts the call. On failure the answer has been sent and NULL is returned. */
struct sk_call *sk_call_begin(struct sk_server *s, struct sk_http_req *req, const char *model,
                              const char *version, size_t size);
/* Ends a call: marks the time and sends. err NULL: the body is in sk_http_out(). */
void sk_call_answer(struct sk_call *c, const struct sk_err *err);

/* Counts the stages of one run of the call's model over `batch` rows. */
struct sk_run_times {
    uint64_t queue_ns, input_ns, resize_ns, infer_ns, output_ns;
};

void sk_call_ran(struct sk_call *c, const struct sk_run_times *t, uint64_t batch);

/* ---- results.c: as a module of an edge, each result is told to the local hub ---- */

/* That it cannot be done is a warning. After the models. */
void sk_results_start(struct sk_server *s);
/* Sends what waits, for two seconds at most. When no request is left. */
void sk_results_stop(struct sk_server *s);
/* label NULL: it failed. Any thread; never waits. Nothing for what came over control. */
void sk_results_tell(struct sk_call *c, const char *label, double confidence, uint64_t took_ns);
/* At the end of a request: it failed, and nothing was told of it. */
void sk_results_end(struct sk_call *c, int status, uint64_t total_ns);
/* For /metrics; nothing when we are no module. */
void sk_results_metrics(const struct sk_server *s, struct sk_buf *out);

/* http's finished callback. */
void sk_server_finished(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx);

/* "name":...,"version":...,"state":...,"reason":..., without braces. */
void sk_slot_json(const struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                  struct sk_buf *out);

/* Of http, or of control, which has more. */
const struct sk_http_route *sk_serve_routes(bool is_control);

static inline bool sk_server_is_control(const struct sk_server *s, const struct sk_http_req *req)
{
    return s->control && sk_http_server_of(req) == s->control;
}

/* Endpoints. */
void sk_api_predict(struct sk_http_req *req, void *ctx);
void sk_api_v2_server(struct sk_http_req *req, void *ctx);
void sk_api_v2_live(struct sk_http_req *req, void *ctx);
void sk_api_v2_ready(struct sk_http_req *req, void *ctx);
void sk_api_v2_model_get(struct sk_http_req *req, void *ctx);
void sk_api_v2_model_post(struct sk_http_req *req, void *ctx);
void sk_api_v2_stats(struct sk_http_req *req, void *ctx);
void sk_api_repository_index(struct sk_http_req *req, void *ctx);
void sk_api_repository_model(struct sk_http_req *req, void *ctx);
void sk_api_metrics(struct sk_http_req *req, void *ctx);
void sk_api_healthz(struct sk_http_req *req, void *ctx);
void sk_api_readyz(struct sk_http_req *req, void *ctx);
void sk_api_page(struct sk_http_req *req, void *ctx);
void sk_api_control_state(struct sk_http_req *req, void *ctx);
void sk_api_control_accept(struct sk_http_req *req, void *ctx);
void sk_api_control_retire(struct sk_http_req *req, void *ctx);
void sk_api_control_test(struct sk_http_req *req, void *ctx);

#endif
