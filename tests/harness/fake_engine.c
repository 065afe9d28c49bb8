/*
 * fake_engine.c - see fake_engine.h. Nets and runs that were freed stay in a list until the engine
 * is closed, so that their use is noticed whatever the allocator does.
 */
#include "harness/fake_engine.h"

#include "base/clock.h"
#include "base/thread.h"
#include "engine/engine_priv.h"
#include "onnx/onnx.h"

struct fake_engine;

struct fake_net {
    struct sk_net base;
    bool is_dead;
    unsigned runs; /* alive */
    struct fake_net *next;
};

struct fake_run {
    struct sk_run base;
    struct fake_net *net;
    struct sk_run_buffer *buffers; /* of outputs */
    pthread_cond_t wake;
    bool is_dead, is_running, is_cancelled;
    struct fake_run *next;
};

struct fake_engine {
    struct sk_engine base;
    pthread_mutex_t lock; /* guards everything below, and the flags of nets and runs */
    struct sk_fake_options options;
    struct sk_fake_counts counts;
    struct fake_net *nets;
    struct fake_run *runs;
};

static struct fake_engine *engine_of(struct sk_engine *e)
{
    return (struct fake_engine *)e;
}

float sk_engine_fake_value(uint64_t input_sum, size_t k)
{
    return (float)((input_sum * 31 + k * 7) % 101) / 101.0f;
}

/* ---- nets ---- */

static int copy_values(const struct sk_onnx_value *from, size_t count, struct sk_tensor_info *to,
                       struct sk_err *err)
{
    for (size_t i = 0; i < count; i++) {
        to[i].name = strdup(from[i].name);
        if (!to[i].name)
            return sk_nomem(err);
        to[i].dtype = from[i].dtype;
        to[i].rank = from[i].rank;
        memcpy(to[i].dims, from[i].dims, sizeof(to[i].dims));
    }
    return 0;
}

static void sleep_us(unsigned us)
{
    if (us > 0)
        (void)usleep(us);
}

static int fill_net(struct fake_net *n, struct sk_engine *e, const char *path, struct sk_err *err)
{
    SK_OWN(sk_onnx_free) struct sk_onnx_info *onnx = NULL;

    n->base.engine = e;
    n->base.info.platform = "onnxruntime_onnx";
    if (sk_onnx_inspect(path, &onnx, err) < 0 ||
        sk_net_init(&n->base, e, onnx->input_count, onnx->output_count, err) < 0 ||
        copy_values(onnx->inputs, onnx->input_count, sk_net_inputs(&n->base), err) < 0 ||
        copy_values(onnx->outputs, onnx->output_count, sk_net_outputs(&n->base), err) < 0)
        return -1;
    return 0;
}

static int load_net(struct sk_engine *base, const char *path, const char *digest,
                    struct sk_net **out, struct sk_err *err)
{
    struct fake_engine *e = engine_of(base);
    struct fake_net *n = calloc(1, sizeof(*n));
    struct sk_fake_options options;

    (void)digest;
    if (!n)
        return sk_nomem(err);
    {
        SK_LOCK(&e->lock);
        options = e->options;
    }
    sleep_us(options.load_us);
    while (options.load_gate && !atomic_load(options.load_gate))
        sleep_us(500);
    if (options.fail_loads)
        (void)sk_fail(err, SK_CORRUPT, "fake failure");
    if (options.fail_loads || fill_net(n, base, path, err) < 0) {
        sk_net_done(&n->base);
        free(n);
        return -1;
    }
    SK_LOCK(&e->lock);
    n->next = e->nets;
    e->nets = n;
    e->counts.nets_loaded++;
    e->counts.nets_alive++;
    *out = &n->base;
    return 0;
}

static void free_net(struct sk_net *base)
{
    struct fake_net *n = (struct fake_net *)base;
    struct fake_engine *e = engine_of(base->engine);
    SK_LOCK(&e->lock);

    if (n->is_dead || n->runs > 0)
        e->counts.misuse++;
    if (!n->is_dead)
        e->counts.nets_alive--;
    n->is_dead = true;
}

/* ---- runs ---- */

static int new_run(struct sk_net *net, struct sk_run **out, struct sk_err *err)
{
    struct fake_engine *e = engine_of(net->engine);
    struct fake_run *r = calloc(1, sizeof(*r));

    if (!r)
        return sk_nomem(err);
    r->net = (struct fake_net *)net;
    r->buffers = calloc(net->info.output_count + 1, sizeof(*r->buffers));
    if (!r->buffers || sk_run_init(&r->base, net, err) < 0 || sk_cond_init(&r->wake, err) < 0) {
        if (r->base.net)
            sk_run_done(&r->base);
        free(r->buffers);
        free(r);
        return sk_nomem(err);
    }
    SK_LOCK(&e->lock);
    if (r->net->is_dead)
        e->counts.misuse++;
    r->net->runs++;
    e->counts.runs_alive++;
    r->next = e->runs;
    e->runs = r;
    *out = &r->base;
    return 0;
}

static void free_run(struct sk_run *base)
{
    struct fake_run *r = (struct fake_run *)base;
    struct fake_engine *e = engine_of(base->net->engine);
    SK_LOCK(&e->lock);

    if (r->is_dead || r->is_running)
        e->counts.misuse++;
    if (!r->is_dead) {
        e->counts.runs_alive--;
        r->net->runs--;
    }
    r->is_dead = true;
}

