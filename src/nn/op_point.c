/*
 * op_point.c - activations, addition, multiplication, dropout: element by element.
 *
 * Elements are taken as they lie, channels that fill up a block included; those stay zero, because
 * every activation but two maps 0 to 0, and for these two they are zeroed again.
 */
#include "nn/nn_priv.h"

#include "base/mix64.h"

enum {
    PART = 4096 /* elements that a thread takes at once */
};

struct work {
    const struct sk_nn_plan *p;
    const struct sk_nn_op *op;
    const struct sk_loops_of_type *loops;
    size_t size, count; /* of an element; elements */
    const char *a, *b;
    char *y;
    bool add;
};

static struct work work_on(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct sk_nn_value *v = &p->values[op->out];

    return (struct work){ .p = p,
                          .op = op,
                          .loops = &p->loops->of[v->type],
                          .size = sk_nn_type_size(v->type),
                          .count = sk_nn_elements(p, v),
                          .a = sk_nn_data(p, op->in[0]),
                          .b = op->in[1] >= 0 ? sk_nn_data(p, op->in[1]) : NULL,
                          .y = sk_nn_at(p, v->buffer) };
}

struct slice {
    const char *a, *b;
    char *y;
    size_t count;
};

/* Elements [begin * PART, end * PART) of the work. */
static struct slice slice_of(const struct work *w, size_t begin, size_t end)
{
    size_t from = begin * PART, to = end * PART < w->count ? end * PART : w->count;

    return (struct slice){ .a = w->a + from * w->size,
                           .b = w->b ? w->b + from * w->size : NULL,
                           .y = w->y + from * w->size,
                           .count = to - from };
}

static void run(struct work *w, sk_nn_part *part)
{
    sk_nn_parallel(w->p, part, w, (w->count + PART - 1) / PART);
}

/* ---- activations ---- */

static void act_part(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    struct slice s = slice_of(w, begin, end);

    w->loops->act(s.a, s.y, s.count, w->op->act);
}

/* Zeroes the channels that fill up the last block. */
static void zero_rest(const struct work *w)
{
    const struct sk_nn_value *v = &w->p->values[w->op->out];
    size_t used = v->c % v->block, plane = sk_nn_plane(v), blocks = sk_nn_blocks(v);

    if (used == 0)
        return;
    for (size_t n = 0; n < w->p->batch; n++) {
        char *last = w->y + ((n + 1) * blocks - 1) * plane * w->size;

        for (size_t i = 0; i < plane; i += v->block)
            memset(last + (i + used) * w->size, 0, (v->block - used) * w->size);
    }
}

static int act_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    run(&w, act_part);
    if (op->act == SK_ACT_SIGMOID || op->act == SK_ACT_HARD_SIGMOID)
        zero_rest(&w);
    return 0;
}

static void act_back_part(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    struct slice s = slice_of(w, begin, end);

    w->loops->act_back(s.a, sk_act_from_output(w->op->act), s.b, s.y, s.count, w->op->act, w->add);
}

static int act_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    if (sk_act_from_output(op->act))
        w.a = w.y;
    w.b = sk_nn_at(p, op->g);
    w.y = sk_nn_at(p, op->d[0]);
    w.add = op->add[0];
    run(&w, act_back_part);
    return 0;
}

/* ---- addition ---- */

static void add_part(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    struct slice s = slice_of(w, begin, end);

    w->loops->add(s.a, s.b, s.y, s.count);
}

static int add_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    run(&w, add_part);
    return 0;
}

/* Both inputs get the gradient: the first usually has it already, the second a copy. */
static int add_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    w.a = sk_nn_at(p, op->g);
    for (int k = 0; k < 2; k++) {
        w.y = sk_nn_at(p, op->d[k]);
        w.b = w.y;
        if (op->d[k] >= 0 && op->add[k])
            run(&w, add_part);
        else if (op->d[k] >= 0 && w.y != w.a)
            memcpy(w.y, w.a, w.count * w.size);
    }
    return 0;
}

/* ---- multiplication ---- */

static void mul_part(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    struct slice s = slice_of(w, begin, end);

    w->loops->mul(s.a, s.b, s.y, s.count, w->add);
}

/* Planes [begin, end), with one factor per channel each. */
static void mul_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->in[0]];
    size_t plane = sk_nn_plane(v) * w->size, block = v->block * w->size;

    for (size_t i = begin; i < end; i++)
        w->loops->mul_rows(w->a + i * plane, w->b + i * block, w->y + i * plane,
                           (size_t)v->h * v->w, v->block, w->add);
}

static void dot_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->in[0]];
    size_t plane = sk_nn_plane(v) * w->size, block = v->block * w->size;

    for (size_t i = begin; i < end; i++)
        w->loops->dot_rows(w->a + i * plane, w->b + i * plane, w->y + i * block,
                           (size_t)v->h * v->w, v->block, w->add);
}

