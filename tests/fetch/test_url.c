/* test_url.c - addresses: joined, compared, shown, refused. */
#include "fetch/curl_priv.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void addresses(void **state)
{
    (void)state;

    static const struct {
        const char *base, *reference, *text, *origin, *shown;
    } rows[] = {
        { NULL, "https://hub.org/a/b?x=1#f", "https://hub.org/a/b?x=1", "https://hub.org:443/",
          "https://hub.org/a/b" },
        { NULL, "HTTP://Hub.ORG", "http://Hub.ORG/", "http://hub.org:80/", "http://Hub.ORG/" },
        { NULL, "https://hub.org:443/", "https://hub.org:443/", "https://hub.org:443/",
          "https://hub.org:443/" },
        { NULL, "http://[::1]:8080/x", "http://[::1]:8080/x", "http://[::1]:8080/",
          "http://[::1]:8080/x" },
        { "https://a.org/x/y?q", "z", "https://a.org/x/z", "https://a.org:443/",
          "https://a.org/x/z" },
        { "https://a.org/x/y", "/z%20w?s=2", "https://a.org/z%20w?s=2", "https://a.org:443/",
          "https://a.org/z%20w" },
        { "https://a.org/x/y", "../z", "https://a.org/z", "https://a.org:443/", "https://a.org/z" },
        { "https://a.org/x", "//b.org:8/z", "https://b.org:8/z", "https://b.org:8/",
          "https://b.org:8/z" },
        { "https://a.org/x", "http://b.org/z", "http://b.org/z", "http://b.org:80/",
          "http://b.org/z" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_url_done) struct sk_url u = { 0 };
        if (sk_url_parse(rows[i].base, rows[i].reference, &u, &err) < 0)
            fail_msg("'%s': %s", rows[i].reference, err.text);
        assert_string_equal(u.text, rows[i].text);
        assert_string_equal(u.origin, rows[i].origin);
        assert_string_equal(u.shown, rows[i].shown);
    }
}

static void refused(void **state)
{
    (void)state;

    static const struct {
        const char *base, *reference;
    } rows[] = {
        { NULL, "" },
        { NULL, "hub.org/x" },
        { NULL, "/x" },
        { NULL, "ftp://hub.org/x" },
        { NULL, "file:///etc/secret" },
        { NULL, "https://" },
        { NULL, "https://secret@hub.org/" },
        { NULL, "https://me:secret@hub.org/" },
        { NULL, "https://hub.org:99999/" },
        { NULL, "https://hub.org/a b" },
        { "https://a.org/", "https://me:secret@a.org/" },
        { "https://a.org/", "gopher://a.org/secret" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_url u = { 0 };
        if (sk_url_parse(rows[i].base, rows[i].reference, &u, &err) == 0)
            fail_msg("'%s' was taken as %s", rows[i].reference, u.text);
        assert_int_equal(err.code, SK_INVALID);
        assert_null(strstr(err.text, "secret"));
    }
}

static int parse_one(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_url_done) struct sk_url u = { 0 };
    (void)ctx;
    return sk_url_parse("https://a.org/b", "c?d", &u, err);
}

static void allocations(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("url", parse_one, NULL, 0) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(refused),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
