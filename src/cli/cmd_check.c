/*
 * cmd_check.c - `skerry model check`: loads a model as the server would, runs it once, and says
 * whether it works.
 *
 * The server runs it in a child for models that arrive over the network; a person before deploying
 * one.
 */
#include "cli/cli_priv.h"
#include "serve/serve.h"

struct args {
    const char *onnxruntime;
};

static const struct sk_opt options[] = {
    { "onnxruntime", 0, SK_OPT_TEXT, "FILE", "ONNX Runtime library to load",
      .offset = offsetof(struct args, onnxruntime) },
    { .name = NULL },
};

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;

    (void)count;
    return sk_serve_check_model(operands[0], a->onnxruntime, err);
}

const struct sk_cmd sk_cli_check = {
    .name = "model check",
    .operands = "BUNDLE",
    .summary = "Loads a model and runs it once, under limits; status 0 when it works",
    .details = "Memory is limited to 2 GiB and four times the size of the file, processor time to "
               "120 s, so that a hostile model does no harm. The reason of a refusal is printed.",
    .examples = "skerry model check models/digits && echo works",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
