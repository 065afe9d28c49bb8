/* test_err.c - texts are one line of UTF-8, cut at a character; codes map to names and statuses. */
#include "base/err.h"

#include "base/str.h"
#include "test_util.h"

#include <errno.h>

static void test_fail_and_wrap(void **state)
{
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_fail(&err, SK_CORRUPT, "premature end at %d", 7), -1);
    assert_int_equal(sk_wrap(&err, "jpeg"), -1);
    assert_int_equal(sk_wrap(&err, "input '%s'", "cat.jpg"), -1);
    assert_string_equal(err.text, "input 'cat.jpg': jpeg: premature end at 7");
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_fail(&err, SK_BUSY, "again: %s", err.text), -1); /* an argument inside err
                                                                          */
    assert_string_equal(err.text, "again: input 'cat.jpg': jpeg: premature end at 7");
    assert_int_equal(sk_fail(&err, SK_BUG, "%s", ""), -1);
    assert_string_equal(err.text, "unknown error");
    assert_int_equal(sk_nomem(&err), -1);
    assert_int_equal(err.code, SK_NOMEM);
}

static const struct {
    const char *name, *in, *out;
} texts[] = {
    { "plain", "a b", "a b" },
    { "UTF-8 stays", "gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f" },
    { "not UTF-8",
      "a\xff"
      "b\xc3",
      "a?b?" },
    { "overlong slash", "\xc0\xaf", "??" },
    { "newline and bell", "a\nb\ac", "a b c" },
    { "delete", "a\x7f", "a " },
};

static void test_one_line(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct sk_err err = SK_ERR_INIT;
        (void)sk_fail(&err, SK_IO, "%s", texts[i].in);
        if (strcmp(err.text, texts[i].out) != 0)
            fail_msg("%s: got '%s'", texts[i].name, err.text);
    }
}

/* Every length around the limit, with characters of 1 to 4 bytes at the cut. */
static void test_cut(void **state)
{
    static const char *const characters[] = { "x", "\xc3\xbc", "\xe2\x82\xac", "\xf0\x9f\x98\x80" };

    (void)state;
    for (size_t c = 0; c < COUNT(characters); c++) {
        for (size_t lead = SK_ERR_TEXT - 12; lead < SK_ERR_TEXT + 4; lead++) {
            char in[SK_ERR_TEXT + 64];
            struct sk_err err = SK_ERR_INIT;
            size_t width = strlen(characters[c]);

            memset(in, 'a', lead);
            for (size_t i = 0; i < 4; i++)
                memcpy(in + lead + i * width, characters[c], width);
            in[lead + 4 * width] = '\0';
            (void)sk_fail(&err, SK_IO, "%s", in);
            size_t len = strlen(err.text);
            assert_true(len < SK_ERR_TEXT);
            assert_true(sk_utf8_valid(err.text, len));
            if (strlen(in) < SK_ERR_TEXT)
                assert_string_equal(err.text, in);
            else
                assert_true(sk_ends_with(err.text, "...") && len >= SK_ERR_TEXT - 7);
        }
    }
}

static const struct {
    int number;
    enum sk_code code;
} numbers[] = {
    { ENOMEM, SK_NOMEM }, { ENOENT, SK_NOT_FOUND }, { EACCES, SK_DENIED },
    { EPERM, SK_DENIED }, { EIO, SK_IO },
};

static void test_errno(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(numbers); i++) {
        struct sk_err err = SK_ERR_INIT;
        char want[128];

        errno = numbers[i].number;
        assert_int_equal(sk_fail_errno(&err, "file '%s'", "x"), -1);
        assert_int_equal(err.code, numbers[i].code);
        (void)snprintf(want, sizeof want, "file 'x': %s", strerror(numbers[i].number));
        assert_string_equal(err.text, want);
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(sk_code_name(SK_OK), "ok");
    assert_int_equal(sk_code_http(SK_BUSY), 503);
    assert_string_equal(sk_code_name(SK_MISMATCH), "precondition_failed");
    assert_int_equal(sk_code_http(SK_MISMATCH), 412);
    assert_int_equal(sk_code_exit(SK_USAGE), 2);
    assert_int_equal(sk_code_exit(SK_OK), 0);
    for (int c = SK_OK + 1; c < SK_CODE_COUNT; c++) {
        assert_non_null(sk_code_name((enum sk_code)c));
        assert_in_range(sk_code_http((enum sk_code)c), 400, 599);
        assert_in_range(sk_code_exit((enum sk_code)c), 1, 2);
    }
    assert_string_equal(sk_code_name(SK_CODE_COUNT), "internal"); /* out of range: a bug */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fail_and_wrap), cmocka_unit_test(test_one_line),
        cmocka_unit_test(test_cut),           cmocka_unit_test(test_errno),
        cmocka_unit_test(test_codes),
    };
    return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
