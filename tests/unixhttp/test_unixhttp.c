/* test_unixhttp.c - calls against a scripted peer: answers of every form, malformed ones, limits,
 * deadlines, errors and their words. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "harness/alloc_fail.h"
#include "scripted.h"
#include "unixhttp/unixhttp_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

/* [unixhttp-3] [unixhttp-10] */
static const struct row {
    const char *name, *method, *answer;
    int status; /* of the answer */
    enum sk_code code;
    const char *text; /* the body, or what the error ends with */
} rows[] = {
    { "length", NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 200, SK_OK, "hello" },
    { "chunks", NULL,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n2;x=y\r\nlo\r\n0\r\nT: "
      "x\r\n\r\n",
      200, SK_OK, "hello" },
    { "until the end", NULL, "HTTP/1.0 200 OK\r\n\r\nhello", 200, SK_OK, "hello" },
    { "bare line ends", NULL, "HTTP/1.1 200 OK\ncontent-length: 2\n\nhi", 200, SK_OK, "hi" },
    { "no content", "DELETE", "HTTP/1.1 204 No Content\r\n\r\n", 204, SK_OK, "" },
    { "not modified", "POST", "HTTP/1.1 304 Not Modified\r\n\r\n", 304, SK_OK, "" },
    { "head", "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 200, SK_OK, "" },
    { "interim", NULL,
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx", 201, SK_OK,
      "x" },
    { "docker's words", NULL,
      "HTTP/1.1 404 Not Found\r\nContent-Length: 30\r\n\r\n{\"message\":\"No such container\"}",
      404, SK_NOT_FOUND, "/a/b: No such container (status 404)" },
    { "our words", "POST",
      "HTTP/1.1 403 Forbidden\r\n\r\n{\"x\":[{\"message\":\"inner\"}],\"error\":\"not yours\"}",
      403, SK_DENIED, "POST /a/b: not yours (status 403)" },
    { "conflict", "PUT", "HTTP/1.1 409 Conflict\r\n\r\n{\"Message\":\"twice\"}", 409, SK_EXISTS,
      "twice (status 409)" },
    { "plain words", NULL, "HTTP/1.1 500 Oops\r\n\r\nout of luck\nand more", 500, SK_REMOTE,
      "/a/b: out of luck (status 500)" },
    { "no words", NULL, "HTTP/1.1 401 Who\r\n\r\n<html>", 401, SK_DENIED, "/a/b: status 401" },
    { "nothing", NULL, "", 0, SK_IO, "without an answer" },
    { "cut head", NULL, "HTTP/1.1 200 OK\r\nConten", 0, SK_IO, "in the middle of the answer" },
    { "cut body", NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel", 200, SK_IO,
      "in the middle of the answer" },
    { "cut chunks", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n", 200,
      SK_IO, "in the middle of the answer" },
    { "another protocol", NULL, "SSH-2.0-OpenSSH\r\n", 0, SK_INVALID, "as HTTP/1.1 does" },
    { "a switch", NULL, "HTTP/1.1 101 Switching\r\n\r\n", 0, SK_INVALID, "unasked" },
    { "two lengths", NULL, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
      0, SK_INVALID, "or two" },
    { "a wrong length", NULL, "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", 0, SK_INVALID,
      "is no number, or two" },
    { "both", NULL,
      "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0,
      SK_INVALID, "and chunks" },
    { "gzip", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 0, SK_INVALID,
      "than chunked" },
    { "a wrong size", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 200,
      SK_INVALID, "is malformed" },
    { "an absurd size", NULL,
      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", 200, SK_INVALID,
      "absurdly large" },
    { "a long chunk", NULL, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n", 200,
      SK_INVALID, "longer than its size" },
    { "a header", NULL, "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", 0, SK_INVALID, "malformed" },
};

static void run_row(const struct row *row, unsigned flags)
{
    struct scripted s;
    struct sk_err err = SK_ERR_INIT;
    struct sk_unixhttp_answer a;
    scripted_start(&s, row->answer, strlen(row->answer), flags);
    const struct sk_unixhttp_request r = { .socket = s.path,
                                           .method = row->method,
                                           .target = "/a/b?secret=1" };
    int result = sk_unixhttp_do(&r, &a, &err);
    scripted_stop(&s);
    bool is_right = row->code == SK_OK
                        ? result == 0 && a.body.len == strlen(row->text) &&
                              memcmp(a.body.len ? a.body.data : "", row->text, a.body.len) == 0
                        : result == -1 && err.code == row->code &&
                              sk_ends_with(err.text, row->text) && !strstr(err.text, "secret");
    if (!is_right || a.status != row->status)
        fail_msg("%s (flags %u): %d, status %d, code %d, '%s'", row->name, flags, result, a.status,
                 err.code, err.text);
    sk_unixhttp_answer_done(&a);
    scripted_done(&s);
}

static void answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_row(&rows[i], 0);
        run_row(&rows[i], SCRIPTED_DRIP);
    }
}

