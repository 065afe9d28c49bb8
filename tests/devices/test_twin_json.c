/* test_twin_json.c - IoT Hub's Twin, of a device and of a module. */
#include "fixture.h"

#define TEXT(literal)                                                                              \
    (char[])                                                                                       \
    {                                                                                              \
        literal                                                                                    \
    }

static void check(const struct sk_twin *t, const char *expected)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    sk_twin_json(t, &b);
    assert_true(sk_buf_ok(&b));
    assert_string_equal(b.data, expected);
    sk_json_free(parse(b.data));
}

static void twins(void **state)
{
    struct sk_twin t = { .identity = { .device = "d",
                                       .etag = 3,
                                       .is_enabled = true,
                                       .is_edge = true,
                                       .waiting = 2,
                                       .scope = "ms-azure-iot-edge://d-1",
                                       .parent_scope = "ms-azure-iot-edge://p-1" },
                         .etag = 2,
                         .version = 5,
                         .tags = TEXT("{\"x\":1}"),
                         .configurations = TEXT("{}"),
                         .desired = TEXT("{\"a\":1}"),
                         .desired_meta = TEXT("{\"$lastUpdated\":\"T\"}"),
                         .reported = TEXT("{}"),
                         .reported_meta = TEXT("{}"),
                         .desired_version = 7,
                         .reported_version = 8 };
    (void)state;
    check(&t, "{\"deviceId\":\"d\",\"etag\":\"AAAAAAAAAAI=\",\"deviceEtag\":\"AAAAAAAAAAM=\","
              "\"status\":\"enabled\",\"statusUpdateTime\":\"0001-01-01T00:00:00Z\","
              "\"connectionState\":\"Disconnected\",\"lastActivityTime\":\"0001-01-01T00:00:00Z\","
              "\"cloudToDeviceMessageCount\":2,\"authenticationType\":\"sas\","
              "\"x509Thumbprint\":{\"primaryThumbprint\":null,\"secondaryThumbprint\":null},"
              "\"modelId\":\"\",\"version\":5,\"tags\":{\"x\":1},\"properties\":{\"desired\":"
              "{\"a\":1,\"$metadata\":{\"$lastUpdated\":\"T\"},\"$version\":7},\"reported\":"
              "{\"$metadata\":{},\"$version\":8}},\"capabilities\":{\"iotEdge\":true},"
              "\"deviceScope\":\"ms-azure-iot-edge://d-1\",\"parentScopes\":["
              "\"ms-azure-iot-edge://p-1\"]}");
    (void)snprintf(t.identity.module, sizeof t.identity.module, "m");
    (void)snprintf(t.identity.status_reason, sizeof t.identity.status_reason, "why");
    t.identity.is_enabled = false;
    t.identity.is_connected = true;
    t.identity.auth = SK_IDENTITY_SELF_SIGNED;
    (void)snprintf(t.identity.primary_thumbprint, sizeof t.identity.primary_thumbprint, "ab");
    t.identity.waiting = 0;
    t.configurations = TEXT("{\"c\":{\"status\":\"Applied\"}}");
    check(&t, "{\"deviceId\":\"d\",\"moduleId\":\"m\",\"etag\":\"AAAAAAAAAAI=\",\"deviceEtag\":"
              "\"AAAAAAAAAAM=\",\"status\":\"disabled\",\"statusReason\":\"why\","
              "\"statusUpdateTime\":\"0001-01-01T00:00:00Z\",\"connectionState\":\"Connected\","
              "\"lastActivityTime\":\"0001-01-01T00:00:00Z\",\"cloudToDeviceMessageCount\":0,"
              "\"authenticationType\":\"selfSigned\",\"x509Thumbprint\":{\"primaryThumbprint\":"
              "\"ab\",\"secondaryThumbprint\":null},\"modelId\":\"\",\"version\":5,\"tags\":"
              "{\"x\":1},\"configurations\":{\"c\":{\"status\":\"Applied\"}},\"properties\":"
              "{\"desired\":{\"a\":1,\"$metadata\":{\"$lastUpdated\":\"T\"},\"$version\":7},"
              "\"reported\":{\"$metadata\":{},\"$version\":8}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(twins) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
