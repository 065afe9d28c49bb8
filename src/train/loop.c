/*
 * loop.c - epochs and steps.
 *
 *     batch -> forward, loss, backward -> sum over processes -> clip -> optimiser -> averages ->
 * checkpoint if due
 *
 * The state is whole between any two steps, so that is where training can end and later go on bit
 * for bit: order, augmentation and dropout follow from seed, epoch and step, not from what ran
 * before.
 */
#include "base/clock.h"
#include "base/mix64.h"
#include "train/train_priv.h"

#include <math.h>
#include <string.h>

/* What the mean loss of this batch divides by, over all processes. */
static int denominator(struct sk_train *t, const struct sk_batch *b, double *out,
                       struct sk_err *err)
{
    if (!t->class_weights) {
        *out = b->total;
        return 0;
    }
    *out = 0;
    for (unsigned i = 0; i < b->count; i++)
        *out += (double)t->class_weights[b->labels[i]];
    return sk_comm_sum_f64(t->comm, out, 1, err);
}

/* Gradients and figures of the whole batch from those of each process. */
static int join(struct sk_train *t, struct sk_nn_result *r, struct sk_err *err)
{
    double sums[2] = { r->loss, r->correct };
    size_t count = 0;
    float *grads = sk_nn_grads(t->nn, &count);

    if (sk_comm_size(t->comm) == 1)
        return 0;
    if (sk_comm_sum_f64(t->comm, sums, 2, err) < 0)
        return -1;
    r->loss = sums[0];
    r->correct = (unsigned)sums[1];
    return isfinite(r->loss) ? sk_comm_sum_f32(t->comm, grads, count, err) : 0;
}

/* The optimiser over each run of parameters that are not frozen. */
static void update(struct sk_train *t)
{
    const struct sk_train_options *o = t->o;
    struct sk_train_state *s = &t->state;
    struct sk_optim optim = { .kind = o->optimizer,
                              .lr = t->lr,
                              .weight_decay = o->weight_decay,
                              .momentum = o->momentum,
                              .beta1 = 0.9,
                              .beta2 = 0.999,
                              .eps = 1e-8,
                              .step = s->step + 1 };
    size_t count = 0, buffer_count = 0;
    float *values = sk_nn_values(t->nn, &count);
    float *grads = sk_nn_grads(t->nn, &count);

    if (o->clip_norm > 0)
        (void)sk_optim_clip(grads, count, o->clip_norm);
    for (size_t i = 0, n = sk_nn_param_count(t->nn); i < n; i++) {
        const struct sk_nn_param *p = sk_nn_param(t->nn, i);

        if (p->role == SK_NN_BN_MEAN || p->role == SK_NN_BN_VAR || p->frozen)
            continue;
        sk_optim_step(&optim, values + p->offset, grads + p->offset, s->m + p->offset,
                      s->v ? s->v + p->offset : NULL, p->count);
    }
    sk_nn_touch(t->nn);
    s->step++;
    if (!s->ema)
        return;
    /* The first weights must not linger: the decay rises to its value. */
    sk_optim_average(s->ema, values, count,
                     fmin(o->ema, (1.0 + (double)s->step) / (10.0 + (double)s->step)));

    const float *buffers = sk_nn_buffers(t->nn, &buffer_count);

    memcpy(s->ema_buffers, buffers, buffer_count * sizeof(float));
}

static int step(struct sk_train *t, const struct sk_batch *b, size_t batches,
                struct sk_nn_result *out, struct sk_err *err)
{
    struct sk_train_state *s = &t->state;
    struct sk_nn_loss loss = { .label_smoothing = (float)t->o->label_smoothing,
                               .class_weights = t->class_weights };
    struct sk_nn_result result = { 0 };
    struct sk_nn_plan *plan = NULL;

    t->lr = sk_schedule_lr(t->o, s->epoch + (double)s->batch / (double)batches);
    loss.first_sample = sk_batch_first(b->total, sk_comm_rank(t->comm), sk_comm_size(t->comm));
    if (denominator(t, b, &loss.denominator, err) < 0 ||
        sk_train_plan(t, SK_NN_TRAIN, b->count, &plan, err) < 0)
        return -1;
    if (sk_nn_step(plan, b->pictures, b->labels, &loss, t->o->seed + s->step * SK_MIX64_STEP,
                   &result, err) < 0 ||
        join(t, &result, err) < 0)
        return -1;
    if (!isfinite(result.loss))
        return sk_fail(err, SK_INVALID,
                       "the loss is not finite at step %llu (epoch %u, learning rate %g)%s; try a "
                       "smaller --lr or --clip-norm 1",
                       (unsigned long long)s->step + 1, s->epoch + 1, t->lr,
                       t->has_checkpoint ? "; the last checkpoint is kept" : "");
    update(t);
    *out = result;
    return 0;
}

