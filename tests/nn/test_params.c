/* test_params.c - names, shapes and places of parameters, and folded batch norm. */
#include "nn/reference.h"

#include <math.h>

static const struct net_case net = NET(
    "net", 2, 3, 8, 8, CONV("layer1.0.conv1", 0, 6, 3, .groups = 3, .bias = true),
    NORM("layer1.0.bn1", 1), LAYER(SK_NN_RELU, 2), CONV("b", 3, 4, 1), NORM("c", 4),
    CONV("d", 3, 4, 1), PAIR(SK_NN_ADD, 5, 6), HEAD(7, 8));

static void test_list(void **state)
{
    static const struct {
        const char *name;
        enum sk_nn_role role;
        int layer;
        unsigned rank;
        int64_t dims[4];
        size_t offset;
    } rows[] = {
        { "layer1.0.conv1.weight", SK_NN_WEIGHT, 1, 4, { 6, 1, 3, 3 }, 0 },
        { "layer1.0.conv1.bias", SK_NN_BIAS, 1, 1, { 6 }, 54 },
        { "layer1.0.bn1.weight", SK_NN_BN_WEIGHT, 2, 1, { 6 }, 60 },
        { "layer1.0.bn1.bias", SK_NN_BN_BIAS, 2, 1, { 6 }, 66 },
        { "layer1.0.bn1.running_mean", SK_NN_BN_MEAN, 2, 1, { 6 }, 0 },
        { "layer1.0.bn1.running_var", SK_NN_BN_VAR, 2, 1, { 6 }, 6 },
        { "b.weight", SK_NN_WEIGHT, 4, 4, { 4, 6, 1, 1 }, 72 },
        { "c.weight", SK_NN_BN_WEIGHT, 5, 1, { 4 }, 96 },
        { "c.bias", SK_NN_BN_BIAS, 5, 1, { 4 }, 100 },
        { "c.running_mean", SK_NN_BN_MEAN, 5, 1, { 4 }, 12 },
        { "c.running_var", SK_NN_BN_VAR, 5, 1, { 4 }, 16 },
        { "d.weight", SK_NN_WEIGHT, 6, 4, { 4, 6, 1, 1 }, 104 },
        { "fc.weight", SK_NN_WEIGHT, 10, 2, { 3, 4 }, 128 },
        { "fc.bias", SK_NN_BIAS, 10, 1, { 3 }, 140 },
    };
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    size_t values, buffers, grads;

    (void)state;
    assert_int_equal(sk_nn_param_count(n), COUNT(rows));
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);
        size_t count = 1;

        assert_string_equal(p->name, rows[i].name);
        assert_ptr_equal(sk_nn_find(n, rows[i].name), p);
        assert_ptr_equal(sk_nn_param_of(n, p->layer, p->role), p);
        assert_true(p->role == rows[i].role && p->layer == rows[i].layer &&
                    p->rank == rows[i].rank && p->offset == rows[i].offset && !p->frozen);
        for (unsigned k = 0; k < p->rank; k++) {
            assert_int_equal(p->dims[k], rows[i].dims[k]);
            count *= (size_t)p->dims[k];
        }
        assert_int_equal(p->count, count);
        assert_ptr_equal(p->value, (p->role < SK_NN_BN_MEAN ? sk_nn_values(n, &values)
                                                            : sk_nn_buffers(n, &buffers)) +
                                       p->offset);
    }
    assert_int_equal(values, 143);
    assert_int_equal(buffers, 20);
    assert_null(sk_nn_find(n, "layer1.0.conv1"));
    assert_null(sk_nn_grads(n, &grads));
    assert_int_equal((uintptr_t)sk_nn_values(n, &values) % 64, 0);
}

static void test_first_values(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_nn_new(2, 1, 1, &n, &err), 0);
    (void)sk_nn_add(n, &(struct sk_nn_layer)NORM("n", 0));
    assert_int_equal(sk_nn_finish(n, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_true(sk_nn_find(n, "n.weight")->value[i] == 1);
        assert_true(sk_nn_find(n, "n.bias")->value[i] == 0);
        assert_true(sk_nn_find(n, "n.running_mean")->value[i] == 0);
        assert_true(sk_nn_find(n, "n.running_var")->value[i] == 1);
    }
}

static void test_fold(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = net_build(&net);
    const float *w = sk_nn_find(n, "layer1.0.conv1.weight")->value;
    const float *b = sk_nn_find(n, "layer1.0.conv1.bias")->value;
    const float *gamma = sk_nn_find(n, "layer1.0.bn1.weight")->value;
    const float *beta = sk_nn_find(n, "layer1.0.bn1.bias")->value;
    const float *mean = sk_nn_find(n, "layer1.0.bn1.running_mean")->value;
    const float *var = sk_nn_find(n, "layer1.0.bn1.running_var")->value;
    float weight[54], bias[6];

    (void)state;
    assert_int_equal(sk_nn_batch_norm_of(n, 1), 2);
    assert_int_equal(sk_nn_batch_norm_of(n, 4), 5);
    assert_int_equal(sk_nn_batch_norm_of(n, 6), -1); /* an addition reads it */
    assert_int_equal(sk_nn_batch_norm_of(n, 3), -1); /* no convolution */
    sk_nn_fold(n, 1, weight, bias);
    for (size_t i = 0; i < 54; i++) {
        double scale = (double)gamma[i / 9] / sqrt((double)var[i / 9] + 1e-5);

        assert_true(fabs((double)weight[i] - (double)w[i] * scale) < 1e-6);
        assert_true(fabs((double)bias[i / 9] - (double)beta[i / 9] -
                         ((double)b[i / 9] - (double)mean[i / 9]) * scale) < 1e-6);
    }
    sk_nn_fold(n, 6, weight, bias); /* none: as they are */
    assert_memory_equal(weight, sk_nn_find(n, "d.weight")->value, 24 * sizeof(float));
    assert_true(bias[0] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_first_values),
        cmocka_unit_test(test_fold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
