/*
 * api_control.c - the addresses below /control: who started us says when to accept, and asks how it
 * goes. Only on the control socket; see [serve-80] to [serve-85].
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "serve/priority_priv.h"
#include "serve/selftest_priv.h"

/* ---- state ---- */

struct listing {
    struct sk_buf *out;
    unsigned count;
};

static void list_model(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                       const char *reason, struct sk_loaded *loaded)
{
    struct listing *list = ctx;

    (void)state;
    (void)reason;
    if (!loaded)
        return;
    sk_buf_str(list->out, list->count++ > 0 ? ",{\"name\":" : "{\"name\":");
    sk_buf_json_str(list->out, slot->name);
    sk_buf_fmt(list->out, ",\"version\":\"%s\",\"digest\":\"%s\",\"labels\":%zu}", slot->version,
               sk_classifier_digest(loaded->classifier), sk_classifier_classes(loaded->classifier));
}

static void answer_state(struct sk_server *s, struct sk_http_req *req)
{
    struct listing list = { .out = sk_http_out(req) };
    struct sk_recent_sums sums;
    const char *reason = "";
    const char *device = sk_engine_device(s->engine, &reason);

    sk_recent_sum(&s->recent, sk_now_ms(), &sums);
    sk_buf_fmt(list.out,
               "{\"accepting\":%s,\"connections\":%u,\"requests\":%llu,\"errors\":%llu,"
               "\"inFlight\":%u,\"p50Ms\":%.3f,\"p99Ms\":%.3f,\"engine\":",
               sk_http_is_accepting(s->http) ? "true" : "false", sk_http_connections(s->http),
               (unsigned long long)sums.requests, (unsigned long long)sums.errors,
               atomic_load(s->inside), sums.p50_ms, sums.p99_ms);
    sk_buf_json_str(list.out, sk_engine_name(s->engine));
    sk_buf_str(list.out, ",\"device\":");
    sk_buf_json_str(list.out, device);
    sk_buf_str(list.out, ",\"deviceReason\":");
    sk_buf_json_str(list.out, reason);
    sk_buf_str(list.out, ",\"models\":[");
    sk_models_each(s->models, list_model, &list);
    sk_buf_str(list.out, "]}");
    sk_http_answer(req);
}

void sk_api_control_state(struct sk_http_req *req, void *ctx)
{
    answer_state(ctx, req);
}

/* ---- accept, retire ---- */

static void restore_priority(void)
{
    unsigned refused = sk_priority_restore();

    if (refused > 0)
        sk_log(SK_DEBUG, "priority_kept", "threads=%u hint=\"RLIMIT_NICE of 20 allows it\"",
               refused);
}

static void set_accepting(struct sk_server *s, struct sk_http_req *req, bool on)
{
    struct sk_err err = SK_ERR_INIT;

    if (on)
        sk_http_resume(s->http);
    else
        sk_http_retire(s->http);
    if (sk_http_is_accepting(s->http) == on) {
        sk_log(SK_INFO, on ? "accepting" : "retired", "connections=%u",
               sk_http_connections(s->http));
        answer_state(s, req);
        return;
    }
    (void)sk_fail(&err, SK_BUSY, "the server is ending");
    sk_http_error(req, &err);
    sk_http_answer(req);
}

void sk_api_control_accept(struct sk_http_req *req, void *ctx)
{
    restore_priority();
    set_accepting(ctx, req, true);
}

void sk_api_control_retire(struct sk_http_req *req, void *ctx)
{
    set_accepting(ctx, req, false);
}

/* ---- test ---- */

struct trial {
    struct sk_job job; /* first */
    struct sk_server *server;
    struct sk_http_req *req;
};

static enum sk_job_next run_trial(struct sk_job *job, unsigned worker)
{
    const struct trial *t = (struct trial *)job;
    struct sk_server *s = t->server;
    const struct sk_selftest test = {
        .models = s->models,
        .pool = s->chores,
        .worker = worker,
        .max_pixels = s->opts.max_pixels,
        .run_ms = s->opts.request_ms,
    };

    restore_priority(); /* the times count: loading and warming are over */
    sk_selftest(&test, sk_http_out(t->req));
    sk_http_answer(t->req);
    return SK_JOB_DONE;
}

static void drop_trial(struct sk_job *job, const struct sk_err *why)
{
    struct sk_http_req *req = ((struct trial *)job)->req;

    sk_http_error(req, why);
    sk_http_answer(req);
}

void sk_api_control_test(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct sk_err err = SK_ERR_INIT;
    struct trial *t = sk_arena_alloc(sk_http_arena(req), sizeof *t);
    struct sk_job *job = t ? &t->job : NULL;

    if (t)
        *t = (struct trial){
            .job = { .deadline_ns = UINT64_MAX, .run = run_trial, .drop = drop_trial },
            .server = s,
            .req = req
        };
    if (t && sk_pool_push(s->chores, &job, 1, &err) == 0)
        return;
    if (!t)
        (void)sk_nomem(&err);
    sk_http_error(req, &err);
    sk_http_answer(req);
}
