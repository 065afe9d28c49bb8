/*
 * train_priv.h - the parts of training that know each other. Data flows downwards: run.c prepares
 * (setup.c), trains (loop.c with optim.c and schedule.c), looks (validate.c), keeps (checkpoint.c)
 * and leaves the bundle (bundle.c).
 */
#ifndef SK_TRAIN_PRIV_H
#define SK_TRAIN_PRIV_H

#include "arch/arch.h"
#include "base/buf.h"
#include "comm/comm.h"
#include "dataset/dataset.h"
#include "report/report.h"
#include "train/train.h"

/* ---- optim.c ---- */

struct sk_optim {
    enum sk_optimizer kind;
    double lr, weight_decay;
    double momentum;          /* SGD */
    double beta1, beta2, eps; /* Adam, AdamW: 0.9, 0.999, 1e-8 */
    uint64_t step;            /* of this step, from 1 */
};

/* One step over a run of parameters, torch.optim's arithmetic in f32. m: momentum or first moments,
 * v: second moments (Adam only). */
void sk_optim_step(const struct sk_optim *o, float *values, const float *grads, float *m, float *v,
                   size_t count);
/* Scales gradients so that their norm is at most max_norm, as torch.nn.utils.clip_grad_norm_;
 * returns the norm before. */
double sk_optim_clip(float *grads, size_t count, double max_norm);
/* average = decay * average + (1 - decay) * values */
void sk_optim_average(float *average, const float *values, size_t count, double decay);

/* ---- schedule.c ---- */

/* Learning rate at `at` epochs from the start, a fraction within an epoch counted. */
double sk_schedule_lr(const struct sk_train_options *o, double at);

/* ---- state.c: what a checkpoint keeps ---- */

struct sk_train_state {
    uint64_t step;   /* optimiser steps taken */
    unsigned epoch;  /* finished epochs */
    size_t batch;    /* batches done of the next one, and their sums: */
    double loss_sum; /* of batch means */
    uint64_t correct, seen;
    double seconds;

    size_t count, buffer_count; /* of the arrays below; NULL: this training has none */
    float *m, *v;
    float *ema, *ema_buffers;
    float *best, *best_buffers; /* with patience: values at the lowest validation loss */
    double best_loss;           /* NaN: none yet */
    unsigned waited;            /* epochs since then */

    struct sk_epoch *history; /* one per finished epoch */
};

int sk_train_state_init(struct sk_train_state *s, struct sk_nn *n, const struct sk_train_options *o,
                        struct sk_err *err) SK_CHECK;
/* The averages begin at the network's first weights. */
void sk_train_state_start(struct sk_train_state *s, struct sk_nn *n);
void sk_train_state_done(struct sk_train_state *s);

/* ---- settings.c ---- */

/* The options that decide the result, as the members of a JSON object. */
void sk_settings_json(const struct sk_train_options *o, struct sk_buf *out);
/* SHA-256 of what a checkpoint must agree with: settings without the number of epochs (with it,
 * where the schedule depends on it), data digests, classes. hex: SK_SHA256_HEX. */
struct sk_train;
int sk_settings_fingerprint(const struct sk_train *t, char *hex, struct sk_err *err) SK_CHECK;

/* A character that the name of a bundle of ours has: what bundle.h allows but the quote of shells.
 */
bool sk_settings_is_name(char c);
int sk_settings_check(const struct sk_train_options *o, struct sk_err *err) SK_CHECK;

/* ---- one training ---- */

enum {
    SK_TRAIN_PLANS = 8
};

struct sk_train {
    const struct sk_train_options *o;
    const struct sk_train_watch *watch;
    const atomic_bool *stop;
    int lock_fd; /* the output folder, locked while this process writes there; -1: not */
    struct sk_comm *comm;
    bool is_first; /* rank 0: talks and writes */

    struct sk_dataset *data, *val_data; /* val_data: --val-path only */
    struct sk_source *source, *val_source;
    struct sk_indices train, val;
    char data_digest[SK_SHA256_HEX], val_digest[SK_SHA256_HEX]; /* "" without */
    struct sk_loader *loader;

    const struct sk_arch *arch;
    struct sk_nn *nn;
    char *weights_from; /* for training.json: "none", file, "hf:...@commit" */
    float *class_weights;
    struct sk_nn_reduce reduce;

