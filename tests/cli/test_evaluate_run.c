/* test_evaluate_run.c - answers for all pictures: the same for any number of workers, broken ones
 * left out and named. */
#include "evaluate_test.h"

#include "harness/alloc_fail.h"

static void test_workers(void **state)
{
    for (unsigned workers = 1; workers <= 4; workers++) {
        SK_AUTO(sk_evaluation_done) struct sk_evaluation e = evaluation_of(*state, workers);
        struct sk_err err = SK_ERR_INIT;
        size_t n = 0;

        if (sk_evaluation_run(&e, &err) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(e.classes, 2);
        assert_int_equal(e.bad, 3);
        for (size_t i = 0; i < PICTURES; i++) {
            if (is_broken(i)) {
                assert_non_null(strstr(e.errors[i], "jpeg"));
                continue;
            }
            bool said = e.probabilities[2 * n + 1] > 0.5f;
            assert_null(e.errors[i]);
            assert_int_equal(e.which[n], i);
            assert_int_equal(e.truth[n], i >= PICTURES / 2);
            assert_int_equal(said, (i >= PICTURES / 2) != is_odd(i));
            n++;
        }
        assert_int_equal(e.count, n);
    }
}

/* A picture that is gone, or beyond a limit, is broken, too. */
static void test_limits(void **state)
{
    const struct fixture *f = *state;
    SK_AUTO(sk_evaluation_done) struct sk_evaluation a = evaluation_of(f, 2);
    SK_AUTO(sk_evaluation_done) struct sk_evaluation b = evaluation_of(f, 2);
    struct sk_err err = SK_ERR_INIT;

    a.max_pixels = 63;
    assert_int_equal(sk_evaluation_run(&a, &err), 0);
    assert_true(a.count == 0 && a.bad == PICTURES);
    assert_int_equal(unlink(f->data->samples[0].path), 0);
    assert_int_equal(sk_evaluation_run(&b, &err), 0);
    assert_int_equal(b.bad, 4);
    assert_non_null(strstr(b.errors[0], "No such file"));
}

static int evaluate(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_evaluation_done) struct sk_evaluation e = evaluation_of(ctx, 1);

    return sk_evaluation_run(&e, err);
}

static void test_memory(void **state)
{
    assert_true(sk_alloc_sweep("evaluate", evaluate, *state, 0) > 4);
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(test_workers), ROW(test_limits), ROW(test_memory) };
    return cmocka_run_group_tests_name("evaluate_run", tests, NULL, NULL);
}
