/* test_api_iot_query.c - queries in pages, and counts. */
#include "hub_util.h"

static void ask(struct hub_fixture *f, const char *max, const char *continuation, const char *query,
                struct answer *a)
{
    char headers[400], body[300];
    (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\n%s%s%s%s%s%s",
                   f->made.owner_token, max ? "x-ms-max-item-count: " : "", max ? max : "",
                   max ? "\r\n" : "", continuation ? "x-ms-continuation: " : "",
                   continuation ? continuation : "", continuation ? "\r\n" : "");
    (void)snprintf(body, sizeof body, "{\"query\":\"%s\"}", query);
    hub_ask_with(f, "POST", "/devices/query", headers, body, strlen(body), a);
}

static void pages(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char next[64] = "", body[64];
    unsigned count = 0, asked = 0;
    for (int i = 0; i < 5; i++) {
        (void)snprintf(body, sizeof body, "/devices/d%d", i);
        hub_do(f, "PUT", body, "{}", 200, "");
    }
    do {
        ask(f, "2", next[0] ? next : NULL, "SELECT deviceId FROM devices", &a);
        assert_int_equal(a.status, 200);
        assert_string_equal(answer_header(&a, "x-ms-item-type"), "Raw");
        for (const char *p = a.body; (p = strstr(p, "\"deviceId\"")) != NULL; p++)
            count++;
        const char *header = answer_header(&a, "x-ms-continuation");
        (void)snprintf(next, sizeof next, "%s", header ? header : "");
    } while (next[0] && ++asked < 10);
    assert_int_equal(count, 5);
    assert_int_equal(asked, 2);
    ask(f, NULL, NULL, "SELECT * FROM devices", &a);
    hub_expect(&a, 200, "\"d4\"");
    assert_string_equal(answer_header(&a, "x-ms-item-type"), "Twin");
    assert_null(answer_header(&a, "x-ms-continuation"));
    static const char *const any[] = { "-1", "", "1000", "100000", "100" };
    for (size_t i = 0; i < COUNT(any); i++) {
        ask(f, any[i], "", "SELECT deviceId FROM devices", &a);
        hub_expect(&a, 200, "\"d4\"");
    }
}

static void refused(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    static const char *const counts[] = { "0", "-2", "x", "99999999999" };
    for (size_t i = 0; i < COUNT(counts); i++) {
        ask(f, counts[i], NULL, "SELECT * FROM devices", &a);
        hub_expect(&a, 400, "ErrorCode:ArgumentInvalid;x-ms-max-item-count");
    }
    ask(f, NULL, "x", "SELECT * FROM devices", &a);
    hub_expect(&a, 400, "ErrorCode:ArgumentInvalid;");
    ask(f, NULL, NULL, "SELECT FROM", &a);
    hub_expect(&a, 400, "ErrorCode:IotHubFormatError;");
    hub_do(f, "POST", "/devices/query", "{}", 400, "ErrorCode:ArgumentNull;query");
    hub_do(f, "POST", "/devices/query", "[]", 400, "must be a JSON object");
}

static void statistics(void **state)
{
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/a", "{}", 200, "");
    hub_do(f, "PUT", "/devices/b", "{\"status\":\"disabled\"}", 200, "");
    hub_do(f, "GET", "/statistics/devices", NULL, 200,
           "{\"totalDeviceCount\":2,\"enabledDeviceCount\":1,\"disabledDeviceCount\":1}");
    hub_do(f, "GET", "/statistics/service", NULL, 200, "{\"connectedDeviceCount\":0}");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(pages), ROW(refused), ROW(statistics) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
