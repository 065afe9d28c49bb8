/* test_report.c - what $edgeHub reports. */
#include "rig.h"

#define REPORTS DEVICE "/$edgeHub $iothub/twin/PATCH/properties/reported"

static void routes_and_clients(void **state)
{
    struct rig *r = *state;
    notes_wait(&r->cloud.notes, REPORTS, "\"schemaVersion\":\"1.0\"",
               "\"lastDesiredVersion\":1,\"lastDesiredStatus\":{\"code\":200,\"description\":\"\"}",
               NULL);
    {
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        assert_non_null(c);
        notes_wait(&r->cloud.notes,
                   "{\"clients\":{\"" DEVICE "/m\":{\"status\":\"Connected\","
                   "\"lastConnectedTimeUtc\":\"20",
                   NULL);
    }
    notes_wait(&r->cloud.notes, "\"status\":\"Disconnected\",\"lastDisconnectedTimeUtc\":\"20",
               NULL);
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    const int64_t connected = id->connected_ms;
    rig_restart(r, true); /* when they were there is not forgotten */
    cloud_wait_up(r, DEVICE "/m", NULL);
    id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    assert_true(connected > 0);
    assert_int_equal(id->connected_ms, connected);
}

static void names_that_twins_cannot_have(void **state)
{
    struct rig *r = *state;
    char text[256];
    (void)snprintf(
        text, sizeof text,
        "{\"type\":\"leaves\",\"leaves\":[{\"device\":\"a.b$c#d\",\"primaryKey\":\"%s\"}]}",
        key_of("a.b$c#d"));
    (void)agent_call(r, text);
    SK_OWN(client_free) struct client *c = client_in(r, "/a.b$c#d");
    assert_non_null(c);
    notes_wait(&r->cloud.notes, "\"a%2Eb%24c%23d\":{\"status\":\"Connected\"", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(routes_and_clients),
        ROW(names_that_twins_cannot_have),
    };
    return cmocka_run_group_tests_name("localhub/report", tests, NULL, NULL);
}
