/*
 * nn.h - networks that classify pictures: a graph of layers, a plan to run it, forward and
 * backward.
 *
 * sk_nn: the graph, its parameters and buffers as plain f32 arrays (the master copy), independent
 * of batch size. Built layer by layer, then finished. sk_nn_plan: the graph made ready for one
 * batch size, one use (training or inference) and one precision: shapes, memory layouts chosen by
 * oneDNN, memory shared between tensors that are not alive together. A plan is made once and run
 * many times; it borrows the network.
 *
 * Training: sk_nn_step = forward, loss, backward; gradients overwrite sk_nn_grads. Inference: batch
 * norm is folded into the convolution before it, activations and residual additions are fused where
 * oneDNN can.
 *
 * Numbers follow PyTorch: batch norm normalises with the biased variance and keeps the unbiased one
 * in its running buffer (momentum m: r = (1 - m) r + m x); ReLU's gradient at 0 is 0; max pooling
 * sends the gradient to the first maximum. No Winograd. With the same threads, inputs and seeds a
 * run repeats bit for bit.
 *
 * Errors: SK_INVALID (a graph that does not fit together, naming the layer), SK_UNSUPPORTED (no
 * oneDNN: what to install; a precision that this CPU lacks), SK_NOMEM, SK_BUG (oneDNN's status and
 * the primitive). Threads: a network and its plans belong to one thread; work inside is spread over
 * sk_nn_threads' many.
 */
#ifndef SK_NN_NN_H
#define SK_NN_NN_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Loads oneDNN (libdnnl, dlopen; SKERRY_ONEDNN names another file of the same major version) once,
 * and sets the threads that plans made from now on use; 0: sk_cpu_count(). Idle OpenMP threads
 * sleep instead of spinning: that is said in the environment, so the first call comes before the
 * program starts threads of its own. */
int sk_nn_start(unsigned threads, struct sk_err *err) SK_CHECK;
unsigned sk_nn_threads(void);
/* "oneDNN 2.6.3 (avx512_core_amx)": static. */
const char *sk_nn_engine_name(void);
/* The CPU multiplies bf16 in hardware (AVX512-BF16 or AMX), so bf16 is faster than f32. */
bool sk_nn_has_bf16(void);

/* ---- the graph ---- */

enum sk_nn_kind {
    SK_NN_INPUT,      /* [N, C, H, W] */
    SK_NN_CONV,       /* name.weight [O, I / groups, KH, KW], name.bias [O] if bias */
    SK_NN_BATCH_NORM, /* name.weight, name.bias, buffers name.running_mean, name.running_var [C] */
    SK_NN_RELU,
    SK_NN_RELU6,
    SK_NN_HARD_SWISH,   /* x * relu6(x + 3) / 6 */
    SK_NN_HARD_SIGMOID, /* relu6(x + 3) / 6 */
    SK_NN_SILU,         /* x * sigmoid(x) */
    SK_NN_SIGMOID,
    SK_NN_ADD, /* two inputs of one shape */
    SK_NN_MUL, /* in[0] [N, C, H, W] times in[1] of the same shape or [N, C, 1, 1] */
    SK_NN_MAX_POOL,
    SK_NN_AVG_POOL,    /* padding is not counted, PyTorch's count_include_pad=False */
    SK_NN_GLOBAL_POOL, /* mean over H and W: [N, C, 1, 1] */
    SK_NN_LINEAR,      /* name.weight [O, I], name.bias [O] if bias; on a flattened input */
    SK_NN_FLATTEN,     /* [N, C, H, W] -> [N, C * H * W] */
    SK_NN_DROPOUT,     /* rate p; per_sample: whole rows, torchvision's StochasticDepth "row" */
    SK_NN_KIND_COUNT
};

struct sk_nn_layer {
    enum sk_nn_kind kind;
    const char *name; /* torchvision's: "layer1.0.conv1"; copied; NULL for layers without parameters
                       */
    int in[2];        /* layers it reads, by index; in[1] only for ADD and MUL */
    /* CONV, LINEAR (channels only) */
    unsigned channels; /* outputs */
    bool bias;
    /* CONV and pools */
    unsigned kernel, stride, padding, dilation, groups; /* square; stride, dilation, groups 0 mean 1
                                                         */
    bool ceil_mode;                                     /* pools */
    /* BATCH_NORM */
    float eps, momentum; /* 0: 1e-5 and 0.1 */
    /* DROPOUT */
    float rate;
    bool per_sample;
    /* filled in by sk_nn_add: the output of one sample */
    unsigned out_c, out_h, out_w; /* after FLATTEN and LINEAR h = w = 1 */
};

struct sk_nn;

int sk_nn_new(unsigned channels, unsigned height, unsigned width, struct sk_nn **out,
              struct sk_err *err) SK_CHECK;
void sk_nn_free(struct sk_nn *n);
SK_DEFINE_OWN(struct sk_nn, sk_nn_free);
/* Layer 0 is the input. Returns the new layer's index, or -1; after a failure every further add
 * returns -1 and sk_nn_finish reports the first cause, so a builder needs no checks of its own. */
int sk_nn_add(struct sk_nn *n, const struct sk_nn_layer *layer);
/* The last layer's output are the class scores [N, classes]. Lays out and zeroes the parameters
 * (batch norm weights and running variances: 1). */
int sk_nn_finish(struct sk_nn *n, struct sk_err *err) SK_CHECK;

size_t sk_nn_layer_count(const struct sk_nn *n);
const struct sk_nn_layer *sk_nn_layer(const struct sk_nn *n, size_t index);
unsigned sk_nn_classes(const struct sk_nn *n);

