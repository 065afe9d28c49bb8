/*
 * setup.c - what training needs before its first step: the pictures, checked, and the network with
 * its first weights.
 */
#include "base/file.h"
#include "base/str.h"
#include "hf/hf.h"
#include "prep/prep.h"
#include "train/train_priv.h"
#include "weights/weights.h"

#include <stdlib.h>
#include <string.h>

enum {
    NAMED = 3 /* files that a message names */
};

/* ---- data ---- */

const char *sk_train_synthetic(const struct sk_train *t)
{
    return sk_report_note(t->data->samples[0].path);
}

static void note_others(const struct sk_train *t, const struct sk_dataset *d)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 14);

    if (d->other_count == 0)
        return;
    for (size_t i = 0; i < d->other_count && i < NAMED; i++)
        sk_buf_fmt(&names, "%s%s", i ? ", " : "", d->others[i]);
    sk_train_note(t, "%zu files are no pictures by their extension and were left out: %s%s",
                  d->other_count, sk_buf_ok(&names) ? names.data : "",
                  d->other_count > NAMED ? ", ..." : "");
}

static int check_classes(const struct sk_dataset *d, struct sk_err *err)
{
    if (d->class_count > SK_FIGURES_MAX_CLASSES)
        return sk_fail(err, SK_LIMIT, "%s: %zu classes, at most %d", d->root, d->class_count,
                       SK_FIGURES_MAX_CLASSES);
    return 0;
}

/* A folder one too high: its classes would be the sets. */
static void note_sets(const struct sk_train *t, const struct sk_dataset *d)
{
    static const char *const sets[] = { "train", "val", "valid", "validation", "test" };

    for (size_t c = 0; c < d->class_count; c++) {
        bool is_set = false;

        for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++)
            is_set |= strcmp(d->classes[c], sets[i]) == 0;
        if (!is_set)
            return;
    }
    sk_train_note(t,
                  "the classes are called '%s' and '%s': if these are sets of pictures, give "
                  "--data-path %s/train and --val-path instead",
                  d->classes[0], d->classes[d->class_count - 1], d->root);
}

int sk_train_open_data(struct sk_train *t, struct sk_err *err)
{
    const struct sk_train_options *o = t->o;

    if (sk_dataset_open(o->data_path, NULL, &t->data, err) < 0 || check_classes(t->data, err) < 0)
        return -1;
    note_others(t, t->data);
    note_sets(t, t->data);
    if (sk_train_synthetic(t))
        sk_train_note(t, "%s", sk_train_synthetic(t));
    if (!o->val_path)
        return 0;
    if (sk_dataset_open(o->val_path, t->data, &t->val_data, err) < 0)
        return sk_wrap(err, "--val-path");
    note_others(t, t->val_data);
    return 0;
}

struct checking {
    const struct sk_train *t;
    size_t before, total; /* pictures of the folders already checked, of all folders */
};

static bool checked(void *ctx, size_t done, size_t total)
{
    const struct checking *c = ctx;

    (void)total;
    if (c->t->is_first && c->t->watch->checked)
        c->t->watch->checked(c->t->watch->ctx, c->before + done, c->total);
    return !sk_train_stopped(c->t);
}

/* Broken pictures end training with the first one's name, or are named as left out. */
static int note_bad(const struct sk_train *t, const struct sk_source *source, struct sk_err *err)
{
    size_t count = 0;
    const struct sk_bad *bad = sk_source_bad(source, &count);

    if (count > 0 && !t->o->skip_bad)
        return sk_fail(err, SK_CORRUPT, "%s%s; --skip-bad leaves %s out", bad[0].text,
                       count > 1 ? " (and others)" : "", count > 1 ? "them" : "it");
    for (size_t i = 0; i < count && i < NAMED; i++)
        sk_train_note(t, "left out: %s", bad[i].text);
    if (count > NAMED)
        sk_train_note(t, "left out: %zu more", count - NAMED);
    return 0;
}

