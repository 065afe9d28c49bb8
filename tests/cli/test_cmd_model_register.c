/* test_cmd_model_register.c - models go to a hub and come back. */
#include "cli_test.h"
#include "hub_test.h"

#include "base/file.h"
#include "harness/golden.h"

#include <stdlib.h>

#define MODEL "tests/data/models/scores.onnx"

static const struct hub_row rows[] = {
    { "skerry model register " MODEL " --name m --tag a=b --alias champion", 0,
      "m:1  0.2 KiB  sha256:", "" },
    { "skerry model register " MODEL " -n m --json", 0, "\"version\":\"2\"", "" },
    { "skerry model register " MODEL, 0, "scores:1 ", "" },
    { "skerry model register tests/data/models/external.onnx -n m --version 3 --parent m:2", 0,
      "m:3 ", "" },
    { "skerry model show m:3", 0, "properties.lineage.parent           m:2", "" },
    { "skerry model register " MODEL " -n m --parent nix:3", 1, "", "--parent nix:3: " },
    { "skerry model register " MODEL " -n m --parent m:9", 1, "", "--parent m:9: " },
    { "skerry model register " MODEL " -n m --run-id nix", 1, "", "--run-id nix: " },
    { "skerry model register " MODEL " -n kid --parent m@champion", 0, "kid:1 ", "" },
    { "skerry model show kid", 0, "properties.lineage.parent           m:1", "" },
    { "skerry model register " MODEL " -n m --version 9", 1, "", "the next version of m is 4" },
    { "skerry model register " MODEL " -n m --version four", 1, "", "--version" },
    { "skerry model register " MODEL " -n m --tag novalue", 2, "", "KEY=VALUE is needed" },
    { "skerry model register " MODEL " -n m --tag =v", 2, "", "KEY=VALUE is needed" },
    { "skerry model register " MODEL " -n a/b", 1, "", "name" },
    { "skerry model register " MODEL " --name=", 1, "", "the name of a model is empty" },
    { "skerry model register " MODEL " -n ..", 1, "", "'..' is no name of a model" },
    { "skerry model register " MODEL " -n .. --version 1", 1, "", "'..' is no name of a model" },
    { "skerry model download m --output=", 2, "", "--output is empty" },
    { "skerry model register " MODEL " -n warned", 0, "warned:1 ", "no labels: classes are" },
    { "skerry model register tests/data/models/none.onnx -n m", 1, "", "none.onnx" },
    { "skerry model register tests/data/README.md -n m", 1, "", "README.md" },
    { "skerry model register " MODEL " -n m --alias latest", 1, "",
      "m:4 is registered, but --alias latest" },
    { "skerry model register", 2, "", "PATH" },
    { "skerry model download m -o %s/m4", 0, "m:4 is in ", "" },
    { "skerry model download m@champion -o %s/m1 --json", 0, "\"version\":\"1\"", "" },
    { "skerry model download m:3 -o %s/m3", 0, "m:3 is in ", "" },
    { "skerry model download m:3 -o %s/m3", 1, "", "is there already" },
    { "skerry model download m:99 -o %s/m99", 1, "", "not found" },
    { "skerry model download m@nobody -o %s/m99", 1, "", "nobody" },
    { "skerry model download unknown -o %s/m99", 1, "", "not found" },
    { "skerry model download "
      "m@sha256:0000000000000000000000000000000000000000000000000000000000000000 -o %s/m99",
      1, "", "has no version with sha256:" },
    { "skerry model download m --hub http://127.0.0.1:1 -o %s/m99", 1, "", "127.0.0.1:1" },
    { "skerry model download m --hub nosuch -o %s/m99", 1, "", "no context 'nosuch'" },
};

static void same_bytes(const char *dir, const char *name, const char *source)
{
    SK_OWN(free) char *path = sk_path_join(dir, name);
    SK_OWN(free) char *a = NULL;
    SK_OWN(free) char *b = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t a_len = 0, b_len = 0;

    if (sk_file_read(path, 1 << 20, &a, &a_len, &err) < 0 ||
        sk_file_read(sk_source_path(source), 1 << 20, &b, &b_len, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(a_len, b_len);
    assert_memory_equal(a, b, a_len);
}

static void there_and_back(void **state)
{
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    hub_test_rows(&t, rows, COUNT(rows));
    same_bytes(t.dir, "m1/scores.onnx", MODEL);
    same_bytes(t.dir, "m3/external.onnx", "tests/data/models/external.onnx");
    same_bytes(t.dir, "m3/external.bin", "tests/data/models/external.bin");

    SK_OWN(free) char *none = sk_path_join(t.dir, "m99");
    assert_false(sk_is_dir(none));
    hub_test_stop(&t);
}

/* A token that may only read registers nothing. */
static void without_rights(void **state)
{
    static const struct hub_row refused[] = {
        { "skerry model register " MODEL " -n m", 1, "", "token" },
        { "skerry model list", 1, "", "skerry login" },
    };
    struct hub_test t;

    (void)state;
    hub_test_start(&t);
    assert_int_equal(setenv("SKERRY_TOKEN", "skt_0123456789abcdef_wrong", 1), 0);
    hub_test_rows(&t, refused, COUNT(refused));
    hub_test_stop(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(without_rights),
    };
    return cmocka_run_group_tests_name("cmd_model_register", tests, NULL, NULL);
}
