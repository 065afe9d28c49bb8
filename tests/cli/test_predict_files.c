/* test_predict_files.c - which files the operands of predict mean. */
#include "cli/predict_priv.h"

#include "base/file.h"
#include "cli_test.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

static int set_up(void **state)
{
    static const char *const folders[] = { "empty", "p/sub/deep", "p/.hidden", "other" };
    static const char *const files[] = { "p/b.JPG",      "p/a.png",           "p/notes.txt",
                                         "p/sub/c.webp", "p/sub/deep/d.tiff", "p/noending",
                                         "p/.e.png",     "p/.hidden/f.png",   "other/g.png",
                                         "odd.name" };
    struct sk_err err = SK_ERR_INIT;
    char *dir = sk_test_dir();

    for (size_t i = 0; i < COUNT(folders); i++) {
        SK_OWN(free) char *path = sk_path_join(dir, folders[i]);
        assert_int_equal(sk_mkdirs(path, 0700, &err), 0);
    }
    for (size_t i = 0; i < COUNT(files); i++)
        write_text(dir, files[i], "x");
    SK_OWN(free) char *link = sk_path_join(dir, "p/link");
    SK_OWN(free) char *loop = sk_path_join(dir, "p/sub/loop");
    assert_int_equal(symlink("../other", link), 0);
    assert_int_equal(symlink("..", loop), 0);
    *state = dir;
    return chdir(dir);
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

static const struct {
    const char *operands[4];
    const char *paths; /* joined with spaces; NULL: refused */
    const char *error;
} rows[] = {
    { { "p" }, "p/a.png p/b.JPG p/sub/c.webp p/sub/deep/d.tiff", NULL },
    { { "p/" }, "p/a.png p/b.JPG p/sub/c.webp p/sub/deep/d.tiff", NULL },
    { { "p/link" }, "p/link/g.png", NULL }, /* named by hand: followed */
    { { "odd.name", "-", "p/a.png" }, "odd.name - p/a.png", NULL },
    { { "missing.png" }, "missing.png", NULL }, /* its row will tell */
    { { "other", "other" }, "other/g.png other/g.png", NULL },
    { { "empty" }, NULL, "folder 'empty' holds no pictures" },
    { { "-", "-" }, NULL, "'-' given twice; standard input can be read once" },
};

static void test_collect(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_paths_done) struct sk_paths paths = { 0 };
        struct sk_err err = SK_ERR_INIT;
        char operands[4][32];
        char *pointers[4];
        char joined[400] = "";
        size_t count = 0;

        for (; count < 4 && rows[i].operands[count]; count++) {
            (void)snprintf(operands[count], sizeof operands[count], "%s", rows[i].operands[count]);
            pointers[count] = operands[count];
        }
        int rc = sk_paths_collect(pointers, count, &paths, &err);
        if (!rows[i].paths) {
            assert_int_equal(rc, -1);
            assert_string_equal(err.text, rows[i].error);
            continue;
        }
        assert_int_equal(rc, 0);
        for (size_t k = 0, used = 0; k < paths.count; k++)
            used += (size_t)snprintf(joined + used, sizeof joined - used, "%s%s", k ? " " : "",
                                     paths.items[k]);
        assert_string_equal(joined, rows[i].paths);
    }
}

static int collect(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_paths_done) struct sk_paths paths = { 0 };
    char p[] = "p";
    char *operands[] = { p, p };

    (void)ctx;
    return sk_paths_collect(operands, 2, &paths, err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("paths", collect, NULL, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_collect, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_no_memory, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("predict_files", tests, NULL, NULL);
}
