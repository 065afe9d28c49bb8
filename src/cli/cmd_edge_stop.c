/* cmd_edge_stop.c - `skerry edge stop`: ends the agent, and on demand all that outlives it. */
#include "agent/agent.h"
#include "base/log.h"
#include "cli/cli_priv.h"
#include "cli/edge_priv.h"

struct args {
    struct sk_cli_edge edge;
    bool all, json;
};

#define AT(field) .offset = offsetof(struct args, field)

enum {
    OUT_BYTES = 4096
};

/* clang-format off */
static const struct sk_opt options[] = {
    { "all", 'a', SK_OPT_FLAG, NULL, "modules, the local hub and the keeper of sockets too", AT(all) },
    SK_CLI_EDGE_OPTIONS(struct args),
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    { .name = NULL },
};

/* clang-format on */

static void write_json(const struct sk_agent_stopped *s, struct sk_buf *out)
{
    sk_buf_fmt(out, "{\"agentPid\":%lld,\"hubPid\":%lld,\"instances\":%u,\"keeper\":%s}\n",
               (long long)s->agent_pid, (long long)s->hub_pid, s->instances,
               s->has_keeper ? "true" : "false");
}

static void write_text(const struct sk_agent_stopped *s, bool is_all, struct sk_buf *out)
{
    if (s->agent_pid > 0)
        sk_buf_fmt(out, "agent        ended, it was process %lld\n", (long long)s->agent_pid);
    else
        sk_buf_str(out, "agent        did not run\n");
    if (!is_all) {
        sk_buf_str(out, "modules      go on; --all ends them too\n");
        return;
    }
    sk_buf_fmt(out, "modules      %u instance%s ended\n", s->instances,
               s->instances == 1 ? "" : "s");
    sk_buf_fmt(out, "local hub    %s\n", s->hub_pid > 0 ? "ended" : "did not run");
    sk_buf_fmt(out, "keeper       %s\n", s->has_keeper ? "ended" : "did not run");
}

static int stop(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(free) char *dir = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(OUT_BYTES);
    struct sk_agent_stopped stopped;
    (void)operands;
    (void)count;
    sk_log_setup(SK_WARN, SK_LOG_TEXT, STDERR_FILENO);
    if (sk_cli_edge_dirs(&a->edge, &dir, NULL, err) < 0)
        return -1;
    const struct sk_agent_options agent = { .dir = dir, .run_dir = a->edge.run_dir };
    if (sk_agent_stop(&agent, a->all, &stopped, err) < 0)
        return -1;
    if (a->json)
        write_json(&stopped, &out);
    else
        write_text(&stopped, a->all, &out);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_edge_stop = {
    .name = "edge stop",
    .summary = "Ends the agent of this edge device, and with --all its modules",
    .details =
        "The agent gets SIGTERM. Modules, the local hub and the keeper of their sockets go on "
        "without it unless --all is given, which ends them also when no agent runs. Nothing that "
        "is on the disk goes: the next 'skerry edge run' starts them again, and stored messages "
        "are sent then. Under systemd: 'systemctl stop skerry-edge', then this with --all.",
    .examples = "skerry edge stop # before an update of the program: modules go on\n"
                "skerry edge stop --all",
    .options = options,
    .args_size = sizeof(struct args),
    .run = stop,
};
