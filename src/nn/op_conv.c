/*
 * op_conv.c - convolution by oneDNN.
 *
 * Weights are moved from the master copy into oneDNN's layout (and bf16) when they have changed;
 * backward by data may want another layout than forward. Gradients come back to plain f32. A
 * convolution that reads the pictures takes them in a layout of its own choice. In inference batch
 * norm is folded in, and the residual and the activation are done by the same kernel; the residual
 * then lies in the output already, or is copied there.
 */
#include "nn/nn_priv.h"

struct conv {
    struct sk_dn_conv *forward, *data, *weights;
    int forward_weights, data_weights, gradient; /* buffers in oneDNN's layouts, -1: plain */
    int picture;                                 /* moved pictures, -1: as they are */
    int scratch[3];                              /* of forward, data, weights */
    float *bias;                                 /* inference: with batch norm */
    float *bias_gradient;                        /* where nobody wants it */
    uint64_t version;
    bool is_loaded, has_bias, is_depthwise;
    char how_backward[96]; /* by weights, by data */
};

static struct sk_dn_conv_shape shape_of(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct sk_nn_layer *l = &p->net->layers[op->layer];
    const struct sk_nn_value *in = &p->values[op->in[0]], *out = &p->values[op->out];

    return (struct sk_dn_conv_shape){
        .n = p->batch,
        .ic = in->c,
        .ih = in->h,
        .iw = in->w,
        .oc = out->c,
        .oh = out->h,
        .ow = out->w,
        .kernel = l->kernel,
        .stride = l->stride,
        .padding = l->padding,
        .dilation = l->dilation,
        .groups = l->groups,
        .has_bias = l->bias || op->norm >= 0,
        .type = p->type,
        .src = op->in[0] == 0 ? SK_DN_ANY : p->layout,
        .dst = p->layout,
        .adds = op->in[1] >= 0,
        .act = op->act,
    };
}

/* A buffer, or -1 in *out for none. */
static int buffer(struct sk_nn_plan *p, size_t bytes, int last, int *out, struct sk_err *err)
{
    *out = -1;
    if (bytes == 0)
        return 0;
    *out = sk_nn_buffer(p, bytes, err);
    sk_nn_keep(p, *out, last);
    return *out < 0 ? -1 : 0;
}

/* Weights stay from run to run: nothing may lie in their place, not even before. */
static int lasting(struct sk_nn_plan *p, size_t bytes, int *out, struct sk_err *err)
{
    int now = p->now, status;

    p->now = 0;
    status = buffer(p, bytes, SK_NN_FOREVER, out, err);
    p->now = now;
    return status;
}

/* Bytes of the gradient in oneDNN's layout; plain ones go to the parameter's place, unless that is
 * frozen (and only the bias is trained). */
static size_t gradient_bytes(const struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct conv *c = op->state;
    const struct sk_nn_param *weight = sk_nn_param_of(p->net, op->layer, SK_NN_WEIGHT);
    size_t own = sk_dn_conv_weight_bytes(c->weights);

    return own == 0 && weight->frozen ? weight->count * sizeof(float) : own;
}

static int prepare_backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_dn_conv_shape *s,
                            struct sk_err *err)
{
    struct conv *c = op->state;
    int forward = p->now, step = sk_nn_step_of(p, op, true);

