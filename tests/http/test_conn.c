/* test_conn.c - deadlines: who is slow in which way, and when the connection ends. */
#include "base/clock.h"
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SHORT_MS = 400,
    LONG_MS = 20000,
    SLACK_MS = 2000,
    STEP_MS = 20
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* Sends a byte every STEP_MS for ever: `first` at once, then `endless` again and again. Returns
 * after how long it was cut. */
static uint64_t drip(struct client *c, const char *first, const char *endless)
{
    uint64_t start = sk_now_ms();
    client_send(c, first);
    for (size_t i = 0; sk_now_ms() - start < LONG_MS / 2; i++) {
        char byte;
        if (!client_send_bytes(c, endless + i % strlen(endless), 1) ||
            recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
            return sk_now_ms() - start;
        (void)usleep(STEP_MS * 1000);
    }
    fail_msg("not cut while sending '%s%s'...", first, endless);
    return 0;
}

/* [http-10] */
static void slow_requests(void **state)
{
    (void)state;

    static const struct {
        const char *name, *first, *endless;
        bool after_another; /* on a connection that has served a request */
    } rows[] = {
        { "first line", "", "G", false },
        { "first line, later", "", "G", true },
        { "headers", "GET /open HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", false },
        { "headers, later", "GET /open HTTP/1.1\r\nHost: x\r\n", "A: b\r\n", true },
        { "body", "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n", "a", false },
        { "chunks", "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
          "1\r\na\r\n", true },
        { "refused body", "POST /nope HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n", "a",
          false },
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ .read_ms = SHORT_MS, .idle_ms = LONG_MS });
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        if (rows[i].after_another) {
            client_send(&c, GET("/open"));
            client_read(&c, false, &a);
            (void)usleep(SHORT_MS / 2 * 1000); /* idle time does not count */
        }
        uint64_t ms = drip(&c, rows[i].first, rows[i].endless);
        if (ms < SHORT_MS * 3 / 4 || ms > SHORT_MS + SLACK_MS)
            fail_msg("row '%s': cut after %llu ms", rows[i].name, (unsigned long long)ms);
        client_read(&c, false, &a);
        if (a.status != 408 || !strstr(a.body, "{\"error\":"))
            fail_msg("row '%s': %d %s", rows[i].name, a.status, a.body);
        client_close(&c);
    }
    fixture_stop(&f);
}

/* [http-10] [http-12] */
static void silent_connections(void **state)
{
    (void)state;
    struct fixture f;
    struct client fresh, idle;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .read_ms = SHORT_MS, .idle_ms = 2 * SHORT_MS });
    client_open(&fresh, f.port);
    client_open(&idle, f.port);
    client_send(&idle, GET("/open"));
    client_read(&idle, false, &a);
    uint64_t start = sk_now_ms();
    assert_true(client_ends(&fresh, SHORT_MS + SLACK_MS));
    assert_true(sk_now_ms() - start >= SHORT_MS * 3 / 4);
    assert_true(client_ends(&idle, 2 * SHORT_MS + SLACK_MS));
    assert_true(sk_now_ms() - start >= 2 * SHORT_MS * 3 / 4);
    client_close(&fresh);
    client_close(&idle);
    assert_int_equal(fixture_finished(), 1);
    fixture_stop(&f);
}

/* [http-11] It asks for 16 MiB and reads nothing. */
static void slow_reader(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ .read_ms = SHORT_MS });
    client_open(&c, f.port);
    uint64_t start = sk_now_ms();
    client_send(&c, GET("/big"));
    fixture_wait_finished(1);
    assert_true(sk_now_ms() - start >= SHORT_MS * 3 / 4);
    assert_true(sk_now_ms() - start <= SHORT_MS + SLACK_MS);
    for (uint64_t end = start + SLACK_MS; sk_http_connections(f.server) > 0 && sk_now_ms() < end;)
        (void)usleep(1000);
    assert_int_equal(sk_http_connections(f.server), 0);
    client_close(&c);
    fixture_stop(&f);
}

/* [http-13] */
static void handling_has_no_deadline_here(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .read_ms = 100, .idle_ms = 100 });
    client_ask(f.port, "POST /later?ms=700 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na", &a);
    assert_int_equal(a.status, 200);
    fixture_stop(&f);
}

static void busy_connection_stays(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ .read_ms = 200, .idle_ms = 200 });
    client_open(&c, f.port);
    for (uint64_t end = sk_now_ms() + 1200; sk_now_ms() < end;) {
        struct answer a;
        client_send(&c, GET("/open"));
        client_read(&c, false, &a);
        assert_int_equal(a.status, 200);
        (void)usleep(10000);
    }
    client_close(&c);
    fixture_stop(&f);
}

/* The client's end comes with its bytes: the connection must not wait for a deadline. */
static void end_with_the_bytes(void **state)
{
    (void)state;
    static const char *const sent[] = {
        "", "GET /op", GET("/open"),
        "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc"
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ .read_ms = 2000, .idle_ms = LONG_MS });
    for (size_t i = 0; i < 4 * sizeof sent / sizeof sent[0]; i++) {
        struct client c;
        client_open(&c, f.port);
        client_send(&c, sent[i % (sizeof sent / sizeof sent[0])]);
        (void)shutdown(c.fd, SHUT_WR);
        if (i % 4 == 2) {
            struct answer a;
            client_read(&c, false, &a);
            assert_int_equal(a.status, 200);
        }
        uint64_t start = sk_now_ms();
        while (sk_http_connections(f.server) > 0)
            if (sk_now_ms() - start > 1500)
                fail_msg("the connection stays after '%s'", sent[i % 4]);
        client_close(&c);
    }
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slow_requests),         cmocka_unit_test(silent_connections),
        cmocka_unit_test(slow_reader),           cmocka_unit_test(handling_has_no_deadline_here),
        cmocka_unit_test(busy_connection_stays), cmocka_unit_test(end_with_the_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