    struct {
        enum sk_nn_mode mode;
        unsigned batch;
        struct sk_nn_plan *plan;
    } plans[SK_TRAIN_PLANS];

    struct sk_train_state state;
    uint64_t saved_ns;   /* last checkpoint */
    bool has_checkpoint; /* written or read by this training */
    double lr;           /* of the last step */

    /* of the last validation, or of the training pictures at the end */
    const struct sk_indices *judged;
    struct sk_source *judged_source;
    const struct sk_dataset *judged_data;
    float *probabilities; /* [judged->count][classes]; NULL: none */
    uint32_t *truth;
};

/* run.c: everything that the first step needs, behind sk_train_open_data; and the end of it all. */
int sk_train_begin(struct sk_train *t, struct sk_err *err) SK_CHECK;
void sk_train_close(struct sk_train *t);

void sk_train_note(const struct sk_train *t, const char *fmt, ...) SK_PRINTF(2, 3);
bool sk_train_stopped(const struct sk_train *t);
/* The plan for a batch size, made at its first use. */
int sk_train_plan(struct sk_train *t, enum sk_nn_mode mode, unsigned batch, struct sk_nn_plan **out,
                  struct sk_err *err) SK_CHECK;
void sk_train_drop_plans(struct sk_train *t);
/* True in all processes when it is in one. */
int sk_train_agree(struct sk_train *t, bool *flag, struct sk_err *err) SK_CHECK;
void sk_train_forget_judged(struct sk_train *t);

/* output.c: takes the output folder for this training alone, and removes what a crash left half
 * written. */
int sk_train_lock_output(struct sk_train *t, struct sk_err *err) SK_CHECK;

/* setup.c: what must be said when `skerry sample-data` drew the pictures; NULL: it did not. */
const char *sk_train_synthetic(const struct sk_train *t);
/* datasets, split, sources; broken pictures are an error or left out. */
int sk_train_open_data(struct sk_train *t, struct sk_err *err) SK_CHECK;
int sk_train_check_data(struct sk_train *t, struct sk_err *err) SK_CHECK;
/* The network, frozen as asked for, with random weights; and those that --weights names. */
int sk_train_open_network(struct sk_train *t, struct sk_err *err) SK_CHECK;
int sk_train_first_weights(struct sk_train *t, struct sk_err *err) SK_CHECK;

/* loop.c: from the state to the last epoch, early stop, or Ctrl-C. */
int sk_train_loop(struct sk_train *t, struct sk_train_result *out, struct sk_err *err) SK_CHECK;

/* validate.c: class probabilities of `which`, with the moving averages when there are some. Sets
 * judged and what follows it. On Ctrl-C it ends early with probabilities NULL. */
int sk_train_judge(struct sk_train *t, struct sk_source *source, const struct sk_dataset *data,
                   const struct sk_indices *which, double *loss, double *accuracy,
                   struct sk_err *err) SK_CHECK;
/* The same of the validation pictures. */
int sk_train_validate(struct sk_train *t, double *loss, double *accuracy,
                      struct sk_err *err) SK_CHECK;

/* checkpoint.c */
int sk_checkpoint_save(struct sk_train *t, struct sk_err *err) SK_CHECK;
/* *found: there was one. SK_INVALID when it belongs to other settings or data, naming what differs.
 */
int sk_checkpoint_load(struct sk_train *t, bool *found, struct sk_err *err) SK_CHECK;

/* bundle.c: all files of the output folder but the checkpoint. */
int sk_train_write_bundle(struct sk_train *t, const struct sk_train_result *result,
                          struct sk_err *err) SK_CHECK;
/* Whether training.json in the output folder says that there is nothing to do. */
int sk_train_is_finished(const struct sk_train *t, bool *out, struct sk_train_result *result,
                         struct sk_err *err) SK_CHECK;

/* state.c: exchange the network's values and buffers with the moving averages, or with the best so
 * far; without them nothing happens. Twice gives the first state again. */
void sk_train_swap_average(struct sk_train *t);
void sk_train_swap_best(struct sk_train *t);
/* With those that the bundle is made of: the best, else the averages, else their own. */
void sk_train_swap_final(struct sk_train *t);

#endif
