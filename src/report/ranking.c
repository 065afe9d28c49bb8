/*
 * ranking.c - the section "Thresholds" for two classes: ROC, precision-recall, and what a few
 * thresholds give, so that one can be chosen.
 */
#include "report/report_priv.h"

#include <math.h>

enum {
    ROWS = 12, /* of the table */
};

static void add_chart(const struct sk_figures *f, bool is_roc, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf title = SK_BUF_INIT(200), summary = SK_BUF_INIT(400);
    const struct sk_curve *curve = is_roc ? &f->roc : &f->pr;
    struct sk_chart c = {
        .x_name = is_roc ? "false-positive rate" : "recall",
        .y_name = is_roc ? "true-positive rate" : "precision",
        .series = { { "", curve->x, curve->y, curve->count } },
        .series_count = 1,
        .x_max = 1,
        .y_max = 1,
        .flags = SK_CHART_SQUARE | (is_roc ? SK_CHART_DIAGONAL : SK_CHART_STEPS),
    };

    sk_buf_fmt(&title, is_roc ? "ROC, area %.4f" : "Precision and recall, average %.4f",
               curve->area);
    sk_buf_fmt(&summary,
               is_roc ? "Receiver operating characteristic: true-positive rate over false-positive "
                        "rate, area under the curve %.4f."
                      : "Precision over recall, average precision %.4f.",
               curve->area);
    if (!sk_buf_ok(&title) || !sk_buf_ok(&summary)) {
        out->failed = SK_NOMEM;
        return;
    }
    c.title = title.data;
    c.summary = summary.data;
    sk_chart_html(&c, out);
}

static void add_row(const struct sk_figures *f, size_t i, struct sk_buf *out)
{
    const double shares[] = { f->roc.y[i], 1 - f->roc.y[i], f->roc.x[i], f->pr.y[i] };

    sk_buf_fmt(out, "<tr><th scope=\"row\" class=\"num\">%.6g</th>", f->roc.threshold[i]);
    for (size_t k = 0; k < sizeof shares / sizeof *shares; k++) {
        sk_buf_str(out, "<td class=\"num\">");
        sk_html_percent(out, shares[k]);
        sk_buf_str(out, "</td>");
    }
    sk_buf_str(out, "</tr>\n");
}

/* Thresholds from high to low: each is the first that finds one more part of the class, and the
 * last finds all of it. */
static void add_table(const struct sk_figures *f, struct sk_buf *out)
{
    double next = 1.0 / ROWS;

    sk_buf_str(out, "<details><summary>Thresholds as numbers</summary>\n<div class=\"scroll\" "
                    "role=\"region\" tabindex=\"0\" aria-label=\"Thresholds\"><table>\n<thead><tr>"
                    "<th scope=\"col\" class=\"num\">threshold</th><th scope=\"col\" "
                    "class=\"num\">recall</th><th scope=\"col\" class=\"num\">missed</th><th "
                    "scope=\"col\" class=\"num\">false alarms</th><th scope=\"col\" "
                    "class=\"num\">precision</th></tr></thead>\n<tbody>");
    for (size_t i = 1; i < f->roc.count && next < 1 + 1e-9; i++) {
        if (f->roc.y[i] + 1e-9 < next)
            continue;
        add_row(f, i, out);
        next = (floor(f->roc.y[i] * ROWS + 1e-9) + 1) / ROWS;
    }
    sk_buf_str(out, "</tbody></table></div></details>\n");
}

void sk_ranking_html(const struct sk_figures *f, struct sk_buf *out)
{
    if (!f->has_curves)
        return;
    sk_buf_str(out, "<section class=\"card\" id=\"thresholds\"><h2>Thresholds</h2>\n<p>A picture "
                    "counts as <b>");
    sk_html_name(out, f->labels[f->positive]);
    sk_buf_str(out,
               "</b> when the probability of that class is at least a threshold. A lower one "
               "misses fewer and gives more false alarms.</p>\n<div class=\"charts square\">\n");
    add_chart(f, true, out);
    add_chart(f, false, out);
    sk_buf_str(out, "</div>\n");
    add_table(f, out);
    sk_buf_str(out, "</section>\n");
}