/* [unixhttp-1] [unixhttp-2] */
static void requests(void **state)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    static const char *const headers[] = { "X-A: b", NULL };

    const struct {
        struct sk_unixhttp_request r;
        const char *sent;
    } cases[] = {
        { { .target = "/x" }, "GET /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n" },
        { { .target = "/x", .method = "POST", .headers = headers },
          "POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX-A: b\r\nContent-Type: "
          "application/json\r\nContent-Length: 0\r\n\r\n" },
        { { .target = "/x", .method = "PUT", .type = "text/plain", .body = SK_VIEW("hi") },
          "PUT /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: "
          "text/plain\r\nContent-Length: 2\r\n\r\nhi" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s;
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        char uri[160];
        scripted_start(&s, ok, sizeof ok - 1, SCRIPTED_STAYS);
        (void)snprintf(uri, sizeof uri, "unix://%s", s.path);
        struct sk_unixhttp_request r = cases[i].r;
        r.socket = uri;
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), 0);
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        assert_string_equal(s.request.data, cases[i].sent);
        scripted_done(&s);
    }
}

static void malformed_requests(void **state)
{
    static const char *const bad[] = { "X: a\r\nEvil: b", NULL };
    const struct sk_unixhttp_request cases[] = {
        { .target = "x" },
        { .target = "/a b" },
        { .target = "/a\r\nX: y" },
        { .target = "/a", .method = "GET /x" },
        { .target = "/a", .headers = bad },
        { .target = "/a", .method = "POST", .type = "a\nb" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct sk_unixhttp_request r = cases[i];
        struct sk_unixhttp_answer a;
        struct sk_err err = SK_ERR_INIT;
        r.socket = "/nowhere";
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        sk_unixhttp_answer_done(&a);
    }
}

/* [unixhttp-12] */
static void no_peer(void **state)
{
    struct scripted s;
    struct sk_err err = SK_ERR_INIT;
    struct sk_unixhttp_answer a;
    (void)state;
    scripted_start(&s, "", 0, 0);
    scripted_stop(&s);
    scripted_done(&s);
    const struct sk_unixhttp_request r = { .socket = s.path, .target = "/" };
    assert_int_equal(sk_unixhttp_do(&r, &a, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_non_null(strstr(err.text, s.path));
    sk_unixhttp_answer_done(&a);
}

/* [unixhttp-20] [unixhttp-21] */
static void limits(void **state)
{
    static const char eight[] = "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n12345678";
    static const char refusal[] = "HTTP/1.1 500 x\r\nContent-Length: 8\r\n\r\nbad luck";

    const struct {
        const char *answer;
        size_t max;
        enum sk_code code;
        size_t kept;
    } cases[] = {
        { eight, 8, SK_OK, 8 },
        { eight, 7, SK_LIMIT, 0 },
        { refusal, 3, SK_REMOTE, 3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct scripted s;
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        scripted_start(&s, cases[i].answer, strlen(cases[i].answer), SCRIPTED_STAYS);
        const struct sk_unixhttp_request r = { .socket = s.path,
                                               .target = "/",
                                               .max_bytes = cases[i].max };
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), cases[i].code == SK_OK ? 0 : -1);
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(a.body.len, cases[i].kept);
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        scripted_done(&s);
    }
}

/* [unixhttp-22] [unixhttp-23] A head without end, and one line of it. */
static void large_heads(void **state)
{
    const struct {
        size_t lines, line;
        enum sk_code code;
    } cases[] = { { 7, SK_UNIXHTTP_LINE_BYTES, SK_OK },
                  { 1, SK_UNIXHTTP_LINE_BYTES + 1, SK_LIMIT },
                  { 8, SK_UNIXHTTP_LINE_BYTES, SK_LIMIT } };

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        sk_buf_str(&b, "HTTP/1.1 204 x\r\n");
        for (size_t n = 0; n < cases[i].lines; n++) {
            sk_buf_str(&b, "a:");
            for (size_t k = 0; k < cases[i].line - 4; k++)
                sk_buf_chr(&b, 'x');
            sk_buf_str(&b, "\r\n");
        }
        sk_buf_str(&b, "\r\n");
        struct scripted s;
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        scripted_start(&s, b.data, b.len, 0);
        const struct sk_unixhttp_request r = { .socket = s.path, .target = "/" };
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), cases[i].code == SK_OK ? 0 : -1);
        assert_int_equal(err.code, cases[i].code);
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        scripted_done(&s);
    }
}

struct sunk {
    size_t bytes, fail_at;
};

static int sink(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct sunk *k = ctx;
    (void)bytes;
    k->bytes += len;
    if (k->fail_at && k->bytes >= k->fail_at)
        return sk_fail(err, SK_CANCELLED, "enough");
    return 0;
}

