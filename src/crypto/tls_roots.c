/*
 * tls_roots.c - what TLS clients share: the context, and CA certificates while handshakes need
 * them.
 *
 * The context is made once and then only read. CA certificates are read when a handshake begins and
 * none that goes on uses the same file, unchanged; they go with the last that uses them. So a file
 * that was replaced counts at once, an idle client costs nothing, and many that dial together
 * (after their server was away) do not have the system's 150 certificates once each.
 */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"
#include "base/thread.h"
#include "crypto/crypto_priv.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

enum {
    AUTH_LEVEL = 2 /* 112 bits: no SHA-1, RSA from 2048 bits on */
};

SK_DEFINE_OWN(SSL_CTX, SSL_CTX_free);

static int make_context(SSL_CTX **out, struct sk_err *err)
{
    SK_OWN(SSL_CTX_free) SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

    if (!ctx)
        return sk_nomem(err);
    (void)SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    (void)SSL_CTX_set_options(ctx, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION);
    (void)SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                    SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    (void)SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, sk_tls_no_passphrase);
    X509_VERIFY_PARAM_set_auth_level(SSL_CTX_get0_param(ctx), AUTH_LEVEL);
    ERR_clear_error();
    if (sk_tls_set_groups(ctx) != 1 || SSL_CTX_set_cipher_list(ctx, SK_TLS_CIPHERS) != 1)
        return sk_crypto_fail(err, SK_BUG, "TLS groups and ciphers");
    *out = SK_TAKE(ctx);
    return 0;
}

int sk_tls_clients_new(struct sk_tls_clients **out, struct sk_err *err)
{
    SK_OWN(sk_tls_clients_free) struct sk_tls_clients *all = calloc(1, sizeof *all);

    if (!all)
        return sk_nomem(err);
    (void)pthread_mutex_init(&all->lock, NULL);
    all->refs = 1;
    if (make_context(&all->ctx, err) < 0)
        return -1;
    *out = SK_TAKE(all);
    return 0;
}

void sk_tls_clients_free(struct sk_tls_clients *all)
{
    if (!all)
        return;
    {
        SK_LOCK(&all->lock);
        if (--all->refs > 0)
            return;
    }
    SSL_CTX_free(all->ctx);
    (void)pthread_mutex_destroy(&all->lock);
    free(all);
}

/* ---- CA certificates ---- */

static void free_roots(struct sk_tls_roots *r)
{
    if (!r)
        return;
    X509_STORE_free(r->store);
    free(r->ca_file);
    free(r);
}

SK_DEFINE_OWN(struct sk_tls_roots, free_roots);

static int load_roots(const char *ca_file, struct sk_tls_roots **out, struct sk_err *err)
{
    SK_OWN(free_roots) struct sk_tls_roots *r = calloc(1, sizeof *r);

    if (!r)
        return sk_nomem(err);
    r->users = 1;
    r->store = X509_STORE_new();
    r->ca_file = ca_file ? strdup(ca_file) : NULL;
    if (!r->store || (ca_file && !r->ca_file))
        return sk_nomem(err);
    ERR_clear_error();
    if (!ca_file && X509_STORE_set_default_paths(r->store) != 1)
        return sk_crypto_fail(err, SK_INVALID, "the system's CA certificates");
    if (ca_file && (stat(ca_file, &r->seen) < 0 || X509_STORE_load_file(r->store, ca_file) != 1))
        return ERR_peek_error() ? sk_tls_fail(err, "CA certificates", ca_file)
                                : sk_fail(err, SK_INVALID, "TLS CA certificates '%s': %s", ca_file,
                                          strerror(errno));
    *out = SK_TAKE(r);
    return 0;
}

/* Whether they are those of this file as it is now. */
static bool are_roots_of(const struct sk_tls_roots *r, const char *ca_file)
{
    struct stat now;

    if (!r || !ca_file || !r->ca_file)
        return r && !ca_file && !r->ca_file;
    return strcmp(r->ca_file, ca_file) == 0 && stat(ca_file, &now) == 0 &&
           now.st_dev == r->seen.st_dev && now.st_ino == r->seen.st_ino &&
           now.st_size == r->seen.st_size && now.st_mtim.tv_sec == r->seen.st_mtim.tv_sec &&
           now.st_mtim.tv_nsec == r->seen.st_mtim.tv_nsec;
}

int sk_tls_roots_take(struct sk_tls_clients *all, const char *ca_file, struct sk_tls_roots **out,
                      struct sk_err *err)
{
    SK_LOCK(&all->lock);

    if (are_roots_of(all->roots, ca_file))
        all->roots->users++;
    else if (load_roots(ca_file, &all->roots, err) < 0)
        return -1;
    all->refs++;
    *out = all->roots;
    return 0;
}

void sk_tls_roots_drop(struct sk_tls_clients *all, struct sk_tls_roots *r)
{
    if (!r)
        return;
    {
        SK_LOCK(&all->lock);
        if (--r->users == 0) {
            if (all->roots == r)
                all->roots = NULL;
            free_roots(r);
        }
    }
    sk_tls_clients_free(all);
}
