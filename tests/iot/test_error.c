/* test_error.c - bodies of errors. */
#include "iot_test.h"

static void test_at(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    (void)state;
    sk_iot_error_json_at("DeviceNotFound", "no device \"a\"", "3f2a", 1795521600123, &out);
    assert_string_equal(out.data,
                        "{\"Message\":\"ErrorCode:DeviceNotFound;no device \\\"a\\\"\","
                        "\"ExceptionMessage\":\"Tracking ID:3f2a-G:0-TimeStamp:11/24/2026 "
                        "12:00:00\"}");
}

static void test_now(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1000);
    (void)state;
    sk_iot_error_json("A", "b;c:d", "", &out);
    SK_OWN(sk_json_free) struct sk_json *doc = parse_json(out.data);
    assert_string_equal(sk_json_get_text(doc, "Message", ""), "ErrorCode:A;b;c:d");
    const char *exception = sk_json_get_text(doc, "ExceptionMessage", "");
    assert_int_equal(strlen(exception), strlen("Tracking ID:-G:0-TimeStamp:MM/dd/yyyy HH:mm:ss"));
}

static void test_ceiling(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(20);
    (void)state;
    sk_iot_error_json("A", "b", "c", &out);
    assert_int_equal(out.failed, SK_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_at),
        cmocka_unit_test(test_now),
        cmocka_unit_test(test_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
