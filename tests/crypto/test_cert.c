/* test_cert.c - certificates as OpenSSL's own checks see them, what they say, and what is refused.
 */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    DAY = 86400
};

static char folder[] = "/tmp/skerry-cert-XXXXXX";

static int shell(const char *command)
{
    char text[1024];
    (void)snprintf(text, sizeof text, "cd %s && (%s) >/dev/null 2>out", folder, command);
    return system(text);
}

static void save(const char *name, const struct sk_buf *b)
{
    struct sk_err err = SK_ERR_INIT;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    if (sk_file_write(path, b->data, b->len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

struct pair {
    struct sk_key *key;
    struct sk_buf pem;
};

static void pair_done(struct pair *p)
{
    sk_key_free(p->key);
    sk_buf_done(&p->pem);
}

static void make_ca(struct pair *ca)
{
    struct sk_err err = SK_ERR_INIT;
    int64_t now = time(NULL);
    ca->pem = (struct sk_buf)SK_BUF_INIT(8192);
    assert_int_equal(sk_key_make(&ca->key, &err), 0);
    const struct sk_cert_request r = {
        .common_name = "Skerry hub CA",
        .is_ca = true,
        .not_before = now - DAY,
        .not_after = now + 10 * DAY,
        .key = ca->key,
    };
    if (sk_cert_make(&r, &ca->pem, &err) < 0)
        fail_msg("%s", err.text);
}

static int make_leaf(const struct pair *ca, const char *const *names, int64_t from, int64_t to,
                     struct pair *leaf, struct sk_err *err)
{
    leaf->pem = (struct sk_buf)SK_BUF_INIT(8192);
    if (sk_key_make(&leaf->key, err) < 0)
        return -1;
    const struct sk_cert_request r = {
        .common_name = names ? names[0] : "device-1",
        .names = names,
        .not_before = from,
        .not_after = to,
        .key = leaf->key,
        .issuer_pem = ca->pem.data,
        .issuer_key = ca->key,
    };
    return sk_cert_make(&r, &leaf->pem, err);
}

static void openssl_accepts_the_chain(void **state)
{
    (void)state;
    static const char *const names[] = { "hub.example", "*.edge.example", "192.0.2.7",
                                         "2001:db8::1", NULL };
    struct sk_err err = SK_ERR_INIT;
    int64_t now = time(NULL);
    SK_AUTO(pair_done) struct pair ca = { 0 };
    SK_AUTO(pair_done) struct pair leaf = { 0 };
    SK_AUTO(pair_done) struct pair client = { 0 };
    make_ca(&ca);
    if (make_leaf(&ca, names, now - DAY, now + DAY, &leaf, &err) < 0 ||
        make_leaf(&ca, NULL, now - DAY, now + DAY, &client, &err) < 0)
        fail_msg("%s", err.text);
    save("ca.pem", &ca.pem);
    save("leaf.pem", &leaf.pem);
    save("client.pem", &client.pem);

    static const char *const good[] = {
        "openssl verify -x509_strict -CAfile ca.pem -purpose sslserver leaf.pem",
        "openssl verify -x509_strict -CAfile ca.pem -verify_hostname hub.example leaf.pem",
        "openssl verify -x509_strict -CAfile ca.pem -verify_hostname a.edge.example leaf.pem",
        "openssl verify -x509_strict -CAfile ca.pem -verify_ip 192.0.2.7 leaf.pem",
        "openssl verify -x509_strict -CAfile ca.pem -verify_ip 2001:db8::1 leaf.pem",
        "openssl verify -x509_strict -CAfile ca.pem -purpose sslclient client.pem",
        "openssl x509 -in leaf.pem -noout -ext basicConstraints | grep -q CA:FALSE",
        "openssl x509 -in ca.pem -noout -ext basicConstraints | grep -q pathlen:0",
        "openssl x509 -in ca.pem -noout -ext keyUsage | grep -q 'Certificate Sign, CRL Sign'",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (shell(good[i]) != 0)
            fail_msg("%s", good[i]);
    static const char *const bad[] = {
        "openssl verify -CAfile ca.pem -verify_hostname other.example leaf.pem",
        "openssl verify -CAfile ca.pem -verify_ip 192.0.2.8 leaf.pem",
        "openssl verify -CAfile ca.pem -purpose sslclient leaf.pem",
        "openssl verify -CAfile ca.pem -purpose sslserver client.pem",
        "openssl verify -CAfile leaf.pem client.pem",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (shell(bad[i]) == 0)
            fail_msg("passed: %s", bad[i]);
}

static void says_what_it_is(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info info, of_der;
    SK_AUTO(pair_done) struct pair ca = { 0 };
    SK_AUTO(pair_done) struct pair leaf = { 0 };
    static const char *const names[] = { "hub.example", NULL };
    make_ca(&ca);
    /* beyond 2049 and before 2000, where the form of dates changes */
    const int64_t from = 946684799, to = 2524608000 + 5;
    if (make_leaf(&ca, names, from, to, &leaf, &err) < 0 ||
        sk_cert_info(leaf.pem.data, leaf.pem.len, &info, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(info.subject, "CN=hub.example");
    assert_string_equal(info.common_name, "hub.example");
    assert_true(info.not_before == from && info.not_after == to);
    save("leaf.pem", &leaf.pem);

    char command[400];
    (void)snprintf(
        command, sizeof command,
        "openssl x509 -in leaf.pem -noout -fingerprint -sha256 | tr -d : | "
        "tr A-F a-f | grep -q %s && openssl x509 -in leaf.pem -outform DER -out leaf.der",
        info.sha256);
    assert_int_equal(shell(command), 0);
    (void)snprintf(command, sizeof command,
                   "openssl x509 -in leaf.pem -noout -fingerprint -sha1 | tr -d : | "
                   "tr A-F a-f | grep -q %s",
                   info.sha1);
    assert_int_equal(shell(command), 0);

    SK_OWN(free) char *der = NULL;
    size_t len;
    (void)snprintf(command, sizeof command, "%s/leaf.der", folder);
    assert_int_equal(sk_file_read(command, 8192, &der, &len, &err), 0);
    assert_int_equal(sk_cert_info_der(der, len, &of_der, &err), 0);
    assert_memory_equal(&info, &of_der, sizeof info);
    assert_int_equal(sk_cert_info_der(der, len / 2, &of_der, &err), -1);
    assert_int_equal(sk_cert_info("no certificate", 14, &of_der, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

/* PEM of a certificate, never signed, with these common names one after another. */
static size_t named(const char *const *names, const size_t *lens, int kind, char *out, size_t cap)
{
    X509 *x = X509_new();
    X509_NAME *name = X509_get_subject_name(x);
    BIO *bio = BIO_new(BIO_s_mem());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    (void)X509_gmtime_adj(X509_getm_notBefore(x), 0);
    (void)X509_gmtime_adj(X509_getm_notAfter(x), 60);
    (void)X509_set_pubkey(x, key);
    for (size_t i = 0; names[i]; i++) { /* by hand: OpenSSL would not make them all */
        X509_NAME_ENTRY *entry = X509_NAME_ENTRY_new();
        (void)X509_NAME_ENTRY_set_object(entry, OBJ_nid2obj(NID_commonName));
        ASN1_STRING *value = X509_NAME_ENTRY_get_data(entry);
        value->type = kind;
        (void)ASN1_STRING_set(value, names[i], (int)lens[i]);
        assert_int_equal(X509_NAME_add_entry(name, entry, -1, 0), 1);
        X509_NAME_ENTRY_free(entry);
    }
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    assert_int_equal(PEM_write_bio_X509(bio, x), 1);
    int len = BIO_read(bio, out, (int)cap);
    assert_true(len > 0 && (size_t)len < cap);
    EVP_PKEY_free(key);
    BIO_free(bio);
    X509_free(x);
    return (size_t)len;
}

static void common_names(void **state)
{
    (void)state;
    static char long128[129], long129[130];
    memset(long128, 'a', 128);
    memset(long129, 'a', 129);

    const struct {
        const char *names[3];
        size_t lens[2];
        int kind;
        const char *expected;
    } rows[] = {
        { { "device-1" }, { 8 }, V_ASN1_UTF8STRING, "device-1" },
        { { "device-1" }, { 8 }, V_ASN1_PRINTABLESTRING, "device-1" },
        { { "d\xc3\xbc" }, { 3 }, V_ASN1_UTF8STRING, "d\xc3\xbc" },
        { { "d\xfc" }, { 2 }, V_ASN1_T61STRING, "d\xc3\xbc" },
        { { "\0d\0e" }, { 4 }, V_ASN1_BMPSTRING, "de" },
        { { long128 }, { 128 }, V_ASN1_UTF8STRING, long128 },
        { { long129 }, { 129 }, V_ASN1_UTF8STRING, "" },
        { { "device\0x" }, { 8 }, V_ASN1_UTF8STRING, "" },
        { { "" }, { 0 }, V_ASN1_UTF8STRING, "" },
        { { NULL }, { 0 }, V_ASN1_UTF8STRING, "" },
        { { "device-1", "device-2" }, { 8, 8 }, V_ASN1_UTF8STRING, "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char pem[4096];
        struct sk_err err = SK_ERR_INIT;
        struct sk_cert_info info = { 0 };
        size_t len = named(rows[i].names, rows[i].lens, rows[i].kind, pem, sizeof pem);
        int rc = sk_cert_info(pem, len, &info, &err);
        if (rc < 0 || strcmp(info.common_name, rows[i].expected) != 0)
            fail_msg("row %zu: '%s' %s", i, info.common_name, err.text);
    }
}

static void two_differ(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_cert_info a, b;
    SK_AUTO(pair_done) struct pair one = { 0 };
    SK_AUTO(pair_done) struct pair two = { 0 };
    make_ca(&one);
    make_ca(&two);
    assert_int_equal(sk_cert_info(one.pem.data, one.pem.len, &a, &err), 0);
    assert_int_equal(sk_cert_info(two.pem.data, two.pem.len, &b, &err), 0);
    assert_string_not_equal(a.sha256, b.sha256);
}

static void refused_names(void **state)
{
    (void)state;
    static char label63[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b";
    static char label64[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.b";
    static char name253[254], name254[255];
    for (size_t i = 0; i < 254; i++)
        name254[i] = i % 50 == 49 ? '.' : 'a';
    memcpy(name253, name254, 253);

    const struct {
        const char *name;
        bool is_good;
    } rows[] = {
        { "localhost", true },   { label63, true },
        { name253, true },       { "a_b.c-d.example", true },
        { "127.0.0.1", true },   { "::1", true },
        { "*.example", true },   { label64, false },
        { name254, false },      { "", false },
        { ".", false },          { "a..b", false },
        { "-a.example", false }, { "a-.example", false },
        { "a.example-", false }, { "a.b.", false },
        { "a b", false },        { "a.*.b", false },
        { "*", false },          { "*.", false },
        { "a\nb", false },       { "h,DNS:evil", false },
        { "1.2.3.4/8", false },  { "h\xc3\xbc.example", false },
    };

    SK_AUTO(pair_done) struct pair ca = { 0 };
    make_ca(&ca);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(pair_done) struct pair leaf = { 0 };
        const char *const names[] = { "first.example", rows[i].name, NULL };
        int rc = make_leaf(&ca, names, 0, DAY, &leaf, &err);
        if ((rc == 0) != rows[i].is_good)
            fail_msg("name '%s': %d %s", rows[i].name, rc, err.text);
        if (rc < 0)
            assert_int_equal(err.code, SK_INVALID);
    }
}

static void refused_requests(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(pair_done) struct pair ca = { 0 };
    SK_AUTO(pair_done) struct pair other = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(8192);
    SK_AUTO(sk_buf_done) struct sk_buf open = SK_BUF_INIT(8192);
    SK_OWN(sk_key_free) struct sk_key *public = NULL;
    make_ca(&ca);
    make_ca(&other);
    assert_int_equal(sk_key_public_pem(ca.key, &open, &err), 0);
    assert_int_equal(sk_key_parse(open.data, open.len, &public, &err), 0);

    const struct {
        const char *what;
        struct sk_cert_request r;
    } rows[] = {
        { "ends before it begins",
          { .common_name = "x", .not_before = 10, .not_after = 10, .key = ca.key } },
        { "no common name", { .common_name = "", .not_after = 10, .key = ca.key } },
        { "signed with a public key", { .common_name = "x", .not_after = 10, .key = public } },
        { "another CA's key",
          { .common_name = "x",
            .not_after = 10,
            .key = ca.key,
            .issuer_pem = ca.pem.data,
            .issuer_key = other.key } },
        { "no issuer's key",
          { .common_name = "x", .not_after = 10, .key = ca.key, .issuer_pem = ca.pem.data } },
        { "an issuer that is no certificate",
          { .common_name = "x",
            .not_after = 10,
            .key = ca.key,
            .issuer_pem = "text",
            .issuer_key = ca.key } },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err why = SK_ERR_INIT;
        if (sk_cert_make(&rows[i].r, &pem, &why) != -1 || why.code != SK_INVALID)
            fail_msg("%s: %s", rows[i].what, why.text);
        assert_int_equal(pem.len, 0);
    }
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    return sk_remove_tree(folder, &err);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(openssl_accepts_the_chain),
        cmocka_unit_test(says_what_it_is),
        cmocka_unit_test(common_names),
        cmocka_unit_test(two_differ),
        cmocka_unit_test(refused_names),
        cmocka_unit_test(refused_requests),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
