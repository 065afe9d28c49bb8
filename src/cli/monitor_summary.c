/*
 * monitor_summary.c - rate, latencies and predictions of the last minute or so, for each device,
 * module and version of its model.
 *
 * Each group keeps its messages of the window as samples, in the order of their coming; those that
 * have left it go when the figures are printed. A group that sends more than SK_SUMMARY_SAMPLES
 * loses the older half, and its rate is then that of the time its samples span. Percentiles are
 * nearest-rank.
 */
#include "cli/monitor_priv.h"

#include "base/cleanup.h"
#include "cli/remote_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sample {
    int64_t time_ms;
    float latency_ms; /* NaN: none */
    unsigned char prediction;
};

enum {
    NO_PREDICTION = SK_SUMMARY_PREDICTIONS,
    OTHERS = SK_SUMMARY_PREDICTIONS - 1
};

struct group {
    char device[SK_SUMMARY_NAME], module[SK_SUMMARY_NAME], version[64];
    struct sample *samples;
    size_t count, cap;
    bool is_cut; /* some of the window's samples are gone */
    char *predictions[SK_SUMMARY_PREDICTIONS];
    unsigned prediction_count;
};

struct sk_summary {
    uint64_t window_ms;
    int64_t first_ms, newest_ms;
    struct group *groups[SK_SUMMARY_GROUPS];
    size_t count;
};

int sk_summary_new(uint64_t window_ms, struct sk_summary **out, struct sk_err *err)
{
    struct sk_summary *s = calloc(1, sizeof *s);
    if (!s)
        return sk_nomem(err);
    s->window_ms = window_ms;
    *out = s;
    return 0;
}

static void group_free(struct group *g)
{
    if (!g)
        return;
    for (unsigned i = 0; i < g->prediction_count; i++)
        free(g->predictions[i]);
    free(g->samples);
    free(g);
}

void sk_summary_free(struct sk_summary *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->count; i++)
        group_free(s->groups[i]);
    free(s);
}

int64_t sk_summary_first(const struct sk_summary *s)
{
    return s->first_ms;
}

int64_t sk_summary_newest(const struct sk_summary *s)
{
    return s->newest_ms;
}

/* ---- adding ---- */

/* The last place is for all that found none. */
static struct group *find_group(struct sk_summary *s, const struct sk_monitor_row *r)
{
    const bool is_full = s->count == SK_SUMMARY_GROUPS;
    for (size_t i = 0; i < s->count; i++) {
        struct group *g = s->groups[i];
        if (strcmp(g->device, r->device) == 0 && strcmp(g->module, r->module) == 0 &&
            strcmp(g->version, r->version) == 0)
            return g;
    }
    if (is_full)
        return s->groups[SK_SUMMARY_GROUPS - 1];
    struct group *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    if (s->count == SK_SUMMARY_GROUPS - 1) {
        (void)snprintf(g->device, sizeof g->device, "(others)");
    } else {
        (void)snprintf(g->device, sizeof g->device, "%s", r->device);
        (void)snprintf(g->module, sizeof g->module, "%s", r->module);
        (void)snprintf(g->version, sizeof g->version, "%s", r->version);
    }
    s->groups[s->count++] = g;
    return g;
}

/* Index of its name; -1: no memory. */
static int find_prediction(struct group *g, const char *name)
{
    if (!name)
        return NO_PREDICTION;
    for (unsigned i = 0; i < g->prediction_count; i++)
        if (strcmp(g->predictions[i], name) == 0)
            return (int)i;
    if (g->prediction_count == SK_SUMMARY_PREDICTIONS)
        return OTHERS;
    char *copy = strdup(g->prediction_count == OTHERS ? "(others)" : name);
    if (!copy)
        return -1;
    g->predictions[g->prediction_count] = copy;
    return (int)g->prediction_count++;
}

