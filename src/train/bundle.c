/*
 * bundle.c - what a training leaves: the bundle that `skerry serve` and the tools of the Hugging
 * Face hub read, the record training.json, and the page report.html. Each file replaces its
 * predecessor in one step.
 */
#include "bundle/bundle.h"
#include "base/clock.h"
#include "base/file.h"
#include "prep/prep.h"
#include "report/report.h"
#include "train/train_priv.h"
#include "json/json.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    JSON_BYTES = 64 << 20,
    PAGE_BYTES = 128 << 20,
    WRONG = 24, /* pictures on the page */
    THUMB = 160,
    THUMB_QUALITY = 85
};

static int write_file(const struct sk_train *t, const char *name, const struct sk_buf *text,
                      struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, name);

    if (!sk_buf_ok(text))
        return sk_buf_fail(text, err);
    return path ? sk_file_write(path, text->data, text->len, 0644, err) : sk_nomem(err);
}

static int bundle_name(const struct sk_train *t, char **out, struct sk_err *err)
{
    *out = t->o->name ? strdup(t->o->name) : sk_path_name(t->o->output_dir);
    if (!*out)
        return sk_nomem(err);
    for (char *c = *out; *c; c++) {
        if (!sk_settings_is_name(*c))
            *c = '-';
    }
    (*out)[strnlen(*out, SK_BUNDLE_NAME_BYTES)] = '\0';
    return 0;
}

/* "a", "b": the classes in their order. */
static void list_classes(const struct sk_train *t, struct sk_buf *out)
{
    for (size_t i = 0; i < t->data->class_count; i++) {
        sk_buf_str(out, i ? ", " : "");
        sk_buf_json_str(out, t->data->classes[i]);
    }
}

/* ---- the small files ---- */

static void add_three(struct sk_buf *out, const char *key, const double values[3])
{
    sk_buf_fmt(out, ",\n  \"%s\": [", key);
    for (int c = 0; c < 3; c++) {
        sk_buf_str(out, c ? ", " : "");
        sk_buf_num(out, values[c], 17);
    }
    sk_buf_chr(out, ']');
}

static int write_preprocessor(const struct sk_train *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);

    sk_buf_fmt(
        &out,
        "{\n  \"image_processor_type\": \"ViTImageProcessor\",\n  \"do_resize\": true,\n"
        "  \"size\": {\"height\": %u, \"width\": %u},\n  \"resample\": 2,\n  \"do_rescale\": "
        "true,\n"
        "  \"rescale_factor\": 0.00392156862745098,\n  \"do_normalize\": true",
        t->o->side, t->o->side);
    add_three(&out, "image_mean", sk_imagenet_mean);
    add_three(&out, "image_std", sk_imagenet_std);
    sk_buf_str(&out, "\n}\n");
    return write_file(t, "preprocessor_config.json", &out, err);
}

static int write_config(const struct sk_train *t, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(JSON_BYTES);
    const struct sk_dataset *d = t->data;

    sk_buf_fmt(&out, "{\n  \"architecture\": \"%s\",\n  \"num_labels\": %zu,\n", t->arch->name,
               d->class_count);
    sk_buf_str(&out, "  \"problem_type\": \"single_label_classification\",\n  \"id2label\": {");
    for (size_t i = 0; i < d->class_count; i++) {
        sk_buf_fmt(&out, "%s\"%zu\": ", i ? ", " : "", i);
        sk_buf_json_str(&out, d->classes[i]);
    }
    sk_buf_str(&out, "},\n  \"label2id\": {");
    for (size_t i = 0; i < d->class_count; i++) {
        sk_buf_str(&out, i ? ", " : "");
        sk_buf_json_str(&out, d->classes[i]);
        sk_buf_fmt(&out, ": %zu", i);
    }
    sk_buf_str(&out, "}\n}\n");
    return write_file(t, "config.json", &out, err);
}

