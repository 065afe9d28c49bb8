/* test_cmd_device_allow.c - `skerry device allow` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device allow a defects a/b", 0, "", "" },
        { "skerry device allow a", 0, "", "" },
        { "skerry device allow x defects", 1, "", "there is no device 'x'" },
        { "skerry device allow", 2, "", "" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_device_allow", tests, NULL, NULL);
}
