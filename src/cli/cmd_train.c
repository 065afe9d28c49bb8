/*
 * cmd_train.c - `skerry train`: the options of module train, and what a user sees of it
 * (train_lines.c).
 */
#include "base/log.h"
#include "base/thread.h"
#include "cli/cli_priv.h"
#include "cli/track_priv.h"
#include "cli/train_priv.h"
#include "dataset/dataset.h"
#include "image/image.h"
#include "train/train.h"

#include <signal.h>
#include <string.h>

struct args {
    const char *data_path, *val_path, *output_dir, *onnx_name, *name;
    const char *track, *experiment, *run_name;
    const char *arch, *weights, *optimizer, *schedule, *freeze, *class_weights, *precision,
        *augment, *device;
    double val_split, lr, weight_decay, momentum, warmup, gamma, smoothing, clip, ema;
    uint64_t image_size, batch_size, epochs, step_epochs, patience, seed, threads, workers;
    uint64_t cache_size, max_pixels, checkpoint_ms, track_wait_ms;
    bool skip_bad, sync_bn, resume, reuse, log_json;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "data-path", 'd', SK_OPT_TEXT, "DIR", "labelled pictures: one folder per class", AT(data_path) },
    { "val-path", 0, SK_OPT_TEXT, "DIR", "pictures for validation, in the same folders", AT(val_path) },
    { "val-split", 0, SK_OPT_F64, "SHARE", "hold back this share of each class for validation",
      .def = "0", .max = 1, AT(val_split) },
    { "output-dir", 'o', SK_OPT_TEXT, "DIR", "where the bundle and the checkpoint go", .def = "out", AT(output_dir) },
    { "onnx-name", 0, SK_OPT_TEXT, "FILE", "name of the model file", .def = "model.onnx", AT(onnx_name) },
    { "name", 0, SK_OPT_TEXT, "NAME", "name of the bundle; else that of its folder", AT(name) },
    { "skip-bad", 0, SK_OPT_FLAG, NULL, "leave out broken pictures instead of stopping", AT(skip_bad) },
    { "log-json", 0, SK_OPT_FLAG, NULL, "print one JSON object per event", AT(log_json) },

    { "arch", 'a', SK_OPT_TEXT, "NAME", "resnet18, resnet34, resnet50, mobilenet_v2, mobilenet_v3_small, efficientnet_b0",
      .def = "resnet18", AT(arch), .group = "Network" },
    { "weights", 'w', SK_OPT_TEXT, "WHERE",
      "first weights: FILE, a bundle, hf:OWNER/NAME[@REVISION], none; else pretrained ones from the Hugging Face hub",
      AT(weights), .group = "Network" },
    { "image-size", 's', SK_OPT_U64, "N", "pictures become N x N", .def = "224", .min = 8, .max = 4096, AT(image_size),
      .group = "Network" },
    { "freeze", 0, SK_OPT_CHOICE, "PART", "backbone: train the last layer only", .def = "none",
      .choices = "none|backbone", AT(freeze), .group = "Network" },

    { "epochs", 'e', SK_OPT_U64, "N", "times that each picture is seen", .def = "50", .min = 1, .max = 100000, AT(epochs),
      .group = "Training" },
    { "batch-size", 'b', SK_OPT_U64, "N", "pictures per step, of all processes together", .def = "32", .min = 1,
      .max = 65536, AT(batch_size), .group = "Training" },
    { "lr", 0, SK_OPT_F64, "RATE", "learning rate", .def = "0.001", .max = 1000, AT(lr), .group = "Training" },
    { "optimizer", 0, SK_OPT_CHOICE, "NAME", "sgd, adam or adamw", .def = "adam", .choices = "sgd|adam|adamw",
      AT(optimizer), .group = "Training" },
    { "weight-decay", 0, SK_OPT_F64, "W", "as torch.optim has it", .def = "0", .max = 1000, AT(weight_decay),
      .group = "Training" },
    { "momentum", 0, SK_OPT_F64, "M", "of sgd", .def = "0.9", .max = 1, AT(momentum), .group = "Training" },
    { "schedule", 0, SK_OPT_CHOICE, "NAME", "learning rate over time: constant, cosine or step", .def = "constant",
      .choices = "constant|cosine|step", AT(schedule), .group = "Training" },
    { "warmup-epochs", 0, SK_OPT_F64, "N", "rise from 0 to the learning rate in so many epochs", .def = "0",
      .max = 100000, AT(warmup), .group = "Training" },
    { "step-epochs", 0, SK_OPT_U64, "N", "schedule step: epochs between two steps", .def = "30", .min = 1,
      .max = 100000, AT(step_epochs), .group = "Training" },
    { "step-gamma", 0, SK_OPT_F64, "G", "schedule step: factor of each step", .def = "0.1", .max = 1, AT(gamma),
      .group = "Training" },
    { "label-smoothing", 0, SK_OPT_F64, "S", "share of each label spread over all classes", .def = "0", .max = 1,
      AT(smoothing), .group = "Training" },
    { "class-weights", 0, SK_OPT_CHOICE, "HOW", "balanced: rare classes count more", .def = "none",
      .choices = "none|balanced", AT(class_weights), .group = "Training" },
    { "clip-norm", 0, SK_OPT_F64, "N", "bound the norm of the gradient; 0: off", .def = "0", .max = 1000000, AT(clip),
      .group = "Training" },
    { "ema", 0, SK_OPT_F64, "DECAY", "moving average of the weights, 0.999 for instance; 0: off", .def = "0", .max = 1,
      AT(ema), .group = "Training" },
    { "patience", 0, SK_OPT_U64, "N", "stop after N epochs without a lower validation loss, keep the best; 0: off",
      .def = "0", .max = 100000, AT(patience), .group = "Training" },
    { "augment", 0, SK_OPT_TEXT, "LIST", "none, light, standard, or some of flip,crop,rotate,color,erase",
      .def = "none", AT(augment), .group = "Training" },
    { "seed", 0, SK_OPT_U64, "N", "of first weights, split, order and augmentation", .def = "0", AT(seed),
      .group = "Training" },
    { "resume", 0, SK_OPT_FLAG, NULL, "go on from the checkpoint in the output folder", AT(resume),
      .group = "Training" },
    { "reuse", 0, SK_OPT_FLAG, NULL, "do nothing when the output folder holds this training, finished", AT(reuse),
      .group = "Training" },
    { "checkpoint-interval", 0, SK_OPT_MS, "TIME", "least time between two checkpoints", .def = "60s",
      AT(checkpoint_ms), .group = "Training" },

    { "track", 0, SK_OPT_TEXT, "HUB", "report this training live to a hub: a context's name or a URL", AT(track),
      .group = "Tracking" },
    { "experiment", 0, SK_OPT_TEXT, "NAME", "where the run belongs; made when it is new; else Default", AT(experiment),
      .group = "Tracking" },
    { "run-name", 0, SK_OPT_TEXT, "NAME", "of the run; else the hub chooses", AT(run_name), .group = "Tracking" },
    { "track-wait", 0, SK_OPT_MS, "TIME", "at the end: how long a hub may move nothing before it is given up",
      .def = "30s", .min = 1, .max = 86400000, AT(track_wait_ms), .group = "Tracking" },

    { "device", 0, SK_OPT_CHOICE, "DEVICE", "where training runs; only the CPU for now", .def = "auto",
      .choices = "auto|cpu|cuda", AT(device), .group = "Machine" },
    { "precision", 0, SK_OPT_CHOICE, "NAME", "auto: bf16 where the CPU has it in hardware, else f32", .def = "auto",
      .choices = "auto|f32|bf16", AT(precision), .group = "Machine" },
    { "threads", 't', SK_OPT_U64, "N", "cores to use; 0: all that this process may use", .def = "0", .max = 1024,
      AT(threads), .group = "Machine" },
    { "workers", 0, SK_OPT_U64, "N", "threads that prepare pictures; 0: one per core", .def = "0", .max = 1024,
      AT(workers), .group = "Machine" },
    { "cache-size", 0, SK_OPT_SIZE, "SIZE", "memory for prepared pictures; what is beyond it is read each epoch",
      .def = "1G", AT(cache_size), .group = "Machine" },
    { "max-pixels", 0, SK_OPT_U64, "N", "most pixels in a picture", .def = "178956970", .min = 1, .max = 1ull << 32,
      AT(max_pixels), .group = "Machine" },
    { "sync-bn", 0, SK_OPT_FLAG, NULL, "several processes: batch norm over all of them", .def = "true", AT(sync_bn),
      .group = "Machine" },
    { .name = NULL },
};