static size_t best_of(const float *p, size_t classes)
{
    size_t best = 0;

    for (size_t c = 1; c < classes; c++)
        best = p[c] > p[best] ? c : best;
    return best;
}

/* The first picture that was classified right, else the first. */
static size_t choose_test(const struct sk_train *t)
{
    const size_t classes = t->data->class_count;

    for (size_t i = 0; i < t->judged->count; i++)
        if (best_of(t->probabilities + i * classes, classes) == t->truth[i])
            return i;
    return 0;
}

/* The test picture as the network saw it, so that it is small, exact, and has nothing in it but
 * pixels. *is_there false: nothing was judged, or the picture can no longer be read; one of an
 * earlier training goes then. */
static int write_test_image(struct sk_train *t, bool was_judged, bool *is_there, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, SK_TRAIN_TEST_IMAGE);
    SK_OWN(free) uint8_t *png = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    size_t len = 0;

    if (!path)
        return sk_nomem(err);
    *is_there = was_judged &&
                sk_source_pixels(t->judged_source, t->judged->items[choose_test(t)], &img,
                                 &ignored) == 0 &&
                sk_image_encode_png(&img, &png, &len, &ignored) == 0;
    if (*is_there)
        return sk_file_write(path, png, len, 0644, err);
    return unlink(path) < 0 && errno != ENOENT ? sk_fail_errno(err, "%s", path) : 0;
}

static int write_skerry(const struct sk_train *t, const char *name, bool has_test,
                        struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(JSON_BYTES);
    const size_t classes = t->data->class_count;

    sk_buf_str(&out, "{\n  \"name\": ");
    sk_buf_json_str(&out, name);
    sk_buf_fmt(&out, ",\n  \"description\": \"%s, %u x %u, trained for %u epoch%s%s\"",
               t->arch->name, t->o->side, t->o->side, t->state.epoch,
               t->state.epoch == 1 ? "" : "s",
               sk_train_synthetic(t) ? " on synthetic pictures" : "");
    if (has_test) {
        const float *p = t->probabilities + choose_test(t) * classes;
        sk_buf_str(&out, ",\n  \"test\": ");
        sk_bundle_test_json(SK_TRAIN_TEST_IMAGE, (const char *const *)t->data->classes, p, classes,
                            best_of(p, classes), 0, &out);
    }
    sk_buf_str(&out, "\n}\n");
    return write_file(t, "skerry.json", &out, err);
}

/* ---- weights and model ---- */

static int write_model(struct sk_train *t, const char *name, struct sk_err *err)
{
    SK_OWN(free) char *weights = sk_path_join(t->o->output_dir, "model.safetensors");
    SK_OWN(free) char *model = sk_path_join(t->o->output_dir, t->o->onnx_name);
    SK_AUTO(sk_buf_done) struct sk_buf labels = SK_BUF_INIT(JSON_BYTES);

    sk_buf_chr(&labels, '[');
    list_classes(t, &labels);
    sk_buf_chr(&labels, ']');
    if (!weights || !model || !sk_buf_ok(&labels))
        return sk_nomem(err);

    const char *const metadata[] = { "labels",      labels.data,   "architecture",
                                     t->arch->name, "data_digest", t->data_digest,
                                     NULL };

    if (sk_arch_save(t->arch, t->nn, NULL, NULL, t->state.step, weights, err) < 0)
        return -1;
    return sk_arch_export_onnx(t->nn, name, metadata, model, err);
}

/* ---- training.json ---- */

