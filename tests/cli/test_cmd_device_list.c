/* test_cmd_device_list.c - `skerry device list`, `modules`, `show` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

#include <stdlib.h>

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device list", 0, "ID  ", "" },
        { "skerry device create a", 0, "", "" },
        { "skerry device create b --edge-enabled", 0, "", "" },
        { "skerry device create c --auth x509-ca", 0, "", "" },
        { "skerry device list", 0,
          "\na                                 enabled   disconnected  no    sas              -\n"
          "b                                 enabled   disconnected  yes   sas              -\n"
          "c                                 enabled   disconnected  no    x509-ca          -\n",
          "" },
        { "skerry device list --edge", 0, "(UTC)\nb ", "" },
        { "skerry device list --edge --connected", 0, "(UTC)\n", "" },
        { "skerry device list --top 1 --json", 0, "{\"deviceId\":\"a\"", "" },
        { "skerry device list --top 0", 2, "", "--top" },
        { "skerry device modules b", 0,
          "$edgeHub                          disconnected  none             iotEdge      -\n", "" },
        { "skerry device modules b --json", 0, "\"authenticationType\":\"none\"}]\n", "" },
        { "skerry device modules x", 1, "", "there is no device 'x'" },
        { "skerry device show a", 0, "authentication.type                 sas\n", "" },
        { "skerry device show a --json", 0, "\"authenticationType\":\"sas\"}\n", "" },
        { "skerry device show a --keys", 0, "symmetricKey.primaryKey", "" },
        { "skerry device show a --keys --json", 0, "\"primaryKey\":\"", "" },
        { "skerry device show b --module $edgeAgent", 0, "moduleId                            $edg",
          "" },
        { "skerry device show b --module x", 1, "", "x" },
    };

    (void)state;
    hub_test_run(table, COUNT(table));
}

static void expect(const struct hub_test *t, const char *line, const char *has, const char *lacks)
{
    SK_AUTO(ran_done) struct ran r = run_words(line, t->dir, NULL);
    check_status(line, &r, 0);
    if (!strstr(r.out, has) || strstr(r.out, lacks))
        fail_msg("%s\n%s", line, r.out);
}

/* Who may read the registry only sees devices too, and nobody sees keys unasked. */
static void as_a_reader(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device create b --edge-enabled", 0, "", "" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    hub_test_rows(&t, table, COUNT(table));
    expect(&t, "skerry device show a", "deviceId", "primaryKey");
    expect(&t, "skerry device show a --json", "deviceId", "primaryKey");
    {
        SK_AUTO(ran_done)
        struct ran r = run_words("skerry hub token create -u r -r reader", t.dir, NULL);
        check_status("token", &r, 0);
        r.out[strcspn(r.out, "\n")] = '\0';
        assert_int_equal(setenv("SKERRY_TOKEN", r.out, 1), 0);
    }
    expect(&t, "skerry device list", "\na  ", "primaryKey");
    expect(&t, "skerry device list --edge", "\nb  ", "\na  ");
    expect(&t, "skerry device list --json --edge", "\"authenticationType\":\"sas\"", "primaryKey");
    expect(&t, "skerry device list --top 1", "\na  ", "\nb  ");
    SK_AUTO(ran_done) struct ran r = run_words("skerry device key a", t.dir, NULL);
    check_status("key", &r, 1);
    assert_non_null(strstr(r.err, "shown to deployers and owners"));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows), cmocka_unit_test(as_a_reader) };
    return cmocka_run_group_tests_name("cmd_device_list", tests, NULL, NULL);
}
