/*
 * api_metrics.c - GET /metrics: what is counted per model version (our names, then Triton's), and
 * the process.
 *
 * Prometheus wants all samples of a metric together, so each metric walks the models once.
 */
#include "serve/api_priv.h"

#include <stddef.h>

enum unit {
    COUNT,
    SECONDS,
    MICROSECONDS
}; /* the last two are kept in nanoseconds */

/* A counter or gauge of struct sk_stats as one metric. */
struct metric {
    const char *name, *type, *help; /* help NULL: the head was written with an earlier row */
    enum unit unit;
    size_t offset;
    const char *reason; /* value of the label `reason`, NULL: no such label */
};

#define FIELD(field) offsetof(struct sk_stats, field)

/* The names from nv_ on are Triton's: dashboards and autoscalers made for it work unchanged. */
static const struct metric metrics[] = {
    { "skerry_model_load_seconds", "gauge", "How long the last load took, warm-up included.",
      SECONDS, FIELD(load_ns), NULL },
    { "nv_inference_request_success", "counter", "Successful requests.", COUNT, FIELD(succeeded),
      NULL },
    { "nv_inference_request_failure", "counter", "Failed requests by reason.", COUNT,
      FIELD(rejected), "REJECTED" },
    { "nv_inference_request_failure", NULL, NULL, COUNT, FIELD(cancelled), "CANCELED" },
    { "nv_inference_request_failure", NULL, NULL, COUNT, FIELD(failed), "OTHER" },
    { "nv_inference_count", "counter", "Batch elements.", COUNT, FIELD(inferences), NULL },
    { "nv_inference_exec_count", "counter", "Model runs.", COUNT, FIELD(executions), NULL },
    { "nv_inference_request_duration_us", "counter", "Cumulative time of successful requests.",
      MICROSECONDS, FIELD(success_ns), NULL },
    { "nv_inference_queue_duration_us", "counter", "Cumulative time in the queue.", MICROSECONDS,
      FIELD(queue_ns), NULL },
    { "nv_inference_compute_input_duration_us", "counter",
      "Cumulative time of decoding and preprocessing.", MICROSECONDS, FIELD(input_ns), NULL },
    { "nv_inference_compute_infer_duration_us", "counter", "Cumulative time in the model.",
      MICROSECONDS, FIELD(infer_ns), NULL },
    { "nv_inference_compute_output_duration_us", "counter", "Cumulative time of results.",
      MICROSECONDS, FIELD(output_ns), NULL },
};

struct scrape {
    struct sk_buf *out;
    const struct metric *metric;
    struct sk_buf labels; /* scratch */
};

/* model="...",version="..." into the scratch; valid until the next slot. */
static const char *label_slot(struct scrape *s, const struct sk_slot *slot)
{
    sk_buf_clear(&s->labels);
    sk_metrics_label(&s->labels, "model", slot->name);
    sk_buf_chr(&s->labels, ',');
    sk_metrics_label(&s->labels, "version", slot->version);
    return s->labels.data ? s->labels.data : "";
}

static const char *label_more(struct scrape *s, const char *key, const char *value)
{
    sk_buf_chr(&s->labels, ',');
    sk_metrics_label(&s->labels, key, value);
    return s->labels.data ? s->labels.data : "";
}

static void add_value(void *ctx, struct sk_slot *slot, enum sk_slot_state state, const char *reason,
                      struct sk_loaded *loaded)
{
    struct scrape *s = ctx;
    const struct metric *m = s->metric;
    uint64_t value = *(const _Atomic uint64_t *)(const void *)((const char *)&slot->stats +
                                                               m->offset);

    (void)state;
    (void)reason;
    (void)loaded;
    const char *labels = label_slot(s, slot);
    if (m->reason)
        labels = label_more(s, "reason", m->reason);
    if (m->unit == SECONDS)
        sk_metrics_seconds(s->out, m->name, labels, value);
    else
        sk_metrics_u64(s->out, m->name, labels, m->unit == MICROSECONDS ? value / 1000 : value);
}

