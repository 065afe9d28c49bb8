/* test_scan.c - where an error is: the position, and the piece that is shown. */
#include "query/query_priv.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const struct {
    const char *text;
    size_t at;
    const char *error;
} rows[] = {
    { "name = ", 7, "filter: why, at 8: name = >>>" },
    { "", 0, "filter: why, at 1: >>>" },
    { "= x", 0, "filter: why, at 1: >>>= x" },
    { "a\tb\nc", 2, "filter: why, at 3: a >>>b c" },
    /* characters are counted, not bytes */
    { "\xc3\xa4\xc3\xb6 = x", 7, "filter: why, at 6: \xc3\xa4\xc3\xb6 = >>>x" },
    /* of a long one what is near */
    { "0123456789012345678901234567890123456789012345678901234567890123456789"
      "0123456789012345678901234567890123456789",
      60,
      "filter: why, at 61: ...0123456789012345678901234567890123456789>>>"
      "012345678901234567890123456789..." },
    /* no character is cut */
    { "0123456789\xe2\x82\xac"
      "345678901234567890123456789012345678901234567890123456789\xe2\x82\xac"
      "a",
      52,
      "filter: why, at 51: ...\xe2\x82\xac"
      "345678901234567890123456789012345678901>>>"
      "234567890123456789\xe2\x82\xac"
      "a" },
};

static void test_errors(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_scan s = { .text = sk_view_of(rows[i].text), .what = "filter" };
        struct sk_err err = SK_ERR_INIT;

        assert_int_equal(sk_scan_fail(&s, rows[i].at, &err, "%s", "why"), -1);
        assert_int_equal(err.code, SK_INVALID);
        if (strcmp(err.text, rows[i].error) != 0)
            fail_msg("row %zu:\n%s\ninstead of\n%s", i, err.text, rows[i].error);
    }
}

static void test_begin(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_scan s;

    (void)state;
    assert_int_equal(sk_scan_begin(&s, "x", (struct sk_view){ "a\0b", 3 }, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_scan_begin(&s, "x", (struct sk_view){ NULL, 0 }, NULL, &err), 0);
    assert_true(sk_scan_at_end(&s));
}

static void test_words(void **state)
{
    struct sk_scan s = { .text = SK_VIEW("  And anDs IN(1"), .what = "x" };

    (void)state;
    assert_false(sk_scan_word(&s, "an"));
    assert_true(sk_scan_word(&s, "AND"));
    assert_false(sk_scan_word(&s, "AND"));
    assert_true(sk_scan_word(&s, "ands"));
    assert_true(sk_scan_word(&s, "IN"));
    assert_true(sk_scan_sign(&s, "("));
    assert_false(sk_scan_sign(&s, "12"));
    assert_false(sk_scan_word(&s, "12"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_begin),
        cmocka_unit_test(test_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
