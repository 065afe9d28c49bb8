/* hub_dir_priv.h - what the commands that work on a hub's folder share. */
#ifndef SK_CLI_HUB_DIR_PRIV_H
#define SK_CLI_HUB_DIR_PRIV_H

#include "base/err.h"
#include "base/opt.h"

#include <stddef.h>

/* The row of --data-dir; type is the argument structure, with a field `const char *data_dir`. */
/* clang-format off */
#define SK_CLI_DATA_DIR_OPTION(type)                                                               \
    { "data-dir", 'd', SK_OPT_TEXT, "DIR",                                                         \
      "the hub's folder; else $XDG_DATA_HOME/skerry/hub, for root /var/lib/skerry/hub",            \
      .offset = offsetof(type, data_dir) }

/* clang-format on */

/* The folder that --data-dir, or without it the environment, names; free() it. */
int sk_cli_hub_dir(const char *given, char **out, struct sk_err *err) SK_CHECK;

#endif
