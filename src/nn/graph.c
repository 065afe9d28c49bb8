/*
 * graph.c - builds the graph of layers and works out every shape.
 *
 * A layer reads layers before it, so their order is an order of execution and there are no cycles.
 * The first thing that does not fit is kept in the network and reported by sk_nn_finish.
 */
#include "nn/nn_priv.h"

/* Bounds that keep every product of sizes far from overflow. */
enum {
    MAX_LAYERS = 100000,
    MAX_CHANNELS = 1 << 20,
    MAX_SIDE = 1 << 16,
    MAX_KERNEL = 255,
    MAX_POOL_KERNEL = 16, /* positions in a max pooling window fit a byte */
};

static const uint64_t max_elements = (uint64_t)1 << 32; /* of one sample of a layer */

static const struct {
    const char *name;
    unsigned inputs;
} kinds[SK_NN_KIND_COUNT] = {
    [SK_NN_INPUT] = { "input", 0 },
    [SK_NN_CONV] = { "conv", 1 },
    [SK_NN_BATCH_NORM] = { "batch norm", 1 },
    [SK_NN_RELU] = { "relu", 1 },
    [SK_NN_RELU6] = { "relu6", 1 },
    [SK_NN_HARD_SWISH] = { "hard swish", 1 },
    [SK_NN_HARD_SIGMOID] = { "hard sigmoid", 1 },
    [SK_NN_SILU] = { "silu", 1 },
    [SK_NN_SIGMOID] = { "sigmoid", 1 },
    [SK_NN_ADD] = { "add", 2 },
    [SK_NN_MUL] = { "mul", 2 },
    [SK_NN_MAX_POOL] = { "max pool", 1 },
    [SK_NN_AVG_POOL] = { "average pool", 1 },
    [SK_NN_GLOBAL_POOL] = { "global pool", 1 },
    [SK_NN_LINEAR] = { "linear", 1 },
    [SK_NN_FLATTEN] = { "flatten", 1 },
    [SK_NN_DROPOUT] = { "dropout", 1 },
};

const char *sk_nn_kind_name(enum sk_nn_kind kind)
{
    return kinds[kind].name;
}

void sk_nn_label(const struct sk_nn *n, int layer, char *out)
{
    const struct sk_nn_layer *l = &n->layers[layer];

    (void)snprintf(out, SK_NN_LABEL, "layer %d (%s%s%s)", layer, kinds[l->kind].name,
                   l->name ? " " : "", l->name ? l->name : "");
}

int sk_nn_new(unsigned channels, unsigned height, unsigned width, struct sk_nn **out,
              struct sk_err *err)
{
    SK_OWN(sk_nn_free) struct sk_nn *n = NULL;

    if (channels < 1 || height < 1 || width < 1 || channels > MAX_CHANNELS || height > MAX_SIDE ||
        width > MAX_SIDE || (uint64_t)channels * height * width > max_elements)
        return sk_fail(err, SK_INVALID, "pictures of %u x %u x %u cannot be", channels, height,
                       width);
    n = calloc(1, sizeof(*n));
    if (!n)
        return sk_nomem(err);
    n->cap = 128;
    n->layers = calloc(n->cap, sizeof(*n->layers));
    if (!n->layers)
        return sk_nomem(err);
    n->layers[0] = (struct sk_nn_layer){
        .kind = SK_NN_INPUT, .out_c = channels, .out_h = height, .out_w = width
    };
    n->count = 1;
    *out = SK_TAKE(n);
    return 0;
}

void sk_nn_free(struct sk_nn *n)
{
    if (!n)
        return;
    for (size_t i = 0; i < n->count; i++)
        free((void *)(uintptr_t)n->layers[i].name);
    for (size_t i = 0; i < n->param_count; i++)
        free((void *)(uintptr_t)n->params[i].name);
    free(n->layers);
    free(n->readers);
    free(n->reader);
    free(n->first_param);
    free(n->params);
    free(n->values);
    free(n->grads);
    free(n->buffers);
    free(n);
}

/* ---- shapes ---- */

/* Places of a window along one side; 0: it does not fit. */
static unsigned places(const struct sk_nn_layer *l, unsigned size)
{
    unsigned window = l->dilation * (l->kernel - 1) + 1;
    unsigned padded = size + 2 * l->padding;
    unsigned count, rest;

    if (padded < window)
        return 0;
    count = (padded - window) / l->stride + 1;
    rest = (padded - window) % l->stride;
    /* A window that hangs over the end counts, unless it starts in the padding behind. */
    if (l->ceil_mode && rest > 0 && count * l->stride < size + l->padding)
        count++;
    return count;
}

