/* test_schedule.c - learning rates at chosen times. */
#include "train/train_priv.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void rates_over_time(void **state)
{
    static const struct {
        const char *name;
        enum sk_schedule schedule;
        double warmup, at, want;
    } rows[] = {
        { "constant, start", SK_SCHED_CONSTANT, 0, 0, 1.0 },
        { "constant, end", SK_SCHED_CONSTANT, 0, 10, 1.0 },
        { "warm-up begins at 0", SK_SCHED_CONSTANT, 2, 0, 0.0 },
        { "half of the warm-up", SK_SCHED_CONSTANT, 2, 1, 0.5 },
        { "behind the warm-up", SK_SCHED_CONSTANT, 2, 2, 1.0 },
        { "cosine, start", SK_SCHED_COSINE, 0, 0, 1.0 },
        { "cosine, middle", SK_SCHED_COSINE, 0, 5, 0.5 },
        { "cosine, end", SK_SCHED_COSINE, 0, 10, 0.0 },
        { "cosine behind the end", SK_SCHED_COSINE, 0, 11, 0.0 },
        { "cosine after a warm-up", SK_SCHED_COSINE, 2, 6, 0.5 },
        { "cosine, warm-up longer than training", SK_SCHED_COSINE, 10, 10, 1.0 },
        { "step, before the first", SK_SCHED_STEP, 0, 2.99, 1.0 },
        { "step, after the first", SK_SCHED_STEP, 0, 3, 0.1 },
        { "step, after the third", SK_SCHED_STEP, 0, 9.5, 0.001 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_train_options o = { .lr = 1.0,
                                      .epochs = 10,
                                      .schedule = rows[i].schedule,
                                      .warmup_epochs = rows[i].warmup,
                                      .step_epochs = 3,
                                      .step_gamma = 0.1 };
        double lr = sk_schedule_lr(&o, rows[i].at);

        if (fabs(lr - rows[i].want) > 1e-9)
            fail_msg("%s: %g, expected %g", rows[i].name, lr, rows[i].want);
    }
}

static void names(void **state)
{
    (void)state;
    assert_string_equal(sk_optimizer_name(SK_OPTIM_SGD), "sgd");
    assert_string_equal(sk_optimizer_name(SK_OPTIM_ADAMW), "adamw");
    assert_string_equal(sk_schedule_name(SK_SCHED_CONSTANT), "constant");
    assert_string_equal(sk_schedule_name(SK_SCHED_STEP), "step");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rates_over_time),
        cmocka_unit_test(names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
