/*
 * keys.c - P-256 keys: made, read, written, signing (ECDSA with SHA-256, DER).
 *
 * A PEM text is taken block by block, so that what stands in front of the key ("EC PARAMETERS", as
 * `openssl ecparam -genkey` writes) is passed over, and what is no key of ours is named. A key with
 * a passphrase is refused: nothing here asks on a terminal. Sigstore's encrypted keys are opened by
 * the module sign.
 */
#include "crypto/crypto.h"

#include "base/str.h"
#include "crypto/crypto_priv.h"

#include <limits.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

enum {
    KEY_TEXT_BYTES = 64 << 10, /* a PEM text beyond is no key */
    DER_BYTES = 4096
};

SK_DEFINE_OWN(PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free);

/* One block of a PEM text; OpenSSL's memory. */
struct block {
    char *name, *header;
    unsigned char *der;
    long len;
};

static void block_done(struct block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_clear_free(b->der, b->len > 0 ? (size_t)b->len : 0);
    *b = (struct block){ 0 };
}

int sk_crypto_add_bio(BIO *bio, struct sk_buf *out, struct sk_err *err)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(bio, &bytes);
    if (len > 0)
        sk_buf_add(out, bytes, (size_t)len);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* Takes pkey over when it is one of ours. */
static int wrap_key(EVP_PKEY **pkey, bool is_private, struct sk_key **out, struct sk_err *err)
{
    char group[64] = "";
    size_t used = 0;
    if (EVP_PKEY_get_base_id(*pkey) != EVP_PKEY_EC)
        return sk_fail(err, SK_INVALID, "the key is %s, needed is ECDSA on P-256",
                       OBJ_nid2sn(EVP_PKEY_get_base_id(*pkey)));
    if (!EVP_PKEY_get_group_name(*pkey, group, sizeof group, &used) ||
        strcmp(group, "prime256v1") != 0) {
        ERR_clear_error();
        return sk_fail(err, SK_INVALID, "the key is on the curve '%s', needed is P-256", group);
    }
    struct sk_key *k = calloc(1, sizeof *k);
    if (!k)
        return sk_nomem(err);
    *k = (struct sk_key){ .pkey = SK_TAKE(*pkey), .is_private = is_private };
    *out = k;
    return 0;
}

int sk_key_make(struct sk_key **out, struct sk_err *err)
{
    SK_OWN(EVP_PKEY_free) EVP_PKEY *pkey = EVP_EC_gen("P-256");
    if (!pkey)
        return sk_crypto_fail(err, SK_BUG, "making a key");
    return wrap_key(&pkey, true, out, err);
}

int sk_key_parse_pkcs8(const void *der, size_t len, struct sk_key **out, struct sk_err *err)
{
    const unsigned char *p = der;
    if (len > DER_BYTES)
        return sk_fail(err, SK_INVALID, "key: %zu bytes are too many for a P-256 key", len);
    SK_OWN(PKCS8_PRIV_KEY_INFO_free)
    PKCS8_PRIV_KEY_INFO *info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &p, (long)len);
    SK_OWN(EVP_PKEY_free) EVP_PKEY *pkey = info ? EVP_PKCS82PKEY(info) : NULL;
    if (!pkey)
        return sk_crypto_fail(err, SK_INVALID, "private key");
    return wrap_key(&pkey, true, out, err);
}

static int parse_block(const struct block *b, struct sk_key **out, struct sk_err *err)
{
    const unsigned char *p = b->der;
    if (strncmp(b->name, "ENCRYPTED ", 10) == 0 || (b->header && strstr(b->header, "ENCRYPTED")))
        return sk_fail(err, SK_INVALID, "the key has a passphrase: decrypt it first");
    if (strcmp(b->name, "PRIVATE KEY") == 0)
        return sk_key_parse_pkcs8(b->der, (size_t)b->len, out, err);
    bool is_private = strcmp(b->name, "EC PRIVATE KEY") == 0;
    if (!is_private && strcmp(b->name, "PUBLIC KEY") != 0)
        return sk_fail(err, SK_INVALID, "the PEM text holds a '%.60s', needed is a P-256 key",
                       b->name);
    SK_OWN(EVP_PKEY_free)
    EVP_PKEY *pkey = is_private ? d2i_PrivateKey(EVP_PKEY_EC, NULL, &p, b->len)
                                : d2i_PUBKEY(NULL, &p, b->len);
    if (!pkey)
        return sk_crypto_fail(err, SK_INVALID, is_private ? "private key" : "public key");
    return wrap_key(&pkey, is_private, out, err);
}

