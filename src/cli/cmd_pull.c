/*
 * cmd_pull.c - `skerry pull REF`: an image as a layout, or only the model that is in it.
 *
 * With --verify the manifest is found first, then its signature, and then everything is reached
 * through the digest that was verified: a tag that moves meanwhile changes nothing.
 */
#include "base/str.h"
#include "cli/cli_priv.h"
#include "cli/image_priv.h"
#include "sign/sign.h"

struct args {
    const char *output, *platform;
    struct sk_opt_list verify;
    bool model_only, json;
    struct sk_cli_registry registry;
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt options[] = {
    { "output", 'o', SK_OPT_TEXT, "DIR", "where it goes; else the last part of the name, here", AT(output) },
    { "model-only", 'm', SK_OPT_FLAG, NULL, "fetch only the model's layer, as a folder that 'skerry serve' takes", AT(model_only) },
    { "platform", 0, SK_OPT_TEXT, "OS/CPU", "of an image for several, such as linux/arm64, or all; else this machine's", AT(platform) },
    { "verify", 0, SK_OPT_LIST, "KEY", "only an image that is signed with this public key; may be repeated", AT(verify) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

/* clang-format on */

/* The digest that a signature was found for; "" when none is wanted. */
static int verify(const struct args *a, const struct sk_cli_image *i, struct sk_verifier *v,
                  char digest[SK_OCI_DIGEST_TEXT], struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    char media_type[128];
    size_t len = 0;

    digest[0] = '\0';
    if (a->verify.count == 0)
        return 0;
    if (sk_oci_get_manifest(i->registry, i->ref.repository, sk_cli_image_reference(&i->ref), &bytes,
                            &len, media_type, digest, err) < 0)
        return -1;
    return sk_verify_image(v, i->registry, &i->ref, digest, err);
}

static int report(const struct args *a, const struct sk_oci_ref *ref, const char *digest,
                  const char *output, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(1024);
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_CLI_OUTPUT_BYTES);
    const char *verified = a->verify.count > 0 ? "true" : "false";

    sk_oci_ref_print(ref, &name);
    if (!sk_buf_ok(&name))
        return sk_buf_fail(&name, err);
    if (a->json) {
        sk_buf_fmt(&out,
                   "{\"reference\":\"%s\",\"digest\":\"%s\",\"verified\":%s,\"%s\":", name.data,
                   digest, verified, a->model_only ? "model" : "layout");
        sk_buf_json_str(&out, output);
        sk_buf_str(&out, "}\n");
    } else {
        sk_buf_fmt(&out, "pulled %s%s\n%s\n%s %s\n", name.data,
                   a->verify.count > 0 ? ", signature verified" : "", digest,
                   a->model_only ? "model in" : "layout in", output);
    }
    return sk_cli_print(&out, err);
}

static int run(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    SK_AUTO(sk_cli_image_done) struct sk_cli_image image = { 0 };
    SK_OWN(sk_verifier_free) struct sk_verifier *verifier = NULL;
    char want[SK_OCI_DIGEST_TEXT], digest[SK_OCI_DIGEST_TEXT];
    const struct args *a = args;
    const char *output = a->output;

    (void)count;
    if (a->verify.count > 0 &&
        sk_verifier_open(a->verify.items, a->verify.count, &verifier, err) < 0)
        return -1;
    if (sk_cli_image_open(&a->registry, operands[0], "pulling", NULL, &image, err) < 0)
        return -1;
    if (!output) {
        const char *slash = strrchr(image.ref.repository, '/');
        output = slash ? slash + 1 : image.ref.repository;
    }
    /* a model that is there may be this one: seen when it is unpacked */
    if (!(a->model_only && sk_bundle_is(output)) &&
        sk_cli_output_check(output, !a->model_only, err) < 0)
        return -1;
    if (verify(a, &image, verifier, want, err) < 0)
        return -1;
    const char *wanted = want[0] ? want : NULL;
    int rc = a->model_only ? sk_cli_pull_model(&image, a->platform, wanted, output, digest, err)
                           : sk_oci_pull(image.registry, &image.ref, a->platform, wanted, output,
                                         digest, err);
    if (rc < 0)
        return -1;
    sk_transfer_end(&image.transfer);
    return report(a, &image.ref, digest, output, err);
}

const struct sk_cmd sk_cli_pull = {
    .name = "pull",
    .operands = "REF",
    .summary = "Fetches a container image, or only the model in it",
    .details =
        "REF is [HOST[:PORT]/]NAME[:TAG][@DIGEST]; without a host it is the hub's that one is "
        "logged in to, else docker.io's. The image becomes a folder in the OCI image layout, which "
        "skopeo, podman and 'skerry push' take. With --model-only just the layer with the model is "
        "fetched, and becomes a folder for 'skerry serve'.\n\n"
        "A transfer that was cut goes on where it was when the command is given again. Nothing is "
        "used before its digest was checked. With --verify a signature by one of the keys must be "
        "there, as cosign makes them, and what was verified is what is fetched.",
    .examples =
        "skerry pull team/cats:3 # the image, to the folder cats\n"
        "skerry pull --model-only team/cats:3 -o cats && skerry serve cats # only the model\n"
        "skerry pull --verify cosign.pub registry.example/team/cats:3",
    .options = options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
