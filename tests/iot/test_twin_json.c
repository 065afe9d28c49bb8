/* test_twin_json.c - values as text, and what devices and services see. */
#include "iot_test.h"

#define SAME NULL

static const struct {
    const char *text, *written, *no_nulls; /* SAME: as text, as written */
} values[] = {
    { "null", SAME, SAME },
    { "true", SAME, SAME },
    { "false", SAME, SAME },
    { "\"a\\\"\\\\\\n\xc3\xa4/\"", SAME, SAME },
    { "0", SAME, SAME },
    { "-1", SAME, SAME },
    { "9223372036854775807", SAME, SAME },
    { "-9223372036854775808", SAME, SAME },
    { "0.1", SAME, SAME },
    { "21.5", SAME, SAME },
    { "1.0", SAME, SAME }, /* stays a double */
    { "-0.0", SAME, SAME },
    { "1e3", "1000.0", SAME },
    { "1e300", "1e+300", SAME },
    { "123456789012345678.0", "1.2345678901234568e+17", SAME },
    { "1234567890123456.0", SAME, SAME },
    { "5e-324", "4.94065645841247e-324", SAME },
    { "0.30000000000000004", SAME, SAME },
    { "[ ]", "[]", SAME },
    { "{ }", "{}", SAME },
    { "[1, \"{\", [2], {\"a\": null}]", "[1,\"{\",[2],{\"a\":null}]", SAME },
    { "{\"b\": 1, \"a\": {\"c\": null, \"d\": []}, \"e\": null}",
      "{\"b\":1,\"a\":{\"c\":null,\"d\":[]},\"e\":null}", "{\"b\":1,\"a\":{\"d\":[]}}" },
    { "{\"a\": null}", "{\"a\":null}", "{}" },
};

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
        SK_OWN(sk_json_free) struct sk_json *doc = parse_json(values[i].text);
        const char *written = values[i].written ? values[i].written : values[i].text;
        sk_iot_write_value(doc, SK_IOT_ALL, &out);
        expect_text(values[i].text, out.data, written);
        SK_OWN(sk_json_free) struct sk_json *again = parse_json(out.data);
        if (!sk_json_equal(doc, again))
            fail_msg("%s: not the same value", values[i].text);
        sk_buf_clear(&out);
        sk_iot_write_value(doc, SK_IOT_NO_NULLS, &out);
        expect_text(values[i].text, out.data, values[i].no_nulls ? values[i].no_nulls : written);
    }
}

static void test_device(void **state)
{
    static const struct sk_twin_section empty = { "{}", "{}", 1 };
    static const struct sk_twin_section full = { "{\"a\":{\"b\":1}}", "{\"x\":1}", 7 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    (void)state;
    sk_twin_device_json(&empty, &empty, &out);
    assert_string_equal(out.data, "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    sk_buf_clear(&out);
    sk_twin_device_json(&full, &empty, &out);
    assert_string_equal(
        out.data, "{\"desired\":{\"a\":{\"b\":1},\"$version\":7},\"reported\":{\"$version\":1}}");
}

static void test_service(void **state)
{
    static const struct sk_twin_section empty = { "{}", "{}", 1 };
    static const struct sk_twin_section full = { "{\"a\":1}", "{\"$lastUpdated\":\"t\"}", 7 };
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    (void)state;
    sk_twin_service_json(&empty, &out);
    assert_string_equal(out.data, "{\"$metadata\":{},\"$version\":1}");
    sk_buf_clear(&out);
    sk_twin_service_json(&full, &out);
    assert_string_equal(out.data,
                        "{\"a\":1,\"$metadata\":{\"$lastUpdated\":\"t\"},\"$version\":7}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_device),
        cmocka_unit_test(test_service),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
