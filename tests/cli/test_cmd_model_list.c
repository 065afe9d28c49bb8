/* test_cmd_model_list.c - what a hub has: lists, pages, one version in full. */
#include "cli_test.h"
#include "hub_test.h"

#define MODEL "tests/data/models/scores.onnx"

static const struct hub_row rows[] = {
    { "skerry model list", 0, "NAME ", "" },
    { "skerry model register " MODEL " -n b --tag site=north --description second", 0, "b:1", "" },
    { "skerry model register " MODEL " -n a --alias champion", 0, "a:1", "" },
    { "skerry model register " MODEL " -n a", 0, "a:2", "" },
    { "skerry model tag b site=north --model", 0, "b is tagged", "" },
    { "skerry model list --order-by name", 0,
      "a                                 2        champion=1", "" },
    { "skerry model list --filter name='b'", 0, "\nb ", "" },
    { "skerry model list --filter tags.site='north' --json", 0, "{\"name\":\"b\"", "" },
    { "skerry model list --filter name=", 1, "", "skerry: " },
    { "skerry model list --max 1 --order-by name --json", 0, "{\"name\":\"a\"", "" },
    { "skerry model list --max 0", 2, "", "--max" },
    { "skerry model versions a", 0, "\n2        None        -", "" },
    { "skerry model versions a", 0, "\n1        None        champion", "" },
    { "skerry model versions a --json", 0, "\"model_versions\":[{\"name\":\"a\",\"version\":\"2\"",
      "" },
    { "skerry model versions none", 1, "", "none" },
    { "skerry model show a", 0, "properties.inputs ", "" },
    { "skerry model show a:1", 0, "aliases                             [\"champion\"]", "" },
    { "skerry model show a@champion --json", 0, "\"version\":\"1\"", "" },
    { "skerry model show b", 0, "description                         second", "" },
    { "skerry model show a:x", 1, "", "a:x" },
    { "skerry model show", 2, "", "MODEL" },
};

static void lists(void **state)
{
    (void)state;
    hub_test_run(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lists) };
    return cmocka_run_group_tests_name("cmd_model_list", tests, NULL, NULL);
}
