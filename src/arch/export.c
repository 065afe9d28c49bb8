/*
 * export.c - a network for inference as an ONNX graph of operator set 13.
 *
 * One node per layer, with the layer's name, which is also the name of its value. Batch norm behind
 * a convolution is folded into it; dropout is nothing in inference. Hard swish and SiLU became
 * operators later than set 13: they are x * HardSigmoid(x) and x * Sigmoid(x), which ONNX Runtime
 * recognises.
 *
 * A layer that adds no node stands for another layer's value: alias[] says whose. Weights are made
 * when the writer asks for them; source[] says from which parameter tensor number i comes.
 */
#include "arch/arch_priv.h"

#include "onnx/onnx.h"

#include <string.h>

enum source_kind {
    FOLDED_WEIGHT, /* of convolution `layer`; its bias is the next tensor */
    FOLDED_BIAS,
    PARAM,
    NUMBER
};

struct source {
    enum source_kind kind;
    int layer;
    const struct sk_nn_param *param;
    float number;
};

struct export
{
    struct sk_nn *nn;
    struct sk_onnx_writer *writer;
    int *alias;             /* per layer: the layer whose node makes its value */
    struct source *sources; /* per tensor */
    size_t source_count;
    float *bias; /* of the convolution that was folded last */
    bool has_clip;
};

enum {
    SOURCES_PER_LAYER = 4, /* a batch norm that is not folded */
    NAME = 96
};

static const char clip_min[] = "relu6.min", clip_max[] = "relu6.max";

/* ---- names ---- */

static const char *node_name(const struct export *x, int layer, char out[NAME])
{
    static const char *const kinds[SK_NN_KIND_COUNT] = {
        [SK_NN_RELU] = "relu",         [SK_NN_RELU6] = "relu6",
        [SK_NN_HARD_SWISH] = "hswish", [SK_NN_HARD_SIGMOID] = "hsigmoid",
        [SK_NN_SILU] = "silu",         [SK_NN_SIGMOID] = "sigmoid",
        [SK_NN_ADD] = "add",           [SK_NN_MUL] = "mul",
        [SK_NN_MAX_POOL] = "maxpool",  [SK_NN_AVG_POOL] = "avgpool",
        [SK_NN_GLOBAL_POOL] = "mean",  [SK_NN_FLATTEN] = "flatten",
    };
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);

    if (l->name)
        (void)snprintf(out, NAME, "%s", l->name);
    else
        (void)snprintf(out, NAME, "%s_%d", kinds[l->kind], layer);
    return out;
}

/* The value of a layer: of the graph, or of a node. */
static const char *value_name(const struct export *x, int layer, char out[NAME])
{
    int maker = x->alias[layer];

    if (maker == 0)
        return "input";
    if (maker == x->alias[sk_nn_layer_count(x->nn) - 1])
        return "output";
    return node_name(x, maker, out);
}

/* ---- tensors ---- */

static void add_source(struct export *x, const char *name, const int64_t *dims, size_t rank,
                       struct source s)
{
    (void)sk_onnx_add_tensor(x->writer, name, dims, rank);
    x->sources[x->source_count++] = s;
}

static void add_param(struct export *x, const struct sk_nn_param *p)
{
    add_source(x, p->name, p->dims, p->rank, (struct source){ .kind = PARAM, .param = p });
}

static int fill(void *ctx, size_t number, float *out, struct sk_err *err)
{
    struct export *x = ctx;
    const struct source *s = &x->sources[number];

    (void)err;
    switch (s->kind) {
    case FOLDED_WEIGHT:
        sk_nn_fold(x->nn, s->layer, out, x->bias);
        break;
    case FOLDED_BIAS:
        memcpy(out, x->bias, sk_nn_layer(x->nn, (size_t)s->layer)->channels * sizeof *out);
        break;
    case PARAM:
        memcpy(out, s->param->value, s->param->count * sizeof *out);
        break;
    case NUMBER:
        *out = s->number;
        break;
    }
    return 0;
}

/* ---- nodes ---- */

static const struct sk_nn_param *param_of(struct export *x, const char *layer, const char *suffix)
{
    char name[NAME];

    (void)snprintf(name, sizeof name, "%s.%s", layer, suffix);
    return sk_nn_find(x->nn, name);
}

static unsigned or_1(unsigned v)
{
    return v > 0 ? v : 1;
}

static struct sk_onnx_attr pair(const char *name, int64_t v)
{
    return (struct sk_onnx_attr){ name, SK_ONNX_INTS, .ints = { v, v }, .count = 2 };
}

static struct sk_onnx_attr pads(unsigned v)
{
    return (struct sk_onnx_attr){ "pads", SK_ONNX_INTS, .ints = { v, v, v, v }, .count = 4 };
}

