/* test_sources.c - which models lie in a folder. */
#include "serve/sources_priv.h"

#include "base/cleanup.h"
#include "base/file.h"
#include "harness/golden.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* An empty file is enough: scanning does not open models. */
static void put(const char *root, const char *path)
{
    SK_OWN(free) char *full = sk_path_join(root, path);
    struct sk_err err = SK_ERR_INIT;
    char *slash = strrchr(full, '/');

    *slash = '\0';
    assert_int_equal(sk_mkdirs(full, 0755, &err), 0);
    *slash = '/';
    assert_int_equal(sk_file_write(full, "", 0, 0644, &err), 0);
}

/* "name/version ..." in the order found; a bundle's own name is "-". */
static void expect(const char *root, const char *path, const char *expected)
{
    SK_AUTO(sk_sources_done) struct sk_sources s = { 0 };
    SK_OWN(free) char *full = sk_path_join(root, path);
    struct sk_err err = SK_ERR_INIT;
    char got[1024] = "";

    if (sk_sources_scan(&full, 1, &s, &err) < 0)
        (void)snprintf(got, sizeof got, "error");
    for (size_t i = 0; i < s.count; i++) {
        size_t used = strlen(got);
        (void)snprintf(got + used, sizeof got - used, "%s%s/%s", used ? " " : "",
                       s.items[i].name ? s.items[i].name : "-", s.items[i].version);
    }
    assert_string_equal(got, expected);
}

static void finds_models(void **state)
{
    char *root = sk_test_dir();

    (void)state;
    put(root, "one/model.onnx");
    put(root, "many/a/model.onnx");
    put(root, "many/b/1/model.onnx");
    put(root, "many/b/20/x.onnx");
    put(root, "many/b/3/model.onnx");
    put(root, "many/b/notes/readme");
    put(root, "many/.hidden/model.onnx");
    put(root, "many/readme.txt");
    put(root, "versions/1/model.onnx");
    put(root, "versions/2/model.onnx");
    put(root, "nothing/readme.txt");
    expect(root, "one", "-/1");
    expect(root, "one/", "-/1");
    expect(root, "one/model.onnx", "-/1");
    expect(root, "many", "-/1 b/1 b/20 b/3");
    expect(root, "versions", "versions/1 versions/2");
    expect(root, "nothing", "error");
    expect(root, "absent", "error");
    expect(root, "nothing/readme.txt", "error");
    sk_test_dir_free(root);
}

static void several_paths_add_up(void **state)
{
    char *root = sk_test_dir();
    SK_AUTO(sk_sources_done) struct sk_sources s = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    put(root, "a/model.onnx");
    put(root, "b/model.onnx");
    SK_OWN(free) char *a = sk_path_join(root, "a");
    SK_OWN(free) char *b = sk_path_join(root, "b");
    char *const paths[] = { a, b };
    assert_int_equal(sk_sources_scan(paths, 2, &s, &err), 0);
    assert_int_equal(s.count, 2);
    assert_ptr_equal(sk_sources_find(&s, b), &s.items[1]);
    assert_null(sk_sources_find(&s, "c"));
    uint64_t before = s.items[0].signature;
    put(root, "a/preprocessor_config.json");
    sk_sources_done(&s);
    assert_int_equal(sk_sources_scan(paths, 2, &s, &err), 0);
    assert_true(s.items[0].signature != before);
    sk_test_dir_free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_models),
        cmocka_unit_test(several_paths_add_up),
    };

    return cmocka_run_group_tests_name("serve/sources", tests, NULL, NULL);
}
