/* test_cmd_image_sign.c - keys are made, an image in a hub is signed and verified. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

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

static void signs_and_verifies(void **state)
{
    char digest[SK_OCI_DIGEST_TEXT];
    struct hub_test t;

    (void)state;
    assert_int_equal(unsetenv("COSIGN_PASSWORD"), 0);
    hub_test_start(&t);
    write_text(t.dir, "password", "secret\n");
    write_text(t.dir, "wrong", "other\n");
    image_test_add(t.dir, "v1", "amd64", NULL, 0, digest); /* no layer */
    hub_test_rows(&t, rows, COUNT(rows));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(signs_and_verifies) };
    return cmocka_run_group_tests_name("cmd_image_sign", tests, NULL, NULL);
}
