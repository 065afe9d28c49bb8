/*
 * rng.c - numbers that look random and are the same on every machine.
 *
 * SplitMix64 (base/mix64.h): the state grows by a constant, the output is a mix of it.
 * A stream starts where mixing seed, purpose and two numbers (epoch and picture) leads, so streams
 * need no order among themselves: any thread can make any of them.
 */
#include "dataset/dataset_priv.h"

#include "base/mix64.h"

struct sk_rng sk_rng_of(uint64_t seed, enum sk_rng_use use, uint64_t a, uint64_t b)
{
    const uint64_t parts[] = { seed, (uint64_t)use, a, b };
    uint64_t state = 0;

    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++)
        state = sk_mix64(state + SK_MIX64_STEP + parts[i]);
    return (struct sk_rng){ state };
}

uint64_t sk_rng_next(struct sk_rng *r)
{
    r->state += SK_MIX64_STEP;
    return sk_mix64(r->state);
}

uint64_t sk_rng_below(struct sk_rng *r, uint64_t n)
{
    /* 2^64 mod n values at the bottom would make some results likelier: they are drawn again. */
    const uint64_t surplus = -n % n;
    uint64_t x = 0;

    do {
        x = sk_rng_next(r);
    } while (x < surplus);
    return x % n;
}

double sk_rng_between(struct sk_rng *r, double low, double high)
{
    return low + (high - low) * ((double)(sk_rng_next(r) >> 11) * 0x1p-53);
}

void sk_rng_shuffle(struct sk_rng *r, uint32_t *items, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t j = (size_t)sk_rng_below(r, i);
        uint32_t kept = items[i - 1];
        items[i - 1] = items[j];
        items[j] = kept;
    }
}