/* clang-format on */

static atomic_bool stop;

static void on_signal(int number)
{
    (void)number;
    atomic_store_explicit(&stop, true, memory_order_relaxed);
}

/* The first Ctrl-C (or a lost terminal) ends after the batch; the second one at once. */
static void catch_signals(void)
{
    static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
    struct sigaction action = { .sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND };
    struct sigaction before = { 0 };

    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        /* What nohup or a script ignores stays ignored. */
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN)
            (void)sigaction(signals[i], &action, NULL);
    }
    (void)signal(SIGPIPE, SIG_IGN); /* hours of work do not end with the reader of their lines */
}

static enum sk_optimizer find_optimizer(const char *name)
{
    for (unsigned i = 0; i < SK_OPTIM_COUNT; i++) {
        if (strcmp(name, sk_optimizer_name(i)) == 0)
            return i;
    }
    return SK_OPTIM_ADAM; /* the parser lets no other word pass */
}

static enum sk_schedule find_schedule(const char *name)
{
    for (unsigned i = 0; i < SK_SCHED_COUNT; i++) {
        if (strcmp(name, sk_schedule_name(i)) == 0)
            return i;
    }
    return SK_SCHED_CONSTANT;
}

static int check(const struct args *a, struct sk_err *err)
{
    if (!a->data_path)
        return sk_fail(err, SK_USAGE,
                       "--data-path is needed: a folder with one folder of pictures per class");
    if (strcmp(a->device, "cuda") == 0)
        return sk_fail(err, SK_UNSUPPORTED,
                       "--device cuda: training runs on the CPU for now. Ways out: --device cpu "
                       "(with --freeze backbone, a smaller --image-size or --arch "
                       "mobilenet_v3_small when time matters; several processes with mpirun), or "
                       "train elsewhere, export ONNX and give that to `skerry serve`");
    if ((a->experiment || a->run_name) && !a->track)
        return sk_fail(err, SK_USAGE, "--%s needs --track HUB",
                       a->experiment ? "experiment" : "run-name");
    if (a->val_split >= 1)
        return sk_fail(err, SK_USAGE, "--val-split 1 leaves nothing to train on");
    if (a->ema >= 1)
        return sk_fail(err, SK_USAGE, "--ema 1 would never change; 0.999 is usual");
    return 0;
}

