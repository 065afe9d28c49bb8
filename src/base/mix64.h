/*
 * mix64.h - SplitMix64 (Steele, Lea, Flood 2014): numbers that look random and are the same on
 * every machine.
 *
 * A stream: state += SK_MIX64_STEP, then sk_mix64(state). A number by its index alone: sk_mix64(key
 * + index * SK_MIX64_STEP). Not for secrets: crypto.h has sk_random.
 */
#ifndef SK_BASE_MIX64_H
#define SK_BASE_MIX64_H

#include <stdint.h>

#define SK_MIX64_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t sk_mix64(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

#endif
