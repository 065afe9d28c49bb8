/*
 * op_norm.c - batch norm, with the residual addition and the activation behind it.
 *
 * Forward reads the input twice, for statistics and to normalise; backward reads input and gradient
 * twice, for two sums per channel and for the result, which lands in the input's memory. What the
 * activation hides is worked out again from the input, so the output is not needed, unless a
 * residual was added.
 *
 * Sums are kept per unit (see memory.c) and joined in the order of units, so they do not depend on
 * threads. Means and squared distances are joined as Chan, Golub and LeVeque do, which loses
 * nothing when the mean is large; over several processes in two rounds, the mean first.
 */
#include "nn/nn_priv.h"

#include <math.h>

struct norm {
    struct sk_nn_units units;
    size_t channels; /* with those that fill up the last block */
    double *parts;   /* per unit two rows of [block]: mean and squares, or sum and dot */
    double *sums;    /* [2][channels], and one more for the count */
    float *mean, *inverse, *scale, *shift, *g_mean, *g_dot; /* [channels] each */
    double count; /* values per channel, of all processes */
};

struct pass {
    struct sk_nn_plan *p;
    const struct sk_nn_op *op;
    struct sk_norm_unit data; /* pointers of the whole tensors and channels */
};

static int prepare(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    const struct sk_nn_value *x = &p->values[op->in[0]];
    struct norm *s = calloc(1, sizeof(*s));

    if (!s)
        return sk_nomem(err);
    op->state = s;
    if (!op->is_still && !p->has_reduce && (size_t)p->batch * x->h * x->w < 2)
        return sk_fail(err, SK_INVALID,
                       "batch norm needs more than one value per channel to train: batch 1 of a "
                       "1 x 1 map");
    s->units = sk_nn_units_of(p, x);
    s->channels = sk_nn_blocks(x) * x->block;
    s->parts = calloc(s->units.count * 2, x->block * sizeof(*s->parts));
    s->sums = calloc(2 * s->channels + 1, sizeof(*s->sums));
    s->mean = calloc(6 * s->channels, sizeof(*s->mean));
    if (!s->parts || !s->sums || !s->mean)
        return sk_nomem(err);
    s->inverse = s->mean + s->channels;
    s->scale = s->mean + 2 * s->channels;
    s->shift = s->mean + 3 * s->channels;
    s->g_mean = s->mean + 4 * s->channels;
    s->g_dot = s->mean + 5 * s->channels;
    return 0;
}

static void release(struct sk_nn_op *op)
{
    struct norm *s = op->state;

    if (!s)
        return;
    free(s->parts);
    free(s->sums);
    free(s->mean);
    free(s);
}

static const float *param(const struct sk_nn_plan *p, const struct sk_nn_op *op,
                          enum sk_nn_role role)
{
    return sk_nn_param_of(p->net, op->layer, role)->value;
}

/* ---- units ---- */

static void *shifted(const void *base, size_t elements, size_t size)
{
    return base ? (char *)(uintptr_t)base + elements * size : NULL;
}

/* The part of a pass that is unit i. */
static struct sk_norm_unit unit_of(const struct pass *w, size_t i, double **part)
{
    const struct norm *s = w->op->state;
    const struct sk_nn_value *x = &w->p->values[w->op->in[0]];
    struct sk_nn_unit at = sk_nn_unit(&s->units, x, i);
    size_t size = sk_nn_type_size(x->type);
    struct sk_norm_unit u = w->data;

    u.rows = at.rows;
    u.block = x->block;
    u.x = shifted(u.x, at.at, size);
    u.r = shifted(u.r, at.at, size);
    u.y = shifted(u.y, at.at, size);
    u.g = shifted(u.g, at.at, size);
    u.g2 = shifted(u.g2, at.at, size);
    u.dx = shifted(u.dx, at.at, size);
    u.mean = s->mean + at.channel;
    u.scale = s->scale + at.channel;
    u.shift = s->shift + at.channel;
    u.g_mean = s->g_mean + at.channel;
    u.g_dot = s->g_dot + at.channel;
    *part = s->parts + 2 * i * x->block;
    return u;
}

enum stage {
    STATS,
    NORM,
    SUMS,
    APPLY
};

