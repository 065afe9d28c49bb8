/*
 * api_status.c - /metrics, /healthz, /readyz and the page at /.
 */
#include "serve/api_priv.h"

#include "base/clock.h"
#include "base/limits.h"
#include "page.h"

#include <inttypes.h>
#include <string.h>

/* ---- health ---- */

void sk_api_healthz(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_buf_str(sk_http_out(req), "{\"status\":\"ok\"}");
    sk_http_answer(req);
}

struct listing {
    struct sk_buf *out;
    unsigned count;
};

static void list_model(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                       struct sk_loaded *loaded)
{
    static const char *const names[] = { "UNAVAILABLE", "LOADING", "READY" };
    struct listing *list = ctx;

    sk_buf_str(list->out, list->count++ > 0 ? ",{\"name\":" : "{\"name\":");
    sk_buf_json(list->out, slot->name, strlen(slot->name));
    sk_buf_fmt(list->out, ",\"version\":\"%s\",\"state\":\"%s\",\"reason\":", slot->version, names[state]);
    sk_buf_json(list->out, reason, strlen(reason));
    if (loaded)
        sk_buf_fmt(list->out, ",\"sha256\":\"%s\"", sk_classifier_digest(loaded->classifier));
    sk_buf_chr(list->out, '}');
}

/* 200 when a model answers; 503 before that. Asking for CUDA and not getting it is a warning here. */
void sk_api_readyz(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct listing list = { .out = sk_http_out(req) };
    bool is_ready = sk_models_ready(s->models);
    const char *reason = "";
    const char *device = sk_engine_device(s->engine, &reason);

    if (!is_ready)
        sk_http_set_status(req, 503);
    sk_buf_fmt(list.out, "{\"ready\":%s,\"engine\":\"%s\",\"device\":\"%s\",\"warnings\":[", is_ready ? "true" : "false",
               sk_engine_name(s->engine), device);
    if (sk_engine_degraded(s->engine))
        sk_buf_json(list.out, reason, strlen(reason));
    sk_buf_str(list.out, "],\"models\":[");
    sk_models_each(s->models, list_model, &list);
    sk_buf_str(list.out, "]}");
    sk_http_answer(req);
}

/* ---- metrics ---- */

struct scrape {
    struct sk_buf *out;
    const char *name;
    size_t offset; /* of the counter in struct sk_stats */
    const char *reason;
    enum sk_stage stage;
};

static void label_slot(struct sk_buf *labels, const struct sk_slot *slot)
{
    sk_metrics_label(labels, "model", slot->name);
    sk_buf_chr(labels, ',');
    sk_metrics_label(labels, "version", slot->version);
}

static void scrape_counter(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                           struct sk_loaded *loaded)
{
    const struct scrape *s = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(4096);
    const _Atomic uint64_t *counter = (const void *)((const char *)&slot->stats + s->offset);

    (void)state;
    (void)reason;
    (void)loaded;
    label_slot(&labels, slot);
    if (s->reason) {
        sk_buf_chr(&labels, ',');
        sk_metrics_label(&labels, "reason", s->reason);
    }
    if (labels.data)
        sk_metrics_u64(s->out, s->name, labels.data, *counter);
}

/* The _us counters of Triton are kept in nanoseconds. */
static void scrape_us(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                      struct sk_loaded *loaded)
{
    const struct scrape *s = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(4096);
    const _Atomic uint64_t *counter = (const void *)((const char *)&slot->stats + s->offset);

    (void)state;
    (void)reason;
    (void)loaded;
    label_slot(&labels, slot);
    if (labels.data)
        sk_metrics_u64(s->out, s->name, labels.data, *counter / 1000);
}

static void scrape_load(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                        struct sk_loaded *loaded)
{
    const struct scrape *s = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(4096);

    (void)state;
    (void)reason;
    (void)loaded;
    label_slot(&labels, slot);
    if (labels.data)
        sk_metrics_seconds(s->out, s->name, labels.data, slot->stats.load_ns);
}

static void scrape_requests(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                            struct sk_loaded *loaded)
{
    const struct scrape *s = ctx;
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(4096);

    (void)state;
    (void)reason;
    (void)loaded;
    label_slot(&labels, slot);
    if (labels.data)
        sk_metrics_statuses(s->out, s->name, labels.data, &slot->stats.requests);
}

static void scrape_stages(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                          struct sk_loaded *loaded)
{
    const struct scrape *s = ctx;

    (void)state;
    (void)reason;
    (void)loaded;
    for (enum sk_stage stage = 0; stage < SK_STAGE_COUNT; stage++) {
        SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(4096);
        label_slot(&labels, slot);
        sk_buf_chr(&labels, ',');
        sk_metrics_label(&labels, "stage", sk_stage_name(stage));
        if (labels.data)
            sk_metrics_hist(s->out, s->name, labels.data, &slot->stats.stages[stage]);
    }
}

#define COUNTER(metric, field, text) { metric, text, offsetof(struct sk_stats, field) }

static const struct triton_counter {
    const char *name, *help;
    size_t offset;
} triton_us[] = {
    COUNTER("nv_inference_request_duration_us", success_ns, "Cumulative end-to-end time of successful requests."),
    COUNTER("nv_inference_queue_duration_us", queue_ns, "Cumulative time in the queue."),
    COUNTER("nv_inference_compute_input_duration_us", input_ns, "Cumulative time of decoding and preprocessing."),
    COUNTER("nv_inference_compute_infer_duration_us", infer_ns, "Cumulative time in the model."),
    COUNTER("nv_inference_compute_output_duration_us", output_ns, "Cumulative time of results."),
};

