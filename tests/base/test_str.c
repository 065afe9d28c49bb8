/* test_str.c - views, strict numbers, UTF-8, distances. */
#include "base/str.h"

#include "base/cleanup.h"
#include "test_util.h"

static void test_views(void **state)
{
    (void)state;
    assert_true(sk_view_eq(SK_VIEW("abc"), "abc"));
    assert_false(sk_view_eq(SK_VIEW("abc"), "ab"));
    assert_true(sk_view_eq(sk_view_of(NULL), ""));
    assert_true(sk_view_eq_nocase(SK_VIEW("Content-Type"), "content-TYPE"));
    assert_false(sk_view_eq_nocase(SK_VIEW("[a"), "{a")); /* only letters fold */
    assert_true(sk_view_eq(sk_view_trim(SK_VIEW(" \t a b\t ")), "a b"));
    assert_true(sk_view_eq(sk_view_trim(SK_VIEW(" \t ")), ""));
    assert_true(sk_starts_with("model inspect", "model"));
    assert_false(sk_starts_with("mod", "model"));
    assert_true(sk_ends_with("a.onnx", ".onnx"));
    assert_false(sk_ends_with("onnx", ".onnx"));
}

enum kind {
    U64,
    SIZE,
    MS
};

static const struct {
    const char *text;
    enum kind kind;
    uint64_t min, max;
    bool ok;
    uint64_t value;
} numbers[] = {
    { "0", U64, 0, 10, true, 0 },
    { "10", U64, 0, 10, true, 10 },
    { "11", U64, 0, 10, false, 0 },
    { "4", U64, 5, 10, false, 0 },
    { "18446744073709551615", U64, 0, UINT64_MAX, true, UINT64_MAX },
    { "18446744073709551616", U64, 0, UINT64_MAX, false, 0 },
    { "99999999999999999999999", U64, 0, UINT64_MAX, false, 0 },
    { "", U64, 0, 10, false, 0 },
    { "-1", U64, 0, 10, false, 0 },
    { "+1", U64, 0, 10, false, 0 },
    { " 1", U64, 0, 10, false, 0 },
    { "1 ", U64, 0, 10, false, 0 },
    { "0x1", U64, 0, 10, false, 0 },
    { "1.0", U64, 0, 10, false, 0 },
    { "007", U64, 0, 10, true, 7 },
    { "4096", SIZE, 0, UINT64_MAX, true, 4096 },
    { "64K", SIZE, 0, UINT64_MAX, true, 65536 },
    { "64k", SIZE, 0, UINT64_MAX, true, 65536 },
    { "10MiB", SIZE, 0, UINT64_MAX, true, 10u << 20 },
    { "2G", SIZE, 0, UINT64_MAX, true, 2ull << 30 },
    { "1B", SIZE, 0, UINT64_MAX, true, 1 },
    { "1T", SIZE, 0, UINT64_MAX, false, 0 },
    { "K", SIZE, 0, UINT64_MAX, false, 0 },
    { "99999999999999G", SIZE, 0, UINT64_MAX, false, 0 },
    { "2K", SIZE, 0, 2047, false, 0 },
    { "250ms", MS, 0, UINT64_MAX, true, 250 },
    { "30", MS, 0, UINT64_MAX, true, 30000 },
    { "30s", MS, 0, UINT64_MAX, true, 30000 },
    { "5m", MS, 0, UINT64_MAX, true, 300000 },
    { "2h", MS, 0, UINT64_MAX, true, 7200000 },
    { "1d", MS, 0, UINT64_MAX, false, 0 },
    { "1s", MS, 2000, UINT64_MAX, false, 0 },
};

static void test_numbers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct sk_err err = SK_ERR_INIT;
        uint64_t value = 77;
        int (*parse)(const char *, const char *, uint64_t, uint64_t, uint64_t *,
                     struct sk_err *) = numbers[i].kind == U64    ? sk_parse_u64
                                        : numbers[i].kind == SIZE ? sk_parse_size
                                                                  : sk_parse_ms;
        int rc = parse("--x", numbers[i].text, numbers[i].min, numbers[i].max, &value, &err);

        if ((rc == 0) != numbers[i].ok)
            fail_msg("'%s': returned %d", numbers[i].text, rc);
        if (value != (numbers[i].ok ? numbers[i].value : 77))
            fail_msg("'%s': value %llu", numbers[i].text, (unsigned long long)value);
        if (rc < 0 && (!sk_starts_with(err.text, "--x: '") || err.code != SK_INVALID))
            fail_msg("'%s': error %s", numbers[i].text, err.text);
    }
}

