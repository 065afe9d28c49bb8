/* test_cmd_monitor.c - `skerry monitor` without --follow, which is in
 * tests/it/test_device_commands.py. */
#include "device_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry monitor", 0,
          "MODULE          PREDICTION        CONFIDENCE  LATENCY     VERSION\n", "" },
        { "skerry monitor", 0, "ok                0.910       12.4 ms     7\n", "" },
        { "skerry monitor --max 1", 0, "hello\n", "" },
        { "skerry monitor --device a --since 10m", 0, "scratch ", "" },
        { "skerry monitor --device x", 0, "", "there are no such messages" },
        { "skerry monitor --json --max 1", 0, "\"bodyText\":\"hello\"}\n", "" },
        { "skerry monitor --summary", 0,
          "a                 -               7         2         0.0      12.4     20.0     20.0  ",
          "" },
        { "skerry monitor --summary --json --since 1h", 0, "\"predictions\":{\"", "" },
        { "skerry monitor --summary --window 1s", 0, "MESSAGES", "" },
        { "skerry monitor --events", 0, "createDeviceIdentity", "" },
        { "skerry monitor --events --json", 0, "\"deviceId\":\"a\"", "" },
        { "skerry monitor --group g --json", 0, "\"prediction\":\"ok\"", "" },
        { "skerry monitor --module m", 2, "", "--module: give --device too" },
        { "skerry monitor --group g --device a", 2, "", "--group: " },
        { "skerry monitor --group g --since 1h", 2, "", "--group: " },
        { "skerry monitor --summary --events", 2, "", "--summary" },
        { "skerry monitor --since tomorrow", 2, "", "--since: 'tomorrow'" },
        { "skerry monitor --max 1001", 2, "", "--max" },
        { "skerry monitor --window 999ms", 2, "", "--window" },
        { "skerry monitor --hub http://127.0.0.1:1", 1, "", "127.0.0.1" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    device_test_make("a");
    device_test_send("a",
                     "{\"prediction\":\"ok\",\"confidence\":0.91,\"inferenceLatencyMs\":12.4,"
                     "\"modelVersion\":\"7\"}",
                     "application/json");
    device_test_send(
        "a", "{\"prediction\":\"scratch\",\"inferenceLatencyMs\":20,\"modelVersion\":\"7\"}", NULL);
    device_test_send("a", "hello", "text/plain");
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_monitor", tests, NULL, NULL);
}
