/*
 * arch_priv.h - what is behind a row of the table: how a network is built, what timm calls its
 * layers, how its first weights are drawn.
 */
#ifndef SK_ARCH_PRIV_H
#define SK_ARCH_PRIV_H

#include "arch/arch.h"
#include "base/buf.h"

/* How torchvision draws the weights of linear layers; convolutions are drawn alike in all. */
enum sk_linear_init {
    SK_LINEAR_DEFAULT, /* weight and bias uniform in +-1 / sqrt(inputs): PyTorch's own */
    SK_LINEAR_NORMAL,  /* normal with deviation 0.01; bias 0 */
    SK_LINEAR_OUTPUTS  /* uniform in +-1 / sqrt(outputs); bias 0 */
};

struct sk_arch_body {
    const void *table;
    void (*build)(const void *table, struct sk_nn *n, unsigned classes);
    /* Appends what timm calls the layers that have parameters, in the order in which build adds
     * them, a NUL behind each. NULL: the names are torchvision's. */
    void (*timm_names)(const void *table, struct sk_buf *out);
    enum sk_linear_init linear;
};

extern const struct sk_arch_body sk_body_resnet18, sk_body_resnet34, sk_body_resnet50;
extern const struct sk_arch_body sk_body_mobilenet_v2, sk_body_mobilenet_v3_small,
    sk_body_efficientnet_b0;

/* ---- build.c: layers one behind the other ---- */

enum {
    SK_ARCH_NAME = 64 /* bytes of a layer's name */
};

struct sk_build {
    struct sk_nn *nn;
    int at;              /* the last layer so far; the next one reads it */
    float eps, momentum; /* of batch norms; 0: the usual */
};

/* Square, padded by half the kernel. */
struct sk_conv {
    unsigned channels, kernel, stride, groups; /* stride, groups 0: 1 */
    bool bias;
};

void sk_build_conv(struct sk_build *b, const struct sk_conv *conv, const char *fmt, ...)
    SK_PRINTF(3, 4);
void sk_build_norm(struct sk_build *b, const char *fmt, ...) SK_PRINTF(2, 3);
void sk_build_linear(struct sk_build *b, unsigned outputs, const char *name);
/* A layer without parameters that reads the last one. */
void sk_build_plain(struct sk_build *b, enum sk_nn_kind kind);
/* ADD or MUL of the last layer and another. */
void sk_build_join(struct sk_build *b, enum sk_nn_kind kind, int other);
void sk_build_dropout(struct sk_build *b, float rate, bool per_sample);

/* ---- random.c: numbers that depend on key and index only, the same on every machine ---- */

uint64_t sk_random_key(uint64_t seed, const char *name);
/* In [0, 1), a multiple of 2^-53. */
double sk_random_uniform(uint64_t key, uint64_t index);
/* Two of mean 0 and deviation 1. */
void sk_random_normals(uint64_t key, uint64_t index, double out[2]);

/* ---- init.c ---- */

void sk_arch_init(struct sk_nn *n, enum sk_linear_init linear, uint64_t seed);

#endif
