/*
 * loops.c - chooses the loops: the best that this CPU runs, or those that SKERRY_KERNELS names.
 */
#include "nn/loops_priv.h"

#include <stdlib.h>
#include <string.h>

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}
#endif

/* The worst first. */
static const struct candidate {
    const struct sk_loops *loops;
    bool (*runs)(void);
} candidates[] = {
    { &sk_loops_c, always },
#if defined(__x86_64__)
    { &sk_loops_avx2, has_avx2 },
    { &sk_loops_avx512, has_avx512 },
#endif
};

enum {
    CANDIDATES = sizeof(candidates) / sizeof(candidates[0])
};

const struct sk_loops *sk_loops_find(const char *name)
{
    for (int i = 0; i < CANDIDATES; i++)
        if (candidates[i].runs() && strcmp(candidates[i].loops->name, name) == 0)
            return candidates[i].loops;
    return NULL;
}

const struct sk_loops *sk_loops_best(void)
{
    const char *name = getenv("SKERRY_KERNELS");
    const struct sk_loops *named = name ? sk_loops_find(name) : NULL;

    for (int i = CANDIDATES - 1; !named; i--)
        if (candidates[i].runs())
            named = candidates[i].loops;
    return named;
}

float sk_bf16_to_float(uint16_t b)
{
    uint32_t bits = (uint32_t)b << 16;
    float f;

    memcpy(&f, &bits, sizeof(f));
    return f;
}

uint16_t sk_float_to_bf16(float f)
{
    uint32_t bits;

    memcpy(&bits, &f, sizeof(bits));
    if (f != f)
        return 0x7fc0;
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}
