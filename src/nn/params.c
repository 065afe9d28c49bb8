/*
 * params.c - parameters and buffers as flat arrays, and batch norm folded into weights.
 *
 * Trained parameters stand in `values` one after the other in the order of layers, gradients in
 * `grads` at the same places, running statistics in `buffers`. The list names them all in the order
 * of PyTorch's state_dict.
 */
#include "nn/nn_priv.h"

#include "base/str.h"

#include <math.h>

struct spec {
    const char *suffix;
    enum sk_nn_role role;
};

static const struct spec weight_and_bias[] = { { "weight", SK_NN_WEIGHT }, { "bias", SK_NN_BIAS } };

static const struct spec batch_norm[] = {
    { "weight", SK_NN_BN_WEIGHT },
    { "bias", SK_NN_BN_BIAS },
    { "running_mean", SK_NN_BN_MEAN },
    { "running_var", SK_NN_BN_VAR },
};

static size_t specs_of(const struct sk_nn_layer *l, const struct spec **out)
{
    switch (l->kind) {
    case SK_NN_CONV:
    case SK_NN_LINEAR:
        *out = weight_and_bias;
        return l->bias ? 2 : 1;
    case SK_NN_BATCH_NORM:
        *out = batch_norm;
        return 4;
    default:
        return 0;
    }
}

static bool is_buffer(enum sk_nn_role role)
{
    return role == SK_NN_BN_MEAN || role == SK_NN_BN_VAR;
}

static void set_shape(const struct sk_nn *n, const struct sk_nn_layer *l, struct sk_nn_param *p)
{
    unsigned inputs = n->layers[l->in[0]].out_c;

    p->rank = 1;
    p->dims[0] = l->out_c;
    if (p->role == SK_NN_WEIGHT) {
        p->rank = l->kind == SK_NN_CONV ? 4 : 2;
        p->dims[1] = l->kind == SK_NN_CONV ? inputs / l->groups : inputs;
        p->dims[2] = p->dims[3] = l->kernel;
    }
    p->count = 1;
    for (unsigned i = 0; i < p->rank; i++)
        p->count *= (size_t)p->dims[i];
}

static int add_param(struct sk_nn *n, int layer, const struct spec *s, struct sk_err *err)
{
    struct sk_nn_param *p = &n->params[n->param_count];
    const struct sk_nn_layer *l = &n->layers[layer];
    size_t *total = is_buffer(s->role) ? &n->buffer_count : &n->value_count;
    size_t name_size = strlen(l->name) + strlen(s->suffix) + 2;
    char *name = malloc(name_size);

    if (!name)
        return sk_nomem(err);
    (void)snprintf(name, name_size, "%s.%s", l->name, s->suffix);
    *p = (struct sk_nn_param){ .name = name, .role = s->role, .layer = layer, .offset = *total };
    n->param_count++;
    set_shape(n, l, p);
    if (!sk_add_size(*total, p->count, total) || *total > SIZE_MAX / 64)
        return sk_fail(err, SK_LIMIT, "%s: too many parameters", name);
    return 0;
}

/* Zeroed and aligned for vectors; of at least one line. */
static float *new_array(size_t count)
{
    size_t bytes = (count * sizeof(float) + 64) / 64 * 64;
    float *a = aligned_alloc(64, bytes);

    if (a)
        memset(a, 0, bytes);
    return a;
}

