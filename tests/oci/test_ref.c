/* test_ref.c - references as Docker reads them. */
#include "oci/oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEX64  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define DIGEST "sha256:" HEX64

/* [oci-4] and following */
static void parts(void **state)
{
    static const struct {
        const char *text, *hub;
        const char *host, *repository, *tag, *digest;
    } rows[] = {
        { "alpine", NULL, "docker.io", "library/alpine", "latest", "" },
        { "alpine:3", NULL, "docker.io", "library/alpine", "3", "" },
        { "me/x", NULL, "docker.io", "me/x", "latest", "" },
        { "docker.io/x", NULL, "docker.io", "library/x", "latest", "" },
        { "index.docker.io/x", NULL, "docker.io", "library/x", "latest", "" },
        { "localhost/x", NULL, "localhost", "x", "latest", "" },
        { "localhost:5000", NULL, "docker.io", "library/localhost", "5000", "" },
        { "localhost:5000/x/y:v1", NULL, "localhost:5000", "x/y", "v1", "" },
        { "h.example/x@" DIGEST, NULL, "h.example", "x", "", DIGEST },
        { "x@sha512:" HEX64 HEX64, NULL, "docker.io", "library/x", "", "sha512:" HEX64 HEX64 },
        { "h:1/x:t@" DIGEST, NULL, "h:1", "x", "t", DIGEST },
        { "[::1]:5000/x", NULL, "[::1]:5000", "x", "latest", "" },
        { "x", "hub:8443", "hub:8443", "x", "latest", "" },
        { "a/b:c", "hub:8443", "hub:8443", "a/b", "c", "" },
        { "docker.io/x", "hub:8443", "docker.io", "library/x", "latest", "" },
        { "h.example/x", "hub:8443", "h.example", "x", "latest", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1024);
        struct sk_err err = SK_ERR_INIT;
        struct sk_oci_ref r, again;
        if (sk_oci_ref_parse(rows[i].text, rows[i].hub, &r, &err) < 0)
            fail_msg("'%s': %s", rows[i].text, err.text);
        assert_string_equal(r.host, rows[i].host);
        assert_string_equal(r.repository, rows[i].repository);
        assert_string_equal(r.tag, rows[i].tag);
        assert_string_equal(r.digest, rows[i].digest);
        sk_oci_ref_print(&r, &text);
        assert_true(sk_buf_ok(&text));
        if (strchr(rows[i].host, '.') || strchr(rows[i].host, ':')) {
            assert_int_equal(sk_oci_ref_parse(text.data, NULL, &again, &err), 0);
            assert_memory_equal(&r, &again, sizeof r);
        }
    }
}

static void refusals(void **state)
{
    static const struct {
        const char *text, *says;
    } rows[] = {
        { "", "is no name of a repository" },
        { ":tag", "is no name of a repository" },
        { "@" DIGEST, "is no name of a repository" },
        { "h.example/", "is no name of a repository" },
        { "h.example/X", "is no name of a repository" },
        { "h.example/a/../b", "is no name of a repository" },
        { "x:", "is no tag" },
        { "x:a/b", "is no host" },
        { "h.example/x:a:b", "is no tag" },
        { "x@sha256:12", "is no digest" },
        { "x@" DIGEST "@" DIGEST, "is no digest" },
        { "x@sha512:" HEX64, "is no digest" },
        { "x@sha512:" HEX64 HEX64 "0", "is no digest" },
        { "x@md5:0123456789abcdef0123456789abcdef", "is no digest" },
        { "h:0/x", "is no host" },
        { "h:/x", "is no host" },
        { "/x", "is no name of a repository" },
        { "https://h/x", "is an address" },
        { "docker://h/x", "is an address" },
        { "a b", "is no name of a repository" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_oci_ref r;
        if (sk_oci_ref_parse(rows[i].text, NULL, &r, &err) == 0 || err.code != SK_INVALID ||
            !strstr(err.text, rows[i].says))
            fail_msg("'%s': %s", rows[i].text, err.text);
    }
}

static void long_names(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_oci_ref r;
    char text[600];

    (void)state;
    (void)snprintf(text, sizeof text, "h:1/%0255d", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), 0);
    (void)snprintf(text, sizeof text, "h:1/%0256d", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), -1);
    (void)snprintf(text, sizeof text, "%0247d", 0); /* "library/" takes eight */
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), 0);
    assert_int_equal(strlen(r.repository), 255);
    (void)snprintf(text, sizeof text, "%0248d", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), -1);
    (void)snprintf(text, sizeof text, "h%0252d:1/x", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), 0);
    (void)snprintf(text, sizeof text, "h%0253d:1/x", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), -1);
    (void)snprintf(text, sizeof text, "h:1/x:%0128d", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), 0);
    (void)snprintf(text, sizeof text, "h:1/x:%0129d", 0);
    assert_int_equal(sk_oci_ref_parse(text, NULL, &r, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts),
        cmocka_unit_test(refusals),
        cmocka_unit_test(long_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