static inline void run_units(void *ctx, size_t begin, size_t end, enum stage stage)
{
    const struct pass *w = ctx;
    const struct sk_nn_value *x = &w->p->values[w->op->in[0]];
    const struct sk_loops_of_type *loops = &w->p->loops->of[x->type];

    for (size_t i = begin; i < end; i++) {
        double *part;
        struct sk_norm_unit u = unit_of(w, i, &part);

        if (stage == STATS)
            loops->stats(u.x, u.rows, u.block, part, part + u.block);
        else if (stage == NORM)
            loops->norm(&u);
        else if (stage == SUMS)
            loops->norm_sums(&u, part, part + u.block);
        else
            loops->norm_apply(&u);
    }
}

static void run_stats(void *ctx, size_t begin, size_t end)
{
    run_units(ctx, begin, end, STATS);
}

static void run_norm(void *ctx, size_t begin, size_t end)
{
    run_units(ctx, begin, end, NORM);
}

static void run_sums(void *ctx, size_t begin, size_t end)
{
    run_units(ctx, begin, end, SUMS);
}

static void run_apply(void *ctx, size_t begin, size_t end)
{
    run_units(ctx, begin, end, APPLY);
}

static void run(struct pass *w, sk_nn_part *part)
{
    const struct norm *s = w->op->state;

    sk_nn_parallel(w->p, part, w, s->units.count);
}

/* ---- forward ---- */

/* sums[channel] += what join makes of each unit's part of it. */
static void join(const struct pass *w, double *sums,
                 double (*value)(const struct norm *s, const double *part, size_t block,
                                 size_t rows, size_t k, size_t channel))
{
    const struct norm *s = w->op->state;
    const struct sk_nn_value *x = &w->p->values[w->op->in[0]];

    memset(sums, 0, s->channels * sizeof(*sums));
    for (size_t i = 0; i < s->units.count; i++) {
        struct sk_nn_unit at = sk_nn_unit(&s->units, x, i);
        const double *part = s->parts + 2 * i * x->block;

        for (size_t k = 0; k < x->block; k++)
            sums[at.channel + k] += value(s, part, x->block, at.rows, k, at.channel + k);
    }
}

static double total_of(const struct norm *s, const double *part, size_t block, size_t rows,
                       size_t k, size_t channel)
{
    (void)s;
    (void)block;
    (void)channel;
    return part[k] * (double)rows;
}

/* Squared distances from the mean of all, which is in sums. */
static double squares_of(const struct norm *s, const double *part, size_t block, size_t rows,
                         size_t k, size_t channel)
{
    double off = part[k] - s->sums[channel];

    return part[block + k] + (double)rows * off * off;
}

static double first_of(const struct norm *s, const double *part, size_t block, size_t rows,
                       size_t k, size_t channel)
{
    (void)s;
    (void)block;
    (void)rows;
    (void)channel;
    return part[k];
}

static double second_of(const struct norm *s, const double *part, size_t block, size_t rows,
                        size_t k, size_t channel)
{
    (void)s;
    (void)rows;
    (void)channel;
    return part[block + k];
}

static int reduce(const struct sk_nn_plan *p, double *values, size_t count, struct sk_err *err)
{
    return p->has_reduce ? p->reduce.sum(p->reduce.ctx, values, count, err) : 0;
}

/* Means in sums[0..channels), squared distances behind. */
static int find_statistics(struct pass *w, struct sk_err *err)
{
    struct norm *s = w->op->state;
    const struct sk_nn_value *x = &w->p->values[w->op->in[0]];
    double *squares = s->sums + s->channels;

    run(w, run_stats);
    join(w, s->sums, total_of);
    s->sums[s->channels] = (double)w->p->batch * x->h * x->w;
    if (reduce(w->p, s->sums, s->channels + 1, err) < 0)
        return -1;
    s->count = s->sums[s->channels];
    for (size_t c = 0; c < s->channels; c++)
        s->sums[c] /= s->count;
    join(w, squares, squares_of);
    return reduce(w->p, squares, s->channels, err);
}

static void update_running(const struct pass *w)
{
    struct norm *s = w->op->state;
    const struct sk_nn_plan *p = w->p;
    double m = (double)p->net->layers[w->op->layer].momentum;
    float *mean = sk_nn_param_of(p->net, w->op->layer, SK_NN_BN_MEAN)->value;
    float *var = sk_nn_param_of(p->net, w->op->layer, SK_NN_BN_VAR)->value;

    for (size_t c = 0; c < p->values[w->op->in[0]].c; c++) {
        double unbiased = s->sums[s->channels + c] / (s->count - 1);

        mean[c] = (float)((1 - m) * (double)mean[c] + m * s->sums[c]);
        var[c] = (float)((1 - m) * (double)var[c] + m * unbiased);
    }
}

