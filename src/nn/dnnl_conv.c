/*
 * dnnl_conv.c - one convolution pass: its primitive, and the ways of weights and pictures into its
 * layouts.
 *
 * Weights are left to oneDNN (format any), so they are moved between the plain master copy and the
 * primitive's layout. Scratch memory is the caller's, so that it is shared by all. The algorithm is
 * always direct: Winograd rounds differently.
 *
 * Pictures and gradients come in the network's layout. Where oneDNN has no fast code for a pass in
 * it (gradients of weights of a 3 x 3 kernel over 2 x 2 maps on AVX2), the pass copies them into a
 * layout that has: its reference code is a thousand times slower than both.
 */
#include "nn/dnnl_link_priv.h"

#include "base/cleanup.h"

#include <string.h>

/* 2.x has memory descriptors as structs, 3.x as owned pointers. */
#if DNNL_VERSION_MAJOR < 3
typedef const dnnl_memory_desc_t *desc_ref;
#define REF(d) (&(d))
#else
typedef const_dnnl_memory_desc_t desc_ref;
#define REF(d) (d)
#endif

/* A tensor moved into another layout before each run. move NULL: it is used as it comes. */
struct copy {
    dnnl_primitive_t move;
    dnnl_memory_t memory;
    size_t at; /* in the scratch memory */
};

struct sk_dn_conv {
    enum sk_dn_pass pass;
    struct sk_dn_conv_shape shape;
    dnnl_primitive_desc_t desc;
    dnnl_primitive_t run, move_weights, move_src;
    /* Without data; each run says where it is. */
    dnnl_memory_t src, weights, bias, dst, scratch, plain_weights, plain_src;
    size_t scratch_bytes, weight_bytes, src_bytes;
    bool copies; /* the layouts of the primitive are not those of the network */
    struct copy src_copy, dst_copy;
};

/* Descriptors that a new primitive is asked with. */
struct asked {
    dnnl_memory_desc_t src, weights, bias, dst;
    bool owns_src;
};

static int new_desc(int rank, const dnnl_dim_t *dims, dnnl_data_type_t type, dnnl_format_tag_t tag,
                    dnnl_memory_desc_t *out, struct sk_err *err)
{
#if DNNL_VERSION_MAJOR < 3
    return sk_dn_check(sk_dn.memory_desc_init_by_tag(out, rank, dims, type, tag), "layout", err);
#else
    return sk_dn_check(sk_dn.memory_desc_create_with_tag(out, rank, dims, type, tag), "layout",
                       err);
#endif
}

static int copy_desc(desc_ref from, dnnl_memory_desc_t *out, struct sk_err *err)
{
#if DNNL_VERSION_MAJOR < 3
    (void)err;
    *out = *from;
    return 0;
#else
    return sk_dn_check(sk_dn.memory_desc_clone(out, from), "layout", err);
#endif
}

static void free_desc(dnnl_memory_desc_t *d)
{
#if DNNL_VERSION_MAJOR >= 3
    if (*d)
        (void)sk_dn.memory_desc_destroy(*d);
#else
    (void)d;
#endif
}

static void asked_done(struct asked *a)
{
    free_desc(&a->src);
    free_desc(&a->weights);
    free_desc(&a->bias);
    free_desc(&a->dst);
}

static dnnl_data_type_t type_of(enum sk_dn_type type)
{
    return type == SK_DN_BF16 ? dnnl_bf16 : dnnl_f32;
}

static dnnl_format_tag_t tag_of(enum sk_dn_layout layout)
{
    static const dnnl_format_tag_t tags[SK_DN_LAYOUT_COUNT] = {
        [SK_DN_ANY] = dnnl_format_tag_any, [SK_DN_NHWC] = dnnl_nhwc,   [SK_DN_C4] = dnnl_nChw4c,
        [SK_DN_C8] = dnnl_nChw8c,          [SK_DN_C16] = dnnl_nChw16c,
    };

    return tags[layout];
}

