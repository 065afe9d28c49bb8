/*
 * record.c - is what a model makes of a picture what it made of it where it was trained?
 *
 * Machines differ in the last digits, so probabilities are compared within a tolerance. A record
 * names its classes as answers do; the names are mostly in the order of the classes, and looked up
 * in a sorted list when they are not.
 */
#include "pipeline/pipeline_priv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double SUM_OFF = 1e-3;

struct name {
    const char *text;
    size_t index;
};

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct name *)a)->text, ((const struct name *)b)->text);
}

/* The class of each probability of the record; *out stays NULL when they are in order. */
static int match_names(const struct sk_classifier *c, const struct sk_bundle_test *t, size_t **out,
                       struct sk_err *err)
{
    bool is_in_order = true;

    for (size_t i = 0; t->names && is_in_order && i < t->count; i++)
        is_in_order = strcmp(t->names[i], c->labels[i]) == 0;
    if (is_in_order)
        return 0;
    SK_OWN(free) struct name *sorted = calloc(c->classes, sizeof *sorted);
    SK_OWN(free) size_t *at = calloc(t->count, sizeof *at);
    if (!sorted || !at)
        return sk_nomem(err);
    for (size_t i = 0; i < c->classes; i++)
        sorted[i] = (struct name){ c->labels[i], i };
    qsort(sorted, c->classes, sizeof *sorted, by_text);
    for (size_t i = 0; i < t->count; i++) {
        const struct name key = { t->names[i], 0 };
        const struct name *found = bsearch(&key, sorted, c->classes, sizeof *sorted, by_text);
        if (!found)
            return sk_fail(err, SK_MISMATCH, "the model has no class '%.64s', the record has",
                           t->names[i]);
        at[i] = found->index;
    }
    *out = SK_TAKE(at);
    return 0;
}

int sk_record_check(const struct sk_classifier *c, const struct sk_bundle_test *t,
                    const struct sk_result *r, struct sk_err *err)
{
    SK_OWN(free) size_t *at = NULL;
    struct sk_score best;

    if (t->count != r->classes)
        return sk_fail(err, SK_MISMATCH, "the model has %zu classes, the record %zu", r->classes,
                       t->count);
    if (match_names(c, t, &at, err) < 0)
        return -1;
    (void)sk_prep_top(r->probabilities, r->classes, 1, &best);
    if (strcmp(c->labels[best.index], t->label) != 0)
        return sk_fail(err, SK_MISMATCH, "the best label is '%.64s' (%.4f), recorded is '%.64s'",
                       c->labels[best.index], (double)best.probability, t->label);
    for (size_t i = 0; i < t->count; i++) {
        const size_t k = at ? at[i] : i;
        const double p = (double)r->probabilities[k];
        if (!(fabs(p - t->values[i]) <= t->tolerance))
            return sk_fail(err, SK_MISMATCH,
                           "the probability of '%.64s' is %.4f, recorded is %.4f; more than %g off",
                           c->labels[k], p, t->values[i], t->tolerance);
    }
    return 0;
}

/* Whether the probabilities exclude each other. */
static bool is_one_of(const struct sk_classifier *c)
{
    return c->problem == SK_PROBLEM_SINGLE && (!c->already || c->bundle->activation == SK_ACT_AUTO);
}

int sk_record_sane(const struct sk_classifier *c, const struct sk_result *r, struct sk_err *err)
{
    double sum = 0;

    for (size_t i = 0; i < r->classes; i++) {
        if (!isfinite(r->scores[i]) || !isfinite(r->probabilities[i]))
            return sk_fail(err, SK_MISMATCH, "the score of '%.64s' is no finite number",
                           c->labels[i]);
        sum += (double)r->probabilities[i];
    }
    if (is_one_of(c) && fabs(sum - 1) > SUM_OFF)
        return sk_fail(err, SK_MISMATCH, "the probabilities have the sum %.4f, not 1", sum);
    return 0;
}

void sk_record_json(const struct sk_classifier *c, const struct sk_result *r, const char *image,
                    double tolerance, struct sk_buf *out)
{
    struct sk_score best;

    (void)sk_prep_top(r->probabilities, r->classes, 1, &best);
    sk_bundle_test_json(image, (const char *const *)c->labels, r->probabilities, r->classes,
                        best.index, tolerance, out);
}
