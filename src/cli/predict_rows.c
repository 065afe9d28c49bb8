/*
 * predict_rows.c - one picture's answer as a row of a table, a piece of JSON or a line of CSV (RFC
 * 4180).
 *
 *     FILE     PREDICTION  CONFIDENCE
 *     cat.jpg  cat             98.31 %
 *     bad.jpg  error: jpeg: the file ends early
 *
 *     [
 *     {"file":"cat.jpg","prediction":"cat","confidence":0.9831,"probabilities":{...}},
 *     {"file":"bad.jpg","error":"jpeg: the file ends early"}
 *     ]
 *
 *     file,prediction,confidence,error
 *
 * JSON is the object that the server answers, with the file's name in front; a broken picture has
 * "error" instead. An array has a line for each, too; as NDJSON the lines stand without the array.
 * Text that comes from outside (names, labels) goes through sk_buf_json, the CSV quoting, or loses
 * its control characters.
 */
#include "cli/predict_priv.h"

enum {
    NAME_MOST = 48,
    LABEL_LEAST = 10,
    LABEL_MOST = 32
};

/* Characters, not bytes: continuation bytes of UTF-8 take no column. */
static int columns_of(const char *text)
{
    int n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

void sk_rows_init(struct sk_rows *r, enum sk_row_form form, const struct sk_classifier *c,
                  size_t top_k, const struct sk_paths *paths)
{
    size_t classes = sk_classifier_classes(c);

    *r = (struct sk_rows){ .form = form,
                           .classifier = c,
                           .top_k = top_k < classes ? top_k : classes };
    r->name_columns = 4;
    for (size_t i = 0; i < paths->count; i++) {
        int n = columns_of(paths->items[i]);
        r->name_columns = n > r->name_columns ? n : r->name_columns;
    }
    r->name_columns = r->name_columns < NAME_MOST ? r->name_columns : NAME_MOST;
    r->label_columns = LABEL_LEAST;
    for (size_t i = 0; i < classes; i++) {
        int n = columns_of(sk_classifier_label(c, i));
        r->label_columns = n > r->label_columns ? n : r->label_columns;
    }
    r->label_columns = r->label_columns < LABEL_MOST ? r->label_columns : LABEL_MOST;
}

static size_t shown(const struct sk_rows *r)
{
    return r->top_k ? r->top_k : 1;
}

/* Text padded to a number of columns; control characters become '?'. */
static void add_cell(struct sk_buf *out, const char *text, int columns)
{
    for (const char *p = text; *p; p++)
        sk_buf_chr(out, (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p);
    int used = columns_of(text);
    sk_buf_fmt(out, "%*s", used < columns ? columns - used : 0, "");
}

static void add_csv(struct sk_buf *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        sk_buf_str(out, text);
        return;
    }
    sk_buf_chr(out, '"');
    for (; *text; text++) {
        if (*text == '"')
            sk_buf_chr(out, '"');
        sk_buf_chr(out, *text);
    }
    sk_buf_chr(out, '"');
}

void sk_rows_between(const struct sk_rows *r, struct sk_buf *out)
{
    if (r->form == SK_ROW_JSON)
        sk_buf_str(out, ",\n");
}

void sk_rows_foot(const struct sk_rows *r, struct sk_buf *out)
{
    if (r->form == SK_ROW_JSON)
        sk_buf_str(out, "\n]\n");
}

void sk_rows_head(const struct sk_rows *r, struct sk_buf *out)
{
    if (r->form == SK_ROW_JSON)
        sk_buf_str(out, "[\n");
    if (r->form == SK_ROW_TABLE) {
        add_cell(out, "FILE", r->name_columns);
        sk_buf_str(out, "  ");
        add_cell(out, "PREDICTION", r->label_columns);
        sk_buf_str(out, "  CONFIDENCE\n");
    }
    if (r->form != SK_ROW_CSV)
        return;
    sk_buf_str(out, "file,prediction,confidence");
    for (size_t i = 2; i <= shown(r); i++)
        sk_buf_fmt(out, ",prediction_%zu,confidence_%zu", i, i);
    sk_buf_str(out, ",error\r\n");
}

/* Fills labels of the classes above 0.5 for a model that gives several labels at once. */
static void add_multi(const struct sk_rows *r, const struct sk_result *result, struct sk_buf *label)
{
    for (size_t i = 0; i < result->classes; i++)
        if (result->probabilities[i] > 0.5f)
            sk_buf_fmt(label, "%s%s", label->len ? ";" : "", sk_classifier_label(r->classifier, i));
    if (label->len == 0)
        sk_buf_str(label, "(none)");
}

static void add_answer(const struct sk_rows *r, const struct sk_result *result, struct sk_buf *out)
{
    const bool is_multi = sk_classifier_bundle(r->classifier)->multi_label;
    SK_OWN(free) struct sk_score *best = calloc(shown(r), sizeof *best);
    SK_AUTO(sk_buf_done) struct sk_buf label = SK_BUF_INIT(SIZE_MAX - 1);

    if (!best) {
        out->failed = SK_NOMEM;
        return;
    }
    size_t k = sk_prep_top(result->probabilities, result->classes, shown(r), best);
    for (size_t i = 0; i < k; i++) {
        sk_buf_clear(&label);
        if (is_multi && r->top_k == 0)
            add_multi(r, result, &label);
        else
            sk_buf_str(&label, sk_classifier_label(r->classifier, best[i].index));
        if (!sk_buf_ok(&label)) {
            out->failed = label.failed;
            return;
        }
        if (r->form == SK_ROW_TABLE) {
            sk_buf_str(out, "  ");
            add_cell(out, label.data ? label.data : "", r->label_columns);
            sk_buf_fmt(out, "  %8.2f %%", 100 * (double)best[i].probability);
        } else {
            sk_buf_chr(out, ',');
            add_csv(out, label.data ? label.data : "");
            sk_buf_chr(out, ',');
            sk_buf_num(out, (double)best[i].probability, 9);
        }
    }
}

static void add_json_row(const struct sk_rows *r, const char *name, const struct sk_result *result,
                         const struct sk_err *failed, struct sk_buf *out)
{
    sk_buf_str(out, "{\"file\":");
    sk_buf_json_str(out, name);
    sk_buf_chr(out, ',');
    if (failed) {
        sk_buf_str(out, "\"error\":");
        sk_buf_json_str(out, failed->text);
        sk_buf_chr(out, '}');
        return;
    }
    size_t start = out->len;
    sk_classifier_json(r->classifier, result, r->top_k, out);
    if (sk_buf_ok(out)) { /* the answer's own brace is already there */
        memmove(out->data + start, out->data + start + 1, out->len - start);
        out->len--;
    }
}

void sk_rows_add(const struct sk_rows *r, const char *name, const struct sk_result *result,
                 const struct sk_err *failed, struct sk_buf *out)
{
    if (r->form == SK_ROW_JSON || r->form == SK_ROW_NDJSON) {
        add_json_row(r, name, result, failed, out);
        if (r->form == SK_ROW_NDJSON)
            sk_buf_chr(out, '\n');
    } else if (r->form == SK_ROW_TABLE) {
        add_cell(out, name, r->name_columns);
        if (failed)
            sk_buf_fmt(out, "  error: %s", failed->text);
        else
            add_answer(r, result, out);
        sk_buf_chr(out, '\n');
    } else {
        add_csv(out, name);
        if (failed)
            for (size_t i = 0; i < 2 * shown(r); i++)
                sk_buf_chr(out, ',');
        else
            add_answer(r, result, out);
        sk_buf_chr(out, ',');
        if (failed)
            add_csv(out, failed->text);
        sk_buf_str(out, "\r\n");
    }
}
