/* test_write.c - what is written: the same bytes every time, and nothing that was not promised. */
#include "archive/tarball.h"

#include "base/file.h"
#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

static char folder[] = "/tmp/skerry-test-write-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    return sk_remove_tree(folder, &err);
}

static char *path_of(const char *name)
{
    char *path = sk_path_join(folder, name);
    assert_non_null(path);
    return path;
}

static void put_file(const char *name, const char *text)
{
    SK_OWN(free) char *path = path_of(name);
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_file_write(path, text, strlen(text), 0600, &err), 0);
}

/* Some of everything. */
static int write_all(enum sk_archive_filter filter, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    SK_OWN(free) char *path = path_of("copied");
    char longer[201];

    memset(longer, 'n', 200);
    longer[100] = '/';
    longer[200] = '\0';
    if (sk_tar_writer_new(filter, sk_tarball_sink, out, &w, err) < 0 ||
        sk_tar_dir(w, "a", 0755, err) < 0 || sk_tar_file(w, "a/hello", 0644, 5, err) < 0 ||
        sk_tar_bytes(w, "he", 2, err) < 0 || sk_tar_bytes(w, "llo", 3, err) < 0 ||
        sk_tar_link(w, "a/link", "hello", err) < 0 || sk_tar_file(w, longer, 0755, 0, err) < 0 ||
        sk_tar_file(w, "gr\xc3\xbc\xc3\x9f", 0644, 0, err) < 0 ||
        sk_tar_copy(w, "copied", 0644, path, err) < 0)
        return -1;
    return sk_tar_finish(w, err);
}

/* [archive-1] [archive-2] */
static void the_same_bytes(void **state)
{
    (void)state;

    static const enum sk_archive_filter filters[] = { SK_ARCHIVE_PLAIN, SK_ARCHIVE_GZIP,
                                                      SK_ARCHIVE_ZSTD };

    mode_t before = umask(0);

    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf a = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_err err = SK_ERR_INIT;
        (void)umask(i % 2 ? 077 : 0);
        put_file("copied", "some bytes");
        if (write_all(filters[i], &a, &err) < 0)
            fail_msg("%s", err.text);
        (void)sleep(filters[i] == SK_ARCHIVE_GZIP ? 1 : 0); /* a time with seconds would show */
        put_file("copied", "some bytes");
        (void)umask(i % 2 ? 0 : 077);
        assert_int_equal(write_all(filters[i], &b, &err), 0);
        assert_int_equal(a.len, b.len);
        assert_memory_equal(a.data, b.data, a.len);
    }
    (void)umask(before);
}

static uint64_t octal(const char *field)
{
    return strtoull(field, NULL, 8);
}

/* [archive-2]: blocks as POSIX has them, owner and time 0, no names, the end and nothing behind. */
static void plain_blocks(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf want = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_tar_writer_new(SK_ARCHIVE_PLAIN, sk_tarball_sink, &b, &w, &err), 0);
    assert_int_equal(sk_tar_file(w, "a/hello", 0640, 5, &err), 0);
    assert_int_equal(sk_tar_bytes(w, "hello", 5, &err), 0);
    assert_int_equal(sk_tar_finish(w, &err), 0);
    assert_int_equal(b.len, 4 * 512);
    assert_string_equal(b.data, "a/hello");
    assert_int_equal(octal(b.data + 100), 0640);
    assert_int_equal(octal(b.data + 108) | octal(b.data + 116) | octal(b.data + 136), 0);
    assert_int_equal(octal(b.data + 124), 5);
    assert_memory_equal(b.data + 257, "ustar\00000", 8);
    assert_string_equal(b.data + 265, "");
    assert_string_equal(b.data + 297, "");
    assert_memory_equal(b.data + 512, "hello", 6);
    sk_tarball_end(&want);
    assert_memory_equal(b.data + 1024, want.data, 1024);
}

/* [archive-3] */
static void gzip_says_no_time(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    struct sk_err err = SK_ERR_INIT;

    put_file("copied", "x");
    assert_int_equal(write_all(SK_ARCHIVE_GZIP, &b, &err), 0);
    assert_memory_equal(b.data, "\x1f\x8b\x08\0\0\0\0\0", 8); /* no flags: no name; time 0 */
}

enum step {
    FILE_5 = 1,
    BYTES_3,
    BYTES_6,
    DIR_D,
    FINISH,
    COPY_FIFO,
    COPY_MISSING,
    UP,
    ROOT,
    HUGE_SIZE
};

