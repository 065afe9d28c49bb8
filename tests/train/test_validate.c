/* test_validate.c - probabilities of each picture in its row; loss and accuracy that follow from
 * them. */
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void figures_follow_from_probabilities(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    double loss = 0, accuracy = 0, want_loss = 0, want_accuracy = 0;

    struct sk_train_result result = { 0 };

    tiny_open(x);
    if (sk_train_loop(&x->t, &result, &err) < 0 ||
        sk_train_judge(&x->t, x->t.source, x->t.data, &x->t.train, &loss, &accuracy, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < 20; i++) {
        const float *p = x->t.probabilities + 2 * i;
        uint32_t truth = x->t.truth[i];

        assert_int_equal(truth, i < 12 ? 0 : 1);
        assert_true(fabsf(p[0] + p[1] - 1.0F) < 1e-5F);
        want_loss -= log((double)p[truth]) / 20;
        want_accuracy += (p[1] > p[0]) == (truth == 1) ? 1.0 / 20 : 0;
    }
    assert_true(fabs(loss - want_loss) < 1e-5);
    assert_true(fabs(accuracy - want_accuracy) < 1e-9);
    tiny_close(x);
}

/* The same pictures in batches of another size give the same numbers. */
static void batches_do_not_matter(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    double loss = 0, accuracy = 0;
    float first[40];

    tiny_open(x);
    assert_int_equal(
        sk_train_judge(&x->t, x->t.source, x->t.data, &x->t.train, &loss, &accuracy, &err), 0);
    memcpy(first, x->t.probabilities, sizeof(first));
    x->options.batch = 3;
    assert_int_equal(
        sk_train_judge(&x->t, x->t.source, x->t.data, &x->t.train, &loss, &accuracy, &err), 0);
    for (size_t i = 0; i < 40; i++)
        assert_true(fabsf(first[i] - x->t.probabilities[i]) < 1e-5F);
    tiny_close(x);
}

/* Ctrl-C ends it without figures; the epoch stays open and is closed when training goes on. */
static void breaks_end_it(void **state)
{
    struct tiny *x = *state;
    struct sk_train_result result = { 0 };
    struct sk_err err = SK_ERR_INIT;
    double loss = 0, accuracy = 0;

    x->options.val_split = 0.25;
    tiny_open(x);
    atomic_store(&x->stop, true);
    assert_int_equal(
        sk_train_judge(&x->t, x->t.source, x->t.data, &x->t.val, &loss, &accuracy, &err), 0);
    assert_null(x->t.probabilities);
    atomic_store(&x->stop, false);
    x->stop_after = 2; /* the last batch of the first epoch */
    assert_int_equal(sk_train_loop(&x->t, &result, &err), 0);
    assert_true(result.interrupted);
    assert_int_equal(x->t.state.epoch, 0);
    assert_int_equal(x->t.state.batch, 2);
    tiny_close(x);
    atomic_store(&x->stop, false);
    x->stop_after = 0;
    x->options.resume = true;
    assert_true(tiny_train(x).validated);
    assert_int_equal(x->epochs, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(figures_follow_from_probabilities, tiny_setup,
                                        tiny_teardown),
        cmocka_unit_test_setup_teardown(batches_do_not_matter, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(breaks_end_it, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
