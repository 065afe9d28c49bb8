/* test_tls_take.c - clients that the TLS front gives away: by their first bytes, to other threads;
 * and the front's certificate while it runs. */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/stream.h"
#include "base/thread.h"
#include "certs.h"
#include "crypto/crypto.h"
#include "tls_client.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <cmocka.h>

enum {
    SHORT_MS = 400,
    PATIENT_MS = 60000, /* longer than anything here may take */
    MAX_CONNECTIONS = 4,
    LARGE_BYTES = 4 << 20
};

#define PREFIX "GET /ws"

static const int versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };
static struct certs certs;
static _Atomic unsigned accepted, taken, serving;
static _Atomic bool refuses;

/* ---- who serves: sends back what comes; "N" and a digit: 2^digit KiB and an end; "S": what
 * follows until the client's end is counted and the count told ---- */

static void wait_for(const struct sk_stream *s, bool reads, bool writes)
{
    unsigned events = sk_stream_events(s, reads, writes);
    struct pollfd p = { .fd = s->fd,
                        .events = (short)((events & EPOLLIN ? POLLIN : 0) |
                                          (events & EPOLLOUT ? POLLOUT : 0)) };
    if (poll(&p, 1, TLS_CLIENT_WAIT_S * 1000) <= 0)
        abort();
}

static bool send_all(struct sk_stream *s, const char *bytes, size_t len)
{
    while (len > 0) {
        ssize_t n = sk_stream_write(s, bytes, len);
        if (n == SK_STREAM_AGAIN)
            wait_for(s, false, true);
        else if (n < 0)
            return false;
        bytes += n > 0 ? n : 0;
        len -= n > 0 ? (size_t)n : 0;
    }
    return true;
}

static ssize_t receive(struct sk_stream *s, char *bytes, size_t cap)
{
    ssize_t n;
    while ((n = sk_stream_read(s, bytes, cap)) == SK_STREAM_AGAIN)
        wait_for(s, true, false);
    return n;
}

static void send_kib(struct sk_stream *s, char digit)
{
    char bytes[1024];
    memset(bytes, 'x', sizeof bytes);
    for (int i = 0; i < 1 << (digit - '0'); i++)
        if (!send_all(s, bytes, sizeof bytes))
            return;
}

static void count(struct sk_stream *s, size_t total)
{
    char bytes[16384];
    for (ssize_t n; (n = receive(s, bytes, sizeof bytes)) > 0;)
        total += (size_t)n;
    (void)send_all(s, bytes, (size_t)snprintf(bytes, sizeof bytes, "%zu", total));
}

static void *serve(void *arg)
{
    char bytes[4096];
    {
        SK_OWN(sk_stream_free) struct sk_stream *s = arg;
        ssize_t n = receive(s, bytes, sizeof bytes);
        if (n > 1 && bytes[0] == 'N')
            send_kib(s, bytes[1]);
        else if (n > 0 && bytes[0] == 'S')
            count(s, (size_t)n);
        else
            while (n > 0 && send_all(s, bytes, (size_t)n))
                n = receive(s, bytes, sizeof bytes);
        sk_stream_end(s);
        while (receive(s, bytes, sizeof bytes) > 0)
            continue;
    }
    atomic_fetch_sub(&serving, 1);
    return NULL;
}

/* The certificate of the client that came last. */
static pthread_mutex_t shown_lock = PTHREAD_MUTEX_INITIALIZER; /* guards both */
static unsigned char shown[4096];
static size_t shown_len;

static void start_serving(struct sk_stream *s)
{
    pthread_t thread;
    atomic_fetch_add(&serving, 1);
    if (pthread_create(&thread, NULL, serve, s) != 0)
        abort();
    (void)pthread_detach(thread);
}

