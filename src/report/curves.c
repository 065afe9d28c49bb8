/*
 * curves.c - receiver operating characteristic and precision-recall curve of two classes.
 *
 * Pictures are sorted by the positive class's probability, highest first; a threshold stands behind
 * each group of equal probabilities, since no threshold can part them:
 *
 *     score      .9  .8  .8  .4        threshold  inf  .9   .8   .4
 *     positive    1   0   1   0        true pos.    0   1    2    2
 *                                      false pos.   0   0    1    2
 *
 * ROC: (fp / N, tp / P), area by trapezoids. Precision-recall: (tp / P, tp / (tp + fp)) from (0, 1)
 * on; area = sum of precision times the step in recall (average precision). A picture is called
 * positive when its score is at least the threshold. Both curves have the same thresholds.
 */
#include "report/report_priv.h"

#include <math.h>

struct ranked {
    float score;
    bool is_positive;
};

static int by_score(const void *a, const void *b)
{
    float x = ((const struct ranked *)a)->score, y = ((const struct ranked *)b)->score;

    return (x < y) - (x > y);
}

void sk_curve_done(struct sk_curve *c)
{
    free(c->x);
    free(c->y);
    free(c->threshold);
    *c = (struct sk_curve){ 0 };
}

static int make_room(struct sk_curve *c, size_t points, struct sk_err *err)
{
    c->x = calloc(points, sizeof *c->x);
    c->y = calloc(points, sizeof *c->y);
    c->threshold = calloc(points, sizeof *c->threshold);
    return c->x && c->y && c->threshold ? 0 : sk_nomem(err);
}

static void add_point(struct sk_curve *c, double x, double y, double threshold)
{
    c->x[c->count] = x;
    c->y[c->count] = y;
    c->threshold[c->count++] = threshold;
}

static void walk(struct sk_figures *f, const struct ranked *ranked, uint64_t positives)
{
    uint64_t negatives = f->count - positives, tp = 0, fp = 0;
    struct sk_curve *roc = &f->roc, *pr = &f->pr;

    add_point(roc, 0, 0, INFINITY);
    add_point(pr, 0, 1, INFINITY);
    for (size_t i = 0; i < f->count; i++) {
        tp += ranked[i].is_positive;
        fp += !ranked[i].is_positive;
        if (i + 1 < f->count && ranked[i + 1].score == ranked[i].score)
            continue;
        add_point(roc, sk_share(fp, negatives), sk_share(tp, positives), (double)ranked[i].score);
        add_point(pr, sk_share(tp, positives), sk_share(tp, tp + fp), (double)ranked[i].score);
        size_t n = roc->count - 1;
        roc->area += (roc->x[n] - roc->x[n - 1]) * (roc->y[n] + roc->y[n - 1]) / 2;
        pr->area += (pr->x[n] - pr->x[n - 1]) * pr->y[n];
    }
}

int sk_figures_curves(struct sk_figures *f, const uint32_t *truth, const float *probabilities,
                      struct sk_err *err)
{
    uint64_t positives = f->per_class[f->positive].support;
    SK_OWN(free) struct ranked *ranked = NULL;

    if (positives == 0 || positives == f->count)
        return 0;
    ranked = calloc(f->count, sizeof *ranked);
    if (!ranked)
        return sk_nomem(err);
    for (size_t i = 0; i < f->count; i++)
        ranked[i] = (struct ranked){ probabilities[2 * i + f->positive], truth[i] == f->positive };
    qsort(ranked, f->count, sizeof *ranked, by_score);
    if (make_room(&f->roc, f->count + 1, err) < 0 || make_room(&f->pr, f->count + 1, err) < 0)
        return -1;
    walk(f, ranked, positives);
    f->has_curves = true;
    return 0;
}

int sk_figures_threshold(const struct sk_figures *f, double max_fnr, struct sk_threshold *out,
                         struct sk_err *err)
{
    size_t i = 1; /* 0 is above all scores */

    if (f->classes != 2)
        return sk_fail(err, SK_INVALID, "a decision threshold is for two classes; these are %zu",
                       f->classes);
    if (!f->has_curves)
        return sk_fail(err, SK_INVALID,
                       "a decision threshold needs pictures of both classes; all are '%s'",
                       f->labels[f->per_class[0].support ? 0 : 1]);
    if (!(max_fnr >= 0 && max_fnr <= 1))
        return sk_fail(err, SK_INVALID, "a false-negative rate is from 0 to 1");
    double positives = (double)f->per_class[f->positive].support;
    double missed = 0;
    for (;; i++) { /* the last point misses none */
        missed = positives - round(f->roc.y[i] * positives);
        if (missed / positives <= max_fnr || i + 1 == f->roc.count)
            break;
    }
    *out = (struct sk_threshold){
        .threshold = f->roc.threshold[i],
        .false_negative_rate = missed / positives,
        .false_positive_rate = f->roc.x[i],
        .precision = f->pr.y[i],
        .recall = f->pr.x[i],
    };
    return 0;
}