static void write_epochs(const struct sk_train *t, struct sk_buf *out)
{
    static const char *const names[] = { "loss",         "accuracy", "val_loss",
                                         "val_accuracy", "lr",       "seconds" };

    sk_buf_str(out, "  \"epochs\": [");
    for (unsigned i = 0; i < t->state.epoch; i++) {
        const struct sk_epoch *h = &t->state.history[i];
        const double values[] = { h->train_loss, h->train_accuracy, h->val_loss, h->val_accuracy,
                                  h->lr,         h->seconds };

        sk_buf_fmt(out, "%s\n    {\"epoch\": %u", i ? "," : "", i + 1);
        for (size_t k = 0; k < sizeof(values) / sizeof(values[0]); k++) {
            sk_buf_fmt(out, ", \"%s\": ", names[k]);
            sk_buf_num(out, values[k], 17);
        }
        sk_buf_chr(out, '}');
    }
    sk_buf_str(out, "\n  ],\n");
}

static void write_data(const struct sk_train *t, struct sk_buf *out)
{
    sk_buf_str(out, "  \"data\": {\"path\": ");
    sk_buf_json_str(out, t->o->data_path);
    sk_buf_fmt(out, ", \"digest\": \"%s\", \"val_path\": ", t->data_digest);
    if (t->o->val_path)
        sk_buf_json_str(out, t->o->val_path);
    else
        sk_buf_str(out, "null");
    sk_buf_str(out, ", \"val_digest\": ");
    if (t->val_digest[0])
        sk_buf_json_str(out, t->val_digest);
    else
        sk_buf_str(out, "null");
    sk_buf_fmt(out, ", \"train_pictures\": %zu, \"val_pictures\": %zu, \"classes\": [",
               t->train.count, t->val.count);
    list_classes(t, out);
    sk_buf_str(out, "]},\n");
}

static int write_training(struct sk_train *t, const struct sk_train_result *r,
                          const struct sk_figures *f, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(JSON_BYTES);
    char now[SK_TIME_TEXT], print[SK_SHA256_HEX];

    if (sk_settings_fingerprint(t, print, err) < 0)
        return -1;
    sk_time_text(sk_wall_ms(), now);
    sk_buf_fmt(&out,
               "{\n  \"format\": \"skerry-training-1\",\n  \"skerry\": \"" SK_VERSION "\",\n"
               "  \"engine\": \"%s\",\n  \"written\": \"%s\",\n",
               sk_nn_engine_name(), now);
    sk_buf_fmt(&out, "  \"finished\": %s,\n  \"interrupted\": %s,\n  \"stopped_early\": %s,\n",
               r->interrupted ? "false" : "true", r->interrupted ? "true" : "false",
               r->stopped_early ? "true" : "false");
    sk_buf_fmt(&out,
               "  \"fingerprint\": \"%s\",\n  \"data_digest\": \"%s\",\n  \"seed\": %llu,\n  "
               "\"weights\": ",
               print, t->data_digest, (unsigned long long)t->o->seed);
    sk_buf_json_str(&out, t->weights_from);
    sk_buf_fmt(&out, ",\n  \"synthetic_data\": %s", sk_train_synthetic(t) ? "true" : "false");
    sk_buf_fmt(&out, ",\n  \"threads\": %u,\n  \"processes\": %u,\n  \"steps\": %llu,\n",
               sk_nn_threads(), sk_comm_size(t->comm), (unsigned long long)t->state.step);
    sk_buf_str(&out, "  \"settings\": {");
    sk_settings_json(t->o, &out);
    sk_buf_str(&out, "},\n");
    write_data(t, &out);
    write_epochs(t, &out);
    sk_buf_str(&out, "  \"seconds\": ");
    sk_buf_num(&out, r->seconds, 9);
    sk_buf_fmt(&out, ",\n  \"evaluated_on\": \"%s\",\n  \"evaluation\": ",
               f ? (r->validated ? "validation" : "training") : "nothing");
    if (f) {
        sk_buf_chr(&out, '{');
        sk_figures_json(f, true, &out);
        sk_buf_chr(&out, '}');
    } else {
        sk_buf_str(&out, "null");
    }
    sk_buf_str(&out, "\n}\n");
    return write_file(t, "training.json", &out, err);
}

/* ---- report.html ---- */

