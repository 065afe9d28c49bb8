/*
 * print.c - figures as JSON for programs and as a table for people.
 *
 *     accuracy  0.9650  (193 of 200)
 *     loss      0.1123
 *
 *     CLASS   PRECISION  RECALL      F1  PICTURES
 *     defect     0.9604  0.9700  0.9652       100
 *     ok         0.9697  0.9600  0.9648       100
 *
 *     TRUE \ PREDICTED  defect  ok
 *     defect                97   3
 *     ok                     4  96
 *
 * A matrix of many classes does not fit a terminal: the most frequent mistakes stand in its place.
 * Classes that do not occur are left out of the table, not of the JSON.
 */
#include "report/report_priv.h"

enum {
    MATRIX_MOST = 12, /* classes */
    CELL_MOST = 10,   /* columns */
    MISTAKES = 10,
    NAME_MOST = 32,
};

/* ---- JSON ---- */

static void add_number(struct sk_buf *out, const char *before, double value)
{
    sk_buf_str(out, before);
    sk_buf_num(out, value, 17);
}

static void add_class(const struct sk_figures *f, size_t i, struct sk_buf *out)
{
    const struct sk_class_figures *c = &f->per_class[i];

    sk_buf_json_str(out, f->labels[i]);
    add_number(out, ":{\"precision\":", c->precision);
    add_number(out, ",\"recall\":", c->recall);
    add_number(out, ",\"f1\":", c->f1);
    sk_buf_str(out, ",\"support\":");
    sk_buf_u64(out, c->support);
    sk_buf_chr(out, '}');
}

static void add_confusion(const struct sk_figures *f, struct sk_buf *out)
{
    for (size_t i = 0; i < f->classes; i++) {
        sk_buf_str(out, i ? ",[" : "[");
        for (size_t k = 0; k < f->classes; k++) {
            if (k)
                sk_buf_chr(out, ',');
            sk_buf_u64(out, f->confusion[i * f->classes + k]);
        }
        sk_buf_chr(out, ']');
    }
}

void sk_figures_json(const struct sk_figures *f, bool bare, struct sk_buf *out)
{
    if (!bare)
        sk_buf_chr(out, '{');
    add_number(out, "\"accuracy\":", f->accuracy);
    add_number(out, ",\"loss\":", f->loss);
    add_number(out, ",\"macro_f1\":", f->macro_f1);
    sk_buf_str(out, ",\"count\":");
    sk_buf_u64(out, f->count);
    sk_buf_str(out, ",\"labels\":[");
    for (size_t i = 0; i < f->classes; i++) {
        if (i)
            sk_buf_chr(out, ',');
        sk_buf_json_str(out, f->labels[i]);
    }
    sk_buf_str(out, "],\"per_class\":{");
    for (size_t i = 0; i < f->classes; i++) {
        if (i)
            sk_buf_chr(out, ',');
        add_class(f, i, out);
    }
    sk_buf_str(out, "},\"confusion_matrix\":[");
    add_confusion(f, out);
    sk_buf_chr(out, ']');
    if (f->has_curves) {
        add_number(out, ",\"roc_auc\":", f->roc.area);
        add_number(out, ",\"average_precision\":", f->pr.area);
        sk_buf_str(out, ",\"positive\":");
        sk_buf_json_str(out, f->labels[f->positive]);
    }
    if (!bare)
        sk_buf_chr(out, '}');
}

/* ---- text ---- */

static int columns_of(const char *text)
{
    int n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

/* At most `most` columns of text without control characters, padded to width: on the left when
 * right-aligned. */
static void add_cell(struct sk_buf *out, const char *text, int width, int most, bool right)
{
    int used = columns_of(text), n = 0;

    used = used < most ? used : most;
    if (right)
        sk_buf_fmt(out, "%*s", used < width ? width - used : 0, "");
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
        if (n > most)
            break;
        sk_buf_chr(out, (unsigned char)*text < 0x20 || *text == 0x7f ? '?' : *text);
    }
    if (!right)
        sk_buf_fmt(out, "%*s", used < width ? width - used : 0, "");
}

