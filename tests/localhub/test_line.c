/* test_line.c - lines upstream: who has one, logins, renewals, messages for leaves. */
#include "rig.h"

#define LEAVES                                                                                     \
    "{\"type\":\"leaves\",\"leaves\":[{\"device\":\"leaf\",\"primaryKey\":\"bGVhZg==\"}]}"

static void each_identity_has_one(void **state)
{
    struct rig *r = *state;
    notes_wait(&r->cloud.notes, "up " DEVICE "/m as " HUB "/" DEVICE "/m/?api-version=2021-04-12",
               "sr=hub.example%2Fdevices%2Fedge%2Fmodules%2Fm&sig=", NULL);
    notes_wait(&r->cloud.notes, "sub " DEVICE "/m $iothub/methods/POST/#",
               "sub " DEVICE "/m $iothub/twin/res/#",
               "sub " DEVICE "/m $iothub/twin/PATCH/properties/desired/#", NULL);
}

static bool has_no_line(struct rig *r, void *ctx)
{
    (void)r;
    return !((struct sk_lh_ident *)ctx)->line;
}

static bool has_line(struct rig *r, void *ctx)
{
    return !has_no_line(r, ctx);
}

static void who_is_not_registered_has_none(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/n");
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[{\"name\":\"n\",\"isRegistered\":false,"
                        "\"instances\":[]}]}");
    wait_until(r, has_no_line, id, "no line");
    wait_until(r, has_no_line, ident_of(r, DEVICE "/m"), "no line"); /* it is gone */
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[{\"name\":\"n\",\"isRegistered\":true,"
                        "\"instances\":[]}]}");
    wait_until(r, has_line, id, "a line");
}

static void tokens_are_renewed(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    notes_clear(&r->cloud.notes);
    notes_clear(&r->told);
    {
        SK_LOCK(&r->h->lock);
        assert_true(id->renew_at_ms > sk_now_ms() + SK_LH_TOKEN_S * 500);
        id->renew_at_ms = sk_now_ms();
    }
    notes_wait(&r->told, "\"type\":\"sign\",\"module\":\"m\"", NULL);
    notes_wait(&r->cloud.notes, "down " DEVICE "/m", "up " DEVICE "/m", NULL);
    cloud_wait_up(r, DEVICE "/m", NULL);
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_say(c, "m", "", "after it");
    notes_wait(&r->cloud.notes, "after it", NULL);
}

static void without_the_agent_none_logs_in(void **state)
{
    struct rig *r = *state;
    agent_close(r);
    cloud_stop(r);
    notes_clear(&r->cloud.notes);
    cloud_start(r);
    (void)usleep(300000);
    assert_int_equal(notes_count(&r->cloud.notes, "up "), 0);
    agent_connect(r); /* pokes them */
    notes_wait(&r->cloud.notes, "up " DEVICE "/m", NULL);
}

static void a_leaf_is_served_both_ways(void **state)
{
    struct rig *r = *state;
    struct packet p;
    (void)agent_call(r, LEAVES);
    assert_int_equal(notes_count(&r->cloud.notes, "up leaf"), 0); /* not before it is there */
    SK_OWN(client_free) struct client *c = client_in(r, "/leaf");
    client_subscribe(c, "devices/leaf/messages/devicebound/#", 1);
    notes_wait(&r->cloud.notes, "up leaf as " HUB "/leaf/", NULL);
    notes_wait(&r->cloud.notes, "sub leaf devices/leaf/messages/devicebound/#", NULL);
    client_publish(c, 1, 3, "devices/leaf/messages/events/", "hello");
    client_want(c, PUBACK, &p);
    notes_wait(&r->cloud.notes, "leaf devices/leaf/messages/events/", "hello", NULL);
    cloud_send(r, "leaf", "devices/leaf/messages/devicebound/a=b", "down", 1);
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, "devices/leaf/messages/devicebound/a=b");
    (void)usleep(50000);
    assert_int_equal(notes_count(&r->cloud.notes, "acked leaf"), 0); /* it has not taken it yet */
    client_ack(c, p.id);
    notes_wait(&r->cloud.notes, "acked leaf", NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(each_identity_has_one),      ROW(who_is_not_registered_has_none),
        ROW(tokens_are_renewed),         ROW(without_the_agent_none_logs_in),
        ROW(a_leaf_is_served_both_ways),
    };
    return cmocka_run_group_tests_name("localhub/line", tests, NULL, NULL);
}
