/* test_setup.c - pictures that are left out, class weights, frozen parts, first weights. */
#include "tiny.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void broken_pictures(void **state)
{
    struct tiny *x = *state;

    tiny_write(x, "across/broken.png", "\x89PNG\r\n\x1a\nnot really");
    tiny_write(x, "across/notes.txt", "hello");

    struct sk_err err = tiny_fails(x);

    assert_non_null(strstr(err.text, "broken.png"));
    assert_non_null(strstr(err.text, "--skip-bad"));
    assert_non_null(strstr(x->notes, "notes.txt"));

    x->options.skip_bad = true;
    tiny_open(x);
    assert_int_equal(x->t.train.count, 20);
    assert_non_null(strstr(x->notes, "left out: "));
    for (size_t i = 0; i < x->t.train.count; i++)
        assert_null(strstr(x->t.data->samples[x->t.train.items[i]].path, "broken"));
    tiny_close(x);
}

static void class_without_pictures_left(void **state)
{
    struct tiny *x = *state;

    tiny_write(x, "down2.txt", "");
    tiny_add(x, "empty", 0, 0);
    assert_non_null(strstr(tiny_fails(x).text, "empty"));
    tiny_write(x, "empty/broken.png", "no");
    x->options.skip_bad = true;
    assert_non_null(strstr(tiny_fails(x).text, "'empty'"));
}

static void validation_without_pictures(void **state)
{
    struct tiny *x = *state;
    char val[128];

    (void)snprintf(val, sizeof(val), "%s/val", x->root);
    memcpy(x->data, val, sizeof(x->data));
    tiny_add(x, "across", 0, 0);
    tiny_write(x, "across/broken.png", "no");
    (void)snprintf(x->data, sizeof(x->data), "%s/data", x->root);
    x->options.val_path = val;
    x->options.skip_bad = true;
    assert_non_null(strstr(tiny_fails(x).text, "validation"));
}

static void balanced_weights(void **state)
{
    struct tiny *x = *state;

    x->options.balance = true;
    tiny_open(x);
    assert_true(fabsf(x->t.class_weights[0] - 20.0F / (2 * 12)) < 1e-6F);
    assert_true(fabsf(x->t.class_weights[1] - 20.0F / (2 * 8)) < 1e-6F);
    tiny_close(x);
}

static void backbone_is_frozen(void **state)
{
    struct tiny *x = *state;
    size_t trained = 0;

    x->options.freeze_backbone = true;
    tiny_open(x);
    for (size_t i = 0; i < sk_nn_param_count(x->t.nn); i++)
        trained += !sk_nn_param(x->t.nn, i)->frozen;
    assert_int_equal(trained, 2);
    assert_false(sk_nn_find(x->t.nn, "classifier.3.weight")->frozen);
    tiny_close(x);
}

static void split_is_stratified(void **state)
{
    struct tiny *x = *state;
    unsigned of_first = 0;

    x->options.val_split = 0.25;
    tiny_open(x);
    assert_int_equal(x->t.val.count, 5);
    assert_int_equal(x->t.train.count, 15);
    for (size_t i = 0; i < x->t.val.count; i++)
        of_first += x->t.data->samples[x->t.val.items[i]].label == 0;
    assert_int_equal(of_first, 3);
    tiny_close(x);
}

static void weights_that_are_not_there(void **state)
{
    struct tiny *x = *state;

    x->options.weights = "/nowhere/model.safetensors";
    assert_non_null(strstr(tiny_fails(x).text, "/nowhere/model.safetensors"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(broken_pictures, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(class_without_pictures_left, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(validation_without_pictures, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(balanced_weights, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(backbone_is_frozen, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(split_is_stratified, tiny_setup, tiny_teardown),
        cmocka_unit_test_setup_teardown(weights_that_are_not_there, tiny_setup, tiny_teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
