/*
 * op_pool.c - max, average and global pooling, plane by plane.
 */
#include "nn/nn_priv.h"

struct work {
    const struct sk_nn_plan *p;
    const struct sk_nn_op *op;
    void (*run)(const struct sk_pool_unit *u);
    struct sk_pool_unit whole;
};

struct pool {
    int index; /* buffer of the places of maxima, -1: not needed */
};

static int prepare(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct pool *s = calloc(1, sizeof(*s));

    if (!s)
        return sk_nomem(err);
    op->state = s;
    s->index = -1;
    if (op->kind != &sk_nn_op_max_pool || !op->has_backward)
        return 0;
    s->index = sk_nn_buffer(p, sk_nn_elements(p, &p->values[op->out]), err);
    sk_nn_keep(p, s->index, sk_nn_step_of(p, op, true));
    return s->index < 0 ? -1 : 0;
}

static void release(struct sk_nn_op *op)
{
    free(op->state);
}

static void run_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *in = &w->p->values[w->op->in[0]], *out = &w->p->values[w->op->out];
    size_t size = sk_nn_type_size(in->type), in_plane = sk_nn_plane(in) * size;
    size_t out_plane = sk_nn_plane(out);

    for (size_t i = begin; i < end; i++) {
        struct sk_pool_unit u = w->whole;

        u.x = u.x ? (const char *)u.x + i * in_plane : NULL;
        u.d = u.d ? (char *)u.d + i * in_plane : NULL;
        u.y = u.y ? (char *)u.y + i * out_plane * size : NULL;
        u.g = u.g ? (const char *)u.g + i * out_plane * size : NULL;
        u.index = u.index ? u.index + i * out_plane : NULL;
        w->run(&u);
    }
}

static int run(struct sk_nn_plan *p, struct sk_nn_op *op, bool is_backward)
{
    const struct sk_nn_layer *l = &p->net->layers[op->layer];
    const struct sk_nn_value *in = &p->values[op->in[0]], *out = &p->values[op->out];
    const struct sk_loops_of_type *loops = &p->loops->of[in->type];
    const struct pool *s = op->state;
    bool is_max = op->kind == &sk_nn_op_max_pool;
    struct work w = { .p = p, .op = op };

    if (is_backward)
        w.run = is_max ? loops->max_pool_back : loops->avg_pool_back;
    else
        w.run = is_max ? loops->max_pool : loops->avg_pool;
    w.whole = (struct sk_pool_unit){
        .block = in->block,
        .ih = in->h,
        .iw = in->w,
        .oh = out->h,
        .ow = out->w,
        .kernel = l->kernel,
        .stride = l->stride,
        .padding = l->padding,
        .dilation = l->dilation,
        .x = is_backward ? NULL : sk_nn_data(p, op->in[0]),
        .y = is_backward ? NULL : sk_nn_at(p, out->buffer),
        .index = sk_nn_at(p, s->index),
        .g = is_backward ? sk_nn_at(p, op->g) : NULL,
        .d = is_backward ? sk_nn_at(p, op->d[0]) : NULL,
        .add = op->add[0],
    };
    sk_nn_parallel(p, run_planes, &w, p->batch * sk_nn_blocks(in));
    return 0;
}

static int forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    (void)err;
    return run(p, op, false);
}

static int backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    (void)err;
    return run(p, op, true);
}

/* ---- global ---- */

static void mean_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->in[0]];
    size_t size = sk_nn_type_size(v->type), plane = sk_nn_plane(v) * size, block = v->block * size;

    for (size_t i = begin; i < end; i++)
        w->p->loops->of[v->type].mean_rows((const char *)w->whole.x + i * plane,
                                           (char *)w->whole.y + i * block, (size_t)v->h * v->w,
                                           v->block);
}

static void spread_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->in[0]];
    size_t size = sk_nn_type_size(v->type), plane = sk_nn_plane(v) * size, block = v->block * size;

    for (size_t i = begin; i < end; i++)
        w->p->loops->of[v->type].spread_rows((const char *)w->whole.g + i * block,
                                             (char *)w->whole.d + i * plane, (size_t)v->h * v->w,
                                             v->block, w->whole.add);
}

static int global_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = { .p = p, .op = op };

    (void)err;
    w.whole.x = sk_nn_data(p, op->in[0]);
    w.whole.y = sk_nn_at(p, p->values[op->out].buffer);
    sk_nn_parallel(p, mean_planes, &w, p->batch * sk_nn_blocks(&p->values[op->in[0]]));
    return 0;
}

static int global_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = { .p = p, .op = op };

    (void)err;
    w.whole.g = sk_nn_at(p, op->g);
    w.whole.d = sk_nn_at(p, op->d[0]);
    w.whole.add = op->add[0];
    sk_nn_parallel(p, spread_planes, &w, p->batch * sk_nn_blocks(&p->values[op->in[0]]));
    return 0;
}

const struct sk_nn_op_kind sk_nn_op_max_pool = { .name = "max pool",
                                                 .prepare = prepare,
                                                 .forward = forward,
                                                 .backward = backward,
                                                 .free = release };

const struct sk_nn_op_kind sk_nn_op_avg_pool = { .name = "average pool",
                                                 .prepare = prepare,
                                                 .forward = forward,
                                                 .backward = backward,
                                                 .free = release };

const struct sk_nn_op_kind sk_nn_op_global_pool = { .name = "global pool",
                                                    .forward = global_forward,
                                                    .backward = global_backward };
