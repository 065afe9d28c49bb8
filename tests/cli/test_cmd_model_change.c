/* test_cmd_model_change.c - tags, aliases, stages, descriptions, deletes. */
#include "cli_test.h"
#include "hub_test.h"

#define MODEL "tests/data/models/scores.onnx"

static const struct hub_row rows[] = {
    { "skerry model register " MODEL " -n m", 0, "m:1", "" },
    { "skerry model register " MODEL " -n m", 0, "m:2", "" },
    { "skerry model tag m:1 site=north line=2", 0, "m:1 is tagged", "" },
    { "skerry model show m:1", 0, "{\"key\":\"line\",\"value\":\"2\"}", "" },
    { "skerry model tag m:1 line --remove", 0, "m:1 has lost the tag", "" },
    { "skerry model show m:1", 0, "[{\"key\":\"site\",\"value\":\"north\"}]", "" },
    { "skerry model tag m:1 novalue", 2, "", "KEY=VALUE is needed" },
    { "skerry model tag m:9 a=b", 1, "", "not found" },
    { "skerry model alias m:1 champion", 0, "m:1 has the alias champion\n", "" },
    { "skerry model show m@champion", 0, "version                             1", "" },
    { "skerry model alias m:2 champion", 0, "m:2 has the alias champion\n", "" },
    { "skerry model show m@champion", 0, "version                             2", "" },
    { "skerry model alias m:2 latest", 1, "", "latest" },
    { "skerry model alias m champion --remove", 0, "m has lost the alias champion\n", "" },
    { "skerry model show m@champion", 1, "", "champion" },
    { "skerry model describe m:1 lamps", 0, "m:1 is described", "" },
    { "skerry model show m:1", 0, "description                         lamps", "" },
    { "skerry model archive m:2", 0, "m:2 is archived", "" },
    { "skerry model show m", 0, "version                             1", "" },
    { "skerry model show m:2", 0, "current_stage                       Archived", "" },
    { "skerry model restore m:2", 0, "m:2 is no longer archived", "" },
    { "skerry model show m", 0, "version                             2", "" },
    { "skerry model delete m", 2, "", "--all-versions" },
    { "skerry model delete m:2", 2, "", "--yes is needed" },
    { "skerry model delete m:2 --yes", 0, "m:2 is deleted", "" },
    { "skerry model register " MODEL " -n m", 0, "m:3", "" },
    { "skerry model delete m --all-versions --yes", 0, "m is deleted", "" },
    { "skerry model show m", 1, "", "not found" },
    { "skerry model delete m --all-versions --yes", 1, "", "not found" },
};

static void changes(void **state)
{
    (void)state;
    hub_test_run(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(changes) };
    return cmocka_run_group_tests_name("cmd_model_change", tests, NULL, NULL);
}
