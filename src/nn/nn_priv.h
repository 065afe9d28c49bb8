/*
 * nn_priv.h - what the files of nn share: the network, and a plan as a list of operations on
 * tensors.
 *
 * From graph to plan. compile.c turns layers into operations: what one pass over memory can do
 * becomes one operation (batch norm with the residual addition and the activation behind it; in
 * inference the convolution with all of them), and a conversion is put in where two layouts meet.
 * Each operation prepares itself (op_*.c), gradients.c decides where each gradient lies, and
 * memory.c gives every buffer its place. run.c walks the list forward and back.
 *
 * A tensor is [N][C / block][H * W][block]: plain NCHW with block 1, NHWC with block C, and the
 * blocked layouts of oneDNN with 8 or 16. Channels that fill up the last block are always zero.
 */
#ifndef SK_NN_NN_PRIV_H
#define SK_NN_NN_PRIV_H

#include "nn/dnnl_priv.h"
#include "nn/loops_priv.h"
#include "nn/nn.h"

#include "base/buf.h"

/* ---- the network ---- */

struct sk_nn {
    struct sk_nn_layer *layers;
    size_t count, cap;
    unsigned *readers; /* per layer, how many inputs lead to it; made by sk_nn_finish */
    int *reader;       /* the last of them */
    int *first_param;  /* per layer; -1: it has none */
    struct sk_nn_param *params;
    size_t param_count;
    float *values, *grads, *buffers;
    size_t value_count, buffer_count;
    uint64_t version; /* grows with sk_nn_touch */
    struct sk_err err;
    bool is_finished;
};

/* The parameter of a layer that has one of this role. */
struct sk_nn_param *sk_nn_param_of(const struct sk_nn *n, int layer, enum sk_nn_role role);
/* The only reader of a layer, -1: none or several, or it is the last one. */
int sk_nn_only_reader(const struct sk_nn *n, int layer);

/* "conv layer1.0.conv1 (3)" for messages; out needs SK_NN_LABEL bytes. */
enum {
    SK_NN_LABEL = 128
};

void sk_nn_label(const struct sk_nn *n, int layer, char *out);
const char *sk_nn_kind_name(enum sk_nn_kind kind);
/* Makes sk_nn_grads. */
int sk_nn_make_grads(struct sk_nn *n, struct sk_err *err) SK_CHECK;
/* Counts parameters, lays out the arrays and gives them their first values. */
int sk_nn_make_params(struct sk_nn *n, struct sk_err *err) SK_CHECK;

/* ---- the plan ---- */

/* A piece of the plan's memory, alive from step first to step last. */
struct sk_nn_buffer {
    size_t bytes, offset;
    int first, last;
};

/* A tensor that an operation makes. Value 0 is the pictures, which the caller owns. */
struct sk_nn_value {
    unsigned c, h, w, block;
    enum sk_dn_type type;
    int buffer; /* -1: the pictures */
    int maker;  /* operation, -1: the pictures */
    unsigned readers;
    bool needs_grad; /* a parameter above it is trained */
};

struct sk_nn_plan;
struct sk_nn_op;

struct sk_nn_op_kind {
    const char *name;
    /* Makes primitives and asks for buffers. Inputs' layouts are known, the output's may still be
     * changed. */
    int (*prepare)(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err);
    int (*forward)(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err);
    int (*backward)(struct sk_nn_plan *p, struct sk_nn_op *op, struct sk_err *err);
    /* Of oneDNN's kernels, for sk_nn_plan_describe; NULL: ours. */
    const char *(*describe)(const struct sk_nn_op *op, bool backward);
    void (*free)(struct sk_nn_op *op);
    bool is_pointwise; /* the output may lie in the first input's memory, gradients likewise */
    bool takes_two;    /* backward takes the gradient of the output in two parts */
    bool is_product;   /* backward reads the inputs */
    bool cannot_add;   /* backward cannot add to a gradient that is already there */
};

struct sk_nn_op {
    const struct sk_nn_op_kind *kind;
    int layer;      /* whose parameters it has */
    int norm;       /* the batch norm folded into a convolution, -1: none */
    int in[2], out; /* values; in[1] -1: none */
    enum sk_act act;
    bool is_trained; /* has parameters that are not frozen */
    bool is_still;   /* batch norm in evaluation mode */
    bool has_backward;
    /* Buffers of gradients, -1: none. g: of the output, g2: a second part to be added. d: of the
     * inputs; add: there is something in d already. */
    int g, g2, d[2];
    bool add[2];
    int sum[2]; /* after backward d is added to these buffers, -1: none */
    void *state;
    uint64_t ns[2]; /* time of the last forward and backward */
};

