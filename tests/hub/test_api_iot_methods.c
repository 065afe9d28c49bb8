/* test_api_iot_methods.c - calls of methods that reach no device, and that hold nobody up. */
#include "hub_util.h"

#include "base/clock.h"

static void refused(void **state)
{
    static const struct {
        const char *path, *body;
        int status;
        const char *words;
    } rows[] = {
        { "/twins/d/methods", "{\"methodName\":\"m\"}", 404, "ErrorCode:DeviceNotOnline;" },
        { "/twins/d/methods", "{\"methodName\":\"m\",\"payload\":null}", 404, "DeviceNotOnline;" },
        { "/twins/d/modules/m/methods", "{\"methodName\":\"m\",\"payload\":{\"a\":[1]}}", 404,
          "DeviceNotOnline;" },
        { "/twins/none/methods", "{\"methodName\":\"m\"}", 404, "DeviceNotFound;" },
        { "/twins/d/modules/no/methods", "{\"methodName\":\"m\"}", 404, "ModuleNotFound;" },
        { "/twins/d/methods", "{}", 400, "ErrorCode:ArgumentNull;methodName" },
        { "/twins/d/methods", "{\"methodName\":1}", 400, "methodName" },
        { "/twins/d/methods", "{\"methodName\":\"\"}", 400, "methodName" },
        { "/twins/d/methods", "{\"methodName\":\"m\",\"responseTimeoutInSeconds\":4}", 400,
          "responseTimeoutInSeconds" },
        { "/twins/d/methods", "{\"methodName\":\"m\",\"responseTimeoutInSeconds\":301}", 400,
          "responseTimeoutInSeconds" },
        { "/twins/d/methods", "{\"methodName\":\"m\",\"connectTimeoutInSeconds\":-1}", 400,
          "connectTimeoutInSeconds" },
        { "/twins/d/methods", "{\"methodName\":\"m\",\"connectTimeoutInSeconds\":301}", 400,
          "connectTimeoutInSeconds" },
        { "/twins/d/methods", "[]", 400, "must be a JSON object" },
    };
    struct hub_fixture *f = *state;
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    hub_do(f, "PUT", "/devices/d/modules/m", "{}", 200, "");
    for (size_t i = 0; i < COUNT(rows); i++)
        hub_do(f, "POST", rows[i].path, rows[i].body, rows[i].status, rows[i].words);
}

/* [iothub-18] Two workers, eight calls that wait a second for their device: others are answered
 * meanwhile. */
static void held_by_nobody(void **state)
{
    struct hub_fixture *f = *state;
    struct client c[8];
    struct answer a;
    char request[512];
    static const char body[] = "{\"methodName\":\"m\",\"connectTimeoutInSeconds\":1}";
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    (void)snprintf(request, sizeof request,
                   "POST /twins/d/methods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   f->made.owner_token, sizeof body - 1, body);
    uint64_t start_ms = sk_now_ms();
    for (size_t i = 0; i < COUNT(c); i++) {
        client_open(&c[i], f->port);
        client_send(&c[i], request);
    }
    hub_do(f, "GET", "/devices/d", NULL, 200, "\"d\"");
    uint64_t between_ms = sk_now_ms();
    for (size_t i = 0; i < COUNT(c); i++) {
        client_read(&c[i], false, &a);
        hub_expect(&a, 404, "DeviceNotOnline;");
        client_close(&c[i]);
    }
    assert_true(sk_now_ms() - start_ms >= 1000);
    assert_true(between_ms - start_ms < sk_now_ms() - start_ms);
}

/* [iothub-18] What waits when the hub ends is told so. */
static void the_hub_ends(void **state)
{
    struct hub_fixture *f = *state;
    struct client c;
    struct answer a;
    char request[512];
    static const char body[] = "{\"methodName\":\"m\",\"connectTimeoutInSeconds\":300}";
    hub_do(f, "PUT", "/devices/d", "{}", 200, "");
    (void)snprintf(request, sizeof request,
                   "POST /twins/d/methods HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer %s\r\n"
                   "Connection: close\r\nContent-Length: %zu\r\n\r\n%s",
                   f->made.owner_token, sizeof body - 1, body);
    client_open(&c, f->port);
    client_send(&c, request);
    hub_do(f, "GET", "/devices/d", NULL, 200, "\"d\"");
    sk_hub_stop(f->hub);
    f->hub = NULL;
    client_read(&c, false, &a);
    if (a.status != 0) /* or the connection is gone */
        hub_expect(&a, 503, "ErrorCode:ServiceUnavailable;");
    client_close(&c);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, hub_running, hub_gone)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(refused), ROW(held_by_nobody), ROW(the_hub_ends) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
