/* test_cmd_inspect.c - `skerry model inspect` against golden files; it needs no engine. */
#include "cli_test.h"

#include "harness/golden.h"
#include "json/json.h"

static const struct {
    const char *line, *golden;
} rows[] = {
    { "skerry model inspect tests/data/models/scores.onnx", "tests/cli/golden/inspect_scores.txt" },
    { "skerry model inspect --json tests/data/models/scores.onnx",
      "tests/cli/golden/inspect_scores.json" },
    { "skerry model inspect tests/data/models/types.onnx", "tests/cli/golden/inspect_types.txt" },
    { "skerry model inspect --json tests/data/models/external.onnx",
      "tests/cli/golden/inspect_external.json" },
    { "skerry model inspect tests/data/models/unknown_op.onnx",
      "tests/cli/golden/inspect_unknown_op.txt" },
};

static void test_golden(void **state)
{
    (void)state;
    assert_int_equal(setenv("SKERRY_ONNXRUNTIME", "/nonexistent/libonnxruntime.so", 1), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(ran_done) struct ran r = run_words(rows[i].line, NULL, NULL);
        check_status(rows[i].line, &r, 0);
        sk_golden_check(rows[i].golden, r.out, strlen(r.out));
        if (strstr(rows[i].line, "--json")) {
            SK_OWN(sk_json_free) struct sk_json *doc = NULL;
            struct sk_err err = SK_ERR_INIT;
            if (sk_json_parse(r.out, strlen(r.out), NULL, &doc, &err) < 0)
                fail_msg("%s: %s", rows[i].line, err.text);
        }
    }
}

static void test_labels(void **state)
{
    char *dir = sk_test_dir();

    (void)state;
    write_text(dir, "labels.txt", "cat\ndog\n");
    SK_AUTO(ran_done)
    struct ran r = run_words("skerry model inspect -l %s/labels.txt tests/data/models/scores.onnx",
                             dir, NULL);
    check_status("labels", &r, 0);
    assert_non_null(strstr(r.out, "\nlabels        2: cat, dog\n"));
    sk_test_dir_free(dir);
}

static void test_broken(void **state)
{
    char *dir = sk_test_dir();

    (void)state;
    write_text(dir, "broken.onnx", "\x08\x08\x3a\x7f");
    SK_AUTO(ran_done) struct ran r = run_words("skerry model inspect %s/broken.onnx", dir, NULL);
    check_status("broken", &r, 1);
    assert_non_null(strstr(r.err, "broken.onnx"));
    sk_test_dir_free(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_broken),
    };
    return cmocka_run_group_tests_name("cmd_inspect", tests, NULL, NULL);
}