/* The names that dashboards and autoscalers for Triton know. */
static void write_triton(struct sk_server *s, struct sk_buf *out, size_t queued)
{
    static const struct triton_counter counts[] = {
        COUNTER("nv_inference_request_success", succeeded, "Successful requests."),
        COUNTER("nv_inference_count", inferences, "Batch elements."),
        COUNTER("nv_inference_exec_count", executions, "Model runs."),
    };
    static const struct { const char *reason; size_t offset; } failures[] = {
        { "REJECTED", offsetof(struct sk_stats, rejected) },
        { "CANCELED", offsetof(struct sk_stats, cancelled) },
        { "OTHER", offsetof(struct sk_stats, failed) },
    };
    struct scrape sc = { .out = out };

    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        sk_metrics_head(out, counts[i].name, "counter", counts[i].help);
        sc.name = counts[i].name;
        sc.offset = counts[i].offset;
        sk_models_each(s->models, scrape_counter, &sc);
    }
    sc.name = "nv_inference_request_failure";
    sk_metrics_head(out, sc.name, "counter", "Failed requests by reason.");
    for (size_t i = 0; i < sizeof failures / sizeof failures[0]; i++) {
        sc.reason = failures[i].reason;
        sc.offset = failures[i].offset;
        sk_models_each(s->models, scrape_counter, &sc);
    }
    for (size_t i = 0; i < sizeof triton_us / sizeof triton_us[0]; i++) {
        sk_metrics_head(out, triton_us[i].name, "counter", triton_us[i].help);
        sc.name = triton_us[i].name;
        sc.offset = triton_us[i].offset;
        sk_models_each(s->models, scrape_us, &sc);
    }
    sk_metrics_head(out, "nv_inference_pending_request_count", "gauge", "Requests waiting for a worker.");
    sk_metrics_u64(out, "nv_inference_pending_request_count", NULL, queued);
}

static void write_own(struct sk_server *s, struct sk_buf *out, size_t queued, unsigned running)
{
    struct scrape sc = { .out = out, .name = "skerry_requests_total" };

    sk_metrics_head(out, sc.name, "counter", "Requests by model, version and HTTP status.");
    sk_models_each(s->models, scrape_requests, &sc);
    sk_metrics_head(out, "skerry_http_responses_total", "counter", "All answers by HTTP status.");
    sk_metrics_statuses(out, "skerry_http_responses_total", "", &s->responses);
    sc.name = "skerry_request_stage_seconds";
    sk_metrics_head(out, sc.name, "histogram", "Time of each stage: read, queue, decode, resize, infer, respond; overhead (total without infer); total.");
    sk_models_each(s->models, scrape_stages, &sc);
    sc.name = "skerry_model_load_seconds";
    sk_metrics_head(out, sc.name, "gauge", "How long the last load took, warm-up included.");
    sk_models_each(s->models, scrape_load, &sc);
    sk_metrics_head(out, "skerry_queue_depth", "gauge", "Pieces of work that wait for a worker.");
    sk_metrics_u64(out, "skerry_queue_depth", NULL, queued);
    sk_metrics_head(out, "skerry_workers_busy", "gauge", "Workers at work.");
    sk_metrics_u64(out, "skerry_workers_busy", NULL, running);
    sk_metrics_head(out, "skerry_workers", "gauge", "Workers, one per core.");
    sk_metrics_u64(out, "skerry_workers", NULL, sk_pool_workers(s->pool));
    sk_metrics_head(out, "skerry_connections", "gauge", "Open connections.");
    sk_metrics_u64(out, "skerry_connections", NULL, sk_http_connections(s->http));
    sk_metrics_head(out, "skerry_device_degraded", "gauge", "1 when another device was asked for than is used.");
    sk_metrics_u64(out, "skerry_device_degraded", NULL, sk_engine_degraded(s->engine));
    sk_metrics_head(out, "process_start_time_seconds", "gauge", "Start, seconds since 1970.");
    sk_metrics_seconds(out, "process_start_time_seconds", NULL, s->start_wall_ms * 1000000);
}

void sk_api_metrics(struct sk_http_req *req, void *ctx)
{
    struct sk_server *s = ctx;
    struct sk_buf *out = sk_http_out(req);
    size_t queued = 0;
    unsigned running = 0;

    sk_pool_counts(s->pool, &queued, &running);
    write_own(s, out, queued, running);
    write_triton(s, out, queued);
    sk_metrics_process(out);
    sk_http_set_type(req, "text/plain; version=0.0.4; charset=utf-8");
    sk_http_answer(req);
}

/* ---- the page ---- */

void sk_api_page(struct sk_http_req *req, void *ctx)
{
    (void)ctx;
    sk_http_set_type(req, "text/html; charset=utf-8");
    sk_http_set_header(req, "Content-Security-Policy",
                       "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src blob: data:; "
                       "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
    sk_http_set_header(req, "X-Content-Type-Options", "nosniff");
    sk_http_set_static(req, sk_page_html, sizeof sk_page_html);
    sk_http_answer(req);
}
