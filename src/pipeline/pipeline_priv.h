/* pipeline_priv.h - what a classifier consists of. For this folder and its tests. */
#ifndef SK_PIPELINE_PIPELINE_PRIV_H
#define SK_PIPELINE_PIPELINE_PRIV_H

#include "crypto/crypto.h"
#include "pipeline/pipeline.h"

#include <stdatomic.h>

enum {
    SK_REASON_TEXT = 512
};

struct sk_classifier {
    atomic_uint refs;
    struct sk_bundle *bundle;
    struct sk_net *net;
    char digest[SK_SHA256_HEX];

    char refusal[SK_REASON_TEXT]; /* "" when it is a classifier */
    struct sk_prep *prep;         /* NULL: no picture goes in */
    struct sk_prep_input image;   /* of input 0, when prep is there */
    bool has_batch;               /* the picture's tensor has a batch dimension */
    uint32_t batch;               /* rows that the model wants, of which the first is used */
    size_t output;                /* the one that holds the scores */
    size_t classes;

    enum sk_problem problem;
    bool already;                    /* the scores are probabilities as they come */
    char activation[SK_REASON_TEXT]; /* "softmax: the model ends in scores" */

    char **labels; /* the names of all classes, no two alike */
    /* Made once, so that an answer only copies: the same as JSON texts with their quotes. */
    struct sk_buf names;
    size_t *name_at; /* classes + 1 offsets into names */
};

struct sk_lane {
    struct sk_classifier *c;
    struct sk_run *run;
    struct sk_prep_work *work;
    bool *wanted; /* one flag per output of the net */
    struct sk_tensor input;
    float *scores, *probabilities; /* one per class */
};

/* decide.c: what goes in, what comes out, what is done with it. Failures that only stop pictures
 * (no image input, no scores) are written to c->refusal and return 0. */
int sk_pipeline_decide(struct sk_classifier *c, struct sk_err *err) SK_CHECK;
/* Says whether a tensor of this shape holds one row of scores, and of how many classes (0: the
 * model does not say). */
bool sk_pipeline_is_scores(enum sk_dtype dtype, unsigned rank, const int64_t *dims, uint32_t batch,
                           size_t *classes);
/* True when no operator of the graph can make probabilities, so the scores need softmax or sigmoid.
 */
bool sk_pipeline_has_raw_scores(const struct sk_onnx_info *info);

/* lane.c: runs the model on one picture of our own and leaves the first row of its scores in
 * *scores (free() it). */
int sk_pipeline_trial(struct sk_classifier *c, unsigned picture, float **scores, size_t *count,
                      struct sk_err *err) SK_CHECK;

/* answer.c: names of classes, made unique. */
int sk_pipeline_name(struct sk_classifier *c, struct sk_err *err) SK_CHECK;
/* Frees what it made, also half of it. */
void sk_pipeline_unname(struct sk_classifier *c);

#endif
