/*
 * cmd_evaluate.c - `skerry evaluate BUNDLE DATA`: how good a classifier is on labelled pictures.
 *
 * Pictures go the way that they go in the server (pipeline), so the figures are those of what is
 * served. Folder names are class names; where a model has more classes than there are folders, the
 * others stay without pictures. docs/spec/evaluate.md.
 */
#include "base/log.h"
#include "base/str.h"
#include "base/thread.h"
#include "cli/cli_priv.h"
#include "cli/evaluate_priv.h"

struct args {
    struct sk_cli_engine engine;
    const char *labels, *positive, *report;
    const char *max_fnr; /* as text: 0 is a rate, too */
    bool json, skip_bad;
    double min_accuracy;
    uint64_t workers, max_pixels, max_bytes;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "json", 0, SK_OPT_FLAG, NULL, "print the figures as JSON", AT(json) },
    { "report", 'r', SK_OPT_TEXT, "FILE", "write a page with curves and mistakes, such as report.html", AT(report) },
    { "min-accuracy", 0, SK_OPT_F64, "X", "exit with status 1 when the accuracy is below X (0 to 1)",
      .max = 1, AT(min_accuracy) },
    { "max-false-negative-rate", 0, SK_OPT_TEXT, "X",
      "find the decision threshold that misses at most this share (0 to 1) of the positive class", AT(max_fnr) },
    { "positive", 0, SK_OPT_TEXT, "LABEL", "the class of two that curves and threshold are about; else 'defect' or the first",
      AT(positive) },
    { "labels", 'l', SK_OPT_TEXT, "FILE", "labels for a model without: one a line, or JSON", AT(labels) },
    { "skip-bad", 0, SK_OPT_FLAG, NULL, "leave out broken pictures instead of failing", AT(skip_bad) },
    { "workers", 0, SK_OPT_U64, "N", "pictures at the same time; 0: one per core", .def = "0", .max = 1024, AT(workers) },
    { "max-pixels", 0, SK_OPT_U64, "N", "most pixels in a picture",
      .def = "178956970", .min = 1, .max = 1ull << 32, AT(max_pixels) },
    { "max-file-size", 0, SK_OPT_SIZE, "SIZE", "largest picture file",
      .def = "1G", .min = 1, .max = 1ull << 40, AT(max_bytes) },
    SK_CLI_ENGINE_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

enum {
    NAMED_MOST = 20, /* broken pictures */
    LABELS_MOST = 12,
};

/* What there is to print. */
struct outcome {
    const struct sk_evaluation *e;
    const struct sk_figures *f;
    bool has_threshold;
    struct sk_threshold t;
    const char *engine, *device;
};

/* ---- before ---- */

/* *rate: negative when none is asked for. */
static int parse_rate(const char *text, double *rate, struct sk_err *err)
{
    *rate = -1;
    if (!text || sk_parse_f64("--max-false-negative-rate", text, 0, 1, rate, err) == 0)
        return 0;
    err->code = SK_USAGE;
    return -1;
}

static int check_model(const struct args *a, const struct sk_classifier *c, const char *name,
                       struct sk_err *err)
{
    size_t classes = sk_classifier_classes(c);

    if (sk_classifier_refusal(c))
        return sk_fail(err, SK_NOT_SCORES, "'%s': %s", name, sk_classifier_refusal(c));
    if (sk_classifier_bundle(c)->multi_label)
        return sk_fail(err, SK_INVALID,
                       "'%s' gives several labels at once; pictures in class folders have one",
                       name);
    if (classes == 1)
        return sk_fail(err, SK_INVALID, "'%s' has one class, '%s': nothing to tell apart", name,
                       sk_classifier_label(c, 0));
    if (a->max_fnr && classes != 2)
        return sk_fail(err, SK_INVALID,
                       "--max-false-negative-rate is for two classes; '%s' has %zu", name, classes);
    return 0;
}

/* A folder that is no class: the error names it, this adds what would fit. */
static int name_labels(const struct sk_classifier *c, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(SK_ERR_TEXT);
    const struct sk_err why = *err;
    size_t classes = sk_classifier_classes(c);

    for (size_t i = 0; i < classes && i < LABELS_MOST; i++)
        sk_buf_fmt(&names, "%s'%s'", i ? ", " : "", sk_classifier_label(c, i));
    if (classes > LABELS_MOST)
        sk_buf_str(&names, ", ...");
    return sk_fail(err, why.code, "%s; the model's classes are %s%s", why.text,
                   names.data ? names.data : "",
                   sk_classifier_bundle(c)->label_count > 0
                       ? ""
                       : " (it has no labels: --labels FILE gives it some)");
}

