/*
 * bundle.c - opens a bundle: finds the model, looks into it, reads the files beside it.
 *
 *   config.json                labels, problem_type; of timm models also the preprocessing
 *   preprocessor_config.json   kept as JSON for prep
 *   skerry.json                settings.c
 *   labels.txt                 labels when config.json has none
 *
 * Labels come from the first of: --labels, config.json (id2label, label2id, label_names),
 * labels.txt.
 */
#include "bundle/bundle.h"

#include "base/limits.h"
#include "base/str.h"
#include "bundle/bundle_priv.h"

#include <stdlib.h>
#include <string.h>

void sk_bundle_free(struct sk_bundle *b)
{
    struct sk_labels labels;

    if (!b)
        return;
    labels = (struct sk_labels){ b->labels, b->label_count };
    sk_labels_done(&labels);
    free(b->path);
    free(b->folder);
    free(b->model_path);
    free(b->name);
    free(b->description);
    sk_onnx_free(b->onnx);
    sk_json_free(b->prep_config);
    free(b->output);
    free(b->warmup_image);
    sk_bundle_test_free(b->test);
    free(b->warnings);
    free(b);
}

/* *out stays NULL when the file does not exist. */
static int read_sidecar(const struct sk_bundle *b, const char *name, struct sk_json **out,
                        struct sk_err *err)
{
    SK_AUTO(free_cleanup) char *path = sk_path_join(b->folder, name);

    if (!path)
        return sk_nomem(err);
    return sk_is_file(path) ? sk_json_file(path, out, err) : 0;
}

static void keep_labels(struct sk_bundle *b, struct sk_labels *l)
{
    b->labels = l->names;
    b->label_count = l->count;
    *l = (struct sk_labels){ 0 };
}

static int read_problem(const struct sk_json *config, struct sk_bundle *b, struct sk_buf *warnings,
                        struct sk_err *err)
{
    const char *type = NULL;

    if (sk_json_want_text(config, "problem_type", &type, err) < 0)
        return -1;
    b->multi_label = type && strcmp(type, "multi_label_classification") == 0;
    if (type && !b->multi_label && strcmp(type, "single_label_classification") != 0)
        sk_bundle_warn(warnings,
                       "config.json: problem_type '%.64s' is not known here and is ignored", type);
    return 0;
}

static int check_count(const struct sk_json *config, const struct sk_bundle *b,
                       struct sk_buf *warnings, struct sk_err *err)
{
    int64_t count = -1;

    if (sk_json_want_int(config, "num_labels", 0, SK_LIMIT_LABELS, &count, err) < 0)
        return -1;
    if (count >= 0 && b->labels && (size_t)count != b->label_count)
        sk_bundle_warn(warnings, "config.json: num_labels is %lld, but there are %zu labels",
                       (long long)count, b->label_count);
    return 0;
}

/* timm keeps the preprocessing here too; prep knows both forms. */
static bool has_timm_preprocessing(const struct sk_json *config)
{
    return sk_json_type(sk_json_get(config, "pretrained_cfg")) == SK_JSON_OBJECT ||
           sk_json_type(sk_json_get(config, "input_size")) == SK_JSON_ARRAY;
}

static int apply_config(const struct sk_json *config, struct sk_bundle *b, struct sk_buf *warnings,
                        struct sk_err *err)
{
    SK_AUTO(sk_labels_done) struct sk_labels labels = { 0 };

    if (sk_json_type(config) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(config)));
    if (read_problem(config, b, warnings, err) < 0)
        return -1;
    if (!b->labels) {
        if (sk_labels_from_config(config, &labels, err) < 0)
            return -1;
        keep_labels(b, &labels);
    }
    return check_count(config, b, warnings, err);
}

static int read_config(struct sk_bundle *b, struct sk_buf *warnings, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *config = NULL;

    if (read_sidecar(b, "preprocessor_config.json", &b->prep_config, err) < 0 ||
        read_sidecar(b, "config.json", &config, err) < 0)
        return -1;
    if (!config)
        return 0;
    if (apply_config(config, b, warnings, err) < 0)
        return sk_wrap(err, "'%s/config.json'", b->folder);
    if (!b->prep_config && has_timm_preprocessing(config))
        b->prep_config = SK_TAKE(config);
    return 0;
}

static int read_settings(struct sk_bundle *b, struct sk_buf *warnings, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    if (read_sidecar(b, "skerry.json", &doc, err) < 0)
        return -1;
    if (doc && sk_bundle_settings(doc, b, warnings, err) < 0)
        return sk_wrap(err, "'%s/skerry.json'", b->folder);
    return 0;
}

static int read_labels_txt(struct sk_bundle *b, struct sk_err *err)
{
    SK_AUTO(sk_labels_done) struct sk_labels labels = { 0 };
    SK_AUTO(free_cleanup) char *path = sk_path_join(b->folder, "labels.txt");

    if (!path)
        return sk_nomem(err);
    if (!sk_is_file(path))
        return 0;
    if (sk_labels_from_file(path, &labels, err) < 0)
        return -1;
    keep_labels(b, &labels);
    return 0;
}

/* The folder's or the file's own name. */
static int make_name(struct sk_bundle *b, struct sk_err *err)
{
    size_t len;

    if (b->name)
        return 0;
    b->name = sk_path_name(b->path);
    if (!b->name)
        return sk_nomem(err);
    len = strlen(b->name);
    if (sk_ends_with(b->name, ".onnx") && len > strlen(".onnx") && sk_is_file(b->path))
        b->name[len - strlen(".onnx")] = '\0';
    return 0;
}

static int fill(struct sk_bundle *b, const char *labels_file, struct sk_buf *warnings,
                struct sk_err *err)
{
    struct sk_bundle_place place = { 0 };

    if (sk_bundle_find(b->path, &place, warnings, err) < 0)
        return -1;
    b->folder = place.folder;
    b->model_path = place.model_path;
    if (sk_onnx_inspect(b->model_path, &b->onnx, err) < 0)
        return -1;
    if (labels_file) {
        SK_AUTO(sk_labels_done) struct sk_labels labels = { 0 };

        if (sk_labels_from_file(labels_file, &labels, err) < 0)
            return -1;
        keep_labels(b, &labels);
    }
    if (place.has_sidecars &&
        (read_config(b, warnings, err) < 0 || read_settings(b, warnings, err) < 0))
        return -1;
    if (place.has_sidecars && !b->labels && read_labels_txt(b, err) < 0)
        return -1;
    return make_name(b, err);
}

int sk_bundle_open(const char *path, const char *labels_file, struct sk_bundle **out,
                   struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf warnings = SK_BUF_INIT(64 << 10);
    SK_OWN(sk_bundle_free) struct sk_bundle *b = calloc(1, sizeof(*b));

    if (!b)
        return sk_nomem(err);
    b->path = strdup(path);
    if (!b->path)
        return sk_nomem(err);
    if (fill(b, labels_file, &warnings, err) < 0)
        return -1;
    if (warnings.failed == SK_NOMEM)
        return sk_nomem(err);
    if (sk_buf_ok(&warnings))
        b->warnings = sk_buf_take(&warnings); /* NULL: none */
    *out = SK_TAKE(b);
    return 0;
}

const char *sk_bundle_label(const struct sk_bundle *b, size_t index, char *buf)
{
    if (b->labels && index < b->label_count)
        return b->labels[index];
    (void)snprintf(buf, 24, "class_%zu", index);
    return buf;
}
