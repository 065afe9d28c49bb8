/* test_cmd_model_diff.c - what two versions differ in. */
#include "cli_test.h"
#include "hub_test.h"

static const struct hub_row rows[] = {
    { "skerry model register tests/data/models/scores.onnx -n m --tag a=1", 0, "m:1", "" },
    { "skerry model register tests/data/models/scores.onnx -n m --tag a=1", 0, "m:2", "" },
    { "skerry model register tests/data/models/shapes.onnx -n m --description other", 0, "m:3",
      "" },
    { "skerry model diff m:1 m:2", 0, "no difference\n", "" },
    { "skerry model diff m:1 m:3", 0, "size ", "" },
    { "skerry model diff m:1 m:3", 0, "description                               - -> other", "" },
    { "skerry model diff m:3 m:1", 0, "other -> -", "" },
    { "skerry model diff m:1 m:3", 0, "properties.inputs ", "" },
    { "skerry model diff m:1 m:3 --json", 0,
      "{\"path\": \"description\", \"a\": null, \"b\": \"other\"}", "" },
    { "skerry model diff m:1 m:2 --json", 0, "", "" },
    { "skerry model diff m:1 m:9", 1, "", "not found" },
    { "skerry model diff m:1", 2, "", "A B" },
};

static void differences(void **state)
{
    (void)state;
    hub_test_run(rows, COUNT(rows));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(differences) };
    return cmocka_run_group_tests_name("cmd_model_diff", tests, NULL, NULL);
}
