/*
 * peek.c - the certificates that a TLS server shows, for who has no CA of it yet.
 *
 * Nothing is checked here, by purpose: the caller compares a fingerprint that came another way, or
 * asks a person. One deadline covers connecting (each address in turn) and the handshake; after it
 * the connection is closed without a byte of application data.
 */
#include "crypto/crypto.h"

#include "base/clock.h"
#include "crypto/crypto_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

SK_DEFINE_OWN(SSL_CTX, SSL_CTX_free);
SK_DEFINE_OWN(SSL, SSL_free);

/* 1: ready, 0: the deadline passed, -1 with errno. */
static int wait_for(int fd, short events, uint64_t deadline_ms)
{
    struct pollfd p = { .fd = fd, .events = events };
    for (;;) {
        uint64_t now = sk_now_ms();
        if (now >= deadline_ms)
            return 0;
        uint64_t left = deadline_ms - now;
        int rc = poll(&p, 1, left > INT_MAX ? INT_MAX : (int)left);
        if (rc != -1 || errno != EINTR)
            return rc;
    }
}

/* A connected socket, or -1 with errno. */
static int try_address(const struct addrinfo *a, uint64_t deadline_ms)
{
    SK_AUTO(sk_close)
    int fd = socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
    if (fd < 0)
        return -1;
    if (connect(fd, a->ai_addr, a->ai_addrlen) < 0) {
        int why = 0;
        socklen_t len = sizeof why;
        if (errno != EINPROGRESS)
            return -1;
        int rc = wait_for(fd, POLLOUT, deadline_ms);
        if (rc <= 0 || getsockopt(fd, SOL_SOCKET, SO_ERROR, &why, &len) < 0 || why != 0) {
            errno = rc == 0 ? ETIMEDOUT : why ? why : errno;
            return -1;
        }
    }
    return sk_take_fd(&fd);
}

static int open_connection(const char *host, uint16_t port, uint64_t deadline_ms, int *out,
                           struct sk_err *err)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV };
    struct addrinfo *list = NULL;
    char service[8];
    (void)snprintf(service, sizeof service, "%u", port);
    int rc = getaddrinfo(host, service, &hints, &list);
    if (rc != 0)
        return sk_fail(err, SK_IO, "%s: %s", host, gai_strerror(rc));
    int fd = -1;
    for (const struct addrinfo *a = list; a && fd < 0; a = a->ai_next)
        fd = try_address(a, deadline_ms);
    int why = errno;
    freeaddrinfo(list);
    if (fd < 0)
        return sk_fail(err, why == ETIMEDOUT ? SK_TIMEOUT : SK_IO, "%s:%u: %s", host, port,
                       strerror(why));
    *out = fd;
    return 0;
}

static int shake(SSL *ssl, int fd, uint64_t deadline_ms, struct sk_err *err)
{
    for (;;) {
        ERR_clear_error();
        errno = 0;
        int rc = SSL_connect(ssl);
        if (rc == 1)
            return 0;
        int why = SSL_get_error(ssl, rc);
        if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            if (ERR_peek_error() == 0)
                return sk_fail(err, SK_IO, "the connection ended within the TLS handshake");
            return sk_crypto_fail(err, SK_IO, "TLS handshake");
        }
        rc = wait_for(fd, why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline_ms);
        if (rc == 0)
            return sk_fail(err, SK_TIMEOUT, "no answer to the TLS handshake in time");
        if (rc < 0)
            return sk_fail_errno(err, "poll");
    }
}

static int add_chain(SSL *ssl, struct sk_buf *pem, struct sk_err *err)
{
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl); /* the leaf too, for a client */
    if (!bio)
        return sk_nomem(err);
    if (!chain || sk_X509_num(chain) == 0)
        return sk_fail(err, SK_REMOTE, "the server shows no certificate");
    for (int i = 0; i < sk_X509_num(chain); i++)
        if (PEM_write_bio_X509(bio, sk_X509_value(chain, i)) != 1)
            return sk_crypto_fail(err, SK_BUG, "writing a certificate");
    return sk_crypto_add_bio(bio, pem, err);
}

static bool is_address(const char *host)
{
    unsigned char bytes[16];
    return inet_pton(AF_INET, host, bytes) == 1 || inet_pton(AF_INET6, host, bytes) == 1;
}

int sk_tls_peek(const char *host, uint16_t port, uint64_t timeout_ms, struct sk_buf *pem,
                struct sk_err *err)
{
    uint64_t deadline_ms = sk_now_ms() + timeout_ms;
    char name[256]; /* OpenSSL's macro takes no const */
    SK_AUTO(sk_close) int fd = -1;
    SK_OWN(SSL_CTX_free) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (!ctx)
        return sk_nomem(err);
    if (snprintf(name, sizeof name, "%s", host) >= (int)sizeof name)
        return sk_fail(err, SK_INVALID, "the host's name is too long");
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    if (open_connection(host, port, deadline_ms, &fd, err) < 0)
        return -1;
    SK_OWN(SSL_free) SSL *ssl = SSL_new(ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 ||
        (!is_address(host) && SSL_set_tlsext_host_name(ssl, name) != 1))
        return sk_nomem(err);
    if (shake(ssl, fd, deadline_ms, err) < 0 || add_chain(ssl, pem, err) < 0)
        return sk_wrap(err, "%s:%u", host, port);
    return 0;
}
