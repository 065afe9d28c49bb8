/* test_agent.c - what the agent says, and what it is told. */
#include "rig.h"

static void it_is_told_what_there_is(void **state)
{
    struct rig *r = *state;
    notes_wait(&r->told, "\"type\":\"uplink\"", "\"isConnected\":true", NULL);
    notes_wait(&r->told, "\"type\":\"desired\"", "\"$version\":1", NULL);
    cloud_send(r, DEVICE "/$edgeAgent", "$iothub/twin/PATCH/properties/desired/?$version=2",
               "{\"modules\":{\"x\":1},\"$version\":2}", 0);
    notes_wait(&r->told, "{\"modules\":{\"x\":1},\"$version\":2}", NULL);
    cloud_stop(r);
    notes_wait(&r->told, "\"isConnected\":false", NULL);
    agent_close(r);
    notes_clear(&r->told);
    agent_connect(r);
    notes_wait(&r->told, "\"isConnected\":false", "{\"modules\":{\"x\":1},\"$version\":2}", NULL);
}

static void its_reports_go_up(void **state)
{
    struct rig *r = *state;
    (void)agent_call(r, "{\"type\":\"report\",\"reported\":{\"a\":1}}");
    notes_wait(&r->cloud.notes, DEVICE "/$edgeAgent $iothub/twin/PATCH/properties/reported",
               "{\"a\":1}", NULL);
    assert_non_null(strstr(agent_refused(r, "{\"type\":\"report\"}"), "'reported' is missing"));
    assert_non_null(strstr(agent_refused(r, "{\"type\":\"report\",\"reported\":{\"a.b\":1}}"),
                           "properties.reported.a.b"));
}

static void status_says_what_waits(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    cloud_stop(r);
    for (int i = 0; i < 5; i++)
        client_say(c, "m", "", "x");
    const char *answer = agent_call(r, "{\"type\":\"status\"}");
    assert_non_null(strstr(answer, "\"messages\":5"));
    assert_non_null(strstr(answer, "{\"id\":\"m\",\"isConnected\":true"));
    assert_non_null(strstr(answer, "{\"id\":\"n\",\"isConnected\":false"));
    assert_non_null(strstr(answer, "\"maxBytes\":16777216"));
}

static void a_newer_agent_takes_the_place(void **state)
{
    struct rig *r = *state;
    struct sk_wire *first = SK_TAKE(r->agent);
    agent_connect(r);
    agent_configure(r);
    SK_OWN(client_free) struct client *c = client_in(r, "m"); /* signed by the second */
    sk_wire_free(first);
    client_say(c, "m", "", "x");
}

static void what_it_does_not_know_is_refused(void **state)
{
    struct rig *r = *state;
    assert_non_null(strstr(agent_refused(r, "{\"type\":\"dance\"}"), "does not know 'dance'"));
    assert_non_null(strstr(agent_call(r, "{\"type\":\"status\"}"), "isConnected"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(it_is_told_what_there_is),         ROW(its_reports_go_up),
        ROW(status_says_what_waits),           ROW(a_newer_agent_takes_the_place),
        ROW(what_it_does_not_know_is_refused),
    };
    return cmocka_run_group_tests_name("localhub/agent", tests, NULL, NULL);
}
