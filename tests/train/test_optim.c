/* test_optim.c - the optimisers against torch.optim, clipping and averages against their formulas.
 */
#include "optim_golden.h"
#include "train/train_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

enum {
    STEPS = 5,
    COUNT = 4
};

static void steps_equal_torch(void **state)
{
    (void)state;
    for (size_t g = 0; g < sizeof(goldens) / sizeof(goldens[0]); g++) {
        const struct golden *row = &goldens[g];
        struct sk_optim o = { .kind = row->kind,
                              .weight_decay = row->weight_decay,
                              .lr = row->lr,
                              .momentum = row->momentum,
                              .beta1 = 0.9,
                              .beta2 = 0.999,
                              .eps = 1e-8 };
        float values[COUNT], m[COUNT] = { 0 }, v[COUNT] = { 0 };

        memcpy(values, start, sizeof(values));
        for (size_t step = 0; step < STEPS; step++) {
            o.step = step + 1;
            sk_optim_step(&o, values, gradients[step], m, v, COUNT);
            for (size_t i = 0; i < COUNT; i++) {
                double want = (double)row->values[step][i];
                double off = fabs((double)values[i] - want);

                if (off > 3e-7 * fmax(1.0, fabs(want)))
                    fail_msg("%s, step %zu, parameter %zu: %.9g, torch has %.9g", row->name,
                             step + 1, i, (double)values[i], want);
            }
        }
    }
}

/* Runs of parameters are steps of their own: the result must not depend on how they are cut. */
static void runs_can_be_cut(void **state)
{
    enum {
        MANY = 1000
    };

    static float whole[MANY], parts[MANY], g[MANY], m1[MANY], m2[MANY], v1[MANY], v2[MANY];
    struct sk_optim o = {
        .kind = SK_OPTIM_ADAM, .lr = 0.01, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 1
    };

    (void)state;
    for (size_t i = 0; i < MANY; i++) {
        whole[i] = parts[i] = (float)i / 7.0F;
        g[i] = sinf((float)i);
    }
    sk_optim_step(&o, whole, g, m1, v1, MANY);
    for (size_t at = 0; at < MANY; at += 37) {
        size_t n = MANY - at < 37 ? MANY - at : 37;

        sk_optim_step(&o, parts + at, g + at, m2 + at, v2 + at, n);
    }
    assert_memory_equal(whole, parts, sizeof(whole));
    assert_memory_equal(m1, m2, sizeof(m1));
    assert_memory_equal(v1, v2, sizeof(v1));
}

static void long_gradients_are_clipped(void **state)
{
    float g[] = { 3.0F, 4.0F };

    (void)state;
    assert_true(fabs(sk_optim_clip(g, 2, 10) - 5.0) < 1e-6);
    assert_true(g[0] == 3.0F && g[1] == 4.0F);
    assert_true(fabs(sk_optim_clip(g, 2, 1) - 5.0) < 1e-6);
    assert_true(fabsf(g[0] - 0.6F) < 1e-6F && fabsf(g[1] - 0.8F) < 1e-6F);
}

static void averages_follow(void **state)
{
    float average[] = { 0.0F, 1.0F };
    const float values[] = { 1.0F, 1.0F };

    (void)state;
    sk_optim_average(average, values, 2, 0.9);
    assert_true(fabsf(average[0] - 0.1F) < 1e-7F && average[1] == 1.0F);
    sk_optim_average(average, values, 2, 0.9);
    assert_true(fabsf(average[0] - 0.19F) < 1e-7F);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_torch),
        cmocka_unit_test(runs_can_be_cut),
        cmocka_unit_test(long_gradients_are_clipped),
        cmocka_unit_test(averages_follow),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
