/*
 * metrics.c - counters and histograms, and how Prometheus reads them (text exposition format
 * 0.0.4).
 */
#include "serve/metrics_priv.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "base/str.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Upper bounds in nanoseconds: 10 us to 10 s in steps of at most 3.4, fine where image models
 * answer. */
static const uint64_t bounds_ns[SK_HIST_BOUNDS] = {
    10000,     20000,     30000,     50000,     70000,     100000,     150000,     200000,
    300000,    500000,    700000,    1000000,   2000000,   3000000,    5000000,    7500000,
    10000000,  15000000,  20000000,  25000000,  30000000,  40000000,   50000000,   75000000,
    100000000, 150000000, 200000000, 300000000, 500000000, 1000000000, 3000000000, 10000000000,
};

static const char *const bound_texts[SK_HIST_BOUNDS] = {
    "0.00001", "0.00002", "0.00003", "0.00005", "0.00007", "0.0001", "0.00015", "0.0002",
    "0.0003",  "0.0005",  "0.0007",  "0.001",   "0.002",   "0.003",  "0.005",   "0.0075",
    "0.01",    "0.015",   "0.02",    "0.025",   "0.03",    "0.04",   "0.05",    "0.075",
    "0.1",     "0.15",    "0.2",     "0.3",     "0.5",     "1",      "3",       "10",
};

static const int statuses[SK_STATUS_SLOTS - 1] = { 200, 400, 401, 403, 404, 405, 408, 413,
                                                   415, 422, 431, 499, 500, 501, 503, 504 };

static void add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static uint64_t get(const _Atomic uint64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

void sk_metrics_observe(struct sk_metrics_histogram *h, uint64_t ns)
{
    unsigned i = 0;

    while (i < SK_HIST_BOUNDS && ns > bounds_ns[i])
        i++;
    add(&h->buckets[i], 1);
    add(&h->sum_ns, ns);
}

uint64_t sk_metrics_observed(const struct sk_metrics_histogram *h)
{
    uint64_t n = 0;

    for (unsigned i = 0; i <= SK_HIST_BOUNDS; i++)
        n += get(&h->buckets[i]);
    return n;
}

void sk_status_add(struct sk_status_counts *c, int status)
{
    unsigned i = 0;

    while (i < SK_STATUS_SLOTS - 1 && statuses[i] != status)
        i++;
    add(&c->slots[i], 1);
}

void sk_stats_finish(struct sk_stats *s, int status, uint64_t total_ns)
{
    sk_status_add(&s->requests, status);
    sk_metrics_observe(&s->stages[SK_STAGE_TOTAL], total_ns);
    if (status < 400) {
        add(&s->succeeded, 1);
        add(&s->success_ns, total_ns);
        return;
    }
    add(&s->fail_ns, total_ns);
    if (status == 503)
        add(&s->rejected, 1);
    else if (status == 504 || status == 499) /* late, or the client left */
        add(&s->cancelled, 1);
    else
        add(&s->failed, 1);
}

const char *sk_stage_name(enum sk_stage stage)
{
    static const char *const names[SK_STAGE_COUNT] = { "read",  "queue",   "decode",   "resize",
                                                       "infer", "respond", "overhead", "total" };

    return names[stage];
}

void sk_metrics_head(struct sk_buf *out, const char *name, const char *type, const char *help)
{
    sk_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void sk_metrics_label(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, "%s=\"", key);
    for (const char *p = value; *p; p++) {
        if (*p == '\\' || *p == '"')
            sk_buf_chr(out, '\\');
        if (*p == '\n')
            sk_buf_str(out, "\\n");
        else
            sk_buf_chr(out, *p);
    }
    sk_buf_chr(out, '"');
}

void sk_metrics_u64(struct sk_buf *out, const char *name, const char *labels, uint64_t value)
{
    if (labels && *labels)
        sk_buf_fmt(out, "%s{%s} %" PRIu64 "\n", name, labels, value);
    else
        sk_buf_fmt(out, "%s %" PRIu64 "\n", name, value);
}

void sk_metrics_seconds(struct sk_buf *out, const char *name, const char *labels, uint64_t ns)
{
    bool has_labels = labels && *labels;

    sk_buf_fmt(out, "%s%s%s%s %" PRIu64 ".%09" PRIu64 "\n", name, has_labels ? "{" : "",
               has_labels ? labels : "", has_labels ? "}" : "", ns / 1000000000, ns % 1000000000);
}

void sk_metrics_hist(struct sk_buf *out, const char *name, const char *labels,
                     const struct sk_metrics_histogram *h)
{
    uint64_t count = 0;

    for (unsigned i = 0; i <= SK_HIST_BOUNDS; i++) {
        count += get(&h->buckets[i]);
        sk_buf_fmt(out, "%s_bucket{%s,le=\"%s\"} %" PRIu64 "\n", name, labels,
                   i < SK_HIST_BOUNDS ? bound_texts[i] : "+Inf", count);
    }
    sk_buf_fmt(out, "%s_sum{%s} %" PRIu64 ".%09" PRIu64 "\n", name, labels,
               get(&h->sum_ns) / 1000000000, get(&h->sum_ns) % 1000000000);
    sk_buf_fmt(out, "%s_count{%s} %" PRIu64 "\n", name, labels, count);
}

void sk_metrics_statuses(struct sk_buf *out, const char *name, const char *labels,
                         const struct sk_status_counts *c)
{
    const char *comma = labels && *labels ? "," : "";

    for (unsigned i = 0; i < SK_STATUS_SLOTS; i++) {
        uint64_t n = get(&c->slots[i]);
        if (n == 0)
            continue;
        if (i < SK_STATUS_SLOTS - 1)
            sk_buf_fmt(out, "%s{%s%scode=\"%d\"} %" PRIu64 "\n", name, labels ? labels : "", comma,
                       statuses[i], n);
        else
            sk_buf_fmt(out, "%s{%s%scode=\"other\"} %" PRIu64 "\n", name, labels ? labels : "",
                       comma, n);
    }
}

/* "Pss:    1234 kB" of /proc/self/smaps_rollup, in bytes; 0 when unknown. */
static uint64_t pss_bytes(void)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;

    if (sk_file_read("/proc/self/smaps_rollup", 1 << 16, &text, &len, &err) < 0)
        return 0;
    const char *line = strstr(text, "\nPss:");
    return line ? strtoull(line + strlen("\nPss:"), NULL, 10) * 1024 : 0;
}

static uint64_t rss_bytes(void)
{
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    char *rest;

    if (sk_file_read("/proc/self/statm", 4096, &text, &len, &err) < 0)
        return 0;
    (void)strtoull(text, &rest, 10);
    return strtoull(rest, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
}

void sk_metrics_process(struct sk_buf *out)
{
    struct rusage use;

    sk_metrics_head(out, "process_resident_memory_bytes", "gauge", "Resident memory.");
    sk_metrics_u64(out, "process_resident_memory_bytes", NULL, rss_bytes());
    sk_metrics_head(out, "skerry_process_pss_bytes", "gauge",
                    "Proportional set size: shared pages counted in parts.");
    sk_metrics_u64(out, "skerry_process_pss_bytes", NULL, pss_bytes());
    if (getrusage(RUSAGE_SELF, &use) == 0) {
        uint64_t us = (uint64_t)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1000000 +
                      (uint64_t)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
        sk_metrics_head(out, "process_cpu_seconds_total", "counter", "User and system time.");
        sk_metrics_seconds(out, "process_cpu_seconds_total", NULL, us * 1000);
    }
}
