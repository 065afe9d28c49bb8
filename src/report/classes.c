/*
 * classes.c - the section "Classes": precision, recall and F1 of each, a bar behind each number.
 *
 * A few classes keep their order; many are sorted with the weakest first, in a box that scrolls.
 */
#include "report/report_priv.h"

enum {
    FEW = 20,
};

struct place {
    uint32_t index;
    double f1;
};

static int by_weakness(const void *a, const void *b)
{
    const struct place *x = a, *y = b;

    if (x->f1 != y->f1)
        return x->f1 < y->f1 ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static void add_bar(double share, struct sk_buf *out)
{
    sk_buf_fmt(out, "<td class=\"num bar\" style=\"--p:%.3f\">", share);
    sk_html_percent(out, share);
    sk_buf_str(out, "</td>");
}

static void add_row(const struct sk_figures *f, size_t i, struct sk_buf *out)
{
    const struct sk_class_figures *c = &f->per_class[i];

    sk_buf_str(out, "<tr><th scope=\"row\">");
    sk_html_name(out, f->labels[i]);
    sk_buf_str(out, "</th>");
    add_bar(c->precision, out);
    add_bar(c->recall, out);
    add_bar(c->f1, out);
    sk_buf_fmt(out, "<td class=\"num\">%llu</td></tr>\n", (unsigned long long)c->support);
}

void sk_classes_html(const struct sk_figures *f, struct sk_buf *out)
{
    SK_OWN(free) struct place *places = calloc(f->classes, sizeof *places);
    size_t n = 0;

    if (!places) {
        out->failed = SK_NOMEM;
        return;
    }
    for (size_t i = 0; i < f->classes; i++)
        if (sk_figures_occurs(f, i))
            places[n++] = (struct place){ (uint32_t)i, f->per_class[i].f1 };
    if (n > FEW)
        qsort(places, n, sizeof *places, by_weakness);
    sk_buf_str(out,
               "<section class=\"card\" id=\"classes\"><h2>Classes</h2>\n<div class=\"scroll\" "
               "role=\"region\" tabindex=\"0\" aria-label=\"Classes\"><table "
               "class=\"classes\">\n");
    if (n > FEW)
        sk_buf_fmt(out, "<caption>%zu classes, the weakest first</caption>\n", n);
    sk_buf_str(out, "<thead><tr><th scope=\"col\">class</th><th scope=\"col\" class=\"num\">"
                    "precision</th><th scope=\"col\" class=\"num\">recall</th><th scope=\"col\" "
                    "class=\"num\">F1</th><th scope=\"col\" class=\"num\">pictures</th></tr>"
                    "</thead>\n<tbody>");
    for (size_t i = 0; i < n; i++)
        add_row(f, places[i].index, out);
    sk_buf_str(out, "</tbody></table></div>\n");
    if (n < f->classes)
        sk_buf_fmt(out,
                   "<p class=\"soft\">%zu more classes of the model occur neither as truth nor "
                   "as an answer.</p>\n",
                   f->classes - n);
    sk_buf_str(out, "</section>\n");
}
