/* test_down.c - messages down: their order, what a client has yet to acknowledge, breaks. */
#include "fixture.h"

#define C2D   "devices/d1/messages/devicebound/#"
#define TOPIC "devices/d1/messages/devicebound/"

static void send_all(struct fixture *f, int from, int until)
{
    for (int i = from; i < until; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "%d", i);
        (void)send_down(f, "d1", "", "", text);
    }
}

static uint16_t want(struct client *c, int number)
{
    struct packet p;
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, TOPIC);
    assert_int_equal(strtol(p.payload, NULL, 10), number);
    return p.id;
}

/* All that the client has sent was taken, and what follows from it is written. */
static void await_taken(struct fixture *f, struct client *c)
{
    struct packet p;
    client_say(c, 1, 1, "devices/d1/messages/events/", "the PUBACKs are through when this is");
    client_want(c, PUBACK, &p);
    settle(f);
}

static void in_order(void **state)
{
    struct fixture *f = *state;
    uint16_t ids[SK_DEVICES_DOWN_MAX];
    (void)make_device(f, "d1");
    send_all(f, 0, 30);
    struct client *c = client_in(f, "d1", "", false, NULL);
    client_quiet(c); /* it has not subscribed */
    assert_int_equal(client_subscribe(c, 1, C2D), 1);
    for (int i = 0; i < SK_GATEWAY_DOWN_WINDOW; i++)
        ids[i] = want(c, i);
    client_quiet(c);
    send_all(f, 30, 40);
    client_quiet(c);
    for (int i = 0; i < 40; i++) {
        client_ack(c, ids[i]);
        if (i + SK_GATEWAY_DOWN_WINDOW < 40)
            ids[i + SK_GATEWAY_DOWN_WINDOW] = want(c, i + SK_GATEWAY_DOWN_WINDOW);
    }
    client_quiet(c);
    await_taken(f, c);
    assert_int_equal(identity_of(f, "d1").waiting, 0);
    send_all(f, 50, 51);
    (void)want(c, 50);
    client_free(c);
}

static void after_a_break(void **state)
{
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    send_all(f, 0, 5);
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 1, C2D), 1);
    for (int i = 0; i < 5; i++) {
        uint16_t id = want(c, i);
        if (i == 0 || i == 2)
            client_ack(c, id);
    }
    await_taken(f, c);
    client_free(c);
    settle(f);
    c = client_in(f, "d1", "", false, NULL);
    client_ack(c, want(c, 1));
    client_ack(c, want(c, 3));
    client_ack(c, want(c, 4));
    client_quiet(c);
    await_taken(f, c);
    client_free(c);
    c = client_in(f, "d1", "", false, NULL);
    client_quiet(c);
    client_free(c);
}

/* Sent ten times without an answer, it is given up. */
static void given_up(void **state)
{
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    send_all(f, 7, 8);
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 1, C2D), 1);
    (void)want(c, 7);
    for (int i = 1; i < SK_DEVICES_DELIVERIES_MAX; i++) {
        client_free(c);
        settle(f);
        c = client_in(f, "d1", "", false, NULL);
        (void)want(c, 7);
    }
    client_free(c);
    settle(f);
    c = client_in(f, "d1", "", false, NULL);
    client_quiet(c);
    client_free(c);
}

static const char *feedback_of(struct fixture *f)
{
    static char text[4096];
    char lock[40];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(sizeof text - 1);
    DONE(sk_feedback_take(f->devices, &out, lock, &err));
    (void)snprintf(text, sizeof text, "%s", out.data);
    return text;
}

static void feedback(void **state)
{
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 1, C2D), 1);
    send_all(f, 0, 1);
    uint16_t id = want(c, 0);
    client_ack(c, (uint16_t)(id + 1)); /* not this one */
    client_quiet(c);
    await_taken(f, c);
    assert_int_equal(identity_of(f, "d1").waiting, 1);
    client_ack(c, id);
    client_quiet(c);
    await_taken(f, c);
    assert_non_null(strstr(feedback_of(f), "\"Success\""));
    client_free(c);
}

static void at_most_once(void **state)
{
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    send_all(f, 0, 20);
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 0, C2D), 0);
    for (int i = 0; i < 20; i++)
        assert_int_equal(want(c, i), 0);
    client_quiet(c);
    await_taken(f, c);
    assert_int_equal(identity_of(f, "d1").waiting, 0);
    assert_int_equal(client_subscribe(c, 1, C2D), 1);
    send_all(f, 20, 21);
    assert_int_not_equal(want(c, 20), 0);
    client_free(c);
}

/* More than may wait for one client: the rest comes when it has taken that. */
static void more_than_it_takes(void **state)
{
    struct fixture *f = *state;
    SK_OWN(free) char *text = malloc(SK_IOT_C2D_MAX + 1);
    (void)make_device(f, "d1");
    assert_non_null(text);
    memset(text, ' ', SK_IOT_C2D_MAX);
    text[SK_IOT_C2D_MAX] = '\0';
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(text, 16, "%u", i);
        text[strlen(text)] = ' ';
        (void)send_down(f, "d1", "", "", text);
    }
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 0, C2D), 0);
    (void)usleep(300000);
    for (int i = 0; i < 40; i++)
        (void)want(c, i);
    client_quiet(c);
    client_free(c);
}

static void to_inputs(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    (void)make_module(f, "d1", "m1");
    struct client *c = client_in(f, "d1", "m1", false, NULL);
    assert_int_equal(client_subscribe(c, 1, "devices/d1/modules/m1/inputs/#"), 1);
    (void)send_down(f, "d1", "m1", "in1", "hello");
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.topic, "devices/d1/modules/m1/inputs/in1/");
    assert_string_equal(p.payload, "hello");
    client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(in_order),     ROW(after_a_break),      ROW(given_up),  ROW(feedback),
        ROW(at_most_once), ROW(more_than_it_takes), ROW(to_inputs),
    };
    return cmocka_run_group_tests_name("gateway/down", tests, NULL, NULL);
}
