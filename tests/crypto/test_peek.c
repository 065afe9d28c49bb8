/* test_peek.c - what a server shows is what comes back, leaf first; servers that are silent, gone,
 * or speak something else end in time. */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/thread.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <cmocka.h>

enum {
    PATIENCE_MS = 20000,
    SHORT_MS = 300,
    DAY = 86400
};

static int listen_here(uint16_t *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 8), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

static int refuse(int fd, const struct sk_tls_peer *peer, void *ctx)
{
    (void)fd;
    (void)peer;
    (void)ctx;
    return -1;
}

/* A file with leaf, CA and the leaf's key, as the hub keeps it. */
static void make_file(char *path, struct sk_buf *chain)
{
    static const char *const names[] = { "localhost", "127.0.0.1", NULL };
    struct sk_err err = SK_ERR_INIT;
    int64_t now = time(NULL);
    SK_OWN(sk_key_free) struct sk_key *ca_key = NULL;
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(8192);
    SK_AUTO(sk_buf_done) struct sk_buf file = SK_BUF_INIT(16384);
    assert_int_equal(sk_key_make(&ca_key, &err), 0);
    assert_int_equal(sk_key_make(&key, &err), 0);
    struct sk_cert_request r = { .common_name = "CA",
                                 .is_ca = true,
                                 .not_before = now - DAY,
                                 .not_after = now + DAY,
                                 .key = ca_key };
    assert_int_equal(sk_cert_make(&r, &ca, &err), 0);
    r.is_ca = false;
    r.common_name = names[0];
    r.names = names;
    r.key = key;
    r.issuer_pem = ca.data;
    r.issuer_key = ca_key;
    assert_int_equal(sk_cert_make(&r, chain, &err), 0);
    sk_buf_add(chain, ca.data, ca.len);
    sk_buf_add(&file, chain->data, chain->len);
    assert_int_equal(sk_key_private_pem(key, &file, &err), 0);
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_int_equal(sk_file_write(path, file.data, file.len, 0600, &err), 0);
}

static void shows_the_chain(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    char path[] = "/tmp/skerry-peek-XXXXXX";
    SK_AUTO(sk_buf_done) struct sk_buf chain = SK_BUF_INIT(16384);
    make_file(path, &chain);
    uint16_t port;
    const struct sk_tls_options o = { .cert_file = path,
                                      .key_file = path,
                                      .listen_fd = listen_here(&port),
                                      .max_connections = 4,
                                      .handshake_ms = PATIENCE_MS,
                                      .accept = refuse };
    struct sk_tls_front *f = NULL;
    if (sk_tls_start(&o, &f, &err) < 0)
        fail_msg("%s", err.text);
    static const char *const hosts[] = { "127.0.0.1", "localhost" };
    for (size_t i = 0; i < 2; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(16384);
        if (sk_tls_peek(hosts[i], port, PATIENCE_MS, &pem, &err) < 0)
            fail_msg("%s: %s", hosts[i], err.text);
        assert_string_equal(pem.data, chain.data);
    }
    sk_tls_quiesce(f);
    sk_tls_stop(f);
    (void)unlink(path);
}

/* The kernel accepts for it; not a byte comes. */
static void silence_ends_in_time(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    uint16_t port;
    SK_AUTO(sk_close) int fd = listen_here(&port);
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(16384);
    assert_true(fd >= 0);
    uint64_t start_ms = sk_now_ms();
    assert_int_equal(sk_tls_peek("127.0.0.1", port, SHORT_MS, &pem, &err), -1);
    assert_int_equal(err.code, SK_TIMEOUT);
    assert_true(sk_now_ms() - start_ms >= SHORT_MS);
    assert_true(sk_now_ms() - start_ms < PATIENCE_MS);
    assert_int_equal(pem.len, 0);
}

static void nobody_there(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    uint16_t port;
    int fd = listen_here(&port);
    (void)close(fd);
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(16384);
    assert_int_equal(sk_tls_peek("127.0.0.1", port, PATIENCE_MS, &pem, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "127.0.0.1"));
    assert_int_equal(sk_tls_peek("no such host", port, PATIENCE_MS, &pem, &err), -1);
    assert_int_equal(err.code, SK_IO);
}

struct talker {
    int listen_fd;
    const char *says;
};

static void *talk(void *arg)
{
    const struct talker *t = arg;
    char hello[4096];
    SK_AUTO(sk_close) int fd = accept(t->listen_fd, NULL, NULL);
    if (fd < 0 || recv(fd, hello, sizeof hello, 0) <= 0)
        return NULL;
    (void)send(fd, t->says, strlen(t->says), MSG_NOSIGNAL);
    return NULL;
}

static void another_protocol(void **state)
{
    (void)state;
    static const char *const rows[] = { "HTTP/1.1 400 Bad Request\r\n\r\n", "" };
    for (size_t i = 0; i < 2; i++) {
        struct sk_err err = SK_ERR_INIT;
        uint16_t port;
        SK_AUTO(sk_close) int fd = listen_here(&port);
        struct talker t = { fd, rows[i] };
        pthread_t thread;
        assert_int_equal(sk_thread_start(&thread, "talker", talk, &t, &err), 0);
        SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(16384);
        assert_int_equal(sk_tls_peek("127.0.0.1", port, PATIENCE_MS, &pem, &err), -1);
        assert_int_equal(err.code, SK_IO);
        (void)pthread_join(thread, NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_the_chain),
        cmocka_unit_test(silence_ends_in_time),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(another_protocol),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
