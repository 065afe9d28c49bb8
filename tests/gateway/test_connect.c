/* test_connect.c - who is let in, with which code who is not, and how a session ends. */
#include "fixture.h"

#include <semaphore.h>

#define USER(rest) HOST "/" rest "/?api-version=2021-04-12"
#define EVENTS_D1  "devices/d1/messages/events/"

enum kind {
    GOOD,
    SECOND,
    WRONG_KEY,
    EXPIRED,
    IN_SKEW,
    OF_OTHER,
    NO_PASSWORD,
    NO_TEXT,
    GARBAGE
};

static const char *password_of(enum kind kind, const char *device, const char *module)
{
    static const char other[] = "b3RoZXJvdGhlcm90aGVyb3RoZXJvdGhlcm90aGVyMTI=";
    switch (kind) {
    case GOOD:
    case NO_TEXT:
        return token_of(device, module, KEY_1, 3600);
    case SECOND:
        return token_of(device, module, KEY_2, 3600);
    case WRONG_KEY:
        return token_of(device, module, other, 3600);
    case EXPIRED:
        return token_of(device, module, KEY_1, -400);
    case IN_SKEW:
        return token_of(device, module, KEY_1, -100);
    case OF_OTHER:
        return token_of("d2", "", KEY_1, 3600);
    case NO_PASSWORD:
        return NULL;
    case GARBAGE:
        break;
    }
    return "SharedAccessSignature sr=";
}

static void codes(void **state)
{
    static const struct {
        const char *name, *client_id, *username;
        const char *device, *module;
        enum kind kind;
        unsigned code;
        const char *will;
    } rows[] = {
        { "a device", "d1", USER("d1"), "d1", "", GOOD, 0, NULL },
        { "its second key", "d1", USER("d1"), "d1", "", SECOND, 0, NULL },
        { "a module", "d1/m1", USER("d1/m1"), "d1", "m1", GOOD, 0, NULL },
        { "a token in the skew", "d1", USER("d1"), "d1", "", IN_SKEW, 0, NULL },
        { "its own will", "d1", USER("d1"), "d1", "", GOOD, 0, EVENTS_D1 },
        { "no user name", "d1", NULL, "d1", "", NO_PASSWORD, 4, NULL },
        { "no api-version", "d1", HOST "/d1", "d1", "", GOOD, 4, NULL },
        { "a bad user name", "d1", "d1", "d1", "", GOOD, 4, NULL },
        { "another client id", "d2", USER("d1"), "d1", "", GOOD, 2, NULL },
        { "a device as a module", "d1", USER("d1/m1"), "d1", "m1", GOOD, 2, NULL },
        { "a prefix", "d1/m", USER("d1/m1"), "d1", "m1", GOOD, 2, NULL },
        { "the wrong key", "d1", USER("d1"), "d1", "", WRONG_KEY, 5, NULL },
        { "an old token", "d1", USER("d1"), "d1", "", EXPIRED, 5, NULL },
        { "another's token", "d1", USER("d1"), "d1", "", OF_OTHER, 5, NULL },
        { "a module's token", "d1", USER("d1"), "d1", "m1", GOOD, 5, NULL },
        { "no password", "d1", USER("d1"), "d1", "", NO_PASSWORD, 5, NULL },
        { "NUL in it", "d1", USER("d1"), "d1", "", NO_TEXT, 5, NULL },
        { "garbage", "d1", USER("d1"), "d1", "", GARBAGE, 5, NULL },
        { "nobody", "d3", USER("d3"), "d3", "", GOOD, 5, NULL },
        { "another hub", "d1", "other.example/d1/?api-version=1", "d1", "", GOOD, 5, NULL },
        { "disabled", "d4", USER("d4"), "d4", "", GOOD, 5, NULL },
        { "another's will", "d1", USER("d1"), "d1", "", GOOD, 5, "devices/d2/messages/events/" },
        { "a module's will", "d1", USER("d1"), "d1", "", GOOD, 5,
          "devices/d1/modules/m1/messages/events/" },
        { "a will that asks", "d1", USER("d1"), "d1", "", GOOD, 5, "$iothub/twin/GET/?$rid=1" },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    (void)make_device(f, "d1");
    (void)make_device(f, "d2");
    (void)make_module(f, "d1", "m1");
    (void)make_device(f, "d4");
    DONE(sk_identity_update(
        f->devices, &f->service,
        &(struct sk_identity_spec){ .device = "d4", .status = "disabled", .is_edge = -1 }, "*", &i,
        &err));
    for (size_t k = 0; k < COUNT(rows); k++) {
        struct client *c = client_new(f, NULL);
        struct packet p;
        const char *password = password_of(rows[k].kind, rows[k].device, rows[k].module);
        client_connect(c, &(struct login){
                              .client_id = rows[k].client_id,
                              .username = rows[k].username,
                              .password = password,
                              .password_len = rows[k].kind == NO_TEXT ? strlen(password) + 1 : 0,
                              .is_clean = true,
                              .will_topic = rows[k].will,
                              .will_text = "gone",
                          });
        client_want(c, CONNACK, &p);
        if (p.code != rows[k].code)
            fail_msg("%s: %u, not %u", rows[k].name, p.code, rows[k].code);
        if (p.code != 0)
            client_want(c, 0, &p);
        client_free(c);
    }
    struct sk_gateway_counts counts;
    sk_gateway_counts(f->g, &counts);
    assert_int_equal(counts.connects, 5);
    assert_int_equal(counts.refused, COUNT(rows) - 5);
}

/* Who has failed too often is told to come back, which the SDKs do, and not to give up. */
static void too_many_failures(void **state)
{
    struct fixture *f = *state;
    unsigned code = 5;
    (void)make_device(f, "d1");
    for (int i = 0; i < 200 && code == 5; i++) {
        struct client *c = client_new(f, "198.51.100.1:1");
        struct packet p;
        client_connect(c, &(struct login){ .client_id = "d1",
                                           .username = USER("d1"),
                                           .password = password_of(WRONG_KEY, "d1", "") });
        client_want(c, CONNACK, &p);
        code = p.code;
        client_free(c);
    }
    assert_int_equal(code, 3);
}

static uint64_t connections(struct fixture *f)
{
    struct sk_gateway_counts counts;
    sk_gateway_counts(f->g, &counts);
    return counts.connections;
}

static void await_count(struct fixture *f, uint64_t count)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    while (connections(f) != count && sk_now_ms() < end)
        (void)usleep(2000);
    assert_int_equal(connections(f), count);
}

