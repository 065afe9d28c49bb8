/* test_api_policies.c - shared access policies over HTTP: [hub-33]. */
#include "hub_util.h"

static void listed(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char want[128], shown[512], reader[SK_TOKEN_TEXT];
    hub_ask(f, "GET", "/api/v1/policies", f->made.owner_token, NULL, &a);
    hub_expect(&a, 200, "\"name\":\"registryRead\",\"rights\":[\"RegistryRead\"]");
    assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
    (void)snprintf(want, sizeof want,
                   "\"connectionString\":\"HostName=hub.example:%u;SharedAccessKeyName=device;",
                   (unsigned)f->port);
    hub_expect(&a, 200, want);
    assert_null(strstr(a.body, "},]"));
    hub_token(f, SK_ROLE_DEPLOYER, reader);
    hub_ask(f, "GET", "/api/v1/policies", reader, NULL, &a);
    hub_expect(&a, 403, "needed is owner");
    hub_sas_policy(f, "iothubowner", shown);
    hub_ask_with(f, "GET", "/api/v1/policies", shown, NULL, 0, &a);
    hub_expect(&a, 403, "has no rights here");
}

static void renewed(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char shown[512];
    hub_sas_policy(f, "service", shown);
    hub_ask_with(f, "GET", "/twins/none", shown, NULL, 0, &a);
    hub_expect(&a, 404, "DeviceNotFound;");
    hub_do(f, "POST", "/api/v1/policies/service", "{\"renew\":\"secondary\"}", 200, "\"service\"");
    hub_ask_with(f, "GET", "/twins/none", shown, NULL, 0, &a);
    hub_expect(&a, 404, "DeviceNotFound;");
    hub_do(f, "POST", "/api/v1/policies/service", "{\"renew\":\"primary\"}", 200, "\"primaryKey\"");
    hub_ask_with(f, "GET", "/twins/none", shown, NULL, 0, &a);
    hub_expect(&a, 401, "ErrorCode:IotHubUnauthorized;");
    hub_do(f, "POST", "/api/v1/policies/service", "{}", 400, "renew");
    hub_do(f, "POST", "/api/v1/policies/none", "{\"renew\":\"primary\"}", 404, "none");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(listed), ROW(renewed) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
