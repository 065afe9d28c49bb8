/* test_cmd_twin.c - `skerry twin show`, `update` with a hub. */
#include "hub_test.h"

#include "cli_test.h"

static void rows(void **state)
{
    static const struct hub_row table[] = {
        { "skerry device create a", 0, "", "" },
        { "skerry device create a -m m", 0, "", "" },
        { "skerry twin show a", 0, "properties.desired.$version         1\n", "" },
        { "skerry twin show a --json", 0, "\"$metadata\"", "" },
        { "skerry twin show x", 1, "", "there is no device 'x'" },
        { "skerry twin update a --desired {\"n\":{\"x\":1},\"o\":2} --tags {\"site\":\"north\"}", 0,
          "properties.desired.n.x              1\n", "" },
        { "skerry twin show a", 0, "tags.site                           north\n", "" },
        { "skerry twin update a --desired {\"o\":null}", 0, "desired.n.x ", "" },
        { "skerry twin update a --desired {\"p\":1} --replace --json", 0, "\"desired\":{\"p\":1,",
          "" },
        { "skerry twin update a -m m --desired {\"q\":1}", 0, "moduleId ", "" },
        { "skerry twin update a --file %s/twin.json", 0,
          "tags.of                             file\n", "" },
        { "skerry twin update a --file %s/none.json", 1, "", "none.json" },
        { "skerry twin update a --file %s/wrong.json", 1, "", "wrong.json: expected {\"tags\"" },
        { "skerry twin update a --replace --file %s/reported.json", 1, "", ": expected {\"tags\"" },
        { "skerry twin show a", 0, "tags.of                             file\n", "" },
        { "skerry twin update a", 2, "", "--desired, --tags or --file is missing" },
        { "skerry twin update a --tags {} --file %s/twin.json", 2, "", "--file has both" },
        { "skerry twin update a --tags {", 1, "", "--tags: " },
        { "skerry twin update a --tags 1", 1, "", "--tags: expected an object" },
        { "skerry twin update a --desired []", 1, "", "--desired: expected an object" },
        { "skerry twin update x --tags {}", 1, "", "there is no device 'x'" },
    };

    struct hub_test t;
    (void)state;
    hub_test_start(&t);
    write_text(t.dir, "twin.json", "{\"tags\":{\"of\":\"file\"}}");
    write_text(t.dir, "wrong.json", "{\"tags\":{},\"desired\":{\"n\":1}}");
    write_text(t.dir, "reported.json", "{\"properties\":{\"reported\":{\"n\":1}}}");
    hub_test_rows(&t, table, COUNT(table));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rows) };
    return cmocka_run_group_tests_name("cmd_twin", tests, NULL, NULL);
}
