/* test_cmd_device_sas.c - `skerry device sas`: what it prints lets the device in. */
#include "device_test.h"

#include <stdio.h>
#include <stdlib.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device create a -m m", 0, "", "" },
        { "skerry device create c --auth x509-ca", 0, "", "" },
        { "skerry device sas a", 0, "SharedAccessSignature sr=127.0.0.1%2Fdevices%2Fa&sig=", "" },
        { "skerry device sas a -m m", 0, "sr=127.0.0.1%2Fdevices%2Fa%2Fmodules%2Fm&sig=", "" },
        { "skerry device sas a --json", 0, "\",\"expires\":\"20", "" },
        { "skerry device sas c", 1, "", "known by a certificate" },
        { "skerry device sas x", 1, "", "there is no device 'x'" },
        { "skerry device sas a --duration 0", 2, "", "duration" },
        { "skerry device sas", 2, "", "DEVICE" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cli/cmd_device_sas", tests, NULL, NULL);
}
