/*
 * train.h - trains a classifier from labelled folders and leaves a bundle.
 *
 * The path: dataset -> loader -> sk_nn_step (nn) -> optimiser -> validation -> checkpoint ->
 * export. Everything that decides the result is in struct sk_train_options and is written to
 * training.json; the same options, data and threads give the same bytes.
 *
 * Output folder: checkpoint.safetensors (from time to time and at the end), and at the end, or when
 * stopped, the bundle: model.onnx, model.safetensors, config.json, preprocessor_config.json,
 * skerry.json, training.json, report.html.
 */
#ifndef SK_TRAIN_TRAIN_H
#define SK_TRAIN_TRAIN_H

#include "base/err.h"
#include "nn/nn.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sk_optimizer {
    SK_OPTIM_SGD,
    SK_OPTIM_ADAM,
    SK_OPTIM_ADAMW,
    SK_OPTIM_COUNT
};

enum sk_schedule {
    SK_SCHED_CONSTANT,
    SK_SCHED_COSINE,
    SK_SCHED_STEP,
    SK_SCHED_COUNT
};

const char *sk_optimizer_name(enum sk_optimizer o); /* "adam" */
const char *sk_schedule_name(enum sk_schedule s);   /* "cosine" */

struct sk_train_options {
    const char *data_path, *val_path; /* val_path NULL: val_split of data_path; split 0: no
                                         validation */
    double val_split;
    const char *output_dir, *onnx_name;
    const char *name; /* of the bundle; NULL: output_dir's own */
    const char *arch;
    const char *weights; /* NULL: the architecture's on the hub; "none", a file, a bundle, "hf:..."
                          */
    unsigned side, batch, epochs;
    double lr, weight_decay, momentum; /* momentum: SGD */
    enum sk_optimizer optimizer;
    enum sk_schedule schedule;
    double warmup_epochs;
    unsigned step_epochs; /* step: times step_gamma every step_epochs */
    double step_gamma;
    double label_smoothing, clip_norm, ema; /* 0: off */
    bool balance;                           /* class weights n / (classes * n_c) */
    bool freeze_backbone, skip_bad, sync_bn;
    bool resume; /* go on from the checkpoint when there is one */
    bool reuse;  /* nothing to do when the bundle there was finished with these settings and this
                    data */
    unsigned patience; /* stop after so many epochs without a lower validation loss and keep the
                          best; 0: off */
    enum sk_nn_precision precision;
    unsigned augment; /* dataset.h */
    uint64_t seed;
    unsigned threads, workers; /* 0: sk_cpu_count() */
    uint64_t cache_bytes, max_pixels;
    uint64_t checkpoint_ms; /* least time between two checkpoints */
};

struct sk_train_batch {
    unsigned epoch, epochs;      /* epoch from 1 */
    size_t batch, batches;       /* done, of this epoch */
    double loss;                 /* mean of the batches of this epoch so far */
    double images_per_s, left_s; /* left_s: until the last epoch ends */
};

struct sk_train_epoch {
    unsigned epoch, epochs;
    double loss, accuracy; /* training: mean of the batches' means; share of right answers */
    double val_loss, val_accuracy; /* NaN: no validation */
    double lr, seconds, images_per_s;
    double waited_s; /* for the loader */
};

/* What happens on the way. Every function may be NULL. Called in the thread of sk_train, in a group
 * of processes by the first one only. */
struct sk_train_watch {
    void (*note)(void *ctx, const char *text); /* a sentence worth knowing */
    void (*checked)(void *ctx, size_t done, size_t total);
    void (*fetched)(void *ctx, const char *file, uint64_t done, uint64_t total);
    void (*batch)(void *ctx, const struct sk_train_batch *b);
    void (*epoch)(void *ctx, const struct sk_train_epoch *e);
    void *ctx;
};

/* The picture in the bundle whose result skerry.json has: "test". */
#define SK_TRAIN_TEST_IMAGE "test.png"

struct sk_train_result {
    bool reused, interrupted, stopped_early;
    bool validated; /* the figures are of validation pictures, else of the training pictures */
    bool has_figures;
    double accuracy, loss;
    double seconds;
    bool is_first; /* of the group of processes: the one that prints */
};

/* *stop becomes true on Ctrl-C: training ends after the batch and leaves bundle and checkpoint,
 * which is a success. Errors: what dataset, nn, arch, weights and hf report; SK_INVALID for a loss
 * that is not finite, naming step and learning rate, with the last good checkpoint kept; SK_IO for
 * a full disk, with the old files kept. */
int sk_train(const struct sk_train_options *o, const struct sk_train_watch *watch,
             const atomic_bool *stop, struct sk_train_result *out, struct sk_err *err) SK_CHECK;

#endif
