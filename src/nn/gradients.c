/*
 * gradients.c - decides where the gradient of every value lies.
 *
 * Operations are visited in the order of backward. Each finds the gradient of its output, which its
 * readers have left, and leaves those of its inputs: where a reader has left one already, it adds
 * to it. Memory is saved by taking what is no longer needed: a pointwise operation turns the
 * gradient of its output into that of its input on the spot, batch norm writes over its input, and
 * the branch of a residual addition is given the gradient as it is. A convolution cannot add; its
 * result is the second part of a gradient, which batch norm adds as it reads, and which is added at
 * once for anybody else.
 */
#include "nn/nn_priv.h"

/* Per value: the buffers its readers left, -1: none. */
struct left {
    int first, second;
};

struct placer {
    struct sk_nn_plan *p;
    struct left *left;
};

static int new_like(struct placer *s, int value, struct sk_err *err)
{
    return sk_nn_buffer(s->p, sk_nn_value_bytes(s->p, &s->p->values[value]), err);
}

static bool needs(const struct placer *s, const struct sk_nn_op *op, int k)
{
    return op->in[k] >= 0 && s->p->values[op->in[k]].needs_grad;
}

/* Input k gets its gradient in `buffer`, or in a new one for -1; or added to what is there. */
static int leave(struct placer *s, struct sk_nn_op *op, int k, int buffer, struct sk_err *err)
{
    struct left *to = &s->left[op->in[k]];

    if (to->first >= 0 && !op->kind->cannot_add) {
        op->d[k] = to->first;
        op->add[k] = true;
        return 0;
    }
    if (buffer < 0)
        buffer = new_like(s, op->in[k], err);
    if (buffer < 0)
        return -1;
    op->d[k] = buffer;
    if (to->first < 0) {
        to->first = buffer;
    } else {
        const struct sk_nn_op *maker = &s->p->ops[s->p->values[op->in[k]].maker];

        if (maker->kind->takes_two && to->second < 0)
            to->second = buffer;
        else
            op->sum[k] = to->first;
    }
    return 0;
}

/* Batch norm: into the input's memory; the residual branch takes over the gradient itself. */
static int leave_norm(struct placer *s, struct sk_nn_op *op, struct sk_err *err)
{
    const struct sk_nn_value *x = &s->p->values[op->in[0]];
    bool is_mine = x->buffer >= 0 && x->readers == 1 && !sk_nn_reads_output(&s->p->ops[x->maker]);

    if (needs(s, op, 0) && leave(s, op, 0, is_mine ? x->buffer : -1, err) < 0)
        return -1;
    return needs(s, op, 1) ? leave(s, op, 1, op->g, err) : 0;
}

static int leave_pointwise(struct placer *s, struct sk_nn_op *op, struct sk_err *err)
{
    if (needs(s, op, 0) && leave(s, op, 0, op->g, err) < 0)
        return -1;
    return needs(s, op, 1) ? leave(s, op, 1, -1, err) : 0;
}

/* The product with one factor per channel is summed first (input 1), then the gradient may be
 * turned into that of x on the spot. */
static int leave_other(struct placer *s, struct sk_nn_op *op, struct sk_err *err)
{
    bool is_scaled = op->kind == &sk_nn_op_mul && !sk_nn_same_shape(s->p, op->in[0], op->in[1]);

    if (needs(s, op, 1) && leave(s, op, 1, -1, err) < 0)
        return -1;
    return needs(s, op, 0) ? leave(s, op, 0, is_scaled ? op->g : -1, err) : 0;
}

static int visit(struct placer *s, struct sk_nn_op *op, struct sk_err *err)
{
    struct left *mine = &s->left[op->out];
    int step = sk_nn_step_of(s->p, op, true);
    int status;

    if (mine->first < 0)
        return sk_fail(err, SK_BUG, "operation %d has no gradient", (int)(op - s->p->ops));
    s->p->now = step;
    op->g = mine->first;
    op->g2 = mine->second;
    if (op->kind == &sk_nn_op_norm)
        status = leave_norm(s, op, err);
    else if (op->kind->is_pointwise && op->kind != &sk_nn_op_mul)
        status = leave_pointwise(s, op, err);
    else
        status = leave_other(s, op, err);
    sk_nn_keep(s->p, op->g, step);
    sk_nn_keep(s->p, op->g2, step);
    sk_nn_keep(s->p, op->d[0], step);
    sk_nn_keep(s->p, op->d[1], step);
    sk_nn_keep(s->p, op->sum[0], step);
    sk_nn_keep(s->p, op->sum[1], step);
    return status;
}

static void placer_done(struct placer *s)
{
    free(s->left);
}

int sk_nn_place_gradients(struct sk_nn_plan *p, struct sk_err *err)
{
    SK_AUTO(placer_done) struct placer s = { .p = p };

    p->scores_grad = -1;
    s.left = calloc(p->value_count, sizeof(*s.left));
    if (!s.left)
        return sk_nomem(err);
    for (size_t i = 0; i < p->value_count; i++)
        s.left[i] = (struct left){ -1, -1 };
    if (!p->values[p->scores].needs_grad)
        return 0; /* everything is frozen */
    p->now = (int)p->op_count;
    p->scores_grad = new_like(&s, p->scores, err);
    if (p->scores_grad < 0)
        return -1;
    s.left[p->scores].first = p->scores_grad;
    for (size_t i = p->op_count; i-- > 0;)
        if (p->ops[i].has_backward && visit(&s, &p->ops[i], err) < 0)
            return -1;
    return 0;
}
