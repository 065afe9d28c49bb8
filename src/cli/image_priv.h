/*
 * image_priv.h - what the commands about container images share (image_common.c): which registry,
 * as whom, and what is shown; an archive as a layout (image_source.c).
 */
#ifndef SK_CLI_IMAGE_PRIV_H
#define SK_CLI_IMAGE_PRIV_H

#include "base/err.h"
#include "cli/remote_priv.h"
#include "oci/oci.h"

#include <stdbool.h>
#include <stdint.h>

struct sk_cli_registry {
    const char *hub, *username, *password_file, *ca_file;
    bool plain_http;
};

/* Rows of the options; type is the argument structure, with a field `struct sk_cli_registry
 * registry`. */
/* clang-format off */
#define SK_CLI_REGISTRY_OPTIONS(type)                                                              \
    { "username", 'u', SK_OPT_TEXT, "NAME", "of the registry; else what docker login has stored",  \
      .offset = offsetof(type, registry.username), .group = "Registry" },                          \
    { "password-file", 0, SK_OPT_TEXT, "FILE", "file with the password; -: standard input",        \
      .offset = offsetof(type, registry.password_file), .group = "Registry" },                     \
    { "ca-file", 0, SK_OPT_TEXT, "FILE", "certificates to trust, as PEM; else the hub's, else the system's", \
      .offset = offsetof(type, registry.ca_file), .group = "Registry" },                           \
    { "plain-http", 0, SK_OPT_FLAG, NULL, "no TLS; needed beyond this machine only",               \
      .offset = offsetof(type, registry.plain_http), .group = "Registry" },                        \
    { "hub", 0, SK_OPT_TEXT, "HUB", "context or URL, for names without a host; else SKERRY_HUB, else the current context", \
      .offset = offsetof(type, registry.hub), .group = "Registry" }

/* clang-format on */

/* One image, the registry it is in, and the line that shows how far it is. */
struct sk_cli_image {
    struct sk_oci_ref ref;
    struct sk_oci_registry *registry;
    struct sk_transfer transfer;
};

/* Opens the registry of a reference. verb: "pushing"; mount_from: NULL for none. Put it into one
 * place and leave it there until sk_cli_image_done: the registry points to it. */
int sk_cli_image_open(const struct sk_cli_registry *opts, const char *reference, const char *verb,
                      const char *mount_from, struct sk_cli_image *out,
                      struct sk_err *err) SK_CHECK;
/* The same for a registry alone: HOST[:PORT], NULL for the hub's. ref has only the host. */
int sk_cli_registry_open(const struct sk_cli_registry *opts, const char *host, const char *verb,
                         struct sk_cli_image *out, struct sk_err *err) SK_CHECK;
void sk_cli_image_done(struct sk_cli_image *i);
/* Tag or digest of a reference. */
const char *sk_cli_image_reference(const struct sk_oci_ref *ref);

/* Password of a signing key, of --key-password-file; *out NULL: COSIGN_PASSWORD's. free(). */
int sk_cli_key_password(const char *path, char **out, struct sk_err *err) SK_CHECK;

/* ---- image_source.c ---- */

/* What is pushed: a layout, or an archive that was unpacked into a folder of its own. */
struct sk_cli_source {
    char *layout;
    char *temp; /* to be removed; NULL: none */
    char media_type[128], digest[SK_OCI_DIGEST_TEXT];
};

/* which: its tag or digest in the layout, NULL: the only one. */
int sk_cli_source_open(const char *path, const char *which, struct sk_cli_source *out,
                       struct sk_err *err) SK_CHECK;
void sk_cli_source_done(struct sk_cli_source *s);

/* ---- image_model.c ---- */

/* The model layer becomes the folder `output`, which appears whole. want: as sk_oci_pull. */
int sk_cli_pull_model(const struct sk_cli_image *i, const char *platform, const char *want,
                      const char *output, char digest[SK_OCI_DIGEST_TEXT],
                      struct sk_err *err) SK_CHECK;

#endif