static void tell_batch(const struct sk_train *t, size_t batches, uint64_t start_ns, size_t images)
{
    const struct sk_train_state *s = &t->state;
    double seconds = (double)(sk_now_ns() - start_ns) / 1e9;
    double left = (double)(batches - s->batch) +
                  (double)(t->o->epochs - s->epoch - 1) * (double)batches;
    struct sk_train_batch b = { .epoch = s->epoch + 1,
                                .epochs = t->o->epochs,
                                .batch = s->batch,
                                .batches = batches,
                                .loss = s->loss_sum / (double)s->batch };

    if (!t->is_first || !t->watch->batch || images == 0)
        return;
    b.images_per_s = (double)images / seconds;
    b.left_s = left * t->o->batch / b.images_per_s;
    t->watch->batch(t->watch->ctx, &b);
}

/* Ctrl-C, or a checkpoint that is due, in any process or the first one; all processes agree. */
static int agree(struct sk_train *t, bool *stop, bool *save, struct sk_err *err)
{
    bool is_due = t->is_first && (t->o->sync_bn || sk_comm_size(t->comm) == 1) &&
                  sk_now_ns() - t->saved_ns >= t->o->checkpoint_ms * 1000000;
    int64_t flags[2] = { sk_train_stopped(t), is_due };

    if (sk_comm_max_i64(t->comm, flags, 2, err) < 0)
        return -1;
    *stop = flags[0];
    *save = flags[1];
    return 0;
}

/* Batches from the state's place to the end of the epoch. */
static int run_batches(struct sk_train *t, bool *stopped, struct sk_err *err)
{
    struct sk_train_state *s = &t->state;
    size_t batches = sk_loader_batches(t->loader), images = 0;
    uint64_t start_ns = sk_now_ns(), last_ns = start_ns;

    if (sk_loader_start(t->loader, s->epoch, s->batch, err) < 0)
        return -1;
    while (s->batch < batches && !*stopped) {
        struct sk_batch b = { 0 };
        struct sk_nn_result done = { 0 };
        bool save = false;

        if (sk_loader_next(t->loader, &b, err) < 0 || step(t, &b, batches, &done, err) < 0)
            return -1;

        uint64_t now_ns = sk_now_ns();

        s->loss_sum += done.loss;
        s->correct += done.correct;
        s->seen += b.total;
        s->batch++;
        s->seconds += (double)(now_ns - last_ns) / 1e9;
        images += b.total;
        last_ns = now_ns;
        tell_batch(t, batches, start_ns, images);
        if (agree(t, stopped, &save, err) < 0)
            return -1;
        if (save && !*stopped && sk_checkpoint_save(t, err) < 0)
            return -1;
    }
    return 0;
}

