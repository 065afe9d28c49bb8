/* test_candidate.c - what candidates publish is kept aside, released, dropped. */
#include "rig.h"

#define EVENTS "devices/" DEVICE "/modules/m/messages/events/"

/* A connection of an instance: its token is known to be that one's. */
static struct client *client_of(struct rig *r, const char *instance, int64_t life_s)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_sas s;
    struct packet p;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    struct client *c = client_new(r);
    const char *token = token_of(HUB, "m", key_of("m"), life_s);
    DONE(sk_lh_sas_parse(sk_view_of(token), &s, &err));
    {
        SK_LOCK(&r->h->lock);
        sk_lh_instance_signed(id, instance, s.signature, 60000);
        sk_lh_files_sessions(r->h, NULL);
    }
    client_log_in(c, "m", token, false);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 0);
    return c;
}

static void begin(struct rig *r)
{
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"},{\"instance\":\"m-2\","
                       "\"role\":\"candidate\"}]");
}

static void both_are_connected_and_one_is_heard(void **state)
{
    struct rig *r = *state;
    begin(r);
    SK_OWN(client_free) struct client *old = client_of(r, "m-1", 101);
    SK_OWN(client_free) struct client *new = client_of(r, "m-2", 102);
    client_say(new, "m", "", "new 1");
    client_say(old, "m", "", "old 1");
    notes_wait(&r->cloud.notes, "old 1", NULL);
    assert_false(notes_have(&r->cloud.notes, "new 1"));
    (void)agent_call(r, "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"m-2\"}");
    client_say(new, "m", "", "new 2");
    client_say(old, "m", "", "old 2");
    notes_wait(&r->cloud.notes, "new 1", "new 2", NULL);
    notes_wait(&r->cloud.notes, "old 1", "old 2", NULL);
}

static void it_is_over_restarts(void **state)
{
    struct rig *r = *state;
    begin(r);
    {
        SK_OWN(client_free) struct client *new = client_of(r, "m-2", 103);
        for (int i = 0; i < 30; i++) {
            char text[16];
            (void)snprintf(text, sizeof text, "kept %02d", i);
            client_say(new, "m", "", text);
        }
    }
    agent_close(r);
    rig_stop(r);
    rig_start(r);
    agent_connect(r);
    begin(r);
    assert_false(notes_have(&r->cloud.notes, "kept"));
    {
        SK_OWN(client_free) struct client *new = client_of(r, "m-2", 104);
        client_say(new, "m", "", "kept 30");
    }
    cloud_stop(r);
    (void)agent_call(r, "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"m-2\"}");
    agent_close(r);
    rig_stop(r);
    rig_start(r);
    agent_connect(r);
    cloud_start(r);
    notes_wait(&r->cloud.notes, "kept 00", "kept 01", "kept 15", "kept 29", "kept 30", NULL);
}

static void who_is_gone_or_failed_leaves_nothing(void **state)
{
    struct rig *r = *state;
    struct packet p;
    begin(r);
    SK_OWN(client_free) struct client *new = client_of(r, "m-2", 105);
    client_say(new, "m", "", "never");
    client_publish(new, 1, 4, "$iothub/twin/PATCH/properties/reported/?$rid=1", "{\"never\":1}");
    client_want(new, PUBACK, &p);
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"}]");
    client_want(new, ENDED, &p);
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"},{\"instance\":\"m-3\","
                       "\"role\":\"candidate\"}]");
    SK_OWN(client_free) struct client *third = client_of(r, "m-3", 106);
    client_say(third, "m", "", "never either");
    (void)agent_call(r, "{\"type\":\"demote\",\"module\":\"m\",\"instance\":\"m-1\"}");
    SK_OWN(client_free) struct client *old = client_of(r, "m-1", 107);
    client_say(old, "m", "", "heard");
    notes_wait(&r->cloud.notes, "heard", NULL);
    (void)usleep(QUIET_MS * 1000);
    assert_false(notes_have(&r->cloud.notes, "never"));
}

static void its_report_is_merged_when_it_is_promoted(void **state)
{
    struct rig *r = *state;
    struct packet p;
    begin(r);
    SK_OWN(client_free) struct client *old = client_of(r, "m-1", 108);
    SK_OWN(client_free) struct client *new = client_of(r, "m-2", 109);
    client_publish(new, 1, 4, "$iothub/twin/PATCH/properties/reported/?$rid=1",
                   "{\"a\":2,\"b\":2}");
    client_want(new, PUBACK, &p);
    client_publish(old, 1, 4, "$iothub/twin/PATCH/properties/reported/?$rid=1",
                   "{\"a\":1,\"c\":1}");
    client_want(old, PUBACK, &p);
    notes_wait(&r->cloud.notes, "{\"a\":1,\"c\":1}", NULL);
    client_subscribe(new, "$iothub/twin/res/#", 0);
    client_publish(new, 0, 0, "$iothub/twin/GET/?$rid=1", "");
    client_want(new, PUBLISH, &p);
    assert_non_null(strstr(p.payload, "\"reported\":{\"a\":2,\"b\":2,"));
    (void)agent_call(r, "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"m-2\"}");
    notes_wait(&r->cloud.notes, "{\"a\":2,\"b\":2}", NULL);
}

static void desired_is_told_to_who_missed_it(void **state)
{
    struct rig *r = *state;
    struct packet p;
    begin(r);
    SK_OWN(client_free) struct client *new = client_of(r, "m-2", 110);
    client_subscribe(new, "$iothub/twin/PATCH/properties/desired/#", 0);
    client_publish(new, 0, 0, "$iothub/twin/GET/?$rid=1", "");
    client_want(new, PUBLISH, &p);
    cloud_send(r, DEVICE "/m", "$iothub/twin/PATCH/properties/desired/?$version=2",
               "{\"x\":1,\"$version\":2}", 0);
    assert_true(client_is_quiet(new));
    (void)agent_call(r, "{\"type\":\"promote\",\"module\":\"m\",\"instance\":\"m-2\"}");
    client_want(new, PUBLISH, &p);
    assert_string_equal(p.payload, "{\"x\":1,\"$version\":2}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(both_are_connected_and_one_is_heard),  ROW(it_is_over_restarts),
        ROW(who_is_gone_or_failed_leaves_nothing), ROW(its_report_is_merged_when_it_is_promoted),
        ROW(desired_is_told_to_who_missed_it),
    };
    return cmocka_run_group_tests_name("localhub/candidate", tests, NULL, NULL);
}
