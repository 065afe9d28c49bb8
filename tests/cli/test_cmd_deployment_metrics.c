/* test_cmd_deployment_metrics.c - `skerry deployment metrics` with a hub. */
#include "device_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create e --edge-enabled", 0, "", "" },
        { "skerry deployment create d -k %s/good.json -t * --metrics %s/metrics.json", 0, "", "" },
        { "skerry deployment metrics d", 0,
          "METRIC                            TYPE    COUNT\n"
          "mine                              user    1\n"
          "targetedCount                     system  1\n",
          "" },
        { "skerry deployment metrics d --metric-type user --json", 0,
          "{\"metric\":\"mine\",\"type\":\"user\",\"count\":1}\n", "" },
        { "skerry deployment metrics d --metric-id targetedCount", 0, "{\"deviceId\":\"e\"}\n",
          "" },
        { "skerry deployment metrics d -m mine --metric-type system", 1, "",
          "has no system metric 'mine'" },
        { "skerry deployment metrics d -m none", 1, "", "has no metric 'none'" },
        { "skerry deployment metrics x", 1, "", "'x'" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    device_test_manifest(t.dir, "good.json", MANIFEST_GOOD);
    write_text(t.dir, "metrics.json", "{\"mine\":\"SELECT deviceId FROM devices\"}");
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_deployment_metrics", tests, NULL, NULL);
}
