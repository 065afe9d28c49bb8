/*
 * loss.c - softmax with cross entropy, as torch.nn.CrossEntropyLoss.
 *
 * With weights w, smoothing s, classes C, label y and p = softmax(scores) a sample's loss is
 *
 *     (1 - s) w[y] (-log p[y])  +  s / C  sum_c w[c] (-log p[c])
 *
 * and the mean divides by the sum of w[y] over the batch. All in double; scores are few.
 */
#include "nn/nn_priv.h"

#include <math.h>

static double weight_of(const struct sk_nn_loss *loss, size_t class)
{
    return loss->class_weights ? (double)loss->class_weights[class] : 1;
}

struct row {
    const float *scores;
    size_t classes, label;
    double max, log_sum; /* log p[c] = scores[c] - max - log_sum */
};

static struct row read_row(const float *scores, size_t classes, size_t label, bool *is_correct)
{
    struct row r = { .scores = scores, .classes = classes, .label = label };
    size_t best = 0;
    double sum = 0;

    for (size_t c = 1; c < classes; c++)
        if (scores[c] > scores[best])
            best = c;
    r.max = (double)scores[best];
    for (size_t c = 0; c < classes; c++)
        sum += exp((double)scores[c] - r.max);
    r.log_sum = log(sum);
    *is_correct = best == label;
    return r;
}

/* factors f[c] of -log p[c]: the loss is their sum, its gradient sum(f) p[c] - f[c]. */
static double row_loss(const struct row *r, const struct sk_nn_loss *loss, double denominator,
                       float *gradient)
{
    double smooth = (double)loss->label_smoothing / (double)r->classes, value = 0, total = 0;

    for (size_t pass = 0; pass < (gradient ? 2 : 1); pass++) {
        for (size_t c = 0; c < r->classes; c++) {
            double logp = (double)r->scores[c] - r->max - r->log_sum;
            double f = smooth * weight_of(loss, c);

            if (c == r->label)
                f += (1 - (double)loss->label_smoothing) * weight_of(loss, c);
            if (pass == 0) {
                total += f;
                value -= f > 0 ? f * logp : 0;
            } else {
                gradient[c] = (float)((total * exp(logp) - f) / denominator);
            }
        }
    }
    return value / denominator;
}

int sk_nn_cross_entropy(const float *scores, const uint32_t *labels, unsigned batch,
                        unsigned classes, const struct sk_nn_loss *loss, float *gradient,
                        struct sk_nn_result *out, struct sk_err *err)
{
    double denominator = loss->denominator;
    struct sk_nn_result result = { 0 };

    for (unsigned i = 0; i < batch; i++) {
        if (labels[i] >= classes)
            return sk_fail(err, SK_INVALID, "label %u of sample %u is beyond %u classes", labels[i],
                           i, classes);
        denominator += loss->denominator == 0 ? weight_of(loss, labels[i]) : 0;
    }
    for (size_t i = 0; i < batch; i++) {
        bool is_correct;
        struct row r = read_row(scores + i * classes, classes, labels[i], &is_correct);

        result.loss += row_loss(&r, loss, denominator, gradient ? gradient + i * classes : NULL);
        result.correct += is_correct;
    }
    *out = result;
    return 0;
}
