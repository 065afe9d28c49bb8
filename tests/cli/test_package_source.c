/* test_package_source.c - a path goes before a name; a name is the hub's. */
#include "cli_test.h"
#include "hub_test.h"

#include "base/file.h"
#include "cli/package_priv.h"
#include "harness/golden.h"

static struct hub_test hub;

static int start(void **state)
{
    (void)state;
    hub_test_start(&hub);
    return setenv("TMPDIR", hub.dir, 1);
}

static int stop(void **state)
{
    (void)state;
    hub_test_stop(&hub);
    return 0;
}

static void a_path(void **state)
{
    SK_AUTO(sk_package_done) struct sk_package_source s = { 0 };
    const char *model = sk_source_path("tests/data/models/scores.onnx");
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_package_open(model, NULL, &s, &err), 0);
    assert_string_equal(s.bundle, model);
    assert_null(s.version);
    assert_null(s.scratch); /* nothing is made before it is needed */
}

static void a_name(void **state)
{
    static const struct hub_row rows[] = {
        { "skerry model register tests/data/models/scores.onnx --name cats", 0, "cats", "" },
        { "skerry model alias cats:1 champion", 0, "", "" },
    };
    SK_AUTO(sk_package_done) struct sk_package_source s = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    hub_test_rows(&hub, rows, COUNT(rows));
    if (sk_package_open("cats@champion", NULL, &s, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(sk_json_get_text(s.version, "name", ""), "cats");
    SK_OWN(free) char *model = sk_path_join(s.bundle, "scores.onnx");
    SK_OWN(free) char *scratch = strdup(s.scratch);
    assert_true(sk_is_file(model));
    sk_package_done(&s);
    assert_false(sk_is_dir(scratch));
}

static void neither(void **state)
{
    static const char *const names[] = { "nothing-like-it", "cats:99", "cats@loser" };

    (void)state;
    for (size_t i = 0; i < COUNT(names); i++) {
        SK_AUTO(sk_package_done) struct sk_package_source s = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_package_open(names[i], NULL, &s, &err), -1);
        assert_int_equal(err.code, SK_NOT_FOUND);
    }
}

static void scratch(void **state)
{
    SK_AUTO(sk_package_done) struct sk_package_source s = { 0 };
    SK_OWN(free) char *first = NULL;
    SK_OWN(free) char *second = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_package_scratch(&s, "a", &first, &err), 0);
    assert_int_equal(sk_package_scratch(&s, "b", &second, &err), 0);
    assert_int_equal(strlen(first), strlen(second)); /* in one folder */
    assert_memory_equal(first, second, strlen(first) - 1);
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    sk_package_done(&s);
    assert_int_equal(sk_package_scratch(&s, "a", &(char *){ NULL }, &err), -1);
    assert_int_equal(setenv("TMPDIR", hub.dir, 1), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path),
        cmocka_unit_test(a_name),
        cmocka_unit_test(neither),
        cmocka_unit_test(scratch),
    };
    return cmocka_run_group_tests_name("package_source", tests, start, stop);
}
