/* resize_util.h - pictures and weights for the tests of the resizer. */
#ifndef SK_TEST_RESIZE_UTIL_H
#define SK_TEST_RESIZE_UTIL_H

#include "image/image_priv.h"

#include <stdint.h>

enum util_kind {
    UTIL_NOISE,
    UTIL_EXTREME,
    UTIL_BLACK,
    UTIL_WHITE,
    UTIL_KIND_COUNT
};

static inline uint32_t util_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* lo .. hi */
static inline uint32_t util_between(uint32_t *state, uint32_t lo, uint32_t hi)
{
    return lo + util_random(state) % (hi - lo + 1);
}

static inline void util_fill(uint8_t *bytes, size_t len, enum util_kind kind, uint32_t *state)
{
    for (size_t i = 0; i < len; i++) {
        uint32_t v = util_random(state);
        bytes[i] = (uint8_t)(kind == UTIL_NOISE     ? v
                             : kind == UTIL_EXTREME ? (v & 1) * 255
                             : kind == UTIL_WHITE   ? 255
                                                    : 0);
    }
}

static inline const char *util_kind_name(enum util_kind kind)
{
    static const char *const names[UTIL_KIND_COUNT] = { "noise", "extreme", "black", "white" };
    return names[kind];
}

#endif
