/* test_api_iot_scope.c - [iothub-14]: what an edgeHub hears of the devices below it. */
#include "hub_util.h"

#define SCOPE     "/devices/edge/modules/$edgeHub/devicesAndModulesInDeviceScope"
#define SCOPE_ONE "/devices/edge/modules/$edgeHub/deviceAndModuleInDeviceScope"

/* The member "deviceScope" of a device. */
static void scope_of(struct hub_fixture *f, const char *path, char out[200])
{
    static const char name[] = "\"deviceScope\":\"";
    struct answer a;
    hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
    const char *at = strstr(a.body, name);
    assert_non_null(at);
    at += sizeof name - 1;
    (void)snprintf(out, 200, "%.*s", (int)strcspn(at, "\""), at);
}

static void leaf(struct hub_fixture *f, const char *name, const char *scope)
{
    char more[300];
    (void)snprintf(more, sizeof more, ",\"deviceScope\":\"%s\"", scope);
    hub_identity(f, name, more);
}

static void ask(struct hub_fixture *f, const char *path, int status, const char *words,
                struct answer *a)
{
    char shown[512];
    hub_sas_policy(f, "device", shown);
    hub_ask_with(f, "GET", path, shown, NULL, 0, a);
    hub_expect(a, status, words);
}

static void pages(struct hub_fixture *f)
{
    struct answer a;
    static const char link[] = "\"continuationLink\":\"";
    char path[300] = SCOPE "?deviceCount=2&continuationToken=&api-version=2018-08-30-preview";
    unsigned found = 0, asked = 0, modules_seen = 0;
    static const char *const inside[] = { "\"edge\"", "\"in1\"", "\"in2\"", "\"in3\"", "\"in4\"" };
    for (; path[0] && asked < 10; asked++) {
        ask(f, path, 200, "{\"devices\":[", &a);
        assert_null(strstr(a.body, "\"outside\""));
        char *modules = strstr(a.body, "],\"modules\":[");
        assert_non_null(modules);
        *modules = '\0';
        modules_seen += strstr(modules + 1, "\"moduleId\":\"m\"") != NULL;
        for (size_t i = 0; i < COUNT(inside); i++) {
            char id[40];
            (void)snprintf(id, sizeof id, "\"deviceId\":%s", inside[i]);
            found += strstr(a.body, id) != NULL;
        }
        const char *next = strstr(modules + 1, link);
        path[0] = '\0';
        if (next)
            (void)snprintf(path, sizeof path, "%.*s", (int)strcspn(next + sizeof link - 1, "\""),
                           next + sizeof link - 1);
    }
    assert_int_equal(found, COUNT(inside));
    assert_int_equal(asked, 3);
    assert_int_equal(modules_seen, 1);
}

static void scope(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char own[200], other[200];
    hub_identity(f, "edge", ",\"capabilities\":{\"iotEdge\":true}");
    hub_identity(f, "edge2", ",\"capabilities\":{\"iotEdge\":true}");
    scope_of(f, "/devices/edge", own);
    scope_of(f, "/devices/edge2", other);
    leaf(f, "in1", own);
    leaf(f, "in2", own);
    leaf(f, "outside", other);
    leaf(f, "in3", own);
    leaf(f, "in4", own);
    hub_identity(f, "in1/m", "");
    pages(f);
    /* a page that is the last one, of another edge */
    ask(f, "/devices/edge2/modules/$edgeHub/devicesAndModulesInDeviceScope", 200,
        "\"continuationLink\":null", &a);
    assert_non_null(strstr(a.body, "\"moduleId\":\"$edgeAgent\""));
    assert_non_null(strstr(a.body, "\"deviceId\":\"outside\""));
    assert_null(strstr(a.body, "\"deviceId\":\"in1\""));
    assert_non_null(strstr(a.body, HUB_KEY));
    static const char *const bad[] = { "?deviceCount=0", "?deviceCount=1001", "?deviceCount=x",
                                       "?continuationToken=x" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        char path[200];
        (void)snprintf(path, sizeof path, SCOPE "%s", bad[i]);
        ask(f, path, 400, "ErrorCode:ArgumentInvalid;", &a);
    }
    ask(f, "/devices/in1/modules/$edgeHub/devicesAndModulesInDeviceScope", 400, "no edge device",
        &a);
    ask(f, "/devices/edge/modules/m/devicesAndModulesInDeviceScope", 401, "only $edgeHub", &a);
    ask(f, "/devices/none/modules/$edgeHub/devicesAndModulesInDeviceScope", 404, "DeviceNotFound;",
        &a);
    ask(f, SCOPE_ONE "?targetDeviceId=in1", 200, "\"modules\":[]", &a);
    assert_non_null(strstr(a.body, "\"deviceId\":\"in1\""));
    ask(f, SCOPE_ONE "?targetDeviceId=in1&targetModuleId=m", 200, "\"moduleId\":\"m\"", &a);
    ask(f, SCOPE_ONE "?targetDeviceId=edge&targetModuleId=", 200, "\"deviceId\":\"edge\"", &a);
    ask(f, SCOPE_ONE "?targetDeviceId=in1&targetModuleId=no", 404, "ModuleNotFound;", &a);
    ask(f, SCOPE_ONE "?targetDeviceId=outside", 404, "not in the scope", &a);
    ask(f, SCOPE_ONE "?targetDeviceId=none", 404, "not in the scope", &a);
    ask(f, SCOPE_ONE, 400, "ErrorCode:ArgumentNull;", &a);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test_setup_teardown(scope, hub_running,
                                                                        hub_gone) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
