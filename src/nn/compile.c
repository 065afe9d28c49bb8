/*
 * compile.c - from layers to operations on tensors.
 *
 * A chain is a row of layers that one operation does: batch norm, the addition behind it and the
 * activation behind that, where nobody else reads what lies between; in inference a convolution
 * heads such a chain and takes the batch norm in as well. The operation stands where the chain
 * ends, because the other side of the addition must be ready. All other layers are one operation
 * each; where an input has another layout than the operation works on, a conversion goes before it.
 */
#include "nn/nn_priv.h"

struct compiler {
    struct sk_nn_plan *p;
    const struct sk_nn *n;
    int *head;     /* per layer: first layer of its chain, itself when alone */
    int *end;      /* per head: last layer of its chain */
    int *residual; /* per head: layer that is added, -1: none */
    int *norm;     /* per head: batch norm folded into the convolution, -1: none */
    enum sk_act *act;
    int *value; /* per layer: the value of its result */
};

static enum sk_act act_of(enum sk_nn_kind kind)
{
    return kind >= SK_NN_RELU && kind <= SK_NN_SIGMOID
               ? (enum sk_act)(kind - SK_NN_RELU + SK_ACT_RELU)
               : SK_ACT_NONE;
}

/* ---- chains ---- */

static void claim(struct compiler *c, int head, int layer)
{
    c->head[layer] = head;
    c->end[head] = layer;
}

/* Takes in the addition that reads only the end of the chain, unless another chain has it. */
static void claim_add(struct compiler *c, int head)
{
    int last = c->end[head], next = sk_nn_only_reader(c->n, last);
    const struct sk_nn_layer *l = next >= 0 ? &c->n->layers[next] : NULL;
    bool is_free = l && l->kind == SK_NN_ADD && c->head[next] == next && c->end[next] == next;

    if (!is_free || l->in[0] == l->in[1])
        return;
    c->residual[head] = l->in[0] == last ? l->in[1] : l->in[0];
    claim(c, head, next);
}

static void claim_act(struct compiler *c, int head, bool is_conv)
{
    int next = sk_nn_only_reader(c->n, c->end[head]);
    enum sk_act act = next >= 0 ? act_of(c->n->layers[next].kind) : SK_ACT_NONE;
    bool is_possible = is_conv ? sk_dn_can_fuse(act)
                               : c->residual[head] < 0 || sk_act_from_output(act);

    if (act == SK_ACT_NONE || !is_possible)
        return;
    c->act[head] = act;
    claim(c, head, next);
}

static void find_chain(struct compiler *c, int layer)
{
    enum sk_nn_kind kind = c->n->layers[layer].kind;
    bool is_conv = kind == SK_NN_CONV && !c->p->is_training;

    if (c->head[layer] != layer || (kind != SK_NN_BATCH_NORM && !is_conv))
        return;
    if (is_conv) {
        c->norm[layer] = sk_nn_batch_norm_of(c->n, layer);
        if (c->norm[layer] >= 0)
            claim(c, layer, c->norm[layer]);
    }
    claim_add(c, layer);
    claim_act(c, layer, is_conv);
}

/* ---- values and operations ---- */

static int add_value(struct compiler *c, const struct sk_nn_value *v)
{
    c->p->values[c->p->value_count] = *v;
    return (int)c->p->value_count++;
}

static struct sk_nn_op *add_op(struct compiler *c, const struct sk_nn_op_kind *kind, int layer,
                               int first, int second, int out)
{
    struct sk_nn_op *op = &c->p->ops[c->p->op_count];

    *op = (struct sk_nn_op){ .kind = kind,
                             .layer = layer,
                             .norm = -1,
                             .in = { first, second },
                             .out = out,
                             .g = -1,
                             .g2 = -1,
                             .d = { -1, -1 },
                             .sum = { -1, -1 } };
    c->p->values[out].maker = (int)c->p->op_count++;
    c->p->values[first].readers++;
    if (second >= 0)
        c->p->values[second].readers++;
    return op;
}

/* The value in the layout of `like`, by a conversion where it is in another. */
static int converted(struct compiler *c, int value, unsigned block, enum sk_dn_type type, bool flat)
{
    struct sk_nn_value v = c->p->values[value];

    if (flat) {
        v.c *= v.h * v.w;
        v.h = v.w = 1;
        block = v.c;
    }
    if (c->p->values[value].c == v.c && v.block == block && v.type == type)
        return value;
    v.block = block;
    v.type = type;
    v.buffer = -1;
    v.readers = 0;
    int out = add_value(c, &v);
    (void)add_op(c, &sk_nn_op_convert, -1, value, -1, out);
    return out;
}

static int in_plan_layout(struct compiler *c, int value)
{
    return converted(c, value, sk_nn_block_of(c->p, c->p->values[value].c), c->p->type, false);
}

static int in_flat_layout(struct compiler *c, int value)
{
    return converted(c, value, 1, SK_DN_F32, true);
}

static const struct sk_nn_op_kind *kind_of(const struct sk_nn_layer *l)
{
    switch (l->kind) {
    case SK_NN_CONV:
        return &sk_nn_op_conv;
    case SK_NN_BATCH_NORM:
        return &sk_nn_op_norm;
    case SK_NN_ADD:
        return &sk_nn_op_add;
    case SK_NN_MUL:
        return &sk_nn_op_mul;
    case SK_NN_MAX_POOL:
        return &sk_nn_op_max_pool;
    case SK_NN_AVG_POOL:
        return &sk_nn_op_avg_pool;
    case SK_NN_GLOBAL_POOL:
        return &sk_nn_op_global_pool;
    case SK_NN_LINEAR:
        return &sk_nn_op_linear;
    case SK_NN_DROPOUT:
        return &sk_nn_op_dropout;
    default:
        return &sk_nn_op_act;
    }
}

