/*
 * run.c - runs a plan: forward, and the training step.
 */
#include "nn/nn_priv.h"

#include "base/clock.h"

#include <math.h>

static int run_op(struct sk_nn_plan *p, struct sk_nn_op *op, bool backward, struct sk_err *err)
{
    uint64_t begin = p->has_profile ? sk_now_ns() : 0;
    int status = backward ? op->kind->backward(p, op, err) : op->kind->forward(p, op, err);

    if (p->has_profile)
        op->ns[backward] = sk_now_ns() - begin;
    return status;
}

static int run_forward(struct sk_nn_plan *p, const float *pictures, uint64_t seed,
                       struct sk_err *err)
{
    p->pictures = pictures;
    p->seed = seed;
    sk_dn_set_threads(p->threads);
    for (size_t i = 0; i < p->op_count; i++)
        if (run_op(p, &p->ops[i], false, err) < 0)
            return -1;
    return 0;
}

int sk_nn_forward(struct sk_nn_plan *p, const float *pictures, const float **scores,
                  struct sk_err *err)
{
    if (run_forward(p, pictures, 0, err) < 0)
        return -1;
    *scores = sk_nn_data(p, p->scores);
    return 0;
}

struct addition {
    struct sk_nn_plan *p;
    enum sk_dn_type type;
    const char *from;
    char *to;
    size_t count;
};

enum {
    ADD_PART = 4096
};

static void add_part(void *ctx, size_t begin, size_t end)
{
    const struct addition *a = ctx;
    size_t size = sk_nn_type_size(a->type), last = end * ADD_PART;
    size_t count = (last < a->count ? last : a->count) - begin * ADD_PART;
    char *to = a->to + begin * ADD_PART * size;

    a->p->loops->of[a->type].add(to, a->from + begin * ADD_PART * size, to, count);
}

/* What a convolution could not add by itself. */
static void add_gradient(struct sk_nn_plan *p, const struct sk_nn_op *op, int k)
{
    const struct sk_nn_value *v = &p->values[op->in[k]];
    struct addition a = { p, v->type, sk_nn_at(p, op->d[k]), sk_nn_at(p, op->sum[k]),
                          sk_nn_elements(p, v) };

    sk_nn_parallel(p, add_part, &a, (a.count + ADD_PART - 1) / ADD_PART);
}

static int run_backward(struct sk_nn_plan *p, struct sk_err *err)
{
    for (size_t i = p->op_count; i-- > 0;) {
        struct sk_nn_op *op = &p->ops[i];

        if (!op->has_backward)
            continue;
        if (run_op(p, op, true, err) < 0)
            return -1;
        for (int k = 0; k < 2; k++)
            if (op->sum[k] >= 0)
                add_gradient(p, op, k);
    }
    return 0;
}

int sk_nn_step(struct sk_nn_plan *p, const float *pictures, const uint32_t *labels,
               const struct sk_nn_loss *loss, uint64_t seed, struct sk_nn_result *out,
               struct sk_err *err)
{
    struct sk_nn_result result = { 0 };
    unsigned classes = sk_nn_classes(p->net);

    if (!p->is_training)
        return sk_fail(err, SK_BUG, "a step needs a training plan");
    p->first_sample = loss->first_sample;
    if (run_forward(p, pictures, seed, err) < 0 ||
        sk_nn_cross_entropy(sk_nn_data(p, p->scores), labels, p->batch, classes, loss,
                            sk_nn_at(p, p->scores_grad), &result, err) < 0)
        return -1;
    if (isfinite(result.loss) && run_backward(p, err) < 0)
        return -1;
    *out = result;
    return 0;
}
