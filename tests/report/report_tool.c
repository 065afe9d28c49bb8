/*
 * report_tool.c - figures and pages made from numbers, for tests/it/test_report.py.
 *
 *     report_tool figures POSITIVE|-  <rows    JSON, and with curves {"roc": [[x, y,
 * threshold]...]} report_tool threshold RATE  <rows        the sk_threshold as JSON report_tool
 * page CLASSES EPOCHS FLAGS    a page of made-up figures; letters in FLAGS: n a note, v no
 * validation, x NaN and infinity among the epochs, p perfect, f no figures, h hostile texts
 *
 * Rows: the number of classes, then a line for each picture: its class, and a probability for each
 * class.
 */
#include "base/file.h"
#include "image/image.h"
#include "report/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PICTURES_MOST = 1 << 20,
    PAGE_BYTES = 64 << 20,
    WRONG = 12,
};

struct rows {
    size_t classes, count;
    char **labels;
    uint32_t *truth;
    float *probabilities;
};

static void rows_done(struct rows *r)
{
    for (size_t i = 0; r->labels && i < r->classes; i++)
        free(r->labels[i]);
    free(r->labels);
    free(r->truth);
    free(r->probabilities);
}

static int name_classes(struct rows *r, const char *const *special, size_t special_count)
{
    r->labels = calloc(r->classes, sizeof *r->labels);
    for (size_t i = 0; r->labels && i < r->classes; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "class %zu", i);
        r->labels[i] = strdup(i < special_count ? special[i] : name);
        if (!r->labels[i])
            return -1;
    }
    return r->labels ? 0 : -1;
}

static int read_rows(struct rows *r)
{
    char *bytes = NULL, *end = NULL;
    size_t len = 0, cap = 0;
    struct sk_err err = SK_ERR_INIT;

    if (sk_file_read("-", PAGE_BYTES, &bytes, &len, &err) < 0)
        return -1;
    r->classes = strtoul(bytes, &end, 10);
    if (name_classes(r, NULL, 0) < 0)
        return -1;
    for (;;) {
        char *p = end;
        unsigned long truth = strtoul(p, &end, 10);
        if (end == p)
            break;
        if (r->count == cap) {
            cap = cap ? 2 * cap : 64;
            r->truth = reallocarray(r->truth, cap, sizeof *r->truth);
            r->probabilities = reallocarray(r->probabilities, cap * r->classes,
                                            sizeof *r->probabilities);
            if (!r->truth || !r->probabilities)
                return -1;
        }
        r->truth[r->count] = (uint32_t)truth;
        for (size_t k = 0; k < r->classes; k++)
            r->probabilities[r->count * r->classes + k] = strtof(end, &end);
        r->count++;
    }
    free(bytes);
    return 0;
}

static void add_curve(struct sk_buf *out, const char *name, const struct sk_curve *c)
{
    sk_buf_fmt(out, ",\"%s\":[", name);
    for (size_t i = 0; i < c->count; i++)
        sk_buf_fmt(out, "%s[%.17g,%.17g,%.9g]", i ? "," : "", c->x[i], c->y[i],
                   isfinite(c->threshold[i]) ? c->threshold[i] : 9e9);
    sk_buf_chr(out, ']');
}

static int print_figures(const struct sk_figures *f, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    sk_figures_json(f, true, out);
    if (f->has_curves) {
        add_curve(out, "roc", &f->roc);
        add_curve(out, "pr", &f->pr);
    }
    sk_buf_str(out, "}\n");
    return 0;
}

static int print_threshold(const struct sk_figures *f, double rate, struct sk_buf *out,
                           struct sk_err *err)
{
    struct sk_threshold t = { 0 };

    if (sk_figures_threshold(f, rate, &t, err) < 0)
        return -1;
    sk_buf_fmt(out,
               "{\"threshold\":%.9g,\"false_negative_rate\":%.17g,\"false_positive_rate\":%.17g,"
               "\"precision\":%.17g,\"recall\":%.17g}\n",
               t.threshold, t.false_negative_rate, t.false_positive_rate, t.precision, t.recall);
    return 0;
}

/* ---- pages ---- */