static int make_room(struct group *g)
{
    if (g->count == SK_SUMMARY_SAMPLES) {
        g->count /= 2;
        memmove(g->samples, g->samples + g->count, g->count * sizeof *g->samples);
        g->is_cut = true;
    }
    if (g->count < g->cap)
        return 0;
    size_t cap = g->cap ? g->cap * 2 : 64;
    struct sample *more = realloc(g->samples, cap * sizeof *more);
    if (!more)
        return -1;
    g->samples = more;
    g->cap = cap;
    return 0;
}

int sk_summary_add(struct sk_summary *s, const struct sk_monitor_row *row, struct sk_err *err)
{
    struct group *g = find_group(s, row);
    int prediction = g ? find_prediction(g, row->prediction) : -1;
    if (prediction < 0 || make_room(g) < 0)
        return sk_nomem(err);
    g->samples[g->count++] = (struct sample){ .time_ms = row->time_ms,
                                              .latency_ms = (float)row->latency_ms,
                                              .prediction = (unsigned char)prediction };
    if (s->first_ms == 0)
        s->first_ms = row->time_ms;
    if (row->time_ms > s->newest_ms)
        s->newest_ms = row->time_ms;
    return 0;
}

/* ---- figures ---- */

static void prune(struct group *g, int64_t from_ms)
{
    size_t gone = 0;
    while (gone < g->count && g->samples[gone].time_ms < from_ms)
        gone++;
    if (gone > 0) {
        memmove(g->samples, g->samples + gone, (g->count - gone) * sizeof *g->samples);
        g->count -= gone;
        g->is_cut = false;
    }
}

struct figures {
    double rate;
    double p50, p95, p99; /* NaN: no latency was told */
    size_t shares[SK_SUMMARY_PREDICTIONS], predicted;
};

