/* test_api_iot.c - [iothub-5] to [iothub-8]: every row of the table and everyone who may ask. */
#include "hub/api_iot_priv.h"
#include "hub_util.h"

enum {
    R = SK_RIGHT_REGISTRY_READ,
    W = SK_RIGHT_REGISTRY_WRITE,
    S = SK_RIGHT_SERVICE,
    T = SK_RIGHT_TELEMETRY,
    D = SK_RIGHT_DEVICE
};

/* Everyone, with the rights that the specification gives. */
static const struct {
    const char *name;
    unsigned rights;
} people[] = {
    { "reader", R | T },
    { "publisher", R | T },
    { "deployer", R | W | S | T },
    { "owner", R | W | S | T },
    { "iothubowner", R | W | S | T | D },
    { "service", S | T },
    { "device", D },
    { "registryRead", R },
    { "registryReadWrite", R | W },
    { "d1", 0 },
    { "d1/m1", 0 },
    { "d1/$edgeHub", 0 },
    { "d2", 0 },
    { "d2/m1", 0 },
    { "D1", 0 }, /* another device: case counts */
};

/* What is asked, the rights of which one is enough, and those who may without: d1 itself, its m1,
 * its $edgeHub. Written from docs/spec/iot-hub.md, not from the table. */
static const struct {
    const char *method, *path;
    unsigned rights;
    const char *self;
} rows[] = {
    { "GET", "/devices", R | W, "" },
    { "POST", "/devices", W, "" },
    { "POST", "/devices/query", S, "" },
    { "GET", "/devices/d1", R | W, "" },
    { "PUT", "/devices/d1", W, "" },
    { "DELETE", "/devices/d1", W, "" },
    { "GET", "/devices/d1/modules", R | W, "d1" },
    { "GET", "/devices/d1/modules/m1", R | W, "d1" },
    { "PUT", "/devices/d1/modules/m1", W, "d1" },
    { "DELETE", "/devices/d1/modules/m1", W, "d1" },
    { "GET", "/devices/d1/modules/$edgeHub/devicesAndModulesInDeviceScope", D, "d1/$edgeHub" },
    { "GET", "/devices/d1/modules/%24edgeHub/deviceAndModuleInDeviceScope", D, "d1/$edgeHub" },
    { "POST", "/devices/d1/applyConfigurationContent", W, "" },
    { "DELETE", "/devices/d1/commands", S, "" },
    { "POST", "/devices/d1/messages/devicebound", S, "" },
    { "GET", "/devices/d1/messages/devicebound", D, "d1" },
    { "POST", "/devices/d1/modules/m1/inputs/i", S, "" },
    { "POST", "/devices/d1/messages/events", D, "d1" },
    { "POST", "/devices/d1/modules/m1/messages/events", D, "d1/m1" },
    { "GET", "/twins/d1", S, "" },
    { "PATCH", "/twins/d1", S, "" },
    { "PUT", "/twins/d1", S, "" },
    { "GET", "/twins/d1/modules/m1", S, "" },
    { "PATCH", "/twins/d1/modules/m1", S, "" },
    { "PUT", "/twins/d1/modules/m1", S, "" },
    { "POST", "/twins/d1/methods", S, "" },
    { "POST", "/twins/d1/modules/m1/methods", S, "" },
    { "GET", "/configurations", R | W, "" },
    { "POST", "/configurations/testQueries", R | W, "" },
    { "GET", "/configurations/c", R | W, "" },
    { "PUT", "/configurations/c", W, "" },
    { "DELETE", "/configurations/c", W, "" },
    { "GET", "/statistics/devices", R | W, "" },
    { "GET", "/statistics/service", R | W, "" },
    { "GET", "/messages/serviceBound/feedback", S, "" },
    { "DELETE", "/messages/serviceBound/feedback/x", S, "" },
    { "POST", "/messages/serviceBound/feedback/x/abandon", S, "" },
    { "GET", "/jobs", R | W | S, "" },
    { "POST", "/jobs", R | W | S, "" },
    { "GET", "/jobs/v2/query", R | W | S, "" },
    { "PUT", "/jobs/v2/j", R | W | S, "" },
    { "POST", "/jobs/create", R | W | S, "" },
    { "DELETE", "/jobs/j", R | W | S, "" },
    { "GET", "/digitaltwins/d1", R | W | S, "" },
    { "PATCH", "/digitaltwins/d1", R | W | S, "" },
    { "POST", "/digitaltwins/d1/commands/c", R | W | S, "" },
};

