/* test_gradients.c - gradients lie where memory is free already; every way of adding them up. */
#include "nn/reference.h"

static const struct net_case residual = NET(
    "residual", 2, 3, 8, 8, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1), LAYER(SK_NN_RELU, 2),
    CONV("b", 3, 16, 3, .padding = 1), NORM("m", 4), PAIR(SK_NN_ADD, 5, 3), LAYER(SK_NN_RELU, 6),
    HEAD(7, 8));

static struct sk_nn_op *find_op(struct sk_nn_plan *p, const char *name)
{
    for (size_t i = 0; i < p->op_count; i++)
        if (p->ops[i].layer >= 0 && p->net->layers[p->ops[i].layer].name &&
            strcmp(p->net->layers[p->ops[i].layer].name, name) == 0)
            return &p->ops[i];
    fail_msg("no operation %s", name);
    return NULL;
}

static void test_places(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&residual);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    struct sk_nn_op *m = find_op(p, "m"), *b = find_op(p, "b"), *first = find_op(p, "n");
    struct sk_nn_op *a = find_op(p, "a");

    (void)state;
    assert_int_equal(m->d[0], p->values[m->in[0]].buffer); /* over the input of batch norm */
    assert_int_equal(m->d[1], m->g);                       /* the branch: the gradient itself */
    assert_int_equal(b->g, m->d[0]);
    assert_int_equal(first->g, m->d[1]);  /* two parts: of the branch, */
    assert_int_equal(first->g2, b->d[0]); /* and of the convolution */
    assert_int_equal(a->g, first->d[0]);
    assert_int_equal(a->d[0], -1); /* pictures have none */
}

/* Without batch norm above, the second part is added at once. */
static void test_sum(void **state)
{
    const struct net_case net = NET("sum", 2, 3, 8, 8, CONV("a", 0, 16, 3, .padding = 1),
                                    LAYER(SK_NN_SILU, 1), CONV("b", 2, 16, 3, .padding = 1),
                                    CONV("c", 2, 16, 1), PAIR(SK_NN_ADD, 3, 4), HEAD(5, 6));
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    struct sk_nn_op *b = find_op(p, "b"), *c = find_op(p, "c");

    (void)state;
    assert_int_equal(c->sum[0], -1);
    assert_int_equal(b->sum[0], c->d[0]);
    assert_true(b->d[0] != c->d[0]);
}

/* An activation below reads its output again, so batch norm must not write over it. */
static void test_not_over_what_is_needed(void **state)
{
    const struct net_case net = NET("relu below", 2, 3, 8, 8, CONV("a", 0, 16, 3),
                                    LAYER(SK_NN_RELU, 1), NORM("n", 2), CONV("b", 3, 16, 3),
                                    HEAD(4, 5));
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    struct sk_nn_op *norm = find_op(p, "n");

    (void)state;
    assert_true(norm->d[0] >= 0 && norm->d[0] != p->values[norm->in[0]].buffer);
}

static void test_all_frozen(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&residual);

    (void)state;
    for (size_t i = 0; i < sk_nn_param_count(n); i++)
        sk_nn_param(n, i)->frozen = true;
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    assert_int_equal(p->scores_grad, -1);
    check_step_of("all frozen", n, 2, SK_DN_ANY);
}

/* Blocks in a row need the activations once, and not a gradient for each. */
static void test_memory(void **state)
{
    const struct net_case net = NET(
        "row", 8, 3, 32, 32, CONV("a", 0, 64, 3, .padding = 1), NORM("na", 1), LAYER(SK_NN_RELU, 2),
        CONV("b", 3, 64, 3, .padding = 1), NORM("nb", 4), LAYER(SK_NN_RELU, 5),
        CONV("c", 6, 64, 3, .padding = 1), NORM("nc", 7), LAYER(SK_NN_RELU, 8),
        CONV("d", 9, 64, 3, .padding = 1), NORM("nd", 10), LAYER(SK_NN_RELU, 11),
        CONV("e", 12, 64, 3, .padding = 1), NORM("ne", 13), LAYER(SK_NN_RELU, 14), HEAD(15, 16));
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 8, SK_NN_TRAIN, SK_NN_F32, SK_DN_C16);
    size_t map = (size_t)8 * 64 * 32 * 32 * sizeof(float);

    (void)state;
    assert_true(sk_nn_plan_bytes(p) >= 9 * map); /* 5 convolutions, 4 inputs of convolutions */
    assert_true(sk_nn_plan_bytes(p) < 12 * map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_sum),
        cmocka_unit_test(test_not_over_what_is_needed),
        cmocka_unit_test(test_all_frozen),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
