/*
 * metrics.c - counters and summaries in Prometheus' text format, under the names that IoT Edge's
 * edgeHub has (azure-iot-protocol 6.1).
 *
 * A series is a metric and its labels. There are at most SERIES_MAX; what would be one more is not
 * counted. A summary keeps a histogram with four steps to each doubling, so a quantile is right
 * within a fifth.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/mix64.h"

#include <math.h>
#include <string.h>

enum {
    TABLE_SIZE = 1024, /* a power of 2 */
    SERIES_MAX = 700,
    STEPS = 128 /* 2^(i/4) microseconds, or bytes */
};

struct sk_lh_series {
    enum sk_lh_metric metric;
    double sum;
    uint64_t count;
    uint32_t *steps; /* of a summary */
    char labels[];
};

static const struct {
    const char *name, *help;
    double unit; /* of the smallest step; 0: a counter */
} metrics[SK_LH_M_COUNT] = {
    [SK_LH_M_RECEIVED] = { "edgehub_messages_received_total", "Messages from clients.", 0 },
    [SK_LH_M_SENT] = { "edgehub_messages_sent_total", "Messages delivered.", 0 },
    [SK_LH_M_DROPPED] = { "edgehub_messages_dropped_total", "Messages that went nowhere.", 0 },
    [SK_LH_M_UNACKED] = { "edgehub_messages_unack_total", "Messages that could not be stored.", 0 },
    [SK_LH_M_GETTWIN] = { "edgehub_gettwin_total", "Twins given.", 0 },
    [SK_LH_M_REPORTED] = { "edgehub_reported_properties_total", "Reported patches.", 0 },
    [SK_LH_M_METHODS] = { "edgehub_direct_methods_total", "Direct methods answered.", 0 },
    [SK_LH_M_CONNECTED] = { "edgehub_client_connect_success_total", "Clients accepted.", 0 },
    [SK_LH_M_CONNECT_FAILED] = { "edgehub_client_connect_failed_total", "Clients refused.", 0 },
    [SK_LH_M_DISCONNECTED] = { "edgehub_client_disconnect_total", "Clients that left.", 0 },
    [SK_LH_M_OFFLINE] = { "edgehub_offline_count_total", "Lines upstream that were lost.", 0 },
    [SK_LH_M_RETRIES] = { "edgehub_operation_retry_total", "Tries that failed.", 0 },
    [SK_LH_M_SIZE] = { "edgehub_message_size_bytes", "Bodies of messages.", 1 },
    [SK_LH_M_SEND_S] = { "edgehub_message_send_duration_seconds", "From sending to PUBACK.", 1e-6 },
    [SK_LH_M_PROCESS_S] = { "edgehub_message_process_duration_seconds",
                            "From coming to being stored.", 1e-6 },
    [SK_LH_M_GETTWIN_S] = { "edgehub_gettwin_duration_seconds", "To give a twin.", 1e-6 },
    [SK_LH_M_REPORTED_S] = { "edgehub_reported_properties_update_duration_seconds",
                             "To take a patch.", 1e-6 },
    [SK_LH_M_METHOD_S] = { "edgehub_direct_method_duration_seconds", "To an answer.", 1e-6 },
    [SK_LH_M_OFFLINE_S] = { "edgehub_offline_duration_seconds", "Without a line upstream.", 1e-6 },
};

int sk_lh_metrics_init(struct sk_lh_metrics *m, struct sk_err *err)
{
    (void)pthread_mutex_init(&m->lock, NULL);
    m->table = calloc(TABLE_SIZE, sizeof *m->table);
    return m->table ? 0 : sk_nomem(err);
}

void sk_lh_metrics_done(struct sk_lh_metrics *m)
{
    if (!m->table)
        return;
    for (size_t i = 0; i < TABLE_SIZE; i++) {
        if (m->table[i])
            free(m->table[i]->steps);
        free(m->table[i]);
    }
    free(SK_TAKE(m->table));
    (void)pthread_mutex_destroy(&m->lock);
}

/* ---- counting ---- */

void sk_lh_output_of(struct sk_view key, char *out, size_t cap)
{
    const char *end = key.ptr + key.len;
    const char *at = key.len > 0 ? memchr(key.ptr, '/', key.len) : NULL;
    at = at ? memchr(at + 1, '/', (size_t)(end - at - 1)) : NULL;
    (void)snprintf(out, cap, "%.*s", at ? (int)(end - at - 1) : 0, at ? at + 1 : "");
}

