/* test_taps.c - weights: their window, their sum, the bound that makes every sum exact. */
#include "harness/alloc_fail.h"
#include "resize_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const enum sk_filter weighted[] = { SK_FILTER_LANCZOS, SK_FILTER_BILINEAR, SK_FILTER_BICUBIC,
                                           SK_FILTER_BOX, SK_FILTER_HAMMING };

enum {
    WEIGHTED = sizeof weighted / sizeof weighted[0],
    ONE = 1 << SK_WEIGHT_BITS
};

static const struct row {
    const char *name;
    uint32_t in, out, i;
    enum sk_filter filter;
    uint32_t start, count;
    int32_t k[8];
} rows[] = {
    { "box halves", 4, 2, 1, SK_FILTER_BOX, 2, 2, { ONE / 2, ONE / 2 } },
    { "box keeps", 3, 3, 1, SK_FILTER_BOX, 1, 1, { ONE } },
    { "bilinear doubles, inside", 2, 4, 1, SK_FILTER_BILINEAR, 0, 2, { 3 * (ONE / 4), ONE / 4 } },
    { "bilinear doubles, at the edge", 2, 4, 0, SK_FILTER_BILINEAR, 0, 1, { ONE } },
    { "bilinear halves",
      8,
      4,
      1,
      SK_FILTER_BILINEAR,
      1,
      4,
      { ONE / 8, 3 * (ONE / 8), 3 * (ONE / 8), ONE / 8 } },
    { "bicubic at a pixel", 5, 5, 2, SK_FILTER_BICUBIC, 1, 4, { 0, ONE, 0, 0 } },
    { "bicubic doubles", 6, 12, 4, SK_FILTER_BICUBIC, 0, 4, { -98304, 950272, 3637248, -294912 } },
    { "one pixel to many", 1, 9, 4, SK_FILTER_LANCZOS, 0, 1, { ONE } },
};

static int init(struct sk_taps *t, uint32_t in, uint32_t out, enum sk_filter filter,
                struct sk_err *err)
{
    const struct sk_axis axis = { in, out, 0, out, filter, false, false };
    return sk_taps_init(t, &axis, &sk_kernels_c, err);
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
        const struct row *row = &rows[n];
        struct sk_err err = SK_ERR_INIT;
        struct sk_taps t;
        if (init(&t, row->in, row->out, row->filter, &err) < 0)
            fail_msg("%s: %s", row->name, err.text);
        if (t.start[row->i] != row->start || t.count[row->i] != row->count)
            fail_msg("%s: taps %u + %u", row->name, t.start[row->i], t.count[row->i]);
        for (uint32_t x = 0; x < row->count; x++)
            if (t.k[row->i * t.ksize + x] != row->k[x])
                fail_msg("%s: weight %u is %d", row->name, x, t.k[row->i * t.ksize + x]);
        sk_taps_done(&t);
    }
}

/* What resize.c and the kernels rely on, for every filter, many sizes up and down. */
static void check_axis(uint32_t in, uint32_t out, enum sk_filter filter)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_taps t;
    if (init(&t, in, out, filter, &err) < 0)
        fail_msg("%s %u to %u: %s", sk_filter_name(filter), in, out, err.text);
    for (uint32_t i = 0; i < out; i++) {
        const int32_t *k = t.k + (size_t)i * t.ksize;
        int64_t sum = 0, rest = 0;
        for (uint32_t x = 0; x < t.ksize; x++)
            *(x < t.count[i] ? &sum : &rest) += k[x];
        bool follows = i == 0 || (t.start[i] >= t.start[i - 1] &&
                                  t.start[i] + t.count[i] >= t.start[i - 1] + t.count[i - 1]);
        if (t.count[i] == 0 || t.count[i] > t.ksize || t.start[i] + t.count[i] > in || !follows ||
            rest != 0)
            fail_msg("%s %u to %u, output %u: taps %u + %u", sk_filter_name(filter), in, out, i,
                     t.start[i], t.count[i]);
        if (llabs(sum - ONE) > t.count[i])
            fail_msg("%s %u to %u, output %u: sum %lld", sk_filter_name(filter), in, out, i,
                     (long long)sum);
    }
    sk_taps_done(&t);
}

static void test_every_small_size(void **state)
{
    (void)state;
    for (int f = 0; f < WEIGHTED; f++)
        for (uint32_t in = 1; in <= 24; in++)
            for (uint32_t out = 1; out <= 72; out++)
                check_axis(in, out, weighted[f]);
}

static void test_large_sizes(void **state)
{
    (void)state;
    static const uint32_t sides[] = { 1, 7, 223, 224, 255, 256, 1080, 1920, 4000, 65500 };
    for (int f = 0; f < WEIGHTED; f++)
        for (size_t a = 0; a < sizeof sides / sizeof sides[0]; a++)
            for (size_t b = 0; b < sizeof sides / sizeof sides[0]; b++)
                check_axis(sides[a], sides[b], weighted[f]);
}

/* Some outputs of an axis have the weights that they have among all; the rest costs nothing. */
static void test_window(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_taps all, some;
    assert_int_equal(init(&all, 50, 21, SK_FILTER_HAMMING, &err), 0);
    const struct sk_axis window = { 50, 21, 6, 9, SK_FILTER_HAMMING, false, false };
    assert_int_equal(sk_taps_init(&some, &window, &sk_kernels_c, &err), 0);
    assert_memory_equal(some.start, all.start + 6, 9 * sizeof *some.start);
    assert_memory_equal(some.count, all.count + 6, 9 * sizeof *some.count);
    assert_memory_equal(some.k, all.k + 6 * all.ksize, 9 * all.ksize * sizeof *some.k);
    sk_taps_done(&all);
    sk_taps_done(&some);

    const struct sk_axis huge = { 60000, INT32_MAX / 2, INT32_MAX / 4, 3, SK_FILTER_BICUBIC,
                                  false, true };
    assert_int_equal(sk_taps_init(&some, &huge, &sk_kernels_c, &err), 0);
    sk_taps_done(&some);
}

static void test_too_large(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_taps t = { 0 };
    assert_int_equal(init(&t, UINT32_MAX, 4, SK_FILTER_BICUBIC, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_null(t.memory);
}

static void test_names(void **state)
{
    (void)state;
    for (int f = 0; f < SK_FILTER_COUNT; f++)
        assert_int_equal(sk_filter_parse(sk_filter_name((enum sk_filter)f)), f);
    assert_int_equal(sk_filter_parse("Bicubic"), SK_FILTER_COUNT);
    assert_string_equal(sk_filter_name(SK_FILTER_COUNT), "unknown");
    assert_string_equal(sk_filter_name(SK_FILTER_BICUBIC), "bicubic");
}

static int make(void *ctx, struct sk_err *err)
{
    struct sk_taps t;
    const struct sk_axis axis = { 100, 7, 0, 7, SK_FILTER_LANCZOS, false, true };
    if (sk_taps_init(&t, &axis, ctx, err) < 0)
        return -1;
    sk_taps_done(&t);
    return 0;
}

static void test_allocations(void **state)
{
    (void)state;
    struct sk_kernels kernels = *sk_kernels();
    assert_true(sk_alloc_sweep("taps", make, &kernels, 0) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_every_small_size),
        cmocka_unit_test(test_window),      cmocka_unit_test(test_large_sizes),
        cmocka_unit_test(test_names),       cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