static int on_take(struct sk_stream *s, const struct sk_tls_peer *peer, void *ctx)
{
    if (ctx != &taken || peer->addr_len == 0)
        abort();
    {
        SK_LOCK(&shown_lock);
        shown_len = peer->cert_len < sizeof shown ? peer->cert_len : sizeof shown;
        memcpy(shown, peer->cert ? peer->cert : "", shown_len);
    }
    atomic_fetch_add(&taken, 1);
    if (atomic_load(&refuses))
        return -1;
    start_serving(s);
    return 0;
}

static int on_accept(int fd, const struct sk_tls_peer *peer, void *ctx)
{
    struct sk_stream *s = NULL;
    struct sk_err err = SK_ERR_INIT;
    (void)peer;
    (void)ctx;
    if (sk_stream_of_fd(fd, &s, &err) < 0)
        abort();
    atomic_fetch_add(&accepted, 1);
    start_serving(s);
    return 0;
}

static struct sk_tls_front *start_with(uint16_t *port, const char *prefix, bool asks_cert,
                                       unsigned handshake_ms)
{
    const struct sk_tls_options o = {
        .cert_file = certs.cert,
        .key_file = certs.key,
        .listen_fd = tls_client_listen(port),
        .max_connections = MAX_CONNECTIONS,
        .handshake_ms = handshake_ms,
        .asks_cert = asks_cert,
        .accept = *prefix ? on_accept : NULL,
        .take_prefix = prefix,
        .take = on_take,
        .alpn = *prefix ? NULL : "\x04mqtt",
        .ctx = &taken,
    };
    struct sk_tls_front *f = NULL;
    struct sk_err err = SK_ERR_INIT;
    atomic_store(&accepted, 0);
    atomic_store(&taken, 0);
    if (sk_tls_start(&o, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static struct sk_tls_front *start(uint16_t *port, const char *prefix, bool asks_cert)
{
    return start_with(port, prefix, asks_cert, PATIENT_MS);
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
    for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000; sk_tls_connections(f) > 0;)
        assert_true(sk_now_ms() < end);
}

/* close_notify, then FIN. */
static void expect_end(struct tls_client *c)
{
    char byte;
    ERR_clear_error(); /* of handshakes that failed before */
    int n = SSL_read(c->ssl, &byte, 1);
    assert_int_equal(SSL_get_error(c->ssl, n), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(recv(c->fd, &byte, 1, 0), 0);
}

/* ---- tests ---- */

static void by_first_bytes(void **state)
{
    (void)state;

    static const struct {
        const char *text;
        size_t piece; /* 0: all in one */
        bool is_taken;
    } rows[] = {
        { "GET /ws HTTP/1.1", 0, true },
        { "GET /ws HTTP/1.1", 1, true },
        { "GET /ws", 0, true },
        { "GET /ws", 4, true },
        { "GET /w5 HTTP/1.1", 0, false },
        { "GET /w5 HTTP/1.1", 1, false },
        { "GET /w", 0, false },
        { "GET /w", 5, false },
        { "P", 0, false },
        { "hello, GET /ws", 3, false },
    };

    uint16_t port;
    struct sk_tls_front *f = start(&port, PREFIX, false);
    unsigned joins = 0, takes = 0;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct tls_client c;
        const char *text = rows[i / 2].text;
        const size_t len = strlen(text), piece = rows[i / 2].piece ? rows[i / 2].piece : len;
        assert_true(tls_client_shake(&c, port, versions[i % 2], NULL));
        for (size_t at = 0; at < len; at += piece)
            tls_client_send(&c, text + at, len - at < piece ? len - at : piece);
        (void)SSL_shutdown(c.ssl); /* the end decides when the bytes do not */
        tls_client_expect(&c, text);
        expect_end(&c);
        takes += rows[i / 2].is_taken;
        joins += !rows[i / 2].is_taken;
        if (atomic_load(&taken) != takes || atomic_load(&accepted) != joins)
            fail_msg("row %zu: '%s'", i / 2, text);
        tls_client_close(&c);
    }
    stop(f);
}

/* One whose handshake was in time; returns a time before it began. */
static uint64_t shake_in_time(struct tls_client *c, uint16_t port)
{
    for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000;; tls_client_close(c)) {
        const uint64_t start_ms = sk_now_ms();
        assert_true(start_ms < end);
        if (tls_client_shake(c, port, 0, NULL))
            return start_ms;
    }
}

/* The deadline of the handshake is that of the first bytes too. */
static void undecided(void **state)
{
    (void)state;
    static const char *const rows[] = { "", "G", "GET /w" };
    uint16_t port;
    struct sk_tls_front *f = start_with(&port, PREFIX, false, SHORT_MS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tls_client c;
        const uint64_t start_ms = shake_in_time(&c, port);
        if (*rows[i])
            (void)SSL_write(c.ssl, rows[i], (int)strlen(rows[i])); /* may be late already */
        const unsigned count = sk_tls_connections(f);
        if (sk_now_ms() - start_ms < SHORT_MS)
            assert_int_equal(count, 1);
        tls_client_await_end(&c);
        const uint64_t ms = sk_now_ms() - start_ms;
        if (ms < SHORT_MS)
            fail_msg("'%s': %u ms", rows[i], (unsigned)ms);
        wait_for_none(f);
        tls_client_close(&c);
    }
    assert_int_equal(atomic_load(&taken) + atomic_load(&accepted), 0);
    stop(f);
}

/* More than max_connections, as those that are taken do not count; before a byte has come. */
static void everybody(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port, "", false);
    struct tls_client c[3 * MAX_CONNECTIONS];
    for (unsigned i = 0; i < 3 * MAX_CONNECTIONS; i++) {
        assert_true(tls_client_shake(&c[i], port, versions[i % 2], "\x04mqtt"));
        for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000; atomic_load(&taken) <= i;)
            assert_true(sk_now_ms() < end);
        assert_int_equal(sk_tls_connections(f), 0);
    }
    assert_int_equal(sk_tls_refused(f), 0);
    for (unsigned i = 0; i < 3 * MAX_CONNECTIONS; i++) {
        tls_client_send(&c[i], "hello", 5);
        tls_client_expect(&c[i], "hello");
    }
    struct tls_client other;
    assert_false(tls_client_shake(&other, port, 0, "\x08http/1.1"));
    tls_client_close(&other);

    sk_tls_quiesce(f);
    sk_tls_stop(f); /* what was given away stays */
    for (unsigned i = 0; i < 3 * MAX_CONNECTIONS; i++) {
        tls_client_send(&c[i], "still", 5);
        tls_client_expect(&c[i], "still");
        (void)SSL_shutdown(c[i].ssl);
        expect_end(&c[i]);
        tls_client_close(&c[i]);
    }
    for (uint64_t end = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000; atomic_load(&serving) > 0;)
        assert_true(sk_now_ms() < end);
}

