/* test_cmd_device_change.c - `skerry device delete`, `enable`, `disable`, `key` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

#include <stdio.h>
#include <stdlib.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device create a -m m", 0, "", "" },
        { "skerry device create c --auth x509-ca", 0, "", "" },
        { "skerry device create e --edge-enabled", 0, "", "" },
        { "skerry device disable a", 0, "device a is disabled: it may not connect\n", "" },
        { "skerry device show a", 0, "disabled\n", "" },
        { "skerry device enable a", 0, "device a is enabled\n", "" },
        { "skerry device show a", 0, "enabled\n", "" },
        { "skerry device enable x", 1, "", "there is no device 'x'" },
        { "skerry device key a", 0, "HostName=127.0.0.1;DeviceId=a;SharedAccessKey=", "" },
        { "skerry device key a -m m", 0, ";ModuleId=m;SharedAccessKey=", "" },
        { "skerry device key a --json", 0, "\",\"secondary\":\"HostName=", "" },
        { "skerry device key c", 0, "HostName=127.0.0.1;DeviceId=c;x509=true\n", "" },
        { "skerry device key c --renew primary", 1, "", "known by a certificate" },
        { "skerry device key e -m $edgeAgent", 1, "", "e/$edgeAgent has no keys" },
        { "skerry device key a --renew third", 2, "", "third" },
        { "skerry device delete a", 2, "", "--yes" },
        { "skerry device delete a -m m --yes", 0, "module a/m is deleted\n", "" },
        { "skerry device delete e -m $edgeHub --yes", 1, "", "goes with its device only" },
        { "skerry device delete a --yes", 0, "device a is deleted\n", "" },
        { "skerry device delete a --yes", 1, "", "there is no device 'a'" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

/* The two lines of `device key`. */
static void keys(const struct hub_test *t, const char *line, char first[256], char second[256])
{
    SK_AUTO(ran_done) struct ran r = run_words(line, t->dir, NULL);
    check_status(line, &r, 0);
    assert_int_equal(sscanf(r.out, "%255s %255s", first, second), 2);
}

/* One key is new, the other one stays. */
static void renewal(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device create a -m m", 0, "", "" },
    };

    static const char *const of[] = { "", " -m m" };
    struct hub_test t;
    char one[256], two[256], one_then[256], two_then[256], line[128];

    (void)state;
    hub_test_start(&t);
    hub_test_rows(&t, table, COUNT(table));
    for (size_t i = 0; i < COUNT(of); i++) {
        (void)snprintf(line, sizeof line, "skerry device key a%s", of[i]);
        keys(&t, line, one, two);
        assert_string_not_equal(one, two);
        (void)snprintf(line, sizeof line, "skerry device key a%s --renew primary", of[i]);
        keys(&t, line, one_then, two_then);
        assert_string_not_equal(one, one_then);
        assert_string_equal(two, two_then);
        (void)snprintf(line, sizeof line, "skerry device key a%s --renew secondary", of[i]);
        keys(&t, line, one, two);
        assert_string_equal(one, one_then);
        assert_string_not_equal(two, two_then);
    }
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(renewal) };
    return cmocka_run_group_tests_name("cmd_device_change", tests, NULL, NULL);
}
