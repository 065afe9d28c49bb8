/* test_words.c - what is found in bodies of errors, whole, cut and hostile. */
#include "unixhttp/unixhttp_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [unixhttp-10] */
static void words(void **state)
{
    static const struct {
        const char *body, *words;
    } rows[] = {
        { "", "" },
        { "{\"message\":\"a \\\"b\\\" c\\\\d\"}", "a \"b\" c\\d" },
        { " {\"error\":\"x\",\"message\":\"y\"}", "y" },
        { "{\"Message\":\"z\"}", "z" },
        { "{\"error\":{\"message\":\"inner\"}}", "" },
        { "{\"errorDetail\":{\"message\":\"}\\\"\"},\"error\":\"outer\"}", "outer" },
        { "{\"message\":\"\",\"error\":\"second\"}", "second" },
        { "{\"message\":7,\"error\":\"second\"}", "second" },
        { "{\"message\":\"line\\nline\\tx\"}", "line line x" },
        { "{\"message\":\"\\u00e4\\u20ac\\ud83d\\ude00\\ud83d!\\uZZ\"}",
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80 !ZZ" },
        { "{\"message\":\"\xc3\xa4\xff\"}", "\xc3\xa4?" },
        { "{\"message\":\"cut of", "cut of" },
        { "{\"message\":\"cut\\", "cut" },
        { "{\"message\"", "" },
        { "{\"message\":", "" },
        { "{\"a\":[1,2,{\"b\":\"]\"}], \"message\" : \"far\"}", "far" },
        { "{message:\"x\"}", "" },
        { "[\"message\"]", "" },
        { "plain\r\nsecond", "plain" },
        { "<html>", "" },
        { "a\001b", "a b" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[SK_UNIXHTTP_WORDS_BYTES];
        sk_unixhttp_words(sk_view_of(rows[i].body), out);
        if (strcmp(out, rows[i].words) != 0)
            fail_msg("%s: '%s', not '%s'", rows[i].body, out, rows[i].words);
    }
}

/* A long text is cut between characters. */
static void long_words(void **state)
{
    char body[2000] = "{\"message\":\"", out[SK_UNIXHTTP_WORDS_BYTES];
    size_t at = strlen(body);
    (void)state;
    for (; at < sizeof body - 2; at += 2)
        memcpy(body + at, "\xc3\xa4", 2);
    sk_unixhttp_words((struct sk_view){ body, at }, out);
    assert_int_equal(strlen(out), (SK_UNIXHTTP_WORDS_BYTES - 1) / 2 * 2);
    assert_true(sk_utf8_valid(out, strlen(out)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),
        cmocka_unit_test(long_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
