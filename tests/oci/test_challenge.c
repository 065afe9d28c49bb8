/* test_challenge.c - WWW-Authenticate in all its forms. */
#include "oci/oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define W "www-authenticate: "

/* [oci-40] */
static void forms(void **state)
{
    static const struct {
        const char *headers;
        enum sk_oci_scheme scheme;
        const char *realm, *service, *scope;
    } rows[] = {
        { W "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull,push\"\n",
          SK_OCI_BEARER, "https://a/t", "s", "repository:x:pull,push" },
        { W "bearer  realm = \"https://a/t\" , error=\"invalid_token\"\n", SK_OCI_BEARER,
          "https://a/t", "", "" },
        { W "Basic realm=\"x\"\n", SK_OCI_BASIC, "x", "", "" },
        { W "Basic\n", SK_OCI_BASIC, "", "", "" },
        { W "BASIC realm=token\n", SK_OCI_BASIC, "token", "", "" },
        { "a: b\n" W "Negotiate\nx: y\n" W "Basic realm=\"x\"\n", SK_OCI_BASIC, "x", "", "" },
        { W "Basic realm=\"b\", Bearer realm=\"https://a\"\n", SK_OCI_BEARER, "https://a", "", "" },
        { W "Bearer realm=\"https://a\", Basic realm=\"b\"\n", SK_OCI_BEARER, "https://a", "", "" },
        { W "Negotiate abc==, Basic realm=\"x\"\n", SK_OCI_BASIC, "x", "", "" },
        { W "Basic realm=\"a \\\"quoted\\\" b\"\n", SK_OCI_BASIC, "a \"quoted\" b", "", "" },
        { W "Bearer service=\"s\"\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W "Bearer realm=\"\"\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W "Bearer realm=\"https://a\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W "Bearer realm=\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W "Digest realm=\"x\"\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W ",,, ,\n", SK_OCI_NO_SCHEME, "", "", "" },
        { W "\n", SK_OCI_NO_SCHEME, "", "", "" },
        { "x-www-authenticate: Basic\n", SK_OCI_NO_SCHEME, "", "", "" },
        { "", SK_OCI_NO_SCHEME, "", "", "" },
        { NULL, SK_OCI_NO_SCHEME, "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_oci_challenge c;
        sk_oci_challenge_read(rows[i].headers, &c);
        if (c.scheme != rows[i].scheme || strcmp(c.realm, rows[i].realm) != 0 ||
            strcmp(c.service, rows[i].service) != 0 || strcmp(c.scope, rows[i].scope) != 0)
            fail_msg("row %zu: %d '%s' '%s' '%s'", i, c.scheme, c.realm, c.service, c.scope);
    }
}

static enum sk_oci_scheme scheme_of(const char *name, unsigned value_len)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8192);
    struct sk_oci_challenge c;

    sk_buf_str(&text, W "Bearer realm=\"https://a\"");
    sk_buf_fmt(&text, ",%s=\"%0*d\"\n", name, (int)value_len, 0);
    sk_oci_challenge_read(text.data, &c);
    return c.scheme;
}

/* What is too long is no challenge: half a scope would be another one. */
static void limits(void **state)
{
    (void)state;
    assert_int_equal(scheme_of("service", 255), SK_OCI_BEARER);
    assert_int_equal(scheme_of("service", 256), SK_OCI_NO_SCHEME);
    assert_int_equal(scheme_of("scope", 1023), SK_OCI_BEARER);
    assert_int_equal(scheme_of("scope", 1024), SK_OCI_NO_SCHEME);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms),
        cmocka_unit_test(limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
