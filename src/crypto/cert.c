/*
 * cert.c - X.509 certificates for P-256 keys: a CA of our own and what it signs (RFC 5280).
 *
 * Extensions are made from values, never from text that OpenSSL would parse as configuration, so a
 * host name cannot add one. Names are checked before: a DNS name with at most one wildcard label in
 * front, or an IP address.
 *
 *     CA      CA:TRUE pathlen:0 (critical), keyCertSign cRLSign (critical), subject key id
 *     leaf    CA:FALSE (critical), digitalSignature (critical), serverAuth with names and
 * clientAuth without, subjectAltName, subject and authority key ids
 */
#include "crypto/crypto.h"

#include "base/str.h"
#include "crypto/crypto_priv.h"

#include <arpa/inet.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

enum {
    SERIAL_BYTES = 16,
    DNS_NAME_MAX = 253,
    DNS_LABEL_MAX = 63,
    COMMON_NAME_MAX = 64 /* ub-common-name */
};

SK_DEFINE_OWN(X509_NAME, X509_NAME_free);
SK_DEFINE_OWN(GENERAL_NAMES, GENERAL_NAMES_free);
SK_DEFINE_OWN(GENERAL_NAME, GENERAL_NAME_free);

static int fail_making(struct sk_err *err)
{
    return sk_crypto_fail(err, SK_BUG, "making a certificate");
}

/* ---- names ---- */

static bool is_dns_name(const char *name)
{
    const char *p = sk_starts_with(name, "*.") ? name + 2 : name;
    size_t len = strlen(name), label = 0;
    if (len > DNS_NAME_MAX || *p == '\0')
        return false;
    for (; *p; p++) {
        bool is_alnum = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                        (*p >= '0' && *p <= '9') || *p == '_';
        if (*p == '.') {
            if (label == 0 || p[-1] == '-')
                return false;
            label = 0;
            continue;
        }
        if (!is_alnum && !(*p == '-' && label > 0))
            return false;
        if (++label > DNS_LABEL_MAX)
            return false;
    }
    return label > 0 && p[-1] != '-';
}

static GENERAL_NAME *make_name(const char *text)
{
    unsigned char address[16];
    int len = inet_pton(AF_INET, text, address) == 1    ? 4
              : inet_pton(AF_INET6, text, address) == 1 ? 16
                                                        : 0;
    SK_OWN(GENERAL_NAME_free) GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *value = len > 0 ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
    if (!name || !value ||
        (len > 0 ? ASN1_STRING_set(value, address, len)
                 : ASN1_STRING_set(value, text, (int)strlen(text))) != 1) {
        ASN1_STRING_free(value);
        return NULL;
    }
    GENERAL_NAME_set0_value(name, len > 0 ? GEN_IPADD : GEN_DNS, value);
    return SK_TAKE(name);
}

static int add_names(X509 *x, const char *const *names, struct sk_err *err)
{
    SK_OWN(GENERAL_NAMES_free) GENERAL_NAMES *list = GENERAL_NAMES_new();
    unsigned char address[16];
    if (!list)
        return sk_nomem(err);
    for (; *names; names++) {
        if (inet_pton(AF_INET, *names, address) != 1 && inet_pton(AF_INET6, *names, address) != 1 &&
            !is_dns_name(*names))
            return sk_fail(err, SK_INVALID, "'%.260s' is neither a host name nor an IP address",
                           *names);
        SK_OWN(GENERAL_NAME_free) GENERAL_NAME *name = make_name(*names);
        if (!name || sk_GENERAL_NAME_push(list, name) <= 0)
            return sk_nomem(err);
        name = NULL; /* the list's */
    }
    if (X509_add1_ext_i2d(x, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) != 1)
        return fail_making(err);
    return 0;
}

static int set_subject(X509 *x, const char *common_name, struct sk_err *err)
{
    SK_OWN(X509_NAME_free) X509_NAME *name = X509_NAME_new();
    size_t len = strlen(common_name);
    if (!name)
        return sk_nomem(err);
    if (len == 0 || !sk_utf8_valid(common_name, len))
        return sk_fail(err, SK_INVALID, "the certificate's common name is empty or not UTF-8");
    if (len > COMMON_NAME_MAX)
        len = COMMON_NAME_MAX; /* for people only: names that count are alternative names */
    while (!sk_utf8_valid(common_name, len))
        len--;
    if (X509_NAME_add_entry_by_NID(name, NID_commonName, MBSTRING_UTF8,
                                   (const unsigned char *)common_name, (int)len, -1, 0) != 1 ||
        X509_set_subject_name(x, name) != 1)
        return fail_making(err);
    return 0;
}

