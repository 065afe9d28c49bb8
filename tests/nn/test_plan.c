/* test_plan.c - options of plans, what they take over, allocations. */
#include "nn/reference.h"

#include "harness/alloc_fail.h"

static const struct net_case net = NET(
    "net", 2, 3, 9, 9, CONV("a", 0, 16, 3, .padding = 1), NORM("n", 1), LAYER(SK_NN_RELU6, 2),
    LAYER(SK_NN_MAX_POOL, 3, .kernel = 3, .stride = 2, .padding = 1),
    CONV("b", 4, 16, 3, .padding = 1), NORM("m", 5), PAIR(SK_NN_ADD, 6, 4), LAYER(SK_NN_RELU, 7),
    LAYER(SK_NN_DROPOUT, 8, .rate = 0.2f), LAYER(SK_NN_GLOBAL_POOL, 9), LAYER(SK_NN_FLATTEN, 10),
    LINEAR("fc", 11, 3));

static void test_options(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_OWN(sk_nn_free) struct sk_nn *unfinished = NULL;
    struct sk_nn_plan_options opts = { .batch = 0 };
    struct sk_nn_plan *p = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t count;

    (void)state;
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), -1);
    assert_string_equal(err.text, "a batch of 0 cannot be");
    opts.batch = 65537;
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), -1);
    assert_int_equal(sk_nn_new(3, 4, 4, &unfinished, &err), 0);
    opts.batch = 1;
    assert_int_equal(sk_nn_plan_new(unfinished, &opts, &p, &err), -1);
    assert_int_equal(err.code, SK_BUG);
    assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), 0);
    assert_null(sk_nn_grads(n, &count)); /* inference needs none */
    assert_true(sk_nn_plan_bytes(p) > 0);
    sk_nn_plan_free(p);
    sk_nn_plan_free(NULL);
    opts.precision = SK_NN_BF16;
    if (!sk_nn_has_bf16()) {
        assert_int_equal(sk_nn_plan_new(n, &opts, &p, &err), -1);
        assert_int_equal(err.code, SK_UNSUPPORTED);
    }
}

/* Weights written from outside are used from the next run on. */
static void test_touch(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 2, 1);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (int mode = SK_NN_INFER; mode <= SK_NN_TRAIN; mode++) {
        SK_OWN(sk_nn_plan_free)
        struct sk_nn_plan *p = net_plan(n, 2, (enum sk_nn_mode)mode, SK_NN_F32, SK_DN_ANY);
        SK_OWN(sk_nn_plan_free) struct sk_nn_plan *fresh = NULL;
        float before[6], buffers[64];
        const float *scores;

        net_randomise(n, 1);
        memcpy(buffers, n->buffers, n->buffer_count * sizeof(float));
        assert_int_equal(sk_nn_forward(p, pictures, &scores, &err), 0);
        memcpy(before, scores, sizeof(before));
        net_randomise(n, 9);
        assert_int_equal(sk_nn_forward(p, pictures, &scores, &err), 0);
        assert_memory_not_equal(before, scores, sizeof(before));
        memcpy(before, scores, sizeof(before));
        net_randomise(n, 9);
        fresh = net_plan(n, 2, (enum sk_nn_mode)mode, SK_NN_F32, SK_DN_ANY);
        assert_int_equal(sk_nn_forward(fresh, pictures, &scores, &err), 0);
        assert_memory_equal(before, scores, sizeof(before));
    }
}

/* Plans of several batch sizes on one network, as for the last batch of an epoch. */
static void test_several_plans(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 8, 1);
    float first[3];

    (void)state;
    for (unsigned batch = 1; batch <= 8; batch++) {
        SK_OWN(sk_nn_plan_free)
        struct sk_nn_plan *p = net_plan(n, batch, SK_NN_INFER, SK_NN_F32, SK_DN_ANY);
        const float *scores;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_nn_forward(p, pictures, &scores, &err), 0);
        if (batch == 1)
            memcpy(first, scores, sizeof(first));
        for (int i = 0; i < 3; i++)
            assert_float_equal(first[i], scores[i], 1e-5f);
    }
}

static void test_describe(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    SK_AUTO(free_cleanup) float *pictures = net_pictures(n, 2, 1);
    SK_AUTO(free_cleanup) uint32_t *labels = net_labels(n, 2);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 20);
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    (void)setenv("SKERRY_NN_PROFILE", "1", 1);
    SK_OWN(sk_nn_plan_free)
    struct sk_nn_plan *p = net_plan(n, 2, SK_NN_TRAIN, SK_NN_F32, SK_DN_ANY);
    (void)unsetenv("SKERRY_NN_PROFILE");
    assert_int_equal(sk_nn_step(p, pictures, labels, &loss, 1, &result, &err), 0);
    sk_nn_plan_describe(p, &text);
    assert_true(sk_buf_ok(&text));
    assert_non_null(strstr(text.data, "forward  conv         a "));
    assert_non_null(strstr(text.data, "backward norm         m "));
    assert_non_null(strstr(text.data, " ms\n"));
}

static int plan_and_step(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *p = NULL;
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *q = NULL;
    struct sk_nn_plan_options opts = { .batch = 2, .mode = SK_NN_TRAIN };
    static const float pictures[2 * 3 * 9 * 9];
    static const uint32_t labels[2];
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result result;
    const float *scores;

    if (sk_nn_plan_new(ctx, &opts, &p, err) < 0 ||
        sk_nn_step(p, pictures, labels, &loss, 1, &result, err) < 0)
        return -1;
    opts.mode = SK_NN_INFER;
    if (sk_nn_plan_new(ctx, &opts, &q, err) < 0)
        return -1;
    return sk_nn_forward(q, pictures, &scores, err);
}

static void test_allocations(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);

    (void)state;
    (void)sk_alloc_sweep("plans and a step", plan_and_step, n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_options),       cmocka_unit_test(test_touch),
        cmocka_unit_test(test_several_plans), cmocka_unit_test(test_describe),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, net_start, NULL);
}