static void await_connections(struct fixture *f, uint64_t count)
{
    await_count(f, count);
    settle(f);
}

static void await_disconnected(struct fixture *f, const char *device)
{
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    while (identity_of(f, device).is_connected) {
        assert_true(sk_now_ms() < end);
        (void)usleep(2000);
    }
}

static unsigned count_of(const char *text, const char *words)
{
    unsigned n = 0;
    for (const char *p = text; (p = strstr(p, words)) != NULL; p++)
        n++;
    return n;
}

/* What is told of the old connection's end is nothing: its device is connected. */
static void newest_wins(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    (void)make_device(f, "d1");
    struct client *first = client_in(f, "d1", "", true, NULL);
    for (int i = 0; i < 4; i++) {
        struct client *second = client_in(f, "d1", "", true, NULL);
        client_want(first, 0, &p);
        client_free(first);
        first = second;
    }
    client_say(first, 1, 9, EVENTS_D1, "x");
    client_want(first, PUBACK, &p);
    await_connections(f, 1);
    assert_true(identity_of(f, "d1").is_connected);
    const uint64_t end = sk_now_ms() + PATIENCE_MS;
    while (count_of(messages_of(f->events), "deviceConnected") < 5 && sk_now_ms() < end)
        (void)usleep(2000);
    assert_int_equal(count_of(messages_of(f->events), "deviceConnected"), 5);
    assert_int_equal(count_of(messages_of(f->events), "deviceDisconnected"), 0);
    client_free(first);
    await_connections(f, 0);
    await_disconnected(f, "d1");
    await_message(f->events, "deviceDisconnected");
}

static void a_token_ends(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    uint64_t end_ms = 0;
    (void)make_device(f, "d1");
    struct client *c = client_for_a_while(f, "d1", &end_ms);
    if (!client_read(c, &p, PATIENCE_MS + (int)(end_ms - sk_wall_ms())))
        fail_msg("it does not end");
    assert_int_equal(p.type, 0);
    assert_true(sk_wall_ms() >= end_ms - 20);
    client_free(c);
}

struct change {
    const char *name;
    const char *module; /* the change is of the device, or of this */
    bool is_delete, is_key;
    bool cuts_device, cuts_module;
};

static void make_change(struct fixture *f, const char *device, const struct change *ch)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i;
    if (ch->is_delete) {
        DONE(sk_identity_delete(f->devices, &f->service, device, ch->module, NULL, &err));
        return;
    }
    DONE(sk_identity_update(f->devices, &f->service,
                            &(struct sk_identity_spec){
                                .device = device,
                                .module = ch->module,
                                .status = ch->is_key ? NULL : "disabled",
                                .primary_key = ch->is_key ? KEY_2 : NULL,
                                .secondary_key = ch->is_key ? KEY_1 : NULL,
                                .is_edge = -1,
                            },
                            "*", &i, &err));
}

