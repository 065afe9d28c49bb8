/*
 * summary.c - sums over an interval, of fixed size whatever comes.
 *
 * Latencies are counted in buckets, each 2 % wider than the one before, from 1 us: a percentile is
 * the middle of its bucket, so within 1 % of the true one. Beyond the last bucket (48 minutes) they
 * count as the last.
 */
#include "reporter/reporter_priv.h"

#include "base/clock.h"

#include <math.h>

static const double FIRST_MS = 0.001, STEP = 1.02;

static size_t bucket_of(double ms)
{
    if (!(ms > FIRST_MS))
        return 0;
    double at = log(ms / FIRST_MS) / log(STEP);
    return at < SK_REP_BUCKETS - 1 ? (size_t)at : SK_REP_BUCKETS - 1;
}

void sk_rep_summary_clear(struct sk_rep_summary *s, int64_t now_ms)
{
    *s = (struct sk_rep_summary){ .since_ms = now_ms };
}

static void count_label(struct sk_rep_summary *s, const struct sk_reporter_result *r)
{
    struct sk_rep_result cut;
    sk_rep_result_set(&cut, r);
    for (size_t i = 0; i < s->label_count; i++)
        if (strcmp(s->labels[i].name, cut.label) == 0) {
            s->labels[i].count++;
            return;
        }
    if (s->label_count == SK_REP_LABELS) {
        s->others++;
        return;
    }
    memcpy(s->labels[s->label_count].name, cut.label, sizeof cut.label);
    s->labels[s->label_count++].count = 1;
}

void sk_rep_summary_add(struct sk_rep_summary *s, const struct sk_reporter_result *r)
{
    if (!r->label) {
        s->errors++;
        return;
    }
    s->count++;
    count_label(s, r);
    s->buckets[bucket_of(r->latency_ms)]++;
    if (r->latency_ms > s->max_ms)
        s->max_ms = r->latency_ms;
}

double sk_rep_summary_percentile(const struct sk_rep_summary *s, double share)
{
    const uint64_t rank = (uint64_t)ceil(share * (double)s->count);
    uint64_t below = 0;
    for (size_t i = 0; s->count > 0 && i < SK_REP_BUCKETS; i++) {
        below += s->buckets[i];
        if (below >= rank && below > 0) {
            double middle = FIRST_MS * pow(STEP, (double)i + 0.5);
            return middle < s->max_ms ? middle : s->max_ms;
        }
    }
    return 0;
}

static void write_labels(const struct sk_rep_summary *s, struct sk_buf *out)
{
    sk_buf_str(out, "{");
    uint64_t others = s->others;
    bool has_one = false;
    for (size_t i = 0; i < s->label_count; i++) {
        if (s->others > 0 && strcmp(s->labels[i].name, "other") == 0) {
            others += s->labels[i].count; /* a label of that name, and the rest: one member */
            continue;
        }
        sk_buf_str(out, has_one ? "," : "");
        has_one = true;
        sk_buf_json_str(out, s->labels[i].name);
        sk_buf_fmt(out, ":%llu", (unsigned long long)s->labels[i].count);
    }
    if (s->others > 0)
        sk_buf_fmt(out, "%s\"other\":%llu", has_one ? "," : "", (unsigned long long)others);
    sk_buf_str(out, "}");
}

void sk_rep_summary_write(const struct sk_rep_summary *s, const struct sk_rep_model *m,
                          unsigned interval_s, int64_t now_ms, struct sk_buf *out)
{
    static const struct {
        const char *name;
        double share;
    } percentiles[] = { { "p50", 0.5 }, { "p90", 0.9 }, { "p99", 0.99 } };

    char since[SK_TIME_TEXT], now[SK_TIME_TEXT];
    sk_time_text((uint64_t)s->since_ms, since);
    sk_time_text((uint64_t)now_ms, now);
    sk_buf_fmt(out, "{\"count\":%llu,\"errors\":%llu,\"byLabel\":", (unsigned long long)s->count,
               (unsigned long long)s->errors);
    write_labels(s, out);
    sk_buf_str(out, ",\"inferenceLatencyMs\":{");
    for (size_t i = 0; i < sizeof percentiles / sizeof *percentiles; i++) {
        sk_buf_fmt(out, "\"%s\":", percentiles[i].name);
        sk_buf_num(out, round(sk_rep_summary_percentile(s, percentiles[i].share) * 1e3) / 1e3, 9);
        sk_buf_chr(out, ',');
    }
    sk_buf_str(out, "\"max\":");
    sk_buf_num(out, s->max_ms, 9);
    sk_buf_fmt(out, "},\"intervalSeconds\":%u,\"modelVersion\":", interval_s);
    sk_buf_json_str(out, m->version);
    sk_buf_str(out, ",\"modelDigest\":");
    sk_buf_json_str(out, m->digest);
    sk_buf_str(out, ",\"deviceId\":");
    sk_buf_json_str(out, m->device);
    sk_buf_fmt(out, ",\"since\":\"%s\",\"timestamp\":\"%s\"}", since, now);
}
