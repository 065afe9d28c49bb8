/* test_state.c - arrays follow the options; exchanges give back what was there. */
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void arrays_follow_options(void **state)
{
    struct tiny *x = *state;

    x->options.optimizer = SK_OPTIM_SGD;
    tiny_open(x);
    assert_non_null(x->t.state.m);
    assert_null(x->t.state.v);
    assert_null(x->t.state.ema);
    assert_null(x->t.state.best);
    assert_true(isnan(x->t.state.best_loss));
    tiny_close(x);

    x->options.optimizer = SK_OPTIM_ADAM;
    x->options.ema = 0.9;
    tiny_open(x);
    assert_non_null(x->t.state.v);
    assert_memory_equal(x->t.state.ema, sk_nn_values(x->t.nn, &x->t.state.count),
                        x->t.state.count * sizeof(float));
    tiny_close(x);
}

static void exchanges_undo_themselves(void **state)
{
    struct tiny *x = *state;
    size_t count = 0;

    x->options.ema = 0.9;
    x->options.patience = 1;
    x->options.val_split = 0.25;
    tiny_open(x);

    float *values = sk_nn_values(x->t.nn, &count);
    float own = values[5];

    x->t.state.ema[5] = 42.0F;
    x->t.state.best[5] = 43.0F;
    sk_train_swap_average(&x->t);
    assert_true(values[5] == 42.0F);
    sk_train_swap_average(&x->t);
    assert_true(values[5] == own);

    sk_train_swap_best(&x->t); /* there is none yet */
    assert_true(values[5] == own);
    sk_train_swap_final(&x->t);
    assert_true(values[5] == 42.0F);
    sk_train_swap_final(&x->t);
    x->t.state.best_loss = 0.5;
    sk_train_swap_final(&x->t);
    assert_true(values[5] == 43.0F);
    sk_train_swap_final(&x->t);
    assert_true(values[5] == own && x->t.state.ema[5] == 42.0F && x->t.state.best[5] == 43.0F);
    tiny_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(arrays_follow_options, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(exchanges_undo_themselves, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
