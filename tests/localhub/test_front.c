/* test_front.c - CONNECT, places, ends. */
#include "rig.h"

static void the_newest_connection_wins(void **state)
{
    struct rig *r = *state;
    struct packet p;
    SK_OWN(client_free) struct client *a = client_in(r, "m");
    SK_OWN(client_free) struct client *b = client_in(r, "m");
    client_want(a, ENDED, &p);
    client_say(b, "m", "", "x");
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    SK_LOCK(&r->h->lock);
    assert_non_null(sk_lh_instance_live(id));
}

static void sessions_outlive_connections(void **state)
{
    struct rig *r = *state;

    struct packet p;
    {
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        client_subscribe(c, "$iothub/twin/res/#", 0);
    }
    SK_OWN(client_free) struct client *c = client_new(r);
    client_log_in(c, "m", token_of(HUB, "m", key_of("m"), 60), false);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 0);
    assert_true(p.session_present);
    SK_OWN(client_free) struct client *clean = client_new(r);
    client_log_in(clean, "m", token_of(HUB, "m", key_of("m"), 60), true);
    client_want(clean, CONNACK, &p);
    assert_false(p.session_present);
}

static void without_routes_nobody_comes_in(void **state)
{
    struct rig *r = *state; /* without a cloud */
    struct packet p;
    SK_OWN(client_free) struct client *c = client_new(r);
    client_log_in(c, "m", token_of(HUB, "m", key_of("m"), 60), false);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 3);
}

static bool is_disconnected(struct rig *r, void *ctx)
{
    struct sk_lh_ident *id = ctx;
    (void)r;
    return !sk_lh_instance_live(id) && id->disconnected_ms > 0;
}

static void a_place_is_left(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    client_free(client_in(r, "m"));
    wait_until(r, is_disconnected, id, "its place is free");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(the_newest_connection_wins),
        ROW(sessions_outlive_connections),
        LONE_ROW(without_routes_nobody_comes_in),
        ROW(a_place_is_left),
    };
    return cmocka_run_group_tests_name("localhub/front", tests, NULL, NULL);
}