static double noise(uint64_t *state) /* 0..1 */
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (double)(*state >> 40) / (1 << 24);
}

static int make_rows(struct rows *r, const char *flags)
{
    static const char *const two[] = { "defect", "good" };
    static const char *const hostile[] = { "<script>alert(1)</script>",
                                           "\"'&\xff\x01 \xe2\x80\xae" };
    uint64_t state = 7;
    bool is_hostile = strchr(flags, 'h');

    r->count = r->classes < 30 ? 400 : r->classes * 40;
    r->truth = calloc(r->count, sizeof *r->truth);
    r->probabilities = calloc(r->count * r->classes, sizeof *r->probabilities);
    if (!r->truth || !r->probabilities ||
        name_classes(r, is_hostile ? hostile : two, r->classes == 2 || is_hostile ? 2 : 0) < 0)
        return -1;
    for (size_t i = 0; i < r->count; i++) {
        float *row = r->probabilities + i * r->classes;
        double sum = 0;
        r->truth[i] = (uint32_t)(noise(&state) * (double)r->classes);
        for (size_t k = 0; k < r->classes; k++) {
            bool near = k == r->truth[i] || (k == (r->truth[i] * 7 + 3) % r->classes && k % 3);
            double score = noise(&state) * 4 + (k == r->truth[i] ? 2.3 : 0) + (near ? 1.0 : 0);
            score += strchr(flags, 'p') && k == r->truth[i] ? 20 : 0;
            row[k] = (float)exp(2 * score);
            sum += (double)row[k];
        }
        for (size_t k = 0; k < r->classes; k++)
            row[k] = (float)((double)row[k] / sum);
    }
    return 0;
}

static void make_epochs(struct sk_epoch *epochs, size_t count, const char *flags)
{
    uint64_t state = 3;

    for (size_t i = 0; i < count; i++) {
        double t = (double)i / 12, shake = noise(&state) * 0.06;
        epochs[i] = (struct sk_epoch){
            .train_loss = 0.68 * exp(-t) + 0.02 + shake / 3,
            .train_accuracy = 0.99 - 0.4 * exp(-t) - shake / 4,
            .val_loss = 0.62 * exp(-t) + 0.11 + shake + 0.03 * t,
            .val_accuracy = 0.96 - 0.36 * exp(-t) - shake,
            .lr = 0.001,
            .seconds = 12.5 + shake * 10,
        };
        if (strchr(flags, 'v'))
            epochs[i].val_loss = epochs[i].val_accuracy = NAN;
        if (strchr(flags, 'x') && i % 5 == 2)
            epochs[i].val_loss = i % 2 ? INFINITY : NAN;
        if (strchr(flags, 'x') && i % 7 == 3)
            epochs[i].train_accuracy = NAN;
    }
}

/* A picture of its own for each mistake. */
static int make_thumbnail(size_t i, uint8_t **jpeg, size_t *len, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    uint64_t state = i;

    if (sk_image_alloc(&img, i % 3 == 1 ? 160 : 120, i % 3 == 2 ? 160 : 120, err) < 0)
        return -1;
    for (uint32_t y = 0; y < img.height; y++)
        for (uint32_t x = 0; x < img.width; x++) {
            uint8_t *p = img.pixels + 3 * ((size_t)y * img.width + x);
            p[0] = (uint8_t)(120 + 40 * sin((double)(x + 9 * i) / 9) + 20 * noise(&state));
            p[1] = (uint8_t)(p[0] + 10);
            p[2] = (uint8_t)(p[0] > 140 ? 160 : 120);
        }
    return sk_image_encode_jpeg(&img, 80, jpeg, len, err);
}

