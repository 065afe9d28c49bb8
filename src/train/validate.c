/*
 * validate.c - what the network says about pictures it is not trained on in this pass: class
 * probabilities in f32, in evaluation mode. In a group of processes each judges its share, and all
 * get all results.
 */
#include "prep/prep.h"
#include "train/train_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* One batch: probabilities into the rows of `out` that belong to it. row: of the process's first
 * picture. */
static int judge_batch(struct sk_train *t, const struct sk_batch *b, float *out, double *loss_sum,
                       uint64_t *correct, struct sk_err *err)
{
    size_t classes = t->data->class_count;
    struct sk_nn_loss loss = { .class_weights = t->class_weights, .denominator = 1.0 };
    struct sk_nn_result result = { 0 };
    struct sk_nn_plan *plan = NULL;
    const float *scores = NULL;

    if (b->count == 0)
        return 0;
    if (sk_train_plan(t, SK_NN_INFER, b->count, &plan, err) < 0 ||
        sk_nn_forward(plan, b->pictures, &scores, err) < 0 ||
        sk_nn_cross_entropy(scores, b->labels, b->count, (unsigned)classes, &loss, NULL, &result,
                            err) < 0)
        return -1;
    *loss_sum += result.loss;
    *correct += result.correct;
    for (size_t i = 0; i < b->count; i++)
        sk_prep_probabilities(scores + i * classes, classes, SK_PROBLEM_SINGLE, false,
                              out + i * classes);
    return 0;
}

/* Sums over all processes; rows of others are 0 here. */
static int join(struct sk_train *t, size_t values, double *sums, struct sk_err *err)
{
    if (sk_comm_sum_f32(t->comm, t->probabilities, values, err) < 0)
        return -1;
    return sk_comm_sum_f64(t->comm, sums, 2, err);
}

static int judge_all(struct sk_train *t, struct sk_source *source, const struct sk_dataset *data,
                     const struct sk_indices *which, double *sums, bool *stopped,
                     struct sk_err *err)
{
    size_t classes = t->data->class_count;
    unsigned rank = sk_comm_rank(t->comm), ranks = sk_comm_size(t->comm);
    struct sk_loader_options opts = {
        .batch = t->o->batch, .threads = t->o->workers, .epochs = 1, .rank = rank, .ranks = ranks
    };
    SK_OWN(sk_loader_free) struct sk_loader *loader = NULL;
    uint64_t correct = 0;
    size_t row = 0;

    if (sk_loader_new(source, which, &opts, &loader, err) < 0 ||
        sk_loader_start(loader, 0, 0, err) < 0)
        return -1;
    for (;;) {
        struct sk_batch b = { 0 };

        if (sk_loader_next(loader, &b, err) < 0)
            return -1;
        if (b.total == 0)
            break;

        size_t first = row + sk_batch_first(b.total, rank, ranks);

        if (judge_batch(t, &b, t->probabilities + first * classes, &sums[0], &correct, err) < 0 ||
            sk_train_agree(t, stopped, err) < 0)
            return -1;
        if (*stopped)
            return 0;
        row += b.total;
    }
    sums[1] = (double)correct;
    for (size_t i = 0; i < which->count; i++)
        t->truth[i] = data->samples[which->items[i]].label;
    return join(t, which->count * classes, sums, err);
}

void sk_train_forget_judged(struct sk_train *t)
{
    free(t->probabilities);
    free(t->truth);
    t->probabilities = NULL;
    t->truth = NULL;
}

int sk_train_judge(struct sk_train *t, struct sk_source *source, const struct sk_dataset *data,
                   const struct sk_indices *which, double *loss, double *accuracy,
                   struct sk_err *err)
{
    size_t classes = t->data->class_count;
    double sums[2] = { 0, 0 };
    double weight = 0;
    bool stopped = false;

    sk_train_forget_judged(t);
    t->truth = calloc(which->count + 1, sizeof(*t->truth));
    t->probabilities = calloc(which->count * classes + 1, sizeof(*t->probabilities));
    t->judged = which;
    t->judged_source = source;
    t->judged_data = data;
    if (!t->truth || !t->probabilities)
        return sk_nomem(err);
    if (judge_all(t, source, data, which, sums, &stopped, err) < 0)
        return -1;
    if (stopped) {
        sk_train_forget_judged(t);
        return 0;
    }
    for (size_t i = 0; i < which->count; i++)
        weight += t->class_weights ? (double)t->class_weights[t->truth[i]] : 1.0;
    *loss = sums[0] / weight;
    *accuracy = sums[1] / (double)which->count;
    return 0;
}

int sk_train_validate(struct sk_train *t, double *loss, double *accuracy, struct sk_err *err)
{
    return sk_train_judge(t, t->val_source ? t->val_source : t->source,
                          t->val_data ? t->val_data : t->data, &t->val, loss, accuracy, err);
}