static int activation_desc(const struct sk_dn_conv_shape *s, bool is_src, dnnl_memory_desc_t *out,
                           struct sk_err *err)
{
    dnnl_dims_t src = { s->n, s->ic, s->ih, s->iw }, dst = { s->n, s->oc, s->oh, s->ow };

    return new_desc(4, is_src ? src : dst, type_of(s->type), tag_of(is_src ? s->src : s->dst), out,
                    err);
}

/* plain: as the master copy; else any layout, in the type of the pass. */
static int weights_desc(const struct sk_dn_conv_shape *s, dnnl_data_type_t type, bool is_plain,
                        dnnl_memory_desc_t *out, struct sk_err *err)
{
    dnnl_dim_t k = s->kernel, g = s->groups;
    dnnl_dims_t dims = { s->oc, s->ic, k, k }, grouped = { g, s->oc / g, s->ic / g, k, k };

    if (g == 1)
        return new_desc(4, dims, type, is_plain ? dnnl_oihw : dnnl_format_tag_any, out, err);
    return new_desc(5, grouped, type, is_plain ? dnnl_goihw : dnnl_format_tag_any, out, err);
}

static int ask(enum sk_dn_pass pass, const struct sk_dn_conv_shape *s,
               const struct sk_dn_conv *forward, struct asked *a, struct sk_err *err)
{
    bool is_f32 = pass == SK_DN_BACK_WEIGHTS; /* gradients of weights */
    dnnl_dims_t oc = { s->oc };

    if (forward && s->src == SK_DN_ANY) {
        if (copy_desc(sk_dn.primitive_desc_query_md(forward->desc, dnnl_query_src_md, 0), &a->src,
                      err) < 0)
            return -1;
    } else if (activation_desc(s, true, &a->src, err) < 0) {
        return -1;
    }
    if (activation_desc(s, false, &a->dst, err) < 0 ||
        weights_desc(s, is_f32 ? dnnl_f32 : type_of(s->type), false, &a->weights, err) < 0)
        return -1;
    return s->has_bias ? new_desc(1, oc, dnnl_f32, dnnl_x, &a->bias, err) : 0;
}

/* ---- the primitive ---- */

static dnnl_alg_kind_t eltwise_of(enum sk_act act)
{
    switch (act) {
    case SK_ACT_RELU:
        return dnnl_eltwise_relu;
    case SK_ACT_RELU6:
        return dnnl_eltwise_clip;
    case SK_ACT_SILU:
        return dnnl_eltwise_swish;
    case SK_ACT_SIGMOID:
        return dnnl_eltwise_logistic;
    default: /* the others differ from version to version, our own loops do them */
        return dnnl_alg_kind_undef;
    }
}

bool sk_dn_can_fuse(enum sk_act act)
{
    return act == SK_ACT_NONE || eltwise_of(act) != dnnl_alg_kind_undef;
}

static dnnl_status_t append_act(dnnl_post_ops_t ops, enum sk_act act)
{
    /* clip: from 0 to 6; swish: x * sigmoid(1 x) */
    float alpha = act == SK_ACT_SILU ? 1 : 0, beta = act == SK_ACT_RELU6 ? 6 : 0;

#if DNNL_VERSION_MAJOR < 3
    return sk_dn.post_ops_append_eltwise(ops, 1, eltwise_of(act), alpha, beta);
#else
    return sk_dn.post_ops_append_eltwise(ops, eltwise_of(act), alpha, beta);
#endif
}

static dnnl_status_t append_sum(dnnl_post_ops_t ops)
{
#if DNNL_VERSION_MAJOR < 3
    return sk_dn.post_ops_append_sum(ops, 1);
#else
    return sk_dn.post_ops_append_sum(ops, 1, 0, dnnl_data_type_undef);
#endif
}

static void attr_done(dnnl_primitive_attr_t *a)
{
    if (*a)
        (void)sk_dn.primitive_attr_destroy(*a);
}