static int thumbnail(struct sk_train *t, uint32_t index, struct sk_image *img, struct sk_wrong *out,
                     struct sk_err *err)
{
    uint8_t *jpeg = NULL;

    SK_AUTO(sk_image_done) struct sk_image small = { 0 };
    struct sk_resize to = { .out_w = THUMB, .out_h = THUMB, .filter = SK_FILTER_BILINEAR };

    if (sk_source_pixels(t->judged_source, index, img, err) < 0)
        return -1;
    if (img->width > THUMB) {
        if (sk_image_resize(img, &to, &small, err) < 0)
            return -1;
        img = &small;
    }
    if (sk_image_encode_jpeg(img, THUMB_QUALITY, &jpeg, &out->jpeg_len, err) < 0)
        return -1;
    out->jpeg = jpeg;
    return 0;
}

/* The most certain mistakes. A picture that can no longer be read is shown without a thumbnail. */
static size_t list_wrong(struct sk_train *t, struct sk_wrong *out)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    size_t classes = t->data->class_count;
    uint32_t rows[WRONG];
    size_t count = sk_report_most_wrong(t->truth, t->probabilities, t->judged->count, classes,
                                        WRONG, rows);

    for (size_t i = 0; i < count; i++) {
        const float *p = t->probabilities + rows[i] * classes;
        uint32_t index = t->judged->items[rows[i]], best = (uint32_t)best_of(p, classes);
        struct sk_err err = SK_ERR_INIT;

        out[i] = (struct sk_wrong){ .path = t->judged_data->samples[index].path,
                                    .truth = t->truth[rows[i]],
                                    .predicted = best,
                                    .probability = (double)p[best] };
        (void)thumbnail(t, index, &img, &out[i], &err);
    }
    return count;
}

/* Rows of the page's table of settings. */
static void list_settings(const struct sk_train *t, char (*text)[64], const char **out)
{
    const struct sk_train_options *o = t->o;
    size_t n = 0;

    (void)snprintf(text[0], sizeof(text[0]), "%u x %u", o->side, o->side);
    (void)snprintf(text[1], sizeof(text[1]), "%u", o->batch);
    (void)snprintf(text[2], sizeof(text[2]), "%u of %u", t->state.epoch, o->epochs);
    (void)snprintf(text[3], sizeof(text[3]), "%s, %g, %s", sk_optimizer_name(o->optimizer), o->lr,
                   sk_schedule_name(o->schedule));
    (void)snprintf(text[4], sizeof(text[4]), "%llu", (unsigned long long)o->seed);
    (void)snprintf(text[5], sizeof(text[5]), "%zu for training, %zu for validation", t->train.count,
                   t->val.count);

    const char *const rows[] = { "Architecture",
                                 t->arch->name,
                                 "Weights",
                                 t->weights_from,
                                 "Pictures",
                                 text[5],
                                 "Picture size",
                                 text[0],
                                 "Batch size",
                                 text[1],
                                 "Epochs",
                                 text[2],
                                 "Optimiser, learning rate, schedule",
                                 text[3],
                                 "Seed",
                                 text[4],
                                 "Precision",
                                 o->precision == SK_NN_BF16 ? "bf16" : "f32",
                                 "Engine",
                                 sk_nn_engine_name(),
                                 "Data digest",
                                 t->data_digest,
                                 NULL };

    for (n = 0; n < sizeof(rows) / sizeof(rows[0]); n++)
        out[n] = rows[n];
}