static void changes_cut(void **state)
{
    static const struct change rows[] = {
        { "a device is disabled", "", false, false, true, true },
        { "a device is deleted", "", true, false, true, true },
        { "a device's keys", "", false, true, true, true },
        { "a module is deleted", "m", true, false, false, true },
        { "a module's keys", "m", false, true, false, true },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct packet p;
        char device[16];
        (void)snprintf(device, sizeof device, "d%zu", i);
        (void)make_device(f, device);
        (void)make_module(f, device, "m");
        (void)make_device(f, "bystander");
        struct client *d = client_in(f, device, "", true, NULL);
        struct client *m = client_in(f, device, "m", true, NULL);
        struct client *b = client_in(f, "bystander", "", true, NULL);
        make_change(f, device, &rows[i]);
        if (rows[i].cuts_device)
            client_want(d, 0, &p);
        else
            client_quiet(d);
        if (rows[i].cuts_module)
            client_want(m, 0, &p);
        client_quiet(b);
        client_free(d);
        client_free(m);
        client_free(b);
        make_change(f, "bystander", &(struct change){ .module = "", .is_delete = true });
    }
}

static void wills(void **state)
{
    static const struct {
        const char *name;
        bool is_orderly, is_retained;
    } rows[] = {
        { "broken", false, false },
        { "retained", false, true },
        { "orderly", true, false },
    };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct client *c = client_new(f, NULL);
        struct packet p;
        client_connect(c, &(struct login){
                              .client_id = "d1",
                              .username = USER("d1"),
                              .password = token_of("d1", "", KEY_1, 3600),
                              .will_topic = "devices/d1/messages/events/a=b&%24.ct=text%2Fplain",
                              .will_text = rows[i].name,
                              .will_retain = rows[i].is_retained,
                          });
        client_want(c, CONNACK, &p);
        if (rows[i].is_orderly)
            client_disconnect(c);
        client_free(c);
        await_connections(f, 0);
    }
    await_message(f->telemetry, "\"bodyText\":\"retained\"");
    const char *all = messages_of(f->telemetry);
    assert_null(strstr(all, "orderly"));
    assert_int_equal(count_of(all, "\"iothub-MessageType\":\"Will\""), 2);
    assert_int_equal(count_of(all, "\"mqtt-retain\":\"true\""), 1);
    assert_int_equal(count_of(all, "\"a\":\"b\""), 2);
}

static void sessions(void **state)
{
    static const struct {
        bool is_clean, is_present, subscribes;
    } rows[] = {
        { false, false, false }, { false, false, true }, { false, true, false },
        { true, false, false },  { false, false, true }, { true, false, true },
        { false, true, false },
    };
    struct fixture *f = *state;
    (void)make_device(f, "d1");
    for (size_t i = 0; i < COUNT(rows); i++) {
        bool is_present = false;
        struct client *c = client_in(f, "d1", "", rows[i].is_clean, &is_present);
        if (is_present != rows[i].is_present)
            fail_msg("row %zu: session present is %d", i, is_present);
        if (rows[i].subscribes)
            assert_int_equal(client_subscribe(c, 1, "$iothub/methods/POST/#"), 1);
        client_free(c);
        await_connections(f, 0);
    }
}

/* ---- clean sessions and the disk ---- */

/* While it is held, nothing gets to the database. */
struct held {
    struct fixture *f;
    pthread_t thread;
    sem_t begun, go;
};

static int hold(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct held *h = ctx;
    (void)c;
    (void)err;
    (void)sem_post(&h->begun);
    (void)sem_wait(&h->go);
    return 0;
}

static void *run_hold(void *arg)
{
    struct held *h = arg;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_devices_write(h->f->devices, hold, h, &err), 0);
    return NULL;
}

static void hold_disk(struct fixture *f, struct held *h)
{
    h->f = f;
    (void)sem_init(&h->begun, 0, 0);
    (void)sem_init(&h->go, 0, 0);
    assert_int_equal(pthread_create(&h->thread, NULL, run_hold, h), 0);
    (void)sem_wait(&h->begun);
}

static void release_disk(struct held *h)
{
    (void)sem_post(&h->go);
    (void)pthread_join(h->thread, NULL);
    (void)sem_destroy(&h->begun);
    (void)sem_destroy(&h->go);
}

/* A client that has sent its CONNECT, with a will. */
static struct client *begin_in(struct fixture *f, bool is_clean)
{
    struct client *c = client_new(f, NULL);
    client_connect(c, &(struct login){ .client_id = "d1",
                                       .username = USER("d1"),
                                       .password = token_of("d1", "", KEY_1, 3600),
                                       .is_clean = is_clean,
                                       .will_topic = EVENTS_D1,
                                       .will_text = "will" });
    return c;
}