static void post_ops_done(dnnl_post_ops_t *ops)
{
    if (*ops)
        (void)sk_dn.post_ops_destroy(*ops);
}

static int new_attr(const struct sk_dn_conv_shape *s, dnnl_primitive_attr_t *out,
                    struct sk_err *err)
{
    SK_AUTO(attr_done) dnnl_primitive_attr_t attr = NULL;
    SK_AUTO(post_ops_done) dnnl_post_ops_t ops = NULL;

    if (sk_dn_check(sk_dn.primitive_attr_create(&attr), "attributes", err) < 0 ||
        sk_dn_check(sk_dn.primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user),
                    "scratchpad", err) < 0 ||
        sk_dn_check(sk_dn.post_ops_create(&ops), "post-ops", err) < 0)
        return -1;
    if (s->adds && sk_dn_check(append_sum(ops), "sum", err) < 0)
        return -1;
    if (s->act != SK_ACT_NONE && sk_dn_check(append_act(ops, s->act), "activation", err) < 0)
        return -1;
    if (sk_dn_check(sk_dn.primitive_attr_set_post_ops(attr, ops), "post-ops", err) < 0)
        return -1;
    *out = SK_TAKE(attr);
    return 0;
}

/* Padding behind: what the windows need, which is less than in front where the stride leaves rows
 * over, and may be negative. */
static dnnl_dim_t behind(unsigned in, unsigned out, const struct sk_dn_conv_shape *s)
{
    dnnl_dim_t reach = (dnnl_dim_t)(out - 1) * s->stride +
                       (dnnl_dim_t)(s->kernel - 1) * s->dilation;

    return reach + 1 - in - s->padding;
}

static dnnl_status_t create_desc(enum sk_dn_pass pass, const struct sk_dn_conv_shape *s,
                                 const struct asked *a, const_dnnl_primitive_attr_t attr,
                                 const_dnnl_primitive_desc_t hint, dnnl_primitive_desc_t *out)
{
    dnnl_dims_t strides = { s->stride, s->stride }, front = { s->padding, s->padding };
    dnnl_dims_t dilates = { s->dilation - 1, s->dilation - 1 };
    dnnl_dims_t back = { behind(s->ih, s->oh, s), behind(s->iw, s->ow, s) };
    dnnl_prop_kind_t kind = pass == SK_DN_INFER ? dnnl_forward_inference : dnnl_forward_training;
    dnnl_alg_kind_t alg = dnnl_convolution_direct;

#if DNNL_VERSION_MAJOR < 3
    const dnnl_memory_desc_t *bias = s->has_bias ? &a->bias : NULL;
    dnnl_convolution_desc_t d;
    dnnl_status_t status;

    if (pass == SK_DN_BACK_DATA)
        status = sk_dn.dilated_convolution_backward_data_desc_init(
            &d, alg, &a->src, &a->weights, &a->dst, strides, dilates, front, back);
    else if (pass == SK_DN_BACK_WEIGHTS)
        status = sk_dn.dilated_convolution_backward_weights_desc_init(
            &d, alg, &a->src, &a->weights, bias, &a->dst, strides, dilates, front, back);
    else
        status = sk_dn.dilated_convolution_forward_desc_init(
            &d, kind, alg, &a->src, &a->weights, bias, &a->dst, strides, dilates, front, back);
    return status == dnnl_success ? sk_dn.primitive_desc_create(out, &d, attr, sk_dn.engine, hint)
                                  : status;
#else
    if (pass == SK_DN_BACK_DATA)
        return sk_dn.convolution_backward_data_primitive_desc_create(
            out, sk_dn.engine, alg, a->src, a->weights, a->dst, strides, dilates, front, back, hint,
            attr);
    if (pass == SK_DN_BACK_WEIGHTS)
        return sk_dn.convolution_backward_weights_primitive_desc_create(
            out, sk_dn.engine, alg, a->src, a->weights, a->bias, a->dst, strides, dilates, front,
            back, hint, attr);
    return sk_dn.convolution_forward_primitive_desc_create(out, sk_dn.engine, kind, alg, a->src,
                                                           a->weights, a->bias, a->dst, strides,
                                                           dilates, front, back, attr);
#endif
}

