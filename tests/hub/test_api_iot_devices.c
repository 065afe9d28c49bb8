/* test_api_iot_devices.c - identities over HTTP. */
#include "hub_util.h"

#include "devices/devices.h"

static void one_device(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char headers[300];
    hub_do(f, "PUT", "/devices/cam%231", "{\"deviceId\":\"cam#1\"}", 200, "\"primaryKey\":\"");
    hub_do(f, "PUT", "/devices/cam%231", "{\"deviceId\":\"cam#1\"}", 409, "DeviceAlreadyExists;");
    hub_do(f, "PUT", "/devices/a", "{\"deviceId\":\"b\"}", 400,
           "ErrorCode:ArgumentInvalid;deviceId");
    hub_do(f, "PUT", "/devices/a%20b", "{}", 400, "ErrorCode:ArgumentInvalid;");
    hub_do(f, "PUT", "/devices/a", "{\"status\":\"odd\"}", 400, "ErrorCode:ArgumentInvalid;");
    hub_do(f, "PUT", "/devices/a", "[]", 400, "must be a JSON object");
    hub_do(f, "GET", "/devices/a", NULL, 404, "DeviceNotFound;");

    static const struct {
        const char *if_match;
        int status;
        const char *etag;
    } updates[] = {
        { "*", 200, "\"AAAAAAAAAAI=\"" },
        { "\"*\"", 200, "\"AAAAAAAAAAM=\"" },
        { "\"AAAAAAAAAAM=\"", 200, "\"AAAAAAAAAAQ=\"" },
        { "AAAAAAAAAAQ=", 200, "\"AAAAAAAAAAU=\"" },
        { "\"AAAAAAAAAAQ=\"", 412, NULL },
        { "x", 412, NULL },
    };

    for (size_t i = 0; i < COUNT(updates); i++) {
        (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: %s\r\n",
                       f->made.owner_token, updates[i].if_match);
        const char *body = i % 2 ? "{\"status\":\"enabled\"}" : "{\"status\":\"disabled\"}";
        hub_ask_with(f, "PUT", "/devices/cam%231", headers, body, strlen(body), &a);
        hub_expect(&a, updates[i].status, updates[i].etag ? "\"etag\":" : "PreconditionFailed;");
        if (updates[i].etag)
            assert_string_equal(answer_header(&a, "ETag"), updates[i].etag);
    }
    hub_ask_with(f, "DELETE", "/devices/cam%231", headers, NULL, 0, &a);
    hub_expect(&a, 412, "PreconditionFailed;");
    hub_do(f, "DELETE", "/devices/cam%231", NULL, 204, "");
    hub_do(f, "DELETE", "/devices/cam%231", NULL, 404, "DeviceNotFound;");
}

/* Ids with every odd character, encoded and as they are. */
static void odd_ids(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/-.+%25_%23*%3F!(),:=@$'", "{}", 200,
           "\"deviceId\":\"-.+%_#*?!(),:=@$'\"");
    hub_do(f, "GET", "/devices/%2D%2e+%25_%23*%3F!()%2C:=%40$'", NULL, 200, "\"deviceId\"");
    hub_do(f, "PUT", "/devices/-.+%25_%23*%3F!(),:=@$'/modules/m%3A1", "{}", 200,
           "\"moduleId\":\"m:1\"");
    hub_do(f, "GET", "/devices/-.+%25_%23*%3F!(),:=@$'/modules/m:1", NULL, 200, "\"m:1\"");
}

static void modules(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/e", "{\"capabilities\":{\"iotEdge\":true}}", 200,
           "\"iotEdge\":true");
    hub_do(f, "GET", "/devices/e/modules/%24edgeAgent", NULL, 200, "\"managedBy\":\"iotEdge\"");
    hub_do(f, "GET", "/devices/e/modules/$edgeHub", NULL, 200, "\"type\":\"none\"");
    hub_do(f, "PUT", "/devices/e/modules/m", "{\"moduleId\":\"m\",\"deviceId\":\"e\"}", 200,
           "\"m\"");
    hub_do(f, "PUT", "/devices/e/modules/m", "{}", 409, "ModuleAlreadyExistsOnDevice;");
    hub_do(f, "PUT", "/devices/e/modules/m", "{\"moduleId\":\"n\"}", 400, "moduleId is 'n'");
    hub_do(f, "PUT", "/devices/none/modules/m", "{}", 404, "DeviceNotFound;");
    hub_do(f, "GET", "/devices/e/modules/none", NULL, 404, "ModuleNotFound;");
    hub_do(f, "GET", "/devices/e/modules", NULL, 200, "\"moduleId\":\"$edgeAgent\"");
    hub_do(f, "GET", "/devices/none/modules", NULL, 404, "DeviceNotFound;");
    hub_do(f, "DELETE", "/devices/e/modules/$edgeAgent", NULL, 401,
           "SystemModuleModifyUnauthorizedAccess;");
    hub_do(f, "DELETE", "/devices/e/modules/m", NULL, 204, "");
    hub_do(f, "PUT", "/devices/leaf", "{}", 200, "leaf");
    hub_do(f, "GET", "/devices/leaf/modules", NULL, 200, "[]");
}

