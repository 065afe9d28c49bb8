/* opt_table.h - the table of commands that the tests of options and of what is printed from them
 * share. */
#ifndef SK_TESTS_BASE_OPT_TABLE_H
#define SK_TESTS_BASE_OPT_TABLE_H

#include "base/opt.h"

#include <limits.h>

struct table_args {
    const char *host;
    uint64_t port;
    bool watch;
    bool cache;
    double rate;
    uint64_t size;
    uint64_t wait_ms;
    const char *device;
    struct sk_opt_list tags;
    const char *file;
};

#define TABLE_AT(field) .offset = offsetof(struct table_args, field)

/* clang-format off */
static const struct sk_opt table_options[] = {
    { "host", 'H', SK_OPT_TEXT, "ADDR", "address to listen on", .def = "127.0.0.1", TABLE_AT(host) },
    { "port", 'p', SK_OPT_U64, "N", "port; 0 picks a free one", .def = "5001", .max = 65535, TABLE_AT(port) },
    { "watch", 'w', SK_OPT_FLAG, NULL, "reload changed models", TABLE_AT(watch) },
    { "cache", 'c', SK_OPT_FLAG, NULL, "keep what was made", .def = "true", TABLE_AT(cache) },
    { "rate", 0, SK_OPT_F64, "N", "it's requests [per] second: a sentence that is long enough to be wrapped onto a second line",
      .min = 1, .max = 1000, TABLE_AT(rate), .group = "Load" },
    { "max-size", 0, SK_OPT_SIZE, "SIZE", "largest size", .def = "64K", .min = 1, .max = 1 << 20, TABLE_AT(size), .group = "Limits" },
    { "wait", 0, SK_OPT_MS, "TIME", "longest wait", .def = "30s", TABLE_AT(wait_ms), .group = "Limits" },
    { "device", 0, SK_OPT_CHOICE, "DEVICE", "where it runs", .def = "auto", .choices = "auto|cpu|cuda", TABLE_AT(device) },
    { "tag", 't', SK_OPT_LIST, "TEXT", "a word to keep", TABLE_AT(tags) },
    { "a-file-with-a-long-name", 0, SK_OPT_TEXT, "FILE", "something to read", TABLE_AT(file) },
    { .name = NULL },
};

/* clang-format on */

static int table_run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)args;
    (void)operands;
    (void)count;
    return sk_fail(err, SK_BUG, "not run by the tests");
}

static const struct sk_cmd table_serve = {
    .name = "serve",
    .operands = "MODEL...",
    .summary = "Serves models over HTTP",
    .details = "MODEL is a folder, or a file whose name ends in .onnx - and this paragraph is long "
               "enough that it "
               "takes two lines.\n\n.dots and 'quotes' at the start of a line are text.\n\n  kept "
               "= as it is\n  and this",
    .examples = "skerry serve models/a # one model\nskerry serve --port 0 a b",
    .options = table_options,
    .args_size = sizeof(struct table_args),
    .min_operands = 1,
    .max_operands = 3,
    .run = table_run,
};
static const struct sk_cmd table_inspect = {
    .name = "model inspect",
    .operands = "BUNDLE",
    .summary = "Tells what a model is",
    .min_operands = 1,
    .max_operands = 1,
    .run = table_run,
};
static const struct sk_cmd table_list = {
    .name = "model list",
    .summary = "Lists models",
    .options = table_options,
    .args_size = sizeof(struct table_args),
    .run = table_run,
};
static const struct sk_cmd table_secret = {
    .name = "secret",
    .summary = "Not listed",
    .hidden = true,
    .run = table_run,
};

static const struct sk_cmd *const table[] = {
    &table_serve, &table_inspect, &table_list, &table_secret, NULL,
};

#endif
