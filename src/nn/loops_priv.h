/*
 * loops_priv.h - our own passes over activations: batch norm, activations, sums, pooling.
 *
 * A loop works on one unit: `rows` rows of `block` neighbouring channels, of a tensor [N][C /
 * block][H * W][block]. Who calls them splits tensors into units, so a loop knows no threads.
 * Each exists for f32 and for bf16 (read and written; the arithmetic is f32, sums over rows are
 * carried in double every 64 rows) and is compiled for several instruction sets from
 * loops_body.h. All of them give the same bits.
 */
#ifndef SK_NN_LOOPS_PRIV_H
#define SK_NN_LOOPS_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* In the order of enum sk_nn_kind, RELU to SIGMOID. */
enum sk_act {
    SK_ACT_NONE,
    SK_ACT_RELU,
    SK_ACT_RELU6,
    SK_ACT_HARD_SWISH,
    SK_ACT_HARD_SIGMOID,
    SK_ACT_SILU,
    SK_ACT_SIGMOID,
    SK_ACT_COUNT
};

/* The derivative follows from the result alone. */
static inline bool sk_act_from_output(enum sk_act act)
{
    return act == SK_ACT_NONE || act == SK_ACT_RELU || act == SK_ACT_RELU6 ||
           act == SK_ACT_HARD_SIGMOID || act == SK_ACT_SIGMOID;
}

/* Batch norm of a unit. Per channel: y = act(x * scale + shift + r). Backward, with g the gradient
 * of y times the derivative of act:
 *     sums:  sum g, sum g * (x - mean)
 *     apply: dx = (g - g_mean - (x - mean) * g_dot) * scale
 */
struct sk_norm_unit {
    size_t rows, block;
    const void *x;
    const void *r; /* residual, NULL: none */
    void *y;       /* forward: written; backward: read where act needs it, else NULL */
    void *g;
    const void *g2; /* added to g, NULL: none */
    void *dx;
    bool keep; /* sums writes g back with g2 and the derivative in it, and apply takes it so */
    enum sk_act act;
    const float *mean, *scale, *shift, *g_mean, *g_dot; /* [block] */
};

/* Pooling of one image of one block of channels, or what slides a window likewise. */
struct sk_pool_unit {
    size_t block;
    unsigned ih, iw, oh, ow, kernel, stride, padding, dilation;
    const void *x;
    void *y;
    uint8_t *index; /* max: position in the window of the maximum, [oh * ow][block] */
    const void *g;
    void *d;
    bool add; /* backward adds to d */
};

struct sk_loops_of_type {
    /* Mean and sum of squared distances from it, per channel. */
    void (*stats)(const void *x, size_t rows, size_t block, double *mean, double *m2);
    void (*norm)(const struct sk_norm_unit *u);
    void (*norm_sums)(const struct sk_norm_unit *u, double *sum, double *dot);
    void (*norm_apply)(const struct sk_norm_unit *u);

    void (*act)(const void *x, void *y, size_t count, enum sk_act act);
    /* v: input of the activation, or its output (from_output). d may be g. */
    void (*act_back)(const void *v, bool from_output, const void *g, void *d, size_t count,
                     enum sk_act act, bool add);
    void (*add)(const void *a, const void *b, void *y, size_t count); /* y may be a or b */
    void (*mul)(const void *a, const void *b, void *y, size_t count, bool add);
    void (*scale)(const void *x, float factor, void *y, size_t count, bool add);

    /* One value per channel: y = x * s; s = sum of a * b over rows; y = mean of x; d = g / rows. */
    void (*mul_rows)(const void *x, const void *s, void *y, size_t rows, size_t block, bool add);
    void (*dot_rows)(const void *a, const void *b, void *s, size_t rows, size_t block, bool add);
    void (*mean_rows)(const void *x, void *y, size_t rows, size_t block);
    void (*spread_rows)(const void *g, void *d, size_t rows, size_t block, bool add);

    void (*max_pool)(const struct sk_pool_unit *u);
    void (*max_pool_back)(const struct sk_pool_unit *u);
    void (*avg_pool)(const struct sk_pool_unit *u);
    void (*avg_pool_back)(const struct sk_pool_unit *u);

    /* A convolution of each channel with its own window: the gradient of the weights from one image
     * of one block, [kernel * kernel][block]. Reads u->x and u->g. */
    void (*depthwise_weights)(const struct sk_pool_unit *u, float *sums);
};

struct sk_loops {
    const char *name;
    struct sk_loops_of_type of[2]; /* SK_DN_F32, SK_DN_BF16 */
};

extern const struct sk_loops sk_loops_c, sk_loops_avx2, sk_loops_avx512;

/* The best for this CPU; those named by a test or by SKERRY_KERNELS where the CPU has them. */
const struct sk_loops *sk_loops_best(void);
const struct sk_loops *sk_loops_find(const char *name); /* NULL: not on this CPU */

float sk_bf16_to_float(uint16_t b);
uint16_t sk_float_to_bf16(float f); /* to nearest, halves to even */

#endif
