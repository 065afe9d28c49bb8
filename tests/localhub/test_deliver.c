/* test_deliver.c - messages to inputs of modules. */
#include "rig.h"

#define TO_N                                                                                       \
    "\"up\":null,\"n\":\"FROM /messages/modules/m INTO BrokeredEndpoint('/modules/n/inputs/i')\""
#define INPUTS "devices/" DEVICE "/modules/n/inputs/#"

static void want(struct client *c, int number, struct packet *p)
{
    client_want(c, PUBLISH, p);
    assert_int_equal(strtol(p->payload, NULL, 10), number);
}

static void say_numbers(struct client *c, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        client_say(c, "m", "o", text);
    }
}

static void a_window_and_its_order(void **state)
{
    struct rig *r = *state;
    struct packet p;
    cloud_routes(r, 2, TO_N);

    SK_OWN(client_free) struct client *m = client_in(r, "m");
    {
        SK_OWN(client_free) struct client *n = client_in(r, "n");
        client_subscribe(n, INPUTS, 1);
        say_numbers(m, 0, 40);
        for (int i = 0; i < SK_LH_INPUT_WINDOW; i++)
            want(n, i, &p);
        assert_non_null(strstr(p.topic, "devices/" DEVICE "/modules/n/inputs/i/%24.mid="));
        assert_non_null(strstr(p.topic, "&%24.cdid=" DEVICE "&%24.cmid=m"));
        assert_true(client_is_quiet(n));
        client_ack(n, (uint16_t)(p.id - SK_LH_INPUT_WINDOW + 1)); /* the first */
        want(n, SK_LH_INPUT_WINDOW, &p);
    }
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    for (int i = 1; i < 40; i++) {
        want(n, i, &p);
        client_ack(n, p.id);
    }
    assert_true(client_is_quiet(n));
}

static void qos_0_is_delivered_at_once(void **state)
{
    struct rig *r = *state;
    struct packet p;
    cloud_routes(r, 2, TO_N);
    SK_OWN(client_free) struct client *m = client_in(r, "m");
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    client_subscribe(n, INPUTS, 0);
    say_numbers(m, 0, 50);
    for (int i = 0; i < 50; i++) {
        want(n, i, &p);
        assert_int_equal(p.qos, 0);
    }
}

static void it_waits_for_who_is_away_and_over_a_restart(void **state)
{
    struct rig *r = *state;
    struct packet p;
    cloud_routes(r, 2, TO_N);
    {
        SK_OWN(client_free) struct client *n = client_in(r, "n");
        client_subscribe(n, INPUTS, 1);
    }
    {
        SK_OWN(client_free) struct client *m = client_in(r, "m");
        say_numbers(m, 0, 5);
    }
    cloud_twin(r, DEVICE "/$edgeHub",
               "{\"desired\":{\"routes\":{},\"$version\":3},\"reported\":{\"$version\":1}}");
    rig_restart(r, true); /* and the route is gone meanwhile */
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    for (int i = 0; i < 5; i++) {
        want(n, i, &p);
        client_ack(n, p.id);
    }
}

static bool has_no_endpoint(struct rig *r, void *ctx)
{
    (void)ctx;
    return sk_spool_length(r->h->spool, "n/i", SK_SPOOL_PRIORITIES - 1) == 0;
}

static void what_nobody_will_take_is_dropped(void **state)
{
    struct rig *r = *state;
    cloud_routes(r, 2, TO_N);
    SK_OWN(client_free) struct client *m = client_in(r, "m");
    say_numbers(m, 0, 5);
    cloud_routes(r, 3, ROUTES_UP ",\"n\":null");
    {
        SK_LOCK(&r->h->lock);
        assert_int_equal(sk_spool_length(r->h->spool, "n/i", SK_SPOOL_PRIORITIES - 1), 5);
    }
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[{\"name\":\"m\",\"instances\":[{"
                        "\"instance\":\"m-1\"}]}]}");
    sk_lh_pump_wake(r->h);
    wait_until(r, has_no_endpoint, NULL, "it is dropped");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_window_and_its_order),
        ROW(qos_0_is_delivered_at_once),
        ROW(it_waits_for_who_is_away_and_over_a_restart),
        ROW(what_nobody_will_take_is_dropped),
    };
    return cmocka_run_group_tests_name("localhub/deliver", tests, NULL, NULL);
}
