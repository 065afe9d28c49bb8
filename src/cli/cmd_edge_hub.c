/*
 * cmd_edge_hub.c - `skerry edge-hub`: the local hub of an edge device, in a process of its own. The
 * agent starts it, and tells it over its socket what to do.
 */
#include "base/log.h"
#include "cli/cli_priv.h"
#include "localhub/localhub.h"

#include <string.h>
#include <unistd.h>

struct args {
    const char *dir, *run_dir, *wire, *confine;
    const char *log_level, *log_format;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "dir", 0, SK_OPT_TEXT, "DIR", "its state: messages that wait, twins, sessions",
      .def = "/var/lib/skerry/edge/hub", AT(dir) },
    { "run-dir", 0, SK_OPT_TEXT, "DIR", "sockets: hub.sock, and those of the workload API",
      .def = "/run/skerry", AT(run_dir) },
    { "wire", 0, SK_OPT_TEXT, "PATH", "where the agent finds it; else hub.sock in --run-dir", AT(wire) },
    { "confine", 0, SK_OPT_TEXT, "DIR",
      "give up all system calls and files that it does not need; it still reads DIR, where certificates are", AT(confine) },
    { "log-level", 0, SK_OPT_CHOICE, "LEVEL", "what to log at least",
      .def = "info", .choices = "debug|info|warn|error", AT(log_level), .group = "Log" },
    { "log-format", 0, SK_OPT_CHOICE, "FORMAT", "form of a log line",
      .def = "text", .choices = "text|json", AT(log_format), .group = "Log" },
    { .name = NULL },
};

/* clang-format on */

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    const struct sk_localhub_options opts = {
        .dir = a->dir,
        .run_dir = a->run_dir,
        .wire_path = a->wire,
        .certs_dir = a->confine,
    };
    enum sk_level level = SK_INFO;
    (void)operands;
    (void)count;
    if (sk_log_level_parse(a->log_level, &level, err) < 0)
        return -1;
    sk_log_setup(level, strcmp(a->log_format, "json") == 0 ? SK_LOG_JSON : SK_LOG_TEXT,
                 STDERR_FILENO);
    if (a->confine && sk_localhub_confine(&opts, err) < 0)
        return sk_wrap(err, "giving up rights");
    return sk_localhub_run(&opts, err);
}

const struct sk_cmd sk_cli_edge_hub = {
    .name = "edge-hub",
    .summary = "Serves the modules of an edge device as their IoT Hub",
    .details = "Started by 'skerry edge run'. It takes messages of modules and leaf devices, keeps "
               "them until the cloud has them, mirrors twins, and passes methods on. "
               "docs/spec/localhub.md says more.",
    .options = options,
    .args_size = sizeof(struct args),
    .hidden = true, /* for the agent */
    .run = run,
};
