/*
 * cmd_edge_fetch.c - `skerry edge-fetch`: the child in which the edge agent speaks to registries.
 *
 * Its order comes on standard input, its answers go to standard output; see runtime/fetch.c.
 */
#include "cli/cli_priv.h"
#include "runtime/runtime.h"

#include <signal.h>

static const struct sk_opt options[] = { { .name = NULL } };

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    (void)args;
    (void)operands;
    (void)count;
    (void)signal(SIGPIPE, SIG_IGN); /* an agent that is gone is a failed write */
    return sk_runtime_fetch_main(err);
}

const struct sk_cmd sk_cli_edge_fetch = {
    .name = "edge-fetch",
    .summary = "Pulls an image for the edge agent",
    .details = "Started by 'skerry edge run', with an order in JSON on standard input. It is the "
               "only process of the edge that speaks to registries: without keys of the device, as "
               "a user of its own, with one folder that it may write to.",
    .options = options,
    .hidden = true, /* for the agent */
    .run = run,
};