/* A condition that nothing meets: who may change is answered, and nothing changes. */
#define NOTHING "If-Match: \"AAAAAAAAA/8=\"\r\nContent-Type: application/json\r\n"

static void credentials(struct hub_fixture *f, const char *name, char out[512])
{
    enum sk_role role;
    struct sk_err err = SK_ERR_INIT;
    char token[SK_TOKEN_TEXT];
    if (sk_role_parse(name, &role, &err) == 0) {
        hub_token(f, role, token);
        (void)snprintf(out, 512, "Authorization: Bearer %s\r\n", token);
    } else if (strchr("dD", name[0]) && (name[1] == '1' || name[1] == '2')) {
        hub_sas_device(name, out);
    } else {
        hub_sas_policy(f, name, out);
    }
}

static void population(struct hub_fixture *f)
{
    hub_identity(f, "d1", ",\"capabilities\":{\"iotEdge\":true}");
    hub_identity(f, "d2", "");
    hub_identity(f, "D1", "");
    hub_identity(f, "d1/m1", "");
    hub_identity(f, "d2/m1", "");
    struct answer a;
    char headers[700];
    (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: *\r\n",
                   f->made.owner_token);
    static const char hub_keys[] = "{\"authentication\":{\"type\":\"sas\",\"symmetricKey\":{"
                                   "\"primaryKey\":\"" HUB_KEY "\",\"secondaryKey\":\"" HUB_KEY
                                   "\"}}}";
    hub_ask_with(f, "PUT", "/devices/d1/modules/$edgeHub", headers, hub_keys, sizeof hub_keys - 1,
                 &a);
    hub_expect(&a, 200, HUB_KEY);
}

static void every_pair(void **state)
{
    struct hub_fixture *f = *state;
    size_t allowed = 0, denied = 0;
    population(f);
    for (size_t p = 0; p < COUNT(people); p++) {
        char headers[700], shown[512];
        credentials(f, people[p].name, shown);
        (void)snprintf(headers, sizeof headers, "%s%s", shown, NOTHING);
        for (size_t i = 0; i < COUNT(rows); i++) {
            struct answer a;
            bool may = (people[p].rights & rows[i].rights) != 0 ||
                       (rows[i].self[0] && strcmp(rows[i].self, people[p].name) == 0);
            bool has_body = strcmp(rows[i].method, "GET") != 0;
            hub_ask_with(f, rows[i].method, rows[i].path, headers, has_body ? "{}" : NULL, 2, &a);
            bool is_denied = a.status == 401 &&
                             strstr(a.body, "ErrorCode:IotHubUnauthorizedAccess;");
            if (is_denied == may || a.status == 0)
                fail_msg("%s %s as %s: %d %s", rows[i].method, rows[i].path, people[p].name,
                         a.status, a.body);
            allowed += may;
            denied += !may;
        }
    }
    assert_true(allowed > 100 && denied > 300);
    hub_do(f, "GET", "/devices/d1/modules/m1", NULL, 200, "\"moduleId\":\"m1\"");
}

/* No row is missing above. */
static void whole_table(void **state)
{
    size_t count = 0;
    (void)state;
    for (const struct sk_hub_route *r = sk_hub_routes_iot; r->method; r++)
        count++;
    assert_int_equal(count, COUNT(rows));
}

