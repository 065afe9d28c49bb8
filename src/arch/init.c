/*
 * init.c - first weights, from the distributions that torchvision draws from.
 *
 * Convolutions: normal with variance 2 / (outputs * kernel area) (He et al. 2015, by outputs), bias
 * 0; groups do not count, as in PyTorch. Batch norms stay as sk_nn_finish left them, at the
 * identity. Linear layers: see enum sk_linear_init. Each tensor has numbers of its own, from the
 * seed and its name, so a head of another size leaves the rest as it was.
 */
#include "arch/arch_priv.h"

#include <math.h>

static void fill_normal(struct sk_nn_param *p, double deviation, uint64_t key)
{
    double pair[2] = { 0 };

    for (size_t i = 0; i < p->count; i++) {
        if (i % 2 == 0)
            sk_random_normals(key, i / 2, pair);
        p->value[i] = (float)(deviation * pair[i % 2]);
    }
}

static void fill_uniform(struct sk_nn_param *p, double bound, uint64_t key)
{
    for (size_t i = 0; i < p->count; i++)
        p->value[i] = (float)(bound * (2 * sk_random_uniform(key, i) - 1));
}

static void init_conv(struct sk_nn_param *p, uint64_t key)
{
    if (p->role == SK_NN_WEIGHT)
        fill_normal(p, sqrt(2 / (double)(p->dims[0] * p->dims[2] * p->dims[3])), key);
}

static void init_linear(struct sk_nn_param *p, unsigned inputs, enum sk_linear_init how,
                        uint64_t key)
{
    switch (how) {
    case SK_LINEAR_DEFAULT:
        fill_uniform(p, 1 / sqrt((double)inputs), key);
        break;
    case SK_LINEAR_NORMAL:
        if (p->role == SK_NN_WEIGHT)
            fill_normal(p, 0.01, key);
        break;
    case SK_LINEAR_OUTPUTS:
        if (p->role == SK_NN_WEIGHT)
            fill_uniform(p, 1 / sqrt((double)p->dims[0]), key);
        break;
    }
}

/* Values that a layer reads of one sample. */
static unsigned inputs_of(const struct sk_nn *n, const struct sk_nn_layer *layer)
{
    const struct sk_nn_layer *from = sk_nn_layer(n, (size_t)layer->in[0]);

    return from->out_c * from->out_h * from->out_w;
}

void sk_arch_init(struct sk_nn *n, enum sk_linear_init linear, uint64_t seed)
{
    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);
        const struct sk_nn_layer *layer = sk_nn_layer(n, (size_t)p->layer);
        uint64_t key = sk_random_key(seed, p->name);

        if (layer->kind == SK_NN_CONV)
            init_conv(p, key);
        else if (layer->kind == SK_NN_LINEAR)
            init_linear(p, inputs_of(n, layer), linear, key);
    }
    sk_nn_touch(n);
}
