/* crypto_priv.h - what the files of this module share about OpenSSL. */
#ifndef SK_CRYPTO_CRYPTO_PRIV_H
#define SK_CRYPTO_CRYPTO_PRIV_H

#include "base/cleanup.h"
#include "crypto/crypto.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

enum {
    SK_CERT_TEXT_BYTES = 1 << 20
};

SK_DEFINE_OWN(EVP_MD_CTX, EVP_MD_CTX_free);
SK_DEFINE_OWN(EVP_PKEY, EVP_PKEY_free);
SK_DEFINE_OWN(BIO, BIO_free_all);
SK_DEFINE_OWN(X509, X509_free);

struct sk_key {
    EVP_PKEY *pkey;
    bool is_private;
};

/* "what: OpenSSL's reason"; empties OpenSSL's queue of errors. Returns -1. */
int sk_crypto_fail(struct sk_err *err, enum sk_code code, const char *what);
/* Lower-case hex with NUL. */
void sk_crypto_hex(const unsigned char *bytes, size_t len, char *out);
/* Appends what a memory BIO holds. */
int sk_crypto_add_bio(BIO *bio, struct sk_buf *out, struct sk_err *err) SK_CHECK;
/* Of one certificate; what follows it is not looked at. */
int sk_cert_parse_der(const void *der, size_t len, X509 **out, struct sk_err *err) SK_CHECK;

#endif