int sk_key_parse(const char *pem, size_t len, struct sk_key **out, struct sk_err *err)
{
    if (len > KEY_TEXT_BYTES)
        return sk_fail(err, SK_INVALID, "key: %zu bytes are too many for a PEM key", len);
    SK_OWN(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (!bio)
        return sk_nomem(err);
    for (;;) {
        SK_AUTO(block_done) struct block b = { 0 };
        if (PEM_read_bio(bio, &b.name, &b.header, &b.der, &b.len) != 1) {
            ERR_clear_error();
            return sk_fail(err, SK_INVALID, "no key in PEM form (-----BEGIN ... KEY-----)");
        }
        if (strcmp(b.name, "EC PARAMETERS") != 0)
            return parse_block(&b, out, err);
    }
}

bool sk_key_is_private(const struct sk_key *k)
{
    return k->is_private;
}

static int need_private(const struct sk_key *k, struct sk_err *err)
{
    if (k->is_private)
        return 0;
    return sk_fail(err, SK_INVALID, "a private key is needed, this one is public");
}

int sk_key_private_pem(const struct sk_key *k, struct sk_buf *out, struct sk_err *err)
{
    if (need_private(k, err) < 0)
        return -1;
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio)
        return sk_nomem(err);
    if (PEM_write_bio_PKCS8PrivateKey(bio, k->pkey, NULL, NULL, 0, NULL, NULL) != 1)
        return sk_crypto_fail(err, SK_BUG, "writing a private key");
    return sk_crypto_add_bio(bio, out, err);
}

int sk_key_private_der(const struct sk_key *k, struct sk_buf *out, struct sk_err *err)
{
    if (need_private(k, err) < 0)
        return -1;
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_secmem());
    if (!bio)
        return sk_nomem(err);
    if (i2d_PKCS8PrivateKeyInfo_bio(bio, k->pkey) != 1)
        return sk_crypto_fail(err, SK_BUG, "writing a private key");
    return sk_crypto_add_bio(bio, out, err);
}

int sk_key_public_pem(const struct sk_key *k, struct sk_buf *out, struct sk_err *err)
{
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return sk_nomem(err);
    if (PEM_write_bio_PUBKEY(bio, k->pkey) != 1)
        return sk_crypto_fail(err, SK_BUG, "writing a public key");
    return sk_crypto_add_bio(bio, out, err);
}

int sk_key_hint(const struct sk_key *k, struct sk_buf *out, struct sk_err *err)
{
    unsigned char digest[SK_SHA256_BYTES], *der = NULL;
    unsigned size = 0;
    int len = i2d_PUBKEY(k->pkey, &der);
    if (len <= 0)
        return sk_crypto_fail(err, SK_BUG, "writing a public key");
    int is_done = EVP_Digest(der, (size_t)len, digest, &size, EVP_sha256(), NULL);
    OPENSSL_free(der);
    if (!is_done || size != sizeof digest)
        return sk_crypto_fail(err, SK_BUG, "sha256");
    sk_base64(out, digest, sizeof digest);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_key_sign(const struct sk_key *k, const void *bytes, size_t len, struct sk_buf *out,
                struct sk_err *err)
{
    if (need_private(k, err) < 0)
        return -1;
    SK_OWN(EVP_MD_CTX_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    unsigned char signature[128];
    size_t size = sizeof signature;
    if (!md)
        return sk_nomem(err);
    if (EVP_DigestSignInit(md, NULL, EVP_sha256(), NULL, k->pkey) != 1 ||
        EVP_DigestSign(md, signature, &size, bytes, len) != 1)
        return sk_crypto_fail(err, SK_BUG, "signing");
    sk_buf_add(out, signature, size);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

int sk_key_verify(const struct sk_key *k, const void *bytes, size_t len, const void *signature,
                  size_t signature_len, struct sk_err *err)
{
    SK_OWN(EVP_MD_CTX_free) EVP_MD_CTX *md = EVP_MD_CTX_new();
    if (!md)
        return sk_nomem(err);
    if (EVP_DigestVerifyInit(md, NULL, EVP_sha256(), NULL, k->pkey) != 1)
        return sk_crypto_fail(err, SK_BUG, "verifying");
    int rc = EVP_DigestVerify(md, signature, signature_len, bytes, len);
    ERR_clear_error(); /* a signature that is no DER leaves reasons behind */
    if (rc != 1)
        return sk_fail(err, SK_DENIED, "the signature is not one of this key over these bytes");
    return 0;
}

void sk_key_free(struct sk_key *k)
{
    if (!k)
        return;
    EVP_PKEY_free(k->pkey);
    free(k);
}