/* Takes broken pictures out of a dataset's indices; both are sorted. */
static void leave_out_bad(const struct sk_source *source, struct sk_indices *which)
{
    size_t bad_count = 0, kept = 0, next = 0;
    const struct sk_bad *bad = sk_source_bad(source, &bad_count);

    for (size_t i = 0; i < which->count; i++) {
        while (next < bad_count && bad[next].index < which->items[i])
            next++;
        if (next == bad_count || bad[next].index != which->items[i])
            which->items[kept++] = which->items[i];
    }
    which->count = kept;
}

/* After broken pictures are gone every class must still have one. */
static int check_counts(const struct sk_train *t, size_t *counts, struct sk_err *err)
{
    for (size_t i = 0; i < t->train.count; i++)
        counts[t->data->samples[t->train.items[i]].label]++;
    for (size_t c = 0; c < t->data->class_count; c++) {
        if (counts[c] == 0)
            return sk_fail(err, SK_INVALID, "%s: class '%s' has no picture left to train on",
                           t->data->root, t->data->classes[c]);
    }

    size_t last = t->train.count % t->o->batch;
    unsigned size = sk_comm_size(t->comm);

    if (t->o->batch < size || (last > 0 && last < size))
        return sk_fail(err, SK_INVALID,
                       "a batch of %zu pictures cannot be shared by %u processes; choose another "
                       "--batch-size",
                       last > 0 && last < size ? last : t->o->batch, size);
    return 0;
}

/* n / (classes * n_c), scikit-learn's "balanced". */
static int weigh_classes(struct sk_train *t, const size_t *counts, struct sk_err *err)
{
    size_t classes = t->data->class_count;

    if (!t->o->balance)
        return 0;
    t->class_weights = calloc(classes, sizeof(*t->class_weights));
    if (!t->class_weights)
        return sk_nomem(err);
    for (size_t c = 0; c < classes; c++)
        t->class_weights[c] = (float)((double)t->train.count /
                                      ((double)classes * (double)counts[c]));
    return 0;
}

int sk_train_check_data(struct sk_train *t, struct sk_err *err)
{
    const struct sk_train_options *o = t->o;
    struct checking c = { t, 0, t->data->count + (t->val_data ? t->val_data->count : 0) };
    struct sk_source_options opts = { .side = o->side,
                                      .threads = o->workers,
                                      .cache_bytes = o->cache_bytes,
                                      .max_pixels = o->max_pixels,
                                      .progress = checked,
                                      .ctx = &c };

    for (int i = 0; i < 3; i++) {
        opts.mean[i] = (float)sk_imagenet_mean[i];
        opts.std[i] = (float)sk_imagenet_std[i];
    }
    if (sk_source_open(t->data, &opts, &t->source, err) < 0)
        return -1;
    memcpy(t->data_digest, sk_source_digest(t->source), SK_SHA256_HEX);

    uint64_t used = (uint64_t)sk_source_cached(t->source) * o->side * o->side * 3;

    c.before = t->data->count;
    opts.cache_bytes = o->cache_bytes > used ? o->cache_bytes - used : 0;
    if (t->val_data && sk_source_open(t->val_data, &opts, &t->val_source, err) < 0)
        return -1;
    if (t->val_data)
        memcpy(t->val_digest, sk_source_digest(t->val_source), SK_SHA256_HEX);

    if (o->val_path ? sk_dataset_all(t->data, &t->train, err) < 0 ||
                          sk_dataset_all(t->val_data, &t->val, err) < 0
        : o->val_split > 0
            ? sk_dataset_split(t->data, o->val_split, o->seed, &t->train, &t->val, err) < 0
            : sk_dataset_all(t->data, &t->train, err) < 0)
        return -1;
    if (note_bad(t, t->source, err) < 0 || (t->val_source && note_bad(t, t->val_source, err) < 0))
        return -1;
    leave_out_bad(t->source, &t->train);
    leave_out_bad(t->val_source ? t->val_source : t->source, &t->val);
    if ((o->val_path || o->val_split > 0) && t->val.count == 0)
        return sk_fail(err, SK_INVALID, "%s: no picture is left for validation",
                       o->val_path ? o->val_path : o->data_path);
    SK_OWN(free) size_t *counts = calloc(t->data->class_count, sizeof(*counts));

    if (!counts)
        return sk_nomem(err);
    if (check_counts(t, counts, err) < 0)
        return -1;
    return weigh_classes(t, counts, err);
}

