/* test_url.c - addresses that a registry names, and which of them get its secrets. */
#include "oci/oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [oci-34] */
static void resolving(void **state)
{
    static const struct {
        const char *base, *reference, *url; /* url NULL: refused */
    } rows[] = {
        { "https://h/v2/a/blobs/uploads/", "https://o/x?y", "https://o/x?y" },
        { "https://h:1/v2/a/blobs/uploads/", "/v2/x?s=1", "https://h:1/v2/x?s=1" },
        { "https://h/v2/a/b?q=/x#f", "c?d", "https://h/v2/a/c?d" },
        { "https://h/v2/a/b?q=1", "?q=2", "https://h/v2/a/b?q=2" },
        { "https://h", "c", "https://h/c" },
        { "https://h?x", "/c", "https://h/c" },
        { "https://h/a", "//o:2/c", "https://o:2/c" },
        { "https://h/a", "", NULL },
        { "nothing", "/c", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_OWN(free) char *url = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_oci_resolve(rows[i].base, rows[i].reference, &url, &err);
        if ((rc == 0) != (rows[i].url != NULL) || (url && strcmp(url, rows[i].url) != 0))
            fail_msg("row %zu: %s %s", i, url ? url : "(none)", err.text);
    }
}

static void long_references(void **state)
{
    SK_OWN(free) char *url = NULL;
    SK_OWN(free) char *longer = calloc(1, 20000);
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_non_null(longer);
    memset(longer, 'a', 19999);
    assert_int_equal(sk_oci_resolve("https://h/", longer, &url, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

/* [oci-33] */
static void origins(void **state)
{
    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        { "https://h/x", "https://h/y", true },
        { "https://H/x", "https://h", true },
        { "https://h:443/x", "https://h/x", true },
        { "http://h:80/x", "http://h", true },
        { "https://h:5000", "https://h:5000/?x", true },
        { "https://h", "http://h", false },
        { "https://h:80", "https://h", false },
        { "http://h:443", "http://h", false },
        { "https://h", "https://h.example", false },
        { "https://h", "https://h@evil", false },
        { "https://h", "https://h:443@evil/", false },
        { "https://h", "https://evil/https://h", false },
        { "https://h", "https://h\\@evil/", false },
        { "https://h", "https://evil?https://h/", false },
        { "https://h", "//h", false },
        { "", "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_oci_same_origin(rows[i].a, rows[i].b) != rows[i].is_same ||
            sk_oci_same_origin(rows[i].b, rows[i].a) != rows[i].is_same)
            fail_msg("%s %s", rows[i].a, rows[i].b);
}

/* [oci-31] */
static void loopback(void **state)
{
    static const struct {
        const char *host;
        bool is_loopback;
    } rows[] = {
        { "localhost", true },       { "localhost:5000", true },
        { "LOCALHOST", true },       { "127.0.0.1:5000", true },
        { "127.255.255.255", true }, { "[::1]:1", true },
        { "128.0.0.1", false },      { "127.0.0.1.example", false },
        { "127.example", false },    { "localhost.example", false },
        { "127.0.0.999", false },    { "127.1", false },
        { "[::2]", false },          { "h", false },
        { "10.127.0.0.1", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sk_oci_is_loopback(rows[i].host) != rows[i].is_loopback)
            fail_msg("%s", rows[i].host);
}

static void queries(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(1024);

    (void)state;
    sk_buf_str(&url, "https://h/x");
    sk_oci_add_query(&url, "a", "sha256:1 &/\xc3\xbc~");
    sk_oci_add_query(&url, "b", "2");
    assert_string_equal(url.data, "https://h/x?a=sha256%3A1%20%26%2F%C3%BC~&b=2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resolving), cmocka_unit_test(long_references), cmocka_unit_test(origins),
        cmocka_unit_test(loopback),  cmocka_unit_test(queries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
