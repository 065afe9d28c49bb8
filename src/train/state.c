/*
 * state.c - what training knows beside the network: moments, averages, counters, history. Exactly
 * what a checkpoint keeps.
 */
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int make(bool wanted, size_t count, float **out, struct sk_err *err)
{
    if (!wanted)
        return 0;
    *out = calloc(count ? count : 1, sizeof(**out));
    return *out ? 0 : sk_nomem(err);
}

int sk_train_state_init(struct sk_train_state *s, struct sk_nn *n, const struct sk_train_options *o,
                        struct sk_err *err)
{
    bool has_average = o->ema > 0;
    bool has_best = o->patience > 0;

    (void)sk_nn_values(n, &s->count);
    (void)sk_nn_buffers(n, &s->buffer_count);
    s->best_loss = NAN;
    s->history = calloc(o->epochs, sizeof(*s->history));
    if (!s->history)
        return sk_nomem(err);
    if (make(true, s->count, &s->m, err) < 0 ||
        make(o->optimizer != SK_OPTIM_SGD, s->count, &s->v, err) < 0 ||
        make(has_average, s->count, &s->ema, err) < 0 ||
        make(has_average, s->buffer_count, &s->ema_buffers, err) < 0 ||
        make(has_best, s->count, &s->best, err) < 0 ||
        make(has_best, s->buffer_count, &s->best_buffers, err) < 0)
        return -1;
    return 0;
}

void sk_train_state_start(struct sk_train_state *s, struct sk_nn *n)
{
    if (!s->ema)
        return;
    memcpy(s->ema, sk_nn_values(n, &s->count), s->count * sizeof(float));
    memcpy(s->ema_buffers, sk_nn_buffers(n, &s->buffer_count), s->buffer_count * sizeof(float));
}

void sk_train_state_done(struct sk_train_state *s)
{
    float *const arrays[] = { s->m, s->v, s->ema, s->ema_buffers, s->best, s->best_buffers };

    for (size_t i = 0; i < sizeof(arrays) / sizeof(arrays[0]); i++)
        free(arrays[i]);
    free(s->history);
    *s = (struct sk_train_state){ 0 };
}

static void swap(float *a, float *b, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float kept = a[i];

        a[i] = b[i];
        b[i] = kept;
    }
}

static void exchange(struct sk_train *t, float *values, float *buffers)
{
    size_t count = 0, buffer_count = 0;
    float *own = sk_nn_values(t->nn, &count);
    float *own_buffers = sk_nn_buffers(t->nn, &buffer_count);

    if (!values)
        return;
    swap(own, values, count);
    swap(own_buffers, buffers, buffer_count);
    sk_nn_touch(t->nn);
}

void sk_train_swap_average(struct sk_train *t)
{
    exchange(t, t->state.ema, t->state.ema_buffers);
}

void sk_train_swap_best(struct sk_train *t)
{
    if (!isnan(t->state.best_loss))
        exchange(t, t->state.best, t->state.best_buffers);
}

void sk_train_swap_final(struct sk_train *t)
{
    if (t->state.best && !isnan(t->state.best_loss))
        sk_train_swap_best(t);
    else
        sk_train_swap_average(t);
}
