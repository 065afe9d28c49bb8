/* test_tls.c - the TLS front over loopback: files, versions, protocols, deadlines, limits, ends. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/thread.h"
#include "certs.h"
#include "crypto/crypto.h"
#include "harness/alloc_fail.h"
#include "tls_client.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum {
    SHORT_MS = 400,
    PATIENT_MS = 60000, /* longer than anything here may take */
    MAX_CONNECTIONS = 4
};

static struct certs certs;
static _Atomic unsigned accepted, serving;

/* ---- a plain server: sends back what it gets; "N" and a digit: 2^digit KiB and an end ---- */

static void send_all(int fd, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n <= 0)
            return;
        bytes += n;
        len -= (size_t)n;
    }
}

static void *serve(void *arg)
{
    SK_AUTO(sk_close) int fd = (int)(intptr_t)arg;
    char bytes[4096];
    for (ssize_t n; (n = recv(fd, bytes, sizeof bytes, 0)) > 0;) {
        if (bytes[0] != 'N') {
            send_all(fd, bytes, (size_t)n);
            continue;
        }
        int kib = 1 << (bytes[1] - '0');
        memset(bytes, 'x', 1024);
        for (int i = 0; i < kib; i++)
            send_all(fd, bytes, 1024);
        break;
    }
    atomic_fetch_sub(&serving, 1);
    return NULL;
}

/* The certificate of the client that was accepted last. */
static pthread_mutex_t shown_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static unsigned char shown[4096];
static size_t shown_len;

static int on_accept(int fd, const struct sk_tls_peer *peer, void *ctx)
{
    struct sockaddr_in in;
    pthread_t thread;
    (void)ctx;
    if (peer->addr_len < sizeof in)
        abort();
    memcpy(&in, peer->addr, sizeof in);
    if (in.sin_family != AF_INET || ntohl(in.sin_addr.s_addr) != INADDR_LOOPBACK)
        abort();
    {
        SK_LOCK(&shown_lock);
        shown_len = peer->cert_len < sizeof shown ? peer->cert_len : sizeof shown;
        memcpy(shown, peer->cert ? peer->cert : "", shown_len);
    }
    if (fcntl(fd, F_SETFL, 0) < 0) /* this server blocks */
        abort();
    atomic_fetch_add(&accepted, 1);
    atomic_fetch_add(&serving, 1);
    if (pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) != 0)
        abort();
    (void)pthread_detach(thread);
    return 0;
}

