/*
 * track_body.c - a training in MLflow's words: the bodies of what sk_track sends.
 *
 * Settings become parameters, under the names of their options; the figures of an epoch become
 * metrics with the epoch as step. Figures that are not there (no validation) are left out.
 */
#include "cli/track_priv.h"

#include "dataset/dataset.h"

#include <inttypes.h>
#include <math.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void text(struct sk_buf *out, const char *value)
{
    sk_buf_json_str(out, value);
}

static void begin(struct sk_buf *out, const char *run_id, const char *list)
{
    sk_buf_str(out, "{\"run_id\":");
    text(out, run_id);
    sk_buf_fmt(out, ",\"%s\":[", list);
}

static void pair(struct sk_buf *out, const char *key, const char *value)
{
    if (out->len && out->data[out->len - 1] == '}')
        sk_buf_chr(out, ',');
    sk_buf_str(out, "{\"key\":");
    text(out, key);
    sk_buf_str(out, ",\"value\":");
    text(out, value);
    sk_buf_chr(out, '}');
}

static void number(struct sk_buf *out, const char *key, double value)
{
    char digits[40];

    (void)snprintf(digits, sizeof(digits), "%.9g", value);
    pair(out, key, digits);
}

static void flag(struct sk_buf *out, const char *key, bool value)
{
    pair(out, key, value ? "true" : "false");
}

static void metric(struct sk_buf *out, const char *key, double value, int64_t at_ms, int64_t step)
{
    if (isnan(value))
        return;
    if (out->len && out->data[out->len - 1] == '}')
        sk_buf_chr(out, ',');
    sk_buf_str(out, "{\"key\":");
    text(out, key);
    sk_buf_str(out, ",\"value\":");
    if (isinf(value))
        sk_buf_str(out, value > 0 ? "\"Infinity\"" : "\"-Infinity\"");
    else
        sk_buf_num(out, value, 17);
    sk_buf_fmt(out, ",\"timestamp\":%" PRId64 ",\"step\":%" PRId64 "}", at_ms, step);
}

static const char *user_name(void)
{
    const char *name = getenv("USER");
    const struct passwd *entry = name && *name ? NULL : getpwuid(geteuid());

    if (name && *name)
        return name;
    return entry && entry->pw_name ? entry->pw_name : "unknown";
}

void sk_track_write_run(const struct sk_track_options *o, const char *experiment_id,
                        const char *tracking_id, int64_t start_ms, struct sk_buf *out)
{
    sk_buf_str(out, "{\"experiment_id\":");
    text(out, experiment_id);
    sk_buf_str(out, ",\"user_id\":");
    text(out, user_name());
    if (o->run_name) {
        sk_buf_str(out, ",\"run_name\":");
        text(out, o->run_name);
    }
    sk_buf_fmt(out, ",\"start_time\":%" PRId64 ",\"tags\":[", start_ms);
    pair(out, "mlflow.user", user_name());
    pair(out, "mlflow.source.name", "skerry train");
    pair(out, "mlflow.source.type", "LOCAL");
    pair(out, "skerry.tracking_id", tracking_id);
    if (o->train->resume)
        pair(out, "skerry.resumed", "true");
    sk_buf_str(out, "]}");
}

static void write_augment(unsigned augment, struct sk_buf *out)
{
    static const struct {
        unsigned bit;
        const char *name;
    } rows[] = { { SK_AUG_FLIP, "flip" },
                 { SK_AUG_CROP, "crop" },
                 { SK_AUG_ROTATE, "rotate" },
                 { SK_AUG_COLOR, "color" },
                 { SK_AUG_ERASE, "erase" } };

    char names[64] = "";

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t len = strlen(names);

        if (augment & rows[i].bit)
            (void)snprintf(names + len, sizeof(names) - len, "%s%s", len ? "," : "", rows[i].name);
    }
    pair(out, "augment", *names ? names : "none");
}

