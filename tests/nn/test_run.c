/* test_run.c - whole networks: repeatable, inference as training's evaluation, what goes wrong. */
#include "nn/reference.h"

#include <math.h>

static const struct net_case net = NET(
    "net", 4, 3, 20, 20, CONV("a", 0, 24, 5, .stride = 2, .padding = 2), NORM("n", 1),
    LAYER(SK_NN_RELU, 2), LAYER(SK_NN_MAX_POOL, 3, .kernel = 3, .stride = 2, .padding = 1),
    CONV("b", 4, 24, 3, .padding = 1, .groups = 24), NORM("m", 5), LAYER(SK_NN_HARD_SWISH, 6),
    LAYER(SK_NN_GLOBAL_POOL, 7), CONV("s", 8, 8, 1, .bias = true), LAYER(SK_NN_RELU, 9),
    CONV("e", 10, 24, 1, .bias = true), LAYER(SK_NN_HARD_SIGMOID, 11), PAIR(SK_NN_MUL, 7, 12),
    CONV("p", 13, 24, 1), NORM("o", 14), LAYER(SK_NN_DROPOUT, 15, .rate = 0.3f, .per_sample = true),
    PAIR(SK_NN_ADD, 16, 4), CONV("q", 17, 40, 3), NORM("r", 18), LAYER(SK_NN_SILU, 19),
    LAYER(SK_NN_GLOBAL_POOL, 20), LAYER(SK_NN_FLATTEN, 21), LAYER(SK_NN_DROPOUT, 22, .rate = 0.2f),
    LINEAR("fc", 23, 3));

static void test_whole(void **state)
{
    (void)state;
    for (size_t k = 0; k < COUNT(net_layouts); k++) {
        check_step(&net, net_layouts[k]);
        check_inference(&net, net_layouts[k]);
    }
}

/* With the same threads every run gives the same bits; so do other plans and later steps. */
static void test_repeats(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 4, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, 4);
    SK_AUTO(free_cleanup) float *first = calloc(n->value_count, sizeof(*first));
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result, before = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_non_null(first);
    for (int precision = SK_NN_F32; precision <= SK_NN_BF16; precision++) {
        for (int round = 0; round < 10 && (sk_nn_has_bf16() || precision == SK_NN_F32); round++) {
            SK_OWN(sk_nn_plan_free)
            struct sk_nn_plan *p = net_plan(n, 4, SK_NN_TRAIN, (enum sk_nn_precision)precision,
                                            SK_DN_ANY);

            for (int step = 0; step < 3; step++) {
                assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 7, &result, &err), 0);
                if (round + step == 0) {
                    memcpy(first, n->grads, n->value_count * sizeof(*first));
                    before = result;
                }
                assert_memory_equal(first, n->grads, n->value_count * sizeof(*first));
                assert_true(before.loss == result.loss);
            }
        }
    }
}

/* Dropout: another seed, other gradients. */
static void test_seed(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 4, SK_NN_TRAIN, SK_NN_F32, SK_DN_ANY);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 4, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, 4);
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result a, b;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 1, &a, &err), 0);
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 2, &b, &err), 0);
    assert_true(a.loss != b.loss);
}

/* The loss is reported, gradients and so the parameters stay as they were. */
static void test_not_finite(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 4, SK_NN_TRAIN, SK_NN_F32, SK_DN_ANY);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 4, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, 4);
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    sk_nn_grads(n, &(size_t){ 0 })[0] = 5;
    pictures[100] = NAN;
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 1, &result, &err), 0);
    assert_false(isfinite(result.loss));
    assert_true(n->grads[0] == 5);
}

static int refuse(void *ctx, double *values, size_t count, struct sk_err *err)
{
    int *calls = ctx;

    (void)values;
    (void)count;
    return (*calls)-- > 0 ? 0 : sk_fail(err, SK_IO, "the others are gone");
}

static void test_failures(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *infer = net_plan(n, 4, SK_NN_INFER, SK_NN_F32, SK_DN_ANY);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 4, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, 4);
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_step(infer, pictures, labels, &loss, 1, &result, &err), -1);
    assert_int_equal(err.code, SK_BUG);
    for (int calls = 0; calls < 12; calls++) { /* four batch norms, 2 sums forward, 1 back */
        int left = calls;
        struct sk_nn_reduce reduce = { refuse, &left };
        struct sk_nn_plan_options opts = { .batch = 4, .mode = SK_NN_TRAIN, .reduce = &reduce };
        SK_OWN(sk_nn_plan_free) struct sk_nn_plan *p = NULL;

        assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), 0);
        assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 1, &result, &err), -1);
        assert_int_equal(err.code, SK_IO);
    }
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 4, SK_NN_TRAIN, SK_NN_F32, SK_DN_ANY);
    labels[3] = 3;
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 1, &result, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_seed),     cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_failures),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