/* ---- parameters ---- */

enum sk_nn_role {
    SK_NN_WEIGHT,
    SK_NN_BIAS,
    SK_NN_BN_WEIGHT,
    SK_NN_BN_BIAS,
    SK_NN_BN_MEAN, /* buffers: not trained by gradients */
    SK_NN_BN_VAR,
    SK_NN_ROLE_COUNT
};

struct sk_nn_param {
    const char *name; /* "layer1.0.conv1.weight" */
    enum sk_nn_role role;
    int layer;
    unsigned rank;
    int64_t dims[4];
    size_t count;
    size_t offset; /* into sk_nn_values and sk_nn_grads, or into sk_nn_buffers for MEAN and VAR */
    float *value;  /* = the array + offset; may be written between runs */
    bool frozen;   /* may be set before plans are made: no gradient; a batch norm whose weight is
                      frozen runs in   evaluation mode */
};

/* In the order of layers; trained ones and buffers mixed as PyTorch's state_dict has them. */
size_t sk_nn_param_count(const struct sk_nn *n);
struct sk_nn_param *sk_nn_param(struct sk_nn *n, size_t index);
struct sk_nn_param *sk_nn_find(struct sk_nn *n, const char *name); /* NULL: none */

/* The flat arrays: all trained parameters one after the other, their gradients in the same places
 * (0 for frozen ones), and all buffers. 64-byte aligned. After values were written from outside
 * call sk_nn_touch, so that plans take over the new ones at their next run. */
float *sk_nn_values(struct sk_nn *n, size_t *count);
float *sk_nn_grads(struct sk_nn *n, size_t *count); /* made with the first training plan; NULL
                                                       before */
float *sk_nn_buffers(struct sk_nn *n, size_t *count);
void sk_nn_touch(struct sk_nn *n);

/* Weights and bias of convolution `layer` with the batch norm that follows it folded in (none: as
 * they are). weight: as the parameter; bias: [O]. */
void sk_nn_fold(const struct sk_nn *n, int layer, float *weight, float *bias);
/* The batch norm that reads only `layer`, a convolution nobody else reads; -1: none. */
int sk_nn_batch_norm_of(const struct sk_nn *n, int layer);

/* ---- plans ---- */

enum sk_nn_mode {
    SK_NN_INFER,
    SK_NN_TRAIN
};

enum sk_nn_precision {
    SK_NN_F32,
    SK_NN_BF16 /* activations and convolutions in bf16; parameters, gradients, statistics and loss
                  in f32 */
};

/* Adds the values of all processes in place (for batch norm over several processes, see comm.h). */
struct sk_nn_reduce {
    int (*sum)(void *ctx, double *values, size_t count, struct sk_err *err);
    void *ctx;
};

struct sk_nn_plan_options {
    unsigned batch;
    enum sk_nn_mode mode;
    enum sk_nn_precision precision;
    const struct sk_nn_reduce *reduce; /* NULL: one process */
};

struct sk_nn_plan;

/* SK_INVALID when a batch norm in training would see one value per channel (batch 1, map 1 x 1;
 * with reduce it is the caller's to check), naming the layer. */
int sk_nn_plan_new(struct sk_nn *n, const struct sk_nn_plan_options *opts, struct sk_nn_plan **out,
                   struct sk_err *err) SK_CHECK;
void sk_nn_plan_free(struct sk_nn_plan *p);
SK_DEFINE_OWN(struct sk_nn_plan, sk_nn_plan_free);
/* Memory it holds: activations, gradients of activations, reordered weights, scratch. */
size_t sk_nn_plan_bytes(const struct sk_nn_plan *p);
/* A line per primitive: layer, kind, oneDNN's implementation, ms of the last run when
 * SKERRY_NN_PROFILE is set. */
struct sk_buf;
void sk_nn_plan_describe(const struct sk_nn_plan *p, struct sk_buf *out);

/* pictures: [batch, C, H, W] f32. *scores: [batch, classes], valid until the next run of the plan.
 * In a training plan batch norm uses and updates its statistics. */
int sk_nn_forward(struct sk_nn_plan *p, const float *pictures, const float **scores,
                  struct sk_err *err) SK_CHECK;

/* Softmax with cross entropy over the batch, as torch.nn.CrossEntropyLoss. */
struct sk_nn_loss {
    float label_smoothing;      /* 0..1 */
    const float *class_weights; /* one per class; NULL: all 1 */
    double denominator; /* the mean divides by this; 0: the sum of the weights of the batch's labels
                           (= batch) */
    uint32_t first_sample; /* sk_nn_step: place of the first picture in the batch of all processes;
                              dropout masks follow it */
};

struct sk_nn_result {
    double loss;      /* sum of weighted losses / denominator */
    unsigned correct; /* arg max equals the label; lowest index among equals */
};

/* Loss of ready scores. gradient: [batch, classes], NULL: not wanted. */
int sk_nn_cross_entropy(const float *scores, const uint32_t *labels, unsigned batch,
                        unsigned classes, const struct sk_nn_loss *loss, float *gradient,
                        struct sk_nn_result *out, struct sk_err *err) SK_CHECK;

/* Forward, loss, backward; overwrites the gradients. seed: of this step's dropout masks. A training
 * plan only. When the loss is not finite out->loss says so, the gradients are not computed, and it
 * still returns 0. */
int sk_nn_step(struct sk_nn_plan *p, const float *pictures, const uint32_t *labels,
               const struct sk_nn_loss *loss, uint64_t seed, struct sk_nn_result *out,
               struct sk_err *err) SK_CHECK;

#endif