    s->has_bias = c->has_bias;
    c->is_depthwise = op->is_trained && sk_nn_is_depthwise(p, op);
    if (op->is_trained && !c->is_depthwise &&
        sk_dn_conv_new(SK_DN_BACK_WEIGHTS, s, c->forward, &c->weights, err) < 0)
        return -1;
    if (p->values[op->in[0]].needs_grad &&
        sk_dn_conv_new(SK_DN_BACK_DATA, s, c->forward, &c->data, err) < 0)
        return -1;
    (void)snprintf(c->how_backward, sizeof(c->how_backward), "%s %s",
                   c->weights        ? sk_dn_conv_impl(c->weights)
                   : c->is_depthwise ? p->loops->name
                                     : "-",
                   c->data ? sk_dn_conv_impl(c->data) : "-");
    p->now = step;
    if (c->is_depthwise && buffer(p, sk_nn_depthwise_bytes(p, op), step, &c->scratch[2], err) < 0)
        return -1;
    if (c->weights &&
        (buffer(p, gradient_bytes(p, op), step, &c->gradient, err) < 0 ||
         buffer(p, sk_dn_conv_scratch_bytes(c->weights), step, &c->scratch[2], err) < 0))
        return -1;
    if (c->data && buffer(p, sk_dn_conv_scratch_bytes(c->data), step, &c->scratch[1], err) < 0)
        return -1;
    p->now = forward;
    if (!c->data)
        return 0;
    c->data_weights = c->forward_weights;
    return sk_dn_conv_same_weights(c->forward, c->data)
               ? 0
               : lasting(p, sk_dn_conv_weight_bytes(c->data), &c->data_weights, err);
}

static int prepare(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct sk_dn_conv_shape s = shape_of(p, op);
    struct conv *c = calloc(1, sizeof(*c));
    int last = op->is_trained ? sk_nn_step_of(p, op, true) : p->now;

    if (!c)
        return sk_nomem(err);
    op->state = c;
    c->forward_weights = c->data_weights = c->gradient = c->picture = -1;
    c->scratch[0] = c->scratch[1] = c->scratch[2] = -1;
    c->has_bias = s.has_bias;
    c->bias = calloc(s.oc, sizeof(*c->bias));
    c->bias_gradient = calloc(s.oc, sizeof(*c->bias_gradient));
    if (!c->bias || !c->bias_gradient)
        return sk_nomem(err);
    if (sk_dn_conv_new(p->is_training ? SK_DN_FORWARD : SK_DN_INFER, &s, NULL, &c->forward, err) <
            0 ||
        lasting(p, sk_dn_conv_weight_bytes(c->forward), &c->forward_weights, err) < 0 ||
        buffer(p, sk_dn_conv_scratch_bytes(c->forward), p->now, &c->scratch[0], err) < 0 ||
        buffer(p, sk_dn_conv_src_bytes(c->forward), last, &c->picture, err) < 0)
        return -1;
    return op->has_backward ? prepare_backward(p, op, &s, err) : 0;
}

static void release(struct sk_nn_op *op)
{
    struct conv *c = op->state;

    if (!c)
        return;
    sk_dn_conv_free(c->forward);
    sk_dn_conv_free(c->data);
    sk_dn_conv_free(c->weights);
    free(c->bias);
    free(c->bias_gradient);
    free(c);
}

/* ---- running ---- */

static const float *master(const struct sk_nn_plan *p, const struct sk_nn_op *op,
                           enum sk_nn_role role)
{
    return sk_nn_param_of(p->net, op->layer, role)->value;
}

/* Takes over the master copy: folded in inference. */
static int load(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct conv *c = op->state;
    const float *plain = master(p, op, SK_NN_WEIGHT);

    if (op->norm >= 0) {
        sk_nn_fold(p->net, op->layer, p->folded, c->bias);
        plain = p->folded;
    }
    if (c->forward_weights >= 0 &&
        sk_dn_conv_move_weights(c->forward, plain, sk_nn_at(p, c->forward_weights), err) < 0)
        return -1;
    if (c->data_weights != c->forward_weights && c->data_weights >= 0 &&
        sk_dn_conv_move_weights(c->data, plain, sk_nn_at(p, c->data_weights), err) < 0)
        return -1;
    c->version = p->net->version;
    /* Folded weights in plain layout have no place of their own: fold them at each run. */
    c->is_loaded = op->norm < 0 || c->forward_weights >= 0;
    return 0;
}

/* The weights to use: in oneDNN's layout, else plain. */
static void *weights_at(struct sk_nn_plan *p, const struct sk_nn_op *op, int buffer_index)
{
    const float *plain = op->norm >= 0 ? p->folded : master(p, op, SK_NN_WEIGHT);

    return buffer_index >= 0 ? sk_nn_at(p, buffer_index) : (void *)(uintptr_t)plain;
}

