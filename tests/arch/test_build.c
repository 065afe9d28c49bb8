/* test_build.c - layers one behind the other: names, padding, what reads what; failures stay for
 * finish. */
#include "arch_test.h"

static struct sk_nn *empty(void)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_nn *n = NULL;

    assert_int_equal(sk_nn_new(3, 20, 20, &n, &err), 0);
    return n;
}

static void layers_follow_each_other(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = empty();
    struct sk_build b = { .nn = n, .eps = 1e-3f, .momentum = 1e-2f };
    struct sk_err err = SK_ERR_INIT;
    int first;

    (void)state;
    sk_build_conv(&b, &(struct sk_conv){ .channels = 6, .kernel = 5, .stride = 2, .groups = 3 },
                  "%s.%u", "a", 7u);
    first = b.at;
    sk_build_norm(&b, "a.%u", 8u);
    sk_build_plain(&b, SK_NN_SILU);
    sk_build_join(&b, SK_NN_ADD, first);
    sk_build_dropout(&b, 0.25f, true);
    sk_build_plain(&b, SK_NN_FLATTEN);
    sk_build_linear(&b, 4, "head");
    assert_int_equal(sk_nn_finish(n, &err), 0);

    const struct sk_nn_layer *conv = sk_nn_layer(n, 1), *norm = sk_nn_layer(n, 2);
    assert_string_equal(conv->name, "a.7");
    assert_int_equal(conv->padding, 2);
    assert_int_equal(conv->groups, 3);
    assert_int_equal(conv->out_h, 10);
    assert_string_equal(norm->name, "a.8");
    assert_true(norm->eps == 1e-3f && norm->momentum == 1e-2f);
    assert_int_equal(sk_nn_layer(n, 4)->in[0], 3);
    assert_int_equal(sk_nn_layer(n, 4)->in[1], 1);
    assert_true(sk_nn_layer(n, 5)->per_sample && sk_nn_layer(n, 5)->rate == 0.25f);
    assert_string_equal(sk_nn_layer(n, 7)->name, "head");
    assert_non_null(sk_nn_find(n, "head.bias"));
    assert_null(sk_nn_find(n, "a.7.bias"));
}

static void first_failure_is_kept(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = empty();
    struct sk_build b = { .nn = n };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    sk_build_conv(&b, &(struct sk_conv){ .channels = 5, .kernel = 3, .groups = 2 }, "odd");
    assert_int_equal(b.at, -1);
    sk_build_plain(&b, SK_NN_RELU);
    sk_build_join(&b, SK_NN_ADD, 0);
    sk_build_linear(&b, 4, "head");
    assert_int_equal(b.at, -1);
    assert_int_equal(sk_nn_finish(n, &err), -1);
    assert_non_null(strstr(err.text, "odd"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_follow_each_other),
        cmocka_unit_test(first_failure_is_kept),
    };

    return cmocka_run_group_tests_name("build", tests, NULL, NULL);
}