static struct sk_onnx_attr integer(const char *name, int64_t v)
{
    return (struct sk_onnx_attr){ name, SK_ONNX_INT, .i = v };
}

static struct sk_onnx_attr real(const char *name, float v)
{
    return (struct sk_onnx_attr){ name, SK_ONNX_FLOAT, .f = v };
}

/* Every convolution has a bias here: folding makes one. */
static void add_conv(struct export *x, int layer, struct sk_onnx_node *node)
{
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);
    const struct sk_nn_param *weight = param_of(x, l->name, "weight");
    char bias[NAME];

    (void)snprintf(bias, sizeof bias, "%s.bias", l->name);
    add_source(x, weight->name, weight->dims, 4,
               (struct source){ .kind = FOLDED_WEIGHT, .layer = layer });
    add_source(x, bias, weight->dims, 1, (struct source){ .kind = FOLDED_BIAS, .layer = layer });
    node->op = "Conv";
    node->inputs[1] = weight->name;
    node->inputs[2] = bias;
    node->attrs[0] = pair("dilations", or_1(l->dilation));
    node->attrs[1] = integer("group", or_1(l->groups));
    node->attrs[2] = pair("kernel_shape", l->kernel);
    node->attrs[3] = pads(l->padding);
    node->attrs[4] = pair("strides", or_1(l->stride));
    sk_onnx_add_node(x->writer, node);
}

static void add_norm(struct export *x, int layer, struct sk_onnx_node *node)
{
    static const char *const suffixes[] = { "weight", "bias", "running_mean", "running_var" };
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);

    node->op = "BatchNormalization";
    for (size_t i = 0; i < 4; i++) {
        const struct sk_nn_param *p = param_of(x, l->name, suffixes[i]);

        add_param(x, p);
        node->inputs[1 + i] = p->name;
    }
    node->attrs[0] = real("epsilon", l->eps > 0 ? l->eps : 1e-5f);
    sk_onnx_add_node(x->writer, node);
}

static void add_linear(struct export *x, int layer, struct sk_onnx_node *node)
{
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);
    const struct sk_nn_param *weight = param_of(x, l->name, "weight");
    const struct sk_nn_param *bias = param_of(x, l->name, "bias");

    add_param(x, weight);
    node->op = "Gemm";
    node->inputs[1] = weight->name;
    if (bias) {
        add_param(x, bias);
        node->inputs[2] = bias->name;
    }
    node->attrs[0] = integer("transB", 1);
    sk_onnx_add_node(x->writer, node);
}

static void add_pool(struct export *x, int layer, struct sk_onnx_node *node)
{
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);

    node->op = l->kind == SK_NN_MAX_POOL ? "MaxPool" : "AveragePool";
    node->attrs[0] = integer("ceil_mode", l->ceil_mode);
    node->attrs[1] = pair("kernel_shape", l->kernel);
    node->attrs[2] = pads(l->padding);
    node->attrs[3] = pair("strides", or_1(l->stride));
    if (l->kind == SK_NN_MAX_POOL)
        node->attrs[4] = pair("dilations", or_1(l->dilation));
    sk_onnx_add_node(x->writer, node);
}

static void add_relu6(struct export *x, struct sk_onnx_node *node)
{
    if (!x->has_clip) {
        add_source(x, clip_min, NULL, 0, (struct source){ .kind = NUMBER, .number = 0 });
        add_source(x, clip_max, NULL, 0, (struct source){ .kind = NUMBER, .number = 6 });
        x->has_clip = true;
    }
    node->op = "Clip";
    node->inputs[1] = clip_min;
    node->inputs[2] = clip_max;
    sk_onnx_add_node(x->writer, node);
}

/* gate: "HardSigmoid" or "Sigmoid"; multiplied with its input when times_input. */
static void add_gate(struct export *x, struct sk_onnx_node *node, const char *op, bool times_input)
{
    char gate_value[NAME + 8];
    struct sk_onnx_node gate = { .op = op, .name = node->name, .inputs = { node->inputs[0] } };

    if (strcmp(op, "HardSigmoid") == 0) {
        gate.attrs[0] = real("alpha", 1.0f / 6);
        gate.attrs[1] = real("beta", 0.5f);
    }
    gate.output = node->output;
    if (times_input) {
        (void)snprintf(gate_value, sizeof gate_value, "%s.gate", node->name);
        gate.name = gate.output = gate_value;
    }
    sk_onnx_add_node(x->writer, &gate);
    if (!times_input)
        return;
    node->op = "Mul";
    node->inputs[1] = gate_value;
    sk_onnx_add_node(x->writer, node);
}

static void add_plain(struct export *x, struct sk_onnx_node *node, const char *op)
{
    node->op = op;
    sk_onnx_add_node(x->writer, node);
}

