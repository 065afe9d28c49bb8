/*
 * plan.c - makes a plan: compile, prepare each operation, place gradients and memory.
 *
 * The stages and what they decide are told in nn_priv.h. Operations are prepared in their order, so
 * the layouts of inputs are known; the memory of an output is that of an input where that is read
 * for the last time.
 */
#include "nn/nn_priv.h"

#include "base/thread.h"

#include <stdatomic.h>

enum {
    MAX_BATCH = 1 << 16, /* sizes of tensors stay far from overflow, see graph.c */
};

static _Atomic unsigned thread_count;
static _Atomic bool is_started;

int sk_nn_start(unsigned threads, struct sk_err *err)
{
    if (sk_dn_start(err) < 0)
        return -1;
    thread_count = threads > 0 ? threads : sk_cpu_count();
    is_started = true;
    return 0;
}

unsigned sk_nn_threads(void)
{
    return thread_count;
}

const char *sk_nn_engine_name(void)
{
    return sk_dn_name();
}

bool sk_nn_has_bf16(void)
{
    return is_started && sk_dn_has_bf16();
}

/* ---- outputs ---- */

bool sk_nn_reads_output(const struct sk_nn_op *op)
{
    return op->act != SK_ACT_NONE &&
           (op->kind == &sk_nn_op_norm ? op->in[1] >= 0
                                       : op->kind == &sk_nn_op_act && sk_act_from_output(op->act));
}

bool sk_nn_reads_input(const struct sk_nn_op *op)
{
    return op->kind->is_product || (op->kind == &sk_nn_op_act && !sk_act_from_output(op->act));
}

bool sk_nn_same_shape(const struct sk_nn_plan *p, int a, int b)
{
    const struct sk_nn_value *x = &p->values[a], *y = &p->values[b];

    return x->c == y->c && x->h == y->h && x->w == y->w;
}

/* Can the output of the operation lie in the memory of this value, which it reads? left: readers
 * that have not run yet, this one included. */
static bool can_take(const struct sk_nn_plan *p, const struct sk_nn_op *op, int value,
                     const unsigned *left)
{
    const struct sk_nn_value *v = value >= 0 ? &p->values[value] : NULL;

    bool is_possible = op->kind->is_pointwise || op->kind == &sk_nn_op_conv;

    if (!is_possible || !v || v->buffer < 0 || !sk_nn_same_shape(p, value, op->out))
        return false;
    if (!p->is_training)
        return left[value] == 1;
    return v->readers == 1 && !sk_nn_reads_input(op) && !sk_nn_reads_output(&p->ops[v->maker]);
}

static int place_output(struct sk_nn_plan *p, struct sk_nn_op *op, const unsigned *left,
                        struct sk_err *err)
{
    struct sk_nn_value *out = &p->values[op->out];
    /* A convolution adds to what is in its output: the residual. */
    int candidate = op->kind == &sk_nn_op_conv ? op->in[1] : op->in[0];

    if (can_take(p, op, candidate, left))
        out->buffer = p->values[candidate].buffer;
    else
        out->buffer = sk_nn_buffer(p, sk_nn_value_bytes(p, out), err);
    return out->buffer < 0 ? -1 : 0;
}

/* How long forward and backward need the inputs and the output. */
static void keep_values(struct sk_nn_plan *p, const struct sk_nn_op *op)
{
    int forward = sk_nn_step_of(p, op, false), backward = sk_nn_step_of(p, op, true);

    for (int k = 0; k < 2; k++) {
        int buffer = op->in[k] >= 0 ? p->values[op->in[k]].buffer : -1;

        sk_nn_keep(p, buffer, forward);
        if (op->has_backward && sk_nn_reads_input(op))
            sk_nn_keep(p, buffer, backward);
    }
    if (op->has_backward && sk_nn_reads_output(op))
        sk_nn_keep(p, p->values[op->out].buffer, backward);
}

static int prepare_op(struct sk_nn_plan *p, struct sk_nn_op *op, unsigned *left, struct sk_err *err)
{
    p->now = sk_nn_step_of(p, op, false);
    if (place_output(p, op, left, err) < 0)
        return -1;
    keep_values(p, op);
    for (int k = 0; k < 2; k++)
        if (op->in[k] >= 0)
            left[op->in[k]]--;
    if (!op->kind->prepare || op->kind->prepare(p, op, err) == 0)
        return 0;
    if (op->layer >= 0) {
        char label[SK_NN_LABEL];

        sk_nn_label(p->net, op->layer, label);
        return sk_wrap(err, "%s", label);
    }
    return sk_wrap(err, "%s", op->kind->name);
}

static int prepare_ops(struct sk_nn_plan *p, struct sk_err *err)
{
    SK_AUTO(free_cleanup) unsigned *left = calloc(p->value_count, sizeof(*left));

    if (!left)
        return sk_nomem(err);
    for (size_t i = 0; i < p->value_count; i++)
        left[i] = p->values[i].readers;
    for (size_t i = 0; i < p->op_count; i++)
        if (prepare_op(p, &p->ops[i], left, err) < 0)
            return -1;
    sk_nn_keep(p, p->values[p->scores].buffer, SK_NN_FOREVER);
    return 0;
}

