/* test_api_iot_configurations.c - deployments over HTTP. */
#include "hub_util.h"

#define AGENT                                                                                      \
    "\"$edgeAgent\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"runtime\":{\"type\":"     \
    "\"docker\",\"settings\":{}},\"systemModules\":{\"edgeAgent\":{\"type\":\"docker\","           \
    "\"settings\":{\"image\":\"a:1\"}},\"edgeHub\":{\"type\":\"docker\",\"status\":\"running\","   \
    "\"restartPolicy\":\"always\",\"settings\":{\"image\":\"h:1\"}}},\"modules\":{}}}"
#define HUB                                                                                        \
    "\"$edgeHub\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"routes\":{},"               \
    "\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":7200}}}"
#define CONTENT "{\"modulesContent\":{" AGENT "," HUB "}}"
#define BODY                                                                                       \
    "{\"id\":\"c1\",\"schemaVersion\":\"1.0\",\"priority\":10,\"targetCondition\":\"\","           \
    "\"content\":" CONTENT "}"

static void apply(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/e", "{\"capabilities\":{\"iotEdge\":true}}", 200, "");
    hub_do(f, "PUT", "/devices/leaf", "{}", 200, "");
    hub_do(f, "POST", "/devices/e/applyConfigurationContent?api-version=2024-03-31", CONTENT, 204,
           "");
    hub_do(f, "GET", "/twins/e/modules/%24edgeAgent", NULL, 200, "\"image\":\"a:1\"");
    hub_do(f, "POST", "/devices/e/applyConfigurationContent", "{}", 400,
           "ErrorCode:InvalidConfigurationContent;");
    hub_do(f, "POST", "/devices/e/applyConfigurationContent", "[]", 400, "ErrorCode:");
    hub_do(f, "POST", "/devices/none/applyConfigurationContent", CONTENT, 404, "DeviceNotFound;");
    hub_do(f, "POST", "/devices/leaf/applyConfigurationContent", CONTENT, 400, "ErrorCode:");
}

static void configurations(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char headers[300];
    const char *owner = f->made.owner_token;
    hub_do(f, "GET", "/configurations", NULL, 200, "[]");
    hub_do(f, "GET", "/configurations/c1", NULL, 404, "ErrorCode:ConfigurationNotFound;");
    hub_do(f, "PUT", "/configurations/c2", BODY, 400, "id is 'c1'");
    hub_ask(f, "PUT", "/configurations/c1", owner, BODY, &a);
    hub_expect(&a, 200, "\"id\":\"c1\"");
    assert_non_null(answer_header(&a, "ETag"));
    hub_do(f, "PUT", "/configurations/c1", BODY, 409, "ErrorCode:ConfigurationAlreadyExists;");
    hub_do(f, "GET", "/configurations?top=20", NULL, 200, "\"c1\"");
    hub_do(f, "GET", "/configurations?top=x", NULL, 400, "ErrorCode:ArgumentInvalid;top");
    hub_ask(f, "GET", "/configurations/c1", owner, NULL, &a);
    hub_expect(&a, 200, "\"systemMetrics\"");
    char etag[64];
    (void)snprintf(etag, sizeof etag, "%s", answer_header(&a, "ETag"));
    (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: %s\r\n", owner,
                   etag);
    hub_ask_with(f, "PUT", "/configurations/c1", headers, BODY, sizeof BODY - 1, &a);
    assert_int_equal(a.status, 200);
    (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: \"x\"\r\n",
                   owner);
    hub_ask_with(f, "PUT", "/configurations/c1", headers, BODY, sizeof BODY - 1, &a);
    hub_expect(&a, 412, "PreconditionFailed;");
    hub_ask_with(f, "DELETE", "/configurations/c1", headers, NULL, 0, &a);
    hub_expect(&a, 412, "PreconditionFailed;");
    hub_do(f, "DELETE", "/configurations/c1", NULL, 204, "");
    hub_do(f, "DELETE", "/configurations/c1", NULL, 404, "ErrorCode:ConfigurationNotFound;");
}

static void test_queries(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(
        f, "POST", "/configurations/testQueries",
        "{\"targetCondition\":\"tags.a='b'\",\"customMetricQueries\":{\"m\":\"SELECT deviceId FROM "
        "devices\"}}",
        200, "\"customMetricQueryErrors\":{}");
    hub_do(f, "POST", "/configurations/testQueries", "{\"targetCondition\":\"tags.\"}", 200,
           "\"targetConditionError\":\"");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(apply), ROW(configurations), ROW(test_queries) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
