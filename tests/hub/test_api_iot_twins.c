/* test_api_iot_twins.c - twins over HTTP. */
#include "hub_util.h"

static void twins(void **state)
{
    static const struct {
        const char *method, *path, *body;
        int status;
        const char *words;
    } steps[] = {
        { "PUT", "/devices/d", "{}", 200, "" },
        { "PUT", "/devices/d/modules/m", "{}", 200, "" },
        { "GET", "/twins/d", NULL, 200, "\"tags\":{}" },
        { "GET", "/twins/none", NULL, 404, "DeviceNotFound;" },
        { "GET", "/twins/d/modules/none", NULL, 404, "ModuleNotFound;" },
        { "PATCH", "/twins/d", "{\"tags\":{\"env\":\"a\"},\"properties\":{\"desired\":{\"x\":1}}}",
          200, "\"tags\":{\"env\":\"a\"}" },
        { "PATCH", "/twins/d", "{\"properties\":{\"desired\":{\"y\":{\"z\":2}}}}", 200,
          "\"desired\":{\"x\":1,\"y\":{\"z\":2}" },
        { "PATCH", "/twins/d", "{\"properties\":{\"desired\":{\"x\":null}}}", 200,
          "\"$version\":4" },
        { "PUT", "/twins/d", "{\"properties\":{\"desired\":{\"n\":0}}}", 200, "\"tags\":{}" },
        { "GET", "/twins/d", NULL, 200, "\"desired\":{\"n\":0" },
        { "PATCH", "/twins/d/modules/m", "{\"properties\":{\"desired\":{\"m\":1}}}", 200,
          "\"moduleId\":\"m\"" },
        { "PATCH", "/twins/d", "{\"properties\":{\"desired\":{\"a.b\":1}}}", 400,
          "ErrorCode:ArgumentInvalid;" },
        { "PATCH", "/twins/d", "[]", 400, "must be a JSON object" },
        { "PATCH", "/twins/none", "{}", 404, "DeviceNotFound;" },
    };
    struct hub_fixture *f = *state;
    for (size_t i = 0; i < COUNT(steps); i++)
        hub_do(f, steps[i].method, steps[i].path, steps[i].body, steps[i].status, steps[i].words);
}

static void conditions(void **state)
{
    struct hub_fixture *f = *state;
    struct answer a;
    char headers[300];
    static const char patch[] = "{\"tags\":{\"n\":1}}";
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    hub_ask(f, "GET", "/twins/d", f->made.owner_token, NULL, &a);
    assert_string_equal(answer_header(&a, "ETag"), "\"AAAAAAAAAAE=\"");
    static const char *const good[] = { "\"AAAAAAAAAAE=\"", "*", "\"*\"" };
    static const char *const bad[] = { "\"AAAAAAAAAAE=\"", "\"x\"" };
    for (size_t i = 0; i < COUNT(good); i++) {
        (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: %s\r\n",
                       f->made.owner_token, good[i]);
        const char *body = i == 0   ? patch
                           : i == 1 ? "{\"tags\":{\"n\":2}}"
                                    : "{\"tags\":{\"n\":3}}";
        hub_ask_with(f, "PATCH", "/twins/d", headers, body, strlen(body), &a);
        hub_expect(&a, 200, "\"tags\"");
    }
    for (size_t i = 0; i < COUNT(bad); i++) {
        (void)snprintf(headers, sizeof headers, "Authorization: Bearer %s\r\nIf-Match: %s\r\n",
                       f->made.owner_token, bad[i]);
        hub_ask_with(f, "PUT", "/twins/d", headers, patch, sizeof patch - 1, &a);
        hub_expect(&a, 412, "PreconditionFailed;");
    }
    hub_do(f, "GET", "/twins/d", NULL, 200, "\"tags\":{\"n\":3}");
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(twins), ROW(conditions) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
