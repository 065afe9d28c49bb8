/* test_download.c - blobs from servers that are right and from others. Cuts at any byte from a real
 * registry: tests/it/test_registry_client.py. */
#include "oci/server.h"

#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>

#include <fcntl.h>

#include <cmocka.h>

#define DATA             "0123456789"
#define ALL              HEAD("200 OK") "Content-Length: 10\r\n\r\n" DATA
#define SHORT(text)      HEAD("200 OK") "Content-Length: 10\r\n\r\n" text
#define PART(from, text) HEAD("206 P") "Content-Range: bytes " from "-9/10\r\n\r\n" text

struct row {
    const char *name, *part, *replies[4]; /* part: what is there of an earlier try */
    const char *ranges;                   /* of each request: "-", or where it begins */
    const char *says;                     /* NULL: good */
    enum sk_code code;
};

/* [oci-58] and following */
static const struct row rows[] = {
    { "at once", NULL, { ALL }, "- ", NULL, SK_OK },
    { "cut and gone on", NULL, { SHORT("0123"), PART("4", "456789") }, "- 4 ", NULL, SK_OK },
    { "cut, and the server begins anew", NULL, { SHORT("0123"), ALL }, "- 4 ", NULL, SK_OK },
    { "an earlier beginning", "01234", { PART("5", "56789") }, "5 ", NULL, SK_OK },
    { "all of it", DATA, { NO }, "", NULL, SK_OK },
    { "a wrong beginning", "xxxxx", { PART("5", "56789"), ALL }, "5 - ", NULL, SK_OK },
    { "too long a beginning", DATA "x", { ALL }, "- ", NULL, SK_OK },
    { "no part of it, says the server", "xxx", { HEAD("416 R") "\r\n", ALL }, "3 - ", NULL, SK_OK },
    { "another part", "01234", { PART("4", "456789") }, "5 ", "another part", SK_CORRUPT },
    { "other bytes", NULL, { SHORT("0123456780") }, "- ", "another digest", SK_CORRUPT },
    { "more bytes",
      NULL,
      { HEAD("200 OK") "\r\n" DATA "x" },
      "- ",
      "more than its 10 bytes",
      SK_CORRUPT },
    { "not there", NULL, { NO }, "- ", "answered 404", SK_NOT_FOUND },
};

static void ranges(const struct oci_server *o, struct sk_buf *out)
{
    for (unsigned i = 0; i < o->s->count; i++) {
        const char *range = strstr(o->s->requests[i], "Range: bytes=");
        if (range)
            sk_buf_fmt(out, "%.*s ", (int)strcspn(range + 13, "-"), range + 13);
        else
            sk_buf_str(out, "- ");
    }
}

static void run_row(const struct row *row, const char *folder)
{
    SK_AUTO(sk_buf_done) struct sk_buf got = SK_BUF_INIT(1024);
    SK_OWN(free) char *path = sk_path_join(folder, "blob");
    SK_OWN(free) char *part = sk_path_join(folder, "blob.part");
    SK_OWN(free) char *text = NULL;
    const char *replies[] = { row->replies[0], row->replies[1], row->replies[2], NULL };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    (void)unlink(path);
    (void)unlink(part);
    if (row->part)
        (void)oci_file(folder, "blob.part", row->part);
    oci_server_start(&o, replies, NULL);
    int rc = sk_oci_get_blob(o.r, "a", oci_digest(DATA), strlen(DATA), path, &err);
    oci_server_stop(&o);
    ranges(&o, &got);
    if ((rc == 0) != !row->says ||
        (rc < 0 && (!strstr(err.text, row->says) || err.code != row->code)) ||
        strcmp(got.data ? got.data : "", row->ranges) != 0)
        fail_msg("%s: %d %s\n%s", row->name, rc, err.text, got.data ? got.data : "");
    if (rc == 0) {
        assert_int_equal(sk_file_read(path, 100, &text, &len, &err), 0);
        assert_string_equal(text, DATA);
        assert_false(sk_is_file(part));
    } else {
        assert_false(sk_is_file(path));
    }
    oci_server_done(&o);
}

static void downloads(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        run_row(&rows[i], *state);
}

/* The parts that came are hashed by what the digest says. */
static void other_digests(void **state)
{
    static const char *const replies[] = { SHORT("0123"), PART("4", "456789"), NULL };
    SK_OWN(free) char *path = sk_path_join(*state, "blob-512");
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    oci_server_start(&o, replies, NULL);
    if (sk_oci_get_blob(o.r, "a", oci_digest_512(DATA), strlen(DATA), path, &err) < 0)
        fail_msg("%s", err.text);
    oci_server_done(&o);
    (void)unlink(path);
    oci_server_start(&o, replies, NULL);
    assert_int_equal(
        sk_oci_get_blob(o.r, "a", oci_digest_512("0123456780"), strlen(DATA), path, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    oci_server_done(&o);
}

/* Attempts that bring nothing end. */
static void nothing_comes(void **state)
{
    static const char *const replies[] = { SHORT("0123"), PART("4", ""), NULL };
    SK_OWN(free) char *path = sk_path_join(*state, "blob");
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_get_blob(o.r, "a", oci_digest(DATA), strlen(DATA), path, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "only 4 of its 10 bytes"));
    oci_server_done(&o);
}

static void two_at_once(void **state)
{
    static const char *const replies[] = { ALL, NULL };
    SK_OWN(free) char *path = sk_path_join(*state, "blob");
    SK_AUTO(sk_close) int fd = open(oci_file(*state, "blob.part", ""), O_RDWR | O_CLOEXEC);
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(flock(fd, LOCK_EX), 0);
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_get_blob(o.r, "a", oci_digest(DATA), strlen(DATA), path, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    sk_close(&fd);
    assert_int_equal(sk_oci_get_blob(o.r, "a", oci_digest(DATA), strlen(DATA), path, &err), 0);
    assert_int_equal(sk_oci_get_blob(o.r, "a", "sha256:1", 1, path, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    oci_server_done(&o);
}

static void in_memory(void **state)
{
    static const char *const replies[] = { ALL, NULL };
    SK_OWN(free) char *text = NULL;
    SK_AUTO(sk_dir_done) struct sk_dir left = { 0 };
    struct sk_oci_descriptor blob = { .size = strlen(DATA) };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;

    (void)snprintf(blob.digest, sizeof blob.digest, "%s", oci_digest(DATA));
    assert_int_equal(setenv("TMPDIR", *state, 1), 0);
    oci_server_start(&o, replies, NULL);
    assert_int_equal(sk_oci_read_blob(o.r, "a", &blob, strlen(DATA), &text, &len, &err), 0);
    assert_string_equal(text, DATA);
    assert_int_equal(len, strlen(DATA));
    assert_int_equal(sk_oci_read_blob(o.r, "a", &blob, strlen(DATA) - 1, &text, &len, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(sk_dir_read(*state, &left, &err), 0);
    for (size_t i = 0; i < left.count; i++)
        assert_null(strstr(left.names[i], "skerry-blob"));
    assert_int_equal(setenv("TMPDIR", "/nonexistent", 1), 0);
    assert_int_equal(sk_oci_read_blob(o.r, "a", &blob, strlen(DATA), &text, &len, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_int_equal(unsetenv("TMPDIR"), 0);
    oci_server_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(downloads, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(other_digests, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(nothing_comes, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(two_at_once, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(in_memory, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
