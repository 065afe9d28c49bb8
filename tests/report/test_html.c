/* test_html.c - what comes from outside, in a page. */
#include "report_test.h"

#include <math.h>

static const struct {
    const char *text, *html;
} texts[] = {
    { "", "" },
    { "plain, 100 %", "plain, 100 %" },
    { "<script>", "&lt;script&gt;" },
    { "\"'&", "&quot;&#39;&amp;" },
    { "gr\xc3\xb6\xc3\x9f"
      "e \xf0\x9f\x90\x88",
      "gr\xc3\xb6\xc3\x9f"
      "e \xf0\x9f\x90\x88" },
    { "a\nb\t\x01\x7f", "a\xef\xbf\xbd"
                        "b\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
    { "\xff<", "\xef\xbf\xbd&lt;" },
    { "\xc3", "\xef\xbf\xbd" },                                 /* cut off */
    { "\xc0\xbc", "\xef\xbf\xbd\xef\xbf\xbd" },                 /* an overlong '<' */
    { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" }, /* a surrogate */
};

static void test_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        sk_html_text(&out, texts[i].text);
        assert_string_equal(out.data ? out.data : "", texts[i].html);
        sk_buf_clear(&out);
        sk_html_name(&out, texts[i].text);
        assert_int_equal(out.len, strlen(texts[i].html) + strlen("<bdi></bdi>"));
    }
}

/* RFC 4648, section 10. */
static const char *const vectors[][2] = {
    { "", "" },
    { "f", "Zg==" },
    { "fo", "Zm8=" },
    { "foo", "Zm9v" },
    { "foob", "Zm9vYg==" },
    { "fooba", "Zm9vYmE=" },
    { "foobar", "Zm9vYmFy" },
    { "\xff\xfe\xfb", "//77" },
};

static void test_base64(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(vectors); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        sk_html_base64(&out, (const uint8_t *)vectors[i][0], strlen(vectors[i][0]));
        assert_string_equal(out.data ? out.data : "", vectors[i][1]);
    }
}

static void test_percent(void **state)
{
    static const struct {
        double share;
        const char *text;
    } cases[] = {
        { 0, "0.0 %" },        { 1, "100.0 %" },        { 0.5, "50.0 %" }, { 0.9989, "99.9 %" },
        { 0.9999, "99.99 %" }, { 0.999999, "99.99 %" }, { NAN, "-" },      { INFINITY, "-" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        sk_html_percent(&out, cases[i].share);
        assert_string_equal(out.data, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_percent),
    };
    return cmocka_run_group_tests_name("html", tests, NULL, NULL);
}
