/*
 * run.c - one training from its options to its bundle.
 */
#include "base/clock.h"
#include "base/str.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void sk_train_note(const struct sk_train *t, const char *fmt, ...)
{
    char text[1024];
    va_list args;

    if (!t->is_first || !t->watch->note)
        return;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    t->watch->note(t->watch->ctx, text);
}

bool sk_train_stopped(const struct sk_train *t)
{
    return atomic_load_explicit(t->stop, memory_order_relaxed);
}

static int sum(void *ctx, double *values, size_t count, struct sk_err *err)
{
    return sk_comm_sum_f64(ctx, values, count, err);
}

int sk_train_plan(struct sk_train *t, enum sk_nn_mode mode, unsigned batch, struct sk_nn_plan **out,
                  struct sk_err *err)
{
    struct sk_nn_plan_options opts = { .batch = batch, .mode = mode, .precision = SK_NN_F32 };
    size_t i = 0;

    while (i < SK_TRAIN_PLANS && t->plans[i].plan &&
           (t->plans[i].mode != mode || t->plans[i].batch != batch))
        i++;
    if (i == SK_TRAIN_PLANS)
        return sk_fail(err, SK_BUG, "more than %d sizes of batches", SK_TRAIN_PLANS);
    if (!t->plans[i].plan) {
        if (mode == SK_NN_TRAIN)
            opts.precision = t->o->precision;
        if (mode == SK_NN_TRAIN && t->o->sync_bn && sk_comm_size(t->comm) > 1)
            opts.reduce = &t->reduce;
        if (sk_nn_plan_new(t->nn, &opts, &t->plans[i].plan, err) < 0)
            return sk_wrap(err, "a batch of %u picture%s%s", batch, batch == 1 ? "" : "s",
                           err->code == SK_INVALID
                               ? " (choose another --batch-size or a larger --image-size)"
                               : "");
        t->plans[i].mode = mode;
        t->plans[i].batch = batch;
    }
    *out = t->plans[i].plan;
    return 0;
}

void sk_train_drop_plans(struct sk_train *t)
{
    for (size_t i = 0; i < SK_TRAIN_PLANS; i++) {
        sk_nn_plan_free(t->plans[i].plan);
        t->plans[i].plan = NULL;
    }
}

void sk_train_close(struct sk_train *t)
{
    sk_train_drop_plans(t);
    sk_loader_free(t->loader);
    sk_train_state_done(&t->state);
    sk_nn_free(t->nn);
    sk_source_free(t->val_source);
    sk_source_free(t->source);
    sk_indices_done(&t->train);
    sk_indices_done(&t->val);
    sk_dataset_free(t->val_data);
    sk_dataset_free(t->data);
    free(t->weights_from);
    free(t->class_weights);
    free(t->probabilities);
    free(t->truth);
    sk_close(&t->lock_fd);
}

int sk_train_agree(struct sk_train *t, bool *flag, struct sk_err *err)
{
    int64_t any = *flag || sk_train_stopped(t);

    if (sk_comm_max_i64(t->comm, &any, 1, err) < 0)
        return -1;
    *flag = any;
    return 0;
}

/* The bundle there may already be what is asked for. The first process decides for all. */
static int look_for_finished(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    if (sk_dataset_digest(t->data, t->data_digest, err) < 0)
        return -1;
    if (t->val_data && sk_dataset_digest(t->val_data, t->val_digest, err) < 0)
        return -1;
    if (t->is_first && sk_train_is_finished(t, &out->reused, out, err) < 0)
        return -1;
    return sk_comm_share(t->comm, &out->reused, sizeof(out->reused), err);
}

static int share_array(struct sk_train *t, float *values, size_t count, struct sk_err *err)
{
    return values ? sk_comm_share(t->comm, values, count * sizeof(*values), err) : 0;
}

/* Several processes see the same data and settings, and start from the first one's state. */
static int share_start(struct sk_train *t, struct sk_err *err)
{
    struct sk_train_state *s = &t->state;
    uint64_t counters[] = { s->step, s->epoch, s->batch, s->correct, s->seen, s->waited };
    double sums[] = { s->loss_sum, s->seconds, s->best_loss };
    char own[SK_SHA256_HEX], first[SK_SHA256_HEX];
    size_t count = 0, buffer_count = 0;
    float *values = sk_nn_values(t->nn, &count), *buffers = sk_nn_buffers(t->nn, &buffer_count);

    if (sk_comm_size(t->comm) == 1)
        return 0;
    if (sk_settings_fingerprint(t, own, err) < 0)
        return -1;
    memcpy(first, own, sizeof(first));
    if (sk_comm_share(t->comm, first, sizeof(first), err) < 0)
        return -1;
    if (strcmp(own, first) != 0)
        return sk_fail(err, SK_INVALID,
                       "this process sees other pictures or settings than the first one (precision "
                       "counts: give --precision f32 when the CPUs differ)");
    if (sk_comm_share(t->comm, counters, sizeof(counters), err) < 0 ||
        sk_comm_share(t->comm, sums, sizeof(sums), err) < 0 ||
        share_array(t, values, count, err) < 0 || share_array(t, buffers, buffer_count, err) < 0 ||
        share_array(t, s->m, count, err) < 0 || share_array(t, s->v, count, err) < 0 ||
        share_array(t, s->ema, count, err) < 0 ||
        share_array(t, s->ema_buffers, buffer_count, err) < 0 ||
        share_array(t, s->best, count, err) < 0 ||
        share_array(t, s->best_buffers, buffer_count, err) < 0)
        return -1;
    s->step = counters[0];
    s->epoch = (unsigned)counters[1];
    s->batch = counters[2];
    s->correct = counters[3];
    s->seen = counters[4];
    s->waited = (unsigned)counters[5];
    s->loss_sum = sums[0];
    s->seconds = sums[1];
    s->best_loss = sums[2];
    sk_nn_touch(t->nn);
    return 0;
}