static int make_wrong(const struct rows *r, const char *flags, struct sk_wrong *wrong,
                      size_t *count, struct sk_err *err)
{
    uint32_t which[WRONG];

    *count = sk_report_most_wrong(r->truth, r->probabilities, r->count, r->classes, WRONG, which);
    for (size_t i = 0; i < *count; i++) {
        const float *row = r->probabilities + which[i] * r->classes;
        struct sk_wrong *w = &wrong[i];
        uint8_t *jpeg = NULL;
        w->path = strchr(flags, 'h') ? "a\"><img src=x onerror=alert(1)>\xfe.png"
                                     : "photos/line-4/2026-11-24/camera-left/000123456.jpg";
        w->truth = r->truth[which[i]];
        for (size_t k = 0; k < r->classes; k++)
            w->predicted = row[k] > row[w->predicted] ? (uint32_t)k : w->predicted;
        w->probability = (double)row[w->predicted];
        if (i != 4 && make_thumbnail(i, &jpeg, &w->jpeg_len, err) < 0)
            return -1;
        w->jpeg = jpeg;
    }
    return 0;
}

static int print_page(struct rows *r, size_t epoch_count, const char *flags, struct sk_buf *out,
                      struct sk_err *err)
{
    static const char *const settings[] = {
        "architecture",
        "resnet18",
        "picture size",
        "224",
        "optimiser",
        "adam",
        "learning rate",
        "0.001",
        "weights",
        "hf:timm/resnet18.tv_in1k@main",
        "data digest",
        "1b4f0e9851971998e732078544c96b36c3d01cedf7caa332359d6f1d"
        "83567014",
        "seed",
        "0",
        NULL
    };
    static const char *const hostile[] = { "<b>", "</style><script>alert(1)</script>", NULL };
    SK_OWN(free) struct sk_epoch *epochs = calloc(epoch_count + 1, sizeof *epochs);
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
    struct sk_wrong wrong[WRONG] = { 0 };
    bool is_hostile = strchr(flags, 'h');
    struct sk_report page = {
        .title = is_hostile ? "</title><script>alert(1)</script>" : "defect-detector",
        .subtitle = is_hostile ? "<i>\xff" : "resnet18, 224 x 224, 50 epochs of 1,600 pictures",
        .note = strchr(flags, 'n') ? "Synthetic data: the pictures were drawn by a program; the "
                                     "figures say nothing about real parts."
                                   : NULL,
        .figures_of = "validation (400 pictures)",
        .epochs = epochs,
        .epoch_count = epoch_count,
        .wrong = wrong,
        .settings = is_hostile ? hostile : settings,
    };

    if (make_rows(r, flags) < 0 || !epochs)
        return sk_nomem(err);
    make_epochs(epochs, epoch_count, flags);
    if (sk_figures_new((const char *const *)r->labels, r->classes, r->truth, r->probabilities,
                       r->count, NULL, &f, err) < 0 ||
        make_wrong(r, flags, wrong, &page.wrong_count, err) < 0)
        return -1;
    page.figures = strchr(flags, 'f') ? NULL : f;
    int rc = sk_report_html(&page, out, err);
    for (size_t i = 0; i < page.wrong_count; i++)
        free((void *)(uintptr_t)wrong[i].jpeg);
    return rc;
}

static int run(int argc, char **argv, struct sk_buf *out, struct sk_err *err)
{
    SK_AUTO(rows_done) struct rows r = { 0 };
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;

    if (argc == 5 && strcmp(argv[1], "page") == 0) {
        r.classes = strtoul(argv[2], NULL, 10);
        return print_page(&r, strtoul(argv[3], NULL, 10), argv[4], out, err);
    }
    if (argc != 3 || read_rows(&r) < 0)
        return sk_fail(err, SK_USAGE, "see report_tool.c");
    bool is_threshold = strcmp(argv[1], "threshold") == 0;
    const struct sk_figures_options opts = {
        .positive = is_threshold || strcmp(argv[2], "-") == 0 ? NULL : argv[2],
    };
    if (sk_figures_new((const char *const *)r.labels, r.classes, r.truth, r.probabilities, r.count,
                       &opts, &f, err) < 0)
        return -1;
    return is_threshold ? print_threshold(f, strtod(argv[2], NULL), out, err)
                        : print_figures(f, out);
}

int main(int argc, char **argv)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(PAGE_BYTES);
    struct sk_err err = SK_ERR_INIT;

    if (run(argc, argv, &out, &err) < 0 || !sk_buf_ok(&out)) {
        (void)fprintf(stderr, "report_tool: %s\n", err.text);
        return 1;
    }
    return fwrite(out.data, 1, out.len, stdout) == out.len ? 0 : 1;
}
