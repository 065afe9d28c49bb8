/* test_op_point.c - activations, sums, products, dropout against plain loops in double. */
#include "nn/reference.h"

static const struct net_case nets[] = {
    NET("relu", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_RELU, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("relu, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_RELU, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("relu6", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_RELU6, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("relu6, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_RELU6, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("hard swish", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_HARD_SWISH, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("hard swish, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_HARD_SWISH, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("hard sigmoid", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_HARD_SIGMOID, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("hard sigmoid, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_HARD_SIGMOID, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("silu", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_SILU, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("silu, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_SILU, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("sigmoid", 2, 3, 6, 5, CONV("a", 0, 20, 3, .bias = true), LAYER(SK_NN_SIGMOID, 1),
        CONV("b", 2, 8, 3), HEAD(3, 4)),
    NET("sigmoid, read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_SIGMOID, 1),
        CONV("b", 2, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("relu, input read twice", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_RELU, 1),
        PAIR(SK_NN_ADD, 1, 2), HEAD(3, 4)),
    NET("relu of relu6 of flat values", 2, 3, 6, 5, CONV("a", 0, 20, 3),
        LAYER(SK_NN_GLOBAL_POOL, 1), LAYER(SK_NN_FLATTEN, 2), LAYER(SK_NN_RELU6, 3),
        LAYER(SK_NN_RELU, 4), LINEAR("fc", 5, 3)),
    NET("add", 2, 3, 6, 5, CONV("a", 0, 20, 3), CONV("b", 0, 20, 3), PAIR(SK_NN_ADD, 1, 2),
        LAYER(SK_NN_RELU, 3), HEAD(4, 5)),
    NET("add to itself", 2, 3, 6, 5, CONV("a", 0, 20, 3), PAIR(SK_NN_ADD, 1, 1), HEAD(2, 3)),
    NET("sum of three", 2, 3, 6, 5, CONV("a", 0, 20, 3), CONV("b", 1, 20, 1),
        CONV("c", 1, 20, 3, .padding = 1), PAIR(SK_NN_ADD, 1, 2), PAIR(SK_NN_ADD, 4, 3),
        HEAD(5, 6)),
    NET("four readers", 2, 3, 6, 5, CONV("a", 0, 20, 3), NORM("n", 1), CONV("b", 2, 20, 1),
        CONV("c", 2, 20, 1), CONV("d", 2, 20, 1), PAIR(SK_NN_ADD, 2, 3), PAIR(SK_NN_ADD, 4, 5),
        PAIR(SK_NN_ADD, 6, 7), HEAD(8, 9)),
    NET("product", 2, 3, 6, 5, CONV("a", 0, 20, 3), CONV("b", 0, 20, 3), PAIR(SK_NN_MUL, 1, 2),
        HEAD(3, 4)),
    NET("square", 2, 3, 6, 5, CONV("a", 0, 20, 3), PAIR(SK_NN_MUL, 1, 1), HEAD(2, 3)),
    NET("squeeze and excite", 2, 3, 6, 5, CONV("a", 0, 20, 3), NORM("n", 1),
        LAYER(SK_NN_HARD_SWISH, 2), LAYER(SK_NN_GLOBAL_POOL, 3), CONV("s", 4, 8, 1, .bias = true),
        LAYER(SK_NN_RELU, 5), CONV("e", 6, 20, 1, .bias = true), LAYER(SK_NN_HARD_SIGMOID, 7),
        PAIR(SK_NN_MUL, 3, 8), CONV("b", 9, 16, 1), NORM("m", 10), HEAD(11, 12)),
    NET("scale that others read", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        LAYER(SK_NN_SIGMOID, 2), PAIR(SK_NN_MUL, 1, 3), CONV("b", 4, 20, 1), PAIR(SK_NN_MUL, 5, 3),
        HEAD(6, 7)),
    NET("flat factor", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        LAYER(SK_NN_FLATTEN, 2), LINEAR("l", 3, 20), PAIR(SK_NN_MUL, 1, 4), HEAD(5, 6)),
    NET("dropout", 3, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_DROPOUT, 1, .rate = 0.4f),
        HEAD(2, 3)),
    NET("dropout of flat values", 3, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        LAYER(SK_NN_FLATTEN, 2), LAYER(SK_NN_DROPOUT, 3, .rate = 0.2f), LINEAR("fc", 4, 3)),
    NET("dropout of nothing and of all", 2, 3, 6, 5, CONV("a", 0, 20, 3),
        LAYER(SK_NN_DROPOUT, 1, .rate = 0), CONV("b", 0, 20, 3), LAYER(SK_NN_DROPOUT, 3, .rate = 1),
        PAIR(SK_NN_ADD, 2, 4), HEAD(5, 6)),
    NET("stochastic depth", 5, 3, 6, 5, CONV("a", 0, 20, 3), CONV("b", 1, 20, 1), NORM("n", 2),
        LAYER(SK_NN_DROPOUT, 3, .rate = 0.5f, .per_sample = true), PAIR(SK_NN_ADD, 4, 1),
        HEAD(5, 6)),
};

static void test_gradients(void **state)
{
    (void)state;
    check_steps(nets, COUNT(nets));
}

static void test_inference(void **state)
{
    (void)state;
    check_inferences(nets, COUNT(nets));
}

static void test_bf16(void **state)
{
    (void)state;
    check_bf16s(nets, COUNT(nets));
}

/* The mask depends on seed, layer and element alone, and keeps the right share. */
static void test_mask(void **state)
{
    unsigned kept = 0, differ = 0;

    (void)state;
    for (uint64_t i = 0; i < 100000; i++) {
        float m = sk_nn_mask(1, 2, i, 0.25f);

        assert_true(m == 0 || m == 1 / 0.75f);
        kept += m != 0;
        differ += (m != 0) != (sk_nn_mask(2, 2, i, 0.25f) != 0);
    }
    assert_true(kept > 74500 && kept < 75500);
    assert_true(differ > 37000 && differ < 38000); /* 2 * 0.25 * 0.75 */
    assert_true(sk_nn_mask(1, 2, 3, 1) == 0);
    assert_true(sk_nn_mask(1, 2, 3, 0) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_mask),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
