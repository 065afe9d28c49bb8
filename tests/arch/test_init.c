/* test_init.c - first weights: torchvision's distributions, and what they depend on. */
#include "arch_test.h"

#include <stdlib.h>

/* Deviation and largest value of every matrix against those that torchvision drew. With thousands
 * of elements deviations agree within their statistical error, 1 / sqrt(2 n) each. The largest
 * value tells a uniform distribution (1.7 deviations) from a normal one (more than 3). */
static void spread_is_torchvisions(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 1000, 224, 1);
        SK_OWN(fclose) FILE *f = golden_open("tensors.txt");
        struct golden_tensor t;

        while (golden_next(f, (*a)->name, &t)) {
            const struct sk_nn_param *p = sk_nn_find(n, t.name);
            double sum = 0, squares = 0, most = 0, want, want_most, mean, deviation, error;

            if (t.deviation[0] == '-')
                continue;
            for (size_t i = 0; i < p->count; i++) {
                sum += (double)p->value[i];
                squares += (double)p->value[i] * (double)p->value[i];
                most = fmax(most, fabs((double)p->value[i]));
            }
            want = strtod(t.deviation, NULL);
            want_most = strtod(t.most, NULL);
            mean = sum / (double)p->count;
            deviation = sqrt(squares / (double)p->count - mean * mean);
            error = 1 / sqrt((double)p->count);
            if (fabs(deviation / want - 1) > 5 * error || fabs(mean / want) > 5 * error)
                fail_msg("%s %s: mean %g, deviation %g, torchvision's is %g", (*a)->name, p->name,
                         mean, deviation, want);
            if (fabs(most / want_most - 1) > 0.45)
                fail_msg("%s %s: largest %g, torchvision's is %g", (*a)->name, p->name, most,
                         want_most);
        }
    }
}

/* Biases: 0, but for the linear layers of the residual networks. */
static void biases(void **state)
{
    (void)state;
    for (const struct sk_arch *const *a = sk_archs(); *a; a++) {
        SK_OWN(sk_nn_free) struct sk_nn *n = new_network((*a)->name, 1000, 32, 1);
        bool is_resnet = strncmp((*a)->name, "resnet", 6) == 0;

        for (size_t i = 0; i < sk_nn_param_count(n); i++) {
            const struct sk_nn_param *p = sk_nn_param(n, i);
            double most = 0;

            for (size_t k = 0; k < p->count; k++)
                most = fmax(most, fabs((double)p->value[k]));
            if (p->role == SK_NN_BN_WEIGHT || p->role == SK_NN_BN_VAR)
                assert_true(most == 1);
            else if (p->role == SK_NN_BIAS && is_resnet)
                assert_true(most > 0.01 && most <= 1 / sqrt(512)); /* 1 / sqrt(inputs) */
            else if (p->role != SK_NN_WEIGHT)
                assert_true(most == 0);
        }
    }
}

/* The same seed gives the same bits, another seed others; a head of another size leaves the rest.
 */
static void what_they_depend_on(void **state)
{
    SK_OWN(sk_nn_free) struct sk_nn *a = new_network("mobilenet_v2", 2, 64, 5);
    SK_OWN(sk_nn_free) struct sk_nn *same = new_network("mobilenet_v2", 2, 96, 5);
    SK_OWN(sk_nn_free) struct sk_nn *other = new_network("mobilenet_v2", 2, 64, 6);
    SK_OWN(sk_nn_free) struct sk_nn *wide = new_network("mobilenet_v2", 7, 64, 5);

    (void)state;
    for (size_t i = 0; i < sk_nn_param_count(a); i++) {
        const struct sk_nn_param *p = sk_nn_param(a, i);
        size_t bytes = p->count * sizeof *p->value;

        assert_memory_equal(p->value, sk_nn_param(same, i)->value, bytes);
        if (p->role == SK_NN_WEIGHT)
            assert_memory_not_equal(p->value, sk_nn_param(other, i)->value, bytes);
        if (!sk_starts_with(p->name, "classifier"))
            assert_memory_equal(p->value, sk_nn_param(wide, i)->value, bytes);
    }
    /* Tensors of one shape are not copies of each other. */
    assert_memory_not_equal(sk_nn_find(a, "features.5.conv.0.0.weight")->value,
                            sk_nn_find(a, "features.6.conv.0.0.weight")->value, 192 * 32 * 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spread_is_torchvisions),
        cmocka_unit_test(biases),
        cmocka_unit_test(what_they_depend_on),
    };

    return cmocka_run_group_tests_name("init", tests, NULL, NULL);
}
