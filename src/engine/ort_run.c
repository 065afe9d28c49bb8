/*
 * ort_run.c - one worker's values for one model, and running.
 *
 * A run keeps the library's handles over its inputs and outputs from one request to the next. An
 * input's handle stays as long as its address and shape stay; an output whose shape follows from
 * the declaration and the inputs is written by the library straight into memory of ours. So a
 * steady request shape neither allocates nor copies here. Outputs of unknown shape, and strings,
 * are allocated by the library and released at the next use.
 *
 * A declared output shape may be a lie. When a run with bound outputs fails, it is repeated once
 * with outputs of the library's own; if that works, the model's declarations are never trusted
 * again.
 */
#include "base/buf.h"
#include "base/thread.h"
#include "engine/ort_priv.h"

struct input_slot {
    struct OrtValue *value;
    const void *data; /* what value was made over */
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK];
};

struct output_slot {
    struct OrtValue *own;    /* over buffer, in shape dims */
    struct OrtValue *theirs; /* allocated by the last run */
    struct sk_run_buffer buffer;
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK];
    struct sk_run_buffer pointers, lengths; /* of strings */
};

struct sk_ort_run {
    struct sk_run base;
    struct OrtRunOptions *options;
    struct input_slot *inputs;
    struct output_slot *outputs;
    const struct OrtValue **in_values; /* arguments of the library's Run, by model input */
    const char **out_names;            /* by wanted output, packed */
    struct OrtValue **out_values;
    pthread_mutex_t lock; /* guards is_running, is_cancelled and the options' flag */
    bool has_lock;
    bool is_running, is_cancelled;
};

static struct sk_ort_run *run_of(struct sk_run *r)
{
    return (struct sk_ort_run *)r; /* base is the first member */
}

static struct sk_ort_net *net_of(const struct sk_ort_run *r)
{
    return (struct sk_ort_net *)r->base.net;
}

static const struct sk_ort_engine *engine_of(const struct sk_ort_run *r)
{
    return sk_ort_engine_of(r->base.net->engine);
}

static void release_value(const struct sk_ort_engine *e, struct OrtValue **v)
{
    if (*v)
        e->api.ReleaseValue(*v);
    *v = NULL;
}

/* ---- life ---- */

static void free_run_cleanup(struct sk_ort_run **r)
{
    if (*r)
        sk_ort_run_free(&(*r)->base);
}

int sk_ort_run_new(struct sk_net *n, struct sk_run **out, struct sk_err *err)
{
    SK_AUTO(free_run_cleanup) struct sk_ort_run *r = calloc(1, sizeof(*r));
    const struct sk_ort_engine *e = sk_ort_engine_of(n->engine);
    size_t in = n->info.input_count + 1, out_count = n->info.output_count + 1;

    if (!r)
        return sk_nomem(err);
    if (sk_run_init(&r->base, n, err) < 0)
        return -1;
    r->inputs = calloc(in, sizeof(*r->inputs));
    r->outputs = calloc(out_count, sizeof(*r->outputs));
    r->in_values = calloc(in, sizeof(*r->in_values));
    r->out_names = calloc(out_count, sizeof(*r->out_names));
    r->out_values = calloc(out_count, sizeof(*r->out_values));
    if (!r->inputs || !r->outputs || !r->in_values || !r->out_names || !r->out_values)
        return sk_nomem(err);
    if (pthread_mutex_init(&r->lock, NULL) != 0)
        return sk_nomem(err);
    r->has_lock = true;
    if (sk_ort_check(e, e->api.CreateRunOptions(&r->options), SK_NOMEM, err) < 0)
        return -1;
    *out = &SK_TAKE(r)->base;
    return 0;
}

void sk_ort_run_free(struct sk_run *base)
{
    struct sk_ort_run *r = run_of(base);
    const struct sk_ort_engine *e = engine_of(r);

    for (size_t i = 0; r->inputs && i < base->net->info.input_count; i++)
        release_value(e, &r->inputs[i].value);
    for (size_t i = 0; r->outputs && i < base->net->info.output_count; i++) {
        struct output_slot *o = &r->outputs[i];

        release_value(e, &o->own);
        release_value(e, &o->theirs);
        sk_run_buffer_done(&o->buffer);
        sk_run_buffer_done(&o->pointers);
        sk_run_buffer_done(&o->lengths);
    }
    if (r->options)
        e->api.ReleaseRunOptions(r->options);
    if (r->has_lock)
        (void)pthread_mutex_destroy(&r->lock);
    free(r->inputs);
    free(r->outputs);
    free(r->in_values);
    free(r->out_names);
    free(r->out_values);
    sk_run_done(base);
    free(r);
}

