/*
 * tls_client.c - the client's side of TLS, as a stream over a connected socket.
 *
 * The handshake moves with sk_tls_client_shake, or with the first reads and writes; from its end on
 * the stream is that of tls_stream.c, which this one wraps. The server must show a certificate that
 * leads to one of ca_file, each of which is trusted as it stands (an intermediate without its root
 * too), and that has our name among its alternative names: the subject's common name does not
 * count.
 *
 * Why it is not trusted is put in words in OpenSSL's verify callback, the only place that sees the
 * certificate. Files are read for each connection, and belong to it, not to the context that many
 * share; behind the handshake all certificates are dropped. Sessions are not resumed: a connection
 * that lives for hours gains nothing, and each is checked against the files of its day.
 */
#include "crypto/tls_priv.h"

#include "base/buf.h"
#include "base/clock.h"
#include "crypto/crypto_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    NAMES_SHOWN = 5 /* of another server's certificate */
};

struct client {
    struct sk_stream base; /* first */
    struct sk_stream *tls; /* has ssl and the descriptor */
    SSL *ssl;
    struct sk_tls_clients *all;
    struct sk_tls_roots *roots; /* of all; until the handshake is done */
    bool is_open, needs_write;
    struct sk_err failed;            /* of the handshake */
    char untrusted[SK_ERR_TEXT / 2]; /* "": the certificate was not looked at, or is good */
};

SK_DEFINE_OWN(SSL, SSL_free);
SK_DEFINE_OWN(GENERAL_NAMES, GENERAL_NAMES_free);

static const struct sk_stream_ops client_ops;

static struct client *client_of(struct sk_stream *s)
{
    return (struct client *)s;
}

/* ---- what is wrong with a certificate ---- */

/* What comes from a peer is shown as far as it can be printed. */
static void add_plain(struct sk_buf *b, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++)
        sk_buf_chr(b, p[i] > ' ' && p[i] < 127 ? (char)p[i] : '?');
}

static bool add_name(struct sk_buf *b, const GENERAL_NAME *name)
{
    char text[INET6_ADDRSTRLEN] = "";
    int kind;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &kind);

    if (kind == GEN_DNS) {
        add_plain(b, ASN1_STRING_get0_data(value), (size_t)ASN1_STRING_length(value));
        return true;
    }
    if (kind != GEN_IPADD)
        return false;
    int family = ASN1_STRING_length(value) == 4 ? AF_INET : AF_INET6;
    if (ASN1_STRING_length(value) != 4 && ASN1_STRING_length(value) != 16)
        return false;
    (void)inet_ntop(family, ASN1_STRING_get0_data(value), text, sizeof text);
    sk_buf_str(b, text);
    return true;
}

/* "a, b and 3 more" */
static void list_names(struct sk_buf *b, X509 *cert)
{
    SK_OWN(GENERAL_NAMES_free)
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    int shown = 0, count = names ? sk_GENERAL_NAME_num(names) : 0, i = 0;

    for (; i < count && shown < NAMES_SHOWN; i++) {
        size_t before = b->len;
        if (shown > 0)
            sk_buf_str(b, ", ");
        if (add_name(b, sk_GENERAL_NAME_value(names, i)))
            shown++;
        else if (b->data)
            b->data[b->len = before] = '\0';
    }
    if (shown == 0)
        sk_buf_str(b, "none (the common name of its subject does not count)");
    else if (i < count)
        sk_buf_fmt(b, " and %d more", count - i);
}

static void add_date(struct sk_buf *b, const ASN1_TIME *t)
{
    struct tm tm = { .tm_mday = 1 };

    if (ASN1_TIME_to_tm(t, &tm) == 1)
        sk_buf_fmt(b, "%04d-%02d-%02d %02d:%02d UTC", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday,
                   tm.tm_hour, tm.tm_min);
}

static void add_now(struct sk_buf *b)
{
    char now[SK_TIME_TEXT];

    sk_time_text(sk_wall_ms(), now);
    sk_buf_fmt(b, "; the clock here says %.10s %.5s UTC", now, now + 11);
}

static void add_issuer(struct sk_buf *b, X509 *cert)
{
    char name[200] = "";

    (void)X509_NAME_get_text_by_NID(X509_get_issuer_name(cert), NID_commonName, name, sizeof name);
    if (!name[0])
        return;
    sk_buf_str(b, " '");
    add_plain(b, name, strlen(name));
    sk_buf_chr(b, '\'');
}