static struct sk_tls_front *start_with(uint16_t *port, bool asks_cert, unsigned handshake_ms)
{
    struct sk_tls_options o = {
        .asks_cert = asks_cert,
        .cert_file = certs.cert,
        .key_file = certs.key,
        .listen_fd = tls_client_listen(port),
        .max_connections = MAX_CONNECTIONS,
        .handshake_ms = handshake_ms,
        .accept = on_accept,
    };
    struct sk_tls_front *f = NULL;
    struct sk_err err = SK_ERR_INIT;
    atomic_store(&accepted, 0);
    if (sk_tls_start(&o, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static struct sk_tls_front *start(uint16_t *port)
{
    return start_with(port, false, PATIENT_MS);
}

static void stop(struct sk_tls_front *f)
{
    sk_tls_quiesce(f);
    sk_tls_stop(f);
    for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000; atomic_load(&serving) > 0;)
        assert_true(sk_now_ms() < end);
}

static void wait_for_none(const struct sk_tls_front *f)
{
    for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000;
         sk_tls_connections(f) > 0 || atomic_load(&serving) > 0; (void)usleep(1000))
        assert_true(sk_now_ms() < end);
}

/* ---- tests ---- */

/* [http-51] */
static void bad_files(void **state)
{
    (void)state;

    const struct {
        const char *cert, *key, *text;
    } rows[] = {
        { "/nonexistent/cert.pem", certs.key,
          "TLS certificate '/nonexistent/cert.pem': No such file or directory" },
        { certs.garbage, certs.key, "no start line" },
        { certs.key, certs.key, "no start line" },
        { certs.cert, "/nonexistent/key.pem",
          "TLS key '/nonexistent/key.pem': No such file or directory" },
        { certs.cert, certs.garbage, "TLS key" },
        { certs.cert, certs.locked_key, "TLS key" },
        { certs.cert, certs.other_key, "key values mismatch" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t port;
        struct sk_tls_options o = { .cert_file = rows[i].cert,
                                    .key_file = rows[i].key,
                                    .listen_fd = tls_client_listen(&port),
                                    .max_connections = 1,
                                    .handshake_ms = 100,
                                    .accept = on_accept };
        struct sk_tls_front *f = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_tls_start(&o, &f, &err);
        if (rc == 0 || err.code != SK_INVALID || !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %d %s", i, rc, err.text);
        assert_int_equal(close(o.listen_fd), -1); /* taken all the same */
    }
}

static size_t der_of(const char *path, unsigned char *out, size_t cap)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    int len = i2d_X509(x, NULL);
    assert_true(len > 0 && (size_t)len <= cap);
    (void)i2d_X509(x, &out);
    X509_free(x);
    return (size_t)len;
}

/* [http-53] */
static void client_certificates(void **state)
{
    (void)state;

    static const struct {
        bool asks, shows;
    } rows[] = { { true, true }, { true, false }, { false, true } };

    unsigned char der[4096];
    const size_t len = der_of(certs.cert, der, sizeof der);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint16_t port;
        SSL_SESSION *session = NULL;
        struct sk_tls_front *f = start_with(&port, rows[i].asks, PATIENT_MS);
        for (int round = 0; round < 2; round++) { /* the second resumes the first's session */
            struct tls_client c;
            if (!tls_client_open_as(&c, port, certs.cert, rows[i].shows ? certs.key : NULL,
                                    session))
                fail_msg("row %zu, round %d: no connection", i, round);
            assert_int_equal(SSL_session_reused(c.ssl), round);
            size_t expected = rows[i].asks && rows[i].shows ? len : 0;
            SK_LOCK(&shown_lock);
            if (shown_len != expected || memcmp(shown, der, expected) != 0)
                fail_msg("row %zu, round %d: %zu bytes shown", i, round, shown_len);
            SSL_SESSION_free(session);
            session = SSL_get1_session(c.ssl);
            (void)SSL_shutdown(c.ssl);
            tls_client_close(&c);
        }
        SSL_SESSION_free(session);
        stop(f);
    }
}

/* [http-50] */
static void handshakes(void **state)
{
    (void)state;

    static const struct {
        int version;
        const char *alpn;
        bool ok;
    } rows[] = {
        { 0, NULL, true },
        { TLS1_3_VERSION, NULL, true },
        { TLS1_2_VERSION, NULL, true },
        { TLS1_1_VERSION, NULL, false },
        { 0, "\x02h2\x08http/1.1", true },
        { 0, "\x02h2", false },
    };

    uint16_t port;
    struct sk_tls_front *f = start(&port);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_client c;
        bool ok = tls_client_shake(&c, port, rows[i].version, rows[i].alpn);
        if (ok != rows[i].ok)
            fail_msg("row %zu: %d", i, ok);
        if (ok) {
            char got[8] = "";
            assert_int_equal(SSL_write(c.ssl, "hello", 5), 5);
            assert_int_equal(SSL_read(c.ssl, got, sizeof got), 5);
            assert_string_equal(got, "hello");
        }
        if (ok && rows[i].alpn) {
            const unsigned char *chosen;
            unsigned len;
            SSL_get0_alpn_selected(c.ssl, &chosen, &len);
            assert_int_equal(len, 8);
            assert_memory_equal(chosen, "http/1.1", 8);
        }
        tls_client_close(&c);
    }
    stop(f);
}

static void everything_arrives_before_the_end(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port);
    for (char digit = '0'; digit <= '9'; digit++) { /* 1 KiB to 512 KiB */
        struct tls_client c;
        assert_true(tls_client_shake(&c, port, 0, NULL));
        const char request[2] = { 'N', digit };
        size_t got = 0;
        static char bytes[65536];
        assert_int_equal(SSL_write(c.ssl, request, 2), 2);
        int n;
        while ((n = SSL_read(c.ssl, bytes, sizeof bytes)) > 0)
            got += (size_t)n;
        assert_int_equal(SSL_get_error(c.ssl, n), SSL_ERROR_ZERO_RETURN);
        assert_int_equal(got, 1024u << (digit - '0'));
        tls_client_close(&c);
    }
    stop(f);
}