static int open_data(const char *root, const struct sk_classifier *c, struct sk_dataset **out,
                     struct sk_err *err)
{
    size_t classes = sk_classifier_classes(c);
    SK_OWN(free) char **labels = calloc(classes, sizeof *labels);
    const struct sk_dataset known = { .classes = labels, .class_count = classes };

    if (!labels)
        return sk_nomem(err);
    for (size_t i = 0; i < classes; i++)
        labels[i] = (char *)(uintptr_t)sk_classifier_label(c, i); /* read only */
    if (sk_dataset_open(root, &known, out, err) == 0)
        return 0;
    return err->code == SK_INVALID ? name_labels(c, err) : -1;
}

/* ---- after ---- */

/* Broken pictures, each on a line; an error unless they may be left out. */
static int report_bad(const struct sk_evaluation *e, bool skip, struct sk_err *err)
{
    size_t named = 0;

    for (size_t i = 0; i < e->data->count && named < NAMED_MOST; i++) {
        if (!e->errors[i])
            continue;
        (void)fprintf(stderr, "skerry: %s%s: %s\n", skip ? "left out: " : "",
                      e->data->samples[i].path, e->errors[i]);
        named++;
    }
    if (e->bad > named)
        (void)fprintf(stderr, "skerry: ... and %zu more\n", e->bad - named);
    if (e->grey_clipped)
        (void)fprintf(
            stderr,
            "skerry: warning: 16-bit grey pictures were clipped; \"grey16\" in skerry.json can be "
            "high_byte or min_max\n");
    if (e->bad > 0 && !skip)
        return sk_fail(err, SK_CORRUPT,
                       "%zu of %zu pictures cannot be read; --skip-bad leaves them out", e->bad,
                       e->data->count);
    if (e->count == 0)
        return sk_fail(err, SK_CORRUPT, "none of %zu pictures can be read", e->data->count);
    return 0;
}

static void add_text_field(struct sk_buf *out, const char *before, const char *text)
{
    sk_buf_str(out, before);
    sk_buf_json_str(out, text);
}

static void add_number(struct sk_buf *out, const char *before, double value, int digits)
{
    sk_buf_str(out, before);
    sk_buf_num(out, value, digits);
}

static void add_json(const struct outcome *o, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    sk_figures_json(o->f, true, out);
    if (o->has_threshold) {
        add_number(out, ",\"threshold\":", o->t.threshold, 9); /* a float of the model */
        add_number(out, ",\"at_threshold\":{\"false_negative_rate\":", o->t.false_negative_rate,
                   17);
        add_number(out, ",\"false_positive_rate\":", o->t.false_positive_rate, 17);
        add_number(out, ",\"precision\":", o->t.precision, 17);
        add_number(out, ",\"recall\":", o->t.recall, 17);
        sk_buf_chr(out, '}');
    }
    sk_buf_fmt(out, ",\"skipped\":%zu", o->e->bad);
    add_text_field(out, ",\"model\":{\"name\":", sk_classifier_bundle(o->e->classifier)->name);
    add_text_field(out, ",\"sha256\":", sk_classifier_digest(o->e->classifier));
    add_text_field(out, "},\"engine\":{\"name\":", o->engine);
    add_text_field(out, ",\"device\":", o->device);
    sk_buf_str(out, "}}\n");
}

static void add_text(const struct outcome *o, struct sk_buf *out)
{
    sk_figures_text(o->f, out);
    if (!o->has_threshold)
        return;
    sk_buf_fmt(out,
               "\nthreshold %.9g on '%s': misses %.2f %%, false alarms %.2f %%, precision %.4f\n",
               o->t.threshold, o->f->labels[o->f->positive], 100 * o->t.false_negative_rate,
               100 * o->t.false_positive_rate, o->t.precision);
}

static int write_page(const struct outcome *o, const char *path, struct sk_err *err)
{
    char threshold[160] = "", bad[32];
    const char *settings[] = { "model",     sk_classifier_bundle(o->e->classifier)->path,
                               "SHA-256",   sk_classifier_digest(o->e->classifier),
                               "data",      o->e->data->root,
                               "left out",  bad,
                               "engine",    o->engine,
                               "device",    o->device,
                               "threshold", threshold,
                               NULL };

    (void)snprintf(bad, sizeof bad, "%zu", o->e->bad);
    if (o->has_threshold)
        (void)snprintf(threshold, sizeof threshold, "%.9g: misses %.2f %%, false alarms %.2f %%",
                       o->t.threshold, 100 * o->t.false_negative_rate,
                       100 * o->t.false_positive_rate);
    else
        settings[12] = NULL;
    return sk_evaluation_page(o->e, o->f, path, settings, err);
}

