/* test_cmd_method.c - `skerry method invoke` where nobody answers; answers are in
 * tests/it/test_device_commands.py. */
#include "hub_test.h"

#include "cli_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry method invoke a reboot", 1, "", "not connected" },
        { "skerry method invoke a reboot --connect-timeout 1s --payload {\"x\":1}", 1, "",
          "not connected" },
        { "skerry method invoke x reboot", 1, "", "127.0.0.1" },
        { "skerry method invoke a reboot -m m", 1, "", "127.0.0.1" },
        { "skerry method invoke a reboot --payload {", 1, "", "--payload: " },
        { "skerry method invoke a reboot --timeout 4s", 2, "", "--timeout" },
        { "skerry method invoke a", 2, "", "METHOD" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_method", tests, NULL, NULL);
}