/* Width of the first column. */
static int name_width(const struct sk_figures *f, int least)
{
    int width = least;

    for (size_t i = 0; i < f->classes; i++) {
        int n = columns_of(f->labels[i]);
        if (n > width && sk_figures_occurs(f, i))
            width = n;
    }
    return width < NAME_MOST ? width : NAME_MOST;
}

static void add_table(const struct sk_figures *f, struct sk_buf *out)
{
    int width = name_width(f, 5);

    sk_buf_chr(out, '\n');
    add_cell(out, "CLASS", width, NAME_MOST, false);
    sk_buf_str(out, "  PRECISION  RECALL      F1  PICTURES\n");
    for (size_t i = 0; i < f->classes; i++) {
        const struct sk_class_figures *c = &f->per_class[i];
        if (!sk_figures_occurs(f, i))
            continue;
        add_cell(out, f->labels[i], width, NAME_MOST, false);
        sk_buf_fmt(out, "  %9.4f  %6.4f  %6.4f  %8llu\n", c->precision, c->recall, c->f1,
                   (unsigned long long)c->support);
    }
}

static void add_matrix(const struct sk_figures *f, struct sk_buf *out)
{
    static const char corner[] = "TRUE \\ PREDICTED";
    int width = name_width(f, (int)sizeof corner - 1);

    sk_buf_chr(out, '\n');
    add_cell(out, corner, width, NAME_MOST, false);
    for (size_t i = 0; i < f->classes; i++) {
        sk_buf_str(out, "  ");
        add_cell(out, f->labels[i], 6, CELL_MOST, true);
    }
    sk_buf_chr(out, '\n');
    for (size_t i = 0; i < f->classes; i++) {
        add_cell(out, f->labels[i], width, NAME_MOST, false);
        for (size_t k = 0; k < f->classes; k++) {
            int n = columns_of(f->labels[k]);
            n = n < 6 ? 6 : n < CELL_MOST ? n : CELL_MOST;
            sk_buf_fmt(out, "  %*llu", n, (unsigned long long)f->confusion[i * f->classes + k]);
        }
        sk_buf_chr(out, '\n');
    }
}

static void add_mistakes(const struct sk_figures *f, struct sk_buf *out)
{
    struct sk_confusion most[MISTAKES];
    size_t n = sk_figures_confusions(f, MISTAKES, most);

    sk_buf_str(out, n ? "\nMOST FREQUENT MISTAKES\n" : "\nno mistakes\n");
    for (size_t i = 0; i < n; i++) {
        sk_buf_fmt(out, "%6llu  ", (unsigned long long)most[i].count);
        add_cell(out, f->labels[most[i].truth], 0, NAME_MOST, false);
        sk_buf_str(out, " taken for ");
        add_cell(out, f->labels[most[i].predicted], 0, NAME_MOST, false);
        sk_buf_chr(out, '\n');
    }
}

void sk_figures_text(const struct sk_figures *f, struct sk_buf *out)
{
    uint64_t right = 0;

    for (size_t i = 0; i < f->classes; i++)
        right += f->confusion[i * f->classes + i];
    sk_buf_fmt(out, "accuracy  %.4f  (%llu of %zu)\n", f->accuracy, (unsigned long long)right,
               f->count);
    sk_buf_fmt(out, "loss      %.4f\n", f->loss);
    sk_buf_fmt(out, "macro F1  %.4f\n", f->macro_f1);
    if (f->has_curves) {
        sk_buf_fmt(out, "ROC AUC   %.4f  (of '", f->roc.area);
        add_cell(out, f->labels[f->positive], 0, NAME_MOST, false);
        sk_buf_fmt(out, "')\navg prec  %.4f\n", f->pr.area);
    }
    add_table(f, out);
    if (f->classes <= MATRIX_MOST)
        add_matrix(f, out);
    else
        add_mistakes(f, out);
}
