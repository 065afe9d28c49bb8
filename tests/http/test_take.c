/* test_take.c - a server with TLS: clients that are given away by their first bytes, and a new
 * certificate while it runs. */
#include "base/cleanup.h"
#include "base/file.h"
#include "base/stream.h"
#include "crypto/certs.h"
#include "crypto/crypto.h"
#include "crypto/tls_client.h"
#include "fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define UPGRADE "GET /$iothub/websocket HTTP/1.1\r\nHost: x\r\n\r\n"
#define OTHER   "GET /open HTTP/1.1\r\nHost: x\r\n\r\n"

static struct certs certs;
static struct sk_stream *_Atomic got;
static int marker;

static int on_take(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    char bytes[256];
    if (ctx != &marker || peer->addr_len == 0 || peer->cert)
        abort();
    if (sk_stream_read(stream, bytes, sizeof bytes) <= 0 || memcmp(bytes, "GET /$iothub/", 13) != 0)
        return -1;
    if (sk_stream_write(stream, "taken", 5) != 5)
        abort();
    atomic_store(&got, stream);
    return 0;
}

static void start(struct fixture *f)
{
    fixture_start(f, (struct sk_http_options){ .tls_cert = certs.cert,
                                               .tls_key = certs.key,
                                               .take_prefix = "GET /$iothub/websocket",
                                               .take = on_take,
                                               .ctx = &marker });
}

static void gives_away(void **state)
{
    (void)state;
    struct fixture f;
    struct tls_client ours, other;
    start(&f);
    assert_true(tls_client_shake(&ours, f.port, 0, "\x08http/1.1"));
    assert_true(tls_client_shake(&other, f.port, 0, "\x08http/1.1"));
    tls_client_send(&ours, UPGRADE, strlen(UPGRADE));
    tls_client_expect(&ours, "taken");
    tls_client_send(&other, OTHER, strlen(OTHER));
    tls_client_expect(&other, "HTTP/1.1 200 OK\r\n");
    fixture_wait_finished(1);
    assert_int_equal(fixture_finished(), 1); /* the other's was the only request */
    tls_client_close(&other);
    fixture_stop(&f); /* does not wait for who is not ours */

    struct sk_stream *s = atomic_exchange(&got, NULL);
    assert_non_null(s);
    assert_int_equal(sk_stream_write(s, "still", 5), 5);
    tls_client_expect(&ours, "still");
    sk_stream_free(s);
    tls_client_close(&ours);
}

static void expect_shown(const struct fixture *f, const char *path)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(65536);
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    if (sk_tls_peek("127.0.0.1", f->port, TLS_CLIENT_WAIT_S * 1000, &pem, &err) < 0 ||
        sk_file_read(path, 65536, &text, &len, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(pem.len, len);
    assert_memory_equal(pem.data, text, len);
}

static void copy_file(const char *from, const char *to)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    size_t len = 0;
    if (sk_file_read(from, 65536, &text, &len, &err) < 0 ||
        sk_file_write(to, text, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void reloads(void **state)
{
    (void)state;
    struct fixture f;
    struct certs fresh;
    struct tls_client c;
    struct sk_err err = SK_ERR_INIT;
    certs_make(&fresh);
    start(&f);
    expect_shown(&f, certs.cert);
    assert_true(tls_client_shake(&c, f.port, 0, NULL));
    copy_file(fresh.cert, certs.cert);
    assert_int_equal(sk_http_reload_tls(f.server, &err), -1); /* the key is the old one */
    assert_int_equal(err.code, SK_INVALID);
    copy_file(fresh.key, certs.key);
    if (sk_http_reload_tls(f.server, &err) < 0)
        fail_msg("%s", err.text);
    expect_shown(&f, fresh.cert);
    tls_client_send(&c, OTHER, strlen(OTHER));
    tls_client_expect(&c, "HTTP/1.1 200 OK\r\n");
    tls_client_close(&c);
    fixture_stop(&f);
    certs_remove(&fresh);
}

static void without_tls(void **state)
{
    (void)state;
    struct fixture f;
    struct sk_err err = SK_ERR_INIT;
    fixture_start(&f, (struct sk_http_options){ 0 });
    assert_int_equal(sk_http_reload_tls(f.server, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    fixture_stop(&f);
}

static int set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN);
    certs_make(&certs);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certs_remove(&certs);
    return 0;
}

static void start_shared(struct fixture *f, int fd, bool is_paused)
{
    fixture_start(f, (struct sk_http_options){ .tls_cert = certs.cert,
                                               .tls_key = certs.key,
                                               .listen_fd = fd,
                                               .is_shared = true,
                                               .starts_paused = is_paused });
}

/* [http-64] Two servers with TLS take turns at one listening socket. */
static void tls_changes_hands(void **state)
{
    (void)state;

    enum {
        TURNS = 20
    };
    struct fixture two[2];
    struct tls_client kept, c;
    uint16_t port;
    int fd = tls_client_listen(&port), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    start_shared(&two[0], fd, false);
    start_shared(&two[1], copy, true);
    assert_false(sk_http_is_accepting(two[1].server));
    for (int turn = 0; turn < TURNS; turn++) {
        struct fixture *old = &two[turn % 2], *new = &two[(turn + 1) % 2];
        const unsigned before = fixture_finished();
        assert_true(tls_client_shake(&kept, port, 0, NULL));
        tls_client_send(&kept, OTHER, strlen(OTHER));
        fixture_wait_finished(before + 1);
        sk_http_resume(new->server);
        sk_http_retire(old->server);
        assert_int_equal(sk_http_connections(old->server), 1);
        assert_true(tls_client_shake(&c, port, 0, NULL));
        tls_client_send(&c, OTHER, strlen(OTHER));
        tls_client_expect(&c, "HTTP/1.1 200 OK");
        assert_int_equal(sk_http_connections(old->server), 1);
        assert_int_equal(sk_http_connections(new->server), 1);
        tls_client_send(&kept, OTHER, strlen(OTHER)); /* the next answer is its last */
        tls_client_await_end(&kept);
        tls_client_close(&kept);
        tls_client_close(&c);
        while (sk_http_connections(old->server) + sk_http_connections(new->server) > 0)
            (void)usleep(1000);
    }
    /* Nobody accepts; what waits is served by the one that stays. */
    sk_http_retire(two[TURNS % 2].server);
    tls_client_open(&c, port);
    fixture_stop(&two[TURNS % 2]);
    sk_http_resume(two[(TURNS + 1) % 2].server);
    c.ctx = certs_client();
    c.ssl = SSL_new(c.ctx);
    assert_int_equal(SSL_set_fd(c.ssl, c.fd), 1);
    assert_int_equal(SSL_connect(c.ssl), 1);
    tls_client_send(&c, OTHER, strlen(OTHER));
    tls_client_expect(&c, "HTTP/1.1 200 OK");
    tls_client_close(&c);
    fixture_stop(&two[(TURNS + 1) % 2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tls_changes_hands),
        cmocka_unit_test(gives_away),
        cmocka_unit_test(reloads),
        cmocka_unit_test(without_tls),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
