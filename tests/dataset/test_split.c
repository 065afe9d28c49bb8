/* test_split.c - shares of each class, and the same choice for the same seed. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <math.h>

/* Classes of the given sizes, without files. */
static struct sk_dataset make(const size_t *sizes, size_t classes)
{
    struct sk_dataset d = { .class_count = classes };
    size_t total = 0;

    for (size_t i = 0; i < classes; i++)
        total += sizes[i];
    d.samples = calloc(total, sizeof *d.samples);
    assert_non_null(d.samples);
    for (uint32_t label = 0; label < classes; label++) {
        for (size_t i = 0; i < sizes[label]; i++)
            d.samples[d.count++].label = label;
    }
    return d;
}

static void test_shares(void **state)
{
    static const struct {
        double fraction;
        size_t n, val;
    } rows[] = {
        { 0.2, 10, 2 }, { 0.2, 1, 0 },   { 0.2, 2, 1 },   { 0.01, 3, 1 },     { 0.99, 3, 2 },
        { 0.5, 3, 2 },  { 0.25, 10, 3 }, { 0.24, 10, 2 }, { 0.1, 1000, 100 }, { 0.999, 2, 1 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const size_t sizes[] = { rows[i].n, 4 };
        struct sk_dataset d = make(sizes, 2);
        struct sk_indices train = { 0 }, val = { 0 };
        struct sk_err err = SK_ERR_INIT;
        size_t in_first = 0;

        if (sk_dataset_split(&d, rows[i].fraction, 1, &train, &val, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        while (in_first < val.count && val.items[in_first] < rows[i].n)
            in_first++;
        if (in_first != rows[i].val)
            fail_msg("row %zu: %zu of %zu", i, in_first, rows[i].n);
        assert_int_equal(train.count + val.count, d.count);
        sk_indices_done(&train);
        sk_indices_done(&val);
        free(d.samples);
    }
}

static void test_choice(void **state)
{
    static const size_t sizes[] = { 6, 5 };
    struct sk_dataset d = make(sizes, 2);

    (void)state;
    for (uint64_t seed = 0; seed < 3; seed++) {
        bool seen[11] = { false };
        struct sk_indices train[2] = { { 0 } }, val[2] = { { 0 } };
        struct sk_err err = SK_ERR_INIT;

        for (int k = 0; k < 2; k++)
            assert_int_equal(sk_dataset_split(&d, 0.4, seed, &train[k], &val[k], &err), 0);
        assert_int_equal(val[0].count, 4);
        assert_memory_equal(val[0].items, val[1].items, 4 * sizeof(uint32_t));
        for (size_t i = 0; i < 4; i++) {
            assert_true(i == 0 || val[0].items[i] > val[0].items[i - 1]);
            seen[val[0].items[i]] = true;
        }
        for (size_t i = 0; i < train[0].count; i++) {
            assert_true(i == 0 || train[0].items[i] > train[0].items[i - 1]);
            assert_false(seen[train[0].items[i]]);
        }
        for (int k = 0; k < 2; k++) {
            sk_indices_done(&train[k]);
            sk_indices_done(&val[k]);
        }
    }
    free(d.samples);
}

static void test_refused(void **state)
{
    static const double fractions[] = { 0, 1, -0.1, 1.5, (double)NAN };
    static const size_t sizes[] = { 3, 3 };
    struct sk_dataset d = make(sizes, 2);

    (void)state;
    for (size_t i = 0; i < COUNT(fractions); i++) {
        struct sk_indices train = { 0 }, val = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_dataset_split(&d, fractions[i], 0, &train, &val, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    free(d.samples);
}

static int split(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_indices_done) struct sk_indices train = { 0 };
    SK_AUTO(sk_indices_done) struct sk_indices val = { 0 };
    SK_AUTO(sk_indices_done) struct sk_indices all = { 0 };

    if (sk_dataset_all(ctx, &all, err) < 0)
        return -1;
    assert_int_equal(all.count, 6);
    assert_int_equal(all.items[5], 5);
    return sk_dataset_split(ctx, 0.5, 0, &train, &val, err);
}

static void test_memory(void **state)
{
    static const size_t sizes[] = { 3, 3 };
    struct sk_dataset d = make(sizes, 2);

    (void)state;
    (void)sk_alloc_sweep("split", split, &d, 0);
    free(d.samples);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_shares),
                                        cmocka_unit_test(test_choice),
                                        cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_memory) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
