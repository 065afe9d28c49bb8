/*
 * metrics_priv.h - what the server counts: per model and version, and for the whole process.
 *
 * All fields are atomics with relaxed order: a scrape may see a request half counted, never a wrong
 * total afterwards. Threads: any.
 */
#ifndef SK_SERVE_METRICS_PRIV_H
#define SK_SERVE_METRICS_PRIV_H

#include "base/buf.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

/* The stages of a request, in order. */
enum sk_stage {
    SK_STAGE_READ,     /* headers complete -> body complete */
    SK_STAGE_QUEUE,    /* waiting for a worker */
    SK_STAGE_DECODE,   /* picture -> pixels; for V2: tensors out of the body */
    SK_STAGE_RESIZE,   /* resize, crop, normalise */
    SK_STAGE_INFER,    /* the model */
    SK_STAGE_RESPOND,  /* result -> last byte handed to the socket */
    SK_STAGE_OVERHEAD, /* total without infer: what we add to the model */
    SK_STAGE_TOTAL,    /* headers complete -> end */
    SK_STAGE_COUNT
};

enum {
    SK_HIST_BOUNDS = 32
};

struct sk_metrics_histogram {
    _Atomic uint64_t buckets[SK_HIST_BOUNDS + 1]; /* not cumulative; the last is +Inf */
    _Atomic uint64_t sum_ns;
};

/* The HTTP statuses that are counted one by one; others go to the last row. */
enum {
    SK_STATUS_SLOTS = 17
};

struct sk_status_counts {
    _Atomic uint64_t slots[SK_STATUS_SLOTS];
};

/* Of one model version; lives as long as the server, whatever is loaded or unloaded. */
struct sk_stats {
    struct sk_status_counts requests;
    struct sk_metrics_histogram stages[SK_STAGE_COUNT];
    _Atomic uint64_t rejected, cancelled, failed; /* reasons of nv_inference_request_failure */
    _Atomic uint64_t succeeded;
    _Atomic uint64_t inferences, executions; /* batch elements, model runs */
    _Atomic uint64_t queue_ns, input_ns, infer_ns, output_ns, success_ns, fail_ns; /* cumulative */
    _Atomic uint64_t last_inference_ms; /* since 1970; 0: never */
    _Atomic uint64_t load_ns;
};

void sk_metrics_observe(struct sk_metrics_histogram *h, uint64_t ns);
uint64_t sk_metrics_observed(const struct sk_metrics_histogram *h);
void sk_status_add(struct sk_status_counts *c, int status);
/* Counts one answered request of a model: status, success or the reason of failure, total time. */
void sk_stats_finish(struct sk_stats *s, int status, uint64_t total_ns);

const char *sk_stage_name(enum sk_stage stage);

/* Prometheus text format 0.0.4. */
void sk_metrics_head(struct sk_buf *out, const char *name, const char *type, const char *help);
void sk_metrics_hist(struct sk_buf *out, const char *name, const char *labels,
                     const struct sk_metrics_histogram *h);
void sk_metrics_statuses(struct sk_buf *out, const char *name, const char *labels,
                         const struct sk_status_counts *c);
/* name{labels} value, the value in seconds with nine digits. */
void sk_metrics_seconds(struct sk_buf *out, const char *name, const char *labels, uint64_t ns);
void sk_metrics_u64(struct sk_buf *out, const char *name, const char *labels, uint64_t value);
/* model="...",version="..." with the escapes of the format. */
void sk_metrics_label(struct sk_buf *out, const char *key, const char *value);
/* process_resident_memory_bytes, skerry_process_pss_bytes, process_cpu_seconds_total, ... */
void sk_metrics_process(struct sk_buf *out);

#endif