static int check_window(struct sk_nn_layer *l, const struct sk_nn_layer *in, struct sk_err *err)
{
    bool is_pool = l->kind != SK_NN_CONV;
    unsigned max = l->kind == SK_NN_MAX_POOL ? MAX_POOL_KERNEL : MAX_KERNEL;

    l->stride = l->stride ? l->stride : 1;
    l->dilation = l->dilation ? l->dilation : 1;
    if (l->kernel < 1 || l->kernel > max)
        return sk_fail(err, SK_INVALID, "kernel %u is not within 1 and %u", l->kernel, max);
    if (l->stride > MAX_SIDE || l->dilation > MAX_SIDE || l->padding > MAX_SIDE)
        return sk_fail(err, SK_INVALID, "stride, dilation or padding beyond %d", MAX_SIDE);
    if (is_pool && l->padding > l->kernel / 2)
        return sk_fail(err, SK_INVALID, "padding %u is more than half of kernel %u", l->padding,
                       l->kernel);
    if (l->kind == SK_NN_AVG_POOL && l->dilation != 1)
        return sk_fail(err, SK_INVALID, "average pooling has no dilation");
    if (!is_pool && l->ceil_mode)
        return sk_fail(err, SK_INVALID, "ceil_mode is for pooling");
    l->out_h = places(l, in->out_h);
    l->out_w = places(l, in->out_w);
    if (l->out_h == 0 || l->out_w == 0)
        return sk_fail(err, SK_INVALID, "kernel %u does not fit into %u x %u with padding %u",
                       l->kernel, in->out_h, in->out_w, l->padding);
    return 0;
}

static int check_conv(struct sk_nn_layer *l, const struct sk_nn_layer *in, struct sk_err *err)
{
    l->groups = l->groups ? l->groups : 1;
    if (in->out_c % l->groups != 0 || l->channels % l->groups != 0)
        return sk_fail(err, SK_INVALID, "%u groups do not divide %u inputs and %u outputs",
                       l->groups, in->out_c, l->channels);
    l->out_c = l->channels;
    return check_window(l, in, err);
}

static int check_pair(struct sk_nn_layer *l, const struct sk_nn_layer *a,
                      const struct sk_nn_layer *b, struct sk_err *err)
{
    bool is_same = a->out_c == b->out_c && a->out_h == b->out_h && a->out_w == b->out_w;
    bool is_scale = l->kind == SK_NN_MUL && a->out_c == b->out_c && b->out_h * b->out_w == 1;

    if (!is_same && !is_scale)
        return sk_fail(err, SK_INVALID, "%u x %u x %u and %u x %u x %u do not fit", a->out_c,
                       a->out_h, a->out_w, b->out_c, b->out_h, b->out_w);
    return 0;
}

static int check_linear(struct sk_nn_layer *l, const struct sk_nn_layer *in, struct sk_err *err)
{
    if (in->out_h * in->out_w != 1)
        return sk_fail(err, SK_INVALID, "its input of %u x %u x %u is not flattened", in->out_c,
                       in->out_h, in->out_w);
    l->out_c = l->channels;
    return 0;
}

static int check_flatten(struct sk_nn_layer *l, const struct sk_nn_layer *in, struct sk_err *err)
{
    uint64_t count = (uint64_t)in->out_h * in->out_w;

    if (count > MAX_CHANNELS || count * in->out_c > (1u << 30))
        return sk_fail(err, SK_LIMIT, "%u x %u x %u is too large", in->out_c, in->out_h, in->out_w);
    l->out_c = (unsigned)(count * in->out_c);
    l->out_h = l->out_w = 1;
    return 0;
}

static int check_kind(struct sk_nn_layer *l, const struct sk_nn_layer *a,
                      const struct sk_nn_layer *b, struct sk_err *err)
{
    l->out_c = a->out_c;
    l->out_h = a->out_h;
    l->out_w = a->out_w;
    switch (l->kind) {
    case SK_NN_CONV:
        return check_conv(l, a, err);
    case SK_NN_MAX_POOL:
    case SK_NN_AVG_POOL:
        return check_window(l, a, err);
    case SK_NN_ADD:
    case SK_NN_MUL:
        return check_pair(l, a, b, err);
    case SK_NN_GLOBAL_POOL:
        l->out_h = l->out_w = 1;
        return 0;
    case SK_NN_LINEAR:
        return check_linear(l, a, err);
    case SK_NN_FLATTEN:
        return check_flatten(l, a, err);
    case SK_NN_BATCH_NORM:
        l->eps = l->eps != 0 ? l->eps : 1e-5f;
        l->momentum = l->momentum != 0 ? l->momentum : 0.1f;
        return l->eps > 0 && l->momentum > 0 && l->momentum <= 1
                   ? 0
                   : sk_fail(err, SK_INVALID, "eps %g, momentum %g", (double)l->eps,
                             (double)l->momentum);
    case SK_NN_DROPOUT:
        return l->rate >= 0 && l->rate <= 1
                   ? 0
                   : sk_fail(err, SK_INVALID, "rate %g is not within 0 and 1", (double)l->rate);
    case SK_NN_INPUT:
        return sk_fail(err, SK_INVALID, "there is one input, layer 0");
    default:
        return 0;
    }
}

/* ---- building ---- */