static void not_wanted(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port, PREFIX, false);
    struct tls_client c;
    atomic_store(&refuses, true);
    assert_true(tls_client_shake(&c, port, 0, NULL));
    tls_client_send(&c, PREFIX, strlen(PREFIX));
    tls_client_await_end(&c);
    assert_int_equal(atomic_load(&taken), 1);
    assert_int_equal(sk_tls_connections(f), 0);
    tls_client_close(&c);
    atomic_store(&refuses, false);
    stop(f);
}

/* Down to a slow reader with small buffers, and up. */
static void large(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port, "", false);
    static char bytes[65536];
    for (size_t i = 0; i < 2; i++) {
        struct tls_client c;
        const int small = 65536;
        size_t got = 0;
        int n;
        assert_true(tls_client_shake(&c, port, versions[i], NULL));
        (void)setsockopt(c.fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
        tls_client_send(&c, "N9", 2);
        for (int reads = 0; (n = SSL_read(c.ssl, bytes, 8192)) > 0; reads++) {
            got += (size_t)n;
            if (reads % 16 == 0)
                (void)usleep(5000);
        }
        assert_int_equal(SSL_get_error(c.ssl, n), SSL_ERROR_ZERO_RETURN);
        assert_int_equal(got, 1024 << 9);
        tls_client_close(&c);

        assert_true(tls_client_shake(&c, port, versions[i], NULL));
        memset(bytes, 'S', sizeof bytes);
        for (size_t sent = 0; sent < LARGE_BYTES; sent += sizeof bytes)
            tls_client_send(&c, bytes, sizeof bytes);
        (void)SSL_shutdown(c.ssl);
        tls_client_expect(&c, "4194304");
        expect_end(&c);
        tls_client_close(&c);
    }
    stop(f);
}

