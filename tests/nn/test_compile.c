/* test_compile.c - which layers become one operation, in training and in inference. */
#include "nn/reference.h"

static const struct net_case residual = NET(
    "residual", 2, 3, 8, 8, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1), LAYER(SK_NN_RELU, 2),
    CONV("b", 3, 16, 3, .padding = 1), NORM("m", 4), CONV("c", 3, 16, 1), NORM("o", 6),
    PAIR(SK_NN_ADD, 5, 7), LAYER(SK_NN_RELU, 8), HEAD(9, 10));

static const struct net_case odd = NET(
    "odd", 2, 3, 8, 8, CONV("a", 0, 16, 3), LAYER(SK_NN_HARD_SWISH, 1), CONV("b", 2, 16, 3),
    LAYER(SK_NN_RELU, 3), LAYER(SK_NN_MAX_POOL, 0, .kernel = 5), CONV("c", 5, 16, 1),
    PAIR(SK_NN_ADD, 4, 6), LAYER(SK_NN_SILU, 7), FLAT_HEAD(8, 9));

static void check_ops(const struct net_case *net, enum sk_nn_mode mode, const char *want)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, net->batch, mode, SK_NN_F32, SK_DN_C16);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(10000);

    for (size_t i = 0; i < p->op_count; i++)
        sk_buf_fmt(&b, "%s%s%s%s", i ? ", " : "", p->ops[i].kind->name,
                   p->ops[i].in[1] >= 0 && p->ops[i].kind != &sk_nn_op_add ? " +" : "",
                   p->ops[i].act != SK_ACT_NONE && p->ops[i].kind != &sk_nn_op_act ? " act" : "");
    assert_string_equal(b.data, want);
}

/* The projection is normalised first, though it comes later: the sum needs it. */
static void test_training(void **state)
{
    (void)state;
    check_ops(&residual, SK_NN_TRAIN,
              "conv, norm act, conv, conv, norm, norm + act, global pool, linear");
    check_ops(&odd, SK_NN_TRAIN,
              "conv, activation, conv, activation, convert, max pool, conv, add, activation, "
              "convert, linear");
}

/* hard swish is not one that oneDNN's versions agree on. */
static void test_inference(void **state)
{
    (void)state;
    check_ops(&residual, SK_NN_INFER, "conv act, conv, conv + act, global pool, linear");
    check_ops(&odd, SK_NN_INFER,
              "conv, activation, conv act, convert, max pool, conv + act, convert, linear");
}

/* What lies below the lowest trained layer has no backward, nor has a gradient anybody to go to. */
static void test_needs(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&residual);
    static const char *const frozen[] = { "a.weight", "n.weight", "n.bias", "c.weight" };
    static const bool has_backward[] = { false, false, true, false, true, true, true, true };

    (void)state;
    for (size_t i = 0; i < COUNT(frozen); i++)
        sk_nn_find(n, frozen[i])->frozen = true;
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    assert_int_equal(p->op_count, COUNT(has_backward));
    for (size_t i = 0; i < p->op_count; i++)
        assert_int_equal(p->ops[i].has_backward, has_backward[i]);
    assert_int_equal(p->ops[2].d[0], -1); /* below b nothing is trained */
    assert_true(p->ops[1].is_still && !p->ops[4].is_still);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_training),
        cmocka_unit_test(test_inference),
        cmocka_unit_test(test_needs),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
