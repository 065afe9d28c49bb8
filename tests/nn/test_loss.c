/* test_loss.c - softmax with cross entropy: values worked out by hand, gradients by differences. */
#include "nn/reference.h"

#include <math.h>

static const float scores[] = { 1, 2, 3, 0, 0, 0, -5, 30, 2 };
static const uint32_t labels[] = { 2, 0, 1 };
static const float weights[] = { 1, 2, 0.5f };

/* As torch.nn.functional.cross_entropy gives. */
static void test_values(void **state)
{
    static const struct {
        const char *name;
        struct sk_nn_loss loss;
        double want;
        unsigned correct;
    } rows[] = {
        { "plain", { .denominator = 0 }, 0.5020727510377274, 3 },
        { "sum", { .denominator = 1 }, 1.5062182531131822, 3 },
        { "weights", { .class_weights = weights }, 0.3721186488261955, 3 },
        { "smoothing", { .label_smoothing = 0.1f }, 1.2354060843710606, 3 },
        { "smoothing, weights",
          { .label_smoothing = 0.1f, .class_weights = weights },
          0.8898759638092535,
          3 },
        { "smoothing alone", { .label_smoothing = 1 }, 7.835406084371059, 3 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_nn_result r;
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_nn_cross_entropy(scores, labels, 3, 3, &rows[i].loss, NULL, &r, &err),
                         0);
        if (fabs(r.loss - rows[i].want) > 1e-7 || r.correct != rows[i].correct)
            fail_msg("%s: loss %.12g, %u correct", rows[i].name, r.loss, r.correct);
    }
}

static void test_gradient(void **state)
{
    static const struct sk_nn_loss losses[] = {
        { 0 },
        { .label_smoothing = 0.2f },
        { .class_weights = weights },
        { .label_smoothing = 0.2f, .class_weights = weights, .denominator = 7 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(losses); i++) {
        float x[9], gradient[9];
        struct sk_nn_result r, up, down;
        struct sk_err err = SK_ERR_INIT;

        memcpy(x, scores, sizeof(x));
        assert_int_equal(sk_nn_cross_entropy(x, labels, 3, 3, &losses[i], gradient, &r, &err), 0);
        for (size_t k = 0; k < 9; k++) {
            x[k] = scores[k] + 0x1p-10f;
            assert_int_equal(sk_nn_cross_entropy(x, labels, 3, 3, &losses[i], NULL, &up, &err), 0);
            x[k] = scores[k] - 0x1p-10f;
            assert_int_equal(sk_nn_cross_entropy(x, labels, 3, 3, &losses[i], NULL, &down, &err),
                             0);
            x[k] = scores[k];
            assert_true(fabs((up.loss - down.loss) * 512 - (double)gradient[k]) < 1e-6);
        }
    }
}

static void test_extremes(void **state)
{
    static const float wide[] = { 1e30f, -1e30f }, none[] = { NAN, 1 },
                       infinite[] = { INFINITY, 1 };
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result r;
    struct sk_err err = SK_ERR_INIT;
    uint32_t label = 0;
    float gradient[2];

    (void)state;
    assert_int_equal(sk_nn_cross_entropy(wide, &label, 1, 2, &loss, gradient, &r, &err), 0);
    assert_true(r.loss == 0 && gradient[0] == 0 && gradient[1] == 0 && r.correct == 1);
    label = 1;
    assert_int_equal(sk_nn_cross_entropy(wide, &label, 1, 2, &loss, gradient, &r, &err), 0);
    assert_true(isfinite(r.loss) && r.loss > 1e30 && gradient[0] == 1 && gradient[1] == -1);
    assert_int_equal(sk_nn_cross_entropy(none, &label, 1, 2, &loss, NULL, &r, &err), 0);
    assert_false(isfinite(r.loss));
    assert_int_equal(sk_nn_cross_entropy(infinite, &label, 1, 2, &loss, NULL, &r, &err), 0);
    assert_false(isfinite(r.loss));
    label = 2;
    assert_int_equal(sk_nn_cross_entropy(wide, &label, 1, 2, &loss, NULL, &r, &err), -1);
    assert_string_equal(err.text, "label 2 of sample 0 is beyond 2 classes");
}

/* The lowest index among equals. */
static void test_ties(void **state)
{
    static const float equal[] = { 1, 1, 1 };
    struct sk_nn_loss loss = { 0 };
    struct sk_nn_result r;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (uint32_t label = 0; label < 3; label++) {
        assert_int_equal(sk_nn_cross_entropy(equal, &label, 1, 3, &loss, NULL, &r, &err), 0);
        assert_int_equal(r.correct, label == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_gradient),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_ties),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