static void write_label(struct sk_buf *out, const char *name, const char *value)
{
    sk_buf_fmt(out, ",%s=\"", name);
    for (const char *p = value; *p; p++) {
        if (*p == '"' || *p == '\\')
            sk_buf_chr(out, '\\');
        if (*p == '\n')
            sk_buf_str(out, "\\n");
        else
            sk_buf_chr(out, *p);
    }
    sk_buf_chr(out, '"');
}

static struct sk_lh_series *new_series(struct sk_lh_metrics *m, size_t at, enum sk_lh_metric metric,
                                       const struct sk_buf *labels)
{
    struct sk_lh_series *s = m->count < SERIES_MAX ? calloc(1, sizeof *s + labels->len + 1) : NULL;
    if (!s)
        return NULL;
    s->metric = metric;
    memcpy(s->labels, labels->data, labels->len + 1);
    if (metrics[metric].unit > 0)
        s->steps = calloc(STEPS, sizeof *s->steps);
    if (metrics[metric].unit > 0 && !s->steps) {
        free(s);
        return NULL;
    }
    m->table[at] = s;
    m->count++;
    return s;
}

/* Finds or makes; NULL: there are too many. */
static struct sk_lh_series *find_series(struct sk_lh_metrics *m, enum sk_lh_metric metric,
                                        const struct sk_buf *labels)
{
    uint64_t hash = sk_mix64((uint64_t)metric + 1);
    for (size_t i = 0; i < labels->len; i++)
        hash = (hash ^ (unsigned char)labels->data[i]) * UINT64_C(0x100000001b3);
    size_t at = sk_mix64(hash) & (TABLE_SIZE - 1);
    for (; m->table[at]; at = (at + 1) & (TABLE_SIZE - 1))
        if (m->table[at]->metric == metric && strcmp(m->table[at]->labels, labels->data) == 0)
            return m->table[at];
    return new_series(m, at, metric, labels);
}

static size_t step_of(double value, double unit)
{
    const double steps = value > unit ? 4 * log2(value / unit) : 0;
    return steps >= STEPS - 1 ? STEPS - 1 : (size_t)ceil(steps);
}

void sk_lh_count(struct sk_lh *h, enum sk_lh_metric metric, double value, const char *const *labels)
{
    struct sk_lh_metrics *m = &h->metrics;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    for (size_t i = 0; labels[i]; i += 2)
        write_label(&text, labels[i], labels[i + 1]);
    if (!sk_buf_ok(&text) || !text.data || !m->table)
        return;
    SK_LOCK(&m->lock);
    struct sk_lh_series *s = find_series(m, metric, &text);
    if (!s)
        return;
    s->count++;
    s->sum += value;
    if (s->steps)
        s->steps[step_of(value, metrics[metric].unit)]++;
}

/* ---- writing ---- */

static double quantile(const struct sk_lh_series *s, double q)
{
    const double rank = q * (double)s->count;
    uint64_t below = 0;
    size_t i = 0;
    for (; i < STEPS - 1; i++) {
        below += s->steps[i];
        if ((double)below >= rank)
            break;
    }
    return metrics[s->metric].unit * exp2((double)i / 4);
}

static void write_series(const struct sk_lh_series *s, const char *common, struct sk_buf *out)
{
    static const char *const quantiles[] = { "0.1", "0.5", "0.9", "0.99" };
    static const double values[] = { 0.1, 0.5, 0.9, 0.99 };
    const char *name = metrics[s->metric].name;
    if (!s->steps) {
        sk_buf_fmt(out, "%s{%s%s} %.17g\n", name, common, s->labels, s->sum);
        return;
    }
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        sk_buf_fmt(out, "%s{%s%s,quantile=\"%s\"} %g\n", name, common, s->labels, quantiles[i],
                   quantile(s, values[i]));
    sk_buf_fmt(out, "%s_sum{%s%s} %.17g\n%s_count{%s%s} %llu\n", name, common, s->labels, s->sum,
               name, common, s->labels, (unsigned long long)s->count);
}

