/*
 * engine.c - what is the same for every engine: objects' heads, checks of inputs, buffers,
 * dispatch.
 *
 * Inputs are checked here against the model's description before an engine sees them, so engines
 * may rely on types, ranks, fixed dimensions and sizes. A model's shape of rank 0 stands for a
 * scalar or for "unknown" (the library does not tell them apart): any rank passes here and the
 * library decides.
 */
#include "engine/engine.h"

#include "base/clock.h"
#include "engine/engine_priv.h"
#include "engine/ort_priv.h"

#include <malloc.h>
#include <stdlib.h>

enum {
    BUFFER_ALIGN = 64
};

int sk_engine_open(const struct sk_engine_options *opts, struct sk_engine **out, struct sk_err *err)
{
    return sk_ort_open(opts, out, err); /* the one engine that programs use */
}

void sk_engine_close(struct sk_engine *e)
{
    if (e)
        e->ops->close(e);
}

const char *sk_engine_name(const struct sk_engine *e)
{
    return e->name;
}

const char *sk_engine_device(const struct sk_engine *e, const char **reason)
{
    if (reason)
        *reason = e->reason;
    return e->device;
}

bool sk_engine_degraded(const struct sk_engine *e)
{
    return e->is_degraded;
}

void sk_engine_trim(void)
{
    (void)malloc_trim(0); /* says only whether anything was released */
}

/* ---- nets ---- */

int sk_net_load(struct sk_engine *e, const char *model_path, const char *digest,
                struct sk_net **out, struct sk_err *err)
{
    uint64_t start_ns = sk_now_ns();
    struct sk_net *n = NULL;

    if (e->ops->net_load(e, model_path, digest, &n, err) < 0)
        return -1;
    n->info.load_ns = sk_now_ns() - start_ns;
    *out = n;
    return 0;
}

void sk_net_free(struct sk_net *n)
{
    if (n)
        n->engine->ops->net_free(n);
}

const struct sk_net_info *sk_net_info(const struct sk_net *n)
{
    return &n->info;
}

struct sk_tensor_info *sk_net_inputs(struct sk_net *n)
{
    return (struct sk_tensor_info *)(uintptr_t)n->info.inputs; /* ours; const for readers only */
}

struct sk_tensor_info *sk_net_outputs(struct sk_net *n)
{
    return (struct sk_tensor_info *)(uintptr_t)n->info.outputs;
}

int sk_net_init(struct sk_net *n, struct sk_engine *e, size_t inputs, size_t outputs,
                struct sk_err *err)
{
    n->engine = e;
    if (inputs > SK_LIMIT_TENSORS || outputs > SK_LIMIT_TENSORS)
        return sk_fail(err, SK_UNSUPPORTED,
                       "the model has %zu inputs and %zu outputs, the limit is %u each", inputs,
                       outputs, SK_LIMIT_TENSORS);
    n->info.inputs = calloc(inputs + 1, sizeof(struct sk_tensor_info));
    n->info.outputs = calloc(outputs + 1, sizeof(struct sk_tensor_info));
    if (!n->info.inputs || !n->info.outputs)
        return sk_nomem(err);
    n->info.input_count = inputs;
    n->info.output_count = outputs;
    return 0;
}

static void free_infos(struct sk_tensor_info *infos, size_t count)
{
    for (size_t i = 0; infos && i < count; i++)
        free(infos[i].name);
    free(infos);
}

void sk_net_done(struct sk_net *n)
{
    free_infos(sk_net_inputs(n), n->info.input_count);
    free_infos(sk_net_outputs(n), n->info.output_count);
}

/* ---- runs ---- */

