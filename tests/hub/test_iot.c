/* test_iot.c - the device half put together: what is told where, and that it ends in order. */
#include "hub_util.h"

#include <unistd.h>

static void told(void **state)
{
    static const struct {
        const char *method, *path, *body;
        const char *query, *says;
    } rows[] = {
        { "PUT", "/devices/d?api-version=2021-04-12", "{\"deviceId\":\"d\"}",
          "source=deviceLifecycleEvents", "{\"event\":\"createDeviceIdentity\"}" },
        { "PUT", "/devices/d/modules/m?api-version=2021-04-12",
          "{\"deviceId\":\"d\",\"moduleId\":\"m\"}", "module=m",
          "{\"event\":\"createModuleIdentity\"}" },
        { "PATCH", "/twins/d?api-version=2021-04-12",
          "{\"tags\":{\"site\":\"x\"},\"properties\":{\"desired\":{\"n\":1}}}", "order=asc",
          "\"body\":{\"tags\":{\"site\":\"x\"}}" },
        { "GET", "/twins/d?api-version=2021-04-12", NULL, "source=twinChangeEvents",
          "\"body\":{\"properties\":{\"desired\":{\"n\":1,\"$version\":2}}}" },
        { "DELETE", "/devices/d/modules/m?api-version=2021-04-12", NULL, "module=m",
          "{\"event\":\"deleteModuleIdentity\"}" },
    };
    struct hub_fixture *f = *state;
    char owner[512];
    hub_sas_policy(f, "iothubowner", owner);
    for (size_t i = 0; i < COUNT(rows); i++) {
        char path[200], headers[700];
        struct answer a;
        (void)snprintf(headers, sizeof headers,
                       "%sContent-Type: application/json\r\nIf-Match: *\r\n", owner);
        hub_ask_with(f, rows[i].method, rows[i].path,
                     strcmp(rows[i].method, "PUT") == 0 ? owner : headers, rows[i].body,
                     rows[i].body ? strlen(rows[i].body) : 0, &a);
        if (a.status >= 300)
            fail_msg("%s: %d %s", rows[i].path, a.status, a.body);
        (void)snprintf(path, sizeof path, "/api/v1/events?device=d&%s", rows[i].query);
        const char *wanted = rows[i].says;
        for (int patience = 0;; patience++) { /* events are kept behind what they tell of */
            hub_ask(f, "GET", path, f->made.owner_token, NULL, &a);
            if (a.status == 200 && strstr(a.body, wanted))
                break;
            if (patience == 2000)
                fail_msg("no %s: %d %s", wanted, a.status, a.body);
            (void)usleep(10000);
        }
    }
}

/* A patch may be much longer than what it leaves: it is kept whole. */
static void long_patches(void **state)
{
    struct hub_fixture *f = *state;
    SK_AUTO(sk_buf_done) struct sk_buf patch = SK_BUF_INIT(1 << 20);
    char owner[512], headers[700];
    struct answer a;
    hub_identity(f, "d", "");
    hub_sas_policy(f, "iothubowner", owner);
    (void)snprintf(headers, sizeof headers, "%sContent-Type: application/json\r\n", owner);
    sk_buf_str(&patch, "{\"properties\":{\"desired\":{\"n\":1");
    for (int i = 0; i < 10000; i++)
        sk_buf_fmt(&patch, ",\"name%06d\":null", i);
    sk_buf_str(&patch, "}}}");
    hub_ask_with(f, "PATCH", "/twins/d?api-version=2021-04-12", headers, patch.data, patch.len, &a);
    assert_int_equal(a.status, 200);
    for (int patience = 0; patience < 2000; patience++) {
        hub_ask(f, "GET", "/api/v1/events?source=twinChangeEvents", f->made.owner_token, NULL, &a);
        hub_expect(&a, 200, "messages");
        if (strstr(a.body, "twinChangeEvents"))
            break;
        (void)usleep(10000);
    }
    hub_expect(&a, 200, "\"body\":{\"properties\":{\"desired\":{\"n\":1,\"name000000\":null,");
    assert_true(a.body_len > 150000);
}

/* Everything is there again after a restart, and a hub that has just begun may end. */
static void again_and_again(void **state)
{
    struct hub_fixture *f = *state;
    hub_identity(f, "d", "");
    for (int i = 1; i <= 4; i++) {
        char says[64];
        hub_message(f, "d", "", NULL, SK_VIEW("x"));
        hub_stop(f);
        hub_start(f, 2);
        (void)snprintf(says, sizeof says, "\"next\":%d}", i);
        hub_do(f, "GET", "/api/v1/telemetry", NULL, 200, says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(told, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(long_patches, hub_running, hub_gone),
        cmocka_unit_test_setup_teardown(again_and_again, hub_running, hub_gone),
    };
    return cmocka_run_group_tests_name("hub/iot", tests, NULL, NULL);
}
