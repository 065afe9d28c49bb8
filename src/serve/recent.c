/*
 * recent.c - slots of five seconds in a ring, each with a histogram of latencies.
 *
 * Buckets are logarithmic with 16 steps for each doubling, from a microsecond to two minutes: the
 * first is what is faster, the last what is slower, and bucket 1 + 16 e + m begins at
 * 2^(10 + e) ns * (1 + m / 16). The middle of a bucket is at most 3.2 % off. A slot is emptied when
 * its turn comes again.
 */
#include "serve/recent_priv.h"

#include "base/thread.h"

#include <string.h>

enum {
    FIRST_BIT = 10, /* 1.024 us */
    LAST_BIT = 37,  /* 137 s */
    STEP_BITS = 4,
    STEPS = 1 << STEP_BITS
};

static unsigned bucket_of(uint64_t ns)
{
    if (ns >> FIRST_BIT == 0)
        return 0;
    if (ns >> LAST_BIT != 0)
        return SK_RECENT_BUCKETS - 1;
    const unsigned bit = 63u - (unsigned)__builtin_clzll(ns);
    return 1 + (bit - FIRST_BIT) * STEPS + (unsigned)(ns >> (bit - STEP_BITS) & (STEPS - 1));
}

static double middle_ms(unsigned bucket)
{
    if (bucket == 0)
        return 0.001;
    if (bucket == SK_RECENT_BUCKETS - 1)
        return (double)(1ull << LAST_BIT) / 1e6;
    const double first = (double)(1ull << (FIRST_BIT + (bucket - 1) / STEPS));
    return first * (1 + ((bucket - 1) % STEPS + 0.5) / STEPS) / 1e6;
}

void sk_recent_init(struct sk_recent *r)
{
    memset(r, 0, sizeof *r);
    (void)pthread_mutex_init(&r->mutex, NULL);
}

void sk_recent_done(struct sk_recent *r)
{
    (void)pthread_mutex_destroy(&r->mutex);
}

void sk_recent_add(struct sk_recent *r, uint64_t now_ms, int status, uint64_t took_ns)
{
    const uint64_t turn = now_ms / SK_RECENT_SLOT_MS;
    SK_LOCK(&r->mutex);
    struct sk_recent_slot *slot = &r->slots[turn % SK_RECENT_SLOTS];

    if (slot->turn != turn) {
        memset(slot, 0, sizeof *slot);
        slot->turn = turn;
    }
    slot->requests++;
    slot->errors += status >= 500;
    slot->buckets[bucket_of(took_ns)]++;
}

/* The latency that a share of the requests does not exceed. */
static double quantile_ms(const uint64_t *buckets, uint64_t count, uint64_t percent)
{
    const uint64_t rank = (count * percent + 99) / 100;
    uint64_t seen = 0;

    for (unsigned i = 0; count > 0 && i < SK_RECENT_BUCKETS; i++) {
        seen += buckets[i];
        if (seen >= rank)
            return middle_ms(i);
    }
    return 0;
}

void sk_recent_sum(struct sk_recent *r, uint64_t now_ms, struct sk_recent_sums *out)
{
    const uint64_t turn = now_ms / SK_RECENT_SLOT_MS;
    uint64_t buckets[SK_RECENT_BUCKETS] = { 0 };

    struct sk_recent_sums sums = { 0 };

    {
        SK_LOCK(&r->mutex);
        for (unsigned i = 0; i < SK_RECENT_SLOTS; i++) {
            const struct sk_recent_slot *slot = &r->slots[i];
            if (slot->turn + SK_RECENT_SLOTS <= turn)
                continue;
            sums.requests += slot->requests;
            sums.errors += slot->errors;
            for (unsigned k = 0; k < SK_RECENT_BUCKETS; k++)
                buckets[k] += slot->buckets[k];
        }
    }

    sums.p50_ms = quantile_ms(buckets, sums.requests, 50);
    sums.p99_ms = quantile_ms(buckets, sums.requests, 99);
    *out = sums;
}
