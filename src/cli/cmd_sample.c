/*
 * cmd_sample.c - `skerry sample-data --out DIR`: a labelled set of synthetic surfaces to try
 * training on. The pictures are made by synth; here are the options and what is said about them.
 */
#include "cli/cli_priv.h"
#include "cli/predict_priv.h"
#include "synth/synth.h"

struct args {
    const char *out;
    uint64_t count;
    uint64_t val_count;
    uint64_t size;
    uint64_t seed;
    bool by_kind;
    bool force;
    uint64_t threads;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "out", 'o', SK_OPT_TEXT, "DIR", "folder for the pictures: new or empty", AT(out) },
    { "count", 'n', SK_OPT_U64, "N", "pictures for training, every second one defective",
      .def = "2000", .min = 2, .max = 1000000, AT(count) },
    { "val-count", 0, SK_OPT_U64, "N", "pictures for validation, likewise; 0: none",
      .def = "400", .max = 1000000, AT(val_count) },
    { "size", 's', SK_OPT_U64, "N", "pixels on a side",
      .def = "256", .min = SK_SYNTH_SIDE_MIN, .max = SK_SYNTH_SIDE_MAX, AT(size) },
    { "seed", 0, SK_OPT_U64, "N", "another seed makes other pictures", .def = "0", AT(seed) },
    { "by-kind", 0, SK_OPT_FLAG, NULL, "a class per kind of defect instead of one for all", AT(by_kind) },
    { "force", 'f', SK_OPT_FLAG, NULL, "replace an earlier sample set in DIR", AT(force) },
    { "threads", 't', SK_OPT_U64, "N", "cores to use; 0: all that this process may use",
      .def = "0", .max = 256, AT(threads) },
    { .name = NULL },
};

/* clang-format on */

static bool show_progress(void *ctx, size_t done, size_t total)
{
    (void)total;
    sk_progress_update(ctx, done);
    return true;
}

static int report(const struct args *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_buf_fmt(&out, "synthetic pictures, no photographs (see %s/README.md)\n", a->out);
    sk_buf_fmt(&out, "  %s/train: %llu, half of them defective\n", a->out,
               (unsigned long long)a->count);
    if (a->val_count > 0)
        sk_buf_fmt(&out, "  %s/val: %llu, likewise\n", a->out, (unsigned long long)a->val_count);
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    struct sk_progress progress;
    const struct sk_synth_set set = {
        .dir = a->out,
        .train_count = a->count,
        .val_count = a->val_count,
        .side = (uint32_t)a->size,
        .seed = a->seed,
        .by_kind = a->by_kind,
        .replace = a->force,
        .threads = (unsigned)a->threads,
        .progress = show_progress,
        .ctx = &progress,
    };

    (void)operands;
    (void)count;
    if (!a->out)
        return sk_fail(err, SK_USAGE, "--out DIR is missing: where shall the pictures go?");
    sk_progress_init(&progress, a->count + a->val_count);
    int rc = sk_synth_write(&set, err);
    sk_progress_clear(&progress);
    return rc < 0 ? -1 : report(a, err);
}

const struct sk_cmd sk_cli_sample = {
    .name = "sample-data",
    .summary = "Makes a labelled set of synthetic pictures to try training on",
    .details =
        "The pictures show brushed metal, castings and fabric; half of them have a scratch, a "
        "dent, "
        "a stain or a crack. They are computed, none is a photograph, and figures measured on them "
        "say nothing about real parts. DIR/README.md and a comment in each file say so, too.\n\n"
        "DIR/train and DIR/val have a folder per class: defect and no_defect, or with --by-kind "
        "crack, dent, no_defect, scratch and stain. The same options give the same pixels on "
        "every machine, and a larger set begins with the smaller one.\n\n"
        "A folder that holds anything but an earlier sample set is left alone.",
    .examples =
        "skerry sample-data --out surfaces # 2,000 pictures for training, 400 for validation\n"
        "skerry sample-data --out kinds --by-kind --count 8000 # five classes",
    .options = options,
    .args_size = sizeof(struct args),
    .max_operands = 0,
    .run = run,
};
