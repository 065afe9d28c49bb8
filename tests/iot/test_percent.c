/* test_percent.c - what is escaped, and what is read. */
#include "iot_test.h"

static const struct {
    const char *plain, *escaped;
} written[] = {
    { "", "" },
    { "azAZ09-._~", "azAZ09-._~" },
    { "$.on", "%24.on" },
    { "a/b=c&d", "a%2Fb%3Dc%26d" },
    { "a b+c", "a%20b%2Bc" },
    { "100%", "100%25" },
    { "#*?!(),:;@'\"", "%23%2A%3F%21%28%29%2C%3A%3B%40%27%22" },
    { "\xc3\xa4\x7f\x01", "%C3%A4%7F%01" },
};

static const struct {
    const char *escaped, *plain; /* NULL: refused */
} readings[] = {
    { "", "" },
    { "a%2fb%2Fc", "a/b/c" }, /* hex of either case */
    { "a+b", "a+b" },         /* never a space */
    { "a%20b", "a b" },
    { "%24.ct", "$.ct" },
    { "$.ct", "$.ct" },
    { "%C3%A4", "\xc3\xa4" },
    { "%25%32%34", "%24" }, /* once, not twice */
    { "%", NULL },
    { "a%2", NULL },
    { "%zz", NULL },
    { "%2g", NULL },
    { "%-1", NULL },
    { "%00", NULL },
    { "%C3", NULL },
    { "%ff", NULL },
    { "\xff", NULL },
    { "%ED%A0%80", NULL }, /* a surrogate */
};

static void test_escape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(written); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        sk_buf_percent(&out, written[i].plain, strlen(written[i].plain), "");
        expect_text(written[i].plain, out.data, written[i].escaped);
    }
}

static void test_unescape(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(readings); i++) {
        char out[64];
        size_t len = 0;
        bool is_read = sk_iot_unescape(sk_view_of(readings[i].escaped), out, &len);
        if (is_read != (readings[i].plain != NULL))
            fail_msg("%s: %d", readings[i].escaped, is_read);
        if (is_read)
            expect_view(readings[i].escaped, (struct sk_view){ out, len }, readings[i].plain);
    }
    char out[4];
    size_t len = 0;
    assert_false(sk_iot_unescape((struct sk_view){ "a\0b", 3 }, out, &len));
}

static void test_cut(void **state)
{
    struct sk_view v = SK_VIEW("a/b"), head;
    (void)state;
    assert_true(sk_iot_cut(&v, '/', &head));
    expect_view("head", head, "a");
    expect_view("rest", v, "b");
    assert_false(sk_iot_cut(&v, '/', &head));
    expect_view("head", head, "b");
    expect_view("rest", v, "");
    assert_false(sk_iot_cut(&v, '/', &head));
    expect_view("head", head, "");
    v = (struct sk_view){ NULL, 0 };
    assert_false(sk_iot_cut(&v, '/', &head));
    assert_int_equal(head.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escape),
        cmocka_unit_test(test_unescape),
        cmocka_unit_test(test_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