/* ---- memory and moves ---- */

static int new_memory(desc_ref d, dnnl_memory_t *out, struct sk_err *err)
{
    return sk_dn_check(sk_dn.memory_create(out, d, sk_dn.engine, DNNL_MEMORY_NONE), "memory", err);
}

static void desc_done(dnnl_primitive_desc_t *d)
{
    if (*d)
        (void)sk_dn.primitive_desc_destroy(*d);
}

static int new_move(desc_ref from, desc_ref to, dnnl_primitive_t *out, struct sk_err *err)
{
    SK_AUTO(desc_done) dnnl_primitive_desc_t d = NULL;

    if (sk_dn_check(
            sk_dn.reorder_primitive_desc_create(&d, from, sk_dn.engine, to, sk_dn.engine, NULL),
            "reorder", err) < 0)
        return -1;
    return sk_dn_check(sk_dn.primitive_create(out, d), "reorder", err);
}

static int prepare_weights(struct sk_dn_conv *c, desc_ref own, struct sk_err *err)
{
    SK_AUTO(free_desc) dnnl_memory_desc_t plain = { 0 };
    bool is_out = c->pass == SK_DN_BACK_WEIGHTS;

    if (new_memory(own, &c->weights, err) < 0 ||
        weights_desc(&c->shape, dnnl_f32, true, &plain, err) < 0)
        return -1;
    if (sk_dn.memory_desc_equal(own, REF(plain)))
        return 0;
    c->weight_bytes = sk_dn.memory_desc_get_size(own);
    if (new_memory(REF(plain), &c->plain_weights, err) < 0)
        return -1;
    return is_out ? new_move(own, REF(plain), &c->move_weights, err)
                  : new_move(REF(plain), own, &c->move_weights, err);
}

static int prepare_src(struct sk_dn_conv *c, desc_ref own, struct sk_err *err)
{
    SK_AUTO(free_desc) dnnl_memory_desc_t plain = { 0 };
    const struct sk_dn_conv_shape *s = &c->shape;
    dnnl_dims_t dims = { s->n, s->ic, s->ih, s->iw };

    if (new_memory(own, &c->src, err) < 0 ||
        new_desc(4, dims, dnnl_f32, dnnl_nchw, &plain, err) < 0)
        return -1;
    if (s->src != SK_DN_ANY || c->pass == SK_DN_BACK_DATA ||
        sk_dn.memory_desc_equal(own, REF(plain)))
        return 0;
    c->src_bytes = sk_dn.memory_desc_get_size(own);
    if (new_memory(REF(plain), &c->plain_src, err) < 0)
        return -1;
    return new_move(REF(plain), own, &c->move_src, err);
}

enum {
    ALIGNMENT = 64
};

