/* test_api_deployments.c - how far a device is, checks of contents, what is left to look at. */
#include "flow.h"

#define AGENT(module)                                                                              \
    "\"$edgeAgent\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"runtime\":{\"type\":"     \
    "\"docker\",\"settings\":{}},\"systemModules\":{\"edgeAgent\":{\"type\":\"docker\","           \
    "\"settings\":{\"image\":\"a:1\"}},\"edgeHub\":{\"type\":\"docker\",\"status\":\"running\","   \
    "\"restartPolicy\":\"always\",\"settings\":{\"image\":\"h:1\"}}},\"modules\":{\"m\":" module   \
    "}}}"
#define HUB                                                                                        \
    "\"$edgeHub\":{\"properties.desired\":{\"schemaVersion\":\"1.1\",\"routes\":{},"               \
    "\"storeAndForwardConfiguration\":{\"timeToLiveSecs\":7200}}}"
#define CONTENT(module) "{\"modulesContent\":{" AGENT(module) "," HUB "}}"
#define GOOD                                                                                       \
    "{\"type\":\"docker\",\"status\":\"running\",\"restartPolicy\":\"always\",\"settings\":{"      \
    "\"image\":\"x/m:1\"}}"
#define ODD                                                                                        \
    "{\"type\":\"docker\",\"status\":\"running\",\"restartPolcy\":\"always\",\"settings\":{"       \
    "\"image\":\"x/m:1\"}}"
#define BAD "{\"type\":\"docker\",\"status\":\"runing\",\"settings\":{\"image\":\"x/m:1\"}}"

/* An unknown field is taken, and stands as a warning in the device's status. */
static void warned(void **state)
{
    static const struct {
        const char *module, *says;
    } rows[] = {
        { CONTENT(GOOD), "\"warnings\":[]" },
        { CONTENT(ODD), "restartPolicy" },
        { CONTENT(GOOD), "\"warnings\":[]" },
    };
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/e", "{\"deviceId\":\"e\",\"capabilities\":{\"iotEdge\":true}}", 200,
           "");
    hub_do(f, "GET", "/api/v1/deployments/devices/e", NULL, 200, "\"configurations\":{}");
    for (size_t i = 0; i < COUNT(rows); i++) {
        hub_do(f, "POST", "/devices/e/applyConfigurationContent", rows[i].module, 204, "");
        hub_do(f, "GET", "/api/v1/deployments/devices/e", NULL, 200, rows[i].says);
    }
    hub_do(f, "GET", "/api/v1/deployments/devices/x", NULL, 404, "x");
}

static void checked(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "POST", "/api/v1/deployments/check", CONTENT(GOOD), 200, "{\"errors\":[]");
    hub_do(f, "POST", "/api/v1/deployments/check", CONTENT(ODD), 200, "restartPolicy");
    hub_do(f, "POST", "/api/v1/deployments/check", CONTENT(BAD), 200, "runing");
    hub_do(f, "POST", "/api/v1/deployments/check", "[", 400, "");
    hub_do(f, "GET", "/api/v1/deployments/pending", NULL, 200, "{\"pending\":");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(warned, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(checked, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/api_deployments", tests, NULL, NULL);
}
