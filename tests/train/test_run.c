/* test_run.c - a whole training: repeatable, judged by what it says. */
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void same_seed_same_bytes(void **state)
{
    struct tiny *x = *state;
    size_t len = 0, again_len = 0, other_len = 0;

    x->options.augment = SK_AUG_FLIP | SK_AUG_COLOR | SK_AUG_ERASE;
    (void)tiny_train(x);

    SK_OWN(free) char *first = tiny_read(x, "model.safetensors", &len);

    x->options.workers = 2;
    x->options.cache_bytes = 0;
    (void)tiny_train(x);

    SK_OWN(free) char *again = tiny_read(x, "model.safetensors", &again_len);

    assert_int_equal(len, again_len);
    assert_memory_equal(first, again, len);
    x->options.seed++;
    (void)tiny_train(x);

    SK_OWN(free) char *other = tiny_read(x, "model.safetensors", &other_len);

    assert_int_equal(len, other_len);
    assert_memory_not_equal(first, other, len);
}

static void result_says_what_was_judged(void **state)
{
    struct tiny *x = *state;
    struct sk_train_result r = tiny_train(x);

    assert_true(r.has_figures && !r.validated && r.is_first && !r.interrupted);
    assert_true(r.accuracy >= 0 && r.accuracy <= 1 && isfinite(r.loss));
    x->options.val_split = 0.25;
    r = tiny_train(x);
    assert_true(r.has_figures && r.validated);
    x->options.val_split = 0;
    x->batches = 0;
    x->stop_after = 1;
    r = tiny_train(x);
    assert_true(r.interrupted && !r.has_figures);
}

static void plans_are_kept(void **state)
{
    struct tiny *x = *state;
    struct sk_nn_plan *a = NULL, *b = NULL, *c = NULL;
    struct sk_err err = SK_ERR_INIT;

    tiny_open(x);
    assert_int_equal(sk_train_plan(&x->t, SK_NN_INFER, 4, &a, &err), 0);
    assert_int_equal(sk_train_plan(&x->t, SK_NN_INFER, 3, &b, &err), 0);
    assert_int_equal(sk_train_plan(&x->t, SK_NN_INFER, 4, &c, &err), 0);
    assert_ptr_equal(a, c);
    assert_ptr_not_equal(a, b);
    tiny_close(x);
}

/* One picture per batch and a map of one pixel: batch norm has no variance. */
static void batch_of_one_is_an_error(void **state)
{
    struct tiny *x = *state;

    x->options.batch = 1;
    assert_non_null(strstr(tiny_fails(x).text, "batch of 1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(same_seed_same_bytes, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(result_says_what_was_judged, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(plans_are_kept, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(batch_of_one_is_an_error, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
