/* cmd_push.c - `skerry push LAYOUT|ARCHIVE REF`: an image to a registry. */
#include "cli/cli_priv.h"
#include "cli/image_priv.h"

struct args {
    const char *image, *mount_from;
    bool json;
    struct sk_cli_registry registry;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "image", 'i', SK_OPT_TEXT, "TAG|DIGEST", "which one, where the layout has several", AT(image) },
    { "mount-from", 0, SK_OPT_TEXT, "NAME", "repository of the same registry that may have the layers already", AT(mount_from) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

static int report(const struct args *a, const struct sk_cli_image *i, const char *digest,
                  struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    struct sk_oci_ref ref = i->ref;

    ref.digest[0] = '\0';
    sk_oci_ref_print(&ref, &name);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (a->json)
        sk_buf_fmt(&out, "{\"reference\":\"%s\",\"digest\":\"%s\"}\n", name.data, digest);
    else
        sk_buf_fmt(&out, "pushed %s\n%s\n", name.data, digest);
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image image = { 0 };
    SK_AUTO(sk_cli_source_done) struct sk_cli_source source = { 0 };
    const struct args *a = args;

    (void)count;
    if (sk_cli_source_open(operands[0], a->image, &source, err) < 0 ||
        sk_cli_image_open(&a->registry, operands[1], "pushing", a->mount_from, &image, err) < 0 ||
        sk_oci_push(image.registry, source.layout, source.digest, &image.ref, err) < 0)
        return -1;
    sk_transfer_end(&image.transfer);
    return report(a, &image, source.digest, err);
}

const struct sk_cmd sk_cli_push = {
    .name = "push",
    .operands = "LAYOUT|ARCHIVE REF",
    .summary = "Sends a container image to a registry",
    .details =
        "LAYOUT is a folder in the OCI image layout, ARCHIVE a tar file of one (plain, gzip, "
        "zstd). REF is "
        "[HOST[:PORT]/]NAME[:TAG]; without a host it is the hub's that one is logged in to, else "
        "docker.io's. Blobs that the registry has are not sent; an upload that is cut goes on "
        "where the registry says it is. The tag is set last.\n\n"
        "Logins are those of 'skerry login' for the hub, and for other registries those of "
        "'docker login': $DOCKER_CONFIG/config.json or ~/.docker/config.json, with credential "
        "helpers.",
    .examples = "skerry push cats.oci team/cats:3 # to the hub\n"
                "skerry push cats.tar registry.example:5000/team/cats:3 # to any registry",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 2,
    .max_operands = 2,
    .run = run,
};
