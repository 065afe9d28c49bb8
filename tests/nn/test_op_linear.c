/* test_op_linear.c - linear layers and conversions against plain loops in double. */
#include "nn/reference.h"

static const struct net_case nets[] = {
    NET("on pictures", 3, 3, 4, 4, FLAT_HEAD(0, 1)),
    NET("two layers", 3, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_FLATTEN, 1), LINEAR("l", 2, 10),
        LAYER(SK_NN_RELU, 3), LINEAR("fc", 4, 3)),
    NET("flattened map", 2, 3, 6, 5, CONV("a", 0, 20, 3), LAYER(SK_NN_RELU, 1), FLAT_HEAD(2, 3)),
    NET("no bias", 2, 3, 6, 5, CONV("a", 0, 16, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        { .kind = SK_NN_LINEAR, .name = "fc", .in = { 2 }, .channels = 3 }),
    NET("read twice", 2, 3, 6, 5, CONV("a", 0, 16, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        LAYER(SK_NN_FLATTEN, 2), LINEAR("l", 3, 16), PAIR(SK_NN_ADD, 3, 4), LINEAR("fc", 5, 3)),
    NET("convolutions as head", 2, 3, 6, 5, CONV("a", 0, 16, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        CONV("fc", 2, 3, 1, .bias = true)),
    NET("flattened map, read twice", 2, 3, 4, 4, CONV("a", 0, 20, 3), LAYER(SK_NN_FLATTEN, 1),
        LINEAR("l", 2, 3), LAYER(SK_NN_GLOBAL_POOL, 1), LINEAR("m", 4, 3), PAIR(SK_NN_ADD, 3, 5)),
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

static void test_frozen(void **state)
{
    static const char *const frozen[] = { "l.weight", "l.bias", "a.weight", "fc.weight" };

    (void)state;
    for (size_t i = 0; i < COUNT(frozen); i++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&nets[1]);

        sk_nn_find(n, frozen[i])->frozen = true;
        check_step_of(frozen[i], n, 3, SK_DN_ANY);
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
