/* cmd_edge_run.c - `skerry edge run`, and the hidden child that talks to the hub's REST. */
#include "agent/agent.h"
#include "base/log.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"

#include <string.h>

struct args {
    struct sk_cli_edge edge;
    const char *log_level, *log_format;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    SK_CLI_EDGE_OPTIONS(struct args),
    { "log-level", 0, SK_OPT_CHOICE, "LEVEL", "least level that is logged",
      .def = "info", .choices = "debug|info|warn|error", AT(log_level), .group = "Log" },
    { "log-format", 0, SK_OPT_CHOICE, "FORMAT", "form of a log line",
      .def = "text", .choices = "text|json", AT(log_format), .group = "Log" },
    { .name = NULL },
};

/* clang-format on */

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    enum sk_level level = SK_INFO;
    SK_OWN(free) char *dir = NULL;
    (void)operands;
    (void)count;
    if (sk_log_level_parse(a->log_level, &level, err) < 0 ||
        sk_cli_edge_dirs(&a->edge, &dir, NULL, err) < 0)
        return -1;
    sk_log_setup(level, strcmp(a->log_format, "json") == 0 ? SK_LOG_JSON : SK_LOG_TEXT,
                 STDERR_FILENO);
    const struct sk_agent_options agent = { .dir = dir, .run_dir = a->edge.run_dir };
    return sk_agent_run(&agent, err);
}

const struct sk_cmd sk_cli_edge_run = {
    .name = "edge run",
    .summary = "Runs what the hub deploys to this device",
    .details =
        "Takes the device's deployment from the hub and makes it so: pulls images, runs model "
        "modules natively and others on a Docker Engine, stores their messages while the hub is "
        "away, changes a version without a failed request, and goes back when the new one is bad. "
        "Without network it goes on with the last deployment. It ends with SIGTERM; modules, the "
        "local hub and the keeper of their sockets go on, and the next run takes them over.",
    .examples =
        "skerry edge run # with the folder of skerry edge init\n"
        "systemctl enable --now skerry-edge # as a service, with packaging/skerry-edge.service",
    .options = options,
    .args_size = sizeof(struct args),
    .run = run,
};

/* ---- the children ---- */

static int call(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)args;
    (void)operands;
    (void)count;
    return sk_agent_call_main(err);
}

static int gzip(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)args;
    (void)operands;
    (void)count;
    return sk_agent_gzip_main(err);
}

static const struct sk_opt none[] = { { .name = NULL } };

const struct sk_cmd sk_cli_edge_call = {
    .name = "edge-call",
    .summary = "Carries out calls to a hub: an order on standard input, answers on standard output",
    .hidden = true,
    .options = none,
    .run = call,
};

const struct sk_cmd sk_cli_edge_gzip = {
    .name = "edge-gzip",
    .summary = "Packs standard input into a gzip file on standard output",
    .hidden = true,
    .options = none,
    .run = gzip,
};