/* ---- extensions ---- */

/* `value` is of this file, not from outside. */
static int add_extension(X509 *x, X509 *issuer, int nid, const char *value, struct sk_err *err)
{
    X509V3_CTX ctx;
    X509V3_set_ctx_nodb(&ctx);
    X509V3_set_ctx(&ctx, issuer, x, NULL, NULL, 0);
    X509_EXTENSION *ext = X509V3_EXT_nconf_nid(NULL, &ctx, nid, value);
    if (!ext)
        return fail_making(err);
    int is_added = X509_add_ext(x, ext, -1);
    X509_EXTENSION_free(ext);
    return is_added == 1 ? 0 : fail_making(err);
}

static int add_extensions(X509 *x, X509 *issuer, const struct sk_cert_request *r,
                          struct sk_err *err)
{
    bool has_names = r->names && *r->names;
    if (add_extension(x, issuer, NID_basic_constraints,
                      r->is_ca ? "critical,CA:TRUE,pathlen:0" : "critical,CA:FALSE", err) < 0 ||
        add_extension(x, issuer, NID_key_usage,
                      r->is_ca ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature",
                      err) < 0 ||
        add_extension(x, issuer, NID_subject_key_identifier, "hash", err) < 0)
        return -1;
    if (!r->is_ca && add_extension(x, issuer, NID_ext_key_usage,
                                   has_names ? "serverAuth" : "clientAuth", err) < 0)
        return -1;
    if (issuer != x &&
        add_extension(x, issuer, NID_authority_key_identifier, "keyid:always", err) < 0)
        return -1;
    return has_names ? add_names(x, r->names, err) : 0;
}

/* ---- making ---- */

static int set_serial(X509 *x, struct sk_err *err)
{
    unsigned char bytes[SERIAL_BYTES];
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    bytes[0] = (unsigned char)((bytes[0] & 0x7f) | 0x40); /* positive, and of full length */
    BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
    bool is_set = number && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(x));
    BN_free(number);
    return is_set ? 0 : fail_making(err);
}

static int parse_first(const char *pem, size_t len, X509 **out, struct sk_err *err)
{
    if (len > SK_CERT_TEXT_BYTES)
        return sk_fail(err, SK_INVALID, "certificate: %zu bytes are too many", len);
    SK_OWN(BIO_free_all) BIO *bio = BIO_new_mem_buf(pem, (int)len);
    if (!bio)
        return sk_nomem(err);
    *out = PEM_read_bio_X509(bio, NULL, NULL, NULL);
    if (!*out)
        return sk_crypto_fail(err, SK_INVALID, "certificate");
    return 0;
}

static int sign(X509 *x, X509 *issuer, const struct sk_cert_request *r, struct sk_err *err)
{
    const struct sk_key *key = r->issuer_pem ? r->issuer_key : r->key;
    if (!key || !key->is_private)
        return sk_fail(err, SK_INVALID, "signing a certificate needs the issuer's private key");
    if (X509_set_issuer_name(x, X509_get_subject_name(issuer)) != 1)
        return fail_making(err);
    if (issuer != x && X509_check_private_key(issuer, key->pkey) != 1) {
        ERR_clear_error();
        return sk_fail(err, SK_INVALID, "the issuer's key does not belong to its certificate");
    }
    if (add_extensions(x, issuer, r, err) < 0)
        return -1;
    if (X509_sign(x, key->pkey, EVP_sha256()) <= 0)
        return fail_making(err);
    return 0;
}