/* ---- inputs ---- */

static bool is_same_shape(unsigned rank, const int64_t *dims, unsigned other_rank,
                          const int64_t *other)
{
    return rank == other_rank && memcmp(dims, other, rank * sizeof(*dims)) == 0;
}

static int fill_strings(const struct sk_ort_engine *e, struct OrtValue *value,
                        const struct sk_tensor *t, struct sk_err *err)
{
    size_t count = sk_tensor_elements(t);

    for (size_t i = 0; i < count; i++) {
        char *room = NULL;

        if (sk_ort_check(
                e, e->api.GetResizedStringTensorElementBuffer(value, i, t->string_lens[i], &room),
                SK_BUG, err) < 0)
            return -1;
        if (t->string_lens[i] > 0)
            memcpy(room, t->strings[i], t->string_lens[i]);
    }
    return 0;
}

static int bind_strings(const struct sk_ort_engine *e, struct input_slot *slot,
                        const struct sk_tensor *t, struct sk_err *err)
{
    release_value(e, &slot->value);
    if (sk_ort_check(e,
                     e->api.CreateTensorAsOrtValue(e->allocator, t->dims, t->rank,
                                                   sk_ort_type(SK_DT_BYTES), &slot->value),
                     SK_NOMEM, err) < 0)
        return -1;
    return fill_strings(e, slot->value, t, err);
}

static int bind_input(const struct sk_ort_engine *e, struct input_slot *slot,
                      const struct sk_tensor *t, struct sk_err *err)
{
    static char nothing[64]; /* the address of an empty tensor */
    void *data = t->size_bytes > 0 ? t->data : nothing;

    if (t->dtype == SK_DT_BYTES)
        return bind_strings(e, slot, t, err);
    if (slot->value && slot->data == data &&
        is_same_shape(slot->rank, slot->dims, t->rank, t->dims))
        return 0;
    release_value(e, &slot->value);
    if (sk_ort_check(e,
                     e->api.CreateTensorWithDataAsOrtValue(e->cpu_memory, data, t->size_bytes,
                                                           t->dims, t->rank, sk_ort_type(t->dtype),
                                                           &slot->value),
                     SK_INVALID, err) < 0)
        return -1;
    slot->data = data;
    slot->rank = t->rank;
    memcpy(slot->dims, t->dims, sizeof(slot->dims));
    return 0;
}

/* ---- outputs ---- */

/* The shape that an output will have, if the declaration tells it. */
static bool predict_shape(const struct sk_ort_net *n, size_t output, const struct sk_tensor *inputs,
                          int64_t *dims)
{
    const struct sk_tensor_info *info = &n->base.info.outputs[output];

    if (info->dtype == SK_DT_BYTES || info->rank == 0) /* rank 0 may stand for "unknown" */
        return false;
    for (unsigned i = 0; i < info->rank; i++) {
        const struct sk_ort_dim_link *link = &n->links[output][i];

        if (info->dims[i] < 0 && !link->is_linked)
            return false;
        dims[i] = info->dims[i] < 0 ? inputs[link->input].dims[link->axis] : info->dims[i];
    }
    return true;
}

/* Memory of ours for an output, or NULL: the library allocates. */
static struct OrtValue *bind_output(struct sk_ort_run *r, size_t output,
                                    const struct sk_tensor *inputs)
{
    const struct sk_ort_engine *e = engine_of(r);
    const struct sk_tensor_info *info = &r->base.net->info.outputs[output];
    struct output_slot *slot = &r->outputs[output];
    struct sk_err ignored = SK_ERR_INIT;
    int64_t dims[SK_LIMIT_RANK] = { 0 };
    size_t bytes;

    if (!predict_shape(net_of(r), output, inputs, dims))
        return NULL;
    if (slot->own && is_same_shape(slot->rank, slot->dims, info->rank, dims))
        return slot->own;
    release_value(e, &slot->own);
    if (!sk_shape_elements(dims, info->rank, &bytes) ||
        bytes > SIZE_MAX / sk_dtype_size(info->dtype))
        return NULL;
    bytes *= sk_dtype_size(info->dtype);
    if (sk_run_buffer_fit(&slot->buffer, bytes, &ignored) < 0 ||
        sk_ort_check(e,
                     e->api.CreateTensorWithDataAsOrtValue(e->cpu_memory, slot->buffer.ptr, bytes,
                                                           dims, info->rank,
                                                           sk_ort_type(info->dtype), &slot->own),
                     SK_BUG, &ignored) < 0)
        return NULL;
    slot->rank = info->rank;
    memcpy(slot->dims, dims, sizeof(slot->dims));
    return slot->own;
}

