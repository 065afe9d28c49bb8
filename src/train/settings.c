/*
 * settings.c - the options that decide the result: their ranges, their text for training.json, and
 * the fingerprint by which a checkpoint knows its training.
 */
#include "base/file.h"
#include "base/str.h"
#include "bundle/bundle.h"
#include "train/train_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    TEXT_BYTES = 8 << 20
};

static void text(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, "\"%s\":", key);
    if (value)
        sk_buf_json_str(out, value);
    else
        sk_buf_str(out, "null");
    sk_buf_chr(out, ',');
}

static void number(struct sk_buf *out, const char *key, double value)
{
    sk_buf_fmt(out, "\"%s\":", key);
    sk_buf_num(out, value, 17);
    sk_buf_chr(out, ',');
}

static void flag(struct sk_buf *out, const char *key, bool value)
{
    sk_buf_fmt(out, "\"%s\":%s,", key, value ? "true" : "false");
}

void sk_settings_json(const struct sk_train_options *o, struct sk_buf *out)
{
    text(out, "arch", o->arch);
    text(out, "weights", o->weights);
    number(out, "image_size", o->side);
    number(out, "batch_size", o->batch);
    number(out, "epochs", o->epochs);
    number(out, "lr", o->lr);
    text(out, "optimizer", sk_optimizer_name(o->optimizer));
    number(out, "weight_decay", o->weight_decay);
    number(out, "momentum", o->momentum);
    text(out, "schedule", sk_schedule_name(o->schedule));
    number(out, "warmup_epochs", o->warmup_epochs);
    number(out, "step_epochs", o->step_epochs);
    number(out, "step_gamma", o->step_gamma);
    number(out, "label_smoothing", o->label_smoothing);
    number(out, "clip_norm", o->clip_norm);
    number(out, "ema", o->ema);
    number(out, "patience", o->patience);
    number(out, "val_split", o->val_path ? 0 : o->val_split);
    flag(out, "balance", o->balance);
    flag(out, "freeze_backbone", o->freeze_backbone);
    flag(out, "skip_bad", o->skip_bad);
    flag(out, "sync_bn", o->sync_bn);
    text(out, "precision", o->precision == SK_NN_BF16 ? "bf16" : "f32");
    sk_buf_str(out, "\"augment\":\"");
    sk_augment_print(o->augment, out);
    sk_buf_fmt(out, "\",\"seed\":%llu", (unsigned long long)o->seed);
}

int sk_settings_fingerprint(const struct sk_train *t, char *hex, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(TEXT_BYTES);
    struct sk_train_options o = *t->o;

    if (o.schedule != SK_SCHED_COSINE)
        o.epochs = 0; /* more epochs only go on */
    sk_settings_json(&o, &out);
    sk_buf_fmt(&out, ",%s,%s", t->data_digest, t->val_digest);
    for (size_t i = 0; i < t->data->class_count; i++)
        text(&out, "class", t->data->classes[i]);
    if (!sk_buf_ok(&out))
        return sk_buf_fail(&out, err);
    return sk_sha256_hex(out.data, out.len, hex, err);
}

bool sk_settings_is_name(char c)
{
    return sk_bundle_is_name_char(c) && c != '\'';
}

static int check_name(const char *name, struct sk_err *err)
{
    for (const char *c = name; c && *c; c++) {
        if (!sk_settings_is_name(*c))
            return sk_fail(err, SK_USAGE,
                           "--name '%s': no spaces, slashes, quotes or control characters", name);
    }
    if (name && (!*name || strlen(name) > SK_BUNDLE_NAME_BYTES))
        return sk_fail(err, SK_USAGE, "--name: 1 to %d bytes", SK_BUNDLE_NAME_BYTES);
    return 0;
}

/* Whether `path` is `folder` or lies below it. Folders that cannot be resolved are somebody else's
 * error. */
static bool lies_in(const char *path, const char *folder)
{
    SK_OWN(free) char *inner = realpath(path, NULL);
    SK_OWN(free) char *outer = folder ? realpath(folder, NULL) : NULL;
    size_t len = outer ? strlen(outer) : 0;

    return inner && outer && strncmp(inner, outer, len) == 0 &&
           (inner[len] == '/' || inner[len] == '\0');
}

/* A second .onnx file would make the output folder ambiguous as a bundle. */
static int check_output(const struct sk_train_options *o, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };

    if (strchr(o->onnx_name, '/') || !sk_ends_with(o->onnx_name, ".onnx"))
        return sk_fail(err, SK_USAGE, "--onnx-name '%s': a file name that ends in .onnx is needed",
                       o->onnx_name);
    if (sk_mkdirs(o->output_dir, 0777, err) < 0 || sk_dir_read(o->output_dir, &dir, err) < 0)
        return sk_wrap(err, "--output-dir");
    if (lies_in(o->output_dir, o->data_path) || lies_in(o->output_dir, o->val_path)) {
        (void)rmdir(o->output_dir); /* when it was made just now */
        return sk_fail(
            err, SK_USAGE,
            "--output-dir %s lies in the folder of the pictures, where it would be taken for a "
            "class; choose one outside",
            o->output_dir);
    }
    for (size_t i = 0; i < dir.count; i++) {
        if (sk_ends_with(dir.names[i], ".onnx") && strcmp(dir.names[i], o->onnx_name) != 0)
            return sk_fail(
                err, SK_EXISTS,
                "%s holds another model, %s; a bundle has one: choose another --output-dir "
                "or remove it",
                o->output_dir, dir.names[i]);
    }
    if (access(o->output_dir, W_OK | X_OK) < 0)
        return sk_fail_errno(err, "--output-dir %s", o->output_dir);
    return 0;
}

int sk_settings_check(const struct sk_train_options *o, struct sk_err *err)
{
    if (!sk_arch_find(o->arch))
        return sk_fail(err, SK_USAGE, "--arch '%s' is not known; there are %s", o->arch,
                       sk_arch_names());
    if (o->val_path && o->val_split > 0)
        return sk_fail(err, SK_USAGE, "--val-path and --val-split exclude each other");
    if (o->patience > 0 && !o->val_path && o->val_split <= 0)
        return sk_fail(err, SK_USAGE,
                       "--patience needs validation pictures: --val-path or --val-split");
    if (o->precision == SK_NN_BF16 && !sk_nn_has_bf16())
        return sk_fail(err, SK_UNSUPPORTED,
                       "--precision bf16: this CPU has neither AVX512-BF16 nor AMX; use f32 or "
                       "auto");
    if (check_name(o->name, err) < 0)
        return -1;
    return check_output(o, err);
}
