/* test_recent.c - the last two minutes: what counts, what is forgotten, how exact it is. */
#include "serve/recent_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

enum {
    MS = 1000000
};

static bool is_near(double value, double expected)
{
    return fabs(value - expected) <= expected * 0.04;
}

/* [serve-84] */
static void counts_and_quantiles(void **state)
{
    static struct sk_recent r;
    struct sk_recent_sums sums;

    (void)state;
    sk_recent_init(&r);
    sk_recent_sum(&r, 1000000, &sums);
    assert_int_equal(sums.requests + sums.errors, 0);
    assert_true(sums.p50_ms == 0 && sums.p99_ms == 0);
    for (uint64_t i = 1; i <= 1000; i++)
        sk_recent_add(&r, 1000000 + i, i % 10 == 0 ? 503 : i % 10 == 1 ? 400 : 200, i * MS);
    sk_recent_sum(&r, 1001000, &sums);
    assert_int_equal(sums.requests, 1000);
    assert_int_equal(sums.errors, 100);
    assert_true(is_near(sums.p50_ms, 500));
    assert_true(is_near(sums.p99_ms, 990));
    sk_recent_done(&r);
}

static void any_latency_has_its_bucket(void **state)
{
    static struct sk_recent r;
    static const uint64_t ns[] = {
        0,    1,      1023,    1024,     1025,          2047,
        2048, 123456, 7654321, 99999999, 5000000000ull, 137438953471ull
    };
    struct sk_recent_sums sums;

    (void)state;
    for (size_t i = 0; i < sizeof ns / sizeof ns[0]; i++) {
        sk_recent_init(&r);
        sk_recent_add(&r, 1, 200, ns[i]);
        sk_recent_sum(&r, 1, &sums);
        if (ns[i] >= 1024 && !is_near(sums.p50_ms, (double)ns[i] / MS))
            fail_msg("%llu ns: %f ms", (unsigned long long)ns[i], sums.p50_ms);
        assert_true(sums.p50_ms > 0);
        sk_recent_done(&r);
    }
    sk_recent_init(&r);
    sk_recent_add(&r, 1, 200, UINT64_MAX);
    sk_recent_sum(&r, 1, &sums);
    assert_true(sums.p99_ms > 100000);
    sk_recent_done(&r);
}

static void two_minutes_are_kept(void **state)
{
    static struct sk_recent r;
    struct sk_recent_sums sums;
    const uint64_t start = 777777;

    (void)state;
    sk_recent_init(&r);
    sk_recent_add(&r, start, 500, MS);
    sk_recent_sum(&r, start + 120000, &sums);
    assert_int_equal(sums.requests, 1);
    assert_int_equal(sums.errors, 1);
    sk_recent_sum(&r, start + 126000, &sums);
    assert_int_equal(sums.requests, 0);
    /* The ring comes round: the old slot is used anew. */
    sk_recent_add(&r, start + (uint64_t)SK_RECENT_SLOTS * SK_RECENT_SLOT_MS, 200, MS);
    sk_recent_sum(&r, start + (uint64_t)SK_RECENT_SLOTS * SK_RECENT_SLOT_MS, &sums);
    assert_int_equal(sums.requests, 1);
    assert_int_equal(sums.errors, 0);
    sk_recent_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_and_quantiles),
        cmocka_unit_test(any_latency_has_its_bucket),
        cmocka_unit_test(two_minutes_are_kept),
    };

    return cmocka_run_group_tests_name("serve/recent", tests, NULL, NULL);
}