static size_t read_der(const char *path, unsigned char *out)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    X509 *x = PEM_read_X509(f, NULL, NULL, NULL);
    (void)fclose(f);
    int len = i2d_X509(x, NULL);
    assert_in_range(len, 1, sizeof shown);
    (void)i2d_X509(x, &out);
    X509_free(x);
    return (size_t)len;
}

static void client_certificate(void **state)
{
    (void)state;
    unsigned char der[sizeof shown];
    const size_t len = read_der(certs.cert, der);
    uint16_t port;
    struct sk_tls_front *f = start(&port, "", true);
    for (int shows = 0; shows < 2; shows++) {
        SSL_SESSION *session = NULL;
        for (int round = 0; round < 2; round++) { /* the second resumes the first's session */
            struct tls_client c;
            assert_true(
                tls_client_open_as(&c, port, certs.cert, shows ? certs.key : NULL, session));
            assert_int_equal(SSL_session_reused(c.ssl), round);
            {
                SK_LOCK(&shown_lock);
                if (shown_len != (shows ? len : 0) || memcmp(shown, der, shown_len) != 0)
                    fail_msg("shows %d, round %d: %zu bytes", shows, round, shown_len);
            }
            SSL_SESSION_free(session);
            session = SSL_get1_session(c.ssl);
            (void)SSL_shutdown(c.ssl);
            tls_client_close(&c);
        }
        SSL_SESSION_free(session);
    }
    stop(f);
}

static void long_prefix(void **state)
{
    (void)state;
    char prefix[SK_TLS_PREFIX_MAX + 2];
    memset(prefix, 'x', sizeof prefix);
    for (size_t len = SK_TLS_PREFIX_MAX; len <= SK_TLS_PREFIX_MAX + 1; len++) {
        uint16_t port;
        struct sk_tls_front *f = NULL;
        struct sk_err err = SK_ERR_INIT;
        prefix[SK_TLS_PREFIX_MAX + 1] = '\0';
        const struct sk_tls_options o = { .cert_file = certs.cert,
                                          .key_file = certs.key,
                                          .listen_fd = tls_client_listen(&port),
                                          .max_connections = 1,
                                          .handshake_ms = PATIENT_MS,
                                          .accept = on_accept,
                                          .take_prefix = prefix + SK_TLS_PREFIX_MAX + 1 - len,
                                          .take = on_take,
                                          .ctx = &taken };
        int rc = sk_tls_start(&o, &f, &err);
        assert_int_equal(rc, len > SK_TLS_PREFIX_MAX ? -1 : 0);
        if (rc < 0) {
            assert_int_equal(err.code, SK_LIMIT);
            continue;
        }
        struct tls_client c;
        atomic_store(&taken, 0);
        assert_true(tls_client_shake(&c, port, 0, NULL));
        tls_client_send(&c, o.take_prefix, len);
        tls_client_expect(&c, o.take_prefix);
        assert_int_equal(atomic_load(&taken), 1);
        (void)SSL_shutdown(c.ssl);
        tls_client_close(&c);
        stop(f);
    }
}

/* ---- the certificate while it runs ---- */