int sk_run_buffer_fit(struct sk_run_buffer *b, size_t bytes, struct sk_err *err)
{
    size_t cap = bytes < BUFFER_ALIGN ? BUFFER_ALIGN : bytes;
    void *ptr;

    if (b->ptr && b->cap_bytes >= cap)
        return 0;
    if (cap > SIZE_MAX - BUFFER_ALIGN)
        return sk_nomem(err);
    cap = (cap + BUFFER_ALIGN - 1) / BUFFER_ALIGN * BUFFER_ALIGN;
    ptr = aligned_alloc(BUFFER_ALIGN, cap);
    if (!ptr)
        return sk_nomem(err);
    free(b->ptr);
    b->ptr = ptr;
    b->cap_bytes = cap;
    return 0;
}

void sk_run_buffer_done(struct sk_run_buffer *b)
{
    free(b->ptr);
    *b = (struct sk_run_buffer){ 0 };
}

int sk_run_init(struct sk_run *r, struct sk_net *n, struct sk_err *err)
{
    r->net = n;
    r->outputs = calloc(n->info.output_count + 1, sizeof(*r->outputs));
    r->wanted = calloc(n->info.output_count + 1, sizeof(*r->wanted));
    r->input_buffers = calloc(n->info.input_count + 1, sizeof(*r->input_buffers));
    if (!r->outputs || !r->wanted || !r->input_buffers)
        return sk_nomem(err);
    return 0;
}

void sk_run_done(struct sk_run *r)
{
    for (size_t i = 0; r->input_buffers && i < r->net->info.input_count; i++)
        sk_run_buffer_done(&r->input_buffers[i]);
    free(r->input_buffers);
    free(r->wanted);
    free(r->outputs);
}

int sk_run_new(struct sk_net *n, struct sk_run **out, struct sk_err *err)
{
    return n->engine->ops->run_new(n, out, err);
}

void sk_run_free(struct sk_run *r)
{
    if (r)
        r->net->engine->ops->run_free(r);
}

void *sk_run_input_buffer(struct sk_run *r, size_t input, size_t bytes, struct sk_err *err)
{
    if (input >= r->net->info.input_count) {
        (void)sk_fail(err, SK_BUG, "input %zu of %zu", input, r->net->info.input_count);
        return NULL;
    }
    if (sk_run_buffer_fit(&r->input_buffers[input], bytes, err) < 0)
        return NULL;
    return r->input_buffers[input].ptr;
}

/* Outputs that are tensors; those that are not are left out unless they are asked for. */
static int resolve_wanted(struct sk_run *r, const bool *wanted, struct sk_err *err)
{
    const struct sk_net_info *info = &r->net->info;
    const char *refused = NULL;
    size_t count = 0;

    for (size_t i = 0; i < info->output_count; i++) {
        bool is_tensor = info->outputs[i].dtype != SK_DT_COUNT;

        r->wanted[i] = wanted ? wanted[i] : is_tensor;
        count += r->wanted[i];
        if (!is_tensor && (!wanted || wanted[i]) && !refused)
            refused = info->outputs[i].name;
    }
    if (refused && (wanted || count == 0))
        return sk_fail(
            err, SK_UNSUPPORTED,
            "output '%s' is not a tensor of a known type (a sequence, map or optional value)",
            refused);
    return 0;
}

int sk_run_exec(struct sk_run *r, const struct sk_tensor *inputs, const bool *wanted, bool wide,
                const struct sk_tensor **outputs, uint64_t *infer_ns, struct sk_err *err)
{
    uint64_t start_ns;

    if (sk_run_check(r->net, inputs, err) < 0 || resolve_wanted(r, wanted, err) < 0)
        return -1;
    for (size_t i = 0; i < r->net->info.output_count; i++)
        r->outputs[i] = (struct sk_tensor){ .dtype = r->net->info.outputs[i].dtype };
    start_ns = sk_now_ns();
    if (r->net->engine->ops->run_exec(r, inputs, r->wanted, wide, err) < 0)
        return -1;
    if (infer_ns)
        *infer_ns = sk_now_ns() - start_ns;
    *outputs = r->outputs;
    return 0;
}

void sk_run_cancel(struct sk_run *r)
{
    r->net->engine->ops->run_cancel(r);
}
