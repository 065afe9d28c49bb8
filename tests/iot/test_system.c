/* test_system.c - the names of system properties, both ways, and the stamps. */
#include "iot_test.h"

static const struct {
    const char *wire, *name;
    bool is_back; /* the name leads back to this one */
} rows[] = {
    { "$.mid", "message-id", true },
    { "$.cid", "correlation-id", true },
    { "$.uid", "user-id", true },
    { "$.ct", "content-type", true },
    { "$.ce", "content-encoding", true },
    { "$.exp", "absolute-expiry-time", true },
    { "$.on", "iothub-outputname", true },
    { "$.to", "to", true },
    { "$.ctime", "iothub-creation-time-utc", true },
    { "$.ifid", "iothub-interface-id", true },
    { "$.sub", "dt-subject", true },
    { "$.schema", "iothub-message-schema", true },
    { "$.cdid", "iothub-connection-device-id", true },
    { "$.cmid", "iothub-connection-module-id", true },
    { "$.diagid", "diagnostic-id", true },
    { "$.diagctx", "correlation-context", true },
    { "iothub-ack", "iothub-ack", true },
    { "ack", "iothub-ack", false },
};

static const struct {
    const char *name;
    bool is_stamp;
} stamps[] = {
    { "iothub-connection-device-id", true },
    { "iothub-connection-module-id", true },
    { "iothub-connection-auth-generation-id", true },
    { "iothub-connection-auth-method", true },
    { "iothub-enqueuedtime", true },
    { "iothub-message-source", true },
    { "IoTHub-EnqueuedTime", true },
    { "$.cdid", true },
    { "$.cmid", true },
    { "$.ct", false },
    { "iothub-ack", false },
    { "iothub-MessageType", false },
    { "iothub-connection-device-id2", false },
    { "", false },
};

static void test_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_iot_system *s = sk_iot_system_by_wire(sk_view_of(rows[i].wire));
        assert_non_null(s);
        expect_text(rows[i].wire, s->name, rows[i].name);
        if ((sk_iot_system_by_name(sk_view_of(rows[i].name)) == s) != rows[i].is_back)
            fail_msg("%s", rows[i].name);
    }
    assert_null(sk_iot_system_by_wire(SK_VIEW("$.CT")));
    assert_null(sk_iot_system_by_wire(SK_VIEW("%24.ct")));
    assert_null(sk_iot_system_by_wire(SK_VIEW("content-type")));
    assert_null(sk_iot_system_by_wire(SK_VIEW("")));
    assert_null(sk_iot_system_by_name(SK_VIEW("$.ct")));
}

static void test_stamps(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stamps); i++)
        if (sk_iot_property_is_stamp(sk_view_of(stamps[i].name)) != stamps[i].is_stamp)
            fail_msg("%s", stamps[i].name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_stamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
