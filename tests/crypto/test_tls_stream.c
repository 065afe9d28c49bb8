/* test_tls_stream.c - a TLS stream between two ends of a socket pair, the client played by the test
 * in the same thread: no clock, no races. */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"
#include "certs.h"
#include "harness/alloc_fail.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
    LARGE_BYTES = 4 << 20
};

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

struct world {
    struct certs certs;
    SSL_CTX *server_ctx, *client_ctx;
    struct sk_stream *stream;
    SSL *client;
    int client_fd;
};

static struct world w;

/* The shaken server side of a fresh connection. */
static SSL *open_pair(int version, int *fd)
{
    int net[2];
    const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
    assert_int_equal(socketpair(AF_UNIX, type, 0, net), 0);
    SSL *ssl = SSL_new(w.server_ctx);
    w.client = SSL_new(w.client_ctx);
    w.client_fd = net[1];
    assert_int_equal(SSL_set_max_proto_version(w.client, version), 1);
    assert_int_equal(SSL_set_fd(ssl, net[0]), 1);
    assert_int_equal(SSL_set_fd(w.client, net[1]), 1);
    int server_done = 0, client_done = 0;
    for (int i = 0; i < 20 && (server_done != 1 || client_done != 1); i++) {
        client_done = client_done == 1 ? 1 : SSL_connect(w.client);
        server_done = server_done == 1 ? 1 : SSL_accept(ssl);
    }
    assert_true(server_done == 1 && client_done == 1);
    *fd = net[0];
    return ssl;
}

static void open_world(int version, const char *first)
{
    int fd;
    SSL *ssl = open_pair(version, &fd);
    w.stream = sk_tls_stream_new(ssl, fd, first, strlen(first));
    assert_non_null(w.stream);
    assert_int_equal(w.stream->fd, fd);
}

static void close_world(void)
{
    sk_stream_free(w.stream);
    w.stream = NULL;
    SSL_free(w.client);
    sk_close(&w.client_fd);
}

static void small_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char got[16] = "";
        open_world(versions[i], "");
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_AGAIN);
        assert_false(sk_stream_is_buffered(w.stream));
        assert_int_equal(SSL_write(w.client, "hello", 5), 5);
        assert_int_equal(sk_stream_read(w.stream, got, 2), 2);
        assert_true(sk_stream_is_buffered(w.stream)); /* the rest of the record */
        assert_int_equal(sk_stream_read(w.stream, got + 2, sizeof got - 2), 3);
        assert_string_equal(got, "hello");
        assert_false(sk_stream_is_buffered(w.stream));
        assert_int_equal(sk_stream_write(w.stream, "", 0), SK_STREAM_AGAIN);
        assert_int_equal(sk_stream_write(w.stream, "bye", 3), 3);
        assert_int_equal(SSL_read(w.client, got, sizeof got), 3);
        assert_int_equal(sk_stream_events(w.stream, true, false), EPOLLIN);
        assert_int_equal(sk_stream_events(w.stream, true, true), EPOLLIN | EPOLLOUT);
        assert_int_equal(sk_stream_events(w.stream, false, false), 0);
        close_world();
    }
}

/* What the front has read comes before what follows. */
static void first_bytes(void **state)
{
    (void)state;
    char got[16] = "";
    open_world(TLS1_3_VERSION, "GET /");
    assert_int_equal(SSL_write(w.client, "more", 4), 4);
    assert_true(sk_stream_is_buffered(w.stream));
    assert_int_equal(sk_stream_read(w.stream, got, 3), 3);
    assert_true(sk_stream_is_buffered(w.stream));
    assert_int_equal(sk_stream_read(w.stream, got + 3, sizeof got - 3), 2);
    assert_int_equal(sk_stream_read(w.stream, got + 5, sizeof got - 5), 4);
    assert_string_equal(got, "GET /more");
    close_world();
}

/* Bytes that make no record yet are nothing to read again and again for. */
static void part_of_a_record(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char record[256], got[8];
        open_world(versions[i], "");
        BIO *out = BIO_new(BIO_s_mem());
        SSL_set0_wbio(w.client, out);
        assert_int_equal(SSL_write(w.client, "hello", 5), 5);
        int len = BIO_read(out, record, sizeof record);
        assert_true(len > 10);
        for (int sent = 0; sent < len; sent++) {
            assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_AGAIN);
            assert_false(sk_stream_is_buffered(w.stream));
            assert_int_equal(send(w.client_fd, record + sent, 1, 0), 1);
        }
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), 5);
        close_world();
    }
}

/* Writes that do not fit are told, and go on where they stopped from other memory. */
static void large_both_ways(void **state)
{
    (void)state;
    static unsigned char sent[LARGE_BYTES], got[LARGE_BYTES], back[LARGE_BYTES];
    uint32_t x = 1;
    for (size_t i = 0; i < sizeof sent; i++) {
        x = x * 1664525u + 1013904223u;
        sent[i] = (unsigned char)(x >> 24);
    }
    for (size_t i = 0; i < 2; i++) {
        size_t up = 0, here = 0, down = 0, there = 0;
        unsigned waits = 0;
        open_world(versions[i], "");
        while (there < LARGE_BYTES) {
            int n = up < LARGE_BYTES ? SSL_write(w.client, sent + up, (int)(LARGE_BYTES - up)) : 0;
            up += n > 0 ? (size_t)n : 0;
            ssize_t m;
            while ((m = sk_stream_read(w.stream, got + here, LARGE_BYTES - here)) > 0 &&
                   here + (size_t)m < LARGE_BYTES)
                here += (size_t)m;
            here += m > 0 ? (size_t)m : 0;
            while (down < here) {
                SK_OWN(free) unsigned char *copy = malloc(here - down);
                memcpy(copy, got + down, here - down);
                if ((m = sk_stream_write(w.stream, copy, here - down)) <= 0)
                    break;
                down += (size_t)m;
            }
            waits += down < here;
            if (down < here || here == LARGE_BYTES) /* a slow reader: only when we are stuck */
                while ((n = SSL_read(w.client, back + there, (int)(LARGE_BYTES - there))) > 0)
                    there += (size_t)n;
        }
        assert_true(waits > 0);
        assert_memory_equal(back, sent, LARGE_BYTES);
        close_world();
    }
}