/* [iothub-13] A device gets its modules' identities, chooses their keys, and removes them. */
static void by_the_device(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char headers[700], shown[512];
    static const char keys[] = "{\"moduleId\":\"m\",\"authentication\":{\"type\":\"sas\","
                               "\"symmetricKey\":{\"primaryKey\":\"" HUB_KEY
                               "\",\"secondaryKey\":\"" HUB_KEY "\"}}}";
    hub_identity(f, "e", ",\"capabilities\":{\"iotEdge\":true}");
    hub_sas_device("e", shown);
    (void)snprintf(headers, sizeof headers, "%sIf-Match: *\r\n", shown);
    hub_ask_with(f, "PUT", "/devices/e/modules/m", shown, "{\"managedBy\":\"iotEdge\"}", 23, &a);
    hub_expect(&a, 200, "\"managedBy\":\"iotEdge\"");
    hub_ask_with(f, "PUT", "/devices/e/modules/m", headers, keys, sizeof keys - 1, &a);
    hub_expect(&a, 200, HUB_KEY);
    hub_ask_with(f, "PUT", "/devices/e/modules/%24edgeAgent", headers, "{}", 2, &a);
    assert_int_equal(a.status, 200);
    hub_ask_with(f, "GET", "/devices/e/modules/m", shown, NULL, 0, &a);
    hub_expect(&a, 200, "\"generationId\"");
    hub_ask_with(f, "DELETE", "/devices/e/modules/m", headers, NULL, 0, &a);
    assert_int_equal(a.status, 204);
}

static void lists(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char body[128];
    hub_do(f, "GET", "/devices", NULL, 200, "[]");
    for (int i = 0; i < 3; i++) {
        (void)snprintf(body, sizeof body, "/devices/d%d", i);
        hub_do(f, "PUT", body, "{}", 200, "");
    }
    hub_do(f, "GET", "/devices?top=1000", NULL, 200, "\"d2\"");
    hub_do(f, "GET", "/devices?top=100000", NULL, 200, "\"d2\"");
    hub_ask(f, "GET", "/devices?top=2&api-version=x", f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "\"d1\"");
    assert_null(strstr(a.body, "\"d2\""));

    static const struct {
        const char *top;
        int status;
        const char *words;
    } tops[] = {
        { "0", 200, "\"d2\"" },
        { "-1", 200, "\"d2\"" },
        { "1001", 200, "\"d2\"" },
        { "x", 400, "ErrorCode:ArgumentInvalid;top" },
        { "", 400, "ErrorCode:ArgumentInvalid;top" },
        { "-", 400, "ErrorCode:ArgumentInvalid;top" },
        { "1.5", 400, "ErrorCode:ArgumentInvalid;top" },
    };

    for (size_t i = 0; i < COUNT(tops); i++) {
        (void)snprintf(body, sizeof body, "/devices?top=%s", tops[i].top);
        hub_do(f, "GET", body, NULL, tops[i].status, tops[i].words);
    }
}

static void many(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "POST", "/devices",
           "[{\"id\":\"a\",\"importMode\":\"create\",\"status\":\"disabled\"},"
           "{\"id\":\"b\",\"importMode\":\"create\"}]",
           200, "\"isSuccessful\":true");
    hub_do(f, "GET", "/devices/a", NULL, 200, "\"status\":\"disabled\"");
    hub_do(f, "POST", "/devices",
           "[{\"id\":\"a\",\"importMode\":\"delete\"},{\"id\":\"b\",\"importMode\":\"create\"}]",
           400, "\"errorCode\":\"DeviceAlreadyExists\"");
    hub_do(f, "GET", "/devices/a", NULL, 404, "DeviceNotFound;");
    hub_do(f, "POST", "/devices", "{}", 400, "an array of devices");
    hub_do(f, "POST", "/devices", "[", 400, "the body");
    hub_do(f, "POST", "/devices", NULL, 400, "the body");
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 16);
    for (int i = 0; i < 101; i++)
        sk_buf_fmt(&b, "%s{\"id\":\"x%d\"}", i ? "," : "[", i);
    sk_buf_chr(&b, ']');
    hub_do(f, "POST", "/devices", b.data, 413, "ErrorCode:TooManyDevices;");
    hub_do(f, "GET", "/devices/x0", NULL, 404, "");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(one_device),    ROW(odd_ids), ROW(modules),
                                        ROW(by_the_device), ROW(lists),   ROW(many) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
