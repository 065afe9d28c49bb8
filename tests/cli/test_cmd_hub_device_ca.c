/* test_cmd_hub_device_ca.c - `skerry hub device-ca add`, `list`, `remove` with a hub, whose own CA
 * serves as the authority. */
#include "hub_test.h"

#include "base/file.h"
#include "cli_test.h"
#include "crypto/crypto.h"

#include <stdio.h>
#include <stdlib.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry hub device-ca list", 0, "FINGERPRINT       UNTIL       SUBJECT\n", "" },
        { "skerry hub device-ca add %s/hub/tls/ca.pem", 0, "1 certificate is added\n", "" },
        { "skerry hub device-ca add %s/hub/tls/ca.pem", 0, "nothing is added: the hub has it\n",
          "" },
        { "skerry hub device-ca list --json", 0, "{\"sha256\":\"", "" },
        { "skerry hub device-ca add %s/text", 1, "", "text: there is no certificate in it" },
        { "skerry hub device-ca add %s/cut", 1, "", "cut: a certificate has no end" },
        { "skerry hub device-ca add %s/none", 1, "", "none" },
        { "skerry hub device-ca remove 0000000000000000", 1, "", "no certificate begins with" },
        { "skerry hub device-ca remove 0000000", 2, "", "at least 8 digits" },
        { "skerry hub device-ca remove", 2, "", "give a FINGERPRINT, or --all" },
        { "skerry hub device-ca remove 00000000 --all", 2, "", "give a FINGERPRINT, or --all" },
        { "skerry hub device-ca remove --all", 0, "1 certificate is removed\n", "" },
        { "skerry hub device-ca add %s/hub/tls/ca.pem", 0, "1 certificate is added\n", "" },
    };

    struct hub_test t;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info;
    char line[160];
    size_t len = 0;

    (void)state;
    hub_test_start(&t);
    write_text(t.dir, "text", "hello\n");
    write_text(t.dir, "cut", "-----BEGIN CERTIFICATE-----\nabcd\n");
    hub_test_rows(&t, table, COUNT(table));
    SK_OWN(free) char *path = sk_path_join(t.dir, "hub/tls/ca.pem");
    SK_OWN(free) char *pem = NULL;
    assert_int_equal(sk_file_read(path, 1 << 20, &pem, &len, &err), 0);
    assert_int_equal(sk_cert_info(pem, len, &info, &err), 0);
    (void)snprintf(line, sizeof line, "skerry hub device-ca remove %.16s", info.sha256);
    const struct hub_row last[] = {
        { line, 0, "1 certificate is removed\n", "" },
        { line, 1, "", "no certificate begins with" },
    };
    hub_test_rows(&t, last, COUNT(last));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_hub_device_ca", tests, NULL, NULL);
}
