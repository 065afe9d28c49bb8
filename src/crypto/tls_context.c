/*
 * tls_context.c - what all handshakes of a front share: versions, ciphers, protocols, certificate
 * and key.
 *
 * A context is made once and then only read, so that streams on many threads may share it; a new
 * certificate is a new context. Sessions are resumed by tickets (RFC 5077, RFC 8446) that are
 * sealed with a key of the context: they cost us no memory.
 */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"

#include <openssl/err.h>
#include <string.h>

enum {
    CERT_LIST_BYTES = 32768 /* of what a client may show */
};

#define HTTP_PROTOCOLS "\x08http/1.1\x08http/1.0"

SK_DEFINE_OWN(SSL_CTX, SSL_CTX_free);

int sk_tls_fail(struct sk_err *err, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error(); /* the first is the cause */
    const char *reason = NULL;
    if (ERR_SYSTEM_ERROR(code))
        reason = strerror(ERR_GET_REASON(code));
    else if (code)
        reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return sk_fail(err, SK_INVALID, "TLS %s '%s': %s", what, file,
                   reason ? reason : "unknown reason");
}

/* A client that offers protocols, and none that we speak, is refused (RFC 7301, 3.2). */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                           const unsigned char *in, unsigned in_len, void *arg)
{
    const char *ours = arg;
    (void)ssl;
    unsigned char *chosen = NULL;
    if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)ours, (unsigned)strlen(ours),
                              in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

/* A key with a passphrase is an error: a server must not ask on a terminal. */
int sk_tls_no_passphrase(char *buf, int size, int is_writing, void *arg)
{
    (void)buf;
    (void)size;
    (void)is_writing;
    (void)arg;
    return -1;
}

static int load_files(SSL_CTX *ctx, const char *cert, const char *key, struct sk_err *err)
{
    ERR_clear_error();
    SSL_CTX_set_default_passwd_cb(ctx, sk_tls_no_passphrase);
    if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
        return sk_tls_fail(err, "certificate", cert);
    if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        return sk_tls_fail(err, "key", key);
    if (SSL_CTX_check_private_key(ctx) != 1)
        return sk_fail(err, SK_INVALID, "TLS key '%s' does not belong to the certificate '%s'", key,
                       cert);
    return 0;
}

/* Who the client is, is for the server behind us to judge; that it has the key, TLS has shown. The
 * list is what the session keeps: we show nobody more than the client's own certificate. */
static int take_any(X509_STORE_CTX *store, void *arg)
{
    STACK_OF(X509) *shown = X509_STORE_CTX_get0_untrusted(store);
    (void)arg;
    while (shown && sk_X509_num(shown) > 1)
        X509_free(sk_X509_pop(shown));
    return 1;
}

static void ask_cert(SSL_CTX *ctx)
{
    static const unsigned char ours[] = "skerry";
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_CLIENT_ONCE, NULL);
    SSL_CTX_set_cert_verify_callback(ctx, take_any, NULL);
    SSL_CTX_set_max_cert_list(ctx, CERT_LIST_BYTES);
    (void)SSL_CTX_set_session_id_context(ctx, ours, sizeof ours - 1); /* else nobody resumes */
}

long sk_tls_set_groups(SSL_CTX *ctx)
{
    char groups[] = SK_TLS_GROUPS; /* OpenSSL's macro takes no const */
    return SSL_CTX_set1_groups_list(ctx, groups);
}

int sk_tls_context(const struct sk_tls_options *opts, SSL_CTX **out, struct sk_err *err)
{
    SK_OWN(SSL_CTX_free) SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return sk_nomem(err);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION |
                                       SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF); /* tickets do */
    ERR_clear_error();
    if (!sk_tls_takes_all(opts)) {
        SSL_CTX_set_read_ahead(ctx, 1); /* several records by one read */
        SSL_CTX_set_default_read_buffer_len(ctx, SK_TLS_CHUNK_BYTES);
    } else if (sk_tls_set_groups(ctx) != 1) {
        return sk_tls_fail(err, "groups", "1.3");
    }
    if (SSL_CTX_set_cipher_list(ctx, SK_TLS_CIPHERS) != 1)
        return sk_tls_fail(err, "ciphers", "1.2");
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol,
                               (void *)(uintptr_t)(opts->alpn ? opts->alpn : HTTP_PROTOCOLS));
    if (opts->asks_cert)
        ask_cert(ctx);
    if (load_files(ctx, opts->cert_file, opts->key_file, err) < 0)
        return -1;
    *out = SK_TAKE(ctx);
    return 0;
}