static void head(struct sk_buf *out, const char *name, const char *type, const char *help)
{
    sk_buf_fmt(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void write_counted(struct sk_lh *h, const char *common, struct sk_buf *out)
{
    struct sk_lh_metrics *m = &h->metrics;
    SK_LOCK(&m->lock);
    for (int k = 0; k < SK_LH_M_COUNT; k++) {
        bool has_head = false;
        for (size_t i = 0; i < TABLE_SIZE; i++) {
            if (!m->table[i] || (int)m->table[i]->metric != k)
                continue;
            if (!has_head)
                head(out, metrics[k].name, metrics[k].unit > 0 ? "summary" : "counter",
                     metrics[k].help);
            has_head = true;
            write_series(m->table[i], common, out);
        }
    }
}

struct queues {
    struct sk_lh *hub;
    const char *common;
    struct sk_buf *out;
};

static int write_queue(void *ctx, const char *endpoint, struct sk_err *err)
{
    const struct queues *q = ctx;
    (void)err;
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        const uint64_t length = sk_spool_length(q->hub->spool, endpoint, p);
        if (length == 0 && p != SK_SPOOL_PRIORITIES - 1)
            continue;
        sk_buf_fmt(q->out, "edgehub_queue_length{%s", q->common);
        write_label(q->out, "endpoint", strcmp(endpoint, "$upstream") == 0 ? "iothub" : endpoint);
        sk_buf_fmt(q->out, ",priority=\"%u\"} %llu\n", p, (unsigned long long)length);
    }
    return 0;
}

static void write_spool(struct sk_lh *h, const char *common, struct sk_buf *out)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_spool_state s;

    struct queues q = { h, common, out };
    {
        SK_LOCK(&h->lock);
        if (!h->spool)
            return; /* once it is there, it stays until HTTP has ended */
    }

    head(out, "edgehub_queue_length", "gauge", "Messages that wait.");
    if (sk_spool_endpoints(h->spool, write_queue, &q, &err) < 0)
        sk_buf_fmt(out, "# %s\n", err.text);
    sk_spool_state(h->spool, &s);
    head(out, "skerry_spool_bytes", "gauge", "Bytes of the spool on the disk.");
    sk_buf_fmt(out, "skerry_spool_bytes{%s} %llu\n", common, (unsigned long long)s.bytes);
    head(out, "skerry_spool_max_bytes", "gauge", "Bytes that it may have.");
    sk_buf_fmt(out, "skerry_spool_max_bytes{%s} %llu\n", common, (unsigned long long)s.max_bytes);
    head(out, "skerry_spool_lost_total", "counter", "Messages that the spool gave up.");
    sk_buf_fmt(out, "skerry_spool_lost_total{%s,reason=\"ttl_expiry\"} %llu\n", common,
               (unsigned long long)s.expired);
    sk_buf_fmt(out, "skerry_spool_lost_total{%s,reason=\"evicted\"} %llu\n", common,
               (unsigned long long)s.evicted);
    sk_buf_fmt(out, "skerry_spool_lost_total{%s,reason=\"damaged\"} %llu\n", common,
               (unsigned long long)s.damaged);
    sk_buf_fmt(out,
               "edgehub_messages_dropped_total{%s,reason=\"ttl_expiry\",from=\"\","
               "from_route_output=\"\"} %llu\n",
               common, (unsigned long long)s.expired);
}

void sk_lh_metrics_write(struct sk_lh *h, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf common = SK_BUF_INIT(4096);
    unsigned connected = 0;
    {
        SK_LOCK(&h->lock);
        write_label(&common, "iothub", h->config.hub_name);
        write_label(&common, "edge_device", h->config.device);
        write_label(&common, "instance_number", h->message_prefix);
        for (struct sk_lh_ident *id = h->idents; id; id = id->next)
            connected += sk_lh_instance_live(id) != NULL;
    }
    if (!sk_buf_ok(&common))
        return;
    const char *labels = common.data + 1; /* behind the first comma */
    write_counted(h, labels, out);
    head(out, "edgehub_connected_clients", "gauge", "Clients that are connected.");
    sk_buf_fmt(out, "edgehub_connected_clients{%s} %u\n", labels, connected);
    write_spool(h, labels, out);
}

static void handle_metrics(struct sk_http_req *req, void *ctx)
{
    sk_http_set_type(req, "text/plain; version=0.0.4");
    sk_lh_metrics_write(ctx, sk_http_out(req));
    sk_http_answer(req);
}

const struct sk_http_route sk_lh_metrics_routes[] = {
    { .method = "GET",
      .path = "/metrics",
      .flags = SK_HTTP_OPEN | SK_HTTP_QUIET,
      .handle = handle_metrics },
    { 0 },
};
