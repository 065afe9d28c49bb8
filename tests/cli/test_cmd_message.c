/* test_cmd_message.c - `skerry message send` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry message send a --body hi", 0, " is sent to device a\n", "" },
        { "skerry message send a --body {\"x\":1} -p k=v -p l=a=b --ack full --expiry 10m", 0,
          " is sent to device a\n", "" },
        { "skerry message send a --file %s/body.bin --content-type image/png", 0, " is sent", "" },
        { "skerry message send a --file %s/none", 1, "", "none" },
        { "skerry device show a", 0, "cloudToDeviceMessageCount           3\n", "" },
        { "skerry message send x --body hi", 1, "", "there is no device 'x'" },
        { "skerry message send a", 2, "", "--body or --file is missing" },
        { "skerry message send a --body a --file b", 2, "", "two bodies" },
        { "skerry message send a --body a --module m", 2, "", "--input is missing" },
        { "skerry message send a --body a --input i", 2, "", "--module is missing" },
        { "skerry message send a --body a -p k", 2, "", "'k' is not KEY=VALUE" },
        { "skerry message send a --body a -p =v", 2, "", "is not KEY=VALUE" },
        { "skerry message send a --body a -p k:=v", 2, "", "'k:' is not of letters" },
        { "skerry message send a --body a --ack some", 2, "", "some" },
        { "skerry message send a --module m --input i --body hi", 1, "", "m" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    write_text(t.dir, "body.bin", "\xff\xfe");
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_message", tests, NULL, NULL);
}
