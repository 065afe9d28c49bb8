/* test_etag.c - etags as text, and conditions on them. */
#include "fixture.h"

static void texts(void **state)
{
    static const struct {
        int64_t etag;
        const char *text;
    } rows[] = {
        { 0, "AAAAAAAAAAA=" },
        { 1, "AAAAAAAAAAE=" },
        { 255, "AAAAAAAAAP8=" },
        { 256, "AAAAAAAAAQA=" },
        { 0x0102030405060708, "AQIDBAUGBwg=" },
        { INT64_MAX, "f/////////8=" },
    };

    char text[SK_ETAG_TEXT];
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        sk_etag_text(rows[i].etag, text);
        assert_string_equal(text, rows[i].text);
    }
}

static void conditions(void **state)
{
    static const struct {
        const char *if_match;
        bool holds; /* of etag 1 */
    } rows[] = {
        { NULL, true },
        { "*", true },
        { "\"*\"", true },
        { "AAAAAAAAAAE=", true },
        { "\"AAAAAAAAAAE=\"", true },
        { " \"AAAAAAAAAAE=\" ", true },
        { "W/\"AAAAAAAAAAE=\"", true },
        { "AAAAAAAAAAI=", false },
        { "\"AAAAAAAAAAE=", false },
        { "\"", false },
        { "", false },
        { "\"\"", false },
        { "aaaaaaaaaae=", false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_etag_check(1, rows[i].if_match, &err);
        if ((rc == 0) != rows[i].holds)
            fail_msg("%s: %d", rows[i].if_match, rc);
        if (rc < 0)
            assert_int_equal(err.code, SK_MISMATCH);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(texts), cmocka_unit_test(conditions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