/* ---- network ---- */

static bool fetched(void *ctx, const char *file, uint64_t done, uint64_t total)
{
    const struct sk_train *t = ctx;

    if (t->is_first && t->watch->fetched)
        t->watch->fetched(t->watch->ctx, file, done, total);
    return !sk_train_stopped(t);
}

/* The file behind --weights. from: as training.json has it. */
static int find_weights(struct sk_train *t, const char *spec, char **path, char **from,
                        struct sk_err *err)
{
    static const char *const files[] = { "model.safetensors", "pytorch_model.bin", NULL };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(4096);
    SK_OWN(free) char *commit = NULL;

    if (!sk_starts_with(spec, "hf:")) {
        *path = strdup(spec);
        *from = strdup(spec);
        return *path && *from ? 0 : sk_nomem(err);
    }

    struct sk_hf_options opts = { .progress = fetched, .ctx = t };

    if (sk_hf_get(spec, files, &opts, path, &commit, err) < 0)
        return -1;
    sk_buf_add(&text, spec, commit ? strcspn(spec, "@") : strlen(spec));
    if (commit)
        sk_buf_fmt(&text, "@%s", commit);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    *from = sk_buf_take(&text);
    return 0;
}

static int load_weights(struct sk_train *t, const char *spec, struct sk_err *err)
{
    SK_OWN(free) char *path = NULL;
    SK_OWN(sk_weights_free) struct sk_weights *w = NULL;
    struct sk_arch_loaded loaded = { 0 };

    if (find_weights(t, spec, &path, &t->weights_from, err) < 0)
        return -1;
    if (sk_weights_open(path, &w, err) < 0 || sk_arch_load(t->arch, t->nn, w, &loaded, err) < 0)
        return sk_wrap(err, "%s", spec);
    sk_train_note(t, "weights: %s, %zu tensors in %s's naming", t->weights_from, loaded.tensors,
                  loaded.naming);
    if (loaded.head_replaced)
        sk_train_note(t, "%s: %u classes there, %zu here; this layer starts from random weights",
                      t->arch->head, loaded.file_classes, t->data->class_count);
    return 0;
}

int sk_train_first_weights(struct sk_train *t, struct sk_err *err)
{
    char hub[256];

    if (t->o->weights && strcmp(t->o->weights, "none") == 0) {
        t->weights_from = strdup("none");
        return t->weights_from ? 0 : sk_nomem(err);
    }
    if (t->o->weights)
        return load_weights(t, t->o->weights, err);
    (void)snprintf(hub, sizeof(hub), "hf:%s", t->arch->hub);
    if (load_weights(t, hub, err) < 0)
        return sk_wrap(
            err,
            "pretrained weights (--weights none starts from random ones, --weights FILE from a "
            "file)");
    return 0;
}

static void freeze(struct sk_nn *n, const char *head)
{
    size_t len = strlen(head);

    for (size_t i = 0; i < sk_nn_param_count(n); i++) {
        struct sk_nn_param *p = sk_nn_param(n, i);

        p->frozen = strncmp(p->name, head, len) != 0 || p->name[len] != '.';
    }
}

int sk_train_open_network(struct sk_train *t, struct sk_err *err)
{
    const struct sk_train_options *o = t->o;

    if (sk_arch_new(t->arch, (unsigned)t->data->class_count, o->side, o->seed, &t->nn, err) < 0)
        return -1;
    if (o->freeze_backbone)
        freeze(t->nn, t->arch->head);
    sk_nn_touch(t->nn);
    return 0;
}
