/* test_platform.c - names of platforms, and which fit. */
#include "oci/oci_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void names(void **state)
{
    static const char *const good[] = { "linux/amd64", "linux/arm/v7", "windows/amd64" };
    static const char *const bad[] = { "",        "linux",
                                       "linux/",  "/amd64",
                                       "a/b/c/d", "linux//v7",
                                       "a/b/",    "linux/01234567890123456789012345678901" };
    struct sk_err err = SK_ERR_INIT;
    struct sk_oci_platform p;
    char text[100];

    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(sk_oci_platform_parse(good[i], &p, &err), 0);
        sk_oci_platform_print(&p, text);
        assert_string_equal(text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (sk_oci_platform_parse(bad[i], &p, &err) == 0 || err.code != SK_INVALID)
            fail_msg("'%s'", bad[i]);
    assert_int_equal(sk_oci_platform_parse("linux/0123456789012345678901234567890", &p, &err), 0);
}

/* [oci-62] */
static void fitting(void **state)
{
    static const struct {
        const char *wish, *os, *architecture, *variant;
        bool fits;
    } rows[] = {
        { "linux/amd64", "linux", "amd64", "", true },
        { "linux/amd64", "linux", "amd64", "v2", true },
        { "linux/arm64", "linux", "arm64", "v8", true },
        { "linux/arm64/v8", "linux", "arm64", "", true },
        { "linux/arm/v7", "linux", "arm", "v7", true },
        { "linux/arm/v7", "linux", "arm", "v6", false },
        { "linux/arm/v7", "linux", "arm", "", false },
        { "linux/amd64", "windows", "amd64", "", false },
        { "linux/amd64", "linux", "arm64", "", false },
        { "linux/amd64", "", "", "", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_oci_platform p;
        assert_int_equal(sk_oci_platform_parse(rows[i].wish, &p, &err), 0);
        if (sk_oci_platform_fits(&p, rows[i].os, rows[i].architecture, rows[i].variant) !=
            rows[i].fits)
            fail_msg("row %zu", i);
    }
}

static void own(void **state)
{
    struct sk_oci_platform p;

    (void)state;
    sk_oci_platform_own(&p);
    assert_string_equal(p.os, "linux");
#if defined(__x86_64__)
    assert_string_equal(p.architecture, "amd64");
#elif defined(__aarch64__)
    assert_string_equal(p.architecture, "arm64");
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(fitting),
        cmocka_unit_test(own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
