/*
 * cmd_push.c - `skerry push LAYOUT|ARCHIVE REF`: an image to a registry, with its signature.
 *
 * A signature of the layout goes to its own tag after the image. Where the registry has another one
 * there, made by somebody else, that stays: a push must not take a signature away.
 */
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

/* What became of the layout's signature. */
struct signature {
    char digest[SK_OCI_DIGEST_TEXT]; /* "": it has none */
    bool is_kept_back;               /* the registry has another one */
};

/* The tag that cosign gives it. */
static void signature_tag(const char *digest, char *out, size_t size)
{
    (void)snprintf(out, size, "%.80s.sig", digest);
    out[strcspn(out, ":")] = '-';
}

static int unless_missing(const struct sk_err *why, struct sk_err *err)
{
    if (why->code == SK_NOT_FOUND)
        return 0;
    *err = *why;
    return -1;
}

static int push_signature(const struct sk_cli_image *i, const struct sk_cli_source *source,
                          struct signature *out, struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_oci_ref ref = i->ref;
    struct sk_err why = SK_ERR_INIT;
    char media_type[128], there[SK_OCI_DIGEST_TEXT];
    size_t len = 0;

    if (!sk_digest_is(source->digest, SK_SHA256))
        return 0; /* a tag has no room for more digits: nothing is signed by it */
    ref.digest[0] = '\0';
    signature_tag(source->digest, ref.tag, sizeof ref.tag);
    if (sk_oci_layout_find(source->layout, ref.tag, media_type, out->digest, &why) < 0)
        return unless_missing(&why, err);
    if (sk_oci_get_manifest(i->registry, ref.repository, ref.tag, &bytes, &len, media_type, there,
                            &why) == 0) {
        out->is_kept_back = strcmp(there, out->digest) != 0;
        return 0;
    }
    if (unless_missing(&why, err) < 0)
        return -1;
    return sk_oci_push(i->registry, source->layout, out->digest, &ref, err);
}

static int report(const struct args *a, const struct sk_cli_image *i, const char *digest,
                  const struct signature *s, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    struct sk_oci_ref ref = i->ref;

    ref.digest[0] = '\0';
    sk_oci_ref_print(&ref, &name);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    const char *signature = s->is_kept_back ? "" : s->digest;
    if (s->is_kept_back)
        (void)fprintf(stderr,
                      "skerry: warning: the registry has another signature of this image, which "
                      "stays; 'skerry image sign %s' adds one\n",
                      name.data);
    if (a->json)
        sk_buf_fmt(&out, "{\"reference\":\"%s\",\"digest\":\"%s\",\"signature\":%s%s%s}\n",
                   name.data, digest, *signature ? "\"" : "", *signature ? signature : "null",
                   *signature ? "\"" : "");
    else
        sk_buf_fmt(&out, "pushed %s%s\n%s\n", name.data, *signature ? ", with its signature" : "",
                   digest);
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image image = { 0 };
    SK_AUTO(sk_cli_source_done) struct sk_cli_source source = { 0 };
    const struct args *a = args;
    struct signature signature = { .digest = "" };

    (void)count;
    if (sk_cli_source_open(operands[0], a->image, &source, err) < 0 ||
        sk_cli_image_open(&a->registry, operands[1], "pushing", a->mount_from, &image, err) < 0 ||
        sk_oci_push(image.registry, source.layout, source.digest, &image.ref, err) < 0)
        return -1;
    if (push_signature(&image, &source, &signature, err) < 0)
        return sk_wrap(err, "the image is there, but its signature");
    sk_transfer_end(&image.transfer);
    return report(a, &image, source.digest, &signature, err);
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
        "where the registry says it is. The tag is set last; a signature that is in the layout "
        "(package --sign) goes along.\n\n"
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
