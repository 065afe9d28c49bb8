/*
 * train.h - trains a classifier from labelled folders and leaves a bundle.
 *
 * The path: dataset -> loader (dataset) -> sk_nn_step (nn) -> optimiser -> validation -> checkpoint ->
 * export. Everything that decides the result is in struct sk_train_options and is written to
 * training.json; the same options, data and threads give the same bytes.
 */
#ifndef SK_TRAIN_TRAIN_H
#define SK_TRAIN_TRAIN_H

#include "base/err.h"
#include "nn/nn.h"

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

struct sk_train_options {
    const char *data_path, *val_path; /* val_path NULL: val_split of data_path, 0: no validation */
    double val_split;
    const char *output_dir, *onnx_name; /* "model.onnx" */
    const char *name;                   /* of the bundle; NULL: output_dir's */
    const char *arch;
    const char *weights; /* NULL: the architecture's on the hub; "none", a file, a bundle, "hf:..."
                          */
    unsigned side, batch, epochs;
    double lr, weight_decay, momentum; /* momentum: SGD */
    enum sk_optimizer optimizer;
    enum sk_schedule schedule;
    unsigned warmup_epochs, step_epochs; /* step: times step_gamma every step_epochs */
    double step_gamma;
    double label_smoothing, clip_norm, ema; /* 0: off */
    bool balance;                           /* class weights n / (classes * n_c) */
    bool freeze_backbone, skip_bad, sync_bn, resume;
    unsigned patience; /* early stopping: epochs without a better validation loss; 0: off */
    enum sk_nn_precision precision;
    unsigned augment; /* dataset.h */
    uint64_t seed;
    unsigned threads, workers; /* 0: sk_cpu_count() */
    uint64_t cache_bytes, max_pixels;
    bool log_json, quiet;
};

/* Prints progress and epoch lines to stdout. *stop becomes true on Ctrl-C (set by a signal
 * handler): training ends after the batch and leaves bundle and checkpoint; that is a success.
 * Errors: what data, nn, arch, weights, hf report; SK_INVALID for a loss that is not finite, naming
 * step and learning rate, with the last good checkpoint kept. */
int sk_train(const struct sk_train_options *o, volatile bool *stop, struct sk_err *err) SK_CHECK;

#endif
