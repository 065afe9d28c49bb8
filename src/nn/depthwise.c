/*
 * depthwise.c - gradient of the weights of a depthwise convolution, where every channel has a
 * window of its own.
 *
 * oneDNN 2.6 and 3.2 do it in plain loops for windows of 5 x 5 in f32, hundreds of times slower
 * than memory allows; ours is faster for 3 x 3 and for bf16 too. Images are summed one by one and
 * then joined in their order, so the sum does not depend on threads.
 */
#include "nn/nn_priv.h"

struct work {
    const struct sk_nn_plan *p;
    const struct sk_nn_value *in, *out;
    struct sk_pool_unit whole;
    size_t taps;
    float *sums; /* [N][C / block][taps][block] */
};

bool sk_nn_is_depthwise(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct sk_nn_layer *l = &p->net->layers[op->layer];
    unsigned inputs = p->values[op->in[0]].c;

    return op->in[0] != 0 && !l->bias && l->groups == inputs && l->channels == inputs;
}

size_t sk_nn_depthwise_bytes(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct sk_nn_value *v = &p->values[op->in[0]];
    size_t kernel = p->net->layers[op->layer].kernel;

    return p->batch * sk_nn_blocks(v) * v->block * kernel * kernel * sizeof(float);
}

static void sum_planes(void *ctx, size_t begin, size_t end)
{
    const struct work *w = ctx;
    size_t size = sk_nn_type_size(w->in->type);

    for (size_t i = begin; i < end; i++) {
        struct sk_pool_unit u = w->whole;

        u.x = (const char *)u.x + i * sk_nn_plane(w->in) * size;
        u.g = (const char *)u.g + i * sk_nn_plane(w->out) * size;
        w->p->loops->of[w->in->type].depthwise_weights(&u, w->sums + i * w->taps * u.block);
    }
}

/* weights: [C][taps]. */
static void join_images(const struct work *w, float *weights)
{
    size_t blocks = sk_nn_blocks(w->in), block = w->in->block;

    for (size_t c = 0; c < w->in->c; c++) {
        for (size_t t = 0; t < w->taps; t++) {
            double sum = 0;

            for (size_t n = 0; n < w->p->batch; n++)
                sum += (double)
                           w->sums[((n * blocks + c / block) * w->taps + t) * block + c % block];
            weights[c * w->taps + t] = (float)sum;
        }
    }
}

void sk_nn_depthwise_weights(const struct sk_nn_plan *p, const struct sk_nn_op *op, float *sums,
                             float *weights)
{
    const struct sk_nn_layer *l = &p->net->layers[op->layer];
    const struct sk_nn_value *in = &p->values[op->in[0]], *out = &p->values[op->out];
    struct work w = { .p = p,
                      .in = in,
                      .out = out,
                      .taps = (size_t)l->kernel * l->kernel,
                      .sums = sums,
                      .whole = { .block = in->block,
                                 .ih = in->h,
                                 .iw = in->w,
                                 .oh = out->h,
                                 .ow = out->w,
                                 .kernel = l->kernel,
                                 .stride = l->stride,
                                 .padding = l->padding,
                                 .dilation = l->dilation,
                                 .x = sk_nn_data(p, op->in[0]),
                                 .g = sk_nn_at(p, op->g) } };

    sk_nn_parallel(p, sum_planes, &w, p->batch * sk_nn_blocks(in));
    join_images(&w, weights);
}