static void add_requests(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                         const char *reason, struct sk_loaded *loaded)
{
    struct scrape *s = ctx;

    (void)state;
    (void)reason;
    (void)loaded;
    sk_metrics_statuses(s->out, "skerry_requests_total", label_slot(s, slot),
                        &slot->stats.requests);
}

static void add_stages(void *ctx, struct sk_slot *slot, enum sk_slot_state state,
                       const char *reason, struct sk_loaded *loaded)
{
    struct scrape *s = ctx;

    (void)state;
    (void)reason;
    (void)loaded;
    for (enum sk_stage stage = 0; stage < SK_STAGE_COUNT; stage++) {
        (void)label_slot(s, slot);
        sk_metrics_hist(s->out, "skerry_request_stage_seconds",
                        label_more(s, "stage", sk_stage_name(stage)), &slot->stats.stages[stage]);
    }
}

static void write_models(struct sk_server *server, struct sk_buf *out)
{
    struct scrape s = { .out = out, .labels = SK_BUF_INIT(1 << 16) };

    sk_metrics_head(out, "skerry_requests_total", "counter",
                    "Requests by model, version and HTTP status.");
    sk_models_each(server->models, add_requests, &s);
    sk_metrics_head(out, "skerry_request_stage_seconds", "histogram",
                    "Time of each stage: read, queue, decode, resize, infer, respond; overhead "
                    "(total without infer); total.");
    sk_models_each(server->models, add_stages, &s);
    for (size_t i = 0; i < sizeof metrics / sizeof metrics[0]; i++) {
        s.metric = &metrics[i];
        if (metrics[i].help)
            sk_metrics_head(out, metrics[i].name, metrics[i].type, metrics[i].help);
        sk_models_each(server->models, add_value, &s);
    }
    sk_buf_done(&s.labels);
}

static void write_gauge(struct sk_buf *out, const char *name, const char *help, uint64_t value)
{
    sk_metrics_head(out, name, "gauge", help);
    sk_metrics_u64(out, name, NULL, value);
}

static void write_server(struct sk_server *s, struct sk_http_req *req, struct sk_buf *out)
{
    const struct sk_http_server *http = sk_server_is_control(s, req) ? s->http
                                                                     : sk_http_server_of(req);
    size_t queued = 0;
    unsigned running = 0;

    sk_pool_counts(s->pool, &queued, &running);
    sk_metrics_head(out, "skerry_http_responses_total", "counter", "All answers by HTTP status.");
    sk_metrics_statuses(out, "skerry_http_responses_total", "", &s->responses);
    write_gauge(out, "skerry_queue_depth", "Pieces of work that wait for a worker.", queued);
    write_gauge(out, "nv_inference_pending_request_count", "Pieces of work that wait for a worker.",
                queued);
    write_gauge(out, "skerry_workers_busy", "Workers at work.", running);
    write_gauge(out, "skerry_workers", "Workers, one per core.", sk_pool_workers(s->pool));
    write_gauge(out, "skerry_connections", "Open connections.", sk_http_connections(http));
    sk_metrics_head(out, "skerry_connections_refused_total", "counter",
                    "Connections beyond --max-connections.");
    sk_metrics_u64(out, "skerry_connections_refused_total", NULL, sk_http_refused(http));
    write_gauge(out, "skerry_device_degraded", "1 when another device was asked for than is used.",
                sk_engine_degraded(s->engine));
    sk_metrics_head(out, "process_start_time_seconds", "gauge", "Start, seconds since 1970.");
    sk_metrics_seconds(out, "process_start_time_seconds", NULL, s->start_wall_ms * 1000000);
}

void sk_api_metrics(struct sk_http_req *req, void *ctx)
{
    struct sk_buf *out = sk_http_out(req);

    write_models(ctx, out);
    write_server(ctx, req, out);
    sk_results_metrics(ctx, out);
    sk_metrics_process(out);
    sk_http_set_type(req, "text/plain; version=0.0.4; charset=utf-8");
    sk_http_answer(req);
}