/* The value of an input, in a layout that the layer can read. */
static int input_of(struct compiler *c, const struct sk_nn_layer *l, int layer)
{
    int value = c->value[layer];
    const struct sk_nn_value *v = &c->p->values[value];

    if (l->kind == SK_NN_CONV)
        return value == 0 ? 0 : in_plan_layout(c, value); /* it reads pictures as they are */
    if (l->kind == SK_NN_LINEAR || l->kind == SK_NN_FLATTEN)
        return in_flat_layout(c, value);
    return sk_nn_is_flat(v) ? value : in_plan_layout(c, value);
}

/* Is the result of this layer, or of what is behind in[], in f32 rows: like its first input? */
static void set_layout(struct compiler *c, const struct sk_nn_layer *l, int first,
                       struct sk_nn_value *v)
{
    const struct sk_nn_value *in = &c->p->values[first];
    bool is_flat = l->kind == SK_NN_LINEAR || (l->kind != SK_NN_CONV && sk_nn_is_flat(in));

    v->type = is_flat ? SK_DN_F32 : c->p->type;
    v->block = is_flat ? v->c : sk_nn_block_of(c->p, v->c);
}

static bool is_trained(const struct sk_nn *n, int layer)
{
    int i = n->first_param[layer];

    for (; i >= 0 && (size_t)i < n->param_count && n->params[i].layer == layer; i++)
        if (!n->params[i].frozen && n->params[i].role < SK_NN_BN_MEAN)
            return true;
    return false;
}

static void emit(struct compiler *c, int head)
{
    const struct sk_nn_layer *l = &c->n->layers[head], *last = &c->n->layers[c->end[head]];
    int first = input_of(c, l, l->in[0]), second = -1, out;
    bool is_pair = l->kind == SK_NN_ADD || l->kind == SK_NN_MUL;
    struct sk_nn_value v = { .c = last->out_c, .h = last->out_h, .w = last->out_w, .buffer = -1 };
    struct sk_nn_op *op;

    if (l->kind == SK_NN_FLATTEN) {
        c->value[head] = first;
        return;
    }
    set_layout(c, l, first, &v);
    if (is_pair || c->residual[head] >= 0) {
        second = c->value[is_pair ? l->in[1] : c->residual[head]];
        second = converted(c, second, v.block, v.type, false);
    }
    out = add_value(c, &v);
    op = add_op(c, kind_of(l), head, first, second, out);
    op->norm = c->norm[head];
    op->act = c->act[head] != SK_ACT_NONE ? c->act[head] : act_of(l->kind);
    op->is_trained = c->p->is_training && is_trained(c->n, head);
    op->is_still = l->kind == SK_NN_BATCH_NORM &&
                   (!c->p->is_training || sk_nn_param_of(c->n, head, SK_NN_BN_WEIGHT)->frozen);
    c->value[c->end[head]] = out;
}

/* ---- the whole ---- */

static int make_room(struct compiler *c, struct sk_err *err)
{
    size_t n = c->n->count;
    int *room = calloc(5 * n, sizeof(*room));

    c->head = room;
    c->act = calloc(n, sizeof(*c->act));
    /* At most two conversions before a layer, and one behind the last. */
    c->p->values = calloc(3 * n + 2, sizeof(*c->p->values));
    c->p->ops = calloc(3 * n + 2, sizeof(*c->p->ops));
    if (!room || !c->act || !c->p->values || !c->p->ops)
        return sk_nomem(err);
    c->end = room + n;
    c->residual = room + 2 * n;
    c->norm = room + 3 * n;
    c->value = room + 4 * n;
    for (size_t i = 0; i < n; i++) {
        c->head[i] = c->end[i] = (int)i;
        c->residual[i] = c->norm[i] = -1;
    }
    return 0;
}

static void compiler_done(struct compiler *c)
{
    free(c->head);
    free(c->act);
}

static void spread_needs(struct sk_nn_plan *p)
{
    for (size_t i = 0; i < p->op_count; i++) {
        struct sk_nn_op *op = &p->ops[i];
        bool below = p->values[op->in[0]].needs_grad ||
                     (op->in[1] >= 0 && p->values[op->in[1]].needs_grad);

        p->values[op->out].needs_grad = below || op->is_trained;
        op->has_backward = p->is_training && p->values[op->out].needs_grad;
    }
}

int sk_nn_compile(struct sk_nn_plan *p, struct sk_err *err)
{
    SK_AUTO(compiler_done) struct compiler c = { .p = p, .n = p->net };
    const struct sk_nn_layer *input = &p->net->layers[0];
    size_t count = p->net->count;

    if (make_room(&c, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        find_chain(&c, (int)i);
    c.value[0] = add_value(&c, &(struct sk_nn_value){ .c = input->out_c,
                                                      .h = input->out_h,
                                                      .w = input->out_w,
                                                      .block = 1,
                                                      .type = SK_DN_F32,
                                                      .buffer = -1,
                                                      .maker = -1 });
    for (size_t i = 1; i < count; i++)
        if (c.end[c.head[i]] == (int)i)
            emit(&c, c.head[i]);
    p->scores = in_flat_layout(&c, c.value[count - 1]);
    p->values[p->scores].readers++; /* the loss */
    spread_needs(p);
    return 0;
}
