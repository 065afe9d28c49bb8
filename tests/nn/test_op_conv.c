/* test_op_conv.c - convolutions of every form against plain loops in double. */
#include "nn/reference.h"

static const struct net_case nets[] = {
    NET("3x3 on pictures", 2, 3, 9, 8, CONV("a", 0, 16, 3, .padding = 1), HEAD(1, 2)),
    NET("7x7, stride 2", 2, 3, 15, 14, CONV("a", 0, 16, 7, .padding = 3, .stride = 2), HEAD(1, 2)),
    NET("bias", 2, 3, 7, 7, CONV("a", 0, 5, 3, .bias = true),
        CONV("b", 1, 7, 3, .bias = true, .padding = 1), HEAD(2, 3)),
    NET("1x1, stride 2, odd sizes", 2, 3, 7, 5, CONV("a", 0, 20, 3, .padding = 1),
        CONV("b", 1, 33, 1, .stride = 2), HEAD(2, 3)),
    NET("3x3, stride 2, rows left over", 2, 3, 8, 11, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .stride = 2), HEAD(2, 3)),
    NET("5x5, stride 3", 2, 3, 12, 12, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 5, .stride = 3, .padding = 2), HEAD(2, 3)),
    NET("dilation", 2, 3, 12, 11, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .dilation = 2, .padding = 2), HEAD(2, 3)),
    NET("dilation, stride", 1, 3, 14, 14, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .dilation = 3, .padding = 1, .stride = 2), HEAD(2, 3)),
    NET("groups of 8", 2, 3, 8, 8, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 32, 3, .groups = 2, .padding = 1), HEAD(2, 3)),
    NET("groups of 3, bias", 2, 3, 6, 6, CONV("a", 0, 12, 3, .padding = 1),
        CONV("b", 1, 8, 3, .groups = 4, .padding = 1, .bias = true), HEAD(2, 3)),
    NET("depthwise", 2, 3, 9, 9, CONV("a", 0, 16, 3, .padding = 1),
        CONV("b", 1, 16, 3, .groups = 16, .padding = 1), HEAD(2, 3)),
    NET("depthwise, 24 channels, stride 2", 2, 3, 9, 9, CONV("a", 0, 24, 3, .padding = 1),
        CONV("b", 1, 24, 5, .groups = 24, .padding = 2, .stride = 2), HEAD(2, 3)),
    NET("depthwise, twice as many", 2, 3, 7, 7, CONV("a", 0, 8, 3, .padding = 1),
        CONV("b", 1, 16, 3, .groups = 8, .padding = 1), HEAD(2, 3)),
    NET("groups on pictures", 2, 4, 7, 7, CONV("a", 0, 8, 3, .groups = 2, .padding = 1),
        HEAD(1, 2)),
    NET("one channel, batch 1", 1, 1, 6, 6, CONV("a", 0, 1, 3), HEAD(1, 2)),
    NET("padding beyond the picture", 2, 3, 2, 2, CONV("a", 0, 16, 5, .padding = 2), HEAD(1, 2)),
    NET("two readers of the pictures", 2, 3, 7, 7, CONV("a", 0, 8, 3, .padding = 1),
        CONV("b", 0, 8, 5, .padding = 2), PAIR(SK_NN_ADD, 1, 2), HEAD(3, 4)),
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

/* Below the lowest trained layer nothing is computed; its gradients stay 0. */
static void test_frozen(void **state)
{
    static const struct {
        const char *name, *frozen[4];
    } rows[] = {
        { "bottom", { "a.weight", "a.bias" } },
        { "bias alone", { "b.bias" } },
        { "weight alone", { "b.weight" } },
        { "all but the head", { "a.weight", "a.bias", "b.weight", "b.bias" } },
    };
    const struct net_case net = NET("frozen", 2, 3, 7, 7, CONV("a", 0, 8, 3, .bias = true),
                                    LAYER(SK_NN_RELU, 1), CONV("b", 2, 8, 3, .bias = true),
                                    HEAD(3, 4));

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);

        for (size_t k = 0; k < 4 && rows[i].frozen[k]; k++)
            sk_nn_find(n, rows[i].frozen[k])->frozen = true;
        check_step_of(rows[i].name, n, 2, SK_DN_ANY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_frozen),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
