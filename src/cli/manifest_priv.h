/* manifest_priv.h - a deployment manifest of a file, checked before it is sent: for set-modules and
 * the deployment commands. */
#ifndef SK_CLI_MANIFEST_PRIV_H
#define SK_CLI_MANIFEST_PRIV_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>

enum {
    SK_CLI_MANIFEST_BYTES = 4 << 20
};

/* Reads a manifest and says on standard error what is wrong with it, a line each with its place.
 * SK_INVALID when something can never work, and for mere warnings unless is_forced. Appends
 * {"modulesContent":{...}} to content. */
int sk_cli_manifest(const char *file, bool is_layered, bool is_forced, struct sk_buf *content,
                    struct sk_err *err) SK_CHECK;

#endif