static void subscribe_and_leave(struct fixture *f)
{
    struct client *c = client_in(f, "d1", "", false, NULL);
    assert_int_equal(client_subscribe(c, 1, "$iothub/methods/POST/#"), 1);
    client_disconnect(c);
    client_free(c);
    await_connections(f, 0);
    settle(f);
}

static void clean_waits_for_the_disk(void **state)
{
    struct fixture *f = *state;
    struct held h;
    struct packet p;
    bool is_present = true;
    (void)make_device(f, "d1");
    subscribe_and_leave(f);
    hold_disk(f, &h);
    struct client *c = begin_in(f, true);
    client_say(c, 0, 0, EVENTS_D1, "early"); /* it need not wait for CONNACK */
    client_quiet(c);
    release_disk(&h);
    client_want(c, CONNACK, &p);
    assert_int_equal(p.code, 0);
    assert_false(p.session_present);
    client_free(c);
    c = client_in(f, "d1", "", false, &is_present);
    assert_false(is_present);
    await_message(f->telemetry, "\"bodyText\":\"early\"");
    client_free(c);
}

/* The newer one gets what will stay, and the older one is never connected. */
static void newer_while_clean_waits(void **state)
{
    struct fixture *f = *state;
    struct held h;
    struct packet p;
    (void)make_device(f, "d1");
    for (int is_clean = 0; is_clean < 2; is_clean++) {
        subscribe_and_leave(f);
        hold_disk(f, &h);
        struct client *old = begin_in(f, true);
        await_count(f, 1);
        struct client *c = begin_in(f, is_clean);
        client_want(old, 0, &p);
        client_quiet(c);
        release_disk(&h);
        client_want(c, CONNACK, &p);
        assert_int_equal(p.code, 0);
        assert_false(p.session_present);
        assert_int_equal(sk_live_count(&f->g->live), 1);
        client_disconnect(c);
        client_free(c);
        client_free(old);
        await_connections(f, 0);
    }
    settle(f);
    assert_null(strstr(messages_of(f->telemetry), "will"));
}

static void ends_while_clean_waits(void **state)
{
    struct fixture *f = *state;
    struct held h;
    struct packet p;
    const struct sk_identity i = make_device(f, "d1");
    hold_disk(f, &h);
    struct client *c = begin_in(f, true);
    struct sk_mqtt_ref ref;
    await_count(f, 1);
    assert_true(sk_live_find(&f->g->live, i.id, &ref));
    sk_gateway_cut(f->g, ref, "a test");
    client_want(c, 0, &p);
    await_count(f, 0);
    release_disk(&h);
    settle(f);
    assert_int_equal(atomic_load(&f->g->clears), 0);
    client_free(c);
    hold_disk(f, &h);
    c = begin_in(f, true); /* and one that the hub's stop ends */
    await_count(f, 1);
    sk_gateway_stop(f->g, 1000);
    release_disk(&h);
    settle(f);
    client_free(c);
    assert_null(strstr(messages_of(f->telemetry), "will"));
    assert_string_equal(messages_of(f->events), "");
    assert_int_equal(atomic_load(&f->g->clears), 0);
    assert_false(identity_of(f, "d1").is_connected);
}

/* What could not be cleared is still there. */
static void clean_on_a_failing_disk(void **state)
{
    struct fixture *f = *state;
    struct packet p;
    bool is_present = false;
    (void)make_device(f, "d1");
    subscribe_and_leave(f);
    disk_is_full(true);
    struct client *c = begin_in(f, true);
    client_want(c, CONNACK, &p);
    disk_is_full(false);
    assert_int_equal(p.code, 3);
    client_want(c, 0, &p);
    client_free(c);
    await_connections(f, 0);
    assert_int_equal(atomic_load(&f->g->clears), 0);
    c = client_in(f, "d1", "", false, &is_present);
    assert_true(is_present);
    client_disconnect(c);
    client_free(c);
    assert_null(strstr(messages_of(f->telemetry), "will"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(codes),
        ROW(too_many_failures),
        ROW(newest_wins),
        ROW(a_token_ends),
        ROW(changes_cut),
        ROW(wills),
        ROW(sessions),
        ROW(clean_waits_for_the_disk),
        ROW(newer_while_clean_waits),
        ROW(ends_while_clean_waits),
        ROW(clean_on_a_failing_disk),
    };
    return cmocka_run_group_tests_name("gateway/connect", tests, NULL, NULL);
}
