/* tls_client.c - see tls_client.h. */
#include "tls_client.h"

#include "base/cleanup.h"
#include "certs.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cmocka.h>

int tls_client_listen(uint16_t *port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, len), 0);
    assert_int_equal(listen(fd, 64), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
    *port = ntohs(addr.sin_port);
    return fd;
}

void tls_client_open(struct tls_client *c, uint16_t port)
{
    struct sockaddr_in addr = { .sin_family = AF_INET,
                                .sin_port = htons(port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    const struct timeval wait = { .tv_sec = TLS_CLIENT_WAIT_S };
    *c = (struct tls_client){ .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
    assert_int_equal(connect(c->fd, (struct sockaddr *)&addr, sizeof addr), 0);
    (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
}

bool tls_client_shake(struct tls_client *c, uint16_t port, int max_version, const char *alpn)
{
    tls_client_open(c, port);
    c->ctx = certs_client();
    if (max_version) {
        SSL_CTX_set_security_level(c->ctx, 0);
        (void)SSL_CTX_set_max_proto_version(c->ctx, max_version);
        (void)SSL_CTX_set_min_proto_version(c->ctx, 0);
    }
    c->ssl = SSL_new(c->ctx);
    if (alpn)
        (void)SSL_set_alpn_protos(c->ssl, (const unsigned char *)alpn, (unsigned)strlen(alpn));
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    return SSL_connect(c->ssl) == 1;
}

/* Like open_tls, with a certificate (key NULL: without) and a session to resume (NULL: none). */
bool tls_client_open_as(struct tls_client *c, uint16_t port, const char *cert, const char *key,
                        SSL_SESSION *session)
{
    tls_client_open(c, port);
    c->ctx = certs_client();
    if (key) {
        assert_int_equal(SSL_CTX_use_certificate_file(c->ctx, cert, SSL_FILETYPE_PEM), 1);
        assert_int_equal(SSL_CTX_use_PrivateKey_file(c->ctx, key, SSL_FILETYPE_PEM), 1);
    }
    c->ssl = SSL_new(c->ctx);
    if (session)
        assert_int_equal(SSL_set_session(c->ssl, session), 1);
    assert_int_equal(SSL_set_fd(c->ssl, c->fd), 1);
    char got[8] = "";
    return SSL_connect(c->ssl) == 1 && SSL_write(c->ssl, "hello", 5) == 5 &&
           SSL_read(c->ssl, got, sizeof got) == 5;
}

void tls_client_send(struct tls_client *c, const char *text, size_t len)
{
    assert_int_equal(SSL_write(c->ssl, text, (int)len), (int)len);
}

void tls_client_expect(struct tls_client *c, const char *text)
{
    char got[256];
    size_t len = strlen(text), have = 0;
    for (int n; have < len; have += (size_t)n)
        if ((n = SSL_read(c->ssl, got + have, (int)(len - have))) <= 0)
            fail_msg("%zu bytes of '%s' came back", have, text);
    assert_memory_equal(got, text, len);
}

void tls_client_close(struct tls_client *c)
{
    SSL_free(c->ssl);
    SSL_CTX_free(c->ctx);
    sk_close(&c->fd);
}

void tls_client_await_end(struct tls_client *c)
{
    char bytes[256];
    ssize_t n;
    do
        n = recv(c->fd, bytes, sizeof bytes, 0);
    while (n > 0 || (n < 0 && errno == EINTR));
    if (n < 0 && errno == EAGAIN)
        fail_msg("the connection stays");
}