static size_t planes_of(const struct work *w)
{
    return w->p->batch * sk_nn_blocks(&w->p->values[w->op->in[0]]);
}

static int mul_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    if (sk_nn_same_shape(p, op->in[0], op->in[1]))
        run(&w, mul_part);
    else
        sk_nn_parallel(p, mul_planes, &w, planes_of(&w));
    return 0;
}

static int mul_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    bool is_same = sk_nn_same_shape(p, op->in[0], op->in[1]);
    struct work w = work_on(p, op);
    const char *inputs[] = { w.a, w.b };

    (void)err;
    w.a = sk_nn_at(p, op->g);
    for (int k = 1; k >= 0; k--) { /* the sums first, d[0] may lie over g */
        if (op->d[k] < 0)
            continue;
        w.b = inputs[1 - k];
        w.y = sk_nn_at(p, op->d[k]);
        w.add = op->add[k];
        if (is_same)
            run(&w, mul_part);
        else
            sk_nn_parallel(p, k == 1 ? dot_planes : mul_planes, &w, planes_of(&w));
    }
    return 0;
}

/* ---- dropout ---- */

/* SplitMix64: each element's number depends on nothing but seed, layer and place, so the mask is
 * the same with any number of threads and any layout, and backward makes it again. */
static uint64_t mix(uint64_t x)
{
    return sk_mix64(x + SK_MIX64_STEP);
}

float sk_nn_mask(uint64_t seed, int layer, uint64_t element, float rate)
{
    uint64_t bits = mix(mix(seed ^ mix((uint64_t)layer)) + element);
    double uniform = (double)(bits >> 11) * 0x1p-53;

    if (uniform < (double)rate)
        return 0;
    return (float)(1 / (1 - (double)rate));
}

/* Rows of channels [begin, end); each element is multiplied by its own mask, or its sample's. */
static void dropout_rows(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->out];
    const struct sk_nn_layer *l = &w->p->net->layers[w->op->layer];
    size_t plane = (size_t)v->h * v->w, blocks = sk_nn_blocks(v), block = v->block;

    for (size_t row = begin; row < end; row++) {
        size_t sample = row / plane / blocks, first = row / plane % blocks * block;
        size_t place = row % plane;

        for (size_t k = 0; k < block; k++) {
            size_t at = (row * block + k) * w->size;
            uint64_t global = w->p->first_sample + sample;
            uint64_t element = l->per_sample ? global : (global * v->c + first + k) * plane + place;

            w->loops->scale(w->a + at, sk_nn_mask(w->p->seed, w->op->layer, element, l->rate),
                            w->y + at, 1, w->add);
        }
    }
}

static void scale_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    const struct sk_nn_value *v = &w->p->values[w->op->out];
    size_t count = sk_nn_plane(v), blocks = sk_nn_blocks(v);

    for (size_t i = begin; i < end; i++) {
        size_t at = i * count * w->size;
        float mask = sk_nn_mask(w->p->seed, w->op->layer, w->p->first_sample + i / blocks,
                                w->p->net->layers[w->op->layer].rate);

        w->loops->scale(w->a + at, mask, w->y + at, count, w->add);
    }
}

static void drop(struct work *w)
{
    const struct sk_nn_value *v = &w->p->values[w->op->out];
    size_t planes = w->p->batch * sk_nn_blocks(v);

    if (w->p->net->layers[w->op->layer].per_sample)
        sk_nn_parallel(w->p, scale_planes, w, planes);
    else
        sk_nn_parallel(w->p, dropout_rows, w, planes * v->h * v->w);
}

static int dropout_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    if (p->is_training)
        drop(&w);
    else if (w.y != w.a)
        memcpy(w.y, w.a, w.count * w.size);
    return 0;
}

static int dropout_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct work w = work_on(p, op);

    (void)err;
    w.a = sk_nn_at(p, op->g);
    w.y = sk_nn_at(p, op->d[0]);
    w.add = op->add[0];
    drop(&w);
    return 0;
}

const struct sk_nn_op_kind sk_nn_op_act = {
    .name = "activation", .forward = act_forward, .backward = act_backward, .is_pointwise = true
};

const struct sk_nn_op_kind sk_nn_op_add = {
    .name = "add", .forward = add_forward, .backward = add_backward, .is_pointwise = true
};

const struct sk_nn_op_kind sk_nn_op_mul = { .name = "mul",
                                            .forward = mul_forward,
                                            .backward = mul_backward,
                                            .is_pointwise = true,
                                            .is_product = true };

const struct sk_nn_op_kind sk_nn_op_dropout = { .name = "dropout",
                                                .forward = dropout_forward,
                                                .backward = dropout_backward,
                                                .is_pointwise = true };
