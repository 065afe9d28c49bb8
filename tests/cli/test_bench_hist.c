/* test_bench_hist.c - every value lies in its cell, and quantiles are at most 1/128 too high. */
#include "cli/bench_priv.h"

#include "cli_test.h"

static void test_one_value(void **state)
{
    struct sk_bench_hist *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    for (unsigned bit = 0; bit < 64; bit++) {
        for (int off = -1; off <= 1; off++) {
            uint64_t value = (1ull << bit) + (uint64_t)(int64_t)off;
            memset(h, 0, sizeof *h);
            sk_bench_hist_add(h, value);
            assert_true(sk_bench_hist_quantile(h, 0.5) == value); /* never above the maximum */
            sk_bench_hist_add(h, UINT64_MAX);
            uint64_t q = sk_bench_hist_quantile(h, 0.5);
            if (q < value || q - value > value / 128)
                fail_msg("%llu became %llu", (unsigned long long)value, (unsigned long long)q);
        }
    }
    free(h);
}

static void test_quantiles(void **state)
{
    static const struct {
        double q;
        uint64_t exact;
    } rows[] = { { 0, 1 },       { 0.5, 5000 },   { 0.9, 9000 },
                 { 0.99, 9900 }, { 0.999, 9990 }, { 1, 10000 } };
    struct sk_bench_hist *h = calloc(1, sizeof *h);

    (void)state;
    assert_non_null(h);
    assert_true(sk_bench_hist_quantile(h, 0.5) == 0);
    for (uint64_t v = 10000; v > 0; v--)
        sk_bench_hist_add(h, v);
    assert_true(h->n == 10000 && h->max == 10000 && h->sum == 50005000.0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t q = sk_bench_hist_quantile(h, rows[i].q);
        if (q < rows[i].exact || q - rows[i].exact > rows[i].exact / 128)
            fail_msg("%g: %llu", rows[i].q, (unsigned long long)q);
    }
    free(h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_value),
        cmocka_unit_test(test_quantiles),
    };
    return cmocka_run_group_tests_name("bench_hist", tests, NULL, NULL);
}
