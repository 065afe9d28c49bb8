/*
 * op_linear.c - fully connected layers, and conversions between layouts.
 *
 * A linear layer works on plain f32 rows: Y = X W' + b, dX = dY W, dW = dY' X, db = sum of dY's
 * rows. The conversion copies element by element between any two layouts and types; in networks for
 * pictures it sees the pictures and what global pooling leaves of them, or less.
 */
#include "nn/nn_priv.h"

static size_t outputs_of(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    return p->values[op->out].c;
}

static int forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    size_t outputs = outputs_of(p, op);
    float *y = sk_nn_at(p, p->values[op->out].buffer);
    struct sk_dn_gemm g = { .m = p->batch,
                            .n = outputs,
                            .k = p->values[op->in[0]].c,
                            .a = sk_nn_data(p, op->in[0]),
                            .b = sk_nn_param_of(p->net, op->layer, SK_NN_WEIGHT)->value,
                            .b_transposed = true,
                            .beta = 0,
                            .c = y };

    if (p->net->layers[op->layer].bias) {
        const float *bias = sk_nn_param_of(p->net, op->layer, SK_NN_BIAS)->value;

        for (size_t n = 0; n < p->batch; n++)
            memcpy(y + n * outputs, bias, outputs * sizeof(*y));
        g.beta = 1;
    }
    return sk_dn_sgemm(&g, err);
}

static void sum_bias(const struct sk_nn_plan *p, const struct sk_nn_op *op, const float *dy)
{
    const struct sk_nn_param *bias = sk_nn_param_of(p->net, op->layer, SK_NN_BIAS);
    size_t outputs = outputs_of(p, op);

    for (size_t o = 0; o < outputs && !bias->frozen; o++) {
        double sum = 0;

        for (size_t n = 0; n < p->batch; n++)
            sum += (double)dy[n * outputs + o];
        p->net->grads[bias->offset + o] = (float)sum;
    }
}

static int backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    const struct sk_nn_param *weight = sk_nn_param_of(p->net, op->layer, SK_NN_WEIGHT);
    size_t outputs = outputs_of(p, op), inputs = p->values[op->in[0]].c;
    const float *dy = sk_nn_at(p, op->g);
    struct sk_dn_gemm by_weight = { .m = outputs,
                                    .n = inputs,
                                    .k = p->batch,
                                    .a = dy,
                                    .a_transposed = true,
                                    .b = sk_nn_data(p, op->in[0]),
                                    .c = p->net->grads + weight->offset };
    struct sk_dn_gemm by_data = { .m = p->batch,
                                  .n = inputs,
                                  .k = outputs,
                                  .a = dy,
                                  .b = weight->value,
                                  .beta = op->add[0] ? 1 : 0,
                                  .c = sk_nn_at(p, op->d[0]) };

    if (p->net->layers[op->layer].bias)
        sum_bias(p, op, dy);
    if (!weight->frozen && sk_dn_sgemm(&by_weight, err) < 0)
        return -1;
    return op->d[0] >= 0 ? sk_dn_sgemm(&by_data, err) : 0;
}

/* ---- conversion ---- */

struct side {
    const struct sk_nn_value *v;
    char *data;
};

struct copy {
    struct side from, to;
    size_t channels, plane; /* the finer of both shapes: [C][H * W] */
    bool add;
};

/* Place of an element in NCHW order, whether or not this side is flattened. */
static size_t place_of(const struct sk_nn_value *v, size_t sample, size_t channel, size_t at,
                       size_t plane)
{
    size_t own = (size_t)v->h * v->w, c = own == plane ? channel : channel * plane + at;
    size_t s = own == plane ? at : 0;

    return ((sample * sk_nn_blocks(v) + c / v->block) * own + s) * v->block + c % v->block;
}

static float read_at(const struct side *s, size_t place)
{
    return s->v->type == SK_DN_BF16 ? sk_bf16_to_float(((const uint16_t *)s->data)[place])
                                    : ((const float *)s->data)[place];
}

static void write_at(const struct side *s, size_t place, float value)
{
    if (s->v->type == SK_DN_BF16)
        ((uint16_t *)s->data)[place] = sk_float_to_bf16(value);
    else
        ((float *)s->data)[place] = value;
}

static void copy_samples(void *ctx, size_t begin, size_t end)
{
    const struct copy *c = ctx;

    for (size_t n = begin; n < end; n++) {
        for (size_t k = 0; k < c->channels; k++) {
            for (size_t i = 0; i < c->plane; i++) {
                size_t from = place_of(c->from.v, n, k, i, c->plane);
                size_t to = place_of(c->to.v, n, k, i, c->plane);
                float value = read_at(&c->from, from);

                write_at(&c->to, to, c->add ? read_at(&c->to, to) + value : value);
            }
        }
    }
}

static void convert(const struct sk_nn_plan *p, struct copy *c)
{
    const struct sk_nn_value *a = c->from.v, *b = c->to.v;
    bool from_is_finer = a->h * a->w > b->h * b->w;

    c->channels = from_is_finer ? a->c : b->c;
    c->plane = from_is_finer ? (size_t)a->h * a->w : (size_t)b->h * b->w;
    if (!c->add && b->c % b->block != 0)
        memset(c->to.data, 0, sk_nn_value_bytes(p, b));
    sk_nn_parallel(p, copy_samples, c, p->batch);
}

static int convert_forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    const struct sk_nn_value *in = &p->values[op->in[0]], *out = &p->values[op->out];
    struct copy c = { .from = { in, (char *)(uintptr_t)sk_nn_data(p, op->in[0]) },
                      .to = { out, sk_nn_at(p, out->buffer) } };

    (void)err;
    convert(p, &c);
    return 0;
}

static int convert_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct copy c = { .from = { &p->values[op->out], sk_nn_at(p, op->g) },
                      .to = { &p->values[op->in[0]], sk_nn_at(p, op->d[0]) },
                      .add = op->add[0] };

    (void)err;
    convert(p, &c);
    return 0;
}

const struct sk_nn_op_kind sk_nn_op_linear = {
    .name = "linear", .forward = forward, .backward = backward, .is_product = true
};

const struct sk_nn_op_kind sk_nn_op_convert = { .name = "convert",
                                                .forward = convert_forward,
                                                .backward = convert_backward };
