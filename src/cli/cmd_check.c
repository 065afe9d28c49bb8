/*
 * cmd_check.c - `skerry model check`: loads a model as the server would, runs it once, and says
 * whether it works.
 *
 * The server runs it in a child for models that arrive over the network; a person before deploying
 * one.
 */
#include "base/log.h"
#include "cli/cli_priv.h"
#include "pipeline/pipeline.h"
#include "serve/serve.h"

struct args {
    const char *onnxruntime;
};

static const struct sk_opt options[] = {
    { "onnxruntime", 0, SK_OPT_TEXT, "FILE", "ONNX Runtime library to load",
      .offset = offsetof(struct args, onnxruntime) },
    { .name = NULL },
};

/* What the bundle has beside the model that only a classifier of pictures needs; NULL: nothing.
 * Labels alone may belong to texts. */
static const char *sign_of_classifier(const struct sk_classifier *c)
{
    const struct sk_bundle *b = sk_classifier_bundle(c);

    if (b->label_count > 0 && sk_classifier_prep(c))
        return "labels";
    return b->prep_config ? "a preprocessing configuration" : NULL;
}

/* A model that is no classifier works with tensors; a bundle that was made for pictures does not
 * work then. */
static int report(const struct sk_classifier *c, struct sk_err *err)
{
    const struct sk_bundle *bundle = sk_classifier_bundle(c);
    const char *refusal = sk_classifier_refusal(c);
    const char *sign = sign_of_classifier(c);
    size_t classes = sk_classifier_classes(c);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);

    sk_cli_report_warnings(bundle);
    if (refusal && sign)
        return sk_fail(err, SK_NOT_SCORES, "'%s' has %s, but cannot classify: %s", bundle->name,
                       sign, refusal);
    if (refusal)
        sk_buf_fmt(&out, "works, tensors only: %s\n", refusal);
    else
        sk_buf_fmt(&out, "works: classifier, %zu class%s, %s\n", classes, classes == 1 ? "" : "es",
                   sk_classifier_activation(c));
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    const struct sk_engine_options engine_opts = {
        .library = a->onnxruntime, .device = SK_DEVICE_CPU, .threads = 1, .use_cache = true
    };
    SK_OWN(sk_engine_close) struct sk_engine *engine = NULL;
    SK_OWN(sk_classifier_unref) struct sk_classifier *c = NULL;
    SK_OWN(sk_lane_free) struct sk_lane *lane = NULL;

    (void)count;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    if (sk_serve_limit_self(operands[0], err) < 0 ||
        sk_engine_open(&engine_opts, &engine, err) < 0 ||
        sk_classifier_load(engine, operands[0], NULL, &c, err) < 0 ||
        sk_lane_new(c, &lane, err) < 0 || sk_lane_warm(lane, err) < 0)
        return -1;
    return report(c, err);
}

const struct sk_cmd sk_cli_check = {
    .name = "model check",
    .operands = "BUNDLE",
    .summary = "Loads a model and runs it once, under limits; status 0 when it works",
    .details =
        "Prints what was found: a classifier with its classes and activation, or a model "
        "that takes tensors only, with the reason; that one is loaded, but not run. A bundle "
        "with labels or a preprocessing configuration that cannot classify pictures does "
        "not work.\n\n"
        "Memory is limited to 2 GiB and four times the size of the file, processor time to "
        "120 s, so that a hostile model does no harm. The reason of a refusal is printed.",
    .examples = "skerry model check models/digits # works: classifier, 10 classes, softmax: ...",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
