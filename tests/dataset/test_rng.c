/* test_rng.c - numbers that must never change, since resumed and repeated trainings rest on them.
 */
#include "dataset_test.h"

static void test_generator(void **state)
{
    /* SplitMix64 from 0: the values of its reference implementation. */
    static const uint64_t want[] = { 0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F };
    struct sk_rng r = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++)
        assert_true(sk_rng_next(&r) == want[i]);
}

static void test_streams(void **state)
{
    /* From a second implementation, in Python. */
    static const struct {
        uint64_t seed;
        enum sk_rng_use use;
        uint64_t a, b;
        uint64_t first;
    } rows[] = {
        { 0, SK_RNG_ORDER, 0, 0, 0xC48F7B48CAC656F3 },
        { 1, SK_RNG_ORDER, 0, 0, 0xFB3E0EC3B6DCC016 },
        { 0, SK_RNG_FLIP, 0, 0, 0x50655AD672A96511 },
        { 0, SK_RNG_ORDER, 1, 0, 0xA29804BD110B905E },
        { 0, SK_RNG_ORDER, 0, 1, 0xB0F13FCD9C025982 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_rng r = sk_rng_of(rows[i].seed, rows[i].use, rows[i].a, rows[i].b);
        uint64_t got = sk_rng_next(&r);
        if (got != rows[i].first)
            fail_msg("row %zu: 0x%016llX", i, (unsigned long long)got);
    }
}

static void test_below(void **state)
{
    struct sk_rng r = { 5 };
    unsigned seen[7] = { 0 };

    (void)state;
    for (int i = 0; i < 70000; i++)
        seen[sk_rng_below(&r, 7)]++;
    for (size_t i = 0; i < 7; i++) /* 10,000 each, standard deviation 93 */
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(sk_rng_below(&r, 1), 0);
        assert_true(sk_rng_below(&r, (UINT64_C(1) << 63) + 1) <= UINT64_C(1) << 63);
    }
}

static void test_between(void **state)
{
    struct sk_rng r = { 6 };
    double sum = 0;

    (void)state;
    for (int i = 0; i < 10000; i++) {
        double x = sk_rng_between(&r, -2, 4);
        assert_true(x >= -2 && x < 4);
        sum += x;
    }
    assert_true(sum / 10000 > 0.9 && sum / 10000 < 1.1);
}

static void test_shuffle(void **state)
{
    uint32_t items[100], moved = 0;
    bool seen[100] = { false };
    struct sk_rng r = { 7 };

    (void)state;
    for (uint32_t i = 0; i < 100; i++)
        items[i] = i;
    sk_rng_shuffle(&r, items, 0);
    sk_rng_shuffle(&r, items, 1);
    assert_int_equal(items[0], 0);
    sk_rng_shuffle(&r, items, 100);
    for (uint32_t i = 0; i < 100; i++) {
        assert_false(seen[items[i]]);
        seen[items[i]] = true;
        moved += items[i] != i;
    }
    assert_true(moved > 80);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generator), cmocka_unit_test(test_streams),
        cmocka_unit_test(test_below),     cmocka_unit_test(test_between),
        cmocka_unit_test(test_shuffle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
