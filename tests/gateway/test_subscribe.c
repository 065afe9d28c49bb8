/* test_subscribe.c - subscriptions: which are granted, how long they hold, their order. */
#include "fixture.h"

#define C2D     "devices/d1/messages/devicebound/#"
#define DESIRED "$iothub/twin/PATCH/properties/desired/#"

static void granted(void **state)
{
    static const struct {
        const char *filter, *module;
        unsigned qos, code;
    } rows[] = {
        { C2D, "", 1, 1 },
        { C2D, "", 0, 0 },
        { C2D, "", 2, 1 },
        { DESIRED, "", 0, 0 },
        { DESIRED, "m1", 1, 1 },
        { "$iothub/methods/POST/#", "", 1, 1 },
        { "$iothub/twin/res/#", "", 0, 0 },
        { "devices/d1/modules/m1/inputs/#", "m1", 1, 1 },
        { "devices/d1/modules/m1/#", "m1", 1, 1 },
        { "devices/d1/modules/m1/#", "", 1, 0x80 },
        { C2D, "m1", 1, 0x80 },
        { "devices/d2/messages/devicebound/#", "", 1, 0x80 },
        { "devices/+/messages/devicebound/#", "", 1, 0x80 },
        { "#", "", 1, 0x80 },
        { "$iothub/#", "", 1, 0x80 },
        { "devices/d1/messages/events/#", "", 1, 0x80 },
    };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    (void)make_module(f, "d1", "m1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client *c = client_in(f, "d1", rows[i].module, true, NULL);
        unsigned code = client_subscribe(c, rows[i].qos, rows[i].filter);
        if (code != rows[i].code)
            fail_msg("%s: 0x%x", rows[i].filter, code);
        client_free(c);
    }
}

/* One that is unknown costs nothing else. */
static void several_at_once(void **state)
{
    static const char *const filters[] = { "nothing/#", C2D, "devices/d2/#", DESIRED };
    static const unsigned char codes[] = { 0x80, 1, 0x80, 1 };
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    client_filters(c, true, 5, 1, filters, COUNT(filters));
    client_want(c, SUBACK, &p);
    assert_int_equal(p.id, 5);
    assert_memory_equal(p.codes, codes, COUNT(codes));
    (void)send_down(f, "d1", "", "", "hello");
    client_want_publish(c, "devices/d1/messages/devicebound/", "hello");
    client_free(c);
}

/* The SDKs do not subscribe again. */
static void they_hold(void **state)
{
    static const char *const desired = DESIRED;
    struct fixture *f = *state;
    bool is_present = false;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 0, DESIRED), 0);
    client_free(c);
    c = client_in(f, "d1", "", false, &is_present);
    assert_true(is_present);
    change_twin(f, "d1", "", "{\"properties\":{\"desired\":{\"a\":1}}}");
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, "$iothub/twin/PATCH/properties/desired/?$version=2");
    client_filters(c, false, 9, 0, &desired, 1);
    client_want(c, UNSUBACK, &p);
    assert_int_equal(p.id, 9);
    change_twin(f, "d1", "", "{\"properties\":{\"desired\":{\"a\":2}}}");
    client_quiet(c);
    client_free(c);
    c = client_in(f, "d1", "", false, &is_present);
    assert_false(is_present);
    client_free(c);
}

/* What is asked for last holds, also when nobody waits for the answers in between. */
static void in_their_order(void **state)
{
    static const char *const desired = DESIRED;
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", false, NULL);
    for (unsigned round = 0; round < 20; round++) {
        const bool ends_in = round % 2 == 0;
        char change[64];
        for (unsigned i = 0; i < 6; i++) {
            const bool is_subscribe = (i % 2 == 1) == ends_in;
            client_filters(c, is_subscribe, (uint16_t)(i + 1), 1, &desired, 1);
        }
        for (unsigned i = 0; i < 6; i++) {
            assert_true(client_read(c, &p, PATIENCE_MS));
            assert_int_equal(p.type, ((i % 2 == 1) == ends_in) ? SUBACK : UNSUBACK);
            assert_int_equal(p.id, i + 1);
        }
        (void)snprintf(change, sizeof change, "{\"properties\":{\"desired\":{\"a\":%u}}}", round);
        change_twin(f, "d1", "", change);
        if (ends_in)
            client_want(c, PUBLISH, &p);
        unsigned subs = 0;
        struct sk_err err = SK_ERR_INIT;
        DONE(sk_session_read(f->devices, identity_of(f, "d1").id, &subs, &err));
        assert_int_equal((subs & SK_SUB_TWIN_DESIRED) != 0, ends_in);
    }
    client_quiet(c);
    client_free(c);
}

static void of_a_full_disk(void **state)
{
    struct fixture *f = *state;
    static const char *const desired = DESIRED;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", true, NULL);
    settle(f);
    disk_is_full(true);
    client_filters(c, true, 5, 1, &desired, 1);
    bool came = client_read(c, &p, PATIENCE_MS);
    disk_is_full(false);
    assert_true(came);
    assert_int_equal(p.type, 0);
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(granted),        ROW(several_at_once), ROW(they_hold),
        ROW(in_their_order), ROW(of_a_full_disk),
    };
    return cmocka_run_group_tests_name("gateway/subscribe", tests, NULL, NULL);
}
