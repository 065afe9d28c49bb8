/*
 * cmd_image_sign.c - `skerry image sign`, `verify`, `keygen`: signatures of images, offline.
 */
#include "base/file.h"
#include "cli/cli_priv.h"
#include "cli/image_priv.h"
#include "sign/sign.h"

#include <stdlib.h>
#include <string.h>

struct args {
    struct sk_opt_list keys;
    const char *password_file;
    bool plain, json;
    struct sk_cli_registry registry;
};

enum {
    PASSWORD_BYTES = 4096
};

#define AT(field) .offset = offsetof(struct args, field)

/* clang-format off */
static const struct sk_opt sign_options[] = {
    { "key", 'k', SK_OPT_LIST, "FILE", "private key: PEM, or cosign's with a password", AT(keys) },
    { "key-password-file", 0, SK_OPT_TEXT, "FILE", "password of the key; else COSIGN_PASSWORD", AT(password_file) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

static const struct sk_opt verify_options[] = {
    { "key", 'k', SK_OPT_LIST, "FILE", "public key; one of several is enough", AT(keys) },
    { "json", 0, SK_OPT_FLAG, NULL, "print JSON", AT(json) },
    SK_CLI_REGISTRY_OPTIONS(struct args),
    { .name = NULL },
};

static const struct sk_opt keygen_options[] = {
    { "key-password-file", 0, SK_OPT_TEXT, "FILE", "password of the key; else COSIGN_PASSWORD", AT(password_file) },
    { "plain", 0, SK_OPT_FLAG, NULL, "without a password: the file alone is the secret", AT(plain) },
    { .name = NULL },
};

/* clang-format on */

int sk_cli_key_password(const char *path, char **out, struct sk_err *err)
{
    size_t len = 0;

    *out = NULL;
    if (!path)
        return 0;
    if (sk_file_read(path, PASSWORD_BYTES, out, &len, err) < 0)
        return sk_wrap(err, "--key-password-file");
    (*out)[strcspn(*out, "\r\n")] = '\0';
    return 0;
}

/* The manifest that a reference names. */
static int find_digest(const struct sk_cli_image *i, char digest[SK_OCI_DIGEST_TEXT],
                       struct sk_err *err)
{
    SK_OWN(free) char *bytes = NULL;
    char type[128];
    size_t len = 0;

    return sk_oci_get_manifest(i->registry, i->ref.repository, sk_cli_image_reference(&i->ref),
                               &bytes, &len, type, digest, err);
}

static int print_digest(const struct args *a, const struct sk_oci_ref *ref, const char *digest,
                        const char *what, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);

    if (a->json)
        sk_buf_fmt(&out, "{\"repository\":\"%s/%s\",\"digest\":\"%s\",\"verified\":true}\n",
                   ref->host, ref->repository, digest);
    else
        sk_buf_fmt(&out, "%s/%s@%s %s\n", ref->host, ref->repository, digest, what);
    return sk_cli_print(&out, err);
}

static int run_sign(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_cli_image_done) struct sk_cli_image image = { 0 };
    SK_OWN(sk_signer_free) struct sk_signer *signer = NULL;
    SK_OWN(free) char *password = NULL;
    char digest[SK_OCI_DIGEST_TEXT];

    (void)count;
    if (a->keys.count != 1)
        return sk_fail(err, SK_USAGE, "--key FILE is needed, once");
    if (sk_cli_key_password(a->password_file, &password, err) < 0 ||
        sk_signer_open(a->keys.items[0], password, &signer, err) < 0 ||
        sk_cli_image_open(&a->registry, operands[0], "signing", NULL, &image, err) < 0 ||
        find_digest(&image, digest, err) < 0 ||
        sk_sign_image(signer, image.registry, &image.ref, digest, err) < 0)
        return -1;
    sk_transfer_end(&image.transfer);
    return print_digest(a, &image.ref, digest, "is signed", err);
}

const struct sk_cmd sk_cli_image_sign = {
    .name = "image sign",
    .operands = "REF",
    .summary = "Signs an image in a registry, as cosign does",
    .details = "The signature lies beside the image at the tag sha256-HEX.sig; 'cosign verify "
               "--key' and 'skerry pull --verify' take it. Nothing but the registry is asked.",
    .examples = "skerry image sign team/cats:3 --key cosign.key\n",
    .options = sign_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_sign,
};

static int run_verify(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_AUTO(sk_cli_image_done) struct sk_cli_image image = { 0 };
    SK_OWN(sk_verifier_free) struct sk_verifier *verifier = NULL;
    char digest[SK_OCI_DIGEST_TEXT];

    (void)count;
    if (a->keys.count == 0)
        return sk_fail(err, SK_USAGE, "--key FILE is needed: the public key");
    if (sk_verifier_open(a->keys.items, a->keys.count, &verifier, err) < 0 ||
        sk_cli_image_open(&a->registry, operands[0], "verifying", NULL, &image, err) < 0 ||
        find_digest(&image, digest, err) < 0 ||
        sk_verify_image(verifier, image.registry, &image.ref, digest, err) < 0)
        return -1;
    sk_transfer_end(&image.transfer);
    return print_digest(a, &image.ref, digest, "is signed by this key", err);
}

const struct sk_cmd sk_cli_image_verify = {
    .name = "image verify",
    .operands = "REF",
    .summary = "Checks that an image is signed by a key",
    .details = "Signatures are taken from the tag sha256-HEX.sig and from sigstore bundles among "
               "the referrers. Exit status 0 only when one of the keys made one for this image.",
    .examples = "skerry image verify team/cats:3 --key cosign.pub\n",
    .options = verify_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_verify,
};

static int run_keygen(const void *args, char **operands, unsigned count, struct sk_err *err)
{
    const struct args *a = args;
    SK_OWN(free) char *password = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    const char *env = getenv("COSIGN_PASSWORD");

    (void)count;
    if (sk_cli_key_password(a->password_file, &password, err) < 0)
        return -1;
    if (!password && !env && !a->plain)
        return sk_fail(err, SK_USAGE,
                       "a password is needed: COSIGN_PASSWORD or --key-password-file; --plain goes "
                       "without");
    if (sk_sign_make_keys(operands[0], a->plain ? NULL : (password ? password : env), err) < 0)
        return -1;
    sk_buf_fmt(&out,
               "%s.key  private: keep it where images are made\n%s.pub  public: give it to "
               "every device\n",
               operands[0], operands[0]);
    return sk_cli_print(&out, err);
}

const struct sk_cmd sk_cli_image_keygen = {
    .name = "image keygen",
    .operands = "PREFIX",
    .summary = "Makes a pair of keys for signing images: PREFIX.key and PREFIX.pub",
    .details = "ECDSA P-256; the private key in cosign's own format, encrypted with a password "
               "(COSIGN_PASSWORD). Existing files are never replaced.",
    .examples = "COSIGN_PASSWORD=... skerry image keygen cosign\n",
    .options = keygen_options,
    .args_size = sizeof(struct args),
    .min_operands = 1,
    .max_operands = 1,
    .run = run_keygen,
};