static enum sk_nn_precision choose_precision(const char *name)
{
    if (strcmp(name, "auto") == 0)
        return sk_nn_has_bf16() ? SK_NN_BF16 : SK_NN_F32;
    return strcmp(name, "bf16") == 0 ? SK_NN_BF16 : SK_NN_F32;
}

static int fill(const struct args *a, struct sk_train_options *o, struct sk_err *err)
{
    *o = (struct sk_train_options){
        .data_path = a->data_path,
        .val_path = a->val_path,
        .val_split = a->val_split,
        .output_dir = a->output_dir,
        .onnx_name = a->onnx_name,
        .name = a->name,
        .arch = a->arch,
        .weights = a->weights,
        .side = (unsigned)a->image_size,
        .batch = (unsigned)a->batch_size,
        .epochs = (unsigned)a->epochs,
        .lr = a->lr,
        .weight_decay = a->weight_decay,
        .momentum = a->momentum,
        .optimizer = find_optimizer(a->optimizer),
        .schedule = find_schedule(a->schedule),
        .warmup_epochs = a->warmup,
        .step_epochs = (unsigned)a->step_epochs,
        .step_gamma = a->gamma,
        .label_smoothing = a->smoothing,
        .clip_norm = a->clip,
        .ema = a->ema,
        .balance = strcmp(a->class_weights, "balanced") == 0,
        .freeze_backbone = strcmp(a->freeze, "backbone") == 0,
        .skip_bad = a->skip_bad,
        .sync_bn = a->sync_bn,
        .resume = a->resume,
        .reuse = a->reuse,
        .patience = (unsigned)a->patience,
        .precision = choose_precision(a->precision),
        .seed = a->seed,
        .workers = (unsigned)a->workers,
        .cache_bytes = a->cache_size,
        .max_pixels = a->max_pixels,
        .checkpoint_ms = a->checkpoint_ms,
    };
    return sk_augment_parse(a->augment, &o->augment, err);
}

