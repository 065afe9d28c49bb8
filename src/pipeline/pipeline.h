/*
 * pipeline.h - a classifier: bundle, preprocessing and engine put together. The server, `skerry
 * predict` and evaluation all use this one path, so they give the same numbers.
 *
 * sk_classifier: immutable, counted, shared by threads. sk_lane: one worker's buffers for one
 * classifier.
 */
#ifndef SK_PIPELINE_PIPELINE_H
#define SK_PIPELINE_PIPELINE_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "bundle/bundle.h"
#include "engine/engine.h"
#include "prep/prep.h"

struct sk_classifier;
struct sk_lane;

/* Opens the bundle, loads the net and decides what goes in and out; may run the model on two
 * pictures of its own when the graph leaves open whether it ends in probabilities. A model that is
 * no classifier is no error: see sk_classifier_refusal. */
int sk_classifier_load(struct sk_engine *e, const char *path, const char *labels_file,
                       struct sk_classifier **out, struct sk_err *err) SK_CHECK;
struct sk_classifier *sk_classifier_ref(struct sk_classifier *c);
void sk_classifier_unref(struct sk_classifier *c);
SK_DEFINE_OWN(struct sk_classifier, sk_classifier_unref);

const struct sk_bundle *sk_classifier_bundle(const struct sk_classifier *c);
struct sk_net *sk_classifier_net(const struct sk_classifier *c);
const char *sk_classifier_digest(const struct sk_classifier *c); /* hex */
/* NULL when pictures go in and class scores come out; else why not, for the 422 answer. */
const char *sk_classifier_refusal(const struct sk_classifier *c);
const struct sk_prep *sk_classifier_prep(const struct sk_classifier *c); /* NULL: no image input */
size_t sk_classifier_classes(const struct sk_classifier *c);             /* 0: unknown */
/* The class's name as answers have it: a label that occurred before carries its index, "crane
 * [517]". Lives as long as the classifier. */
const char *sk_classifier_label(const struct sk_classifier *c, size_t index);
/* What is done with the scores and why: "softmax: no operator of the model makes probabilities". ""
 * when refused. */
const char *sk_classifier_activation(const struct sk_classifier *c);

int sk_lane_new(struct sk_classifier *c, struct sk_lane **out, struct sk_err *err) SK_CHECK;
void sk_lane_free(struct sk_lane *l);
SK_DEFINE_OWN(struct sk_lane, sk_lane_free);
struct sk_run *sk_lane_run(struct sk_lane *l); /* for raw tensors */

struct sk_result {
    const float *probabilities; /* one per class; valid until the lane's next use */
    const float *scores;        /* the same as the model gave them */
    size_t classes;
    struct sk_prep_report prep;
    uint64_t infer_ns, post_ns;
};

/* SK_NOT_SCORES when the model is no classifier. wide: a lone request, may use all cores. */
int sk_lane_classify(struct sk_lane *l, const void *bytes, size_t len, uint64_t max_pixels,
                     bool wide, struct sk_result *out, struct sk_err *err) SK_CHECK;
/* The two halves, so that a caller can decide about `wide` and deadlines in between. */
int sk_lane_prepare(struct sk_lane *l, const void *bytes, size_t len, uint64_t max_pixels,
                    bool two_threads, struct sk_result *out, struct sk_err *err) SK_CHECK;
int sk_lane_infer(struct sk_lane *l, bool wide, struct sk_result *out, struct sk_err *err) SK_CHECK;
/* Decoding ends with SK_TIMEOUT when it is later than this (monotonic, base/clock.h; 0: never).
 * Holds until set again. */
void sk_lane_deadline(struct sk_lane *l, uint64_t deadline_ns);
/* The best class of one row of outputs that a run of raw tensors gave; its probability is computed
 * as for a picture. False: there is no such row, the scores were not asked for, or this is no
 * classifier. */
bool sk_lane_best(struct sk_lane *l, const struct sk_tensor *outputs, const bool *wanted,
                  size_t row, struct sk_score *out);
/* One prediction with the bundle's warm-up picture through both sessions; nothing for what is no
 * classifier. */
int sk_lane_warm(struct sk_lane *l, struct sk_err *err) SK_CHECK;

/* The guide's answer: {"prediction": label, "confidence": p, "probabilities": {label: p, ...}};
 * top_k 0: all classes, in class order; else the k best, best first. multi-label: prediction is the
 * list of labels above 0.5, confidence the highest probability. A label that occurred before
 * carries its index: "crane [517]". */
void sk_classifier_json(const struct sk_classifier *c, const struct sk_result *r, size_t top_k,
                        struct sk_buf *out);

/* ---- records of test pictures: [bundle-50] ---- */

/* SK_MISMATCH, with what differs, unless the best label is the recorded one and each probability
 * lies within the tolerance. t must have a label. */
int sk_record_check(const struct sk_classifier *c, const struct sk_bundle_test *t,
                    const struct sk_result *r, struct sk_err *err) SK_CHECK;
/* Whether these are results at all: SK_MISMATCH when a score is not finite, or when they ought to
 * be probabilities of which one applies and their sum is not 1 within 0.001. */
int sk_record_sane(const struct sk_classifier *c, const struct sk_result *r,
                   struct sk_err *err) SK_CHECK;
/* Appends the value of "test" in skerry.json: sk_bundle_test_json() of a result. */
void sk_record_json(const struct sk_classifier *c, const struct sk_result *r, const char *image,
                    double tolerance, struct sk_buf *out);

#endif
