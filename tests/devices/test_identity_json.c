/* test_identity_json.c - Device and Module as IoT Hub's clients read them. */
#include "fixture.h"

static void check(const struct sk_identity *i, bool with_keys, const char *expected)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(8192);
    sk_identity_json(i, with_keys, &b);
    assert_true(sk_buf_ok(&b));
    assert_string_equal(b.data, expected);
}

static void devices(void **state)
{
    struct sk_identity i = { .device = "d\"1",
                             .generation = "177000000000012345",
                             .etag = 1,
                             .is_enabled = true,
                             .auth = SK_IDENTITY_SAS,
                             .primary_key = "cA==",
                             .secondary_key = "cw==",
                             .waiting = 3 };
    (void)state;
    check(&i, true,
          "{\"deviceId\":\"d\\\"1\",\"generationId\":\"177000000000012345\",\"etag\":"
          "\"AAAAAAAAAAE=\",\"connectionState\":\"Disconnected\",\"connectionStateUpdatedTime\":"
          "\"0001-01-01T00:00:00Z\",\"lastActivityTime\":\"0001-01-01T00:00:00Z\","
          "\"cloudToDeviceMessageCount\":3,\"status\":\"enabled\",\"statusReason\":null,"
          "\"statusUpdatedTime\":\"0001-01-01T00:00:00Z\",\"capabilities\":{\"iotEdge\":false},"
          "\"parentScopes\":[],\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{"
          "\"primaryKey\":\"cA==\",\"secondaryKey\":\"cw==\"},\"x509Thumbprint\":{"
          "\"primaryThumbprint\":null,\"secondaryThumbprint\":null}}}");
    i.is_enabled = false;
    i.is_connected = i.is_edge = true;
    i.status_ms = 1000;
    i.connection_ms = 2000;
    i.activity_ms = 3000;
    (void)snprintf(i.status_reason, sizeof i.status_reason, "lost");
    (void)snprintf(i.scope, sizeof i.scope, "ms-azure-iot-edge://d-1");
    (void)snprintf(i.parent_scope, sizeof i.parent_scope, "ms-azure-iot-edge://p-1");
    check(&i, false,
          "{\"deviceId\":\"d\\\"1\",\"generationId\":\"177000000000012345\",\"etag\":"
          "\"AAAAAAAAAAE=\",\"connectionState\":\"Connected\",\"connectionStateUpdatedTime\":"
          "\"1970-01-01T00:00:02.000Z\",\"lastActivityTime\":\"1970-01-01T00:00:03.000Z\","
          "\"cloudToDeviceMessageCount\":3,\"status\":\"disabled\",\"statusReason\":\"lost\","
          "\"statusUpdatedTime\":\"1970-01-01T00:00:01.000Z\",\"capabilities\":{\"iotEdge\":true},"
          "\"deviceScope\":\"ms-azure-iot-edge://d-1\",\"parentScopes\":["
          "\"ms-azure-iot-edge://p-1\"],\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{"
          "\"primaryKey\":null,\"secondaryKey\":null},\"x509Thumbprint\":{"
          "\"primaryThumbprint\":null,\"secondaryThumbprint\":null}}}");
}

static void modules(void **state)
{
    const struct sk_identity i = { .device = "d",
                                   .module = "$edgeHub",
                                   .generation = "1",
                                   .etag = 2,
                                   .is_enabled = true,
                                   .auth = SK_IDENTITY_NONE,
                                   .managed_by = "iotEdge" };
    (void)state;
    check(&i, true,
          "{\"deviceId\":\"d\",\"moduleId\":\"$edgeHub\",\"managedBy\":\"iotEdge\","
          "\"generationId\":\"1\",\"etag\":\"AAAAAAAAAAI=\",\"connectionState\":\"Disconnected\","
          "\"connectionStateUpdatedTime\":\"0001-01-01T00:00:00Z\",\"lastActivityTime\":"
          "\"0001-01-01T00:00:00Z\",\"cloudToDeviceMessageCount\":0,\"authentication\":{"
          "\"type\":\"none\",\"symmetricKey\":{\"primaryKey\":null,\"secondaryKey\":null},"
          "\"x509Thumbprint\":{\"primaryThumbprint\":null,\"secondaryThumbprint\":null}}}");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(devices), cmocka_unit_test(modules) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
