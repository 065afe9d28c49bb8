/* hub_dir.c - which folder the commands that work on a hub's folder mean. */
#include "cli/hub_dir_priv.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int sk_cli_hub_dir(const char *given, char **out, struct sk_err *err)
{
    const char *data = getenv("XDG_DATA_HOME"), *home = getenv("HOME");
    char *dir = NULL;
    if (given)
        dir = strdup(given);
    else if (data && *data)
        dir = sk_path_join(data, "skerry/hub");
    else if (geteuid() == 0)
        dir = strdup("/var/lib/skerry/hub");
    else if (home && *home)
        dir = sk_path_join(home, ".local/share/skerry/hub");
    else
        return sk_fail(err, SK_USAGE, "neither --data-dir nor HOME says where the hub's folder is");
    if (!dir)
        return sk_nomem(err);
    *out = dir;
    return 0;
}
