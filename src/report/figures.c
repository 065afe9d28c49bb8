/*
 * figures.c - counts what was said against what is true.
 *
 *     confusion[true][predicted]      precision = c[k][k] / column sum, recall = c[k][k] / row sum
 *
 * The answer for a picture is its first highest probability. Sums of loss are in double and in the
 * order of the pictures, so the same input gives the same bits.
 */
#include "report/report_priv.h"

#include "base/str.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum {
    CLASSES_MAX = SK_FIGURES_MAX_CLASSES
};

double sk_share(uint64_t a, uint64_t b)
{
    return b ? (double)a / (double)b : 0;
}

uint64_t sk_figures_predicted(const struct sk_figures *f, size_t label)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < f->classes; i++)
        sum += f->confusion[i * f->classes + label];
    return sum;
}

bool sk_figures_occurs(const struct sk_figures *f, size_t label)
{
    return f->per_class[label].support > 0 || sk_figures_predicted(f, label) > 0;
}

void sk_figures_free(struct sk_figures *f)
{
    if (!f)
        return;
    for (size_t i = 0; f->labels && i < f->classes; i++)
        free(f->labels[i]);
    free(f->labels);
    free(f->per_class);
    free(f->confusion);
    sk_curve_done(&f->roc);
    sk_curve_done(&f->pr);
    free(f);
}

static size_t best_of(const float *row, size_t classes)
{
    size_t best = 0;

    for (size_t i = 1; i < classes; i++)
        if (row[i] > row[best])
            best = i;
    return best;
}

static int check_row(const float *row, size_t classes, uint32_t truth, size_t i, struct sk_err *err)
{
    if (truth >= classes)
        return sk_fail(err, SK_INVALID, "picture %zu has class %u of %zu", i, truth, classes);
    for (size_t k = 0; k < classes; k++)
        if (!isfinite(row[k]))
            return sk_fail(err, SK_INVALID,
                           "picture %zu: the probability of class %zu is not a number", i, k);
    return 0;
}

/* Matrix, accuracy and loss. */
static int count_rows(struct sk_figures *f, const uint32_t *truth, const float *probabilities,
                      struct sk_err *err)
{
    double loss = 0;
    uint64_t right = 0;

    for (size_t i = 0; i < f->count; i++) {
        const float *row = probabilities + i * f->classes;
        if (check_row(row, f->classes, truth[i], i, err) < 0)
            return -1;
        size_t predicted = best_of(row, f->classes);
        right += predicted == truth[i];
        f->confusion[truth[i] * f->classes + predicted]++;
        loss -= log(fmin(fmax((double)row[truth[i]], DBL_EPSILON), 1 - DBL_EPSILON));
    }
    f->accuracy = sk_share(right, f->count);
    f->loss = loss / (double)f->count;
    return 0;
}

static void judge_classes(struct sk_figures *f)
{
    double sum = 0;
    size_t occurring = 0;

    for (size_t k = 0; k < f->classes; k++) {
        struct sk_class_figures *c = &f->per_class[k];
        const uint64_t *row = f->confusion + k * f->classes;
        uint64_t predicted = sk_figures_predicted(f, k);
        for (size_t i = 0; i < f->classes; i++)
            c->support += row[i];
        c->precision = sk_share(row[k], predicted);
        c->recall = sk_share(row[k], c->support);
        c->f1 = sk_share(2 * row[k], predicted + c->support);
        sum += c->f1;
        occurring += predicted + c->support > 0;
    }
    f->macro_f1 = sum / (double)occurring; /* there is a picture, so a class occurs */
}

static int find_positive(struct sk_figures *f, const char *wanted, struct sk_err *err)
{
    const char *name = wanted ? wanted : "defect";
    size_t i = 0;

    while (i < f->classes && strcmp(f->labels[i], name) != 0)
        i++;
    if (i == f->classes && wanted) {
        SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(400);
        for (size_t k = 0; k < f->classes; k++)
            sk_buf_fmt(&names, "%s'%s'", k ? ", " : "", f->labels[k]);
        return sk_fail(err, SK_INVALID, "no class '%s'; the classes are %s%s", wanted,
                       names.data ? names.data : "", sk_buf_ok(&names) ? "" : ", ...");
    }
    f->positive = i < f->classes ? (uint32_t)i : 0;
    return 0;
}

static int copy_labels(struct sk_figures *f, const char *const *labels, struct sk_err *err)
{
    f->labels = calloc(f->classes, sizeof *f->labels);
    if (!f->labels)
        return sk_nomem(err);
    for (size_t i = 0; i < f->classes; i++)
        if (!(f->labels[i] = strdup(labels[i])))
            return sk_nomem(err);
    return 0;
}

int sk_figures_new(const char *const *labels, size_t classes, const uint32_t *truth,
                   const float *probabilities, size_t count, const struct sk_figures_options *opts,
                   struct sk_figures **out, struct sk_err *err)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;

    if (classes == 0 || count == 0)
        return sk_fail(err, SK_INVALID, "no %s to judge", classes == 0 ? "classes" : "pictures");
    if (classes > CLASSES_MAX)
        return sk_fail(err, SK_LIMIT, "%zu classes; a confusion matrix is made of at most %d",
                       classes, CLASSES_MAX);
    f = calloc(1, sizeof *f);
    if (!f)
        return sk_nomem(err);
    f->classes = classes;
    f->count = count;
    f->per_class = calloc(classes, sizeof *f->per_class);
    f->confusion = calloc(classes * classes, sizeof *f->confusion);
    if (!f->per_class || !f->confusion)
        return sk_nomem(err);
    if (copy_labels(f, labels, err) < 0 ||
        find_positive(f, opts ? opts->positive : NULL, err) < 0 ||
        count_rows(f, truth, probabilities, err) < 0)
        return -1;
    judge_classes(f);
    if (classes == 2 && sk_figures_curves(f, truth, probabilities, err) < 0)
        return -1;
    *out = SK_TAKE(f);
    return 0;
}

size_t sk_figures_confusions(const struct sk_figures *f, size_t k, struct sk_confusion *out)
{
    size_t n = 0;

    for (size_t i = 0; k > 0 && i < f->classes * f->classes; i++) {
        const struct sk_confusion c = { (uint32_t)(i / f->classes), (uint32_t)(i % f->classes),
                                        f->confusion[i] };
        if (c.truth == c.predicted || c.count == 0 || (n == k && c.count <= out[k - 1].count))
            continue;
        size_t at = n < k ? n++ : k - 1; /* an insertion sort of k: k is small */
        for (; at > 0 && out[at - 1].count < c.count; at--)
            out[at] = out[at - 1];
        out[at] = c;
    }
    return n;
}

size_t sk_report_most_wrong(const uint32_t *truth, const float *probabilities, size_t count,
                            size_t classes, size_t k, uint32_t *out)
{
    size_t n = 0;

    for (size_t i = 0; i < count && k > 0; i++) {
        const float *row = probabilities + i * classes;
        size_t best = best_of(row, classes);
        if (best == truth[i])
            continue;
        size_t at = n;
        while (at > 0) { /* the certainty of the one before */
            const float *other = probabilities + out[at - 1] * classes;
            if (!(other[best_of(other, classes)] < row[best]))
                break;
            at--;
        }
        if (at == k)
            continue;
        n += n < k;
        memmove(out + at + 1, out + at, (n - 1 - at) * sizeof *out);
        out[at] = (uint32_t)i;
    }
    return n;
}
