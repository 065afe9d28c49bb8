/* test_twin_check.c - which sections are taken, and where an error says it is. */
#include "iot_test.h"

static const char *const good[] = {
    "{}",
    "{\"a\":null,\"b\":{\"c\":null},\"d\":[]}",
    "{\"a\":[1,2.5,\"x\",true,{\"b\":[false]}]}",
    "{\"a\":[{\"b\":null}]}", /* only the elements may not be null */
    "{\"n\":4503599627370496,\"m\":-4503599627370496,\"r\":1e300}",
    "{\"$version\":7,\"$metadata\":{\"$x\":[null]},\"a\":1}",
    "{\"a-b_c/d:e\\\"\\\\\":1,\"\xc3\xa4\xc2\xa0\":2}",
    "{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":{\"9\":{\"10\":{\"p\":1}}}}}}}}}}}",
    "{\"a\":[[[[[[[[[[1]]]]]]]]]]}",
};

static const struct {
    const char *text, *says;
    enum sk_code code;
} bad[] = {
    { "1", "properties.reported: expected an object", SK_INVALID },
    { "null", "properties.reported: expected an object", SK_INVALID },
    { "[]", "properties.reported: expected an object", SK_INVALID },
    { "\"x\"", "properties.reported: expected an object", SK_INVALID },
    { "{\"\":1}", "properties.reported.: a name is empty", SK_INVALID },
    { "{\"a\":{\"b.c\":1}}", "properties.reported.a.b.c: names are without", SK_INVALID },
    { "{\"$a\":1}", "properties.reported.$a: names", SK_INVALID },
    { "{\"a\":{\"$version\":1}}", "properties.reported.a.$version: names", SK_INVALID },
    { "{\"a\":{\"$metadata\":1}}", "names", SK_INVALID },
    { "{\"$Version\":1}", "names", SK_INVALID },
    { "{\"a#\":1}", "names", SK_INVALID },
    { "{\"a b\":null}", "names", SK_INVALID },
    { "{\"a\\u0001\":1}", "names", SK_INVALID },
    { "{\"a\\n\":1}", "names", SK_INVALID },
    { "{\"a\\u007f\":1}", "names", SK_INVALID },
    { "{\"a\\u0085\":1}", "names", SK_INVALID },
    { "{\"a\":[1,null]}", "properties.reported.a[1]: an array cannot hold null", SK_INVALID },
    { "{\"a\":[{\"b\":[[null]]}]}", "properties.reported.a[0].b[0][0]: an array", SK_INVALID },
    { "{\"a\":[{\"b.c\":1}]}", "properties.reported.a[0].b.c: names", SK_INVALID },
    { "{\"a\":4503599627370497}", "properties.reported.a: the integer is beyond", SK_INVALID },
    { "{\"a\":[-4503599627370497]}", "properties.reported.a[0]: the integer", SK_INVALID },
    { "{\"1\":{\"2\":{\"3\":{\"4\":{\"5\":{\"6\":{\"7\":{\"8\":{\"9\":{\"10\":{\"p\":{}}}}}}}}}}}}",
      "properties.reported.1.2.3.4.5.6.7.8.9.10.p: nested deeper than 10", SK_LIMIT },
    { "{\"a\":[[[[[[[[[[[1]]]]]]]]]]]}", "nested deeper than 10", SK_LIMIT },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = parse_json(good[i]);
        if (sk_twin_check(SK_TWIN_DESIRED, doc, &err) < 0)
            fail_msg("%s: %s", good[i], err.text);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = parse_json(bad[i].text);
        int rc = sk_twin_check(SK_TWIN_REPORTED, doc, &err);
        expect_refused(bad[i].text, rc, &err, bad[i].code, bad[i].says);
    }
}

static void test_parts(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = parse_json("{\"a\":{\".\":1}}");
    (void)state;
    expect_refused("desired", sk_twin_check(SK_TWIN_DESIRED, doc, &err), &err, SK_INVALID,
                   "properties.desired.a..: ");
    expect_refused("tags", sk_twin_check(SK_TWIN_TAGS, doc, &err), &err, SK_INVALID, "tags.a..: ");
    expect_refused("none", sk_twin_check(SK_TWIN_TAGS, NULL, &err), &err, SK_INVALID,
                   "tags: expected");
}

static void test_limits(void **state)
{
    (void)state;
    for (size_t more = 0; more <= 1; more++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(free) char *name = many('n', SK_TWIN_KEY_MAX + more);
        SK_OWN(free) char *value = many('v', SK_TWIN_TEXT_MAX + more);
        SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 16);
        SK_AUTO(sk_buf_done) struct sk_buf values = SK_BUF_INIT(1 << 16);
        sk_buf_fmt(&names, "{\"a\":{\"%s\":1}}", name);
        sk_buf_fmt(&values, "{\"a\":[\"%s\"]}", value);
        SK_OWN(sk_json_free) struct sk_json *n = parse_json(names.data);
        SK_OWN(sk_json_free) struct sk_json *v = parse_json(values.data);
        int rc = sk_twin_check(SK_TWIN_TAGS, n, &err);
        if (more)
            expect_refused("name", rc, &err, SK_LIMIT, "...: the name has more than 1024 bytes");
        else
            assert_int_equal(rc, 0);
        rc = sk_twin_check(SK_TWIN_TAGS, v, &err);
        if (more)
            expect_refused("text", rc, &err, SK_LIMIT, "tags.a[0]: the text has more than 4096");
        else
            assert_int_equal(rc, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
