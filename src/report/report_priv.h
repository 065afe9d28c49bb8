/*
 * report_priv.h - the parts of this module: figures.c counts, curves.c ranks, print.c writes JSON
 * and text; page.c puts the page together from its sections: epochs.c, matrix.c, classes.c,
 * ranking.c, with chart.c and html.c below them.
 */
#ifndef SK_REPORT_REPORT_PRIV_H
#define SK_REPORT_REPORT_PRIV_H

#include "report/report.h"

/* ---- curves.c ---- */

/* The curves of `positive` into f; has_curves stays false when only one of the two classes occurs.
 */
int sk_figures_curves(struct sk_figures *f, const uint32_t *truth, const float *probabilities,
                      struct sk_err *err) SK_CHECK;
void sk_curve_done(struct sk_curve *c);

/* ---- figures.c ---- */

uint64_t sk_figures_predicted(const struct sk_figures *f, size_t label); /* times it was answered */
/* Does the class occur, as truth or as an answer? Others say nothing and are left out for people.
 */
bool sk_figures_occurs(const struct sk_figures *f, size_t label);
/* a / b, 0 for 0 / 0. */
double sk_share(uint64_t a, uint64_t b);

/* A kind of mistake. */
struct sk_confusion {
    uint32_t truth, predicted;
    uint64_t count;
};

/* The at most k most frequent kinds of mistakes; out has room for k; returns how many. */
size_t sk_figures_confusions(const struct sk_figures *f, size_t k, struct sk_confusion *out);

/* ---- html.c: text and bytes in a page ---- */

/* Text between tags or in a quoted attribute: & < > " ' as entities, U+FFFD for what is no UTF-8
 * and for control characters. */
void sk_html_text(struct sk_buf *out, const char *text);
/* The same between <bdi> tags: a name from outside cannot turn the direction of what follows. */
void sk_html_name(struct sk_buf *out, const char *text);
/* RFC 4648. */
void sk_html_base64(struct sk_buf *out, const uint8_t *bytes, size_t len);
/* "97.5 %"; "-" for NaN. */
void sk_html_percent(struct sk_buf *out, double share);

/* ---- chart.c: lines in a frame ---- */

enum {
    SK_CHART_SERIES_MAX = 2
};

struct sk_series {
    const char *name;
    const double *x, *y; /* a y that is no number or beyond 1e30 is a gap */
    size_t count;
};

enum sk_chart_flags {
    SK_CHART_X_WHOLE = 1u << 0,   /* x has whole numbers only: epochs */
    SK_CHART_Y_PERCENT = 1u << 1, /* y is a share, shown as per cent */
    SK_CHART_SQUARE = 1u << 2,    /* both axes are 0..1 and equally long */
    SK_CHART_DIAGONAL = 1u << 3,  /* with the line of chance */
    SK_CHART_STEPS = 1u << 4,     /* y holds from the x before to this x */
    SK_CHART_MARKS = 1u << 5,     /* each point tells its values when pointed at */
};

struct sk_chart {
    const char *title;
    const char *summary;         /* what the picture shows, for who cannot see it */
    const char *x_name, *y_name; /* y_name NULL: the title says it */
    struct sk_series series[SK_CHART_SERIES_MAX];
    size_t series_count;
    double x_min, x_max, y_min, y_max; /* the frame */
    unsigned flags;                    /* sk_chart_flags */
};

/* A figure with the title, a legend for several series, and the drawing. */
void sk_chart_html(const struct sk_chart *c, struct sk_buf *out);
/* The least of 1, 2, 5, 10 ... times a power of ten that divides span into at most `most` parts. */
double sk_chart_step(double span, unsigned most);

/* ---- sections of the page ---- */

/* epochs.c: loss and accuracy by epoch. Nothing without epochs. */
void sk_epochs_html(const struct sk_report *r, struct sk_buf *out);
/* matrix.c: the confusion matrix in the form that fits the number of classes. */
void sk_matrix_html(const struct sk_figures *f, struct sk_buf *out);
/* classes.c: precision, recall, F1 of each class. */
void sk_classes_html(const struct sk_figures *f, struct sk_buf *out);
/* ranking.c: ROC and precision-recall curve. Nothing when there are no curves. */
void sk_ranking_html(const struct sk_figures *f, struct sk_buf *out);

#endif