static void both_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char got[8];
        open_world(versions[i], "");
        assert_int_equal(sk_stream_write(w.stream, "last", 4), 4);
        sk_stream_end(w.stream);
        sk_stream_end(w.stream);
        assert_int_equal(sk_stream_write(w.stream, "x", 1), SK_STREAM_LOST);
        assert_int_equal(SSL_read(w.client, got, sizeof got), 4);
        int n = SSL_read(w.client, got, sizeof got);
        assert_int_equal(SSL_get_error(w.client, n), SSL_ERROR_ZERO_RETURN);
        assert_int_equal(recv(w.client_fd, got, sizeof got, 0), 0);
        close_world();
    }
}

/* After our own end the client's last bytes and its end still come. */
static void the_client_ends_later(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        char got[8];
        open_world(versions[i], "");
        sk_stream_end(w.stream);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_AGAIN);
        assert_int_equal(SSL_write(w.client, "late", 4), 4);
        (void)SSL_shutdown(w.client);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), 4);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_END);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_END);
        close_world();
    }
}

/* The client's end is of its own direction only. */
static void the_client_ends_first(void **state)
{
    (void)state;
    char got[8];
    open_world(TLS1_3_VERSION, "");
    (void)SSL_shutdown(w.client);
    assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_END);
    assert_int_equal(sk_stream_write(w.stream, "bye", 3), 3);
    sk_stream_end(w.stream);
    assert_int_equal(SSL_read(w.client, got, sizeof got), 3);
    close_world();
}

/* Without close_notify, or with what is no TLS: lost, for good. */
static void lost(void **state)
{
    (void)state;
    for (int row = 0; row < 3; row++) {
        char got[8];
        open_world(TLS1_3_VERSION, "");
        if (row == 0)
            sk_close(&w.client_fd);
        else if (row == 1)
            assert_int_equal(shutdown(w.client_fd, SHUT_WR), 0);
        else
            assert_int_equal(send(w.client_fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_LOST);
        assert_int_equal(sk_stream_read(w.stream, got, sizeof got), SK_STREAM_LOST);
        assert_int_equal(sk_stream_write(w.stream, "x", 1), SK_STREAM_LOST);
        assert_false(sk_stream_is_buffered(w.stream));
        sk_stream_end(w.stream);
        close_world();
    }
}

/* A key update asks us to write while nothing can be written. */
static void key_update(void **state)
{
    (void)state;
    static char bytes[65536];
    char got[16] = "";
    open_world(TLS1_3_VERSION, "");
    while (sk_stream_write(w.stream, bytes, sizeof bytes) > 0)
        continue;
    assert_int_equal(SSL_key_update(w.client, SSL_KEY_UPDATE_REQUESTED), 1);
    assert_int_equal(SSL_write(w.client, "new keys", 8), 8);
    ssize_t n = SK_STREAM_AGAIN, written = SK_STREAM_AGAIN;
    for (int i = 0; i < 100 && (n < 0 || written < 0); i++) {
        if (n < 0)
            n = sk_stream_read(w.stream, got, sizeof got);
        assert_int_not_equal(sk_stream_events(w.stream, true, true), 0);
        while (SSL_read(w.client, bytes, sizeof bytes) > 0)
            continue;
        written = sk_stream_write(w.stream, bytes, sizeof bytes);
        assert_true(n != SK_STREAM_LOST && written != SK_STREAM_LOST);
    }
    assert_int_equal(n, 8);
    assert_string_equal(got, "new keys");
    assert_true(SSL_read(w.client, bytes, sizeof bytes) > 0);
    close_world();
}

static int make_one(void *ctx, struct sk_err *err)
{
    (void)ctx;
    int fd;
    SSL *ssl = open_pair(TLS1_3_VERSION, &fd);
    w.stream = sk_tls_stream_new(ssl, fd, "first", 5);
    int rc = w.stream ? 0 : sk_nomem(err);
    if (!w.stream) { /* neither was taken */
        SSL_free(ssl);
        assert_int_equal(close(fd), 0);
    }
    close_world();
    return rc;
}

static void without_memory(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("stream", make_one, NULL, 0), 1);
}

static int set_up(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    certs_make(&w.certs);
    const struct sk_tls_options o = { .cert_file = w.certs.cert, .key_file = w.certs.key };
    if (sk_tls_context(&o, &w.server_ctx, &err) < 0)
        fail_msg("%s", err.text);
    w.client_ctx = certs_client();
    (void)SSL_CTX_set_mode(w.client_ctx,
                           SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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
        cmocka_unit_test(small_pieces),
        cmocka_unit_test(first_bytes),
        cmocka_unit_test(part_of_a_record),
        cmocka_unit_test(large_both_ways),
        cmocka_unit_test(both_end),
        cmocka_unit_test(the_client_ends_later),
        cmocka_unit_test(the_client_ends_first),
        cmocka_unit_test(lost),
        cmocka_unit_test(key_update),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