/* ---- the plan ---- */

static int check_options(const struct sk_nn *n, const struct sk_nn_plan_options *o,
                         struct sk_err *err)
{
    if (!is_started)
        return sk_fail(err, SK_BUG, "sk_nn_start was not called");
    if (!n->is_finished)
        return sk_fail(err, SK_BUG, "the network is not finished");
    if (o->batch < 1 || o->batch > MAX_BATCH)
        return sk_fail(err, SK_INVALID, "a batch of %u cannot be", o->batch);
    if (o->precision == SK_NN_BF16 && !sk_dn_has_bf16())
        return sk_fail(err, SK_UNSUPPORTED, "this CPU does not multiply bf16 (%s)", sk_dn_name());
    return 0;
}

/* Offers room for the folded weights of one convolution at a time. */
static int make_folded(struct sk_nn_plan *p, struct sk_err *err)
{
    size_t most = 1;

    for (size_t i = 0; i < p->net->param_count; i++)
        if (p->net->params[i].count > most)
            most = p->net->params[i].count;
    p->folded = calloc(most, sizeof(*p->folded));
    return p->folded ? 0 : sk_nomem(err);
}

int sk_nn_plan_new(struct sk_nn *n, const struct sk_nn_plan_options *opts, struct sk_nn_plan **out,
                   struct sk_err *err)
{
    return sk_nn_plan_new_in(n, opts, SK_DN_ANY, out, err);
}

int sk_nn_plan_new_in(struct sk_nn *n, const struct sk_nn_plan_options *opts,
                      enum sk_dn_layout layout, struct sk_nn_plan **out, struct sk_err *err)
{
    SK_OWN(sk_nn_plan_free) struct sk_nn_plan *p = NULL;

    if (check_options(n, opts, err) < 0)
        return -1;
    p = calloc(1, sizeof(*p));
    if (!p)
        return sk_nomem(err);
    p->net = n;
    p->batch = opts->batch;
    p->threads = thread_count;
    p->is_training = opts->mode == SK_NN_TRAIN;
    p->type = opts->precision == SK_NN_BF16 ? SK_DN_BF16 : SK_DN_F32;
    p->has_profile = getenv("SKERRY_NN_PROFILE") != NULL;
    p->loops = sk_loops_best();
    p->has_reduce = opts->reduce != NULL;
    if (opts->reduce)
        p->reduce = *opts->reduce;
    p->layout = layout;
    sk_dn_set_threads(p->threads);
    if (layout == SK_DN_ANY && sk_dn_best_layout(p->type, &p->layout, err) < 0)
        return -1;
    if (sk_nn_compile(p, err) < 0 || prepare_ops(p, err) < 0)
        return -1;
    if (p->is_training && (sk_nn_make_grads(n, err) < 0 || sk_nn_place_gradients(p, err) < 0))
        return -1;
    if (!p->is_training && make_folded(p, err) < 0)
        return -1;
    if (sk_nn_place_buffers(p, err) < 0)
        return -1;
    *out = SK_TAKE(p);
    return 0;
}

void sk_nn_plan_free(struct sk_nn_plan *p)
{
    if (!p)
        return;
    for (size_t i = 0; i < p->op_count; i++)
        if (p->ops[i].kind->free)
            p->ops[i].kind->free(&p->ops[i]);
    free(p->values);
    free(p->ops);
    free(p->buffers);
    free(p->memory);
    free(p->folded);
    free(p);
}

size_t sk_nn_plan_bytes(const struct sk_nn_plan *p)
{
    return p->memory_bytes;
}

static void describe_pass(const struct sk_nn_plan *p, const struct sk_nn_op *op, bool backward,
                          struct sk_buf *out)
{
    const char *impl = op->kind->describe ? op->kind->describe(op, backward) : p->loops->name;
    const struct sk_nn_value *v = &p->values[op->out];
    const char *name = op->layer >= 0 ? p->net->layers[op->layer].name : NULL;

    sk_buf_fmt(out, "%-8s %-12s %-24s %4u x %3u x %3u  %-8s %s", backward ? "backward" : "forward",
               op->kind->name, name ? name : "", v->c, v->h, v->w,
               v->type == SK_DN_BF16 ? "bf16" : "f32", impl);
    if (p->has_profile)
        sk_buf_fmt(out, "  %.3f ms", (double)op->ns[backward] / 1e6);
    sk_buf_chr(out, '\n');
}

void sk_nn_plan_describe(const struct sk_nn_plan *p, struct sk_buf *out)
{
    for (size_t i = 0; i < p->op_count; i++)
        describe_pass(p, &p->ops[i], false, out);
    for (size_t i = p->op_count; i-- > 0;)
        if (p->ops[i].has_backward)
            describe_pass(p, &p->ops[i], true, out);
}