/* The primitive wants `own`, the network has `given`. */
static int prepare_copy(struct sk_dn_conv *c, desc_ref given, desc_ref own, struct copy *out,
                        struct sk_err *err)
{
    if (sk_dn.memory_desc_equal(given, own))
        return 0;
    if (new_memory(own, &out->memory, err) < 0 || new_move(given, own, &out->move, err) < 0)
        return -1;
    out->at = (c->scratch_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    c->scratch_bytes = out->at + sk_dn.memory_desc_get_size(own);
    return 0;
}

static int prepare(struct sk_dn_conv *c, const struct asked *a, struct sk_err *err)
{
    static const dnnl_query_t queries[][3] = {
        [SK_DN_INFER] = { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md },
        [SK_DN_FORWARD] = { dnnl_query_src_md, dnnl_query_weights_md, dnnl_query_dst_md },
        [SK_DN_BACK_DATA] = { dnnl_query_diff_src_md, dnnl_query_weights_md,
                              dnnl_query_diff_dst_md },
        [SK_DN_BACK_WEIGHTS] = { dnnl_query_src_md, dnnl_query_diff_weights_md,
                                 dnnl_query_diff_dst_md },
    };
    const dnnl_query_t *q = queries[c->pass];
    desc_ref scratch = sk_dn.primitive_desc_query_md(c->desc, dnnl_query_scratchpad_md, 0);
    desc_ref bias = c->shape.has_bias ? sk_dn.primitive_desc_query_md(c->desc, q[1], 1) : NULL;

    desc_ref src = sk_dn.primitive_desc_query_md(c->desc, q[0], 0);
    desc_ref dst = sk_dn.primitive_desc_query_md(c->desc, q[2], 0);
    desc_ref given_src = c->copies ? REF(a->src) : src, given_dst = c->copies ? REF(a->dst) : dst;

    c->scratch_bytes = sk_dn.memory_desc_get_size(scratch);
    if (prepare_src(c, given_src, err) < 0 ||
        prepare_weights(c, sk_dn.primitive_desc_query_md(c->desc, q[1], 0), err) < 0 ||
        new_memory(given_dst, &c->dst, err) < 0 || new_memory(scratch, &c->scratch, err) < 0 ||
        prepare_copy(c, given_src, src, &c->src_copy, err) < 0 ||
        prepare_copy(c, given_dst, dst, &c->dst_copy, err) < 0)
        return -1;
    if (bias && c->pass != SK_DN_BACK_DATA && new_memory(bias, &c->bias, err) < 0)
        return -1;
    return sk_dn_check(sk_dn.primitive_create(&c->run, c->desc), "convolution", err);
}

SK_DEFINE_OWN(struct sk_dn_conv, sk_dn_conv_free);

static bool is_reference(const_dnnl_primitive_desc_t desc)
{
    const char *text = NULL;

    return sk_dn.primitive_desc_query(desc, dnnl_query_impl_info_str, 0, &text) == dnnl_success &&
           strncmp(text, "ref", 3) == 0;
}

/* Copies of pictures and gradients are small beside the weights: so it is with small maps. */
static bool is_cheap_to_copy(const struct sk_dn_conv_shape *s)
{
    size_t in = (size_t)s->n * s->ic * s->ih * s->iw, out = (size_t)s->n * s->oc * s->oh * s->ow;

    return in + out <= (size_t)s->oc * s->ic / s->groups * s->kernel * s->kernel;
}

/* The same pass with pictures and gradients in whatever layout has fast code. Without one, what is
 * there stays. */
static int find_faster(struct sk_dn_conv *c, const struct asked *a,
                       const_dnnl_primitive_attr_t attr, const_dnnl_primitive_desc_t hint,
                       struct sk_err *err)
{
    SK_AUTO(asked_done) struct asked free_choice = { 0 };
    SK_AUTO(desc_done) dnnl_primitive_desc_t found = NULL;
    struct sk_dn_conv_shape s = c->shape;

    s.src = s.dst = SK_DN_ANY;
    if (activation_desc(&s, true, &free_choice.src, err) < 0 ||
        activation_desc(&s, false, &free_choice.dst, err) < 0 ||
        copy_desc(REF(a->weights), &free_choice.weights, err) < 0 ||
        (s.has_bias && copy_desc(REF(a->bias), &free_choice.bias, err) < 0))
        return -1;
    if (create_desc(c->pass, &s, &free_choice, attr, hint, &found) != dnnl_success ||
        is_reference(found))
        return 0;
    desc_done(&c->desc);
    c->desc = SK_TAKE(found);
    c->copies = true;
    return 0;
}

int sk_dn_conv_new(enum sk_dn_pass pass, const struct sk_dn_conv_shape *shape,
                   const struct sk_dn_conv *forward, struct sk_dn_conv **out, struct sk_err *err)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *c = calloc(1, sizeof(*c));
    SK_AUTO(asked_done) struct asked a = { 0 };
    SK_AUTO(attr_done) dnnl_primitive_attr_t attr = NULL;

