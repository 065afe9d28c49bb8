/* test_depthwise.c - depthwise convolutions against plain loops in double. */
#include "nn/reference.h"

static const struct net_case nets[] = {
    NET("3x3", 2, 3, 9, 8, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .padding = 1, .groups = 16), HEAD(2, 3)),
    NET("5x5, stride 2, 24 channels", 3, 3, 11, 10, CONV("a", 0, 24, 3, .padding = 1),
        CONV("b", 1, 24, 5, .padding = 2, .stride = 2, .groups = 24), HEAD(2, 3)),
    NET("no padding", 1, 3, 11, 10, CONV("a", 0, 20, 3), CONV("b", 1, 20, 3, .groups = 20),
        HEAD(2, 3)),
    NET("dilation", 2, 3, 11, 12, CONV("a", 0, 20, 3),
        CONV("b", 1, 20, 3, .groups = 20, .dilation = 2, .padding = 2), HEAD(2, 3)),
    NET("stride beyond the window", 2, 3, 12, 12, CONV("a", 0, 8, 3),
        CONV("b", 1, 8, 2, .groups = 8, .stride = 4), HEAD(2, 3)),
    NET("window larger than the map", 2, 3, 4, 4, CONV("a", 0, 8, 3),
        CONV("b", 1, 8, 5, .groups = 8, .padding = 2), HEAD(2, 3)),
};

static void test_gradients(void **state)
{
    (void)state;
    check_steps(nets, COUNT(nets));
}

static void test_bf16(void **state)
{
    (void)state;
    check_bf16s(nets, COUNT(nets));
}

/* Only where every channel has one window and no bias; not on pictures, whose layout is another. */
static void test_which(void **state)
{
    const struct net_case net = NET(
        "which", 2, 4, 8, 8, CONV("a", 0, 4, 3, .groups = 4), CONV("b", 1, 8, 3, .groups = 4),
        CONV("c", 2, 8, 3, .groups = 8, .bias = true, .padding = 1),
        CONV("d", 3, 8, 3, .groups = 8, .padding = 1), CONV("e", 4, 8, 1), HEAD(5, 6));
    static const bool want[] = { false, false, false, true, false };
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_NHWC);

    (void)state;
    for (size_t i = 0; i < COUNT(want); i++)
        assert_int_equal(sk_nn_is_depthwise(p, &p->ops[i]), want[i]);
    assert_int_equal(sk_nn_depthwise_bytes(p, &p->ops[3]), 2 * 8 * 9 * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_which),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