static const struct {
    const char *text;
    bool ok;
    double value;
} reals[] = {
    { "0", true, 0 },      { "-1.5", true, -1.5 }, { "2e1", true, 20 }, { ".5", true, 0.5 },
    { "", false, 0 },      { "nan", false, 0 },    { "inf", false, 0 }, { "0x10", false, 0 },
    { "1e999", false, 0 }, { "1.5x", false, 0 },   { "101", false, 0 }, { "-101", false, 0 },
    { "--1", false, 0 },   { " 1", false, 0 },
};

static void test_reals(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(reals); i++) {
        struct sk_err err = SK_ERR_INIT;
        double value = 77;
        int rc = sk_parse_f64("rate", reals[i].text, -100, 100, &value, &err);

        if ((rc == 0) != reals[i].ok || value != (reals[i].ok ? reals[i].value : 77))
            fail_msg("'%s': returned %d, value %g, %s", reals[i].text, rc, value, err.text);
    }
}

static const struct {
    const char *name, *bytes;
    bool valid;
} utf8[] = {
    { "empty", "", true },
    { "ascii", "abc", true },
    { "two to four bytes",
      "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", true },
    { "around the surrogates", "\xed\x9f\xbf\xee\x80\x80", true },
    { "first surrogate", "\xed\xa0\x80", false },
    { "last surrogate", "\xed\xbf\xbf", false },
    { "overlong two", "\xc1\xbf", false },
    { "overlong three", "\xe0\x9f\xbf", false },
    { "overlong four", "\xf0\x8f\xbf\xbf", false },
    { "beyond U+10FFFF", "\xf4\x90\x80\x80", false },
    { "five bytes", "\xf8\x88\x80\x80\x80", false },
    { "lone continuation", "\x80", false },
    { "cut off", "\xe2\x82", false },
    { "wrong third byte", "\xe2\x82\x41", false },
};

static void test_utf8(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(utf8); i++)
        if (sk_utf8_valid(utf8[i].bytes, strlen(utf8[i].bytes)) != utf8[i].valid)
            fail_msg("%s", utf8[i].name);
    assert_true(sk_utf8_valid("a\0b", 3));
}

static void test_hex(void **state)
{
    static const char digits[] = "0123456789abcdef", large[] = "0123456789ABCDEF";
    static const char others[] = "/:@G`g \xff";

    (void)state;
    for (int i = 0; i < 16; i++) {
        assert_int_equal(sk_hex_digit(digits[i]), i);
        assert_int_equal(sk_hex_digit(large[i]), i);
    }
    for (size_t i = 0; i < sizeof others; i++) /* NUL too */
        assert_int_equal(sk_hex_digit(others[i]), -1);
}

static void test_secret(void **state)
{
    (void)state;
    assert_true(sk_equal_secret("", 0, "", 0));
    assert_true(sk_equal_secret("key", 3, "key", 3));
    assert_false(sk_equal_secret("key", 3, "keY", 3));
    assert_false(sk_equal_secret("keykey", 6, "key", 3)); /* repeats must not match */
    assert_false(sk_equal_secret("key", 3, "keykey", 6));
    assert_false(sk_equal_secret("", 0, "k", 1));
    assert_false(sk_equal_secret("\0", 1, "", 0));
}

static void test_overflow(void **state)
{
    size_t out = 7;

    (void)state;
    assert_true(sk_mul_size(3, 4, &out) && out == 12);
    assert_false(sk_mul_size(SIZE_MAX, 2, &out));
    assert_true(sk_add_size(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(sk_add_size(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
}

static const struct {
    const char *a, *b;
    int distance;
} words[] = {
    { "", "", 0 },
    { "port", "port", 0 },
    { "prot", "port", 1 },
    { "pot", "port", 1 },
    { "ports", "port", 1 },
    { "serve", "server", 1 },
    { "kitten", "sitting", 3 },
    { "", "abc", 3 },
    { "ab", "ba", 1 },
    { "predcit", "predict", 1 },
};

static void test_distance(void **state)
{
    char longest[66];

    (void)state;
    for (size_t i = 0; i < COUNT(words); i++) {
        if (sk_edit_distance(words[i].a, words[i].b) != words[i].distance)
            fail_msg("%s %s: %d", words[i].a, words[i].b, sk_edit_distance(words[i].a, words[i].b));
        assert_int_equal(sk_edit_distance(words[i].b, words[i].a), words[i].distance);
    }
    memset(longest, 'x', 65);
    longest[65] = '\0';
    assert_int_equal(sk_edit_distance(longest, "x"), -1);
    longest[64] = '\0';
    assert_int_equal(sk_edit_distance(longest, "x"), 63);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_views),    cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_reals),    cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_secret),   cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_distance), cmocka_unit_test(test_hex),
    };
    return cmocka_run_group_tests_name("str", tests, NULL, NULL);
}
