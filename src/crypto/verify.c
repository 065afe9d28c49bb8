/*
 * verify.c - whether a CA that somebody named vouches for a client's certificate (RFC 5280, 6).
 *
 * What is trusted is the text that the caller brings, each certificate of it as it stands: a CA
 * below a root may be trusted without the root. Nothing comes from the system's store, and nothing
 * that the client shows but its own certificate is used, so the chains are short and of our side's
 * making.
 */
#include "crypto/crypto.h"

#include "crypto/crypto_priv.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

enum {
    DEPTH = 4,     /* CAs above the client's certificate */
    AUTH_LEVEL = 2 /* 112 bits: no SHA-1, RSA from 2048 bits on */
};

SK_DEFINE_OWN(X509_STORE, X509_STORE_free);
SK_DEFINE_OWN(X509_STORE_CTX, X509_STORE_CTX_free);

static int add_cas(X509_STORE *store, const char *pem, size_t len, struct sk_err *err)
{
    if (len > SK_CERT_TEXT_BYTES)
        return sk_fail(err, SK_INVALID, "CA certificates: %zu bytes are too many", len);
    SK_OWN(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (!bio)
        return sk_nomem(err);
    for (int count = 0;; count++) {
        SK_OWN(X509_free) X509 *ca = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        if (!ca && count > 0 && ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE) {
            ERR_clear_error();
            return 0;
        }
        if (!ca)
            return sk_crypto_fail(err, SK_INVALID, "CA certificate");
        if (count == SK_CERT_CA_MAX)
            return sk_fail(err, SK_INVALID, "more than %d CA certificates", SK_CERT_CA_MAX);
        if (X509_check_ca(ca) != 1)
            return sk_fail(err, SK_INVALID, "CA certificate %d is not a CA's", count + 1);
        if (X509_STORE_add_cert(store, ca) != 1)
            return sk_crypto_fail(err, SK_BUG, "CA certificate");
    }
}

static int prepare(X509_STORE_CTX *ctx, X509_STORE *store, X509 *client, int64_t now_s)
{
    if (X509_STORE_CTX_init(ctx, store, client, NULL) != 1 ||
        X509_STORE_CTX_set_purpose(ctx, X509_PURPOSE_SSL_CLIENT) != 1)
        return -1;
    X509_VERIFY_PARAM *how = X509_STORE_CTX_get0_param(ctx);
    X509_VERIFY_PARAM_set_depth(how, DEPTH);
    X509_VERIFY_PARAM_set_auth_level(how, AUTH_LEVEL);
    X509_VERIFY_PARAM_set_time(how, (time_t)now_s);
    return X509_VERIFY_PARAM_set_flags(how, X509_V_FLAG_PARTIAL_CHAIN) == 1 ? 0 : -1;
}

int sk_cert_verify(const void *der, size_t len, const char *ca_pem, size_t ca_len, int64_t now_s,
                   struct sk_err *err)
{
    SK_OWN(X509_free) X509 *client = NULL;
    SK_OWN(X509_STORE_free) X509_STORE *store = X509_STORE_new();
    SK_OWN(X509_STORE_CTX_free) X509_STORE_CTX *ctx = X509_STORE_CTX_new();
    if (!store || !ctx)
        return sk_nomem(err);
    ERR_clear_error();
    if (sk_cert_parse_der(der, len, &client, err) < 0 || add_cas(store, ca_pem, ca_len, err) < 0)
        return -1;
    if (prepare(ctx, store, client, now_s) < 0)
        return sk_crypto_fail(err, SK_BUG, "certificate");
    if (X509_verify_cert(ctx) == 1)
        return 0;
    int why = X509_STORE_CTX_get_error(ctx);
    ERR_clear_error();
    if (why == X509_V_ERR_OUT_OF_MEM)
        return sk_nomem(err);
    return sk_fail(err, SK_DENIED, "certificate: %s", X509_verify_cert_error_string(why));
}