static int read_strings(const struct sk_ort_engine *e, struct output_slot *slot,
                        struct sk_tensor *out, struct sk_err *err)
{
    size_t count = sk_tensor_elements(out), bytes = 0;
    const char **strings;
    size_t *lens;

    if (sk_ort_check(e, e->api.GetStringTensorDataLength(slot->theirs, &bytes), SK_BUG, err) < 0 ||
        sk_run_buffer_fit(&slot->buffer, bytes, err) < 0 ||
        sk_run_buffer_fit(&slot->pointers, count * sizeof(*strings), err) < 0 ||
        sk_run_buffer_fit(&slot->lengths, count * sizeof(*lens), err) < 0)
        return -1;
    strings = slot->pointers.ptr;
    lens = slot->lengths.ptr;
    if (count > 0 &&
        sk_ort_check(
            e, e->api.GetStringTensorContent(slot->theirs, slot->buffer.ptr, bytes, lens, count),
            SK_BUG, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) { /* lens holds offsets up to here */
        size_t end = i + 1 < count ? lens[i + 1] : bytes;

        strings[i] = (const char *)slot->buffer.ptr + lens[i];
        lens[i] = end - lens[i];
    }
    out->data = slot->buffer.ptr;
    out->size_bytes = bytes;
    out->strings = strings;
    out->string_lens = lens;
    return 0;
}

static int read_shape(const struct sk_ort_engine *e, const struct OrtValue *value,
                      struct sk_tensor *out, struct sk_err *err)
{
    struct OrtTensorTypeAndShapeInfo *shape = NULL;
    unsigned type = 0;
    size_t rank = 0;
    int rc;

    if (sk_ort_check(e, e->api.GetTensorTypeAndShape(value, &shape), SK_BUG, err) < 0)
        return -1;
    rc = sk_ort_check(e, e->api.GetTensorElementType(shape, &type), SK_BUG, err);
    if (rc == 0)
        rc = sk_ort_check(e, e->api.GetDimensionsCount(shape, &rank), SK_BUG, err);
    if (rc == 0 && rank > SK_LIMIT_RANK)
        rc = sk_fail(err, SK_UNSUPPORTED, "%zu dimensions, the limit is %u", rank, SK_LIMIT_RANK);
    if (rc == 0)
        rc = sk_ort_check(e, e->api.GetDimensions(shape, out->dims, rank), SK_BUG, err);
    e->api.ReleaseTensorTypeAndShapeInfo(shape);
    out->dtype = sk_ort_dtype(type);
    out->rank = (unsigned)rank;
    return rc;
}

static int read_output(const struct sk_ort_engine *e, struct output_slot *slot, bool is_own,
                       struct sk_tensor *out, struct sk_err *err)
{
    if (is_own) {
        out->rank = slot->rank;
        memcpy(out->dims, slot->dims, sizeof(out->dims));
        out->data = slot->buffer.ptr;
    } else {
        if (read_shape(e, slot->theirs, out, err) < 0)
            return -1;
        if (out->dtype == SK_DT_BYTES)
            return read_strings(e, slot, out, err);
        if (sk_ort_check(e, e->api.GetTensorMutableData(slot->theirs, &out->data), SK_BUG, err) < 0)
            return -1;
    }
    out->size_bytes = sk_tensor_elements(out) * sk_dtype_size(out->dtype);
    if (!out->data)
        out->data = slot; /* an empty tensor; not NULL, which means "not wanted" */
    return 0;
}

/* ---- running ---- */

static struct OrtStatus *call_library(struct sk_ort_run *r, bool wide, size_t wanted_count)
{
    const struct sk_ort_net *n = net_of(r);
    const struct sk_ort_engine *e = engine_of(r);