/* depth: 0 is the server's own, above are CAs. */
static void describe(struct sk_buf *b, int why, int depth, X509 *cert)
{
    const char *whose = depth > 0 ? "a CA certificate above the server's"
                                  : "the server's certificate";

    switch (why) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        sk_buf_fmt(b, "%s has expired on ", whose);
        add_date(b, X509_get0_notAfter(cert));
        add_now(b);
        break;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        sk_buf_fmt(b, "%s is not yet valid, but from ", whose);
        add_date(b, X509_get0_notBefore(cert));
        add_now(b);
        break;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        sk_buf_str(b, "the server's certificate is for other names: ");
        list_names(b, cert);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        sk_buf_str(b, "the server's certificate is signed by an unknown CA");
        add_issuer(b, cert);
        break;
    default:
        sk_buf_fmt(b, "%s: %s", whose, X509_verify_cert_error_string(why));
    }
}

static int on_verify(int is_good, X509_STORE_CTX *store)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(4096);
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct client *c = SSL_get_app_data(ssl);
    X509 *cert = X509_STORE_CTX_get_current_cert(store);

    if (is_good || c->untrusted[0])
        return is_good;
    if (!cert)
        cert = X509_STORE_CTX_get0_cert(store);
    describe(&b, X509_STORE_CTX_get_error(store), X509_STORE_CTX_get_error_depth(store), cert);
    (void)snprintf(c->untrusted, sizeof c->untrusted, "%s",
                   b.len > 0 ? b.data : "the server's certificate is not trusted");
    return 0;
}

/* ---- one connection's files ---- */

