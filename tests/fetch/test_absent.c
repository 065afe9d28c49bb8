/* test_absent.c - a build without libcurl's headers says so. */
#include "fetch/fetch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void says_what_to_install(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_fetch *f = NULL;

    assert_int_equal(sk_fetch_new(NULL, &f, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "libcurl4-openssl-dev"));
    assert_null(sk_fetch_version());
    sk_fetch_free(f);
}

static void does_nothing(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_fetch_request r = { .url = "https://example.org/" };
    struct sk_fetch_answer a;
    char value[8];

    assert_int_equal(sk_fetch_do(NULL, &r, &a, &err), -1);
    assert_int_equal(err.code, SK_UNSUPPORTED);
    assert_null(sk_fetch_header(&a, "etag", value, sizeof value));
    sk_fetch_answer_done(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_to_install),
        cmocka_unit_test(does_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
