/* test_op_pool.c - pooling against plain loops in double. */
#include "nn/reference.h"

#include <math.h>

static const struct net_case nets[] = {
    NET("max 3x3, stride 2", 2, 3, 9, 8, CONV("a", 0, 20, 3, .padding = 1),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 3, .stride = 2, .padding = 1), CONV("b", 2, 8, 3),
        HEAD(3, 4)),
    NET("max 2x2", 2, 3, 9, 8, CONV("a", 0, 16, 3),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 2, .stride = 2), HEAD(2, 3)),
    NET("max, ceil", 2, 3, 10, 10, CONV("a", 0, 16, 3),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 3, .stride = 2, .ceil_mode = true), HEAD(2, 3)),
    NET("max, dilation", 2, 3, 10, 9, CONV("a", 0, 16, 3),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 3, .stride = 1, .dilation = 2, .padding = 1),
        HEAD(2, 3)),
    NET("max, gaps", 2, 3, 10, 9, CONV("a", 0, 16, 3),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 2, .stride = 3), HEAD(2, 3)),
    NET("max, read by another too", 2, 3, 8, 8, CONV("a", 0, 20, 3, .padding = 1),
        LAYER(SK_NN_MAX_POOL, 1, .kernel = 3, .stride = 1, .padding = 1), CONV("b", 1, 20, 1),
        PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("average 2x2", 2, 3, 9, 8, CONV("a", 0, 20, 3),
        LAYER(SK_NN_AVG_POOL, 1, .kernel = 2, .stride = 2), CONV("b", 2, 8, 1), HEAD(3, 4)),
    NET("average, padding", 2, 3, 9, 8, CONV("a", 0, 16, 3),
        LAYER(SK_NN_AVG_POOL, 1, .kernel = 3, .stride = 1, .padding = 1), HEAD(2, 3)),
    NET("average, ceil", 2, 3, 10, 10, CONV("a", 0, 16, 3),
        LAYER(SK_NN_AVG_POOL, 1, .kernel = 3, .stride = 2, .ceil_mode = true), HEAD(2, 3)),
    NET("average, read by another too", 2, 3, 8, 8, CONV("a", 0, 20, 3, .padding = 1),
        LAYER(SK_NN_AVG_POOL, 1, .kernel = 3, .stride = 1, .padding = 1), CONV("b", 1, 20, 1),
        PAIR(SK_NN_ADD, 2, 3), HEAD(4, 5)),
    NET("global", 2, 3, 9, 8, CONV("a", 0, 20, 3), LAYER(SK_NN_GLOBAL_POOL, 1), CONV("b", 2, 8, 1),
        FLAT_HEAD(3, 4)),
    NET("global, read by another too", 2, 3, 9, 8, CONV("a", 0, 20, 3), LAYER(SK_NN_GLOBAL_POOL, 1),
        PAIR(SK_NN_MUL, 1, 2), LAYER(SK_NN_RELU, 3), HEAD(4, 5)),
    NET("of pictures", 2, 3, 9, 8, LAYER(SK_NN_MAX_POOL, 0, .kernel = 2, .stride = 2),
        CONV("a", 1, 8, 3), HEAD(2, 3)),
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

/* Among equals the first maximum gets the gradient; NaN wins. */
static void test_first_maximum(void **state)
{
    static const float x[] = { 1, 2, 2, 0, 2, 2, 1, 1, 1 }, g[] = { 1, 10, 100, 1000 };
    float y[4], d[9];
    uint8_t index[4];
    struct sk_pool_unit u = { .block = 1,
                              .ih = 3,
                              .iw = 3,
                              .oh = 2,
                              .ow = 2,
                              .kernel = 2,
                              .stride = 1,
                              .dilation = 1,
                              .x = x,
                              .y = y,
                              .index = index,
                              .g = g,
                              .d = d };
    static const float want[] = { 0, 11, 0, 0, 1100, 0, 0, 0, 0 };
    static const float with_nan[] = { 1, NAN, 3, 4, 5, 6, 7, 8, 9 };

    (void)state;
    sk_loops_best()->of[SK_DN_F32].max_pool(&u);
    sk_loops_best()->of[SK_DN_F32].max_pool_back(&u);
    for (size_t i = 0; i < 9; i++)
        assert_true(d[i] == want[i]);
    u.x = with_nan;
    sk_loops_best()->of[SK_DN_F32].max_pool(&u);
    assert_true(y[0] != y[0] && y[1] != y[1] && y[2] == 8 && y[3] == 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_bf16),
        cmocka_unit_test(test_first_maximum),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
