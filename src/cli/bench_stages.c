/*
 * bench_stages.c - where the server spent its time, from the difference of two readings of
 * /metrics.
 *
 * The text format of Prometheus, as far as one histogram needs it:
 *
 *     skerry_request_stage_seconds_bucket{model="m",version="1",stage="read",le="0.001"} 12
 *     skerry_request_stage_seconds_sum{model="m",version="1",stage="read"} 0.0034
 *     skerry_request_stage_seconds_count{model="m",version="1",stage="read"} 12
 *
 * Bucket counts are cumulative: each counts everything up to its bound.
 */
#include "cli/bench_priv.h"

#include "base/str.h"

#include <math.h>

static const char family[] = "skerry_request_stage_seconds_";

/* The value of a label, with the escapes left in; false when it is not there. p is behind the '{'.
 */
static bool label(const char *p, const char *end, const char *name, struct sk_view *out)
{
    while (p < end && *p != '}') {
        const char *key = p;
        while (p < end && *p != '=')
            p++;
        size_t key_len = (size_t)(p - key);
        if (p + 1 >= end || p[1] != '"')
            return false;
        const char *value = p + 2;
        for (p = value; p < end && *p != '"'; p++)
            p += *p == '\\' && p + 1 < end;
        if (p >= end)
            return false;
        if (sk_view_eq((struct sk_view){ key, key_len }, name)) {
            *out = (struct sk_view){ value, (size_t)(p - value) };
            return true;
        }
        p++;
        p += p < end && *p == ',';
    }
    return false;
}

static struct sk_stage *stage_of(struct sk_stages *s, struct sk_view name)
{
    for (size_t i = 0; i < s->count; i++)
        if (sk_view_eq(name, s->rows[i].name))
            return &s->rows[i];
    if (s->count == SK_STAGES_MAX || name.len >= sizeof s->rows[0].name)
        return NULL;
    struct sk_stage *row = &s->rows[s->count++];
    (void)snprintf(row->name, sizeof row->name, "%.*s", (int)name.len, name.ptr);
    return row;
}

/* A number at p; whatever follows is not looked at. */
static double number(const char *p, size_t len)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%.*s", (int)(len < sizeof text ? len : sizeof text - 1), p);
    return strtod(text, NULL); /* knows "+Inf" */
}

static void add_bucket(struct sk_stage *s, double bound, double count)
{
    for (size_t i = 0; i < s->bound_count; i++) {
        if (s->bounds[i] == bound) {
            s->counts[i] += count;
            return;
        }
    }
    if (s->bound_count == SK_STAGE_BOUNDS_MAX)
        return;
    s->bounds[s->bound_count] = bound;
    s->counts[s->bound_count++] = count;
}

static void read_line(const char *line, const char *end, struct sk_stages *out)
{
    struct sk_view stage;
    struct sk_view bound;
    size_t prefix = sizeof family - 1;

    if ((size_t)(end - line) < prefix || memcmp(line, family, prefix) != 0)
        return;
    const char *kind = line + prefix;
    const char *open = memchr(kind, '{', (size_t)(end - kind));
    const char *close = open ? memrchr(open, '}', (size_t)(end - open)) : NULL;
    if (!close || !label(open + 1, end, "stage", &stage))
        return;
    struct sk_stage *row = stage_of(out, stage);
    const double value = number(close + 1, (size_t)(end - close - 1));
    if (!row)
        return;
    if (sk_starts_with(kind, "bucket{") && label(open + 1, end, "le", &bound))
        add_bucket(row, number(bound.ptr, bound.len), value);
    else if (sk_starts_with(kind, "sum{"))
        row->sum += value;
    else if (sk_starts_with(kind, "count{"))
        row->count += value;
}

void sk_stages_parse(const char *text, size_t len, struct sk_stages *out)
{
    const char *end = text + len;

    memset(out, 0, sizeof *out);
    for (const char *p = text; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        stop = stop ? stop : end;
        read_line(p, stop, out);
        p = stop + 1;
    }
}

/* Counters never go back in one process: another one answers there now. */
static bool went_back(const struct sk_stage *a, const struct sk_stage *b)
{
    if (a->count < b->count || a->sum < b->sum)
        return true;
    for (size_t j = 0; j < b->bound_count; j++)
        for (size_t k = 0; k < a->bound_count; k++)
            if (a->bounds[k] == b->bounds[j] && a->counts[k] < b->counts[j])
                return true;
    return false;
}

void sk_stages_subtract(struct sk_stages *after, const struct sk_stages *before)
{
    size_t kept = 0;

    for (size_t i = 0; i < after->count; i++) {
        struct sk_stage *a = &after->rows[i];
        for (size_t k = 0; k < before->count; k++) {
            const struct sk_stage *b = &before->rows[k];
            if (strcmp(a->name, b->name) != 0)
                continue;
            if (went_back(a, b)) {
                after->count = 0;
                return;
            }
            a->sum -= b->sum;
            a->count -= b->count;
            for (size_t j = 0; j < b->bound_count; j++)
                add_bucket(a, b->bounds[j], -b->counts[j]);
        }
        if (a->count > 0)
            after->rows[kept++] = *a;
    }
    after->count = kept;
}

double sk_stage_quantile(const struct sk_stage *s, double q)
{
    double wanted = q * s->count;
    double low = 0;
    double below = 0;

    for (size_t i = 0; i < s->bound_count; i++) {
        double inside = s->counts[i] - below;
        if (s->counts[i] >= wanted && inside > 0) {
            if (isinf(s->bounds[i]))
                return low;
            return low + (s->bounds[i] - low) * (wanted - below) / inside;
        }
        low = s->bounds[i];
        below = s->counts[i];
    }
    return low;
}
