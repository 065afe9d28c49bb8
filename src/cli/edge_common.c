/* edge_common.c - which folder the commands of an edge device mean, and calls to its agent. */
#include "cli/edge_priv.h"

#include "agent/agent.h"
#include "base/cleanup.h"
#include "base/file.h"

#include <string.h>

int sk_cli_edge_dirs(const struct sk_cli_edge *e, char **dir, char **run, struct sk_err *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    SK_OWN(free) char *found = NULL;
    if (e->data_dir)
        found = strdup(e->data_dir);
    else if (data && *data)
        found = sk_path_join(data, "skerry/edge");
    else if (geteuid() == 0)
        found = strdup("/var/lib/skerry/edge");
    else if (home && *home)
        found = sk_path_join(home, ".local/share/skerry/edge");
    else
        return sk_fail(err, SK_USAGE,
                       "neither --data-dir nor HOME says where the device's folder is");
    if (!found)
        return sk_nomem(err);
    if (run) {
        /* The agent resolves its folder, and its sockets lie below that. */
        SK_OWN(free) char *real = realpath(found, NULL);
        if (sk_agent_run_dir(real ? real : found, e->run_dir, run, err) < 0)
            return -1;
    }
    *dir = SK_TAKE(found);
    return 0;
}

int sk_cli_edge_ask(const struct sk_cli_edge *e, const char *json, uint64_t timeout_ms,
                    struct sk_json **out, struct sk_err *err)
{
    SK_OWN(free) char *dir = NULL;
    SK_OWN(free) char *run = NULL;
    if (sk_cli_edge_dirs(e, &dir, &run, err) < 0)
        return -1;
    if (sk_agent_call(run, sk_view_of(json), timeout_ms, out, err) == 0)
        return 0;
    SK_OWN(free) char *config = sk_path_join(dir, "edge.json");
    if (err->code == SK_BUSY && config && !e->run_dir && !sk_is_file(config))
        return sk_fail(err, SK_NOT_FOUND,
                       "no edge device lies in '%s': name its folder with --data-dir, or make one "
                       "with 'skerry edge init'",
                       dir);
    return -1;
}
