/* edge_priv.h - what the commands of an edge device share. */
#ifndef SK_CLI_EDGE_PRIV_H
#define SK_CLI_EDGE_PRIV_H

#include "base/err.h"
#include "base/opt.h"
#include "json/json.h"

#include <stddef.h>

struct sk_cli_edge {
    const char *data_dir, *run_dir;
};

/* Rows of --data-dir and --run-dir; type is the argument structure, with a field
 * `struct sk_cli_edge edge`. */
/* clang-format off */
#define SK_CLI_EDGE_OPTIONS(type)                                                                  \
    { "data-dir", 'd', SK_OPT_TEXT, "DIR",                                                         \
      "the device's folder; else $XDG_DATA_HOME/skerry/edge, for root /var/lib/skerry/edge",       \
      .offset = offsetof(type, edge) + offsetof(struct sk_cli_edge, data_dir) },                   \
    { "run-dir", 0, SK_OPT_TEXT, "DIR", "where its sockets are; else /run/skerry-edge for /var/lib/skerry/edge, DIR/run for others",                     \
      .offset = offsetof(type, edge) + offsetof(struct sk_cli_edge, run_dir) }

/* clang-format on */

/* The device's folder and that of its sockets; free() both. run may be NULL. */
int sk_cli_edge_dirs(const struct sk_cli_edge *e, char **dir, char **run,
                     struct sk_err *err) SK_CHECK;
/* A call to the running agent. */
int sk_cli_edge_ask(const struct sk_cli_edge *e, const char *json, uint64_t timeout_ms,
                    struct sk_json **out, struct sk_err *err) SK_CHECK;

#endif