/* More threads than cores only wait for each other. */
static unsigned choose_threads(uint64_t asked, const struct sk_train_watch *watch)
{
    unsigned cores = sk_cpu_count();
    char text[96];

    if (asked <= cores)
        return (unsigned)asked;
    (void)snprintf(text, sizeof(text), "--threads %llu: %u cores may be used here, so %u are taken",
                   (unsigned long long)asked, cores, cores);
    watch->note(watch->ctx, text);
    return cores;
}

static int start_tracking(const struct args *a, const struct sk_train_options *o,
                          struct sk_train_watch *watch, struct sk_track **out, struct sk_err *err)
{
    const struct sk_track_options t = { .hub = a->track,
                                        .experiment = a->experiment,
                                        .run_name = a->run_name,
                                        .train = o,
                                        .shown = *watch,
                                        .last_ms = a->track_wait_ms };

    if (!a->track)
        return 0;
    if (sk_track_start(&t, out, err) < 0)
        return sk_wrap(err, "--track %s", a->track);
    *watch = sk_track_watch(*out);
    return 0;
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_train_options o = { 0 };
    struct sk_train_result result = { 0 };
    struct sk_train_lines lines = { 0 };
    struct sk_train_watch watch = sk_train_lines_watch(&lines, a->log_json, &stop);

    (void)operands;
    (void)count;
    if (check(a, err) < 0)
        return -1;

    unsigned threads = choose_threads(a->threads, &watch);

    if (sk_nn_start(threads, err) < 0 || fill(a, &o, err) < 0)
        return -1;
    o.threads = threads;

    struct sk_track *track = NULL;

    if (start_tracking(a, &o, &watch, &track, err) < 0)
        return -1;
    catch_signals();

    int rc = sk_train(&o, &watch, &stop, &result, err);

    sk_train_lines_end(&lines);
    sk_track_end(track, &result, rc < 0 ? err : NULL);
    if (rc < 0)
        return -1;
    return result.is_first ? sk_train_lines_result(&lines, &o, &result, err) : 0;
}

const struct sk_cmd sk_cli_train = {
    .name = "train",
    .summary = "Trains a classifier on labelled folders and leaves a bundle",
    .details = "Pictures lie in one folder per class, as torchvision's ImageFolder wants them: "
               "DIR/defect/a.jpg, "
               "DIR/no_defect/b.jpg. All formats of `skerry predict` are read, subfolders and "
               "links are followed. Every "
               "picture is checked before training starts.\n\n"
               "The output folder becomes a bundle for `skerry serve`: the model as ONNX, the "
               "weights as model.safetensors "
               "(with torchvision's names, to train on from there: --weights DIR), labels, "
               "preprocessing, training.json with "
               "every setting and figure, and report.html with curves, confusion matrix and the "
               "most wrong pictures.\n\n"
               "Ctrl-C ends after the batch and leaves a usable bundle and a checkpoint; --resume "
               "goes on from it, bit for "
               "bit with the same settings, data and threads. Without --val-path or --val-split "
               "the report shows the "
               "training pictures.\n\n"
               "Pretrained weights come from the Hugging Face hub (HF_ENDPOINT, HF_HOME, HF_TOKEN, "
               "HF_HUB_OFFLINE) and stay "
               "in its cache. Several machines or processes train together under mpirun.\n\n"
               "--track HUB makes a run at a hub (skerry login): settings as "
               "parameters, the figures of each epoch as it ends, and the bundle's files at the "
               "end. Training never waits for "
               "the hub: of what it missed while it was away, up to 4,096 epochs are kept and sent "
               "when it is back before the training ends or within --track-wait after that. Then "
               "it is given up, nothing is sent later, and the run is ended at the hub, if it can "
               "be reached at all, as FAILED or KILLED with the tag skerry.incomplete.",
    .examples =
        "skerry train --data-path images/ --epochs 50 --output-dir out  # fine-tune ResNet-18 at "
        "224 x 224\n"
        "skerry train -d images/ --val-split 0.2 --augment standard --patience 5  # hold back, "
        "stop early, keep the best\n"
        "skerry train -d images/ --weights none --image-size 64  # from random weights, small "
        "pictures\n"
        "skerry train -d images2/ --weights out -o out2  # version 2 starts from version 1\n"
        "skerry train -d images/ -o out --resume  # go on after Ctrl-C or a power cut\n"
        "skerry train -d images/ --track factory --experiment bolts  # curves at a hub while it "
        "trains\n"
        "mpirun -n 2 skerry train -d images/  # two processes\n",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};