static bool is_address(const char *name)
{
    unsigned char bytes[16];

    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

static int set_roots(SSL *ssl, const struct sk_tls_roots *r, struct sk_err *err)
{
    const unsigned long flags = r->ca_file ? X509_V_FLAG_PARTIAL_CHAIN : 0;

    if (SSL_set1_verify_cert_store(ssl, r->store) != 1 ||
        X509_VERIFY_PARAM_set_flags(SSL_get0_param(ssl), flags) != 1)
        return sk_nomem(err);
    return 0;
}

static int load_own(SSL *ssl, const char *cert, const char *key, struct sk_err *err)
{
    ERR_clear_error();
    if (SSL_use_certificate_chain_file(ssl, cert) != 1)
        return sk_tls_fail(err, "certificate", cert);
    if (SSL_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
        return sk_tls_fail(err, "key", key);
    return 0; /* they belong together, or the second has failed */
}

static int set_name(SSL *ssl, const char *name, struct sk_err *err)
{
    char sni[256]; /* OpenSSL's macro takes no const */
    X509_VERIFY_PARAM *how = SSL_get0_param(ssl);

    if (!name || !name[0] || snprintf(sni, sizeof sni, "%s", name) >= (int)sizeof sni)
        return sk_fail(err, SK_INVALID, "TLS: a server's name has 1 to 255 bytes");
    if (is_address(name))
        return X509_VERIFY_PARAM_set1_ip_asc(how, name) == 1 ? 0 : sk_nomem(err);
    X509_VERIFY_PARAM_set_hostflags(how, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                             X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    if (X509_VERIFY_PARAM_set1_host(how, name, 0) != 1 || SSL_set_tlsext_host_name(ssl, sni) != 1)
        return sk_nomem(err);
    return 0;
}

/* ---- the handshake ---- */

static void empty(STACK_OF(X509) * certs)
{
    while (certs && sk_X509_num(certs) > 0)
        X509_free(sk_X509_pop(certs));
}

/* The certificates, ours and theirs, are of no more use: there is no renegotiation. */
static void slim(struct client *c)
{
    (void)SSL_set0_verify_cert_store(c->ssl, NULL);
    sk_tls_roots_drop(c->all, SK_TAKE(c->roots));
    empty(SSL_get0_verified_chain(c->ssl));
    empty(SSL_get_peer_cert_chain(c->ssl));
    SSL_certs_clear(c->ssl);
}

static int fail_for(struct client *c, unsigned long code, struct sk_err *err)
{
    const char *reason = code && !ERR_SYSTEM_ERROR(code) ? ERR_reason_error_string(code) : NULL;

    if (c->untrusted[0])
        return sk_fail(err, SK_DENIED, "%s", c->untrusted);
    if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
        switch (ERR_GET_REASON(code)) {
        case SSL_R_WRONG_VERSION_NUMBER:
        case SSL_R_HTTP_REQUEST:
            return sk_fail(err, SK_REMOTE, "the server does not speak TLS");
        case SSL_R_UNEXPECTED_EOF_WHILE_READING:
            return sk_fail(err, SK_IO, "the connection ended %s",
                           c->is_open ? "without an end of TLS" : "within the TLS handshake");
        case SSL_R_TLSV1_ALERT_UNKNOWN_CA:
        case SSL_R_SSLV3_ALERT_BAD_CERTIFICATE:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED:
        case SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED:
        case SSL_R_SSLV3_ALERT_UNSUPPORTED_CERTIFICATE:
        case SSL_R_TLSV13_ALERT_CERTIFICATE_REQUIRED:
            return sk_fail(err, SK_DENIED, "the server refuses our certificate: %s", reason);
        default:
            break;
        }
    }
    if (reason)
        return sk_fail(err, SK_REMOTE, "TLS: %s", reason);
    return sk_fail(err, SK_IO, "%s",
                   c->is_open ? "the connection was reset"
                              : "the connection ended within the TLS handshake");
}

int sk_tls_client_shake(struct sk_stream *s, struct sk_err *err)
{
    struct client *c = client_of(s);

    if (s->ops != &client_ops)
        return 1; /* another kind of stream has no handshake */
    if (c->is_open) {
        unsigned long code;
        return sk_tls_stream_is_lost(c->tls, &code) ? fail_for(c, code, err) : 1;
    }
    if (c->failed.code == SK_OK) {
        ERR_clear_error();
        int rc = SSL_connect(c->ssl);
        int why = rc == 1 ? SSL_ERROR_NONE : SSL_get_error(c->ssl, rc);
        unsigned long code = ERR_peek_error();
        ERR_clear_error();
        c->needs_write = why == SSL_ERROR_WANT_WRITE;
        if (rc == 1) {
            c->is_open = true;
            slim(c);
            return 1;
        }
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            return 0;
        (void)fail_for(c, code, &c->failed);
    }
    *err = c->failed;
    return -1;
}

/* 0: it goes on below; else what a read or write gives. */
static ssize_t until_open(struct client *c)
{
    struct sk_err err = SK_ERR_INIT;
    int rc = c->is_open ? 1 : sk_tls_client_shake(&c->base, &err);

    return rc > 0 ? 0 : rc == 0 ? SK_STREAM_AGAIN : SK_STREAM_LOST;
}

static ssize_t read_client(struct sk_stream *s, void *out, size_t cap)
{
    struct client *c = client_of(s);
    ssize_t why = until_open(c);

    return why ? why : sk_stream_read(c->tls, out, cap);
}

static ssize_t write_client(struct sk_stream *s, const void *bytes, size_t len)
{
    struct client *c = client_of(s);
    ssize_t why = until_open(c);

    return why ? why : sk_stream_write(c->tls, bytes, len);
}

static bool is_client_buffered(const struct sk_stream *s)
{
    const struct client *c = (const struct client *)s;

    return c->is_open && sk_stream_is_buffered(c->tls);
}

static unsigned events_of_client(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    const struct client *c = (const struct client *)s;

    if (c->is_open)
        return sk_stream_events(c->tls, wants_read, wants_write);
    return c->needs_write ? EPOLLOUT : EPOLLIN;
}

static void end_client(struct sk_stream *s)
{
    sk_stream_end(client_of(s)->tls);
}

static void free_client(struct sk_stream *s)
{
    struct client *c = client_of(s);

    sk_stream_free(c->tls);
    sk_tls_roots_drop(c->all, c->roots);
    free(c);
}

static const struct sk_stream_ops client_ops = {
    .read = read_client,
    .write = write_client,
    .is_buffered = is_client_buffered,
    .events = events_of_client,
    .end = end_client,
    .free = free_client,
};

static void free_half(struct client *c)
{
    if (c)
        free_client(&c->base);
}

SK_DEFINE_OWN(struct client, free_half);

int sk_tls_client(int fd, const struct sk_tls_client_options *opts, struct sk_stream **out,
                  struct sk_err *err)
{
    SK_AUTO(sk_close) int own = fd;
    SK_OWN(sk_tls_clients_free) struct sk_tls_clients *alone = NULL;
    SK_OWN(SSL_free) SSL *ssl = NULL;
    SK_OWN(free_half) struct client *c = calloc(1, sizeof *c);
    int flags = fcntl(fd, F_GETFL);

    if (!c)
        return sk_nomem(err);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "a TLS client's socket");
    if (!opts->shared && sk_tls_clients_new(&alone, err) < 0)
        return -1;
    c->all = opts->shared ? opts->shared : alone;
    if (sk_tls_roots_take(c->all, opts->ca_file, &c->roots, err) < 0)
        return -1;
    ssl = SSL_new(c->all->ctx);
    if (!ssl || SSL_set_fd(ssl, fd) != 1 || SSL_set_app_data(ssl, c) != 1) {
        ERR_clear_error();
        return sk_nomem(err);
    }
    if (set_name(ssl, opts->name, err) < 0 || set_roots(ssl, c->roots, err) < 0)
        return -1;
    if (opts->cert_file &&
        load_own(ssl, opts->cert_file, opts->key_file ? opts->key_file : opts->cert_file, err) < 0)
        return -1;
    SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
    SSL_set_connect_state(ssl);
    c->tls = sk_tls_stream_new(ssl, fd, NULL, 0);
    if (!c->tls)
        return sk_nomem(err);
    c->ssl = SK_TAKE(ssl);
    c->base = (struct sk_stream){ .ops = &client_ops, .fd = sk_take_fd(&own) };
    *out = &SK_TAKE(c)->base;
    return 0;
}
