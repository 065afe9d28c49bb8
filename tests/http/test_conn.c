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
    LONG_MS = 60000, /* longer than anything here may take */
    STEP_MS = 20
};

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

/* Connected, and not accepted before sk_http_resume(): what is sent until then is there when the
 * deadline begins, however late the test is. */
static void open_unaccepted(struct client *c, struct fixture *f)
{
    sk_http_retire(f->server);
    client_open(c, f->port);
}

/* A connection that has served a request and was idle for read_ms. The request must come through
 * within read_ms too, so it is tried again. */
static void open_used(struct client *c, struct fixture *f)
{
    struct answer a = { 0 };
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS;;) {
        open_unaccepted(c, f);
        client_send(c, GET("/open"));
        sk_http_resume(f->server);
        client_read(c, false, &a);
        if (a.status == 200)
            break;
        client_close(c);
        assert_true(sk_now_ms() < end);
    }
    (void)usleep(SHORT_MS * 1000);
}

/* Sends a byte every STEP_MS for ever: `first` at once, then `endless` again and again. Returns
 * after how long it was cut. */
static uint64_t drip(struct fixture *f, struct client *c, const char *first, const char *endless)
{
    uint64_t start = sk_now_ms();
    client_send(c, first);
    for (size_t i = 0; sk_now_ms() - start < HTTP_WAIT_MS; i++) {
        char byte;
        if (!client_send_bytes(c, endless + i % strlen(endless), 1) ||
            recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0)
            return sk_now_ms() - start;
        if (i == 0)
            sk_http_resume(f->server);
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
        (rows[i].after_another ? open_used : open_unaccepted)(&c, &f);
        uint64_t ms = drip(&f, &c, rows[i].first, rows[i].endless);
        /* Idle time does not count. Of a used one the first byte is noticed by a look at all that
         * may have begun before it. */
        if (ms < (rows[i].after_another ? SHORT_MS / 2 : SHORT_MS))
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
    for (int is_used = 0; is_used < 2; is_used++) {
        struct fixture f;
        struct client c;
        struct answer a;
        fixture_start(&f, (struct sk_http_options){ .read_ms = is_used ? LONG_MS : SHORT_MS,
                                                    .idle_ms = is_used ? SHORT_MS : LONG_MS });
        uint64_t start = sk_now_ms();
        client_open(&c, f.port);
        if (is_used) {
            client_send(&c, GET("/open"));
            client_read(&c, false, &a);
            assert_int_equal(a.status, 200);
        }
        assert_true(client_ends(&c, HTTP_WAIT_MS));
        assert_true(sk_now_ms() - start >= SHORT_MS);
        client_close(&c);
        assert_int_equal(fixture_finished(), is_used);
        fixture_stop(&f);
    }
}

/* [http-11] It asks for 16 MiB and reads nothing. */
static void slow_reader(void **state)
{
    (void)state;
    struct fixture f;
    struct client c;
    fixture_start(&f, (struct sk_http_options){ .read_ms = SHORT_MS });
    open_unaccepted(&c, &f);
    client_send(&c, GET("/big"));
    uint64_t start = sk_now_ms();
    sk_http_resume(f.server);
    fixture_wait_finished(1);
    assert_true(sk_now_ms() - start >= SHORT_MS);
    fixture_wait_connections(&f, 0);
    client_close(&c);
    fixture_stop(&f);
}

/* [http-13] */
static void handling_has_no_deadline_here(void **state)
{
    (void)state;
    struct fixture f;
    struct client handled, reading;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .read_ms = LONG_MS, .idle_ms = LONG_MS });
    client_open(&handled, f.port);
    client_send(&handled, "POST /later?held=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\na");
    fixture_wait_held(1);
    client_open(&reading, f.port);
    client_send(&reading, "GET /op");
    fixture_wait_connections(&f, 2);
    for (uint64_t end = sk_now_ms() + HTTP_WAIT_MS; sk_http_connections(f.server) != 1;) {
        assert_true(sk_now_ms() < end);
        sk_table_sweep(f.server, sk_now_ms() + 2 * LONG_MS); /* all deadlines are over */
        (void)usleep(1000);
    }
    client_read(&reading, false, &a);
    assert_int_equal(a.status, 408);
    client_close(&reading);
    fixture_release();
    client_read(&handled, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&handled);
    fixture_stop(&f);
}

static void open_and_ask(struct client *c, struct fixture *f)
{
    struct answer a;
    client_open(c, f->port);
    client_send(c, GET("/open"));
    client_read(c, false, &a);
    assert_int_equal(a.status, 200);
}

/* Each request moves the deadline: a connection that asked once is cut when its time is over, one
 * that went on asking is not. */
static void busy_connection_stays(void **state)
{
    (void)state;
    struct fixture f;
    struct client busy, once;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .read_ms = LONG_MS, .idle_ms = LONG_MS });
    open_and_ask(&busy, &f);
    open_and_ask(&once, &f);
    fixture_wait_stage(&f, SK_STAGE_IDLE, 2);
    const uint64_t idle_ms = sk_now_ms(); /* of both the deadline is at most LONG_MS later */
    for (int i = 0; i < 20; i++) {
        (void)usleep(5000);
        client_send(&busy, GET("/open"));
        client_read(&busy, false, &a);
        assert_int_equal(a.status, 200);
        sk_table_sweep(f.server, sk_now_ms());
    }
    fixture_wait_stage(&f, SK_STAGE_IDLE, 2);
    sk_table_sweep(f.server, idle_ms + LONG_MS);
    assert_true(client_ends(&once, HTTP_WAIT_MS));
    client_send(&busy, GET("/open"));
    client_read(&busy, false, &a);
    assert_int_equal(a.status, 200);
    client_close(&busy);
    client_close(&once);
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
    fixture_start(&f, (struct sk_http_options){ .read_ms = LONG_MS, .idle_ms = LONG_MS });
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
        for (; sk_http_connections(f.server) > 0; (void)usleep(500))
            if (sk_now_ms() - start > HTTP_WAIT_MS)
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
