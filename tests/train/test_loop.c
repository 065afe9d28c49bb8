/* test_loop.c - steps, epochs, ends, and going on after a break. */
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_batch_is_a_step(void **state)
{
    struct tiny *x = *state;
    struct sk_train_result result = { 0 };
    struct sk_err err = SK_ERR_INIT;

    tiny_open(x);
    if (sk_train_loop(&x->t, &result, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(x->t.state.step, 6); /* 20 pictures in batches of 8, twice */
    assert_int_equal(x->batches, 6);
    assert_int_equal(x->epochs, 2);
    assert_int_equal(x->t.state.epoch, 2);
    assert_false(result.interrupted || result.stopped_early);
    assert_true(isfinite(x->t.state.history[1].train_loss));
    tiny_close(x);
}

/* A break after any batch, then on to the end: the same weights as without. */
static void breaks_leave_no_trace(void **state)
{
    struct tiny *x = *state;
    size_t len = 0, other_len = 0;

    x->options.augment = SK_AUG_FLIP | SK_AUG_CROP;
    x->options.ema = 0.9;
    (void)tiny_train(x);

    SK_OWN(free) char *whole = tiny_read(x, "model.safetensors", &len);

    for (unsigned after = 1; after < 6; after++) {
        x->options.resume = false;
        x->batches = 0;
        x->stop_after = after;
        assert_true(tiny_train(x).interrupted);
        atomic_store(&x->stop, false);
        x->stop_after = 0;
        x->options.resume = true;
        assert_false(tiny_train(x).interrupted);

        SK_OWN(free) char *parts = tiny_read(x, "model.safetensors", &other_len);

        assert_int_equal(len, other_len);
        if (memcmp(whole, parts, len) != 0)
            fail_msg("a break after %u batches changes the weights", after);
    }
}

static void patience_ends(void **state)
{
    struct tiny *x = *state;
    struct sk_train_result result = { 0 };

    x->options.epochs = 40;
    x->options.val_split = 0.25;
    x->options.patience = 1;
    x->options.lr = 0.05;
    result = tiny_train(x);
    assert_true(result.stopped_early);
    assert_true(x->epochs < 40);
}

static void loss_that_is_not_finite(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;

    x->options.optimizer = SK_OPTIM_SGD;
    x->options.lr = 1e30;
    err = tiny_fails(x);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "not finite"));
    assert_non_null(strstr(err.text, "1e+30"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_batch_is_a_step, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(breaks_leave_no_trace, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(patience_ends, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(loss_that_is_not_finite, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
