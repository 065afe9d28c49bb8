/* test_unpack.c - where files land, and where they never do. */
#include "archive/tarball.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char scratch[] = "/tmp/skerry-test-unpack-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(scratch) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(scratch, &err);
}

/* An empty folder scratch/in, and beside it nothing. */
static char *fresh(void)
{
    struct sk_err err = SK_ERR_INIT;
    char *in = sk_path_join(scratch, "in");
    assert_non_null(in);
    assert_int_equal(sk_remove_tree(scratch, &err), 0);
    assert_int_equal(sk_mkdirs(in, 0755, &err), 0);
    return in;
}

/* Paths below `path` with mode and text, sorted. */
static void describe(const char *path, const char *name, struct sk_buf *out)
{
    SK_AUTO(sk_dir_done) struct sk_dir dir = { 0 };
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_dir_read(path, &dir, &err), 0);
    for (size_t i = 0; i < dir.count; i++) {
        SK_OWN(free) char *child = sk_path_join(path, dir.names[i]);
        SK_OWN(free) char *shown = *name ? sk_path_join(name, dir.names[i]) : strdup(dir.names[i]);
        SK_OWN(free) char *text = NULL;
        size_t len = 0;
        struct stat st;
        assert_int_equal(lstat(child, &st), 0);
        if (S_ISREG(st.st_mode))
            assert_int_equal(sk_file_read(child, 1 << 20, &text, &len, &err), 0);
        sk_buf_fmt(out, "%s %o %s\n", shown, (unsigned)st.st_mode & 07777, text ? text : "-");
        if (S_ISDIR(st.st_mode))
            describe(child, shown, out);
    }
}

/* [archive-30] [archive-31] [archive-32] */
static void what_lands(void **state)
{
    (void)state;

    static const struct {
        const char *name, *prefix;
        struct sk_tarball_part parts[4];
        const char *text; /* of the whole scratch folder, also after a failure */
        enum sk_code code;
    } rows[] = {
        { "all",
          "",
          { SK_DIR("d/"), SK_FILE("d/a", "x") },
          "in 755 -\nin/d 755 -\nin/d/a 644 x\n",
          SK_OK },
        { "folders that were not named",
          "",
          { SK_FILE("d/e/a", "x") },
          "in 755 -\nin/d 755 -\nin/d/e 755 -\nin/d/e/a 644 x\n",
          SK_OK },
        { "prefix",
          "models/m/",
          { SK_DIR("models/m"), SK_FILE("models/m/a", "x"), SK_FILE("models/mm", "y") },
          "in 755 -\nin/a 644 x\n",
          SK_OK },
        { "links elsewhere do not matter",
          "m",
          { SK_LINK("bin", "usr"), SK_FILE("m/a", "x") },
          "in 755 -\nin/a 644 x\n",
          SK_OK },
        { "nothing there", "m", { SK_FILE("a", "x") }, "in 755 -\n", SK_NOT_FOUND },
        { "prefix is a file", "m", { SK_FILE("m", "x") }, "in 755 -\n", SK_INVALID },
        { "prefix leads out", "../m", { SK_FILE("m", "") }, "in 755 -\n", SK_INVALID },
        { "nothing at all", "", { SK_NO_PART }, "in 755 -\n", SK_OK },
        { "up",
          "",
          { SK_FILE("a", "x"), SK_FILE("../b", "y") },
          "in 755 -\nin/a 644 x\n",
          SK_INVALID },
        { "symlink", "", { SK_LINK("l", ".."), SK_FILE("l/b", "y") }, "in 755 -\n", SK_INVALID },
        { "hard link", "", { { "l", "1", "/etc/passwd", "" } }, "in 755 -\n", SK_INVALID },
        { "device", "", { SK_PART("l", "3", "") }, "in 755 -\n", SK_INVALID },
        { "pipe", "", { SK_PART("l", "6", "") }, "in 755 -\n", SK_INVALID },
        { "twice",
          "",
          { SK_FILE("a", "x"), SK_FILE("./a", "y") },
          "in 755 -\nin/a 644 x\n",
          SK_EXISTS },
        { "a file as folder",
          "",
          { SK_FILE("a", "x"), SK_FILE("a/b", "y") },
          "in 755 -\nin/a 644 x\n",
          SK_INVALID },
        { "a folder as file",
          "",
          { SK_DIR("a"), SK_FILE("a", "y") },
          "in 755 -\nin/a 755 -\n",
          SK_EXISTS },
    };

    mode_t before = umask(022);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_OWN(free) char *in = fresh();
        struct sk_err err = SK_ERR_INIT;
        sk_tarball_build(&b, rows[i].parts);
        SK_AUTO(sk_close) int fd = sk_tarball_fd(b.data, b.len);
        int rc = sk_tar_unpack(fd, NULL, rows[i].prefix, in, i % 2, &err);
        if (rc != (rows[i].code ? -1 : 0) || err.code != rows[i].code)
            fail_msg("%s: %d %s %s", rows[i].name, rc, sk_code_name(err.code), err.text);
        describe(scratch, "", &text);
        if (strcmp(text.data, rows[i].text) != 0)
            fail_msg("%s: '%s'", rows[i].name, text.data);
    }
    (void)umask(before);
}

/* [archive-31]: a link that is in the folder already is not followed. */
static void links_in_the_folder(void **state)
{
    (void)state;

    static const struct sk_tarball_part parts[] = { SK_FILE("l/b", "y"), SK_NO_PART },
                                        file[] = { SK_FILE("l", "y"), SK_NO_PART },
                                        folder[] = { SK_DIR("l"), SK_NO_PART };
    static const struct sk_tarball_part *const rows[] = { parts, file, folder };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_OWN(free) char *in = fresh();
        SK_OWN(free) char *link = sk_path_join(in, "l");
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(symlink("..", link), 0);
        sk_tarball_build(&b, rows[i]);
        SK_AUTO(sk_close) int fd = sk_tarball_fd(b.data, b.len);
        assert_int_equal(sk_tar_unpack(fd, NULL, "", in, false, &err), -1);
        assert_true(err.code == SK_INVALID || err.code == SK_EXISTS);
        describe(scratch, "", &text);
        assert_string_equal(text.data, "in 755 -\nin/l 777 -\n");
    }
}

static void folders_that_are_none(void **state)
{
    (void)state;
    SK_OWN(free) char *in = fresh();
    SK_OWN(free) char *missing = sk_path_join(in, "missing");
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_tar_unpack(0, NULL, "", missing, false, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
}

static int whole(void *ctx, struct sk_err *err)
{
    SK_OWN(free) char *in = NULL;
    const struct sk_buf *b = ctx;
    SK_AUTO(sk_close) int fd = sk_tarball_fd(b->data, b->len);

    in = sk_path_join(scratch, "in");
    if (!in)
        return sk_nomem(err);
    if (sk_remove_tree(in, err) < 0 || sk_mkdirs(in, 0755, err) < 0)
        return -1;
    return sk_tar_unpack(fd, NULL, "m", in, false, err);
}

static void allocations(void **state)
{
    (void)state;

    static const struct sk_tarball_part parts[] = { SK_FILE("m/d/a", "x"), SK_NO_PART };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);

    sk_tarball_build(&b, parts);
    assert_true(sk_alloc_sweep("unpack", whole, &b, 0) >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_lands),
        cmocka_unit_test(links_in_the_folder),
        cmocka_unit_test(folders_that_are_none),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
