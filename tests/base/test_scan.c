/* test_scan.c - words, names, texts in quotes; where an error is, and the piece that is shown. */
#include "base/scan.h"

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
    assert_int_equal(sk_scan_begin(&s, "x", (struct sk_view){ "a\0b", 3 }, 3, NULL, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_scan_begin(&s, "x", (struct sk_view){ NULL, 0 }, 0, NULL, &err), 0);
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

static void test_limit(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_scan s;

    (void)state;
    assert_int_equal(sk_scan_begin(&s, "x", SK_VIEW("abc"), 3, NULL, &err), 0);
    assert_int_equal(sk_scan_begin(&s, "x", SK_VIEW("abcd"), 3, NULL, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_string_equal(err.text, "x: 4 bytes, at most 3");
}

static void test_names(void **state)
{
    struct sk_scan usual = { .text = SK_VIEW("a_1\xc3\xa4$b"), .what = "x" };
    struct sk_scan more = { .text = usual.text, .what = "x", .also = '$' };

    (void)state;
    assert_int_equal(sk_scan_name(&usual).len, 5);
    assert_int_equal(sk_scan_peek(&usual, 0), '$');
    assert_int_equal(sk_scan_name(&more).len, 7);
    assert_int_equal(sk_scan_peek(&more, 0), 0);
    assert_false(sk_scan_is_name(&usual, 0)); /* the end is no letter */
}

static void test_quoted(void **state)
{
    static const struct {
        const char *text, *out; /* NULL: never closed */
        size_t rest;
    } texts[] = {
        { "'' x", "", 2 },        { "'a b'", "a b", 0 },    { "\"it's\".", "it's", 1 },
        { "'it''s'", "it's", 0 }, { "''''", "'", 0 },       { "'a", NULL, 0 },
        { "'a''", NULL, 0 },      { "`a.``b`", "a.`b", 0 },
    };

    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sk_scan s = { .text = sk_view_of(texts[i].text), .what = "x", .arena = &arena };
        struct sk_err err = SK_ERR_INIT;
        struct sk_view out;
        int rc = sk_scan_quoted(&s, &out, &err);

        if (!texts[i].out
                ? rc == 0 || !strstr(err.text, "is never closed, at 1")
                : rc < 0 || !sk_view_eq(out, texts[i].out) || s.text.len - s.pos != texts[i].rest)
            fail_msg("%s: %d %s", texts[i].text, rc, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_errors), cmocka_unit_test(test_begin), cmocka_unit_test(test_words),
        cmocka_unit_test(test_limit),  cmocka_unit_test(test_names), cmocka_unit_test(test_quoted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
