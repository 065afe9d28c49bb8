/*
 * optim.c - SGD with momentum, Adam, AdamW; clipping; moving averages.
 *
 * One pass over memory per step: for Adam seven arrays' worth of traffic instead of the dozen of
 * separate operations. The arithmetic is that of torch.optim (single tensor, f32):
 *
 *     Adam    g += weight_decay * p
 *     AdamW   p *= 1 - lr * weight_decay
 *     both    m += (1 - beta1) * (g - m)
 *             v  = beta2 * v + (1 - beta2) * g * g
 *             p -= lr / (1 - beta1^t) * m / (sqrt(v) / sqrt(1 - beta2^t) + eps)
 *     SGD     g += weight_decay * p;  m = momentum * m + g (first step: m = g);  p -= lr * m
 *
 * Epsilon stands outside the root. Kingma and Ba 2015; Loshchilov and Hutter 2019.
 */
#include "train/train_priv.h"

#include <math.h>

static void adam(const struct sk_optim *o, float *restrict p, const float *restrict grads,
                 float *restrict m, float *restrict v, size_t count)
{
    const bool decoupled = o->kind == SK_OPTIM_ADAMW;
    const double t = (double)o->step;
    const float keep = decoupled ? (float)(1.0 - o->lr * o->weight_decay) : 1.0F;
    const float decay = decoupled ? 0.0F : (float)o->weight_decay;
    const float take1 = (float)(1.0 - o->beta1);
    const float beta2 = (float)o->beta2;
    const float take2 = (float)(1.0 - o->beta2);
    const float step = (float)(o->lr / (1.0 - pow(o->beta1, t)));
    const float root = (float)sqrt(1.0 - pow(o->beta2, t));
    const float eps = (float)o->eps;

    for (size_t i = 0; i < count; i++) {
        float value = p[i] * keep;
        float g = grads[i] + decay * value;

        m[i] += take1 * (g - m[i]);
        v[i] = beta2 * v[i] + take2 * g * g;
        p[i] = value - step * (m[i] / (sqrtf(v[i]) / root + eps));
    }
}

static void sgd(const struct sk_optim *o, float *restrict p, const float *restrict grads,
                float *restrict m, size_t count)
{
    const float lr = (float)o->lr;
    const float decay = (float)o->weight_decay;
    const float momentum = o->step > 1 ? (float)o->momentum : 0.0F;

    for (size_t i = 0; i < count; i++) {
        float g = grads[i] + decay * p[i];

        m[i] = momentum * m[i] + g;
        p[i] -= lr * m[i];
    }
}

void sk_optim_step(const struct sk_optim *o, float *values, const float *grads, float *m, float *v,
                   size_t count)
{
    if (o->kind == SK_OPTIM_SGD)
        sgd(o, values, grads, m, count);
    else
        adam(o, values, grads, m, v, count);
}

double sk_optim_clip(float *grads, size_t count, double max_norm)
{
    double sum = 0;

    for (size_t i = 0; i < count; i++)
        sum += (double)grads[i] * (double)grads[i];

    double norm = sqrt(sum);
    double scale = max_norm / (norm + 1e-6);

    if (!(scale < 1.0))
        return norm;
    for (size_t i = 0; i < count; i++)
        grads[i] *= (float)scale;
    return norm;
}

void sk_optim_average(float *average, const float *values, size_t count, double decay)
{
    const float take = (float)(1.0 - decay);

    for (size_t i = 0; i < count; i++)
        average[i] += take * (values[i] - average[i]);
}
