/*
 * schedule.c - the learning rate over time: a warm-up that rises linearly from 0, then constant,
 * cosine down to 0, or steps. Time is counted in epochs with fractions, so nothing depends on the
 * number of batches.
 */
#include "train/train_priv.h"

#include <math.h>

static const char *const optimizers[] = { "sgd", "adam", "adamw" };
static const char *const schedules[] = { "constant", "cosine", "step" };

const char *sk_optimizer_name(enum sk_optimizer o)
{
    return optimizers[o];
}

const char *sk_schedule_name(enum sk_schedule s)
{
    return schedules[s];
}

double sk_schedule_lr(const struct sk_train_options *o, double at)
{
    const double pi = 3.14159265358979323846;
    double rest = (double)o->epochs - o->warmup_epochs;

    if (at < o->warmup_epochs)
        return o->lr * at / o->warmup_epochs;
    switch (o->schedule) {
    case SK_SCHED_COSINE:
        return rest > 0 ? o->lr * 0.5 * (1.0 + cos(pi * fmin(1.0, (at - o->warmup_epochs) / rest)))
                        : o->lr;
    case SK_SCHED_STEP:
        return o->lr * pow(o->step_gamma, floor(at / (double)o->step_epochs));
    default:
        return o->lr;
    }
}