int sk_cert_make(const struct sk_cert_request *r, struct sk_buf *pem, struct sk_err *err)
{
    SK_OWN(X509_free) X509 *x = X509_new();
    SK_OWN(X509_free) X509 *parsed = NULL;
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (!x || !bio)
        return sk_nomem(err);
    if (r->issuer_pem && parse_first(r->issuer_pem, strlen(r->issuer_pem), &parsed, err) < 0)
        return sk_wrap(err, "issuer");
    if (r->not_after <= r->not_before)
        return sk_fail(err, SK_INVALID, "a certificate must end after it begins");
    if (X509_set_version(x, X509_VERSION_3) != 1 || X509_set_pubkey(x, r->key->pkey) != 1 ||
        !ASN1_TIME_set(X509_getm_notBefore(x), (time_t)r->not_before) ||
        !ASN1_TIME_set(X509_getm_notAfter(x), (time_t)r->not_after))
        return fail_making(err);
    if (set_serial(x, err) < 0 || set_subject(x, r->common_name, err) < 0 ||
        sign(x, parsed ? parsed : x, r, err) < 0)
        return -1;
    if (PEM_write_bio_X509(bio, x) != 1)
        return fail_making(err);
    return sk_crypto_add_bio(bio, pem, err);
}

/* ---- reading ---- */

static int seconds_of(const ASN1_TIME *t, int64_t *out)
{
    int days = 0, seconds = 0;
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int rc = epoch ? ASN1_TIME_diff(&days, &seconds, epoch, t) : 0;
    ASN1_TIME_free(epoch);
    *out = (int64_t)days * 86400 + seconds;
    return rc == 1 ? 0 : -1;
}

/* Who is named by it must not be mistaken: no part of a name is taken, nor one of several. */
static int add_common_name(const X509 *x, char out[SK_COMMON_NAME], struct sk_err *err)
{
    const X509_NAME *name = X509_get_subject_name(x);
    unsigned char *text = NULL;
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return 0;
    int len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
    if (len < 0)
        return sk_crypto_fail(err, SK_INVALID, "certificate");
    if (len < SK_COMMON_NAME && !memchr(text, '\0', (size_t)len) &&
        sk_utf8_valid((const char *)text, (size_t)len)) {
        memcpy(out, text, (size_t)len);
        out[len] = '\0';
    }
    OPENSSL_free(text);
    return 0;
}

static int add_fingerprint(const X509 *x, const EVP_MD *kind, char *out, struct sk_err *err)
{
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (X509_digest(x, kind, digest, &size) != 1)
        return sk_crypto_fail(err, SK_INVALID, "certificate");
    sk_crypto_hex(digest, size, out);
    return 0;
}

static int describe(const X509 *x, struct sk_cert_info *out, struct sk_err *err)
{
    struct sk_cert_info info = { 0 };
    SK_OWN(BIO_free_all) BIO *bio = BIO_new(BIO_s_mem());
    if (!bio)
        return sk_nomem(err);
    if (add_fingerprint(x, EVP_sha256(), info.sha256, err) < 0 ||
        add_fingerprint(x, EVP_sha1(), info.sha1, err) < 0 ||
        add_common_name(x, info.common_name, err) < 0)
        return -1;
    if (seconds_of(X509_get0_notBefore(x), &info.not_before) < 0 ||
        seconds_of(X509_get0_notAfter(x), &info.not_after) < 0 ||
        X509_NAME_print_ex(bio, X509_get_subject_name(x), 0, XN_FLAG_RFC2253) < 0)
        return sk_crypto_fail(err, SK_INVALID, "certificate");
    char *text = NULL;
    long len = BIO_get_mem_data(bio, &text);
    if (len > (long)sizeof info.subject - 1)
        len = sizeof info.subject - 1;
    if (len > 0)
        memcpy(info.subject, text, (size_t)len);
    *out = info;
    return 0;
}

int sk_cert_info(const char *pem, size_t len, struct sk_cert_info *out, struct sk_err *err)
{
    SK_OWN(X509_free) X509 *x = NULL;
    if (parse_first(pem, len, &x, err) < 0)
        return -1;
    return describe(x, out, err);
}

int sk_cert_parse_der(const void *der, size_t len, X509 **out, struct sk_err *err)
{
    const unsigned char *p = der;
    if (len > SK_CERT_TEXT_BYTES)
        return sk_fail(err, SK_INVALID, "certificate: %zu bytes are too many", len);
    X509 *x = d2i_X509(NULL, &p, (long)len);
    if (!x)
        return sk_crypto_fail(err, SK_INVALID, "certificate");
    *out = x;
    return 0;
}

int sk_cert_info_der(const void *der, size_t len, struct sk_cert_info *out, struct sk_err *err)
{
    SK_OWN(X509_free) X509 *x = NULL;
    if (sk_cert_parse_der(der, len, &x, err) < 0)
        return -1;
    return describe(x, out, err);
}
