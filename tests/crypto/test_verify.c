/* test_verify.c - which client certificates a CA vouches for: ours, and those that openssl makes of
 * forms that we do not. */
#include "crypto/crypto.h"

#include "base/cleanup.h"
#include "base/file.h"

#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum {
    DAY = 86400,
    TEXT_BYTES = 1 << 20
};

static char folder[] = "/tmp/skerry-verify-XXXXXX";
static int64_t now_s;

/* root -> mid -> low -> 3 -> 4 -> leaves; "other" is a CA of the same name as root. */
static const char script[] =
    "set -e\n"
    "ca='basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign'\n"
    "leaf='basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature'\n"
    "key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out $1.key; }\n"
    /* NAME ISSUER EXTENSIONS [SUBJECT] [MORE] */
    "make() { test -f $1.key || key $1\n"
    "  printf \"$3\" > ext\n"
    "  openssl req -new -key $1.key -subj /CN=${4:-$1} -out req\n"
    "  if [ $1 = $2 ]; then openssl x509 -req -in req -signkey $1.key -days 30 -extfile ext "
    "-out $1.pem $5\n"
    "  else openssl x509 -req -in req -CA $2.pem -CAkey $2.key -set_serial 7 -days 30 "
    "-extfile ext -out $1.pem $5; fi\n"
    "  openssl x509 -in $1.pem -outform DER -out $1.der; }\n"
    "make root root \"$ca\"\n"
    "make other other \"$ca\" root\n"
    "make mid root \"$ca\"\n"
    "make low mid \"$ca\"\n"
    "make ca3 low \"$ca\"\n"
    "make ca4 ca3 \"$ca\"\n"
    "make server-ca root \"$ca\nextendedKeyUsage=serverAuth\"\n"
    "make short-ca root \"basicConstraints=critical,CA:TRUE,pathlen:0\nkeyUsage=keyCertSign\"\n"
    "make under-short short-ca \"$ca\"\n"
    "make no-ca root \"$leaf\"\n"
    "make plain root \"$leaf\"\n"
    "make client root \"$leaf\nextendedKeyUsage=clientAuth\"\n"
    "make both root \"$leaf\nextendedKeyUsage=serverAuth,clientAuth\"\n"
    "make server root \"$leaf\nextendedKeyUsage=serverAuth\"\n"
    "make signer root 'basicConstraints=CA:FALSE\nkeyUsage=critical,keyCertSign'\n"
    "make sha1 root \"$leaf\" sha1 -sha1\n"
    "openssl genrsa -out weak.key 1024\n"
    "openssl genrsa -out rsa.key 2048\n"
    "make weak root \"$leaf\"\n"
    "make rsa root \"$leaf\"\n"
    "make of-mid mid \"$leaf\"\n"
    "make of-low low \"$leaf\"\n"
    "make of-4 ca4 \"$leaf\"\n"
    "make of-no-ca no-ca \"$leaf\"\n"
    "make of-server-ca server-ca \"$leaf\"\n"
    "make of-short short-ca \"$leaf\"\n"
    "make of-under-short under-short \"$leaf\"\n"
    "make alone alone \"$leaf\"\n"
    "make critical root \"$leaf\n1.2.3.4=critical,ASN1:NULL\"\n"
    "cat root.pem mid.pem low.pem > chain.pem\n"
    "cat root.pem mid.pem low.pem ca3.pem ca4.pem > long.pem\n"
    "cat ca4.pem ca3.pem > upper.pem\n"
    "cat other.pem root.pem > two.pem\n"
    "cat root.pem short-ca.pem under-short.pem > short.pem\n"
    "cat root.pem server-ca.pem > server-cas.pem\n"
    "cat root.key root.pem > with-key.pem\n"
    "printf 'hello' > text.pem\n"
    "cat root.pem plain.pem > with-leaf.pem\n"
    "(cat root.pem; head -3 mid.pem) > cut.pem\n"
    "for i in $(seq 100); do cat root.pem; done > full.pem\n"
    "cat full.pem mid.pem > many.pem\n"
    "openssl x509 -in plain.pem -trustout -out trusted.pem\n";

static size_t read_file(const char *name, const char *ending, char **out)
{
    char path[300];
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    (void)snprintf(path, sizeof path, "%s/%s.%s", folder, name, ending);
    if (sk_file_read(path, TEXT_BYTES, out, &len, &err) < 0)
        fail_msg("%s", err.text);
    return len;
}

static int verify(const char *client, const char *cas, int64_t when_s, struct sk_err *err)
{
    SK_OWN(free) char *der = NULL;
    SK_OWN(free) char *pem = NULL;
    size_t len = read_file(client, "der", &der), ca_len = read_file(cas, "pem", &pem);
    return sk_cert_verify(der, len, pem, ca_len, when_s, err);
}