/* [http-50] */
static void no_handshake(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start_with(&port, false, SHORT_MS);
    struct tls_client silent, plain;
    const uint64_t start_ms = sk_now_ms();
    tls_client_open(&silent, port);
    tls_client_await_end(&silent);
    assert_true(sk_now_ms() - start_ms >= SHORT_MS);
    assert_int_equal(atomic_load(&accepted), 0);
    tls_client_close(&silent);
    stop(f);

    f = start(&port); /* at once, not at the deadline */
    tls_client_open(&plain, port);
    assert_int_equal(send(plain.fd, "GET / HTTP/1.1\r\n\r\n", 18, 0), 18);
    tls_client_await_end(&plain);
    assert_int_equal(atomic_load(&accepted), 0);
    tls_client_close(&plain);
    stop(f);
}

/* [http-2] */
static void too_many(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port);
    struct tls_client c[MAX_CONNECTIONS], extra;
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        assert_true(tls_client_shake(&c[i], port, 0, NULL));
    assert_int_equal(sk_tls_connections(f), MAX_CONNECTIONS);
    assert_false(tls_client_shake(&extra, port, 0, NULL));
    tls_client_close(&extra);
    assert_int_equal(sk_tls_refused(f), 1);
    for (int i = 0; i < MAX_CONNECTIONS; i++)
        tls_client_close(&c[i]);
    wait_for_none(f);
    assert_true(tls_client_shake(&extra, port, 0, NULL));
    tls_client_close(&extra);
    stop(f);
}

/* The client's memory is small. False: it was too late, or came to nothing. */
static bool open_small(struct tls_client *c, uint16_t port)
{
    const int small = 4096;
    char got[8] = "";
    tls_client_open(c, port);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    c->ctx = certs_client();
    c->ssl = SSL_new(c->ctx);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    return SSL_connect(c->ssl) == 1 && SSL_write(c->ssl, "hello", 5) == 5 &&
           SSL_read(c->ssl, got, sizeof got) == 5;
}

/* [http-11] It asks for 512 KiB and reads nothing: the buffers on the way hold less, or its
 * patience ends it. The same time is that of the handshake, which is tried again.
 */
static void client_that_does_not_read(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start_with(&port, false, SHORT_MS);
    struct tls_client c;
    const uint64_t end_ms = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000;
    while (!open_small(&c, port)) {
        tls_client_close(&c);
        assert_true(sk_now_ms() < end_ms);
    }
    assert_int_equal(SSL_write(c.ssl, "N9", 2), 2);
    for (int i = 1; i < 8; i++)
        (void)SSL_write(c.ssl, "N9", 2);
    wait_for_none(f);
    tls_client_close(&c);
    stop(f);
}

static void quiesce(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port);
    struct tls_client open, shaking;
    char got[8] = "";
    assert_true(tls_client_shake(&open, port, 0, NULL));
    tls_client_open(&shaking, port);
    sk_tls_quiesce(f);
    assert_int_equal(SSL_write(open.ssl, "hello", 5), 5); /* its handshake may have had its last
                                                             message on the way */
    assert_int_equal(SSL_read(open.ssl, got, sizeof got), 5);
    tls_client_await_end(&shaking); /* it has less time then */
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    SK_AUTO(sk_close) int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof addr), -1);
    tls_client_close(&open);
    tls_client_close(&shaking);
    stop(f);
}

static int start_and_stop(void *ctx, struct sk_err *err)
{
    (void)ctx;
    uint16_t port;
    struct sk_tls_options o = {
        .cert_file = certs.cert,
        .key_file = certs.key,
        .listen_fd = tls_client_listen(&port),
        .max_connections = 1,
        .handshake_ms = 100,
        .accept = on_accept,
    };
    struct sk_tls_front *f = NULL;
    if (sk_tls_start(&o, &f, err) < 0)
        return -1;
    sk_tls_stop(f);
    return 0;
}

static void start_without_memory(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("start", start_and_stop, NULL, 0);
}

static int set_up(void **state)
{
    (void)state;
    (void)signal(SIGPIPE, SIG_IGN); /* of the clients here; the front's thread takes no signals */
    certs_make(&certs);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    certs_remove(&certs);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_files),
        cmocka_unit_test(client_certificates),
        cmocka_unit_test(handshakes),
        cmocka_unit_test(everything_arrives_before_the_end),
        cmocka_unit_test(no_handshake),
        cmocka_unit_test(too_many),
        cmocka_unit_test(client_that_does_not_read),
        cmocka_unit_test(quiesce),
        cmocka_unit_test(start_without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
