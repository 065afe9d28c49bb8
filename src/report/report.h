/*
 * report.h - figures of a classifier from its probabilities, as JSON, text, and one self-contained
 * page.
 *
 * Used by `train` (with the epochs' curves) and `evaluate`. Definitions are scikit-learn's:
 * precision, recall and F1 with 0 for 0/0, ROC and precision-recall curves by descending score with
 * ties joined, areas by the trapezoidal rule and average precision. docs/spec/evaluate.md.
 */
#ifndef SK_REPORT_REPORT_H
#define SK_REPORT_REPORT_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_FIGURES_MAX_CLASSES = 4096 /* the matrix has classes^2 numbers */
};

struct sk_class_figures {
    uint64_t support; /* pictures of the class */
    double precision, recall, f1;
};

struct sk_curve { /* points in drawing order; free by sk_figures_free */
    double *x, *y, *threshold;
    size_t count;
    double area; /* ROC: AUC; precision-recall: average precision */
};

struct sk_figures {
    size_t classes, count;
    char **labels;
    double accuracy, loss; /* loss: mean cross entropy, probabilities at least DBL_EPSILON */
    double macro_f1;       /* over the classes that occur, as truth or as an answer */
    struct sk_class_figures *per_class;
    uint64_t *confusion; /* [true][predicted] */
    bool has_curves;     /* two classes, and pictures of both */
    uint32_t positive;   /* the class the curves are about */
    struct sk_curve roc, pr;
};

struct sk_figures_options {
    const char *positive; /* label; NULL: "defect" when there is one, else class 0. Unknown:
                             SK_INVALID naming the labels */
};

/* labels: class names. truth[i] in 0..classes-1; probabilities [count][classes]. SK_INVALID for
 * none, for a truth that is no class and a probability that is no number; SK_LIMIT beyond 4,096
 * classes.
 */
int sk_figures_new(const char *const *labels, size_t classes, const uint32_t *truth,
                   const float *probabilities, size_t count, const struct sk_figures_options *opts,
                   struct sk_figures **out, struct sk_err *err) SK_CHECK;
void sk_figures_free(struct sk_figures *f);
SK_DEFINE_OWN(struct sk_figures, sk_figures_free);

/* The highest probability that a picture got for the positive class which, as a threshold
 * (positive: at least that), has a false-negative rate of at most max_fnr; with it, what follows.
 * Two classes and pictures of both (SK_INVALID otherwise). */
struct sk_threshold {
    double threshold, false_negative_rate, false_positive_rate, precision, recall;
};

int sk_figures_threshold(const struct sk_figures *f, double max_fnr, struct sk_threshold *out,
                         struct sk_err *err) SK_CHECK;

/* {"accuracy", "loss", "macro_f1", "count", "labels": [...], "per_class": {label: {precision,
 * recall, f1, support}}, "confusion_matrix": [[..]]; with curves: "roc_auc", "average_precision",
 * "positive"}: without the enclosing braces when bare, so that a caller can add its own fields. */
void sk_figures_json(const struct sk_figures *f, bool bare, struct sk_buf *out);
/* A table for people. */
void sk_figures_text(const struct sk_figures *f, struct sk_buf *out);

/* ---- the page ---- */

struct sk_epoch { /* NaN: not measured */
    double train_loss, train_accuracy, val_loss, val_accuracy, lr, seconds;
};

struct sk_wrong { /* a picture that was judged wrongly, the most certain mistake first */
    const char *path;
    uint32_t truth, predicted;
    double probability;  /* of the predicted class */
    const uint8_t *jpeg; /* thumbnail, at most 160 pixels a side; NULL: none */
    size_t jpeg_len;
};

struct sk_report {
    const char *title;                /* "defect-detector" */
    const char *subtitle;             /* "resnet18, 224 x 224, 50 epochs" */
    const char *note;                 /* shown in a box: "synthetic data", NULL: none */
    const struct sk_figures *figures; /* NULL: not measured */
    const char *figures_of;           /* "validation (200 pictures)" */
    const struct sk_epoch *epochs;
    size_t epoch_count;
    const struct sk_wrong *wrong;
    size_t wrong_count;
    const char *const *settings; /* pairs name, value, NULL-terminated */
};

/* One HTML file without scripts or references to elsewhere: loss and accuracy curves, confusion
 * matrix, per class precision, recall, F1, ROC and precision-recall curve for two classes, wrong
 * pictures, settings. Every text is escaped. Readable without colours, in dark mode, on a phone and
 * printed. */
int sk_report_html(const struct sk_report *r, struct sk_buf *out, struct sk_err *err) SK_CHECK;

/* The note for made-up pictures when path is one that `skerry sample-data` wrote
 * ("synthetic-000001.jpg"); NULL for others. */
const char *sk_report_note(const char *path);

/* Indices of the at most k most certain mistakes. out has room for k; returns how many. */
size_t sk_report_most_wrong(const uint32_t *truth, const float *probabilities, size_t count,
                            size_t classes, size_t k, uint32_t *out);

#endif
