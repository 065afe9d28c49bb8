/*
 * epochs.c - the section "Training": loss and accuracy by epoch, and the numbers behind them.
 *
 * Loss starts at zero; accuracy ends at 100 % and starts at the round number below its least value.
 * What was not measured is NaN: a gap in the line, a dash in the table, and a series without any
 * value is left out.
 */
#include "report/report_priv.h"

#include <math.h>

enum {
    TICKS = 5,
};

/* The value of a series in an epoch. */
typedef double pick(const struct sk_epoch *e);

static double train_loss(const struct sk_epoch *e)
{
    return e->train_loss;
}

static double val_loss(const struct sk_epoch *e)
{
    return e->val_loss;
}

static double train_accuracy(const struct sk_epoch *e)
{
    return e->train_accuracy;
}

static double val_accuracy(const struct sk_epoch *e)
{
    return e->val_accuracy;
}

static bool is_measured(double value)
{
    return fabs(value) < 1e30; /* false for NaN */
}

/* What a series amounts to. */
struct range {
    size_t measured;
    double least, most, last;
};

static void look(struct range *g, const double *y, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!is_measured(y[i]))
            continue;
        g->measured++;
        g->least = fmin(g->least, y[i]);
        g->most = fmax(g->most, y[i]);
        g->last = y[i];
    }
}

struct plot {
    const char *title;
    pick *pick[SK_CHART_SERIES_MAX];
    bool is_share;
};

static const char *const series_names[SK_CHART_SERIES_MAX] = { "training", "validation" };

/* " training: from 50.0 % to 97.5 %, at the end 97.0 %." */
static void add_summary(struct sk_buf *out, const struct plot *p, size_t which,
                        const struct range *g)
{
    const double values[] = { g->least, g->most, g->last };
    static const char *const before[] = { ": from ", " to ", ", at the end " };

    sk_buf_fmt(out, " %s", series_names[which]);
    for (size_t i = 0; i < 3; i++) {
        sk_buf_str(out, before[i]);
        if (p->is_share)
            sk_html_percent(out, values[i]);
        else
            sk_buf_fmt(out, "%.4g", values[i]);
    }
    sk_buf_chr(out, '.');
}

/* The frame around all values: whole steps. */
static void set_range(struct sk_chart *c, const struct plot *p, const struct range *all)
{
    double span = p->is_share ? 1 - fmin(all->least, 0.98) : (all->most > 0 ? all->most : 1);
    double step = sk_chart_step(span, TICKS);

    c->y_min = p->is_share ? fmax(floor(fmin(all->least, 0.98) / step + 1e-9) * step, 0) : 0;
    c->y_max = p->is_share ? 1 : ceil(span / step - 1e-9) * step;
}

/* xy: room for three columns of numbers. */
static void draw(const struct sk_report *r, const struct plot *p, double *xy, struct sk_buf *out)
{
    SK_AUTO(sk_buf_done) struct sk_buf summary = SK_BUF_INIT(2000);
    size_t n = r->epoch_count;
    struct range all = { 0, INFINITY, -INFINITY, 0 };
    struct sk_chart c = {
        .title = p->title,
        .x_name = "epoch",
        .x_min = n > 1 ? 1 : 0.5,
        .x_max = n > 1 ? (double)n : 1.5,
        .flags = SK_CHART_X_WHOLE | SK_CHART_MARKS | (p->is_share ? SK_CHART_Y_PERCENT : 0),
    };

    sk_buf_fmt(&summary, "%s by epoch.", p->title);
    for (size_t i = 0; i < n; i++)
        xy[i] = (double)(i + 1);
    for (size_t s = 0; s < SK_CHART_SERIES_MAX; s++) {
        struct range g = { 0, INFINITY, -INFINITY, 0 };
        double *y = xy + (s + 1) * n;
        for (size_t i = 0; i < n; i++)
            y[i] = p->pick[s](&r->epochs[i]);
        look(&g, y, n);
        look(&all, y, n);
        if (g.measured == 0)
            continue;
        add_summary(&summary, p, s, &g);
        c.series[c.series_count++] = (struct sk_series){ series_names[s], xy, y, n };
    }
    if (c.series_count == 0)
        return;
    if (!sk_buf_ok(&summary)) {
        out->failed = summary.failed;
        return;
    }
    c.summary = summary.data;
    set_range(&c, p, &all);
    sk_chart_html(&c, out);
}

static void add_value(struct sk_buf *out, double value, bool is_share)
{
    sk_buf_str(out, "<td class=\"num\">");
    if (!is_measured(value))
        sk_buf_str(out, "-");
    else if (is_share)
        sk_html_percent(out, value);
    else
        sk_buf_fmt(out, "%.4g", value);
    sk_buf_str(out, "</td>");
}

static void add_table(const struct sk_report *r, struct sk_buf *out)
{
    static const char *const heads[] = {
        "epoch",           "training loss",       "training accuracy",
        "validation loss", "validation accuracy", "learning rate",
        "seconds"
    };

    sk_buf_str(out, "<details><summary>All epochs as numbers</summary>\n<div class=\"scroll\" "
                    "role=\"region\" tabindex=\"0\" aria-label=\"Epochs\"><table>\n<thead><tr>");
    for (size_t i = 0; i < sizeof heads / sizeof *heads; i++)
        sk_buf_fmt(out, "<th scope=\"col\" class=\"num\">%s</th>", heads[i]);
    sk_buf_str(out, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < r->epoch_count; i++) {
        const struct sk_epoch *e = &r->epochs[i];
        sk_buf_fmt(out, "<tr><th scope=\"row\" class=\"num\">%zu</th>", i + 1);
        add_value(out, e->train_loss, false);
        add_value(out, e->train_accuracy, true);
        add_value(out, e->val_loss, false);
        add_value(out, e->val_accuracy, true);
        add_value(out, e->lr, false);
        add_value(out, e->seconds, false);
        sk_buf_str(out, "</tr>\n");
    }
    sk_buf_str(out, "</tbody></table></div></details>\n");
}

void sk_epochs_html(const struct sk_report *r, struct sk_buf *out)
{
    static const struct plot plots[] = {
        { "Loss", { train_loss, val_loss }, false },
        { "Accuracy", { train_accuracy, val_accuracy }, true },
    };
    SK_OWN(free) double *xy = NULL;

    if (r->epoch_count == 0)
        return;
    xy = calloc(r->epoch_count, (1 + SK_CHART_SERIES_MAX) * sizeof *xy);
    if (!xy) {
        out->failed = SK_NOMEM;
        return;
    }
    sk_buf_str(out, "<section class=\"card\" id=\"training\"><h2>Training</h2>\n<div "
                    "class=\"charts\">\n");
    for (size_t i = 0; i < sizeof plots / sizeof *plots; i++)
        draw(r, &plots[i], xy, out);
    sk_buf_str(out, "</div>\n");
    add_table(r, out);
    sk_buf_str(out, "</section>\n");
}