static int make_figures(const struct args *a, const struct sk_evaluation *e,
                        struct sk_figures **out, struct sk_err *err)
{
    const struct sk_figures_options opts = { .positive = a->positive };
    SK_OWN(free) const char **labels = calloc(e->classes, sizeof *labels);

    if (!labels)
        return sk_nomem(err);
    for (size_t i = 0; i < e->classes; i++)
        labels[i] = sk_classifier_label(e->classifier, i);
    return sk_figures_new(labels, e->classes, e->truth, e->probabilities, e->count, &opts, out,
                          err);
}

/* rate: the most false negatives, negative for no threshold. */
static int judge(const struct args *a, double rate, const struct sk_evaluation *e,
                 const struct sk_engine *engine, struct sk_err *err)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const char *reason = "";
    struct outcome o = {
        .e = e,
        .has_threshold = rate >= 0,
        .engine = sk_engine_name(engine),
        .device = sk_engine_device(engine, &reason),
    };

    if (make_figures(a, e, &f, err) < 0 ||
        (o.has_threshold && sk_figures_threshold(f, rate, &o.t, err) < 0))
        return -1;
    o.f = f;
    if (a->json)
        add_json(&o, &out);
    else
        add_text(&o, &out);
    if (sk_cli_print(&out, err) < 0 || (a->report && write_page(&o, a->report, err) < 0))
        return -1;
    if (f->accuracy < a->min_accuracy)
        return sk_fail(err, SK_INVALID, "accuracy %.6g is below %.6g", f->accuracy,
                       a->min_accuracy);
    return 0;
}

static int evaluate(const struct args *a, double rate, struct sk_classifier *c, const char *root,
                    const struct sk_engine *engine, struct sk_err *err)
{
    SK_OWN(sk_dataset_free) struct sk_dataset *data = NULL;
    SK_AUTO(sk_evaluation_done) struct sk_evaluation e = { 0 };
    uint64_t workers = a->workers          ? a->workers
                       : a->engine.threads ? a->engine.threads
                                           : sk_cpu_count();

    if (open_data(root, c, &data, err) < 0)
        return -1;
    if (data->other_count > 0)
        (void)fprintf(stderr, "skerry: %zu other file%s left out, such as %s\n", data->other_count,
                      data->other_count == 1 ? "" : "s", data->others[0]);
    e.classifier = c;
    e.data = data;
    e.workers = (unsigned)(workers < data->count ? workers : data->count);
    e.max_pixels = a->max_pixels;
    e.max_bytes = a->max_bytes;
    if (sk_evaluation_run(&e, err) < 0 || report_bad(&e, a->skip_bad, err) < 0)
        return -1;
    return judge(a, rate, &e, engine, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = NULL;
    double rate = 0;

    (void)count;
    if (parse_rate(a->max_fnr, &rate, err) < 0)
        return -1;
    if (sk_cli_model_first(operands, err) < 0)
        return -1;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    if (sk_cli_open_classifier(&a->engine, operands[0], a->labels, &engine, &c, err) < 0)
        return -1;
    if (check_model(a, c, operands[0], err) < 0)
        return -1;
    return evaluate(a, rate, c, operands[1], engine, err);
}

const struct sk_cmd sk_cli_evaluate = {
    .name = "evaluate",
    .operands = "BUNDLE DATA",
    .summary = "Measures a classifier on labelled pictures",
    .details =
        "DATA has a folder for each class, named as the model names it, with pictures anywhere "
        "below. Classes of the model without a folder stay without pictures; a folder that is no "
        "class is an error. Figures are those of scikit-learn.\n\n"
        "Broken pictures are named, and fail the evaluation unless --skip-bad leaves them out. An "
        "accuracy below --min-accuracy gives exit status 1 after everything was printed.",
    .examples =
        "skerry evaluate out val/ # figures, classes, confusion matrix\n"
        "skerry evaluate out val/ --report report.html # and a page to look at\n"
        "skerry evaluate out val/ --min-accuracy 0.95 # in a build: fails below 95 %\n"
        "skerry evaluate out val/ --max-false-negative-rate 0.01 --positive defect # a threshold\n"
        "skerry evaluate --json --labels names.txt model.onnx val/ # a lone model, as JSON",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