static void verdicts(void **state)
{
    (void)state;

    static const struct {
        const char *client, *cas;
        int days; /* from now */
        enum sk_code code;
        const char *text;
    } rows[] = {
        { "plain", "root", 0, SK_OK, "" },
        { "client", "root", 0, SK_OK, "" },
        { "both", "root", 0, SK_OK, "" },
        { "rsa", "root", 0, SK_OK, "" },
        { "plain", "two", 0, SK_OK, "" }, /* of two CAs of one name the right one is found */
        { "plain", "with-key", 0, SK_OK, "" },
        { "plain", "full", 0, SK_OK, "" },
        { "of-mid", "chain", 0, SK_OK, "" },
        { "of-low", "chain", 0, SK_OK, "" },
        { "of-mid", "mid", 0, SK_OK, "" }, /* trusted without its root */
        { "of-4", "long", 0, SK_OK, "" },
        { "of-4", "upper", 0, SK_OK, "" },
        { "of-short", "short", 0, SK_OK, "" },
        { "of-under-short", "short", 0, SK_OK, "" }, /* in the list, so trusted as it stands */

        { "plain", "other", 0, SK_DENIED, "" },
        { "plain", "mid", 0, SK_DENIED, "unable to get local issuer" },
        { "of-mid", "root", 0, SK_DENIED, "unable to get local issuer" },
        { "of-4", "chain", 0, SK_DENIED, "unable to get local issuer" },
        { "alone", "root", 0, SK_DENIED, "self-signed" },
        { "server", "root", 0, SK_DENIED, "purpose" },
        { "signer", "root", 0, SK_DENIED, "purpose" },
        { "of-server-ca", "server-cas", 0, SK_DENIED, "" },
        { "of-no-ca", "root", 0, SK_DENIED, "unable to get local issuer" },
        { "critical", "root", 0, SK_DENIED, "critical extension" },
        { "weak", "root", 0, SK_DENIED, "too weak" },
        { "sha1", "root", 0, SK_DENIED, "too weak" },
        { "plain", "root", 31, SK_DENIED, "expired" },
        { "plain", "root", -2, SK_DENIED, "not yet valid" },

        { "plain", "text", 0, SK_INVALID, "CA certificate" },
        { "plain", "cut", 0, SK_INVALID, "CA certificate" },
        { "plain", "with-leaf", 0, SK_INVALID, "CA certificate 2 is not a CA's" },
        { "of-no-ca", "no-ca", 0, SK_INVALID, "CA certificate 1 is not a CA's" },
        { "plain", "many", 0, SK_INVALID, "more than 100" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = verify(rows[i].client, rows[i].cas, now_s + rows[i].days * DAY, &err);
        if (rc != (rows[i].code == SK_OK ? 0 : -1) || err.code != rows[i].code ||
            !strstr(err.text, rows[i].text))
            fail_msg("%s by %s: %d %s '%s'", rows[i].client, rows[i].cas, rc,
                     sk_code_name(err.code), err.text);
    }
}

static void bad_der(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *der = NULL;
    SK_OWN(free) char *pem = NULL;
    size_t len = read_file("plain", "der", &der), ca_len = read_file("root", "pem", &pem);
    for (size_t n = 0; n < len; n++)
        if (sk_cert_verify(der, n, pem, ca_len, now_s, &err) != -1 || err.code != SK_INVALID)
            fail_msg("%zu bytes: %s", n, err.text);
    for (size_t at = 0; at < len; at++) { /* one bit: never whole again */
        der[at] = (char)(der[at] ^ 1);
        if (sk_cert_verify(der, len, pem, ca_len, now_s, &err) != -1)
            fail_msg("byte %zu changed and nobody saw it", at);
        der[at] = (char)(der[at] ^ 1);
    }
    assert_int_equal(sk_cert_verify(der, len, pem, ca_len, now_s, &err), 0);
    assert_int_equal(sk_cert_verify(der, len, pem, 0, now_s, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
}

/* What sk_cert_make makes. */
static void of_our_own(void **state)
{
    (void)state;
    static const char *const names[] = { "device-1.example", NULL };
    SK_AUTO(sk_buf_done) struct sk_buf ca = SK_BUF_INIT(8192);
    SK_OWN(sk_key_free) struct sk_key *key = NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_cert_request r = { .common_name = "devices",
                                       .is_ca = true,
                                       .not_before = now_s - DAY,
                                       .not_after = now_s + DAY,
                                       .key = (assert_int_equal(sk_key_make(&key, &err), 0), key) };
    assert_int_equal(sk_cert_make(&r, &ca, &err), 0);
    for (int is_server = 0; is_server < 2; is_server++) {
        SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(8192);
        const struct sk_cert_request leaf = { .common_name = "device-1",
                                              .names = is_server ? names : NULL,
                                              .not_before = now_s - DAY,
                                              .not_after = now_s + DAY,
                                              .key = key,
                                              .issuer_pem = ca.data,
                                              .issuer_key = key };
        assert_int_equal(sk_cert_make(&leaf, &pem, &err), 0);
        BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
        X509 *x = PEM_read_bio_X509(bio, NULL, NULL, NULL);
        unsigned char *der = NULL;
        int len = i2d_X509(x, &der);
        assert_int_equal(sk_cert_verify(der, (size_t)len, ca.data, ca.len, now_s, &err),
                         is_server ? -1 : 0);
        OPENSSL_free(der);
        X509_free(x);
        BIO_free(bio);
    }
}

static int make_folder(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    char path[300], command[400];
    if (!mkdtemp(folder))
        return -1;
    (void)snprintf(path, sizeof path, "%s/script", folder);
    if (sk_file_write(path, script, sizeof script - 1, 0600, &err) < 0)
        return -1;
    (void)snprintf(command, sizeof command, "cd %s && sh script >out 2>&1 || { cat out; exit 1; }",
                   folder);
    int rc = system(command);
    now_s = time(NULL); /* the certificates are valid from the second in which they were made */
    return rc == 0 ? 0 : -1;
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
        cmocka_unit_test(verdicts),
        cmocka_unit_test(bad_der),
        cmocka_unit_test(of_our_own),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
