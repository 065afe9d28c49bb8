/* test_api_iot_events.c - [iothub-28]: messages of devices over HTTPS. */
#include "hub_util.h"

#include "iot/iot.h"

static void post(struct hub_fixture *f, const char *path, const char *who, const char *more,
                 const char *body, size_t len, struct answer *a)
{
    char headers[1024];
    (void)snprintf(headers, sizeof headers, "%s%s", who, more);
    hub_ask_with(f, "POST", path, headers, body, len, a);
}

static void stored(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char device[512], module[512], policy[512];
    hub_identity(f, "d", "");
    hub_identity(f, "d/m", "");
    hub_sas_device("d", device);
    hub_sas_device("d/m", module);
    hub_sas_policy(f, "device", policy);
    post(f, "/devices/d/messages/events?api-version=2020-03-13", device,
         "iothub-app-Level: high\r\niothub-messageid: m1\r\niothub-to: "
         "/devices/d/messages/events\r\n"
         "Content-Type: application/json; charset=utf-8\r\nContent-Encoding: utf-8\r\n",
         "{\"t\":21.5}", 10, &a);
    assert_int_equal(a.status, 204);
    assert_int_equal(a.body_len, 0);
    post(f, "/devices/d/modules/m/messages/events", module, "", "\xff", 1, &a);
    assert_int_equal(a.status, 204);
    post(f, "/devices/d/messages/events", policy, "iothub-connection-device-id: x\r\n", NULL, 0,
         &a);
    assert_int_equal(a.status, 204);
    hub_do(f, "GET", "/api/v1/telemetry?device=d&module=", NULL, 200, "\"body\":{\"t\":21.5}");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, "\"properties\":{\"Level\":\"high\"}");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, "\"message-id\":\"m1\"");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200,
           "{\\\"scope\\\":\\\"device\\\",\\\"type\\\":\\\"sas\\\",\\\"issuer\\\":\\\"iothub\\\"}");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, "{\\\"scope\\\":\\\"module\\\"");
    hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, "{\\\"scope\\\":\\\"hub\\\"");
    hub_do(f, "GET", "/api/v1/telemetry?device=d&module=m", NULL, 200, "\"bodyBase64\":\"/w==\"");
}

static void refused(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char device[512], policy[512];
    hub_identity(f, "d", "");
    hub_sas_device("d", device);
    hub_sas_policy(f, "iothubowner", policy);
    post(f, "/devices/none/messages/events", policy, "", "x", 1, &a);
    hub_expect(&a, 404, "DeviceNotFound;");
    post(f, "/devices/d/messages/events", device,
         "Content-Type: application/vnd.microsoft.iothub.json\r\n", "[]", 2, &a);
    hub_expect(&a, 415, "each on its own");
    post(f, "/devices/d/messages/events", device, "iothub-app-: x\r\n", "x", 1, &a);
    hub_expect(&a, 400, "ErrorCode:ArgumentInvalid;");
    SK_OWN(free) char *body = malloc(SK_IOT_MESSAGE_MAX + 1);
    assert_non_null(body);
    memset(body, 'x', SK_IOT_MESSAGE_MAX + 1);
    post(f, "/devices/d/messages/events", device, "", body, SK_IOT_MESSAGE_MAX + 1, &a);
    hub_expect(&a, 413, "ErrorCode:MessageTooLarge;");
    post(f, "/devices/d/messages/events", device, "", body, SK_IOT_MESSAGE_MAX, &a);
    assert_int_equal(a.status, 204);
}

/* [iothub-28] Neither by its own credentials nor by those that speak for it. */
static void disabled(void **state)
{
    static const char *const paths[] = { "/devices/d/messages/events",
                                         "/devices/d/modules/m/messages/events" };
    struct hub_fixture *f = *state;
    struct answer a;
    char policy[512];
    hub_identity(f, "d", ",\"status\":\"disabled\"");
    hub_identity(f, "d/m", "");
    hub_identity(f, "on", "");
    hub_identity(f, "on/m", ",\"status\":\"disabled\"");
    hub_sas_policy(f, "device", policy);
    for (size_t i = 0; i < COUNT(paths); i++) {
        post(f, paths[i], policy, "", "x", 1, &a);
        hub_expect(&a, 401, "disabled");
    }
    post(f, "/devices/on/modules/m/messages/events", policy, "", "x", 1, &a);
    hub_expect(&a, 401, "disabled");
    post(f, "/devices/on/messages/events", policy, "", "x", 1, &a);
    assert_int_equal(a.status, 204);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(stored), ROW(refused), ROW(disabled) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