    if (!c)
        return sk_nomem(err);
    c->pass = pass;
    c->shape = *shape;
    if (ask(pass, shape, forward, &a, err) < 0 || new_attr(shape, &attr, err) < 0)
        return -1;
    const_dnnl_primitive_desc_t hint = forward ? forward->desc : NULL;
    if (sk_dn_check(create_desc(pass, shape, &a, attr, hint, &c->desc), "convolution", err) < 0)
        return -1;
    if (pass == SK_DN_BACK_WEIGHTS && shape->dst != SK_DN_ANY && is_cheap_to_copy(shape) &&
        is_reference(c->desc) && find_faster(c, &a, attr, hint, err) < 0)
        return -1;
    if (prepare(c, &a, err) < 0)
        return -1;
    *out = SK_TAKE(c);
    return 0;
}

void sk_dn_conv_free(struct sk_dn_conv *c)
{
    if (!c)
        return;
    const dnnl_memory_t memories[] = { c->src,       c->weights,         c->bias,
                                       c->dst,       c->scratch,         c->plain_weights,
                                       c->plain_src, c->src_copy.memory, c->dst_copy.memory };
    const dnnl_primitive_t primitives[] = { c->run, c->move_weights, c->move_src, c->src_copy.move,
                                            c->dst_copy.move };

    for (size_t i = 0; i < sizeof(memories) / sizeof(memories[0]); i++)
        if (memories[i])
            (void)sk_dn.memory_destroy(memories[i]);
    for (size_t i = 0; i < sizeof(primitives) / sizeof(primitives[0]); i++)
        if (primitives[i])
            (void)sk_dn.primitive_destroy(primitives[i]);
    desc_done(&c->desc);
    free(c);
}

const char *sk_dn_conv_impl(const struct sk_dn_conv *c)
{
    const char *text = NULL;

    if (sk_dn.primitive_desc_query(c->desc, dnnl_query_impl_info_str, 0, &text) != dnnl_success)
        return "unknown";
    return text;
}

size_t sk_dn_conv_scratch_bytes(const struct sk_dn_conv *c)
{
    return c->scratch_bytes;
}

size_t sk_dn_conv_weight_bytes(const struct sk_dn_conv *c)
{
    return c->weight_bytes;
}

size_t sk_dn_conv_src_bytes(const struct sk_dn_conv *c)
{
    return c->src_bytes;
}

bool sk_dn_conv_same_weights(const struct sk_dn_conv *a, const struct sk_dn_conv *b)
{
    return sk_dn.memory_desc_equal(
        sk_dn.primitive_desc_query_md(a->desc, dnnl_query_weights_md, 0),
        sk_dn.primitive_desc_query_md(b->desc, dnnl_query_weights_md, 0));
}

/* ---- running ---- */

static int execute(dnnl_primitive_t run, const dnnl_exec_arg_t *args, int count, const char *what,
                   struct sk_err *err)
{
    if (sk_dn_check(sk_dn.primitive_execute(run, sk_dn.stream, count, args), what, err) < 0)
        return -1;
    return sk_dn_check(sk_dn.stream_wait(sk_dn.stream), what, err);
}

static int point(dnnl_memory_t m, const void *data, struct sk_err *err)
{
    return sk_dn_check(sk_dn.memory_set_data_handle(m, (void *)(uintptr_t)data), "memory", err);
}

static int move(dnnl_primitive_t run, dnnl_memory_t from_memory, const void *from,
                dnnl_memory_t to_memory, void *to, struct sk_err *err)
{
    dnnl_exec_arg_t args[] = { { DNNL_ARG_FROM, from_memory }, { DNNL_ARG_TO, to_memory } };

    if (point(from_memory, from, err) < 0 || point(to_memory, to, err) < 0)
        return -1;
    return execute(run, args, 2, "reorder", err);
}

