/* test_folders.c - walks: their order, links, loops, what fails. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <sys/stat.h>

/* "folder: name name; folder: ..." below root. */
static void print_walk(const char *root, struct sk_buf *out)
{
    SK_AUTO(sk_folders_done) struct sk_folders f = { 0 };
    struct sk_err err = SK_ERR_INIT;

    if (sk_folders_walk(root, &f, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < f.count; i++) {
        sk_buf_fmt(out, "%s:", f.items[i].path + strlen(root));
        for (size_t k = 0; k < f.items[i].count; k++)
            sk_buf_fmt(out, " %s", f.items[i].names[k]);
        sk_buf_str(out, ";");
    }
}

static void expect_walk(const char *root, const char *want)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(65536);

    print_walk(root, &got);
    assert_string_equal(got.data, want);
}

static void test_order(void **state)
{
    const char *root = *state;

    put_text(root, "b.txt", "");
    put_text(root, "a-b/1", "");
    put_text(root, "a/2", "");
    put_text(root, "a/10", "");
    put_text(root, "a/b/3", "");
    put_text(root, "A.jpg/4", ""); /* a folder with a picture's name is a folder */
    expect_walk(root, ": b.txt;/A.jpg: 4;/a: 10 2;/a-b: 1;/a/b: 3;");
}

static void test_links(void **state)
{
    const char *root = *state;

    put_text(root, "x/deep/1", "");
    put_text(root, "outside/2", "");
    assert_int_equal(symlink("..", in(root, "x/deep/up")), 0);
    assert_int_equal(symlink("../..", in(root, "x/deep/top")), 0);
    assert_int_equal(symlink(".", in(root, "x/self")), 0);
    assert_int_equal(symlink("../outside", in(root, "x/other")), 0);
    assert_int_equal(symlink("deep/1", in(root, "x/file")), 0);
    assert_int_equal(symlink("nowhere", in(root, "x/broken.jpg")), 0);
    assert_int_equal(symlink("ring", in(root, "x/ring")), 0);
    /* Not its own ancestor: walked, but the loop inside is cut. */
    expect_walk(in(root, "x"), ": broken.jpg file ring;/deep: 1;/deep/top:;/deep/top/outside: 2;"
                               "/other: 2;");
}

static void test_failures(void **state)
{
    struct sk_folders f = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_folders_walk(in(*state, "missing"), &f, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, "missing"));
    put_text(*state, "file", "");
    assert_int_equal(sk_folders_walk(in(*state, "file"), &f, &err), -1);
    assert_int_equal(err.code, SK_IO);
}

/* A folder that cannot be read fails the walk: its pictures would be missing without a word. */
static void test_denied(void **state)
{
    struct sk_folders f = { 0 };
    struct sk_err err = SK_ERR_INIT;

    put_text(*state, "a/1", "");
    put_text(*state, "a/locked/2", "");
    assert_int_equal(chmod(*state, 0755), 0);
    assert_int_equal(chmod(in(*state, "a"), 0755), 0);
    assert_int_equal(chmod(in(*state, "a/locked"), 0), 0);
    drop_rights();
    const int rc = sk_folders_walk(in(*state, "a"), &f, &err);
    regain_rights();
    assert_int_equal(chmod(in(*state, "a/locked"), 0700), 0);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "a/locked"));
}

/* A path that the system takes is walked, however deep. */
static void test_deep(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf path = SK_BUF_INIT(4096);
    SK_AUTO(sk_folders_done) struct sk_folders f = { 0 };
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(&path, *state);
    for (int i = 0; i < 400; i++)
        sk_buf_str(&path, "/d");
    assert_int_equal(sk_mkdirs(path.data, 0700, &err), 0);
    assert_int_equal(sk_folders_walk(*state, &f, &err), 0);
    assert_int_equal(f.count, 401);
    for (int i = 0; i < 400; i++) { /* deeper than the harness removes */
        assert_int_equal(rmdir(path.data), 0);
        path.data[strlen(path.data) - 2] = '\0';
    }
}

static int walk(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_folders_done) struct sk_folders f = { 0 };

    return sk_folders_walk(ctx, &f, err);
}

static void test_memory(void **state)
{
    put_text(*state, "a/1", "");
    put_text(*state, "a/b/2", "");
    put_text(*state, "c", "");
    (void)sk_alloc_sweep("walk", walk, *state, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_links, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_denied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_deep, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