static void add_layer(struct export *x, int layer)
{
    const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)layer);
    char name[NAME], out[NAME], in[2][NAME];
    struct sk_onnx_node node = { .name = node_name(x, layer, name),
                                 .inputs = { value_name(x, l->in[0], in[0]) },
                                 .output = value_name(x, layer, out) };

    switch (l->kind) {
    case SK_NN_CONV:
        add_conv(x, layer, &node);
        break;
    case SK_NN_BATCH_NORM:
        add_norm(x, layer, &node);
        break;
    case SK_NN_LINEAR:
        add_linear(x, layer, &node);
        break;
    case SK_NN_MAX_POOL:
    case SK_NN_AVG_POOL:
        add_pool(x, layer, &node);
        break;
    case SK_NN_RELU:
        add_plain(x, &node, "Relu");
        break;
    case SK_NN_RELU6:
        add_relu6(x, &node);
        break;
    case SK_NN_HARD_SWISH:
        add_gate(x, &node, "HardSigmoid", true);
        break;
    case SK_NN_HARD_SIGMOID:
        add_gate(x, &node, "HardSigmoid", false);
        break;
    case SK_NN_SILU:
        add_gate(x, &node, "Sigmoid", true);
        break;
    case SK_NN_SIGMOID:
        add_gate(x, &node, "Sigmoid", false);
        break;
    case SK_NN_ADD:
    case SK_NN_MUL:
        node.inputs[1] = value_name(x, l->in[1], in[1]);
        add_plain(x, &node, l->kind == SK_NN_ADD ? "Add" : "Mul");
        break;
    case SK_NN_GLOBAL_POOL:
        add_plain(x, &node, "GlobalAveragePool");
        break;
    case SK_NN_FLATTEN:
        node.attrs[0] = integer("axis", 1);
        add_plain(x, &node, "Flatten");
        break;
    case SK_NN_INPUT:
    case SK_NN_DROPOUT:
    case SK_NN_KIND_COUNT:
        break;
    }
}

/* ---- the graph ---- */

/* Which layers have no node of their own: dropout, and batch norm that is folded. */
static void find_aliases(struct export *x)
{
    int count = (int)sk_nn_layer_count(x->nn);

    for (int i = 0; i < count; i++) {
        const struct sk_nn_layer *l = sk_nn_layer(x->nn, (size_t)i);
        bool is_folded = l->kind == SK_NN_BATCH_NORM && sk_nn_batch_norm_of(x->nn, l->in[0]) == i;

        x->alias[i] = l->kind == SK_NN_DROPOUT || is_folded ? x->alias[l->in[0]] : i;
    }
}

static void add_values(struct export *x)
{
    const struct sk_nn_layer *in = sk_nn_layer(x->nn, 0);
    const struct sk_onnx_dim pictures[] = {
        { 0, "batch_size" }, { in->out_c, NULL }, { in->out_h, NULL }, { in->out_w, NULL }
    };
    const struct sk_onnx_dim scores[] = { { 0, "batch_size" }, { sk_nn_classes(x->nn), NULL } };

    sk_onnx_add_input(x->writer, "input", pictures, 4);
    sk_onnx_add_output(x->writer, "output", scores, 2);
}

static size_t most_channels(const struct sk_nn *n)
{
    size_t most = 1;

    for (size_t i = 0; i < sk_nn_layer_count(n); i++)
        most = sk_nn_layer(n, i)->channels > most ? sk_nn_layer(n, i)->channels : most;
    return most;
}

int sk_arch_export_onnx(struct sk_nn *n, const char *graph_name, const char *const *metadata,
                        const char *path, struct sk_err *err)
{
    const struct sk_onnx_model model = { graph_name, "skerry", SK_VERSION, 7, 13 };
    size_t count = sk_nn_layer_count(n);
    SK_OWN(sk_onnx_writer_free) struct sk_onnx_writer *writer = NULL;
    SK_OWN(free) int *alias = calloc(count, sizeof *alias);
    SK_OWN(free) struct source *sources = calloc(count * SOURCES_PER_LAYER, sizeof *sources);
    SK_OWN(free) float *bias = calloc(most_channels(n), sizeof *bias);
    struct export x = { .nn = n, .alias = alias, .sources = sources, .bias = bias };

    if (!alias || !sources || !bias)
        return sk_nomem(err);
    if (sk_onnx_writer_new(&model, &writer, err) < 0)
        return -1;
    x.writer = writer;
    find_aliases(&x);
    add_values(&x);
    for (int i = 1; i < (int)count; i++)
        if (alias[i] == i)
            add_layer(&x, i);
    for (size_t i = 0; metadata && metadata[i] && metadata[i + 1]; i += 2)
        sk_onnx_add_metadata(writer, metadata[i], metadata[i + 1]);
    return sk_onnx_write(writer, path, fill, &x, err);
}