void sk_track_write_settings(const struct sk_train_options *o, const char *run_id,
                             struct sk_buf *out)
{
    begin(out, run_id, "params");
    pair(out, "arch", o->arch);
    pair(out, "weights", o->weights ? o->weights : "pretrained");
    pair(out, "data_path", o->data_path);
    if (o->val_path)
        pair(out, "val_path", o->val_path);
    number(out, "val_split", o->val_split);
    number(out, "image_size", o->side);
    number(out, "batch_size", o->batch);
    number(out, "epochs", o->epochs);
    pair(out, "optimizer", sk_optimizer_name(o->optimizer));
    number(out, "lr", o->lr);
    number(out, "weight_decay", o->weight_decay);
    if (o->optimizer == SK_OPTIM_SGD)
        number(out, "momentum", o->momentum);
    pair(out, "schedule", sk_schedule_name(o->schedule));
    number(out, "warmup_epochs", o->warmup_epochs);
    if (o->schedule == SK_SCHED_STEP) {
        number(out, "step_epochs", o->step_epochs);
        number(out, "step_gamma", o->step_gamma);
    }
    number(out, "label_smoothing", o->label_smoothing);
    number(out, "clip_norm", o->clip_norm);
    number(out, "ema", o->ema);
    pair(out, "class_weights", o->balance ? "balanced" : "none");
    pair(out, "freeze", o->freeze_backbone ? "backbone" : "none");
    write_augment(o->augment, out);
    number(out, "patience", o->patience);
    pair(out, "precision", o->precision == SK_NN_BF16 ? "bf16" : "f32");
    flag(out, "sync_bn", o->sync_bn);

    char seed[24];
    (void)snprintf(seed, sizeof(seed), "%" PRIu64, o->seed);
    pair(out, "seed", seed);
    sk_buf_str(out, "]}");
}

void sk_track_write_points(const struct sk_track_point *points, size_t count, const char *run_id,
                           struct sk_buf *out)
{
    begin(out, run_id, "metrics");
    for (size_t i = 0; i < count; i++) {
        const struct sk_train_epoch *e = &points[i].epoch;
        int64_t at_ms = points[i].at_ms;

        metric(out, "loss", e->loss, at_ms, e->epoch);
        metric(out, "accuracy", e->accuracy, at_ms, e->epoch);
        metric(out, "val_loss", e->val_loss, at_ms, e->epoch);
        metric(out, "val_accuracy", e->val_accuracy, at_ms, e->epoch);
        metric(out, "lr", e->lr, at_ms, e->epoch);
        metric(out, "epoch_seconds", e->seconds, at_ms, e->epoch);
        metric(out, "images_per_second", e->images_per_s, at_ms, e->epoch);
    }
    sk_buf_str(out, "]}");
}

void sk_track_write_result(const struct sk_train_result *r, unsigned epoch, int64_t at_ms,
                           const char *run_id, struct sk_buf *out)
{
    begin(out, run_id, "metrics");
    metric(out, "final_accuracy", r->accuracy, at_ms, epoch);
    metric(out, "final_loss", r->loss, at_ms, epoch);
    metric(out, "training_seconds", r->seconds, at_ms, epoch);
    sk_buf_str(out, "],\"tags\":[");
    pair(out, "skerry.evaluated_on", r->validated ? "validation" : "training");
    if (r->stopped_early)
        pair(out, "skerry.stopped_early", "true");
    sk_buf_str(out, "]}");
}

void sk_track_write_failure(const char *why, const char *run_id, struct sk_buf *out)
{
    begin(out, run_id, "tags");
    pair(out, "skerry.error", why);
    sk_buf_str(out, "]}");
}

void sk_track_write_lacks(const char *what, const char *run_id, struct sk_buf *out)
{
    begin(out, run_id, "tags");
    pair(out, "skerry.incomplete", what);
    sk_buf_str(out, "]}");
}

const char *sk_track_status(const struct sk_train_result *r)
{
    if (!r)
        return "FAILED";
    return r->interrupted ? "KILLED" : "FINISHED";
}
