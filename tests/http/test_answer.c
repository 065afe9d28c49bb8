/* test_answer.c - what arrives at the client: status, headers, bodies, order; from the loop and
 * from other threads. */
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* [http-22] [http-26] */
static void answers(void **state)
{
    (void)state;

    static const struct {
        const char *request;
        int status;
        const char *type, *body, *length;
    } rows[] = {
        { GET("/open"), 200, "application/json", "{\"ok\":true}", "11" },
        { GET("/static"), 200, "text/plain", "static", "6" },
        { "HEAD /static HTTP/1.1\r\nHost: x\r\n\r\n", 200, "text/plain", "", "6" },
        { "HEAD /nope HTTP/1.1\r\nHost: x\r\n\r\n", 404, "application/json", "", "31" },
        { GET("/quiet"), 204, "application/json", "", NULL },
        { GET("/fail"), 503, "application/json", "{\"error\":\"the \\\"queue\\\" is full\"}",
          "33" },
        { "POST /later?ms=5 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc", 200,
          "application/json", "3", "1" },
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    struct client c;
    client_open(&c, f.port);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct answer a;
        client_send(&c, rows[i].request);
        client_read(&c, strncmp(rows[i].request, "HEAD", 4) == 0, &a);
        const char *length = answer_header(&a, "Content-Length");
        if (a.status != rows[i].status || strcmp(a.body, rows[i].body) != 0 ||
            (rows[i].length ? !length || strcmp(length, rows[i].length) != 0 : length != NULL))
            fail_msg("'%s': %s%s", rows[i].request, a.head, a.body);
        if (strcmp(answer_header(&a, "Content-Type"), rows[i].type) != 0)
            fail_msg("'%s': %s", rows[i].request, a.head);
        if ((a.status == 503) != (answer_header(&a, "Retry-After") != NULL))
            fail_msg("'%s': %s", rows[i].request, a.head);
        if (!answer_header(&a, "Date") || answer_header(&a, "Connection"))
            fail_msg("'%s': %s", rows[i].request, a.head);
    }
    client_close(&c);
    fixture_wait_finished(sizeof rows / sizeof rows[0]);
    fixture_stop(&f);
}

/* [http-1] The slow one is first: its answer is too. */
static void pipelined_in_order(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&c, f.port);
    client_send(
        &c,
        "POST /later?ms=50 HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nab" GET(
            "/static") "POST /later HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nc" GET("/nope")
            GET("/open"));
    static const char *const expected[] = { "2", "static", "1",
                                            "{\"error\":\"no such path: /nope\"}",
                                            "{\"ok\":true}" };
    for (size_t i = 0; i < sizeof expected / sizeof expected[0]; i++) {
        struct answer a;
        client_read(&c, false, &a);
        assert_string_equal(a.body, expected[i]);
    }
    client_close(&c);
    fixture_stop(&f);
}

static void large(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_ask(f.port, GET("/big"), &a);
    assert_int_equal(a.body_len, 16 << 20);
    fixture_stop(&f);
}

static void peer_is_known(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_ask(f.port, GET("/items/"), &a);
    assert_memory_equal(answer_header(&a, "X-Peer"), "127.0.0.1:", 10);
    fixture_stop(&f);
}

static void raw_answer(void **state)
{
    (void)state;
    int pair[2];
    struct answer a;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    sk_answer_raw(pair[0], 503, "id", "{\"error\":\"x\"}");
    struct client c = { .fd = pair[1], .in = SK_BUF_INIT(1 << 20) };
    client_read(&c, false, &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(a.body, "{\"error\":\"x\"}");
    assert_string_equal(answer_header(&a, "Connection"), "close");
    assert_string_equal(answer_header(&a, "X-Request-Id"), "id");
    assert_string_equal(answer_header(&a, "Retry-After"), "1");
    client_close(&c);
    sk_answer_raw(pair[0], 408, NULL, "{}"); /* nobody is there: no signal, no error */
    (void)close(pair[0]);
}

/* The client leaves while its request is handled: one finished() as for any other. */
static void client_leaves(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_open(&c, f.port);
    client_send(&c, "POST /later?ms=50 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na");
    client_close(&c);
    fixture_wait_finished(1);
    client_open(&c, f.port);
    client_send(&c, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\na");
    client_close(&c);
    fixture_wait_finished(2);
    assert_int_equal(fixture_last_status(), SK_HTTP_STATUS_GONE);
    fixture_stop(&f);
    assert_int_equal(fixture_finished(), 2);
}

/* [http-3] As `nc -N` does: the request, then the end of the client's side, then patience. */
static void half_closed(void **state)
{
    (void)state;
    static const char *const requests[] = {
        GET("/open"), GET("/big"),
        "POST /later?ms=50 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na"
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    for (size_t i = 0; i < 3 * sizeof requests / sizeof requests[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        client_send(&c, requests[i % 3]);
        (void)shutdown(c.fd, SHUT_WR);
        client_read(&c, false, &a);
        if (a.status != 200)
            fail_msg("'%s': %d", requests[i % 3], a.status);
        client_close(&c);
    }
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),       cmocka_unit_test(pipelined_in_order),
        cmocka_unit_test(large),         cmocka_unit_test(half_closed),
        cmocka_unit_test(peer_is_known), cmocka_unit_test(raw_answer),
        cmocka_unit_test(client_leaves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
