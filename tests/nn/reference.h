/*
 * reference.h - the network in plain loops and double, which what oneDNN and our loops compute is
 * held against; gradients by central differences.
 */
#ifndef SK_TESTS_NN_REFERENCE_H
#define SK_TESTS_NN_REFERENCE_H

#include "nn/nn_priv.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* A network as rows of a table. Layer 0, the input, is not listed. */
struct net_case {
    const char *name;
    unsigned batch, channels, height, width;
    const struct sk_nn_layer *layers;
    size_t count;
};

#define NET(name, batch, channels, height, width, ...)                                             \
    {                                                                                              \
        name, batch, channels, height, width, (const struct sk_nn_layer[]){ __VA_ARGS__ },         \
            sizeof((const struct sk_nn_layer[]){ __VA_ARGS__ }) / sizeof(struct sk_nn_layer)       \
    }

/* Layers for such tables. The last argument: kernel, or the layer that is read; more may follow. */
#define CONV(label, a, o, ...)                                                                     \
    {                                                                                              \
        .kind = SK_NN_CONV, .name = label, .in = { a }, .channels = o, .kernel = __VA_ARGS__       \
    }
#define LAYER(k, ...)                                                                              \
    {                                                                                              \
        .kind = k, .in[0] = __VA_ARGS__                                                            \
    }
#define NORM(label, a)                                                                             \
    {                                                                                              \
        .kind = SK_NN_BATCH_NORM, .name = label, .in = { a }                                       \
    }
#define PAIR(k, a, b)                                                                              \
    {                                                                                              \
        .kind = k, .in = { a, b }                                                                  \
    }
#define LINEAR(label, a, o)                                                                        \
    {                                                                                              \
        .kind = SK_NN_LINEAR, .name = label, .in = { a }, .channels = o, .bias = true              \
    }
/* Three layers: global pool, flatten, linear. at: index of the first. */
#define HEAD(a, at) LAYER(SK_NN_GLOBAL_POOL, a), LAYER(SK_NN_FLATTEN, at), LINEAR("fc", (at) + 1, 3)
/* Two: flatten, linear. */
#define FLAT_HEAD(a, at) LAYER(SK_NN_FLATTEN, a), LINEAR("fc", at, 3)

/* sk_nn_start with two threads, for group setups. */
int net_start(void **state);

/* The network with reproducible random parameters and statistics. */
struct sk_nn *net_build(const struct net_case *c);
void net_randomise(struct sk_nn *n, uint64_t seed);
/* Random pictures and labels of a batch; free() both. */
float *net_pictures(const struct sk_nn *n, unsigned batch, uint64_t seed);
uint32_t *net_labels(const struct sk_nn *n, unsigned batch);
struct sk_nn_plan *net_plan(struct sk_nn *n, unsigned batch, enum sk_nn_mode mode,
                            enum sk_nn_precision precision, enum sk_dn_layout layout);

/* What double computes. Parameters are copied when it is made and may be changed then. */
struct reference {
    const struct sk_nn *n;
    unsigned batch;
    bool is_training;
    uint64_t seed;
    double *values, *buffers; /* buffers: with is_training new ones come out */
    double **out;             /* per layer [N][C][H][W] */
};

struct reference *reference_new(const struct sk_nn *n, unsigned batch, bool is_training);
void reference_free(struct reference *r);
/* [batch][classes], owned by r. */
const double *reference_run(struct reference *r, const float *pictures);
double reference_loss(struct reference *r, const float *pictures, const uint32_t *labels,
                      const struct sk_nn_loss *loss);

/* Fails the test where a step differs from the reference: scores, loss, running statistics, and a
 * sample of every gradient. */
void check_step(const struct net_case *c, enum sk_dn_layout layout);
/* The same for a network that was changed after net_build (frozen parameters). */
void check_step_of(const char *name, struct sk_nn *n, unsigned batch, enum sk_dn_layout layout);
/* Scores of an inference plan against the reference. */
void check_inference(const struct net_case *c, enum sk_dn_layout layout);
/* Gradients in bf16 against those in f32, to a few percent. Skips CPUs without bf16. */
void check_bf16(const struct net_case *c);

/* Each of them for a table of networks, in all of net_layouts. */
void check_steps(const struct net_case *nets, size_t count);
void check_inferences(const struct net_case *nets, size_t count);
void check_bf16s(const struct net_case *nets, size_t count);

/* NHWC and the layout that oneDNN chooses. */
extern const enum sk_dn_layout net_layouts[2];

#endif
