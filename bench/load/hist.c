/* hist.c - latencies in buckets: exact to a microsecond below 128 us, then to less than 1 %. */
#include "load.h"

static unsigned bucket_of(uint64_t us)
{
    unsigned power = 0;
    while (us >> power >= 2 * HIST_STEPS && power < HIST_POWERS - 2)
        power++;
    uint64_t step = us >> power;
    if (step >= 2 * HIST_STEPS)
        step = 2 * HIST_STEPS - 1;
    return step < HIST_STEPS ? (unsigned)step : power * HIST_STEPS + (unsigned)step;
}

static uint64_t value_of(unsigned bucket)
{
    if (bucket < 2 * HIST_STEPS)
        return bucket;
    unsigned power = bucket / HIST_STEPS - 1;
    return ((uint64_t)(bucket - power * HIST_STEPS) + 1) << power;
}

void hist_add(struct hist *h, uint64_t ns)
{
    uint64_t us = ns / 1000;
    h->count++;
    if (us > h->most_us)
        h->most_us = us;
    h->n[bucket_of(us)]++;
}

double hist_ms(const struct hist *h, double share)
{
    uint64_t seen = 0, want = (uint64_t)((double)h->count * share);
    for (unsigned i = 0; i < HIST_POWERS * HIST_STEPS; i++) {
        seen += h->n[i];
        if (h->n[i] > 0 && seen >= want)
            return (double)value_of(i) / 1e3;
    }
    return 0;
}

void hist_json(const struct hist *h, const char *name, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "\"%s\":{\"count\":%llu,\"p50_ms\":%.3f,\"p90_ms\":%.3f,\"p99_ms\":%.3f,"
               "\"p999_ms\":%.3f,\"max_ms\":%.3f}",
               name, (unsigned long long)h->count, hist_ms(h, 0.5), hist_ms(h, 0.9),
               hist_ms(h, 0.99), hist_ms(h, 0.999), (double)h->most_us / 1e3);
}