static int by_value(const void *a, const void *b)
{
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

static double rank(const float *sorted, size_t count, double share)
{
    size_t at = (size_t)ceil(share * (double)count);
    return sorted[at > 0 ? at - 1 : 0];
}

static void count_latencies(const struct group *g, struct figures *f)
{
    SK_OWN(free) float *sorted = malloc((g->count + 1) * sizeof *sorted);
    size_t count = 0;
    f->p50 = f->p95 = f->p99 = NAN;
    for (size_t i = 0; sorted && i < g->count; i++)
        if (!isnan(g->samples[i].latency_ms))
            sorted[count++] = g->samples[i].latency_ms;
    if (count == 0)
        return;
    qsort(sorted, count, sizeof *sorted, by_value);
    f->p50 = rank(sorted, count, 0.50);
    f->p95 = rank(sorted, count, 0.95);
    f->p99 = rank(sorted, count, 0.99);
}

static void count_group(const struct group *g, int64_t now_ms, int64_t from_ms, struct figures *f)
{
    int64_t begin_ms = g->is_cut && g->count > 0 ? g->samples[0].time_ms : from_ms;
    int64_t span_ms = now_ms - begin_ms;
    *f = (struct figures){ .rate = (double)g->count * 1000 / (double)(span_ms > 1 ? span_ms : 1) };
    count_latencies(g, f);
    for (size_t i = 0; i < g->count; i++) {
        if (g->samples[i].prediction == NO_PREDICTION)
            continue;
        f->shares[g->samples[i].prediction]++;
        f->predicted++;
    }
}

/* The most frequent first. */
static unsigned order_shares(const struct group *g, const struct figures *f,
                             unsigned order[SK_SUMMARY_PREDICTIONS])
{
    unsigned count = 0;
    for (unsigned i = 0; i < g->prediction_count; i++) {
        unsigned at = count;
        if (f->shares[i] == 0)
            continue;
        for (; at > 0 && f->shares[order[at - 1]] < f->shares[i]; at--)
            order[at] = order[at - 1];
        order[at] = i;
        count++;
    }
    return count;
}

/* ---- printing ---- */

static void add_latency(struct sk_buf *out, double value)
{
    char text[32] = "-";
    if (!isnan(value))
        (void)snprintf(text, sizeof text, "%.1f", value);
    sk_cli_cell(out, text, 7);
}

static void add_row(const struct group *g, const struct figures *f, struct sk_buf *out)
{
    unsigned order[SK_SUMMARY_PREDICTIONS];
    const unsigned count = order_shares(g, f, order);
    SK_AUTO(sk_buf_done) struct sk_buf shares = SK_BUF_INIT(1 << 20);
    char text[32];
    sk_cli_cell(out, g->device, 16);
    sk_cli_cell(out, g->module[0] ? g->module : "-", 14);
    sk_cli_cell(out, g->version[0] ? g->version : "-", 8);
    (void)snprintf(text, sizeof text, "%zu", g->count);
    sk_cli_cell(out, text, 8);
    (void)snprintf(text, sizeof text, "%.1f", f->rate);
    sk_cli_cell(out, text, 7);
    add_latency(out, f->p50);
    add_latency(out, f->p95);
    add_latency(out, f->p99);
    for (unsigned i = 0; i < count; i++)
        sk_buf_fmt(&shares, "%s%s %.1f%%", i ? ", " : "", g->predictions[order[i]],
                   100.0 * (double)f->shares[order[i]] / (double)f->predicted);
    sk_cli_cell(out, shares.len > 0 && sk_buf_ok(&shares) ? shares.data : "-", 0);
    sk_buf_chr(out, '\n');
}

static void add_number(struct sk_buf *out, const char *name, double value)
{
    sk_buf_fmt(out, ",\"%s\":", name);
    sk_buf_num(out, value, 9);
}

static void add_object(const struct group *g, const struct figures *f, struct sk_buf *out)
{
    unsigned order[SK_SUMMARY_PREDICTIONS];
    const unsigned count = order_shares(g, f, order);
    sk_buf_str(out, "{\"deviceId\":");
    sk_buf_json_str(out, g->device);
    sk_buf_str(out, ",\"moduleId\":");
    sk_buf_json_str(out, g->module);
    sk_buf_str(out, ",\"modelVersion\":");
    sk_buf_json_str(out, g->version);
    sk_buf_fmt(out, ",\"messages\":%zu", g->count);
    add_number(out, "messagesPerSecond", f->rate);
    add_number(out, "latencyMsP50", f->p50);
    add_number(out, "latencyMsP95", f->p95);
    add_number(out, "latencyMsP99", f->p99);
    sk_buf_str(out, ",\"predictions\":{");
    for (unsigned i = 0; i < count; i++) {
        sk_buf_str(out, i ? "," : "");
        sk_buf_json_str(out, g->predictions[order[i]]);
        sk_buf_chr(out, ':');
        sk_buf_num(out, (double)f->shares[order[i]] / (double)f->predicted, 9);
    }
    sk_buf_str(out, "}}\n");
}

static int by_name(const void *a, const void *b)
{
    const struct group *x = *(struct group *const *)a, *y = *(struct group *const *)b;
    int rc = strcmp(x->device, y->device);
    rc = rc ? rc : strcmp(x->module, y->module);
    return rc ? rc : strcmp(x->version, y->version);
}

unsigned sk_summary_print(struct sk_summary *s, int64_t now_ms, int64_t since_ms, bool as_json,
                          struct sk_buf *out)
{
    int64_t from_ms = now_ms - (int64_t)s->window_ms;
    const struct group *sorted[SK_SUMMARY_GROUPS];
    unsigned lines = 0;
    from_ms = from_ms > since_ms ? from_ms : since_ms;
    if (!as_json) {
        sk_buf_str(out, "DEVICE            MODULE          VERSION   MESSAGES  MSG/S    P50 ms   "
                        "P95 ms   P99 ms   PREDICTIONS\n");
        lines++;
    }
    /* The groups stay where they are: the last one is that of the others. */
    memcpy(sorted, s->groups, s->count * sizeof s->groups[0]);
    qsort(sorted, s->count, sizeof sorted[0], by_name);
    for (size_t i = 0; i < s->count; i++)
        prune(s->groups[i], from_ms);
    for (size_t i = 0; i < s->count; i++) {
        struct figures f;
        if (sorted[i]->count == 0)
            continue;
        count_group(sorted[i], now_ms, from_ms, &f);
        (as_json ? add_object : add_row)(sorted[i], &f, out);
        lines++;
    }
    return lines;
}
