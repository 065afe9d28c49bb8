/* test_body.c - bodies at their limits and beyond, chunked, promised, in total. */
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
    LIMIT = 100000,
    SHORT_MS = 400
};

#define POST(path) "POST " path " HTTP/1.1\r\nHost: x\r\n"

static void start(struct fixture *f, size_t total)
{
    fixture_start(
        f, (struct sk_http_options){ .max_body_bytes = LIMIT, .max_total_body_bytes = total });
}

/* A body of len bytes in chunks of chunk bytes (0: with a Content-Length). */
static void send_body(struct client *c, const char *path, size_t len, size_t chunk)
{
    SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT(8 << 20);
    sk_buf_fmt(&request, "POST %s HTTP/1.1\r\nHost: x\r\n", path);
    if (!chunk)
        sk_buf_fmt(&request, "Content-Length: %zu\r\n\r\n", len);
    else
        sk_buf_str(&request, "Transfer-Encoding: chunked\r\n\r\n");
    for (size_t at = 0; at < len;) {
        size_t n = chunk && chunk < len - at ? chunk : len - at;
        if (chunk)
            sk_buf_fmt(&request, "%zx;ext=1\r\n", n);
        for (size_t i = 0; i < n; i++)
            sk_buf_chr(&request, (char)('a' + (at + i) % 26));
        if (chunk)
            sk_buf_str(&request, "\r\n");
        at += n;
    }
    if (chunk)
        sk_buf_str(&request, "0\r\nTrailer: x\r\n\r\n");
    assert_true(sk_buf_ok(&request));
    (void)client_send_bytes(c, request.data, request.len);
}

/* [http-30] */
static void sizes(void **state)
{
    (void)state;

    static const struct {
        size_t len, chunk;
        int status;
        bool closes;
    } rows[] = {
        { 0, 0, 200, false },          { 1, 0, 200, false },        { LIMIT, 0, 200, false },
        { LIMIT + 1, 0, 413, true },   { 0, 7, 200, false },        { 1, 7, 200, false },
        { 1000, 1, 200, false },       { LIMIT, 4000, 200, false }, { LIMIT + 1, 4000, 413, true },
        { 4000000, 50000, 413, true }, { 4000000, 0, 413, true },
    };
    struct fixture f;
    start(&f, 0);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        send_body(&c, "/later", rows[i].len, rows[i].chunk);
        client_read(&c, false, &a);
        char expected[32];
        (void)snprintf(expected, sizeof expected, "%zu", rows[i].len);
        if (a.status != rows[i].status || (a.status == 200 && strcmp(a.body, expected) != 0) ||
            (a.status == 413 && !strstr(a.body, "{\"error\":\"the body has ")))
            fail_msg("%zu bytes in chunks of %zu: %d %s", rows[i].len, rows[i].chunk, a.status,
                     a.body);
        if (rows[i].closes ? !client_ends(&c, HTTP_WAIT_MS) : client_ends(&c, 20))
            fail_msg("%zu bytes in chunks of %zu: the connection should %s", rows[i].len,
                     rows[i].chunk, rows[i].closes ? "end" : "stay");
        client_close(&c);
    }
    fixture_stop(&f);
}

