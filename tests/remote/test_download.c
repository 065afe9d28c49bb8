/* test_download.c - blobs become files, whatever happens in between. */
#include "base/file.h"
#include "fetch/loopback.h"
#include "hub_double.h"
#include "remote/remote_priv.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SIZE = 3000000
};

static struct hub_double hub;
static struct sk_buf bytes = SK_BUF_INIT(SIZE);
static char folder[64], file[96], part[128];

static void start(size_t len)
{
    hub_double_start(&hub);
    make_bytes(&bytes, len, 2);
    hub_double_put(&hub, bytes.data, len);
    (void)snprintf(file, sizeof file, "%s/model.bin", folder);
    (void)snprintf(part, sizeof part, "%s.part", file);
    (void)unlink(file);
    (void)unlink(part);
}

static int download(struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    return sk_remote_download(r, hub.digest, bytes.len, file, NULL, NULL, err);
}

static void check_arrived(const char *name)
{
    SK_OWN(free) char *got = NULL;
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0;
    if (sk_file_read(file, SIZE, &got, &len, &err) < 0)
        fail_msg("%s: %s", name, err.text);
    if (len != bytes.len || memcmp(got, bytes.data ? bytes.data : "", len) != 0)
        fail_msg("%s: other bytes, %zu of them", name, len);
    assert_false(sk_is_file(part));
}

static void sizes(void **state)
{
    (void)state;
    static const size_t rows[] = { 0, 1, 65536, SIZE };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        start(rows[i]);
        if (download(&err) < 0)
            fail_msg("%zu bytes: %s", rows[i], err.text);
        check_arrived("whole");
        assert_int_equal(hub.reads, rows[i] > 0);
        hub_double_stop(&hub);
    }
}

