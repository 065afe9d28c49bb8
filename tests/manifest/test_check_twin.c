/*
 * test_check_twin.c - what a twin can hold, at the limits and one beyond.
 */
#include "said.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void check(const char *text, unsigned depth, struct said *s)
{
    SK_OWN(sk_json_free) struct sk_json *v = NULL;
    struct sk_err err = SK_ERR_INIT;

    said_init(s, false);
    if (sk_json_parse(text, strlen(text), NULL, &v, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    sk_check_twin(&s->check, v, depth);
}

#define BAD_KEY "a key has no '.', '$', '#', space or control character"

static const struct {
    const char *text, *says;
} rows[] = {
    { "{\"a\":1,\"b\":[1,\"x\",{}],\"c\":null,\"\\u00e4\":1.5}", "" },
    { "{\"a.b\":1}", "E ['a.b']: " BAD_KEY "|" },
    { "{\"$a\":1}", "E $a: " BAD_KEY "|" },
    { "{\"a b\":1}", "E ['a b']: " BAD_KEY "|" },
    { "{\"a#\":1}", "E ['a#']: " BAD_KEY "|" },
    { "{\"a\\u0001\":1}", "E ['a?']: " BAD_KEY "|" },
    { "{\"\":1}", "E ['']: a key is empty|" },
    { "{\"$version\":1,\"$metadata\":{\"$lastUpdated\":\"x\"}}", "" },
    { "{\"a\":{\"$version\":1}}", "E a.$version: " BAD_KEY "|" },
    { "{\"a\":[1,null]}", "E a[1]: an array in a twin has no null|" },
    { "{\"a\":4503599627370496,\"b\":-4503599627370496}", "" },
    { "{\"a\":4503599627370497}", "E a: 4503599627370497 is beyond what a twin holds, 2^52|" },
    { "{\"a\":-4503599627370497}", "E a: -4503599627370497 is beyond what a twin holds, 2^52|" },
    /* for Docker, whatever it is */
    { "{\"s\":{\"createOptions\":{\"Labels\":{\"a.b\":[null]}}}}", "" },
    { "{\"s\":{\"other\":{\"Labels\":{\"a.b\":1}}}}", "E s.other.Labels['a.b']: " BAD_KEY "|" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct said s;

        check(rows[i].text, 0, &s);
        if (strcmp(said_text(&s), rows[i].says) != 0)
            fail_msg("%s: %s", rows[i].text, said_text(&s));
        said_done(&s);
    }
}

static void test_depth(void **state)
{
    (void)state;
    for (unsigned n = SK_MANIFEST_DEPTH_MAX; n <= SK_MANIFEST_DEPTH_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1000);
        struct said s;

        for (unsigned i = 0; i < n; i++)
            sk_buf_str(&text, "{\"a\":");
        sk_buf_str(&text, n % 2 ? "[]" : "{}");
        for (unsigned i = 0; i < n; i++)
            sk_buf_chr(&text, '}');
        check(text.data, 0, &s);
        assert_int_equal(s.check.has_failed, n > SK_MANIFEST_DEPTH_MAX);
        said_done(&s);
        /* A value that lies deeper. */
        check("{}", n, &s);
        assert_int_equal(s.check.has_failed, n > SK_MANIFEST_DEPTH_MAX);
        said_done(&s);
    }
}

static void test_lengths(void **state)
{
    static const struct {
        const char *before, *after;
        size_t most;
        enum sk_code code;
    } lengths[] = {
        { "{\"a\":\"", "\"}", SK_MANIFEST_TEXT_MAX, SK_TOO_LARGE },
        { "{\"", "\":1}", SK_MANIFEST_KEY_MAX, SK_INVALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        for (size_t n = lengths[i].most; n <= lengths[i].most + 1; n++) {
            SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
            struct said s;

            sk_buf_str(&text, lengths[i].before);
            for (size_t k = 0; k < n; k++)
                sk_buf_chr(&text, 'x');
            sk_buf_str(&text, lengths[i].after);
            check(text.data, 0, &s);
            assert_int_equal(s.check.has_failed, n > lengths[i].most);
            assert_int_equal(s.err.code, n > lengths[i].most ? lengths[i].code : SK_OK);
            said_done(&s);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_lengths),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