/* [http-40] */
static void malformed_chunks(void **state)
{
    (void)state;

    static const struct {
        const char *chunks;
        int status;
    } rows[] = {
        { "ffffffffffffffffff\r\n", 413 }, /* these four by libmicrohttpd */
        { "xyz\r\n", 400 },
        { "-1\r\n", 400 },
        { "3\r\nabcde", 400 },
        { "ffffffffffffffff\r\nabc", 408 }, /* the largest size there is: it never ends, so the
                                               deadline does */
        { "7fffffff\r\nabc", 408 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct fixture f;
        struct client c;
        struct answer a;
        fixture_start(&f, (struct sk_http_options){ .max_body_bytes = LIMIT,
                                                    .read_ms = rows[i].status == 408 ? SHORT_MS : 0,
                                                    .starts_paused = true });
        client_open(&c, f.port);
        client_send(&c, POST("/echo") "Transfer-Encoding: chunked\r\n\r\n");
        client_send(&c, rows[i].chunks);
        sk_http_resume(f.server); /* the deadline begins when all is there */
        client_read(&c, false, &a);
        if (a.status != rows[i].status)
            fail_msg("chunk '%s': %d %s", rows[i].chunks, a.status, a.body);
        if (!client_ends(&c, HTTP_WAIT_MS))
            fail_msg("chunk '%s': the connection stays", rows[i].chunks);
        client_close(&c);
        fixture_wait_finished(1);
        assert_int_equal(fixture_last_status(), rows[i].status);
        fixture_stop(&f);
    }
}

/* [http-31] */
static void expect_continue(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    client_open(&c, f.port);
    client_send(&c, POST("/echo") "Expect: 100-continue\r\nContent-Length: 5\r\n\r\n");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 100);
    client_send(&c, "hello");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "hello");
    client_send(&c, POST("/echo") "Expect: 100-continue\r\nContent-Length: 100001\r\n\r\n");
    client_read(&c, false, &a);
    assert_int_equal(a.status, 413);
    assert_true(client_ends(&c, HTTP_WAIT_MS));
    client_close(&c);
    fixture_stop(&f);
}

/* [http-33] Two promised bodies fit in the total, the third does not; when one has ended there is
 * room again.
 */
static void total(void **state)
{
    (void)state;
    struct fixture f;
    struct client held[2], third;
    struct answer a;
    start(&f, (size_t)LIMIT * 5 / 2);
    for (int i = 0; i < 2; i++) {
        client_open(&held[i], f.port);
        send_body(&held[i], "/later?held=1", LIMIT, 0);
    }
    for (uint64_t seen = 0; seen < 2u * LIMIT;)
        seen = atomic_load(&f.server->body_bytes);
    client_open(&third, f.port);
    send_body(&third, "/echo", LIMIT, 0);
    client_read(&third, false, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    fixture_release();
    for (int i = 0; i < 2; i++) {
        client_read(&held[i], false, &a);
        assert_int_equal(a.status, 200);
        client_close(&held[i]);
    }
    fixture_wait_finished(3);
    send_body(&third, "/echo", LIMIT, 0);
    client_read(&third, false, &a);
    assert_int_equal(a.status, 200);
    assert_int_equal(a.body_len, LIMIT);
    client_close(&third);
    fixture_wait_finished(4);
    assert_int_equal(atomic_load(&f.server->body_bytes), 0);
    fixture_stop(&f);
}

/* [http-35] */
static void multipart_errors_keep_the_connection(void **state)
{
    (void)state;
    static const char body[] = "--b\r\nno colon here\r\n\r\nhello\r\n--b--\r\n";
    struct fixture f;
    struct client c;
    struct answer a;
    start(&f, 0);
    client_open(&c, f.port);
    for (int i = 0; i < 2; i++) {
        char head[256];
        (void)snprintf(head, sizeof head,
                       POST("/form") "Content-Type: multipart/form-data; "
                                     "boundary=b\r\nContent-Length: %zu\r\n\r\n",
                       sizeof body - 1);
        client_send(&c, head);
        for (size_t b = 0; b + 1 < sizeof body; b += 5) {
            size_t n = sizeof body - 1 - b;
            (void)client_send_bytes(&c, body + b, n < 5 ? n : 5);
        }
        client_read(&c, false, &a);
        assert_int_equal(a.status, 400);
        assert_non_null(strstr(a.body, "malformed header in part 1"));
    }
    client_close(&c);
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes),
        cmocka_unit_test(malformed_chunks),
        cmocka_unit_test(expect_continue),
        cmocka_unit_test(total),
        cmocka_unit_test(multipart_errors_keep_the_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
