/* test_check.c - which tokens are right, and for how long. */
#include "rig.h"

static unsigned code_of(struct rig *r, const char *name, const char *token)
{
    SK_OWN(client_free) struct client *c = client_new(r);
    struct packet p;
    client_log_in(c, name, token, false);
    client_want(c, CONNACK, &p);
    return p.code;
}

static void modules_are_checked_by_the_agent(void **state)
{
    struct rig *r = *state;
    assert_int_equal(code_of(r, "m", token_of(HUB, "m", key_of("m"), 60)), 0);
    assert_int_equal(code_of(r, "m", token_of("HUB.Example", "m", key_of("m"), 60)), 0);
    assert_int_equal(code_of(r, "m", token_of("gateway", "m", key_of("m"), 60)), 0);
    assert_int_equal(code_of(r, "m", token_of("else", "m", key_of("m"), 60)), 5);
    assert_int_equal(code_of(r, "m", token_of(HUB, "m", key_of("n"), 60)), 5);
    assert_int_equal(code_of(r, "m", token_of(HUB, "n", key_of("n"), 60)), 5);
    assert_int_equal(code_of(r, "q", token_of(HUB, "q", key_of("q"), 60)), 5);
    assert_int_equal(code_of(r, "$edgeHub", token_of(HUB, "$edgeHub", key_of("$edgeHub"), 60)), 5);
    assert_int_equal(code_of(r, "m", "nonsense"), 5);
    assert_int_equal(code_of(r, "m", ""), 5);
    agent_close(r);
    assert_int_equal(code_of(r, "m", token_of(HUB, "m", key_of("m"), 60)), 3);
}

static void an_end_by_the_wall_clock(void **state)
{
    struct rig *r = *state;
    const unsigned late = sk_lh_clock_is_loose() ? 0 : 5;
    assert_int_equal(code_of(r, "m", token_of(HUB, "m", key_of("m"), -60)), 0); /* the clocks differ
                                                                                 */
    assert_int_equal(code_of(r, "m", token_of(HUB, "m", key_of("m"), -1000)), late);
}

/* A token that we know ends by the monotonic clock, whatever it says itself. */
static void an_end_by_the_monotonic_clock(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_sas s;
    char token[1024];
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    (void)snprintf(token, sizeof token, "%s", token_of(HUB, "m", key_of("m"), -100000));
    DONE(sk_lh_sas_parse(sk_view_of(token), &s, &err));
    {
        SK_LOCK(&r->h->lock);
        sk_lh_instance_signed(id, "m-1", s.signature, 60000);
    }
    assert_int_equal(code_of(r, "m", token), 0);
    (void)snprintf(token, sizeof token, "%s", token_of(HUB, "m", key_of("m"), 100000));
    DONE(sk_lh_sas_parse(sk_view_of(token), &s, &err));
    SK_OWN(client_free) struct client *c = client_new(r);

    struct packet p;
    {
        SK_LOCK(&r->h->lock);
        sk_lh_instance_signed(id, "m-1", s.signature, 300);
    }

    client_log_in(c, "m", token, false);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 0);
    client_want(c, ENDED, &p); /* when its life is over */
}

static void leaves_are_checked_here(void **state)
{
    struct rig *r = *state;
    char text[512];
    (void)snprintf(text, sizeof text,
                   "{\"type\":\"leaves\",\"leaves\":[{\"device\":\"leaf\",\"primaryKey\":\"%s\","
                   "\"secondaryKey\":\"c2Vjb25k\"}]}",
                   key_of("leaf"));
    (void)agent_call(r, text);
    assert_int_equal(code_of(r, "/leaf", token_of(HUB, "/leaf", key_of("leaf"), 60)), 0);
    assert_int_equal(code_of(r, "/leaf", token_of(HUB, "/leaf", "c2Vjb25k", 60)), 0);
    assert_int_equal(code_of(r, "/leaf", token_of(HUB, "/leaf", key_of("other"), 60)), 5);
    agent_close(r); /* they need no agent */
    assert_int_equal(code_of(r, "/leaf", token_of(HUB, "/leaf", key_of("leaf"), 60)), 0);
}

static void an_unknown_leaf_is_asked_for(void **state)
{
    struct rig *r = *state;
    char token[1024];
    (void)snprintf(token, sizeof token, "%s", token_of(HUB, "/new", key_of("new"), 60));
    assert_int_equal(code_of(r, "/new", token), 5);
    notes_wait(&r->told, "\"type\":\"leaf\"", "\"device\":\"new\"", NULL);
    (void)snprintf(r->leaf, sizeof r->leaf, "[{\"device\":\"new\",\"primaryKey\":\"%s\"}]",
                   key_of("new"));
    assert_int_equal(code_of(r, "/new", token), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(modules_are_checked_by_the_agent), ROW(an_end_by_the_wall_clock),
        ROW(an_end_by_the_monotonic_clock),    ROW(leaves_are_checked_here),
        ROW(an_unknown_leaf_is_asked_for),
    };
    return cmocka_run_group_tests_name("localhub/check", tests, NULL, NULL);
}
