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
            return sk_wrap(err, "a batch of %u pictures", batch);
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
}

/* The bundle there may already be what is asked for. */
static int look_for_finished(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    if (sk_dataset_digest(t->data, t->data_digest, err) < 0)
        return -1;
    if (t->val_data && sk_dataset_digest(t->val_data, t->val_digest, err) < 0)
        return -1;
    return sk_train_is_finished(t, &out->reused, out, err);
}

int sk_train_begin(struct sk_train *t, struct sk_err *err)
{
    bool found = false;

    if (sk_train_check_data(t, err) < 0 || sk_train_open_network(t, err) < 0 ||
        sk_train_state_init(&t->state, t->nn, t->o, err) < 0)
        return -1;
    if (!t->o->resume)
        return 0;
    if (sk_checkpoint_load(t, &found, err) < 0)
        return sk_wrap(err, "--resume");
    if (found)
        sk_train_note(t, "going on after step %llu, epoch %u", (unsigned long long)t->state.step,
                      t->state.epoch);
    else
        sk_train_note(t, "no checkpoint in %s: starting anew", t->o->output_dir);
    return 0;
}

/* Figures of the weights that the bundle gets. When interrupted only those of the last validation,
 * if there was one: the user is waiting. */
static int judge_final(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    bool has_validation = t->val.count > 0;
    int rc = 0;

    if (!out->interrupted) {
        sk_loader_free(t->loader); /* its threads and batches are not needed any more */
        t->loader = NULL;
        sk_train_drop_plans(t);
        sk_train_swap_final(t);
        rc = has_validation ? sk_train_judge(t, t->val_source ? t->val_source : t->source,
                                             t->val_data ? t->val_data : t->data, &t->val,
                                             &out->loss, &out->accuracy, err)
                            : sk_train_judge(t, t->source, t->data, &t->train, &out->loss,
                                             &out->accuracy, err);
        sk_train_swap_final(t);
    } else if (t->probabilities) {
        out->loss = t->state.history[t->state.epoch - 1].val_loss;
        out->accuracy = t->state.history[t->state.epoch - 1].val_accuracy;
    }
    out->has_figures = t->probabilities != NULL;
    out->validated = has_validation && out->has_figures;
    return rc;
}

static int run(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    uint64_t start_ns = sk_now_ns();

    if (sk_train_open_data(t, err) < 0)
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
    struct sk_train t = { .o = o, .watch = watch, .stop = stop };
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