static void faults(void **state)
{
    (void)state;

    static const struct {
        const char *name;
        size_t left; /* of an earlier process: bytes of the blob, or (negative) others */
        bool is_other;
        unsigned busy;
        bool ignores_range;
        unsigned reads;
    } rows[] = {
        { "busy", 0, false, 1, false, 2 },
        { "a part is there", 1234567, false, 0, false, 1 },
        { "all is there", SIZE, false, 0, false, 0 },
        { "a part is there and ranges are not known", 1234567, false, 0, true, 1 },
        { "another part is there", 1234567, true, 0, false, 2 },
        { "too much is there", SIZE + 1, true, 0, false, 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf left = SK_BUF_INIT(SIZE + 1);
        struct sk_err err = SK_ERR_INIT;
        start(SIZE);
        hub.busy = rows[i].busy;
        hub.ignores_range = rows[i].ignores_range;
        if (rows[i].left > 0) {
            make_bytes(&left, rows[i].left, rows[i].is_other ? 3 : 2);
            assert_int_equal(sk_file_write(part, left.data, left.len, 0600, &err), 0);
        }
        if (download(&err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        check_arrived(rows[i].name);
        if (hub.reads != rows[i].reads)
            fail_msg("%s: %u GET", rows[i].name, hub.reads);
        hub_double_stop(&hub);
    }
}

/* ---- connections that break: the replies of a server that hangs up behind each ---- */

#define TEXT      "abcdefghijklmnopqrstuvwxyz"
#define ALL(body) "HTTP/1.1 200 OK\r\nContent-Length: 26\r\n\r\n" body
#define REST(body)                                                                                 \
    "HTTP/1.1 206 Partial\r\nContent-Range: bytes 10-25/26\r\nContent-Length: 16\r\n\r\n" body
#define BUSY        "HTTP/1.1 503 Busy\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"
#define ENDS_BEFORE "HTTP/1.1 200 OK\r\nContent-Le"

static int download_text(const char *const *replies, struct sk_loopback **s, struct sk_err *err)
{
    struct sk_context c = { .name = "" };
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    char url[256], digest[80];
    *s = sk_loopback_start(replies);
    digest_of(TEXT, 26, digest);
    if (sk_context_set_url(&c, sk_loopback_url(*s, "", url), err) < 0 ||
        sk_remote_new(&c, &r, err) < 0)
        fail_msg("%s", err->text);
    int rc = sk_remote_download(r, digest, 26, file, NULL, NULL, err);
    sk_loopback_stop(*s);
    return rc;
}

SK_DEFINE_OWN(struct sk_loopback, sk_loopback_free);

static void use_text(void)
{
    (void)snprintf(file, sizeof file, "%s/text", folder);
    (void)snprintf(part, sizeof part, "%s.part", file);
    make_bytes(&bytes, 0, 1);
    sk_buf_str(&bytes, TEXT);
}

static void cuts(void **state)
{
    (void)state;

    static const struct {
        const char *name, *replies[5];
        unsigned ranges; /* requests that go on from the tenth byte */
    } rows[] = {
        { "whole", { ALL(TEXT) }, 0 },
        { "cut in the body", { ALL("abcdefghij"), REST("klmnopqrstuvwxyz") }, 1 },
        { "cut before the body", { ALL(""), ALL(TEXT) }, 0 },
        { "cut in the head", { ENDS_BEFORE, ALL(TEXT) }, 0 },
        { "cut twice, the second time at once",
          { ALL("abcdefghij"), REST(""), REST("klmnopqrstuvwxyz") },
          2 },
        { "a server that begins anew", { ALL("abcdefghij"), ALL(TEXT) }, 1 },
        { "busy in between", { ALL("abcdefghij"), BUSY, REST("klmnopqrstuvwxyz") }, 2 },
    };

    use_text();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        struct sk_err err = SK_ERR_INIT;
        unsigned ranges = 0;
        if (download_text(rows[i].replies, &s, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        check_arrived(rows[i].name);
        for (unsigned k = 0; k < s->count; k++)
            ranges += strstr(s->requests[k], "Range: bytes=10-\r\n") != NULL;
        if (ranges != rows[i].ranges)
            fail_msg("%s: %u requests by range", rows[i].name, ranges);
        (void)unlink(file);
    }
}

/* Nothing gets through any more: what came stays for the next process. */
static void later_process(void **state)
{
    (void)state;
    const char *const first[] = { ALL("abcdefghij"), REST(""), NULL };
    const char *const second[] = { REST("klmnopqrstuvwxyz"), NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_OWN(sk_loopback_free) struct sk_loopback *t = NULL;
    struct sk_err err = SK_ERR_INIT;
    struct stat st;
    use_text();
    assert_int_equal(download_text(first, &s, &err), -1);
    assert_false(sk_is_file(file));
    assert_int_equal(stat(part, &st), 0);
    assert_int_equal(st.st_size, 10);
    if (download_text(second, &t, &err) < 0)
        fail_msg("%s", err.text);
    check_arrived("later");
}

static void wrong_bytes(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start(SIZE);
    hub.lies = true;
    assert_int_equal(download(&err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_false(sk_is_file(file));
    hub.lies = false;
    if (download(&err) < 0) /* nothing of it was kept */
        fail_msg("%s", err.text);
    check_arrived("after a lie");

    (void)unlink(file);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    assert_int_equal(sk_remote_download(r, hub.digest, SIZE - 1, file, NULL, NULL, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT); /* more than announced */
    assert_false(sk_is_file(file));
    hub_double_stop(&hub);
}

static void refusals(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start(100);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    char other[80];
    digest_of("x", 1, other);
    assert_int_equal(sk_remote_download(r, other, 1, file, NULL, NULL, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_remote_download(r, "sha256:../../x", 1, file, NULL, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_remote_download(r, hub.digest, 100, "/nonexistent/file", NULL, NULL, &err),
                     -1);
    assert_int_equal(err.code, SK_NOT_FOUND);

    SK_AUTO(sk_close) int fd = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0); /* another download is at it */
    assert_int_equal(download(&err), -1);
    assert_int_equal(err.code, SK_BUSY);

    (void)unlink(part);
    assert_int_equal(symlink("/tmp/skerry-elsewhere", part), 0); /* never through a link */
    assert_int_equal(download(&err), -1);
    assert_false(sk_is_file("/tmp/skerry-elsewhere"));
    (void)unlink(part);
    hub_double_stop(&hub);
}

static bool stop_soon(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)what;
    (void)total;
    return done < 1000;
}

static void stopping(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    start(SIZE);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    assert_int_equal(sk_remote_download(r, hub.digest, SIZE, file, stop_soon, NULL, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_false(sk_is_file(file));
    hub_double_stop(&hub);
}

static int set_up(void **state)
{
    (void)state;
    enter_folder(folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    leave_folder(folder);
    sk_buf_done(&bytes);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cuts),          cmocka_unit_test(sizes),       cmocka_unit_test(faults),
        cmocka_unit_test(later_process), cmocka_unit_test(wrong_bytes), cmocka_unit_test(refusals),
        cmocka_unit_test(stopping),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
