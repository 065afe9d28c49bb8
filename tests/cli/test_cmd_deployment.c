/* test_cmd_deployment.c - `skerry deployment ...` and its metrics with a hub. */
#include "device_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry deployment list", 0, "ID  ", "" },
        { "skerry deployment create d-1 -k %s/good.json -t * -p 10 --label a=b", 0,
          "deployment d-1 is created\n", "" },
        { "skerry deployment create d-1 -k %s/good.json", 1, "", "'d-1'" },
        { "skerry deployment create l-1 -k %s/layer.json --layered --json -p 20", 0,
          "\"id\":\"l-1\"", "" },
        { "skerry deployment create l-2 -k %s/layer.json", 1, "", "" },
        { "skerry deployment create d-2 -k %s/warning.json", 1, "", "--force" },
        { "skerry deployment create d-2 -k %s/bad.json", 1, "", "2 errors" },
        { "skerry deployment create d-2 -k %s/good.json -p -1", 2, "", "--priority" },
        { "skerry deployment create d-2 -k %s/good.json --label a", 2, "", "--label" },
        { "skerry deployment create d-2 -k %s/good.json --metrics %s/none", 1, "", "none" },
        { "skerry deployment create d-2 -k %s/good.json --metrics %s/list.json", 1, "",
          "list.json: expected" },
        { "skerry deployment create d-2", 2, "", "--content is missing" },
        { "skerry deployment list", 0, "\nd-1                               10 ", "" },
        { "skerry deployment list --json", 0, "[{\"id\":\"", "" },
        { "skerry deployment show d-1", 0, "image.filter                        r/f:1\n", "" },
        { "skerry deployment show d-1 --json", 0, "\"modulesContent\"", "" },
        { "skerry deployment show x", 1, "", "'x'" },
        { "skerry deployment update d-1", 2, "", "is missing" },
        { "skerry deployment update d-1 -p 30 --metrics %s/metrics.json", 0,
          "deployment d-1 is changed\n", "" },
        { "skerry deployment show d-1", 0, "labels.a                            b\n", "" },
        { "skerry deployment update d-1 -t deviceId='e' --label c=d --json", 0,
          "\"labels\":{\"c\":\"d\"}", "" },
        { "skerry deployment show d-1", 0, "priority                            30\n", "" },
        { "skerry deployment update x -p 1", 1, "", "'x'" },
        { "skerry deployment delete d-1", 2, "", "--yes" },
        { "skerry deployment delete d-1 --yes", 0, "deployment d-1 is deleted\n", "" },
        { "skerry deployment delete d-1 --yes", 1, "", "'d-1'" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    device_test_manifest(t.dir, "good.json", MANIFEST_GOOD);
    device_test_manifest(t.dir, "warning.json", MANIFEST_WARNING);
    device_test_manifest(t.dir, "bad.json", MANIFEST_BAD);
    device_test_manifest(t.dir, "layer.json", MANIFEST_LAYER);
    write_text(t.dir, "list.json", "[]");
    write_text(t.dir, "metrics.json",
               "{\"metrics\":{\"queries\":{\"m\":\"SELECT deviceId FROM devices\"}}}");
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_deployment", tests, NULL, NULL);
}
