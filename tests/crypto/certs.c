/* certs.c - see certs.h. */
#include "certs.h"

#include "base/file.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void write_key(const char *path, EVP_PKEY *key, const char *passphrase)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const EVP_CIPHER *cipher = passphrase ? EVP_aes_128_cbc() : NULL;
    int len = passphrase ? (int)strlen(passphrase) : 0;
    assert_int_equal(PEM_write_PKCS8PrivateKey(f, key, cipher, passphrase, len, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

static void write_cert(const char *path, EVP_PKEY *key)
{
    X509 *x = X509_new();
    assert_non_null(x);
    (void)ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    (void)X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    (void)X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    (void)X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost",
                                     -1, -1, 0);
    (void)X509_set_issuer_name(x, name);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
}

void certs_make(struct certs *c)
{
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(c->folder, sizeof c->folder, "/tmp/skerry-tls-XXXXXX");
    assert_non_null(mkdtemp(c->folder));
    (void)snprintf(c->cert, sizeof c->cert, "%s/cert.pem", c->folder);
    (void)snprintf(c->key, sizeof c->key, "%s/key.pem", c->folder);
    (void)snprintf(c->other_key, sizeof c->other_key, "%s/other.pem", c->folder);
    (void)snprintf(c->locked_key, sizeof c->locked_key, "%s/locked.pem", c->folder);
    (void)snprintf(c->garbage, sizeof c->garbage, "%s/garbage.pem", c->folder);
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *other = EVP_EC_gen("P-256");
    assert_true(key && other);
    write_cert(c->cert, key);
    write_key(c->key, key, NULL);
    write_key(c->other_key, other, NULL);
    write_key(c->locked_key, key, "secret");
    assert_int_equal(sk_file_write(c->garbage, "hello", 5, 0600, &err), 0);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
}

void certs_remove(struct certs *c)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_remove_tree(c->folder, &err), 0);
}

SSL_CTX *certs_client(void)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    assert_non_null(ctx);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
    return ctx;
}
