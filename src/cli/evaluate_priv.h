/*
 * evaluate_priv.h - the parts of `skerry evaluate`: the answers for all pictures (evaluate_run.c)
 * and the page (evaluate_page.c). cmd_evaluate.c has the options and prints the figures.
 */
#ifndef SK_CLI_EVALUATE_PRIV_H
#define SK_CLI_EVALUATE_PRIV_H

#include "dataset/dataset.h"
#include "pipeline/pipeline.h"
#include "report/report.h"

/* Pictures with their answers. The first four fields are set by the caller, the rest by
 * sk_evaluation_run; sk_evaluation_done frees what that made. */
struct sk_evaluation {
    struct sk_classifier *classifier;
    const struct sk_dataset *data;
    unsigned workers; /* at least 1 */
    uint64_t max_pixels, max_bytes;

    size_t classes;
    size_t count;         /* pictures that were judged, in the order of the data */
    uint32_t *which;      /* their places in the data */
    uint32_t *truth;      /* and classes */
    float *probabilities; /* [count][classes] */
    char **errors;        /* one for each picture of the data; NULL: none */
    size_t bad;           /* those that are not NULL */
    bool grey_clipped;    /* a 16-bit grey picture was clipped */
};

/* Asks the classifier about each picture, in `workers` threads with a bar on a terminal. A picture
 * that cannot be read or decoded is no failure, see errors; a model that fails is. */
int sk_evaluation_run(struct sk_evaluation *e, struct sk_err *err) SK_CHECK;
void sk_evaluation_done(struct sk_evaluation *e);

/* Writes the page to path. settings: pairs, NULL-terminated. */
int sk_evaluation_page(const struct sk_evaluation *e, const struct sk_figures *f, const char *path,
                       const char *const *settings, struct sk_err *err) SK_CHECK;

#endif