/* Batch norm's buffers differ between processes when their sums are not shared: the mean counts. */
static int join_buffers(struct sk_train *t, struct sk_err *err)
{
    size_t count = 0;
    float *buffers = sk_nn_buffers(t->nn, &count);
    unsigned ranks = sk_comm_size(t->comm);

    if (ranks == 1 || t->o->sync_bn)
        return 0;
    if (sk_comm_sum_f32(t->comm, buffers, count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++)
        buffers[i] /= (float)ranks;
    if (t->state.ema)
        memcpy(t->state.ema_buffers, buffers, count * sizeof(float));
    sk_nn_touch(t->nn);
    return 0;
}

/* Remembers the weights that were just judged when they are the best; counts the epochs since. */
static void keep_best(struct sk_train *t, double val_loss)
{
    struct sk_train_state *s = &t->state;

    if (!s->best)
        return;
    if (!isnan(s->best_loss) && !(val_loss < s->best_loss)) {
        s->waited++;
        return;
    }
    memcpy(s->best, s->ema ? s->ema : sk_nn_values(t->nn, &s->count), s->count * sizeof(float));
    memcpy(s->best_buffers, s->ema ? s->ema_buffers : sk_nn_buffers(t->nn, &s->buffer_count),
           s->buffer_count * sizeof(float));
    s->best_loss = val_loss;
    s->waited = 0;
}

static int end_epoch(struct sk_train *t, bool *stopped, struct sk_err *err)
{
    struct sk_train_state *s = &t->state;
    struct sk_epoch *h = &s->history[s->epoch];
    double waited_s = (double)sk_loader_waited_ns(t->loader) / 1e9;

    *h = (struct sk_epoch){ .train_loss = s->loss_sum / (double)s->batch,
                            .lr = t->lr,
                            .seconds = s->seconds,
                            .train_accuracy = (double)s->correct / (double)s->seen,
                            .val_loss = NAN,
                            .val_accuracy = NAN };
    if (join_buffers(t, err) < 0)
        return -1;
    if (t->val.count > 0) {
        int rc = 0;

        sk_train_swap_average(t);
        rc = sk_train_validate(t, &h->val_loss, &h->val_accuracy, err);
        sk_train_swap_average(t);
        if (rc < 0)
            return -1;
        if (!t->probabilities) {
            *stopped = true; /* Ctrl-C: the epoch stays open, and is closed when training goes on */
            return 0;
        }
        keep_best(t, h->val_loss);
    }

    struct sk_train_epoch e = { .epoch = s->epoch + 1,
                                .epochs = t->o->epochs,
                                .loss = h->train_loss,
                                .accuracy = h->train_accuracy,
                                .val_loss = h->val_loss,
                                .val_accuracy = h->val_accuracy,
                                .lr = t->lr,
                                .seconds = h->seconds,
                                .images_per_s = (double)s->seen / h->seconds,
                                .waited_s = waited_s };

    s->epoch++;
    s->batch = 0;
    s->loss_sum = s->seconds = 0;
    s->correct = s->seen = 0;
    if (t->is_first && t->watch->epoch)
        t->watch->epoch(t->watch->ctx, &e);
    return 0;
}

static bool is_patient(const struct sk_train *t)
{
    return t->o->patience == 0 || t->state.waited < t->o->patience;
}

static int open_loader(struct sk_train *t, struct sk_err *err)
{
    const struct sk_train_options *o = t->o;
    struct sk_loader_options opts = { .batch = o->batch,
                                      .shuffle = true,
                                      .seed = o->seed,
                                      .augment = o->augment,
                                      .epochs = o->epochs,
                                      .threads = o->workers,
                                      .rank = sk_comm_rank(t->comm),
                                      .ranks = sk_comm_size(t->comm) };

    return sk_loader_new(t->source, &t->train, &opts, &t->loader, err);
}

/* Both sizes of batches now: one that cannot be trained on is an error before the first step. */
static int make_plans(struct sk_train *t, struct sk_err *err)
{
    unsigned rank = sk_comm_rank(t->comm), ranks = sk_comm_size(t->comm);
    const unsigned sizes[] = { t->o->batch < t->train.count ? t->o->batch
                                                            : (unsigned)t->train.count,
                               (unsigned)(t->train.count % t->o->batch) };
    struct sk_nn_plan *plan = NULL;

    for (size_t i = 0; i < 2; i++) {
        unsigned own = sk_batch_first(sizes[i], rank + 1, ranks) -
                       sk_batch_first(sizes[i], rank, ranks);

        if (own > 0 && sk_train_plan(t, SK_NN_TRAIN, own, &plan, err) < 0)
            return -1;
    }
    return 0;
}

int sk_train_loop(struct sk_train *t, struct sk_train_result *out, struct sk_err *err)
{
    struct sk_train_state *s = &t->state;
    bool stopped = false;

    if (open_loader(t, err) < 0 || make_plans(t, err) < 0)
        return -1;
    while (s->epoch < t->o->epochs && is_patient(t) && !stopped) {
        t->lr = sk_schedule_lr(t->o, s->epoch);
        if (run_batches(t, &stopped, err) < 0)
            return -1;
        if (s->batch < sk_loader_batches(t->loader))
            break;
        if (end_epoch(t, &stopped, err) < 0)
            return -1;
    }
    if (s->batch > 0 && join_buffers(t, err) < 0) /* else the epoch's end did */
        return -1;
    out->interrupted = stopped && s->epoch < t->o->epochs;
    out->stopped_early = !is_patient(t);
    return sk_checkpoint_save(t, err);
}