static void *src_at(struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    const struct conv *c = op->state;
    const void *src = c->picture >= 0 ? sk_nn_at(p, c->picture) : sk_nn_data(p, op->in[0]);

    return (void *)(uintptr_t)src; /* only read */
}

static int forward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct conv *c = op->state;
    const struct sk_nn_value *out = &p->values[op->out];
    const float *bias = NULL;
    struct sk_dn_conv_data d;

    if ((!c->is_loaded || c->version != p->net->version) && load(p, op, err) < 0)
        return -1;
    if (c->picture >= 0 &&
        sk_dn_conv_move_src(c->forward, p->pictures, sk_nn_at(p, c->picture), err) < 0)
        return -1;
    if (op->in[1] >= 0 && p->values[op->in[1]].buffer != out->buffer)
        memcpy(sk_nn_at(p, out->buffer), sk_nn_data(p, op->in[1]), sk_nn_value_bytes(p, out));
    if (c->has_bias)
        bias = op->norm >= 0 ? c->bias : master(p, op, SK_NN_BIAS);
    d = (struct sk_dn_conv_data){ .src = src_at(p, op),
                                  .weights = weights_at(p, op, c->forward_weights),
                                  .bias = (void *)(uintptr_t)bias,
                                  .dst = sk_nn_at(p, out->buffer),
                                  .scratch = sk_nn_at(p, c->scratch[0]) };
    return sk_dn_conv_run(c->forward, &d, err);
}

/* Where the gradient of a parameter goes; `aside` when it is frozen. */
static float *gradient_of(const struct sk_nn_plan *p, const struct sk_nn_op *op,
                          enum sk_nn_role role, float *aside)
{
    const struct sk_nn_param *param = sk_nn_param_of(p->net, op->layer, role);

    return param->frozen ? aside : p->net->grads + param->offset;
}

static int backward_weights(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct conv *c = op->state;
    void *own = sk_nn_at(p, c->gradient);
    float *plain = gradient_of(p, op, SK_NN_WEIGHT, NULL);
    struct sk_dn_conv_data d = { .src = src_at(p, op),
                                 .weights = own ? own : plain,
                                 .dst = sk_nn_at(p, op->g),
                                 .scratch = sk_nn_at(p, c->scratch[2]) };

    if (c->has_bias)
        d.bias = gradient_of(p, op, SK_NN_BIAS, c->bias_gradient);
    if (sk_dn_conv_run(c->weights, &d, err) < 0)
        return -1;
    return own && plain ? sk_dn_conv_move_weights(c->weights, own, plain, err) : 0;
}

static int backward(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err)
{
    struct conv *c = op->state;
    struct sk_dn_conv_data d;

    if (c->is_depthwise)
        sk_nn_depthwise_weights(p, op, sk_nn_at(p, c->scratch[2]),
                                gradient_of(p, op, SK_NN_WEIGHT, NULL));
    if (c->weights && backward_weights(p, op, err) < 0)
        return -1;
    if (!c->data)
        return 0;
    d = (struct sk_dn_conv_data){ .src = sk_nn_at(p, op->d[0]),
                                  .weights = weights_at(p, op, c->data_weights),
                                  .dst = sk_nn_at(p, op->g),
                                  .scratch = sk_nn_at(p, c->scratch[1]) };
    return sk_dn_conv_run(c->data, &d, err);
}

static const char *describe(const struct sk_nn_op *op, bool is_backward)
{
    const struct conv *c = op->state;

    return is_backward ? c->how_backward : sk_dn_conv_impl(c->forward);
}

const struct sk_nn_op_kind sk_nn_op_conv = {
    .name = "conv",
    .prepare = prepare,
    .forward = forward,
    .backward = backward,
    .describe = describe,
    .free = release,
    .is_product = true,
    .cannot_add = true,
};
