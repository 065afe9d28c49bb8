/* test_tls_link.c - one link between two socket pairs, both clients played by the test in one
 * thread: no clock, no races. */
#include "base/cleanup.h"
#include "certs.h"
#include "crypto/tls_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

struct world {
    struct certs certs;
    SSL_CTX *server_ctx, *client_ctx;
    struct sk_tls_link *link;
    struct sk_tls_spares spares;
    SSL *client;   /* the peer */
    int client_fd; /* its socket */
    int plain_fd;  /* the plain server's end */
};

static struct world w;

static void open_world(void)
{
    int net[2], plain[2];
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    assert_int_equal(socketpair(AF_UNIX, type, 0, net), 0);
    assert_int_equal(socketpair(AF_UNIX, type, 0, plain), 0);
    w.link = calloc(1, sizeof *w.link);
    assert_non_null(w.link);
    w.link->ssl = SSL_new(w.server_ctx);
    w.link->spares = &w.spares;
    w.link->client = net[0];
    w.link->plain = plain[0];
    w.link->patience_ms = 1000;
    w.client = SSL_new(w.client_ctx);
    w.client_fd = net[1];
    w.plain_fd = plain[1];
    assert_int_equal(SSL_set_fd(w.link->ssl, net[0]), 1);
    assert_int_equal(SSL_set_fd(w.client, net[1]), 1);
    int server_done = 0, client_done = 0;
    for (int i = 0; i < 20 && (!server_done || client_done != 1); i++) {
        if (client_done != 1)
            client_done = SSL_connect(w.client);
        if (!server_done)
            server_done = sk_tls_link_shake(w.link);
        assert_true(server_done >= 0);
    }
    assert_true(server_done == 1 && client_done == 1);
    w.link->stage = SK_TLS_OPEN;
}

static void close_world(void)
{
    SSL_free(w.link->ssl);
    sk_tls_link_drop(w.link);
    while (w.spares.count > 0)
        free(w.spares.list[--w.spares.count]);
    sk_close(&w.link->client);
    sk_close(&w.link->plain);
    free(w.link);
    SSL_free(w.client);
    sk_close(&w.client_fd);
    sk_close(&w.plain_fd);
}

static void inward(void **state)
{
    (void)state;
    open_world();
    char got[8] = "";
    assert_int_equal(SSL_write(w.client, "hello", 5), 5);
    sk_tls_link_pump(w.link, 1);
    assert_int_equal(recv(w.plain_fd, got, sizeof got, 0), 5);
    assert_string_equal(got, "hello");
    assert_int_equal(w.link->stage, SK_TLS_OPEN);
    assert_true(!w.link->inward.bytes && !w.link->outward.bytes); /* idle: no memory */
    close_world();
}

/* The end of the server travels behind its bytes, as close_notify. */
static void outward_and_end(void **state)
{
    (void)state;
    open_world();
    char got[8] = "";
    assert_int_equal(send(w.plain_fd, "hello", 5, 0), 5);
    sk_close(&w.plain_fd);
    sk_tls_link_pump(w.link, 1);
    assert_int_equal(w.link->stage, SK_TLS_CLOSING);
    assert_int_equal(SSL_read(w.client, got, sizeof got), 5);
    assert_string_equal(got, "hello");
    int n = SSL_read(w.client, got, sizeof got);
    assert_int_equal(SSL_get_error(w.client, n), SSL_ERROR_ZERO_RETURN);
    (void)SSL_shutdown(w.client);
    sk_tls_link_pump(w.link, 2);
    assert_int_equal(w.link->stage, SK_TLS_DEAD);
    close_world();
}

/* What the client still sends after the server's end is read away, so that its answer is not lost
 * to a reset. */