struct sk_nn_plan {
    struct sk_nn *net;
    unsigned batch, threads;
    bool is_training, has_reduce, has_profile;
    enum sk_dn_type type;
    enum sk_dn_layout layout;
    struct sk_nn_reduce reduce;
    const struct sk_loops *loops;
    struct sk_nn_value *values;
    size_t value_count;
    struct sk_nn_op *ops;
    size_t op_count;
    struct sk_nn_buffer *buffers;
    size_t buffer_count, buffer_cap;
    int now; /* the step being prepared: lifetimes start here */
    int scores, scores_grad;
    char *memory;
    size_t memory_bytes;
    float *folded; /* room for the largest folded weights */
    const float *pictures;
    uint64_t seed, first_sample; /* of the step, for dropout */
};

enum {
    SK_NN_FOREVER = 1 << 30
};

/* A new buffer, alive from p->now on; -1: out of memory. A buffer used by a later step is kept
 * alive with sk_nn_keep. */
int sk_nn_buffer(struct sk_nn_plan *p, size_t bytes, struct sk_err *err);
void sk_nn_keep(struct sk_nn_plan *p, int buffer, int step);
/* Backward reads the output of the operation (its inputs: kind->is_product says so, or it is an
 * activation whose derivative needs them). */
bool sk_nn_reads_output(const struct sk_nn_op *op);
bool sk_nn_reads_input(const struct sk_nn_op *op);
bool sk_nn_same_shape(const struct sk_nn_plan *p, int a, int b); /* of values */
/* Steps of time: see memory.c. */
int sk_nn_step_of(const struct sk_nn_plan *p, const struct sk_nn_op *op, bool backward);
void *sk_nn_at(const struct sk_nn_plan *p, int buffer); /* NULL for -1 */
const void *sk_nn_data(const struct sk_nn_plan *p, int value);

size_t sk_nn_blocks(const struct sk_nn_value *v);
size_t sk_nn_plane(const struct sk_nn_value *v); /* elements of [H * W][block] */
size_t sk_nn_elements(const struct sk_nn_plan *p, const struct sk_nn_value *v);
size_t sk_nn_type_size(enum sk_dn_type type);
size_t sk_nn_value_bytes(const struct sk_nn_plan *p, const struct sk_nn_value *v);
bool sk_nn_is_flat(const struct sk_nn_value *v); /* [N][C] f32 */
unsigned sk_nn_block_of(const struct sk_nn_plan *p, unsigned channels);

/* sk_nn_plan_new with activations in this layout. */
int sk_nn_plan_new_in(struct sk_nn *n, const struct sk_nn_plan_options *opts,
                      enum sk_dn_layout layout, struct sk_nn_plan **out,
                      struct sk_err *err) SK_CHECK;
/* compile.c, gradients.c, memory.c: the stages of sk_nn_plan_new. */
int sk_nn_compile(struct sk_nn_plan *p, struct sk_err *err) SK_CHECK;
int sk_nn_place_gradients(struct sk_nn_plan *p, struct sk_err *err) SK_CHECK;
int sk_nn_place_buffers(struct sk_nn_plan *p, struct sk_err *err) SK_CHECK;

extern const struct sk_nn_op_kind sk_nn_op_conv, sk_nn_op_norm, sk_nn_op_act, sk_nn_op_add,
    sk_nn_op_mul, sk_nn_op_dropout, sk_nn_op_max_pool, sk_nn_op_avg_pool, sk_nn_op_global_pool,
    sk_nn_op_linear, sk_nn_op_convert;

/* A tensor cut into units of whole rows that fit the second level cache. */
struct sk_nn_units {
    size_t count, pieces, rows; /* pieces of `rows` rows (the last has fewer) make a plane */
};

struct sk_nn_unit {
    size_t at, rows; /* first element, rows */
    size_t channel;  /* first channel */
};

struct sk_nn_units sk_nn_units_of(const struct sk_nn_plan *p, const struct sk_nn_value *v);
struct sk_nn_unit sk_nn_unit(const struct sk_nn_units *u, const struct sk_nn_value *v,
                             size_t index);

/* depthwise.c: whether it can do a convolution, the room it needs, and the gradient of its weights.
 */
bool sk_nn_is_depthwise(const struct sk_nn_plan *p, const struct sk_nn_op *op);
size_t sk_nn_depthwise_bytes(const struct sk_nn_plan *p, const struct sk_nn_op *op);
void sk_nn_depthwise_weights(const struct sk_nn_plan *p, const struct sk_nn_op *op, float *sums,
                             float *weights);

/* run(ctx, begin, end) over [0, count) in one contiguous part per thread. */
typedef void sk_nn_part(void *ctx, size_t begin, size_t end);
void sk_nn_parallel(const struct sk_nn_plan *p, sk_nn_part *run, void *ctx, size_t count);

/* Mask of an element: 0 with the probability `rate`, else 1 / (1 - rate). */
float sk_nn_mask(uint64_t seed, int layer, uint64_t element, float rate);

#endif