/* Channels that fill up a block keep scale and shift 0. */
static void find_scales(const struct pass *w)
{
    struct norm *s = w->op->state;
    const struct sk_nn_plan *p = w->p;
    const float *gamma = param(p, w->op, SK_NN_BN_WEIGHT), *beta = param(p, w->op, SK_NN_BN_BIAS);
    const float *running_mean = param(p, w->op, SK_NN_BN_MEAN);
    const float *running_var = param(p, w->op, SK_NN_BN_VAR);
    double eps = (double)p->net->layers[w->op->layer].eps;

    for (size_t c = 0; c < p->values[w->op->in[0]].c; c++) {
        double mean = w->op->is_still ? (double)running_mean[c] : s->sums[c];
        double var = w->op->is_still ? (double)running_var[c] : s->sums[s->channels + c] / s->count;
        double inverse = 1 / sqrt(var + eps);

        s->mean[c] = (float)mean;
        s->inverse[c] = (float)inverse;
        s->scale[c] = (float)(inverse * (double)gamma[c]);
        s->shift[c] = (float)((double)beta[c] - mean * inverse * (double)gamma[c]);
    }
}

static int forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct pass w = { .p = p,
                      .op = op,
                      .data = { .x = sk_nn_data(p, op->in[0]),
                                .r = op->in[1] >= 0 ? sk_nn_data(p, op->in[1]) : NULL,
                                .y = sk_nn_at(p, p->values[op->out].buffer),
                                .act = op->act } };

    if (!op->is_still) {
        if (find_statistics(&w, err) < 0)
            return -1;
        update_running(&w);
    }
    find_scales(&w);
    run(&w, run_norm);
    return 0;
}

/* ---- backward ---- */

static void store_gradients(const struct pass *w, const double *sum, const double *dot)
{
    struct norm *s = w->op->state;
    const struct sk_nn_plan *p = w->p;
    const struct sk_nn_param *gamma = sk_nn_param_of(p->net, w->op->layer, SK_NN_BN_WEIGHT);
    const struct sk_nn_param *beta = sk_nn_param_of(p->net, w->op->layer, SK_NN_BN_BIAS);

    for (size_t c = 0; c < gamma->count; c++) {
        if (!gamma->frozen)
            p->net->grads[gamma->offset + c] = (float)(dot[c] * (double)s->inverse[c]);
        if (!beta->frozen)
            p->net->grads[beta->offset + c] = (float)sum[c];
    }
}

/* In evaluation mode the statistics do not depend on the input. */
static int find_slopes(const struct pass *w, double *sum, struct sk_err *err)
{
    struct norm *s = w->op->state;

    if (w->op->is_still)
        return 0;
    if (reduce(w->p, sum, 2 * s->channels, err) < 0)
        return -1;
    for (size_t c = 0; c < s->channels; c++) {
        double inverse = (double)s->inverse[c];

        s->g_mean[c] = (float)(sum[c] / s->count);
        s->g_dot[c] = (float)(sum[s->channels + c] / s->count * inverse * inverse);
    }
    return 0;
}

static int backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct norm *s = op->state;
    bool has_residual = op->in[1] >= 0 && p->values[op->in[1]].needs_grad;
    bool is_costly = op->act == SK_ACT_SILU || op->act == SK_ACT_SIGMOID; /* not twice */
    double *sum = s->sums, *dot = s->sums + s->channels;
    struct pass w = { .p = p,
                      .op = op,
                      .data = { .x = sk_nn_data(p, op->in[0]),
                                .y = sk_nn_reads_output(op) ? sk_nn_at(p, p->values[op->out].buffer)
                                                            : NULL,
                                .g = sk_nn_at(p, op->g),
                                .g2 = sk_nn_at(p, op->g2),
                                .dx = sk_nn_at(p, op->d[0]),
                                .keep = has_residual || is_costly || op->g2 >= 0,
                                .act = op->act } };

    run(&w, run_sums);
    join(&w, sum, first_of);
    join(&w, dot, second_of);
    store_gradients(&w, sum, dot);
    if (op->d[0] < 0)
        return 0;
    if (find_slopes(&w, sum, err) < 0)
        return -1;
    w.data.g2 = NULL;
    run(&w, run_apply);
    return 0;
}

const struct sk_nn_op_kind sk_nn_op_norm = {
    .name = "norm",
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .free = release,
    .is_pointwise = true,
    .takes_two = true,
    .is_product = true,
    .cannot_add = true,
};
