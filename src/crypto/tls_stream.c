/*
 * tls_stream.c - a TLS connection as a stream (base/stream.h), after its handshake.
 *
 * OpenSSL may need to write in order to read and to read in order to write (key updates); each
 * direction remembers what it waits for. Bytes that the front has read to see whose client this is
 * come first. An idle stream holds no buffers (SSL_MODE_RELEASE_BUFFERS) and does not read ahead.
 *
 * OpenSSL counts part of a record as pending, with which a reader can do nothing: after a read that
 * found nothing whole, epoll is the one to ask (is_dry).
 */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"

#include <limits.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

struct tls_stream {
    struct sk_stream base; /* first */
    SSL *ssl;
    bool is_dry, is_lost, has_ended;
    bool reads_need_write, writes_need_read;
    unsigned long why; /* it was lost: OpenSSL's first error, or 0 */
    size_t first_start, first_len;
    char first[];
};

static struct tls_stream *tls_of(struct sk_stream *s)
{
    return (struct tls_stream *)s;
}

/* Why nothing moved; *needs_other: it waits for the other direction than its own. */
static ssize_t reason(struct tls_stream *t, int rc, int other, bool *needs_other)
{
    int why = SSL_get_error(t->ssl, rc);
    unsigned long code = ERR_peek_error();
    ERR_clear_error();
    *needs_other = why == other;
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return SK_STREAM_AGAIN;
    if (why == SSL_ERROR_ZERO_RETURN)
        return SK_STREAM_END;
    t->is_lost = true;
    t->why = code;
    return SK_STREAM_LOST;
}

bool sk_tls_stream_is_lost(const struct sk_stream *s, unsigned long *why)
{
    const struct tls_stream *t = (const struct tls_stream *)s;
    *why = t->why;
    return t->is_lost;
}

static ssize_t read_first(struct tls_stream *t, char *out, size_t cap)
{
    size_t left = t->first_len - t->first_start, n = left < cap ? left : cap;
    memcpy(out, t->first + t->first_start, n);
    t->first_start += n;
    return (ssize_t)n;
}

static ssize_t read_tls(struct sk_stream *s, void *out, size_t cap)
{
    struct tls_stream *t = tls_of(s);
    if (t->first_start < t->first_len)
        return read_first(t, out, cap);
    if (t->is_lost)
        return SK_STREAM_LOST;
    ERR_clear_error();
    int n = SSL_read(t->ssl, out, cap < INT_MAX ? (int)cap : INT_MAX);
    t->is_dry = n <= 0;
    t->reads_need_write = false;
    return n > 0 ? n : reason(t, n, SSL_ERROR_WANT_WRITE, &t->reads_need_write);
}

static ssize_t write_tls(struct sk_stream *s, const void *bytes, size_t len)
{
    struct tls_stream *t = tls_of(s);
    if (t->is_lost)
        return SK_STREAM_LOST;
    if (len == 0)
        return SK_STREAM_AGAIN;
    ERR_clear_error();
    int n = SSL_write(t->ssl, bytes, len < INT_MAX ? (int)len : INT_MAX); /* one record */
    t->writes_need_read = false;
    if (n > 0)
        return n;
    ssize_t why = reason(t, n, SSL_ERROR_WANT_READ, &t->writes_need_read);
    return why == SK_STREAM_END ? SK_STREAM_LOST : why;
}

static bool is_tls_buffered(const struct sk_stream *s)
{
    const struct tls_stream *t = (const struct tls_stream *)s;
    return t->first_start < t->first_len || (!t->is_dry && SSL_has_pending(t->ssl));
}

static unsigned events_of_tls(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    const struct tls_stream *t = (const struct tls_stream *)s;
    unsigned events = 0;
    if (wants_read)
        events |= t->reads_need_write ? EPOLLOUT : EPOLLIN;
    if (wants_write)
        events |= t->writes_need_read ? EPOLLIN : EPOLLOUT;
    return events;
}

static void end_tls(struct sk_stream *s)
{
    struct tls_stream *t = tls_of(s);
    if (t->has_ended)
        return;
    t->has_ended = true;
    ERR_clear_error();
    if (!t->is_lost) /* close_notify; the peer's own is for the reads */
        (void)SSL_shutdown(t->ssl);
    ERR_clear_error();
    (void)shutdown(s->fd, SHUT_WR);
}

static void free_tls(struct sk_stream *s)
{
    struct tls_stream *t = tls_of(s);
    SSL_free(t->ssl);
    sk_close(&s->fd);
    free(t);
}

static const struct sk_stream_ops tls_ops = {
    .read = read_tls,
    .write = write_tls,
    .is_buffered = is_tls_buffered,
    .events = events_of_tls,
    .end = end_tls,
    .free = free_tls,
};

/* The session keeps the client's certificate, which nobody reads any more: tickets were written in
 * the handshake. Its key, decoded, is the larger half; ours is there anyway. */
static void slim(SSL *ssl)
{
    X509 *cert = SSL_get0_peer_certificate(ssl);
    EVP_PKEY *own = SSL_get_privatekey(ssl);
    if (cert && own)
        (void)X509_set_pubkey(cert, own);
    ERR_clear_error();
}

struct sk_stream *sk_tls_stream_new(SSL *ssl, int fd, const char *first, size_t first_len)
{
    struct tls_stream *t = calloc(1, sizeof *t + first_len);
    if (!t)
        return NULL;
    t->base = (struct sk_stream){ .ops = &tls_ops, .fd = fd };
    t->ssl = ssl;
    t->first_len = first_len;
    if (first_len > 0)
        memcpy(t->first, first, first_len);
    SSL_set_read_ahead(ssl, 0);
    SSL_set_default_read_buffer_len(ssl, 0);
    slim(ssl);
    return &t->base;
}