static void late_bytes(void **state)
{
    (void)state;
    open_world();
    sk_close(&w.plain_fd);
    sk_tls_link_pump(w.link, 1);
    assert_int_equal(w.link->stage, SK_TLS_CLOSING);
    assert_int_equal(SSL_write(w.client, "hello", 5), 5);
    sk_tls_link_pump(w.link, 2);
    assert_int_equal(w.link->stage, SK_TLS_CLOSING);
    assert_int_equal(w.link->inward.end - w.link->inward.start, 0);
    close_world();
}

static void client_ends(void **state)
{
    (void)state;
    open_world();
    char got[8];
    assert_int_equal(SSL_write(w.client, "bye", 3), 3);
    (void)SSL_shutdown(w.client);
    sk_tls_link_pump(w.link, 1);
    assert_int_equal(recv(w.plain_fd, got, sizeof got, 0), 3);
    assert_int_equal(recv(w.plain_fd, got, sizeof got, 0), 0);
    assert_int_equal(w.link->stage, SK_TLS_OPEN); /* the answer may still come */
    assert_int_equal(send(w.plain_fd, "ok", 2, 0), 2);
    sk_tls_link_pump(w.link, 2);
    assert_int_equal(SSL_read(w.client, got, sizeof got), 2);
    close_world();
}

/* [http-52] A connection that ends without close_notify may be cut short by someone in between. */
static void client_is_cut(void **state)
{
    (void)state;
    open_world();
    assert_int_equal(SSL_write(w.client, "half", 4), 4);
    sk_close(&w.client_fd);
    sk_tls_link_pump(w.link, 1);
    assert_int_equal(w.link->stage, SK_TLS_DEAD);
    char got[8];
    assert_int_equal(recv(w.plain_fd, got, sizeof got, 0), 4); /* what came in time */
    close_world();
}

/* A client that does not read stops the server, within one record and the sockets' buffers; then
 * its patience runs. */
static void back_pressure(void **state)
{
    (void)state;
    open_world();
    static char bytes[65536];
    size_t sent = 0;
    for (int idle = 0; idle < 2;) {
        ssize_t n = send(w.plain_fd, bytes, sizeof bytes, 0);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        sk_tls_link_pump(w.link, 500);
    }
    assert_true(sent < 4u << 20);
    assert_int_equal(w.link->deadline_ms, 1500);
    assert_false(sk_tls_link_is_late(w.link, 1499));
    assert_true(sk_tls_link_is_late(w.link, 1500)); /* no TCP here, so nothing is known */
    unsigned client, plain;
    sk_tls_link_wants(w.link, &client, &plain);
    assert_true(client & EPOLLOUT);
    assert_false(plain & EPOLLIN);

    size_t got = 0;
    for (int idle = 0; idle < 2;) {
        int n = SSL_read(w.client, bytes, sizeof bytes);
        idle = n > 0 ? 0 : idle + 1;
        got += n > 0 ? (size_t)n : 0;
        sk_tls_link_pump(w.link, 600);
    }
    assert_int_equal(got, sent);
    assert_int_equal(w.link->deadline_ms, 0);
    sk_tls_link_wants(w.link, &client, &plain);
    assert_false(client & EPOLLOUT);
    assert_true(plain & EPOLLIN);
    close_world();
}

/* A server that does not read stops the client. */
static void slow_server(void **state)
{
    (void)state;
    open_world();
    static char bytes[16384];
    size_t sent = 0, got = 0;
    for (int idle = 0; idle < 2;) {
        int n = SSL_write(w.client, bytes, sizeof bytes);
        idle = n > 0 ? 0 : idle + 1;
        sent += n > 0 ? (size_t)n : 0;
        sk_tls_link_pump(w.link, 1);
    }
    unsigned client, plain;
    sk_tls_link_wants(w.link, &client, &plain);
    assert_false(client & EPOLLIN);
    assert_true(plain & EPOLLOUT);
    for (int idle = 0; idle < 2;) {
        ssize_t n = recv(w.plain_fd, bytes, sizeof bytes, 0);
        idle = n > 0 ? 0 : idle + 1;
        got += n > 0 ? (size_t)n : 0;
        sk_tls_link_pump(w.link, 1);
    }
    assert_true(got >= sent);
    close_world();
}