/* A wrong --weights is said before minutes go into looking at pictures. A checkpoint needs the
 * pictures first: its settings count them. */
int sk_train_begin(struct sk_train *t, struct sk_err *err)
{
    bool found = false;

    if (sk_train_open_network(t, err) < 0 || sk_train_state_init(&t->state, t->nn, t->o, err) < 0 ||
        (!t->o->resume && sk_train_first_weights(t, err) < 0) || sk_train_check_data(t, err) < 0)
        return -1;
    if (t->o->resume && sk_checkpoint_load(t, &found, err) < 0)
        return sk_wrap(err, "--resume");
    if (found)
        sk_train_note(t, "going on after step %llu, epoch %u", (unsigned long long)t->state.step,
                      t->state.epoch);
    else if (t->o->resume)
        sk_train_note(t, "no checkpoint in %s: starting anew", t->o->output_dir);
    if (t->o->resume && !found && sk_train_first_weights(t, err) < 0)
        return -1;
    if (!found)
        sk_train_state_start(&t->state, t->nn);
    sk_train_note(
        t,
        "%zu pictures in %zu classes, %zu more for validation; %s at %u x %u, %s, %u threads (%s)",
        t->train.count, t->data->class_count, t->val.count, t->arch->name, t->o->side, t->o->side,
        t->o->precision == SK_NN_BF16 ? "bf16" : "f32", sk_nn_threads(), sk_nn_engine_name());
    return share_start(t, err);
}

/* Whether the last epoch's validation was of the weights that the bundle gets. */
static bool is_judged(const struct sk_train *t)
{
    return t->probabilities && t->state.waited == 0;
}

static int judge_now(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    int rc = 0;

    sk_train_swap_final(t);
    rc = t->val.count > 0
             ? sk_train_validate(t, &out->loss, &out->accuracy, err)
             : sk_train_judge(t, t->source, t->data, &t->train, &out->loss, &out->accuracy, err);
    sk_train_swap_final(t);
    return rc;
}

/* Figures of the weights that the bundle gets; none when interrupted: the user is waiting. */
static int judge_final(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    sk_loader_free(t->loader); /* its threads and batches are not needed any more */
    t->loader = NULL;
    sk_train_drop_plans(t);
    if (out->interrupted) {
        sk_train_forget_judged(t);
        return 0;
    }
    if (is_judged(t)) {
        out->loss = t->state.history[t->state.epoch - 1].val_loss;
        out->accuracy = t->state.history[t->state.epoch - 1].val_accuracy;
    } else if (judge_now(t, out, err) < 0) {
        return -1;
    }
    out->has_figures = t->probabilities != NULL;
    out->interrupted = !out->has_figures; /* Ctrl-C while judging */
    out->validated = t->val.count > 0 && out->has_figures;
    return 0;
}

static int run(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    uint64_t start_ns = sk_now_ns();

    if (sk_train_lock_output(t, err) < 0 || sk_train_open_data(t, err) < 0)
        return -1;
    if (t->o->reuse && look_for_finished(t, out, err) < 0)
        return -1;
    if (out->reused)
        return 0;
    if (sk_train_begin(t, err) < 0 || sk_train_loop(t, out, err) < 0 ||
        judge_final(t, out, err) < 0)
        return -1;
    out->seconds = (double)(sk_now_ns() - start_ns) / 1e9;
    return sk_train_write_bundle(t, out, err);
}

int sk_train(const struct sk_train_options *o, const struct sk_train_watch *watch,
             const atomic_bool *stop, struct sk_train_result *out, struct sk_err *err)
{
    SK_OWN(sk_comm_close) struct sk_comm *comm = NULL;
    struct sk_train t = { .o = o, .watch = watch, .stop = stop, .lock_fd = -1 };
    int rc = 0;

    *out = (struct sk_train_result){ .accuracy = NAN, .loss = NAN };
    if (sk_nn_start(o->threads, err) < 0 || sk_settings_check(o, err) < 0 ||
        sk_comm_open(&comm, err) < 0)
        return -1;
    t.comm = comm;
    t.arch = sk_arch_find(o->arch);
    t.is_first = out->is_first = sk_comm_rank(comm) == 0;
    t.reduce = (struct sk_nn_reduce){ .sum = sum, .ctx = comm };
    t.saved_ns = sk_now_ns();
    rc = run(&t, out, err);
    sk_train_close(&t);
    if (rc < 0 && sk_comm_size(comm) > 1) {
        (void)fprintf(stderr, "skerry: process %u: %s\n", sk_comm_rank(comm), err->text);
        sk_comm_abort(comm, sk_code_exit(err->code));
    }
    return rc;
}