static int write_report(struct sk_train *t, const char *name, const struct sk_train_result *r,
                        const struct sk_figures *f, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf page = SK_BUF_INIT(PAGE_BYTES);
    struct sk_wrong wrong[WRONG] = { 0 };
    char text[6][64], subtitle[128], of[128];
    const char *settings[24] = { NULL };
    size_t count = f ? list_wrong(t, wrong) : 0;

    list_settings(t, text, settings);
    (void)snprintf(subtitle, sizeof(subtitle), "%s, %u x %u, %u epoch%s%s", t->arch->name,
                   t->o->side, t->o->side, t->state.epoch, t->state.epoch == 1 ? "" : "s",
                   r->interrupted ? " (interrupted)" : "");
    (void)snprintf(of, sizeof(of), "%s (%zu pictures)",
                   r->validated ? "validation" : "the training pictures", f ? f->count : 0);

    struct sk_report report = { .title = name,
                                .subtitle = subtitle,
                                .figures = f,
                                .figures_of = of,
                                .epochs = t->state.history,
                                .epoch_count = t->state.epoch,
                                .wrong = wrong,
                                .wrong_count = count,
                                .settings = settings,
                                .note = sk_train_synthetic(t) };
    int rc = sk_report_html(&report, &page, err);

    for (size_t i = 0; i < count; i++)
        free((void *)(uintptr_t)wrong[i].jpeg);
    return rc < 0 ? -1 : write_file(t, "report.html", &page, err);
}

/* Between here and the new record nothing says that the bundle is finished: a crash leaves no
 * mixture that --reuse takes for whole. */
static int remove_record(const struct sk_train *t, struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, "training.json");

    if (!path)
        return sk_nomem(err);
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "%s", path);
    return 0;
}

int sk_train_write_bundle(struct sk_train *t, const struct sk_train_result *r, struct sk_err *err)
{
    SK_OWN(sk_figures_free) struct sk_figures *f = NULL;
    SK_OWN(free) char *name = NULL;
    bool has_test = false;
    int rc = 0;

    if (!t->is_first)
        return 0;
    if (bundle_name(t, &name, err) < 0 || remove_record(t, err) < 0)
        return -1;
    if (r->has_figures &&
        sk_figures_new((const char *const *)t->data->classes, t->data->class_count, t->truth,
                       t->probabilities, t->judged->count, NULL, &f, err) < 0)
        return -1;
    sk_train_swap_final(t);
    rc = write_model(t, name, err);
    sk_train_swap_final(t);
    if (rc < 0 || write_preprocessor(t, err) < 0 || write_config(t, err) < 0 ||
        write_test_image(t, r->has_figures, &has_test, err) < 0 ||
        write_skerry(t, name, has_test, err) < 0 || write_report(t, name, r, f, err) < 0 ||
        write_training(t, r, f, err) < 0)
        return sk_wrap(err, "writing the bundle");
    return 0;
}

int sk_train_is_finished(const struct sk_train *t, bool *out, struct sk_train_result *r,
                         struct sk_err *err)
{
    SK_OWN(free) char *path = sk_path_join(t->o->output_dir, "training.json");
    SK_OWN(free) char *model = sk_path_join(t->o->output_dir, t->o->onnx_name);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    char print[SK_SHA256_HEX];

    *out = false;
    if (!path || !model)
        return sk_nomem(err);
    if (sk_settings_fingerprint(t, print, err) < 0)
        return -1;
    if (!sk_is_file(model) || !sk_is_file(path) || sk_json_file(path, &doc, &ignored) < 0)
        return 0;

    const struct sk_json *evaluation = sk_json_get(doc, "evaluation");
    size_t epochs = sk_json_count(sk_json_get(doc, "epochs"));

    if (strcmp(sk_json_get_text(doc, "fingerprint", ""), print) != 0 ||
        !sk_json_bool(sk_json_get(doc, "finished"), false))
        return 0;
    r->stopped_early = sk_json_bool(sk_json_get(doc, "stopped_early"), false);
    if (epochs != t->o->epochs && !r->stopped_early)
        return 0;
    r->accuracy = sk_json_num(sk_json_get(evaluation, "accuracy"), NAN);
    r->loss = sk_json_num(sk_json_get(evaluation, "loss"), NAN);
    r->has_figures = !isnan(r->accuracy);
    r->validated = strcmp(sk_json_get_text(doc, "evaluated_on", ""), "validation") == 0;
    *out = true;
    return 0;
}
