/*
 * random.c - random numbers from a key and an index: no state, any order, the same on every
 * machine.
 *
 * Bits are those of SplitMix64 (base/mix64.h) on key + (index + 1) times its step. Normal numbers
 * are made by Marsaglia's polar method. Only operations that IEEE 754 rounds correctly take part: +
 * - * / and sqrt; the logarithm is computed here, because libraries differ in its last bits. The
 * project is compiled without contraction to fused multiply-add.
 */
#include "arch/arch_priv.h"

#include "base/mix64.h"

#include <math.h>

uint64_t sk_random_key(uint64_t seed, const char *name)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

    for (; *name; name++)
        hash = (hash ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return sk_mix64(sk_mix64(seed + SK_MIX64_STEP) ^ hash);
}

double sk_random_uniform(uint64_t key, uint64_t index)
{
    return (double)(sk_mix64(key + (index + 1) * SK_MIX64_STEP) >> 11) * 0x1p-53;
}

/* ln x for finite x > 0, within some 1e-15 of the true value: x = m 2^e with m in [sqrt 1/2,
 * sqrt 2), ln m = 2 artanh((m - 1) / (m + 1)) as a series. */
static double logarithm(double x)
{
    static const double series[] = { 1.0 / 23, 1.0 / 21, 1.0 / 19, 1.0 / 17, 1.0 / 15, 1.0 / 13,
                                     1.0 / 11, 1.0 / 9,  1.0 / 7,  1.0 / 5,  1.0 / 3,  1.0 };
    int e;
    double m = frexp(x, &e), sum = 0;

    if (m < 0.70710678118654752) {
        m *= 2;
        e--;
    }
    double z = (m - 1) / (m + 1), square = z * z;
    for (size_t i = 0; i < sizeof(series) / sizeof(series[0]); i++)
        sum = sum * square + series[i];
    return 2 * z * sum + e * 0.69314718055994531;
}

void sk_random_normals(uint64_t key, uint64_t index, double out[2])
{
    /* a stream for this index: points may be refused */
    uint64_t own = sk_mix64(key + (index + 1) * SK_MIX64_STEP);

    for (uint64_t try = 0;; try += 2) {
        double u = 2 * sk_random_uniform(own, try) - 1;
        double v = 2 * sk_random_uniform(own, try + 1) - 1;
        double s = u * u + v * v;

        if (s > 0 && s < 1) {
            double factor = sqrt(-2 * logarithm(s) / s);

            out[0] = u * factor;
            out[1] = v * factor;
            return;
        }
    }
}
