/* test_result.c - probabilities and the best of them. */
#include "prep_test.h"

#include <math.h>

static void test_probabilities(void **state)
{
    static const struct {
        const char *name;
        enum sk_problem problem;
        bool already;
        float in[3], out[3];
    } rows[] = {
        { "softmax",
          SK_PROBLEM_SINGLE,
          false,
          { 1, 2, 3 },
          { 0.09003057F, 0.24472848F, 0.66524094F } },
        { "equal", SK_PROBLEM_SINGLE, false, { 5, 5, 5 }, { 1.0F / 3, 1.0F / 3, 1.0F / 3 } },
        { "far beyond exp's range", SK_PROBLEM_SINGLE, false, { 1e30F, -1e30F, 0 }, { 1, 0, 0 } },
        { "large and close", SK_PROBLEM_SINGLE, false, { 1000, 1000, -1000 }, { 0.5F, 0.5F, 0 } },
        { "minus infinity", SK_PROBLEM_SINGLE, false, { 0, -INFINITY, 0 }, { 0.5F, 0, 0.5F } },
        { "sigmoid", SK_PROBLEM_MULTI, false, { 0, 1000, -1000 }, { 0.5F, 1, 0 } },
        { "already", SK_PROBLEM_SINGLE, true, { 0.25F, 0.5F, 0.25F }, { 0.25F, 0.5F, 0.25F } },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        float v[3];

        memcpy(v, rows[i].in, sizeof(v));
        sk_prep_probabilities(v, 3, rows[i].problem, rows[i].already, v); /* in place */
        for (size_t k = 0; k < 3; k++) {
            if (v[k] != rows[i].out[k])
                fail_msg("%s: %zu is %.9g, expected %.9g", rows[i].name, k, (double)v[k],
                         (double)rows[i].out[k]);
        }
    }
}

static void test_nan(void **state)
{
    const float in[2] = { 1, NAN };
    float out[2];

    (void)state;
    sk_prep_probabilities(in, 2, SK_PROBLEM_SINGLE, false, out);
    assert_true(isnan(out[0]) && isnan(out[1]));
}

static void test_looks_normalised(void **state)
{
    static const struct {
        const char *name;
        float v[3];
        bool is;
    } rows[] = {
        { "yes", { 0.2F, 0.3F, 0.5F }, true },
        { "within a thousandth", { 0.2F, 0.3F, 0.5009F }, true },
        { "beyond it", { 0.2F, 0.3F, 0.502F }, false },
        { "negative", { -0.1F, 0.6F, 0.5F }, false },
        { "above one", { 1.1F, -0.1F, 0 }, false },
        { "NaN", { NAN, 0.5F, 0.5F }, false },
        { "sure", { 0, 1, 0 }, true },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        if (sk_prep_looks_normalised(rows[i].v, 3) != rows[i].is)
            fail_msg("%s", rows[i].name);
    }
    assert_false(sk_prep_looks_normalised(NULL, 0));
}

static const float *sort_by;

static int by_rank(const void *a, const void *b)
{
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    bool i_nan = isnan(sort_by[i]), k_nan = isnan(sort_by[k]);

    if (i_nan != k_nan)
        return i_nan ? 1 : -1;
    if (!i_nan && sort_by[i] != sort_by[k])
        return sort_by[i] > sort_by[k] ? -1 : 1;
    return i < k ? -1 : i > k;
}

/* Against a full sort, with many equals and some NaN; the generator is a fixed linear congruence.
 */
static void test_top(void **state)
{
    enum {
        MOST = 200
    };

    uint32_t seed = 12345;

    (void)state;
    for (size_t n = 0; n <= MOST; n += n < 10 ? 1 : 19) {
        float v[MOST];
        uint32_t order[MOST];

        for (size_t i = 0; i < n; i++) {
            seed = seed * 1664525u + 1013904223u;
            v[i] = seed >> 28 == 0 ? NAN : (float)(seed >> 24 & 15);
            order[i] = (uint32_t)i;
        }
        sort_by = v;
        qsort(order, n, sizeof(order[0]), by_rank);
        for (size_t k = 0; k <= n + 1; k++) {
            struct sk_score out[MOST + 1];
            size_t count = sk_prep_top(v, n, k, out);

            assert_int_equal(count, k < n ? k : n);
            for (size_t i = 0; i < count; i++)
                assert_int_equal(out[i].index, order[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_probabilities),
                                        cmocka_unit_test(test_nan),
                                        cmocka_unit_test(test_looks_normalised),
                                        cmocka_unit_test(test_top) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