/* The first bytes, in one record or many, are those of a prefix or not; either way none is lost. */
static void choices(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        size_t piece;
        enum sk_tls_choice choice;
        size_t read; /* while choosing: never more than the prefix */
    } rows[] = {
        { "GET /ws", 7, SK_TLS_IS_TAKEN, 7 }, { "GET /ws HTTP", 12, SK_TLS_IS_TAKEN, 7 },
        { "GET /ws", 1, SK_TLS_IS_TAKEN, 7 }, { "GET /w", 6, SK_TLS_WAITS, 6 },
        { "", 1, SK_TLS_WAITS, 0 },           { "GET /v", 6, SK_TLS_JOINS, 6 },
        { "GET /x", 1, SK_TLS_JOINS, 6 },     { "POST /ws", 8, SK_TLS_JOINS, 7 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char got[32] = "";
        const size_t len = strlen(rows[i].text);
        enum sk_tls_choice choice = SK_TLS_WAITS;
        open_world();
        w.link->stage = SK_TLS_CHOOSING;
        for (size_t at = 0; at < len; at += rows[i].piece) {
            if (choice != SK_TLS_WAITS)
                fail_msg("row %zu: chosen after %zu bytes", i, at);
            assert_int_equal(SSL_write(w.client, rows[i].text + at, (int)rows[i].piece),
                             rows[i].piece);
            choice = sk_tls_link_choose(w.link, "GET /ws");
        }
        if (len == 0)
            choice = sk_tls_link_choose(w.link, "GET /ws");
        if (choice != rows[i].choice || w.link->first_len != rows[i].read)
            fail_msg("row %zu: %d after %zu bytes", i, choice, w.link->first_len);
        assert_true(sk_tls_link_open(w.link));
        assert_int_equal(w.link->stage, SK_TLS_OPEN);
        sk_tls_link_pump(w.link, 1);
        assert_int_equal(recv(w.plain_fd, got, sizeof got, 0), len > 0 ? (ssize_t)len : -1);
        assert_string_equal(got, rows[i].text);
        close_world();
    }
}

static void ends_while_choosing(void **state)
{
    (void)state;
    open_world();
    assert_int_equal(SSL_write(w.client, "GE", 2), 2);
    (void)SSL_shutdown(w.client);
    assert_int_equal(sk_tls_link_choose(w.link, "GET"), SK_TLS_JOINS);
    close_world();
    open_world();
    sk_close(&w.client_fd);
    assert_int_equal(sk_tls_link_choose(w.link, "GET"), SK_TLS_FAILS);
    close_world();
    open_world(); /* nothing to read for it */
    assert_int_equal(sk_tls_link_choose(w.link, ""), SK_TLS_IS_TAKEN);
    close_world();
}

static int set_up(void **state)
{
    (void)state;
    certs_make(&w.certs);
    w.client_ctx = certs_client();
    w.server_ctx = SSL_CTX_new(TLS_server_method());
    (void)SSL_CTX_set_mode(w.server_ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    (void)SSL_CTX_set_mode(w.client_ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    assert_int_equal(SSL_CTX_use_certificate_file(w.server_ctx, w.certs.cert, SSL_FILETYPE_PEM), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey_file(w.server_ctx, w.certs.key, SSL_FILETYPE_PEM), 1);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    SSL_CTX_free(w.server_ctx);
    SSL_CTX_free(w.client_ctx);
    certs_remove(&w.certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inward),
        cmocka_unit_test(outward_and_end),
        cmocka_unit_test(late_bytes),
        cmocka_unit_test(client_ends),
        cmocka_unit_test(client_is_cut),
        cmocka_unit_test(back_pressure),
        cmocka_unit_test(slow_server),
        cmocka_unit_test(choices),
        cmocka_unit_test(ends_while_choosing),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
