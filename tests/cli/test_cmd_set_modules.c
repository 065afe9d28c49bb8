/* test_cmd_set_modules.c - `skerry set-modules` with a hub. */
#include "device_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create e --edge-enabled", 0, "", "" },
        { "skerry device create a", 0, "", "" },
        { "skerry set-modules -d e -k %s/good.json", 0,
          "filter                            disconnected  none             iotEdge ", "" },
        { "skerry set-modules --device-id e --content %s/good.json --json", 0,
          "[{\"deviceId\":\"e\",\"moduleId\":\"$edgeAgent\"", "" },
        { "skerry twin show e -m $edgeAgent", 0, "modules.filter.settings.image", "" },
        { "skerry set-modules -d e -k %s/warning.json", 1, "",
          "did you mean 'restartPolicy'?\nskerry: " },
        { "skerry set-modules -d e -k %s/warning.json", 1, "", "1 warning; --force" },
        { "skerry set-modules -d e -k %s/warning.json --force", 0, "filter ", "warning: " },
        { "skerry set-modules -d e -k %s/bad.json", 1, "", "'image' is missing" },
        { "skerry set-modules -d e -k %s/bad.json --force", 1, "", "2 errors; nothing was sent" },
        { "skerry set-modules -d e -k %s/layer.json", 1, "", "" },
        { "skerry set-modules -d e -k %s/none.json", 1, "", "none.json" },
        { "skerry set-modules -d a -k %s/good.json", 1, "", "is not an edge device" },
        { "skerry set-modules -d x -k %s/good.json", 1, "", "there is no device 'x'" },
        { "skerry set-modules -d e", 2, "", "--content is missing" },
        { "skerry set-modules -k %s/good.json", 2, "", "--device-id is missing" },
        { "skerry set-modules -d e -k %s/good.json -n http://127.0.0.1:1", 1, "", "127.0.0.1" },
        { "skerry set-modules -d e -k %s/good.json -l HostName=a", 1, "", "--login: " },
        { "skerry set-modules -d e -k %s/good.json -l HostName=127.0.0.1;SharedAccessKeyName="
          "iothubowner;SharedAccessKey=" DEVICE_TEST_KEY,
          1, "", "the key of --login is not accepted" },
    };

    struct hub_test t;
    char line[512];
    (void)state;
    hub_test_start(&t);
    device_test_manifest(t.dir, "good.json", MANIFEST_GOOD);
    device_test_manifest(t.dir, "warning.json", MANIFEST_WARNING);
    device_test_manifest(t.dir, "bad.json", MANIFEST_BAD);
    device_test_manifest(t.dir, "layer.json", MANIFEST_LAYER);
    hub_test_rows(&t, table, COUNT(table));
    /* With the connection string of a policy, as the Azure CLI does it. */
    SK_AUTO(ran_done)
    struct ran shown = run_words("skerry hub policy show iothubowner", t.dir, NULL);
    check_status("show", &shown, 0);
    shown.out[strcspn(shown.out, "\n")] = '\0';
    (void)snprintf(line, sizeof line, "skerry set-modules -d e -k %%s/good.json -l %s", shown.out);
    SK_AUTO(ran_done) struct ran r = run_words(line, t.dir, NULL);
    check_status(line, &r, 0);
    assert_non_null(strstr(r.out, "filter "));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_set_modules", tests, NULL, NULL);
}