/* Waits for the time of a run; what became of it. */
static int wait_run(struct fake_engine *e, struct fake_run *r, bool wide, struct sk_err *err)
{
    SK_LOCK(&e->lock);
    uint64_t end_ns = sk_now_ns() + (uint64_t)e->options.run_us * 1000;

    if (r->is_dead || r->net->is_dead || r->is_running)
        e->counts.misuse++;
    r->is_running = true;
    r->is_cancelled = false;
    e->counts.execs++;
    e->counts.wide_execs += wide;
    if (++e->counts.running > e->counts.most_running)
        e->counts.most_running = e->counts.running;
    while (!r->is_cancelled && sk_now_ns() < end_ns)
        (void)sk_cond_wait_until(&r->wake, &e->lock, end_ns);
    e->counts.running--;
    r->is_running = false;
    if (r->is_dead || r->net->is_dead)
        e->counts.misuse++;
    if (r->is_cancelled) {
        e->counts.cancelled++;
        return sk_fail(err, SK_CANCELLED, "the run was cancelled");
    }
    if (e->options.fail_every > 0 && e->counts.execs % e->options.fail_every == 0) {
        e->counts.failures++;
        return sk_fail(err, SK_BUG, "fake failure");
    }
    return 0;
}

static uint64_t sum_inputs(const struct sk_net_info *info, const struct sk_tensor *inputs)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < info->input_count; i++) {
        const unsigned char *bytes = inputs[i].data;

        for (size_t k = 0; bytes && k < inputs[i].size_bytes; k++)
            sum += bytes[k];
    }
    return sum;
}

static int make_output(struct fake_run *r, size_t i, const struct sk_tensor *inputs, uint64_t sum,
                       struct sk_err *err)
{
    const struct sk_net_info *info = &r->base.net->info;
    struct sk_tensor *t = &r->base.outputs[i];
    size_t elements;

    t->rank = info->outputs[i].rank;
    for (unsigned k = 0; k < t->rank; k++) {
        t->dims[k] = info->outputs[i].dims[k];
        if (t->dims[k] < 0)
            t->dims[k] = k == 0 && info->input_count > 0 && inputs[0].rank > 0 ? inputs[0].dims[0]
                                                                               : 1;
    }
    elements = sk_tensor_elements(t);
    t->size_bytes = elements * sk_dtype_size(t->dtype);
    if (sk_run_buffer_fit(&r->buffers[i], t->size_bytes, err) < 0)
        return -1;
    t->data = r->buffers[i].ptr;
    memset(t->data, 0, t->size_bytes);
    for (size_t k = 0; t->dtype == SK_DT_F32 && k < elements; k++)
        ((float *)t->data)[k] = sk_engine_fake_value(sum, k);
    return 0;
}

static int exec_run(struct sk_run *base, const struct sk_tensor *inputs, const bool *wanted,
                    bool wide, struct sk_err *err)
{
    struct fake_run *r = (struct fake_run *)base;
    const struct sk_net_info *info = &base->net->info;
    uint64_t sum = sum_inputs(info, inputs);

    if (wait_run(engine_of(base->net->engine), r, wide, err) < 0)
        return -1;
    for (size_t i = 0; i < info->output_count; i++) {
        if (wanted[i] && info->outputs[i].dtype != SK_DT_BYTES &&
            make_output(r, i, inputs, sum, err) < 0)
            return -1;
    }
    return 0;
}

static void cancel_run(struct sk_run *base)
{
    struct fake_run *r = (struct fake_run *)base;
    struct fake_engine *e = engine_of(base->net->engine);
    SK_LOCK(&e->lock);

    if (r->is_dead)
        e->counts.misuse++;
    if (!r->is_running)
        return;
    r->is_cancelled = true;
    (void)pthread_cond_broadcast(&r->wake);
}

/* ---- the engine ---- */

static void close_engine(struct sk_engine *base)
{
    struct fake_engine *e = engine_of(base);

    while (e->runs) {
        struct fake_run *r = e->runs;

        e->runs = r->next;
        for (size_t i = 0; i < r->base.net->info.output_count; i++)
            sk_run_buffer_done(&r->buffers[i]);
        free(r->buffers);
        (void)pthread_cond_destroy(&r->wake);
        sk_run_done(&r->base);
        free(r);
    }
    while (e->nets) {
        struct fake_net *n = e->nets;

        e->nets = n->next;
        if (!n->is_dead)
            (void)fprintf(stderr, "fake engine: a net outlives its engine\n");
        sk_net_done(&n->base);
        free(n);
    }
    (void)pthread_mutex_destroy(&e->lock);
    free(e);
}

static const struct sk_engine_ops fake_ops = {
    .close = close_engine,
    .net_load = load_net,
    .net_free = free_net,
    .run_new = new_run,
    .run_free = free_run,
    .run_exec = exec_run,
    .run_cancel = cancel_run,
};

struct sk_engine *sk_engine_fake_new(const struct sk_fake_options *opts)
{
    struct fake_engine *e = calloc(1, sizeof(*e));

    if (!e)
        return NULL;
    if (pthread_mutex_init(&e->lock, NULL) != 0) {
        free(e);
        return NULL;
    }
    if (opts)
        e->options = *opts;
    e->base.ops = &fake_ops;
    e->base.name = "fake 1.0";
    e->base.device = "cpu";
    e->base.is_degraded = e->options.is_degraded;
    if (e->base.is_degraded)
        (void)snprintf(e->base.reason, sizeof(e->base.reason), "the fake engine has no GPU");
    return &e->base;
}

void sk_engine_fake_set(struct sk_engine *base, const struct sk_fake_options *opts)
{
    struct fake_engine *e = engine_of(base);
    SK_LOCK(&e->lock);

    e->options = *opts;
}

void sk_engine_fake_counts(struct sk_engine *base, struct sk_fake_counts *out)
{
    struct fake_engine *e = engine_of(base);
    SK_LOCK(&e->lock);

    *out = e->counts;
}