static int do_step(struct sk_tar_writer *w, enum step s, struct sk_err *err)
{
    SK_OWN(free) char *fifo = path_of("fifo"), *missing = path_of("missing");

    switch (s) {
    case FILE_5:
        return sk_tar_file(w, "f", 0644, 5, err);
    case BYTES_3:
        return sk_tar_bytes(w, "abc", 3, err);
    case BYTES_6:
        return sk_tar_bytes(w, "abcdef", 6, err);
    case DIR_D:
        return sk_tar_dir(w, "d", 0755, err);
    case FINISH:
        return sk_tar_finish(w, err);
    case COPY_FIFO:
        return sk_tar_copy(w, "f", 0644, fifo, err);
    case COPY_MISSING:
        return sk_tar_copy(w, "f", 0644, missing, err);
    case UP:
        return sk_tar_file(w, "../f", 0644, 0, err);
    case ROOT:
        return sk_tar_dir(w, "./", 0755, err);
    case HUGE_SIZE:
        return sk_tar_file(w, "f", 0644, UINT64_MAX, err);
    }
    return 0;
}

/* [archive-5]: the last step of each row fails. */
static void broken_promises(void **state)
{
    (void)state;

    static const struct {
        enum step steps[4];
        enum sk_code code;
    } rows[] = {
        { { FILE_5, BYTES_3, FINISH }, SK_IO },
        { { FILE_5, BYTES_3, DIR_D }, SK_IO },
        { { FILE_5, BYTES_6 }, SK_IO },
        { { BYTES_3 }, SK_IO },
        { { FINISH, FILE_5 }, SK_BUG },
        { { FINISH, FINISH }, SK_BUG },
        { { COPY_FIFO }, SK_INVALID },
        { { COPY_MISSING }, SK_NOT_FOUND },
        { { UP }, SK_INVALID },
        { { ROOT }, SK_INVALID },
        { { HUGE_SIZE }, SK_LIMIT },
    };

    SK_OWN(free) char *fifo = path_of("fifo");
    assert_int_equal(mkfifo(fifo, 0600), 0);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_tar_writer_new(SK_ARCHIVE_PLAIN, sk_tarball_sink, &b, &w, &err), 0);
        for (const enum step *s = rows[i].steps; *s; s++)
            if (do_step(w, *s, &err) != (s[1] ? 0 : -1))
                fail_msg("row %zu, step %d: %s", i, *s, err.text);
        if (err.code != rows[i].code)
            fail_msg("row %zu: %s", i, err.text);
    }
}

static int refuse(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    size_t *left = ctx;

    (void)bytes;
    if (len > *left)
        return sk_fail(err, SK_DENIED, "no room");
    *left -= len;
    return 0;
}

/* [archive-6] */
static void a_sink_that_refuses(void **state)
{
    (void)state;

    for (size_t room = 0; room < 2048; room += 512) {
        SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;
        struct sk_err err = SK_ERR_INIT;
        size_t left = room;
        assert_int_equal(sk_tar_writer_new(SK_ARCHIVE_PLAIN, refuse, &left, &w, &err), 0);
        int rc = sk_tar_file(w, "f", 0644, 5, &err);
        rc = rc < 0 ? rc : sk_tar_bytes(w, "hello", 5, &err);
        rc = rc < 0 ? rc : sk_tar_finish(w, &err);
        assert_int_equal(rc, -1);
        assert_int_equal(err.code, SK_DENIED);
        assert_string_equal(err.text, "no room");
    }
}

/* [archive-6] */
static void given_up(void **state)
{
    (void)state;

    for (int gzip = 0; gzip < 2; gzip++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
        struct sk_tar_writer *w = NULL;
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_tar_writer_new(gzip ? SK_ARCHIVE_GZIP : SK_ARCHIVE_PLAIN,
                                           sk_tarball_sink, &b, &w, &err),
                         0);
        assert_int_equal(sk_tar_file(w, "f", 0644, 1ull << 44, &err), 0); /* not filled up */
        size_t before = b.len;
        sk_tar_writer_free(w);
        assert_int_equal(b.len, before);
    }
    sk_tar_writer_free(NULL);
}

static int whole(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_TARBALL_BYTES);
    SK_OWN(sk_tar_writer_free) struct sk_tar_writer *w = NULL;

    if (sk_tar_writer_new(SK_ARCHIVE_PLAIN, sk_tarball_sink, &b, &w, err) < 0 ||
        sk_tar_copy(w, "copied", 0644, ctx, err) < 0)
        return -1;
    return sk_tar_finish(w, err);
}

static void allocations(void **state)
{
    (void)state;
    SK_OWN(free) char *path = path_of("copied");
    put_file("copied", "some bytes");
    assert_true(sk_alloc_sweep("write", whole, path, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_bytes),      cmocka_unit_test(plain_blocks),
        cmocka_unit_test(gzip_says_no_time),   cmocka_unit_test(broken_promises),
        cmocka_unit_test(a_sink_that_refuses), cmocka_unit_test(given_up),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