/* Policies have no part in the rest of the hub, nor have nobody and devices in this one. */
static void elsewhere(void **state)
{
    static const struct sk_hub_route *const tables[] = {
        sk_hub_routes_core,   sk_hub_routes_native,    sk_hub_routes_oci,
        sk_hub_routes_mlflow, sk_hub_routes_device_ca, sk_hub_routes_policies,
    };
    struct hub_fixture *f = *state;
    struct answer a;
    char owner[512];
    size_t closed = 0;
    hub_sas_policy(f, "iothubowner", owner);
    for (size_t t = 0; t < COUNT(tables); t++) {
        for (const struct sk_hub_route *r = tables[t]; r->method; r++) {
            char path[256];
            if (r->flags & SK_HUB_OPEN || r->flags >> SK_HUB_RIGHTS_SHIFT)
                continue;
            (void)snprintf(path, sizeof path, "%s%s", r->path,
                           r->flags & SK_HUB_PREFIX ? "x/y" : "");
            hub_ask_with(f, r->method, path, owner, NULL, 0, &a);
            if (a.status != 403)
                fail_msg("%s %s as a policy: %d %s", r->method, path, a.status, a.body);
            closed++;
        }
    }
    assert_true(closed > 40);
    for (size_t i = 0; i < COUNT(rows); i++) {
        hub_ask(f, rows[i].method, rows[i].path, NULL, NULL, &a);
        hub_expect(&a, 401, "ErrorCode:IotHubUnauthorized;credentials are needed");
    }
}

/* Keys are for those who may change them, policies, and the device whose modules they are. */
static void keys(void **state)
{
    static const struct {
        const char *who, *path;
        bool shows;
    } asked[] = {
        { "reader", "/devices/d1", false },         { "publisher", "/devices", false },
        { "reader", "/devices/d1/modules", false }, { "reader", "/devices/d1/modules/m1", false },
        { "deployer", "/devices/d1", true },        { "owner", "/devices", true },
        { "registryRead", "/devices/d1", true },    { "d1", "/devices/d1/modules/m1", true },
    };
    struct hub_fixture *f = *state;
    population(f);
    for (size_t i = 0; i < COUNT(asked); i++) {
        struct answer a;
        char shown[512];
        credentials(f, asked[i].who, shown);
        hub_ask_with(f, "GET", asked[i].path, shown, NULL, 0, &a);
        assert_int_equal(a.status, 200);
        if ((strstr(a.body, HUB_KEY) != NULL) != asked[i].shows)
            fail_msg("%s as %s: %s", asked[i].path, asked[i].who, a.body);
    }
}

/* Paths that are near those of the table. */
static void paths(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *words;
    } near[] = {
        { "GET", "/devices/", 404, "no such path" },
        { "GET", "/devices/d1/", 404, "no such path" },
        { "GET", "/devices//modules", 404, "no such path" },
        { "GET", "/devices/d1/modules/", 404, "no such path" },
        { "GET", "/devices/d1/modules/m1/more", 404, "no such path" },
        { "GET", "/devices/d1/nothing", 404, "no such path" },
        { "POST", "/devices/d1", 405, "ErrorCode:InvalidOperation;" },
        { "DELETE", "/twins/d1", 405, "DELETE" },
        { "GET", "/devices/d1/MODULES", 200, "[" },
        { "GET", "/twins/d1/modules/m1?api-version=2021-04-12", 200, "\"m1\"" },
        { "GET", "/devices/d%31/modules/%6d1", 200, "\"m1\"" },
        { "GET", "/devices/query", 404, "DeviceNotFound;" },
        { "GET", "/devices/d1%2Fmodules", 404, "DeviceNotFound;" },
        { "GET", "/jobs/v2/query", 501, "ErrorCode:NotImplemented;" },
        { "GET", "/devices/d1/messages/devicebound", 401, "lacks the right" },
    };
    struct hub_fixture *f = *state;
    population(f);
    for (size_t i = 0; i < COUNT(near); i++)
        hub_do(f, near[i].method, near[i].path, NULL, near[i].status, near[i].words);
    struct answer a;
    hub_ask(f, "GET", "/devices/d1/nothing", NULL, NULL, &a);
    assert_int_equal(a.status, 404); /* what is nowhere is so for everybody */
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(every_pair), cmocka_unit_test(whole_table),
                                        ROW(elsewhere), ROW(keys), ROW(paths) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