int sk_dn_conv_move_weights(struct sk_dn_conv *c, const void *from, void *to, struct sk_err *err)
{
    bool is_out = c->pass == SK_DN_BACK_WEIGHTS;

    return move(c->move_weights, is_out ? c->weights : c->plain_weights, from,
                is_out ? c->plain_weights : c->weights, to, err);
}

int sk_dn_conv_move_src(struct sk_dn_conv *c, const float *from, void *to, struct sk_err *err)
{
    return move(c->move_src, c->plain_src, from, c->src, to, err);
}

/* Fills a copy, if there is one, and gives the memory that the primitive reads. */
static int take_copy(const struct copy *copy, dnnl_memory_t given, const void *data, char *scratch,
                     dnnl_memory_t *out, struct sk_err *err)
{
    *out = copy->move ? copy->memory : given;
    return copy->move ? move(copy->move, given, data, copy->memory, scratch + copy->at, err)
                      : point(given, data, err);
}

int sk_dn_conv_run(struct sk_dn_conv *c, const struct sk_dn_conv_data *d, struct sk_err *err)
{
    static const int names[][4] = {
        [SK_DN_INFER] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS },
        [SK_DN_FORWARD] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS },
        [SK_DN_BACK_DATA] = { DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST, 0 },
        [SK_DN_BACK_WEIGHTS] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST,
                                 DNNL_ARG_DIFF_BIAS },
    };
    const int *n = names[c->pass];
    dnnl_memory_t src = NULL, dst = NULL;

    if (take_copy(&c->src_copy, c->src, d->src, d->scratch, &src, err) < 0 ||
        take_copy(&c->dst_copy, c->dst, d->dst, d->scratch, &dst, err) < 0 ||
        point(c->weights, d->weights, err) < 0 || point(c->scratch, d->scratch, err) < 0)
        return -1;

    dnnl_exec_arg_t args[] = { { n[0], src },
                               { n[1], c->weights },
                               { n[2], dst },
                               { DNNL_ARG_SCRATCHPAD, c->scratch },
                               { n[3], c->bias } };

    if (c->bias && point(c->bias, d->bias, err) < 0)
        return -1;
    return execute(c->run, args, c->bias ? 5 : 4, "convolution", err);
}

/* ---- layouts ---- */

/* A 3 x 3 convolution as residual networks are made of. */
static const struct sk_dn_conv_shape typical = {
    .n = 8,
    .ic = 64,
    .ih = 56,
    .iw = 56,
    .oc = 64,
    .oh = 56,
    .ow = 56,
    .kernel = 3,
    .stride = 1,
    .padding = 1,
    .dilation = 1,
    .groups = 1,
};

int sk_dn_best_layout(enum sk_dn_type type, enum sk_dn_layout *out, struct sk_err *err)
{
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *forward = NULL;
    SK_OWN(sk_dn_conv_free) struct sk_dn_conv *backward = NULL;
    struct sk_dn_conv_shape s = typical;
    desc_ref chosen;

    s.type = type;
    if (sk_dn_conv_new(SK_DN_FORWARD, &s, NULL, &forward, err) < 0 ||
        sk_dn_conv_new(SK_DN_BACK_WEIGHTS, &s, forward, &backward, err) < 0)
        return -1;
    chosen = sk_dn.primitive_desc_query_md(backward->desc, dnnl_query_diff_dst_md, 0);
    for (int layout = SK_DN_C16; layout > SK_DN_NHWC; layout--) {
        SK_AUTO(free_desc) dnnl_memory_desc_t d = { 0 };

        s.dst = (enum sk_dn_layout)layout;
        if (activation_desc(&s, false, &d, err) < 0)
            return -1;
        if (sk_dn.memory_desc_equal(REF(d), chosen)) {
            *out = s.dst;
            return 0;
        }
    }
    *out = SK_DN_NHWC; /* or a layout that our loops do not have */
    return 0;
}
