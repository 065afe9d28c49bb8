/* test_cmd_image_sign.c - keys are made, an image in a hub is signed and verified. */
#include "cli_test.h"
#include "hub_test.h"

#include "base/file.h"
#include "crypto/crypto.h"
#include "oci/oci.h"

#include <stdio.h>
#include <stdlib.h>

static const struct hub_row rows[] = {
    { "skerry image keygen %s/a", 2, "", "COSIGN_PASSWORD" },
    { "skerry image keygen %s/a --plain", 0, "a.pub  public", "" },
    { "skerry image keygen %s/a --plain", 1, "", "never replaced" },
    { "skerry image keygen %s/b --key-password-file %s/password", 0, "b.key  private", "" },
    { "skerry image keygen %s/c --key-password-file %s/none", 1, "", "--key-password-file" },
    { "skerry image verify m:v1 --key %s/a.pub", 1, "", "NAME_UNKNOWN" },
    { "skerry push %s/layout m:v1", 0, "pushed ", "" },
    { "skerry image verify m:v1 --key %s/a.pub", 1, "", "is not signed" },
    { "skerry image verify m:v1", 2, "", "--key" },
    { "skerry image sign m:v1", 2, "", "--key" },
    { "skerry image sign m:v1 --key %s/a.pub", 1, "", "a public key" },
    { "skerry image sign m:v1 --key %s/b.key --key-password-file %s/wrong", 1, "",
      "password is wrong" },
    { "skerry image sign m:none --key %s/a.key", 1, "", "none" },
    { "skerry image sign m:v1 --key %s/b.key --key-password-file %s/password", 0, "is signed", "" },
    { "skerry image verify m:v1 --key %s/b.pub", 0, "is signed by this key", "" },
    { "skerry image verify m:v1 --key %s/a.pub", 1, "", "1 signature, none accepted" },
    { "skerry image verify m:v1 --key %s/a.pub --key %s/b.pub --json", 0, "\"verified\":true", "" },
    { "skerry image sign m:v1 --key %s/a.key", 0, "is signed", "" },
    { "skerry image verify m:v1 --key %s/a.pub", 0, "is signed by this key", "" },
    { "skerry image verify m:v1 --key %s/b.pub", 0, "is signed by this key", "" },
    { "skerry pull m:v1 --verify %s/a.pub -o %s/pulled", 0, "signature verified", "" },
};

static size_t put_blob(const char *layout, const char *text, char digest[SK_OCI_DIGEST_TEXT])
{
    struct sk_err err = SK_ERR_INIT;
    char hex[SK_SHA256_HEX];

    assert_int_equal(sk_sha256_hex(text, strlen(text), hex, &err), 0);
    (void)snprintf(digest, SK_OCI_DIGEST_TEXT, "sha256:%s", hex);

    SK_OWN(free) char *path = sk_oci_layout_blob(layout, digest);

    if (sk_file_write(path, text, strlen(text), 0644, &err) < 0)
        fail_msg("%s", err.text);
    return strlen(text);
}

/* The smallest image: a config and no layer. */
static void make_image(const char *dir)
{
    static const char config[] = "{\"architecture\":\"amd64\",\"os\":\"linux\",\"rootfs\":{"
                                 "\"type\":\"layers\",\"diff_ids\":[]}}";
    SK_OWN(free) char *layout = sk_path_join(dir, "layout");
    struct sk_err err = SK_ERR_INIT;
    char digest[SK_OCI_DIGEST_TEXT], manifest[512];

    if (sk_oci_layout_make(layout, &err) < 0)
        fail_msg("%s", err.text);
    size_t size = put_blob(layout, config, digest);

    (void)snprintf(manifest, sizeof(manifest),
                   "{\"schemaVersion\":2,\"mediaType\":\"" SK_OCI_MANIFEST
                   "\",\"config\":{\"mediaType\":\"" SK_OCI_CONFIG
                   "\",\"size\":%zu,\"digest\":\"%s\"},\"layers\":[]}",
                   size, digest);
    size = put_blob(layout, manifest, digest);
    if (sk_oci_layout_tag(layout, "v1", SK_OCI_MANIFEST, digest, size, &err) < 0)
        fail_msg("%s", err.text);
}

static void signs_and_verifies(void **state)
{
    struct hub_test t;

    (void)state;
    assert_int_equal(unsetenv("COSIGN_PASSWORD"), 0);
    hub_test_start(&t);
    write_text(t.dir, "password", "secret\n");
    write_text(t.dir, "wrong", "other\n");
    make_image(t.dir);
    hub_test_rows(&t, rows, COUNT(rows));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(signs_and_verifies) };
    return cmocka_run_group_tests_name("cmd_image_sign", tests, NULL, NULL);
}
