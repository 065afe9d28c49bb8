/*
 * test_jpeg_fast_pair.c - the helper thread: handed a scan at any point, stopped at any point, not
 * needed at all.
 */
#include "image/jpeg_fast_pair.h"
#include "jpeg_util.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    SEED = 17,
    MCUS_X = 40,
    MCUS_Y = 50,
    SPANS = MCUS_X / SK_JF_SPAN_MCUS * MCUS_Y
};

static struct sk_jf_head head;
static struct sk_jf_scan scan;
static struct sk_jf_block blocks[SK_JF_SPAN_BLOCKS];

static struct jpeg make(void)
{
    const struct ref_encode o = { 8 * MCUS_X, 8 * MCUS_Y, 3, 1, 1, 90, false, false, 33, 0 };
    uint32_t state = SEED;
    return jpeg_make(&o, JPEG_CURVES, &state);
}

/* A sum over all coefficients of a span, by which spans are compared. */
static uint32_t sum_of(const struct sk_jf_block *b)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < SK_JF_SPAN_MCUS * (size_t)scan.units; i++)
        for (size_t k = 0; k < SK_JF_BLOCK; k++)
            sum = sum * 31 + (uint16_t)b[i].coef[k];
    return sum;
}

static void start(const struct jpeg *j)
{
    assert_true(sk_jf_head_read(j->bytes, j->len, &head));
    assert_true(sk_jf_scan_start(&scan, &head, j->bytes, j->len));
    sk_jf_scan_prepare(&scan, &head, blocks, SK_JF_SPAN_MCUS);
}

static uint32_t position(unsigned span, uint32_t *y)
{
    *y = span / (MCUS_X / SK_JF_SPAN_MCUS);
    return span % (MCUS_X / SK_JF_SPAN_MCUS) * SK_JF_SPAN_MCUS;
}

/* Decodes with a hand-over at span `at`, or never, and stops after `count` spans. False: irregular.
 */
static bool decode(struct sk_jf_pair *p, const struct sk_jf_kernels *kernels, unsigned at,
                   unsigned count, const uint32_t *sums)
{
    bool is_helped = false, is_ok = true;
    unsigned taken = 0;
    sk_jf_pair_offer(p, &scan, &head, kernels, MCUS_X, MCUS_Y);
    for (unsigned span = 0; is_ok && span < count; span++) {
        uint32_t y, x = position(span, &y);
        while (span == at && !is_helped && !(is_helped = sk_jf_pair_hand_over(p, x, y)))
            (void)sched_yield();
        struct sk_jf_block *b = is_helped ? sk_jf_pair_next(p, taken) : blocks;
        is_ok = is_helped ? b != NULL : sk_jf_scan_span(&scan, kernels, SK_JF_SPAN_MCUS, b);
        if (is_ok && sums)
            assert_int_equal(sum_of(b), sums[span]);
        if (is_helped && is_ok)
            sk_jf_pair_give_back(p, taken++);
    }
    sk_jf_pair_end(p);
    return is_ok;
}

static void hand_over(void **unused)
{
    (void)unused;
    static uint32_t sums[SPANS];
    struct sk_err err = SK_ERR_INIT;
    const struct sk_jf_kernels *kernels = sk_jf_kernels_find("avx2");
    struct jpeg j = make();
    struct sk_jf_pair *p = sk_jf_pair_new(&err);
    assert_non_null(p);
    start(&j);
    for (unsigned span = 0; span < SPANS; span++) {
        assert_true(sk_jf_scan_span(&scan, kernels, SK_JF_SPAN_MCUS, blocks));
        sums[span] = sum_of(blocks);
    }
    static const unsigned at[] = { 0, 1, 4, 5, 77, SPANS - 1, UINT32_MAX };
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        start(&j);
        assert_true(decode(p, kernels, at[i], SPANS, sums));
        assert_true(sk_jf_scan_end(&scan)); /* the scan is ours again */
        start(&j);
        /* Stopped early. */
        assert_true(decode(p, kernels, at[i], at[i] == UINT32_MAX ? 3 : at[i] / 2 + 1, sums));
    }
    sk_jf_pair_free(p);
    free(j.bytes);
}

static void irregular(void **unused)
{
    (void)unused;
    struct sk_err err = SK_ERR_INIT;
    struct jpeg j = make();
    struct sk_jf_pair *p = sk_jf_pair_new(&err);
    assert_non_null(p);
    for (unsigned cut = 1; cut < 10; cut++) {
        struct jpeg part = { j.bytes, head.scan_at + (j.len - head.scan_at) * cut / 10 };
        start(&part);
        assert_false(decode(p, &sk_jf_kernels_c, cut % 3, SPANS, NULL));
    }
    sk_jf_pair_free(p);
    sk_jf_pair_free(NULL);
    free(j.bytes);
}

static void unused_helper(void **unused)
{
    (void)unused;
    struct sk_err err = SK_ERR_INIT;
    for (int i = 0; i < 20; i++) {
        struct sk_jf_pair *p = sk_jf_pair_new(&err);
        assert_non_null(p);
        sk_jf_pair_free(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(hand_over), cmocka_unit_test(irregular),
                                        cmocka_unit_test(unused_helper) };
    return cmocka_run_group_tests_name("image/jpeg_fast_pair", tests, NULL, NULL);
}
