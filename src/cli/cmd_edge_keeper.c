/*
 * cmd_edge_keeper.c - `skerry edge-keeper`: the process that holds the ports of modules while the
 * agent is restarted. systemd or the agent starts it.
 */
#include "cli/cli_priv.h"
#include "keeper/keeper.h"

struct args {
    const char *socket;
};

static const struct sk_opt options[] = {
    { "socket", 0, SK_OPT_TEXT, "PATH", "where the agent finds it",
      .def = "/run/skerry/keeper.sock", .offset = offsetof(struct args, socket) },
    { .name = NULL },
};

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;

    (void)operands;
    (void)count;
    return sk_keeper_run(a->socket, err);
}

const struct sk_cmd sk_cli_edge_keeper = {
    .name = "edge-keeper",
    .summary = "Holds the published ports of an edge device's modules",
    .details = "Started by systemd or by 'skerry edge run'. It listens for the modules, so that a "
               "port stays open while agent and modules are restarted, and forwards the ports of "
               "containers. docs/spec/keeper.md says more.",
    .options = options,
    .args_size = sizeof(struct args),
    .hidden = true, /* for the agent */
    .run = run,
};
