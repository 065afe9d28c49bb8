/*
 * call.c - the life of a request that uses a model: found, worked on, answered, counted.
 *
 * The reference to the model is let go when the request ends (sk_server_finished), not when the
 * answer is handed over: the statistics of its slot are written then.
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

void sk_slot_json(const struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                  struct sk_buf *out)
{
    static const char *const names[] = { "UNAVAILABLE", "LOADING", "READY" };

    sk_buf_str(out, "\"name\":");
    sk_buf_json_str(out, slot->name);
    sk_buf_fmt(out, ",\"version\":\"%s\",\"state\":\"%s\",\"reason\":", slot->version,
               names[state]);
    sk_buf_json_str(out, reason);
}

struct sk_call *sk_call_begin(struct sk_server *s, struct sk_http_req *req, const char *model,
                              const char *version, size_t size)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_call *c = sk_arena_alloc(sk_http_arena(req), size);

    if (!c) {
        (void)sk_nomem(&err);
    } else {
        memset(c, 0, size);
        c->server = s;
        c->req = req;
        c->deadline_ns = sk_http_start_ns(req) + s->opts.request_ms * 1000000;
        c->is_control = sk_server_is_control(s, req);
        if (sk_models_get(s->models, model, version, &c->loaded, &err) == 0) {
            sk_http_set_user(req, c);
            atomic_fetch_add(s->inside, !c->is_control);
            return c;
        }
    }
    sk_http_error(req, &err);
    sk_http_answer(req);
    return NULL;
}

void sk_call_answer(struct sk_call *c, const struct sk_err *err)
{
    c->done_ns = sk_now_ns();
    if (err)
        sk_http_error(c->req, err);
    sk_http_answer(c->req);
}

static void log_access(const struct sk_http_req *req, int status, uint64_t total_ns)
{
    enum sk_level level = sk_http_flags(req) & SK_HTTP_QUIET ? SK_DEBUG : SK_INFO;

    if (!sk_log_enabled(level))
        return;
    sk_log_request(sk_http_id(req));
    sk_log(level, "request", "method=%s path=\"%s\" status=%d ms=%llu.%03llu peer=%s",
           sk_http_method(req), sk_http_path(req), status, (unsigned long long)(total_ns / 1000000),
           (unsigned long long)(total_ns / 1000 % 1000), sk_http_peer(req));
    sk_log_request(NULL);
}

static bool asks_model(const struct sk_http_req *req)
{
    const struct sk_http_route *route = sk_http_route_of(req);

    return route && (route->handle == sk_api_predict || route->handle == sk_api_v2_model_post);
}

/* What is counted of all requests, and of one that has found its model. */
static void count(struct sk_server *s, struct sk_http_req *req, struct sk_call *c, int status,
                  uint64_t total_ns)
{
    sk_status_add(&s->responses, status);
    if (asks_model(req))
        sk_recent_add(&s->recent, sk_now_ms(), status, total_ns);
    if (!c)
        return;
    atomic_fetch_sub(s->inside, 1);
    sk_results_end(c, status, total_ns);
    struct sk_stats *stats = &c->loaded->slot->stats;
    sk_metrics_observe(&stats->stages[SK_STAGE_READ], sk_http_read_ns(req) - sk_http_start_ns(req));
    if (c->done_ns)
        sk_metrics_observe(&stats->stages[SK_STAGE_RESPOND],
                           sk_http_start_ns(req) + total_ns - c->done_ns);
    uint64_t infer_ns = atomic_load(&c->infer_ns);
    if (infer_ns > 0 && infer_ns < total_ns) /* not so with several pictures on several cores */
        sk_metrics_observe(&stats->stages[SK_STAGE_OVERHEAD], total_ns - infer_ns);
    sk_stats_finish(stats, status, total_ns);
}

void sk_server_finished(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx)
{
    struct sk_server *s = ctx;
    struct sk_call *c = sk_http_user(req);

    log_access(req, status, total_ns);
    if (!sk_server_is_control(s, req))
        count(s, req, c, status, total_ns);
    if (c)
        sk_loaded_unref(c->loaded);
}

void sk_call_ran(struct sk_call *c, const struct sk_run_times *t, uint64_t batch)
{
    struct sk_stats *s = &c->loaded->slot->stats;

    atomic_fetch_add_explicit(&c->infer_ns, t->infer_ns, memory_order_relaxed);
    if (c->is_control)
        return;
    sk_metrics_observe(&s->stages[SK_STAGE_QUEUE], t->queue_ns);
    sk_metrics_observe(&s->stages[SK_STAGE_DECODE], t->input_ns);
    sk_metrics_observe(&s->stages[SK_STAGE_RESIZE], t->resize_ns);
    sk_metrics_observe(&s->stages[SK_STAGE_INFER], t->infer_ns);
    atomic_fetch_add_explicit(&s->inferences, batch, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->executions, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->queue_ns, t->queue_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->input_ns, t->input_ns + t->resize_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->infer_ns, t->infer_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->output_ns, t->output_ns, memory_order_relaxed);
    atomic_store_explicit(&s->last_inference_ms, sk_wall_ms(), memory_order_relaxed);
}
