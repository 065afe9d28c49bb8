/*
 * matrix.c - the confusion matrix of the page, in the form that fits the number of classes.
 *
 *     up to CELLS_MOST   a table; each cell has its number and is tinted by its share of the row
 *     up to MAP_MOST     a map of squares without numbers, and the most frequent mistakes in words
 *     more               the mistakes in words
 *
 * Only classes that occur count. Right answers and mistakes have tints of their own; a table needs
 * neither, since its numbers and its diagonal say the same. Tints go with the square root of the
 * share, so that a few mistakes among many right answers are seen.
 */
#include "report/report_priv.h"

#include <math.h>

enum {
    DENSE_FROM = 8, /* with more classes numbers only */
    CELLS_MOST = 20,
    MAP_MOST = 200,
    MAP_UNIT = 10, /* side of a square */
    MAP_EDGE = 2,
    MISTAKES = 20,
};

/* The classes that occur. */
struct shown {
    const struct sk_figures *f;
    size_t count;
    uint32_t *items;
};

static uint64_t cell(const struct shown *s, size_t row, size_t column)
{
    return s->f->confusion[s->items[row] * s->f->classes + s->items[column]];
}

static uint64_t support(const struct shown *s, size_t row)
{
    return s->f->per_class[s->items[row]].support;
}

/* ---- a table ---- */

static void add_cell(const struct shown *s, size_t row, size_t column, struct sk_buf *out)
{
    uint64_t n = cell(s, row, column);
    double share = sk_share(n, support(s, row));

    sk_buf_fmt(out, "<td class=\"%s\" style=\"--t:%.2f\">%llu",
               n == 0          ? "zero"
               : row == column ? "right"
                               : "wrong",
               sqrt(share), (unsigned long long)n);
    if (n > 0) {
        sk_buf_str(out, " <small>");
        sk_html_percent(out, share);
        sk_buf_str(out, "</small>");
    }
    sk_buf_str(out, "</td>");
}

static void add_table(const struct shown *s, struct sk_buf *out)
{
    sk_buf_fmt(out,
               "<p class=\"soft\">A row is the truth, a column what the model said.</p>\n<div "
               "class=\"scroll\" role=\"region\" tabindex=\"0\" aria-label=\"Confusion matrix\">"
               "<table class=\"matrix%s\">\n<thead><tr><td></td><th scope=\"colgroup\" "
               "colspan=\"%zu\">predicted</th></tr>\n<tr><th scope=\"col\">true</th>",
               s->count > DENSE_FROM ? " dense" : "", s->count);
    for (size_t i = 0; i < s->count; i++) {
        sk_buf_str(out, "<th scope=\"col\">");
        sk_html_name(out, s->f->labels[s->items[i]]);
        sk_buf_str(out, "</th>");
    }
    sk_buf_str(out, "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < s->count; i++) {
        sk_buf_str(out, "<tr><th scope=\"row\">");
        sk_html_name(out, s->f->labels[s->items[i]]);
        sk_buf_str(out, "</th>");
        for (size_t k = 0; k < s->count; k++)
            add_cell(s, i, k, out);
        sk_buf_str(out, "</tr>\n");
    }
    sk_buf_str(out, "</tbody></table></div>\n");
}

/* ---- a map ---- */

static void add_square(const struct shown *s, size_t row, size_t column, struct sk_buf *out)
{
    uint64_t n = cell(s, row, column);

    if (n == 0)
        return;
    sk_buf_fmt(out,
               "<rect class=\"%s\" style=\"--t:%.2f\" x=\"%zu\" y=\"%zu\" width=\"%d\" "
               "height=\"%d\"><title>",
               row == column ? "right" : "wrong", sqrt(sk_share(n, support(s, row))),
               MAP_EDGE + column * MAP_UNIT, MAP_EDGE + row * MAP_UNIT, MAP_UNIT, MAP_UNIT);
    sk_html_text(out, s->f->labels[s->items[row]]);
    sk_buf_str(out, " as ");
    sk_html_text(out, s->f->labels[s->items[column]]);
    sk_buf_fmt(out, ": %llu</title></rect>", (unsigned long long)n);
}

static void add_map(const struct shown *s, struct sk_buf *out)
{
    size_t side = s->count * MAP_UNIT + 2 * MAP_EDGE;

    sk_buf_fmt(out,
               "<figure class=\"map\"><figcaption>Rows are the truth, columns what the model said, "
               "both in the order of the classes; mistakes lie beside the diagonal. Point at a "
               "square for its number.</figcaption>\n<svg viewBox=\"0 0 %zu %zu\" role=\"img\" "
               "aria-label=\"Confusion matrix of %zu classes as a map; the most frequent mistakes "
               "follow in a table\"><rect class=\"frame\" x=\"1\" y=\"1\" width=\"%zu\" "
               "height=\"%zu\"/>",
               side, side, s->count, side - 2, side - 2);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->count; k++)
            add_square(s, i, k, out);
    sk_buf_str(out, "</svg></figure>\n");
}

/* ---- in words ---- */

static void add_mistakes(const struct sk_figures *f, struct sk_buf *out)
{
    struct sk_confusion most[MISTAKES];
    size_t n = sk_figures_confusions(f, MISTAKES, most);

    if (n == 0) {
        sk_buf_str(out, "<p>There are no mistakes.</p>\n");
        return;
    }
    sk_buf_str(out, "<table><caption>The most frequent mistakes</caption>\n<thead><tr><th "
                    "scope=\"col\">true</th><th scope=\"col\">predicted</th><th scope=\"col\" "
                    "class=\"num\">pictures</th><th scope=\"col\" class=\"num\">of the class</th>"
                    "</tr></thead>\n<tbody>");
    for (size_t i = 0; i < n; i++) {
        sk_buf_str(out, "<tr><td>");
        sk_html_name(out, f->labels[most[i].truth]);
        sk_buf_str(out, "</td><td>");
        sk_html_name(out, f->labels[most[i].predicted]);
        sk_buf_fmt(out, "</td><td class=\"num\">%llu</td><td class=\"num\">",
                   (unsigned long long)most[i].count);
        sk_html_percent(out, sk_share(most[i].count, f->per_class[most[i].truth].support));
        sk_buf_str(out, "</td></tr>\n");
    }
    sk_buf_str(out, "</tbody></table>\n");
}

void sk_matrix_html(const struct sk_figures *f, struct sk_buf *out)
{
    SK_OWN(free) uint32_t *items = calloc(f->classes, sizeof *items);
    struct shown s = { .f = f, .items = items };

    if (!items) {
        out->failed = SK_NOMEM;
        return;
    }
    for (size_t i = 0; i < f->classes; i++)
        if (sk_figures_occurs(f, i))
            items[s.count++] = (uint32_t)i;
    sk_buf_str(out, "<section class=\"card\" id=\"confusion\"><h2>Confusion matrix</h2>\n");
    if (s.count <= CELLS_MOST) {
        add_table(&s, out);
    } else {
        sk_buf_str(out, "<div class=\"beside\">\n");
        if (s.count <= MAP_MOST)
            add_map(&s, out);
        add_mistakes(f, out);
        sk_buf_str(out, "</div>\n");
    }
    sk_buf_str(out, "</section>\n");
}