    return e->api.Run(wide ? n->wide : n->narrow, r->options, n->input_names, r->in_values,
                      r->base.net->info.input_count, r->out_names, wanted_count, r->out_values);
}

static int begin(struct sk_ort_run *r, struct sk_err *err)
{
    const struct sk_ort_engine *e = engine_of(r);
    SK_LOCK(&r->lock);

    if (r->is_cancelled &&
        sk_ort_check(e, e->api.RunOptionsUnsetTerminate(r->options), SK_BUG, err) < 0)
        return -1;
    r->is_cancelled = false;
    r->is_running = true;
    return 0;
}

static bool end(struct sk_ort_run *r)
{
    SK_LOCK(&r->lock);
    r->is_running = false;
    return r->is_cancelled;
}

static bool is_cancelled(struct sk_ort_run *r)
{
    SK_LOCK(&r->lock);
    return r->is_cancelled;
}

/* Fills out_names and out_values; says how many outputs are wanted and whether any has memory of
 * ours. */
static size_t bind_outputs(struct sk_ort_run *r, const struct sk_tensor *inputs, const bool *wanted,
                           bool *any_own)
{
    struct sk_ort_net *n = net_of(r);
    bool is_trusted = !atomic_load_explicit(&n->is_shape_untrusted, memory_order_relaxed);
    size_t count = 0;

    *any_own = false;
    for (size_t i = 0; i < n->base.info.output_count; i++) {
        release_value(engine_of(r), &r->outputs[i].theirs);
        if (!wanted[i])
            continue;
        r->out_names[count] = n->output_names[i];
        r->out_values[count] = is_trusted ? bind_output(r, i, inputs) : NULL;
        *any_own = *any_own || r->out_values[count];
        count++;
    }
    return count;
}

/* Outputs that the library allocated are given to their slots, also after a failure. */
static void keep_theirs(struct sk_ort_run *r, const bool *wanted)
{
    size_t at = 0;

    for (size_t i = 0; i < r->base.net->info.output_count; i++) {
        if (!wanted[i])
            continue;
        if (r->out_values[at] != r->outputs[i].own)
            r->outputs[i].theirs = r->out_values[at];
        at++;
    }
}

static int run_bound(struct sk_ort_run *r, const bool *wanted, bool wide, size_t count,
                     bool any_own, struct sk_err *err)
{
    struct sk_ort_net *n = net_of(r);
    struct sk_err first = SK_ERR_INIT;
    int rc = sk_ort_check(engine_of(r), call_library(r, wide, count), SK_INVALID, &first);

    keep_theirs(r, wanted);
    if (rc < 0 && any_own && first.code != SK_NOMEM && !is_cancelled(r)) {
        for (size_t i = 0; i < n->base.info.output_count; i++)
            release_value(engine_of(r), &r->outputs[i].theirs);
        memset(r->out_values, 0, count * sizeof(*r->out_values));
        rc = sk_ort_check(engine_of(r), call_library(r, wide, count), SK_INVALID, &first);
        keep_theirs(r, wanted);
        if (rc == 0)
            atomic_store_explicit(&n->is_shape_untrusted, true, memory_order_relaxed);
    }
    if (rc < 0)
        *err = first;
    return rc;
}

int sk_ort_run_exec(struct sk_run *base, const struct sk_tensor *inputs, const bool *wanted,
                    bool wide, struct sk_err *err)
{
    struct sk_ort_run *r = run_of(base);
    const struct sk_net_info *info = &base->net->info;
    bool any_own;
    size_t count;
    int rc;

    for (size_t i = 0; i < info->input_count; i++) {
        if (bind_input(engine_of(r), &r->inputs[i], &inputs[i], err) < 0)
            return sk_wrap(err, "input '%s'", info->inputs[i].name);
        r->in_values[i] = r->inputs[i].value;
    }
    count = bind_outputs(r, inputs, wanted, &any_own);
    if (begin(r, err) < 0)
        return -1;
    rc = run_bound(r, wanted, wide, count, any_own, err);
    if (end(r) && rc < 0)
        return sk_fail(err, SK_CANCELLED, "the run was cancelled");
    if (rc < 0)
        return sk_wrap(err, "the model fails on this input");
    for (size_t i = 0; i < info->output_count; i++) {
        if (wanted[i] && read_output(engine_of(r), &r->outputs[i], !r->outputs[i].theirs,
                                     &base->outputs[i], err) < 0)
            return sk_wrap(err, "output '%s'", info->outputs[i].name);
    }
    return 0;
}

void sk_ort_run_cancel(struct sk_run *base)
{
    struct sk_ort_run *r = run_of(base);
    const struct sk_ort_engine *e = engine_of(r);
    SK_LOCK(&r->lock);
    struct OrtStatus *status;

    if (!r->is_running || r->is_cancelled)
        return;
    r->is_cancelled = true;
    status = e->api.RunOptionsSetTerminate(r->options);
    if (status)
        e->api.ReleaseStatus(status); /* it does not fail by its contract; then the run just ends by
                                         itself */
}
