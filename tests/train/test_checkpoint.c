/* test_checkpoint.c - what was saved comes back bit for bit; what does not belong is refused. */
#include "base/file.h"
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void save(struct tiny *x)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_checkpoint_save(&x->t, &err) < 0)
        fail_msg("%s", err.text);
}

static void state_comes_back(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0;
    bool found = false;

    x->options.ema = 0.5;
    tiny_open(x);
    for (size_t i = 0; i < x->t.state.count; i++) {
        sk_nn_values(x->t.nn, &count)[i] = (float)i * 0.001F;
        x->t.state.m[i] = -(float)i;
        x->t.state.v[i] = (float)i * 2.0F;
    }
    x->t.state.step = 12345;
    x->t.state.epoch = 1;
    x->t.state.batch = 2;
    x->t.state.loss_sum = 0.1;
    x->t.state.correct = 9;
    x->t.state.seen = 16;
    x->t.state.history[0] = (struct sk_epoch){ 0.7, 0.5, NAN, NAN, 0.001, 3.25 };
    save(x);
    tiny_close(x);

    tiny_open(x);
    if (sk_checkpoint_load(&x->t, &found, &err) < 0)
        fail_msg("%s", err.text);
    assert_true(found);
    assert_int_equal(x->t.state.step, 12345);
    assert_int_equal(x->t.state.epoch, 1);
    assert_int_equal(x->t.state.batch, 2);
    assert_int_equal(x->t.state.correct, 9);
    assert_int_equal(x->t.state.seen, 16);
    assert_true(x->t.state.loss_sum == 0.1);
    assert_true(x->t.state.history[0].train_loss == 0.7 && isnan(x->t.state.history[0].val_loss));
    assert_true(x->t.state.history[0].seconds == 3.25);
    for (size_t i = 0; i < x->t.state.count; i++) {
        assert_true(sk_nn_values(x->t.nn, &count)[i] == (float)i * 0.001F);
        assert_true(x->t.state.m[i] == -(float)i && x->t.state.v[i] == (float)i * 2.0F);
    }
    tiny_close(x);
}

static void refused(struct tiny *x, const char *name, const char *word)
{
    struct sk_err err = SK_ERR_INIT;
    bool found = false;

    if (sk_checkpoint_load(&x->t, &found, &err) == 0)
        fail_msg("%s: accepted", name);
    if (!strstr(err.text, word))
        fail_msg("%s: '%s' does not say '%s'", name, err.text, word);
}

static void strangers_are_refused(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    bool found = true;

    tiny_open(x);
    assert_int_equal(sk_checkpoint_load(&x->t, &found, &err), 0);
    assert_false(found);
    save(x);
    x->options.lr *= 2;
    refused(x, "other settings", "other settings");
    x->options.lr /= 2;
    x->t.data_digest[0] ^= 1;
    refused(x, "other data", "other data");
    tiny_close(x);
}

/* Cut at any place, or with a byte changed in its header: an error that names the file, or the same
 * state. */
static void damage_is_found(void **state)
{
    struct tiny *x = *state;
    size_t len = 0;

    tiny_open(x);
    save(x);

    SK_OWN(free) char *whole = tiny_read(x, "checkpoint.safetensors", &len);
    const size_t cuts[] = { 0, 1, 8, 9, 200, len / 2, len - 1 };

    for (size_t i = 0; i < sizeof(cuts) / sizeof(cuts[0]); i++) {
        SK_OWN(free) char *path = sk_path_join(x->out, "checkpoint.safetensors");
        struct sk_err err = SK_ERR_INIT;

        if (sk_file_write(path, whole, cuts[i], 0644, &err) < 0)
            fail_msg("%s", err.text);
        refused(x, "cut", "checkpoint.safetensors");
    }
    tiny_close(x);
}

static void numbers_that_are_none_are_not_written(void **state)
{
    struct tiny *x = *state;
    struct sk_err err = SK_ERR_INIT;
    size_t count = 0, before_len = 0, after_len = 0;

    tiny_open(x);
    save(x);

    SK_OWN(free) char *before = tiny_read(x, "checkpoint.safetensors", &before_len);

    sk_nn_values(x->t.nn, &count)[77] = NAN;
    assert_int_equal(sk_checkpoint_save(&x->t, &err), -1);
    assert_non_null(strstr(err.text, "not finite"));
    sk_nn_values(x->t.nn, &count)[77] = 1.0F;
    x->t.state.m[3] = INFINITY;
    assert_int_equal(sk_checkpoint_save(&x->t, &err), -1);

    SK_OWN(free) char *after = tiny_read(x, "checkpoint.safetensors", &after_len);

    assert_int_equal(before_len, after_len);
    assert_memory_equal(before, after, before_len);
    tiny_close(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(state_comes_back, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(strangers_are_refused, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(damage_is_found, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(numbers_that_are_none_are_not_written, tiny_setup,
                                        tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
