/* test_cmd_image_inspect.c - `skerry image inspect`, for people and for programs. */
#include "cli_test.h"
#include "hub_test.h"
#include "image_test.h"

static const struct hub_row rows[] = {
    { "skerry push %s/layout m -i v1", 0, "", "" },
    { "skerry push %s/layout multi -i multi", 0, "", "" },
    { "skerry image inspect m", 0, "platform      linux/amd64\n", "" },
    { "skerry image inspect m", 0, "entrypoint    /x serve\n", "" },
    { "skerry image inspect m", 0, "skerry.name = cats?[2J\n", "" }, /* no control characters */
    { "skerry image inspect m", 0, "layers        2, ", "" },
    { "skerry image inspect m --json", 0, "\"manifest\":{\"schemaVersion\":2", "" },
    { "skerry image inspect m --json", 0, ",\"config\":{", "" },
    { "skerry image inspect multi", 0, "  linux/arm64", "" },
    { "skerry image inspect multi --json", 0, "\"index\":{\"schemaVersion\":2", "" },
    { "skerry image inspect multi --platform linux/arm64", 0, "platform      linux/arm64\n", "" },
    { "skerry image inspect multi --platform linux/s390x", 1, "", "not there for linux/s390x" },
    { "skerry image inspect m:none", 1, "", "MANIFEST_UNKNOWN" },
    { "skerry image inspect", 2, "", "REF" },
};

static void inspects(void **state)
{
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    image_test_pair(t.dir);
    hub_test_rows(&t, rows, COUNT(rows));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(inspects) };
    return cmocka_run_group_tests_name("cmd_image_inspect", tests, NULL, NULL);
}
