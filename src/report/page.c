/*
 * page.c - the report: one HTML file that needs nothing else.
 *
 *     title, subtitle, note | figures at a glance | training | confusion matrix | classes |
 *     thresholds | most certain mistakes | settings
 *
 * Styles are web/report.css, pictures are data: addresses, charts are inline SVG; there is no
 * script, and a Content-Security-Policy says so to the browser: even a text that escaped its
 * escaping could load and run nothing.
 */
#include "report/report_priv.h"

#include "base/str.h"
#include "report_css.h"

#include <string.h>

enum {
    PAIR_MOST = 4 /* classes: matrix and table fit side by side */
};

static void add_head(const struct sk_report *r, struct sk_buf *out)
{
    sk_buf_str(out, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta "
                    "name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta "
                    "http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src "
                    "data:; style-src 'unsafe-inline'\">\n<meta name=\"color-scheme\" "
                    "content=\"light dark\">\n<title>");
    sk_html_text(out, r->title ? r->title : "Report");
    sk_buf_str(out, "</title>\n<style>\n");
    sk_buf_add(out, sk_report_css, sizeof sk_report_css);
    sk_buf_str(out, "</style>\n</head>\n<body>\n<main>\n<header><h1>");
    sk_html_name(out, r->title ? r->title : "Report");
    sk_buf_str(out, "</h1>");
    if (r->subtitle) {
        sk_buf_str(out, "<p>");
        sk_html_text(out, r->subtitle);
        sk_buf_str(out, "</p>");
    }
    sk_buf_str(out, "</header>\n");
    if (r->note) {
        sk_buf_str(out, "<p class=\"note\" role=\"note\">");
        sk_html_text(out, r->note);
        sk_buf_str(out, "</p>\n");
    }
}

/* ---- at a glance ---- */

static void add_tile(struct sk_buf *out, const char *name, double value, bool is_share)
{
    sk_buf_fmt(out, "<div><dt>%s</dt><dd>", name);
    if (is_share)
        sk_html_percent(out, value);
    else
        sk_buf_fmt(out, "%.4f", value);
    sk_buf_str(out, "</dd></div>\n");
}

static void add_glance(const struct sk_report *r, struct sk_buf *out)
{
    const struct sk_figures *f = r->figures;

    sk_buf_str(out, "<section id=\"glance\" aria-label=\"At a glance\">\n");
    if (r->figures_of) {
        sk_buf_str(out, "<p class=\"soft\">Measured on ");
        sk_html_text(out, r->figures_of);
        sk_buf_str(out, "</p>\n");
    }
    sk_buf_str(out, "<dl class=\"tiles\">\n");
    add_tile(out, "accuracy", f->accuracy, true);
    add_tile(out, "loss", f->loss, false);
    add_tile(out, "macro F1", f->macro_f1, true);
    if (f->has_curves) {
        add_tile(out, "ROC AUC", f->roc.area, false);
        add_tile(out, "average precision", f->pr.area, false);
    }
    sk_buf_fmt(out, "<div><dt>pictures</dt><dd>%zu</dd></div>\n</dl></section>\n", f->count);
}

/* ---- mistakes ---- */

static void add_wrong(const struct sk_report *r, const struct sk_wrong *w, struct sk_buf *out)
{
    const char *const *labels = (const char *const *)r->figures->labels;

    sk_buf_str(out, "<li><figure>");
    if (w->jpeg) {
        sk_buf_str(out, "<img alt=\"\" src=\"data:image/jpeg;base64,");
        sk_html_base64(out, w->jpeg, w->jpeg_len);
        sk_buf_str(out, "\">");
    } else {
        sk_buf_str(out, "<div class=\"none\">no picture</div>");
    }
    sk_buf_str(out, "<figcaption><b>");
    sk_html_name(out, labels[w->predicted]);
    sk_buf_str(out, "</b> ");
    sk_html_percent(out, w->probability);
    sk_buf_str(out, "<br>is ");
    sk_html_name(out, labels[w->truth]);
    sk_buf_str(out, "<br><small>");
    sk_html_name(out, w->path);
    sk_buf_str(out, "</small></figcaption></figure></li>\n");
}

static void add_mistakes(const struct sk_report *r, struct sk_buf *out)
{
    if (r->wrong_count == 0)
        return;
    sk_buf_str(out,
               "<section class=\"card\" id=\"mistakes\"><h2>Most certain mistakes</h2>\n<p>What "
               "the model said and how sure it was; below it the truth.</p>\n<ul "
               "class=\"wrong\">\n");
    for (size_t i = 0; i < r->wrong_count; i++)
        add_wrong(r, &r->wrong[i], out);
    sk_buf_str(out, "</ul></section>\n");
}

static void add_settings(const struct sk_report *r, struct sk_buf *out)
{
    if (!r->settings || !r->settings[0])
        return;
    sk_buf_str(out, "<section class=\"card\" id=\"settings\"><h2>Settings</h2>\n<dl "
                    "class=\"settings\">\n");
    for (const char *const *s = r->settings; s[0] && s[1]; s += 2) {
        sk_buf_str(out, "<div><dt>");
        sk_html_text(out, s[0]);
        sk_buf_str(out, "</dt><dd>");
        sk_html_text(out, s[1]);
        sk_buf_str(out, "</dd></div>\n");
    }
    sk_buf_str(out, "</dl></section>\n");
}

const char *sk_report_note(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;

    return sk_starts_with(name, "synthetic-")
               ? "Synthetic data: these pictures were drawn by a program. The figures say how well "
                 "a model learns them, nothing about real parts."
               : NULL;
}

int sk_report_html(const struct sk_report *r, struct sk_buf *out, struct sk_err *err)
{
    add_head(r, out);
    if (r->figures)
        add_glance(r, out);
    sk_epochs_html(r, out);
    if (r->figures) {
        sk_buf_str(out, r->figures->classes <= PAIR_MOST ? "<div class=\"pair\">\n" : "<div>\n");
        sk_matrix_html(r->figures, out);
        sk_classes_html(r->figures, out);
        sk_buf_str(out, "</div>\n");
        sk_ranking_html(r->figures, out);
        add_mistakes(r, out);
    }
    add_settings(r, out);
    sk_buf_str(out, "<footer>Made by Skerry " SK_VERSION "</footer>\n</main>\n</body>\n</html>\n");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
