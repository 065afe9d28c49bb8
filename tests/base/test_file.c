/* test_file.c - reading within a bound, replacing in one step, folders. */
#include "base/file.h"

#include "base/cleanup.h"
#include "base/str.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"
#include "test_util.h"

#include <sys/stat.h>

static int set_up(void **state)
{
    *state = sk_test_dir();
    return 0;
}

static int tear_down(void **state)
{
    sk_test_dir_free(*state);
    return 0;
}

/* A name inside the folder of the test; overwritten by the next call. */
static const char *in(void **state, const char *name)
{
    static char path[512];
    (void)snprintf(path, sizeof path, "%s/%s", (const char *)*state, name);
    return path;
}

static void write_file(const char *path, const char *text)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_file_write(path, text, strlen(text), 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void test_write_and_read(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    struct stat st;
    struct sk_dir dir;

    write_file(in(state, "f"), "old");
    assert_int_equal(sk_file_write(in(state, "f"), "new!", 4, 0640, &err), 0);
    assert_int_equal(sk_file_read(in(state, "f"), 4, &text, &len, &err), 0);
    assert_int_equal(len, 4);
    assert_string_equal(text, "new!");
    assert_int_equal(stat(in(state, "f"), &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(sk_dir_read(*state, &dir, &err), 0);
    assert_int_equal(dir.count, 1); /* nothing is left beside it */
    sk_dir_done(&dir);
    assert_int_equal(sk_file_write(in(state, "missing/f"), "x", 1, 0600, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

/* A file in pieces: nothing is there before the end, and nothing is left of one that did not end.
 */
static void test_pieces(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_dir dir = { 0 };
    const char *path = in(state, "pieces");

    for (int end = 0; end < 2; end++) {
        SK_AUTO(sk_file_out_done) struct sk_file_out f = SK_FILE_OUT_INIT;
        SK_OWN(free) char *text = NULL;
        size_t len = 0;

        assert_int_equal(sk_file_begin(&f, path, &err), 0);
        assert_int_equal(sk_file_put(&f, "one ", 4, &err), 0);
        assert_int_equal(sk_file_put(&f, "two", 3, &err), 0);
        assert_false(sk_is_file(path));
        if (!end)
            continue;
        assert_int_equal(sk_file_end(&f, 0600, &err), 0);
        assert_int_equal(sk_file_read(path, 100, &text, &len, &err), 0);
        assert_string_equal(text, "one two");
    }
    assert_int_equal(sk_dir_read(*state, &dir, &err), 0);
    assert_int_equal(dir.count, 1);
    sk_dir_done(&dir);

    SK_AUTO(sk_file_out_done) struct sk_file_out none = SK_FILE_OUT_INIT;
    assert_int_equal(sk_file_begin(&none, in(state, "missing/f"), &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void test_read_bounds(void **state)
{
    static const struct {
        const char *text;
        size_t max;
        bool ok;
    } rows[] = {
        { "", 0, true },    { "", 5, true },     { "a", 0, false },
        { "abc", 3, true }, { "abc", 2, false },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *text = NULL;
        size_t len = 0;

        write_file(in(state, "f"), rows[i].text);
        int rc = sk_file_read(in(state, "f"), rows[i].max, &text, &len, &err);
        assert_int_equal(rc == 0, rows[i].ok);
        if (rc == 0)
            assert_string_equal(text, rows[i].text);
        else
            assert_int_equal(err.code, SK_LIMIT);
    }
}

static void test_not_regular(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_map map;
    char *text = NULL;
    size_t len = 0;

    assert_int_equal(mkfifo(in(state, "fifo"), 0600), 0);
    assert_int_equal(sk_file_read(in(state, "fifo"), 10, &text, &len, &err), -1); /* does not block
                                                                                   */
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_file_read(*state, 10, &text, &len, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_map_open(in(state, "none"), &map, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void test_map(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_map map = { 0 };

    write_file(in(state, "f"), "bytes");
    assert_int_equal(sk_map_open(in(state, "f"), &map, &err), 0);
    assert_int_equal(map.len, 5);
    assert_memory_equal(map.ptr, "bytes", 5);
    sk_map_close(&map);
    sk_map_close(&map);
    write_file(in(state, "empty"), "");
    assert_int_equal(sk_map_open(in(state, "empty"), &map, &err), 0);
    assert_null(map.ptr);
    sk_map_close(&map);
}

static void test_stdin(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    int before = dup(STDIN_FILENO);
    FILE *pipe_end = NULL;
    int fds[2];

    (void)state;
    assert_int_equal(pipe(fds), 0);
    pipe_end = fdopen(fds[1], "w");
    assert_non_null(pipe_end);
    (void)fprintf(pipe_end, "%05000d", 1);
    assert_int_equal(fclose(pipe_end), 0);
    assert_int_equal(dup2(fds[0], STDIN_FILENO), STDIN_FILENO);
    assert_int_equal(sk_file_read("-", 5000, &text, &len, &err), 0);
    assert_int_equal(len, 5000);
    assert_int_equal(dup2(before, STDIN_FILENO), STDIN_FILENO);
    (void)close(fds[0]);
    (void)close(before);
}

static void test_folders(void **state)
{
    static const char *const names[] = { "b", "a", "\xc3\xa4", "B" };
    struct sk_err err = SK_ERR_INIT;
    struct sk_dir dir;
    char path[600];

    assert_int_equal(sk_mkdirs(in(state, "x/y//z/"), 0700, &err), 0);
    assert_int_equal(sk_mkdirs(in(state, "x/y/z"), 0700, &err), 0);
    assert_true(sk_is_dir(in(state, "x/y/z")));
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)snprintf(path, sizeof path, "%s/x/%s", (const char *)*state, names[i]);
        write_file(path, "1");
    }
    assert_true(sk_is_file(path));
    assert_int_equal(sk_dir_read(in(state, "x"), &dir, &err), 0);
    assert_int_equal(dir.count, 5);
    assert_string_equal(dir.names[0], "B");
    assert_string_equal(dir.names[3], "y");
    assert_string_equal(dir.names[4], "\xc3\xa4");
    sk_dir_done(&dir);
    assert_int_equal(sk_mkdirs(in(state, "x/a/b"), 0700, &err), -1); /* x/a is a file */
    assert_non_null(strstr(err.text, "x/a': File exists"));
    assert_int_equal(sk_mkdirs("/sys/nn/x", 0700, &err), -1); /* nobody may */
    assert_non_null(strstr(err.text, "folder '/sys/nn': "));
    assert_null(strstr(err.text, "No such file"));
    assert_int_equal(sk_dir_read(in(state, "none"), &dir, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static void test_remove(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_mkdirs(in(state, "kept"), 0700, &err), 0);
    write_file(in(state, "kept/f"), "1");
    assert_int_equal(sk_mkdirs(in(state, "t/sub"), 0700, &err), 0);
    write_file(in(state, "t/sub/f"), "1");
    assert_int_equal(symlink("../kept", in(state, "t/link")), 0);
    assert_int_equal(sk_remove_tree(in(state, "t"), &err), 0);
    assert_false(sk_is_dir(in(state, "t")));
    assert_true(sk_is_file(in(state, "kept/f"))); /* links are not followed */
    assert_int_equal(sk_remove_tree(in(state, "t"), &err), 0);
    assert_int_equal(sk_remove_tree(in(state, "kept/f"), &err), 0);
}

static void test_temp_dir(void **state)
{
    const char *dir = *state;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    const char *const places[] = { dir, "" }; /* the second: as if unset */
    for (size_t i = 0; i < 2; i++) {
        SK_OWN(free) char *made = NULL;
        assert_int_equal(setenv("TMPDIR", places[i], 1), 0);
        assert_int_equal(sk_temp_dir(dir, "name", &made, &err), 0);
        assert_true(sk_starts_with(made, dir));
        assert_true(strstr(made, "/name-") != NULL);
        assert_int_equal(stat(made, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0700);
        assert_int_equal(sk_remove_tree(made, &err), 0);
    }
    SK_OWN(free) char *none = NULL;
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    assert_int_equal(sk_temp_dir(dir, "name", &none, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_null(none);
    assert_int_equal(unsetenv("TMPDIR"), 0);
}

static void test_paths(void **state)
{
    static const struct {
        const char *path, *name;
    } rows[] = {
        { "a", "a" },   { "a/b", "b" }, { "/a/b/", "b" },
        { "a//", "a" }, { "/", "/" },   { "a.onnx", "a.onnx" },
    };

    SK_OWN(free) char *joined = sk_path_join("a/", "b");
    SK_OWN(free) char *joined2 = sk_path_join("a", "b");
    SK_OWN(free) char *joined3 = sk_path_join("", "b");
    SK_OWN(free) char *here = sk_path_name(in(state, "."));

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(free) char *name = sk_path_name(rows[i].path);
        assert_string_equal(name, rows[i].name);
    }
    assert_string_equal(joined, "a/b");
    assert_string_equal(joined2, "a/b");
    assert_string_equal(joined3, "b");
    assert_true(sk_starts_with(here, "skerry-test-"));
}

static void test_cache(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    char *path = NULL;

    assert_int_equal(setenv("SKERRY_CACHE_DIR", in(state, "c/d"), 1), 0);
    assert_int_equal(sk_cache_dir(&path, &err), 0);
    assert_string_equal(path, in(state, "c/d"));
    assert_int_equal(chmod(path, 0777), 0);
    free(path);
    assert_int_equal(sk_cache_dir(&path, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "SKERRY_CACHE_DIR"));
    assert_int_equal(setenv("SKERRY_CACHE_DIR", "/sys/nn", 1), 0);
    assert_int_equal(sk_cache_dir(&path, &err), -1);
    assert_non_null(strstr(err.text, "SKERRY_CACHE_DIR"));
    assert_int_equal(unsetenv("SKERRY_CACHE_DIR"), 0);
    assert_int_equal(setenv("XDG_CACHE_HOME", *state, 1), 0);
    assert_int_equal(sk_cache_dir(&path, &err), 0);
    assert_string_equal(path, in(state, "skerry"));
    free(path);
}

static int everything(void *ctx, struct sk_err *err)
{
    void **state = ctx;
    SK_OWN(free) char *dir = sk_path_join(*state, "a/b");
    SK_OWN(free) char *file = dir ? sk_path_join(dir, "f") : NULL;
    SK_OWN(free) char *text = NULL;
    SK_AUTO(sk_dir_done) struct sk_dir list = { 0 };
    size_t len = 0;

    if (!file)
        return sk_nomem(err);
    if (sk_mkdirs(dir, 0700, err) < 0 || sk_file_write(file, "abc", 3, 0600, err) < 0 ||
        sk_file_read(file, 10, &text, &len, err) < 0 || sk_dir_read(dir, &list, err) < 0)
        return -1;
    return sk_remove_tree(file, err);
}

static void test_no_memory(void **state)
{
    assert_true(sk_alloc_sweep("file", everything, state, 0) > 5);
}

static void test_leftovers(void **state)
{
    static const struct {
        const char *name, *of;
        bool is;
    } rows[] = {
        { "a.json.a1B2c3", "a.json", true },  { "a.json", "a.json", false },
        { "a.json.a1B2c", "a.json", false },  { "a.json.a1B2c34", "a.json", false },
        { "a.json.a1-2c3", "a.json", false }, { "b.json.a1B2c3", "a.json", false },
        { "a.jsonXa1B2c3", "a.json", false }, { "a.json.", "a.json", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (sk_file_is_leftover(rows[i].name, rows[i].of) != rows[i].is)
            fail_msg("'%s' of '%s'", rows[i].name, rows[i].of);
    }
}

#define ROW(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(test_write_and_read),
        ROW(test_pieces),
        ROW(test_read_bounds),
        ROW(test_not_regular),
        ROW(test_map),
        ROW(test_stdin),
        ROW(test_folders),
        ROW(test_remove),
        ROW(test_paths),
        ROW(test_cache),
        ROW(test_temp_dir),
        ROW(test_no_memory),
        cmocka_unit_test(test_leftovers),
    };
    return cmocka_run_group_tests_name("file", tests, NULL, NULL);
}