static void copy_file(const char *from, const char *to)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *text = NULL;
    size_t len;
    if (sk_file_read(from, 1 << 16, &text, &len, &err) < 0 ||
        sk_file_write(to, text, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static bool shows(struct tls_client *c, const char *path)
{
    unsigned char expected[sizeof shown], got[sizeof shown], *p = got;
    size_t len = read_der(path, expected);
    X509 *x = SSL_get1_peer_certificate(c->ssl);
    assert_non_null(x);
    assert_in_range(i2d_X509(x, NULL), 1, sizeof got);
    int got_len = i2d_X509(x, &p);
    X509_free(x);
    return (size_t)got_len == len && memcmp(got, expected, len) == 0;
}

static void reload(void **state)
{
    (void)state;
    struct certs other, own = certs;
    struct sk_err err = SK_ERR_INIT;
    struct tls_client before, shaking, after;
    uint16_t port;
    certs_make(&other);
    certs_make(&certs); /* this test's own files */
    struct sk_tls_front *f = start(&port, PREFIX, false);
    assert_true(tls_client_shake(&before, port, 0, NULL));
    tls_client_send(&before, PREFIX, strlen(PREFIX));
    tls_client_open(&shaking, port); /* may have begun with the one certificate or the other */

    copy_file(other.cert, certs.cert); /* half of it is there */
    assert_int_equal(sk_tls_reload(f, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_non_null(strstr(err.text, "key values mismatch"));
    copy_file(other.key, certs.key);
    assert_int_equal(sk_tls_reload(f, &err), 0);

    assert_true(tls_client_shake(&after, port, 0, NULL));
    assert_true(shows(&after, other.cert));
    assert_false(shows(&before, other.cert));
    tls_client_send(&after, "hello", 5);
    tls_client_expect(&after, "hello");
    tls_client_send(&before, " still", 6);
    tls_client_expect(&before, PREFIX " still");
    tls_client_close(&before);
    tls_client_close(&shaking);
    tls_client_close(&after);
    stop(f);
    certs_remove(&certs);
    certs_remove(&other);
    certs = own;
}

struct load {
    pthread_t thread;
    uint16_t port;
    _Atomic bool ends;
    _Atomic unsigned done;
};

static void *shake_again(void *arg)
{
    struct load *l = arg;
    while (!atomic_load(&l->ends)) {
        struct tls_client c;
        if (tls_client_shake(&c, l->port, 0, NULL)) {
            (void)SSL_write(c.ssl, PREFIX, (int)strlen(PREFIX));
            atomic_fetch_add(&l->done, 1);
        }
        tls_client_close(&c);
    }
    return NULL;
}

static bool all_came(struct load *loads, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (atomic_load(&loads[i].done) == 0)
            return false;
    return true;
}

/* One connection is answered all the time while others come, half of them to be taken, and the
 * certificate is read again and again. */
static void a_storm(void **state)
{
    (void)state;
    uint16_t port;
    struct sk_tls_front *f = start(&port, PREFIX, false);
    struct load loads[3] = { 0 };
    struct tls_client c;
    struct sk_err err = SK_ERR_INIT;
    assert_true(tls_client_shake(&c, port, 0, NULL));
    for (size_t i = 0; i < 3; i++) {
        loads[i].port = port;
        assert_int_equal(sk_thread_start(&loads[i].thread, "load", shake_again, &loads[i], &err),
                         0);
    }
    const uint64_t end_ms = sk_now_ms() + TLS_CLIENT_WAIT_S * 1000;
    for (int i = 0; i < 50 || !all_came(loads, 3); i++) {
        assert_true(i < 50 || sk_now_ms() < end_ms);
        tls_client_send(&c, "ping", 4);
        tls_client_expect(&c, "ping"); /* within TLS_CLIENT_WAIT_S */
        if (sk_tls_reload(f, &err) < 0)
            fail_msg("%s", err.text);
    }
    for (size_t i = 0; i < 3; i++) {
        atomic_store(&loads[i].ends, true);
        (void)pthread_join(loads[i].thread, NULL);
    }
    tls_client_close(&c);
    stop(f);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_first_bytes), cmocka_unit_test(undecided),
        cmocka_unit_test(everybody),      cmocka_unit_test(not_wanted),
        cmocka_unit_test(large),          cmocka_unit_test(client_certificate),
        cmocka_unit_test(long_prefix),    cmocka_unit_test(reload),
        cmocka_unit_test(a_storm),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
