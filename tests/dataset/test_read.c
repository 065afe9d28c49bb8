/* test_read.c - what is read, what is refused, and how a changed file is noticed. */
#include "dataset_test.h"

#include "harness/alloc_fail.h"

#include <fcntl.h>
#include <sys/stat.h>

static void test_read(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    struct sk_stamp stamp = { 0 };
    struct sk_err err = SK_ERR_INIT;

    put_text(*state, "f", "hello");
    put_text(*state, "empty", "");
    assert_int_equal(sk_picture_read(in(*state, "f"), NULL, &b, &stamp, &err), 0);
    assert_int_equal(b.len, 5);
    assert_memory_equal(b.data, "hello", 5);
    assert_int_equal(stamp.size, 5);
    assert_int_equal(sk_picture_read(in(*state, "f"), &stamp, &b, NULL, &err), 0);
    assert_int_equal(b.len, 5);
    assert_int_equal(sk_picture_read(in(*state, "empty"), NULL, &b, NULL, &err), 0);
    assert_int_equal(b.len, 0);
}

static void test_refused(void **state)
{
    static const struct {
        const char *name;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "missing", SK_NOT_FOUND, "cannot be read" },
        { "dangling", SK_NOT_FOUND, "cannot be read" },
        { "ring", SK_IO, "cannot be read" },
        { "folder", SK_INVALID, "is not a regular file" },
        { "pipe", SK_INVALID, "is not a regular file" },
        { "zero", SK_INVALID, "is not a regular file" },
        { "huge", SK_LIMIT, "is larger than 1073741824 bytes" },
    };
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    int fd;

    assert_int_equal(mkdir(in(*state, "folder"), 0700), 0);
    assert_int_equal(mkfifo(in(*state, "pipe"), 0600), 0);
    assert_int_equal(symlink("/dev/zero", in(*state, "zero")), 0);
    assert_int_equal(symlink("nowhere", in(*state, "dangling")), 0);
    assert_int_equal(symlink("ring", in(*state, "ring")), 0);
    fd = open(in(*state, "huge"), O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(ftruncate(fd, ((off_t)1 << 30) + 1), 0); /* a hole: takes no room */
    assert_int_equal(close(fd), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        if (sk_picture_read(in(*state, rows[i].name), NULL, &b, NULL, &err) != -1 ||
            err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

static void test_denied(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    struct sk_err err = SK_ERR_INIT;

    put_text(*state, "f", "hello");
    assert_int_equal(chmod(in(*state, "f"), 0), 0);
    drop_rights();
    const int rc = sk_picture_read(in(*state, "f"), NULL, &b, NULL, &err);
    regain_rights();
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_string_equal(err.text, "cannot be read: Permission denied");
}

/* Each of the ways in which a file becomes another. */
static void test_changed(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    struct timespec times[2];
    struct sk_stamp stamp = { 0 };
    struct stat st;

    for (int way = 0; way < 3; way++) {
        struct sk_err err = SK_ERR_INIT;
        put_text(*state, "f", "hello");
        assert_int_equal(sk_picture_read(in(*state, "f"), NULL, &b, &stamp, &err), 0);
        assert_int_equal(stat(in(*state, "f"), &st), 0);
        times[0] = times[1] = st.st_mtim;
        if (way == 0) /* longer, same time */
            put_text(*state, "f", "hello!");
        else if (way == 1) /* another file of the same size and time takes the name */
            put_text(*state, "g", "jello");
        else
            times[1].tv_nsec = (times[1].tv_nsec + 1) % 1000000000;
        assert_int_equal(utimensat(AT_FDCWD, in(*state, way == 1 ? "g" : "f"), times, 0), 0);
        if (way == 1)
            assert_int_equal(rename(in(*state, "g"), in(*state, "f")), 0);
        assert_int_equal(sk_picture_read(in(*state, "f"), &stamp, &b, NULL, &err), -1);
        assert_int_equal(err.code, SK_CORRUPT);
        assert_non_null(strstr(err.text, "has changed"));
    }
}

static int read_it(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);

    return sk_picture_read(ctx, NULL, &b, NULL, err);
}

static void test_memory(void **state)
{
    char path[1024];

    put_text(*state, "f", "hello");
    (void)snprintf(path, sizeof path, "%s/f", (char *)*state);
    (void)sk_alloc_sweep("read", read_it, path, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_denied, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