int sk_nn_make_params(struct sk_nn *n, struct sk_err *err)
{
    const struct spec *specs = NULL;
    size_t total = 0;

    for (size_t i = 0; i < n->count; i++)
        total += specs_of(&n->layers[i], &specs);
    n->params = calloc(total + 1, sizeof(*n->params));
    n->first_param = calloc(n->count, sizeof(*n->first_param));
    if (!n->params || !n->first_param)
        return sk_nomem(err);
    for (size_t i = 0; i < n->count; i++) {
        size_t count = specs_of(&n->layers[i], &specs);

        n->first_param[i] = count > 0 ? (int)n->param_count : -1;
        for (size_t k = 0; k < count; k++)
            if (add_param(n, (int)i, &specs[k], err) < 0)
                return -1;
    }
    n->values = new_array(n->value_count);
    n->buffers = new_array(n->buffer_count);
    if (!n->values || !n->buffers)
        return sk_nomem(err);
    for (size_t i = 0; i < n->param_count; i++) {
        struct sk_nn_param *p = &n->params[i];

        p->value = (is_buffer(p->role) ? n->buffers : n->values) + p->offset;
        if (p->role == SK_NN_BN_WEIGHT || p->role == SK_NN_BN_VAR)
            for (size_t k = 0; k < p->count; k++)
                p->value[k] = 1;
    }
    return 0;
}

int sk_nn_make_grads(struct sk_nn *n, struct sk_err *err)
{
    if (!n->grads)
        n->grads = new_array(n->value_count);
    return n->grads ? 0 : sk_nomem(err);
}

size_t sk_nn_param_count(const struct sk_nn *n)
{
    return n->param_count;
}

struct sk_nn_param *sk_nn_param(struct sk_nn *n, size_t index)
{
    return &n->params[index];
}

struct sk_nn_param *sk_nn_find(struct sk_nn *n, const char *name)
{
    for (size_t i = 0; i < n->param_count; i++)
        if (strcmp(n->params[i].name, name) == 0)
            return &n->params[i];
    return NULL;
}

struct sk_nn_param *sk_nn_param_of(const struct sk_nn *n, int layer, enum sk_nn_role role)
{
    return &n->params[n->first_param[layer] +
                      (int)(role < SK_NN_BN_WEIGHT ? role : role - SK_NN_BN_WEIGHT)];
}

float *sk_nn_values(struct sk_nn *n, size_t *count)
{
    *count = n->value_count;
    return n->values;
}

float *sk_nn_grads(struct sk_nn *n, size_t *count)
{
    *count = n->value_count;
    return n->grads;
}

float *sk_nn_buffers(struct sk_nn *n, size_t *count)
{
    *count = n->buffer_count;
    return n->buffers;
}

void sk_nn_touch(struct sk_nn *n)
{
    n->version++;
}

int sk_nn_batch_norm_of(const struct sk_nn *n, int layer)
{
    int reader = n->layers[layer].kind == SK_NN_CONV ? sk_nn_only_reader(n, layer) : -1;

    return reader >= 0 && n->layers[reader].kind == SK_NN_BATCH_NORM ? reader : -1;
}

void sk_nn_fold(const struct sk_nn *n, int layer, float *weight, float *bias)
{
    const struct sk_nn_param *w = sk_nn_param_of(n, layer, SK_NN_WEIGHT);
    const float *b = n->layers[layer].bias ? sk_nn_param_of(n, layer, SK_NN_BIAS)->value : NULL;
    size_t outputs = (size_t)w->dims[0], each = w->count / outputs;
    int norm = sk_nn_batch_norm_of(n, layer);

    memcpy(weight, w->value, w->count * sizeof(*weight));
    for (size_t o = 0; o < outputs; o++)
        bias[o] = b ? b[o] : 0;
    if (norm < 0)
        return;
    const float *gamma = sk_nn_param_of(n, norm, SK_NN_BN_WEIGHT)->value;
    const float *beta = sk_nn_param_of(n, norm, SK_NN_BN_BIAS)->value;
    const float *mean = sk_nn_param_of(n, norm, SK_NN_BN_MEAN)->value;
    const float *var = sk_nn_param_of(n, norm, SK_NN_BN_VAR)->value;
    for (size_t o = 0; o < outputs; o++) {
        double scale = (double)gamma[o] / sqrt((double)var[o] + (double)n->layers[norm].eps);

        for (size_t i = 0; i < each; i++)
            weight[o * each + i] = (float)((double)weight[o * each + i] * scale);
        bias[o] = (float)((double)beta[o] + ((double)bias[o] - (double)mean[o]) * scale);
    }
}