static int check_names(const struct sk_nn *n, const struct sk_nn_layer *l, struct sk_err *err)
{
    bool has_params = l->kind == SK_NN_CONV || l->kind == SK_NN_LINEAR ||
                      l->kind == SK_NN_BATCH_NORM;

    if (!has_params)
        return 0;
    if (!l->name)
        return sk_fail(err, SK_INVALID, "a layer with parameters needs a name");
    for (size_t i = 0; i < n->count; i++)
        if (n->layers[i].name && strcmp(n->layers[i].name, l->name) == 0)
            return sk_fail(err, SK_INVALID, "the name is taken by layer %zu", i);
    if ((l->kind == SK_NN_CONV || l->kind == SK_NN_LINEAR) &&
        (l->channels < 1 || l->channels > MAX_CHANNELS))
        return sk_fail(err, SK_INVALID, "%u output channels", l->channels);
    return 0;
}

static int check_layer(const struct sk_nn *n, struct sk_nn_layer *l, struct sk_err *err)
{
    if ((unsigned)l->kind >= SK_NN_KIND_COUNT)
        return sk_fail(err, SK_INVALID, "unknown kind %d", (int)l->kind);
    if (n->is_finished || n->count >= MAX_LAYERS)
        return sk_fail(err, SK_INVALID, "the network is finished or has too many layers");
    for (unsigned k = 0; k < kinds[l->kind].inputs; k++)
        if (l->in[k] < 0 || (size_t)l->in[k] >= n->count)
            return sk_fail(err, SK_INVALID, "input %d is no layer before it", l->in[k]);
    if (check_names(n, l, err) < 0)
        return -1;
    if (check_kind(l, &n->layers[l->in[0]], &n->layers[kinds[l->kind].inputs > 1 ? l->in[1] : 0],
                   err) < 0)
        return -1;
    if ((uint64_t)l->out_c * l->out_h * l->out_w > max_elements)
        return sk_fail(err, SK_LIMIT, "%u x %u x %u is too large", l->out_c, l->out_h, l->out_w);
    return 0;
}

static int append(struct sk_nn *n, struct sk_nn_layer *l, struct sk_err *err)
{
    char *name = NULL;

    if (n->count == n->cap) {
        void *more = reallocarray(n->layers, 2 * n->cap, sizeof(*n->layers));
        if (!more)
            return sk_nomem(err);
        n->layers = more;
        n->cap *= 2;
    }
    if (l->name) {
        name = strdup(l->name);
        if (!name)
            return sk_nomem(err);
    }
    n->layers[n->count] = *l;
    n->layers[n->count].name = name;
    return (int)n->count++;
}

int sk_nn_add(struct sk_nn *n, const struct sk_nn_layer *layer)
{
    struct sk_nn_layer l = *layer;
    int index = -1;

    if (n->err.code != SK_OK)
        return -1;
    if (check_layer(n, &l, &n->err) == 0)
        index = append(n, &l, &n->err);
    if (index < 0) {
        const char *kind = (unsigned)l.kind < SK_NN_KIND_COUNT ? kinds[l.kind].name
                                                               : "unknown kind";
        (void)sk_wrap(&n->err, "layer %zu (%s%s%s)", n->count, kind, l.name ? " " : "",
                      l.name ? l.name : "");
    }
    return index;
}

/* Who reads whom. A layer that nobody reads would be trained by nothing. */
static int count_readers(struct sk_nn *n, struct sk_err *err)
{
    n->readers = calloc(n->count, sizeof(*n->readers));
    n->reader = calloc(n->count, sizeof(*n->reader));
    if (!n->readers || !n->reader)
        return sk_nomem(err);
    for (size_t i = 0; i < n->count; i++) {
        for (unsigned k = 0; k < kinds[n->layers[i].kind].inputs; k++) {
            n->readers[n->layers[i].in[k]]++;
            n->reader[n->layers[i].in[k]] = (int)i;
        }
    }
    for (size_t i = 0; i + 1 < n->count; i++) {
        if (n->readers[i] == 0) {
            char label[SK_NN_LABEL];
            sk_nn_label(n, (int)i, label);
            return sk_fail(err, SK_INVALID, "%s is read by no layer", label);
        }
    }
    return 0;
}

int sk_nn_finish(struct sk_nn *n, struct sk_err *err)
{
    const struct sk_nn_layer *last = &n->layers[n->count - 1];

    if (n->err.code != SK_OK) {
        *err = n->err;
        return -1;
    }
    if (n->is_finished)
        return sk_fail(err, SK_INVALID, "the network is finished already");
    if (n->count < 2 || last->out_h * last->out_w != 1)
        return sk_fail(err, SK_INVALID, "the last layer gives %u x %u x %u and no class scores",
                       last->out_c, last->out_h, last->out_w);
    if (count_readers(n, err) < 0 || sk_nn_make_params(n, err) < 0)
        return -1;
    n->is_finished = true;
    return 0;
}

size_t sk_nn_layer_count(const struct sk_nn *n)
{
    return n->count;
}

const struct sk_nn_layer *sk_nn_layer(const struct sk_nn *n, size_t index)
{
    return &n->layers[index];
}

unsigned sk_nn_classes(const struct sk_nn *n)
{
    return n->layers[n->count - 1].out_c;
}

int sk_nn_only_reader(const struct sk_nn *n, int layer)
{
    return n->readers[layer] == 1 ? n->reader[layer] : -1;
}
