/* test_util.h - the includes of every test of weights, and bytes made piece by piece. */
#ifndef SK_TESTS_WEIGHTS_TEST_UTIL_H
#define SK_TESTS_WEIGHTS_TEST_UTIL_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* Bytes of a literal, NULs included. */
#define B(literal)                                                                                 \
    {                                                                                              \
        literal, sizeof(literal) - 1                                                               \
    }

/* A little-endian number of width bytes. */
static inline void add_le(struct sk_buf *b, uint64_t value, unsigned width)
{
    for (unsigned i = 0; i < width; i++)
        sk_buf_chr(b, i < 8 ? (char)(value >> (8 * i)) : 0);
}

/* A block of exactly the bytes, so that a read beyond them is seen. */
static inline uint8_t *exact_copy(const void *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);

    assert_non_null(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    return copy;
}

#endif