/* [unixhttp-24] */
static void pieces(void **state)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\n\r\n0123456789";
    static const char refusal[] = "HTTP/1.1 409 x\r\n\r\n{\"error\":\"no\"}";
    struct scripted s;
    struct sk_unixhttp_answer a;
    (void)state;
    for (size_t fail_at = 0; fail_at < 10; fail_at += 5) {
        struct sk_err err = SK_ERR_INIT;
        struct sunk k = { 0, fail_at };
        scripted_start(&s, answer, sizeof answer - 1, SCRIPTED_DRIP);
        const struct sk_unixhttp_request r = {
            .socket = s.path, .target = "/", .sink = sink, .ctx = &k, .max_bytes = 1
        };
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), fail_at ? -1 : 0);
        assert_int_equal(err.code, fail_at ? SK_CANCELLED : SK_OK);
        assert_true(fail_at ? k.bytes >= fail_at : k.bytes == 10);
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        scripted_done(&s);
    }
    struct sk_err err = SK_ERR_INIT;
    struct sunk k = { 0, 0 };
    scripted_start(&s, refusal, sizeof refusal - 1, 0);
    const struct sk_unixhttp_request r = {
        .socket = s.path, .target = "/", .sink = sink, .ctx = &k
    };
    assert_int_equal(sk_unixhttp_do(&r, &a, &err), -1);
    assert_non_null(strstr(err.text, ": no (status 409)"));
    assert_int_equal(k.bytes, 0);
    sk_unixhttp_answer_done(&a);
    scripted_stop(&s);
    scripted_done(&s);
}

/* [unixhttp-11] */
static void deadlines(void **state)
{
    static const char half[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel";
    (void)state;
    for (size_t len = 0; len < sizeof half; len += sizeof half - 1) {
        struct scripted s;
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        scripted_start(&s, half, len, SCRIPTED_STAYS);
        const struct sk_unixhttp_request r = { .socket = s.path, .target = "/", .timeout_ms = 100 };
        uint64_t begin = sk_now_ms();
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), -1);
        assert_int_equal(err.code, SK_TIMEOUT);
        assert_true(sk_now_ms() - begin >= 100 && sk_now_ms() - begin < 5000);
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        scripted_done(&s);
    }
}

/* [unixhttp-4] A peer that refuses a large body unread: its words arrive, not a broken pipe. */
static void early_refusal(void **state)
{
    enum {
        LARGE = 8 << 20
    };

    static const char refusal[] = "HTTP/1.1 413 x\r\nContent-Length: 19\r\n\r\n{\"error\":\"too "
                                  "big\"}";
    (void)state;
    SK_OWN(free) char *body = calloc(1, LARGE);
    assert_non_null(body);
    for (unsigned flags = SCRIPTED_EARLY; flags <= (SCRIPTED_EARLY | SCRIPTED_STAYS); flags++) {
        struct scripted s;
        struct sk_err err = SK_ERR_INIT;
        struct sk_unixhttp_answer a;
        scripted_start(&s, refusal, sizeof refusal - 1, flags);
        const struct sk_unixhttp_request r = {
            .socket = s.path, .method = "POST", .target = "/", .body = { body, LARGE }
        };
        assert_int_equal(sk_unixhttp_do(&r, &a, &err), -1);
        assert_non_null(strstr(err.text, "too big (status 413)"));
        sk_unixhttp_answer_done(&a);
        scripted_stop(&s);
        scripted_done(&s);
    }
}

static void *serve_all(void *arg)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
    const int *fd = arg;
    char bytes[4096];
    for (int c = -1; (c = accept(*fd, NULL, NULL)) >= 0;) {
        if (read(c, bytes, sizeof bytes) > 0)
            (void)send(c, answer, sizeof answer - 1, MSG_NOSIGNAL);
        (void)close(c);
    }
    return NULL;
}

static int call(void *ctx, struct sk_err *err)
{
    const struct sk_unixhttp_request r = { .socket = ctx, .target = "/" };
    struct sk_unixhttp_answer a;
    int result = sk_unixhttp_do(&r, &a, err);
    sk_unixhttp_answer_done(&a);
    return result;
}

static void without_memory(void **state)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    char dir[] = "/tmp/skerry-unixhttp-XXXXXX";
    pthread_t thread;
    (void)state;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(addr.sun_path, sizeof addr.sun_path, "%s/s", dir);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(pthread_create(&thread, NULL, serve_all, &fd), 0);
    assert_true(sk_alloc_sweep("call", call, addr.sun_path, 0) >= 2);
    (void)shutdown(fd, SHUT_RDWR);
    (void)pthread_join(thread, NULL);
    (void)close(fd);
    assert_int_equal(unlink(addr.sun_path), 0);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),       cmocka_unit_test(requests),
        cmocka_unit_test(limits),        cmocka_unit_test(malformed_requests),
        cmocka_unit_test(no_peer),       cmocka_unit_test(large_heads),
        cmocka_unit_test(pieces),        cmocka_unit_test(deadlines),
        cmocka_unit_test(early_refusal), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
