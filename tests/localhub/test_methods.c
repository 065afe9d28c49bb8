/* test_methods.c - direct methods. */
#include "rig.h"

static void call_from_cloud(struct rig *r, const char *id, const char *name, const char *payload)
{
    char topic[128];
    (void)snprintf(topic, sizeof topic, "$iothub/methods/POST/%s/?$rid=77", name);
    cloud_send(r, id, topic, payload, 0);
}

static void a_module_answers(void **state)
{
    struct rig *r = *state;
    struct packet p;
    char topic[1100];
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, "$iothub/methods/POST/#", 0);
    call_from_cloud(r, DEVICE "/m", "go%20on", "{\"a\":1}");
    client_want(c, PUBLISH, &p);
    assert_string_equal(p.payload, "{\"a\":1}");
    assert_int_equal(strncmp(p.topic, "$iothub/methods/POST/go%20on/?$rid=", 35), 0);
    (void)snprintf(topic, sizeof topic, "$iothub/methods/res/201/%s", strstr(p.topic, "?$rid="));
    client_publish(c, 1, 8, topic, "{\"b\":2}");
    client_want(c, PUBACK, &p);
    notes_wait(&r->cloud.notes, DEVICE "/m $iothub/methods/res/201/?$rid=77 {\"b\":2}", NULL);
    client_publish(c, 0, 0, topic, "{\"twice\":2}");
    client_publish(c, 0, 0, "$iothub/methods/res/200/?$rid=zz", "{}");
    client_publish(c, 0, 0, "$iothub/methods/res/200/?$rid=ffff", "{}");
    client_say(c, "m", "", "all is well");
    assert_false(notes_have(&r->cloud.notes, "twice"));
}

static void who_is_not_there_or_leaves(void **state)
{
    struct rig *r = *state;
    struct packet p;
    call_from_cloud(r, DEVICE "/m", "go", "");
    notes_wait(&r->cloud.notes, DEVICE "/m $iothub/methods/res/404/?$rid=77", NULL);
    notes_clear(&r->cloud.notes);
    {
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        client_subscribe(c, "$iothub/methods/POST/#", 0);
        call_from_cloud(r, DEVICE "/m", "go", "");
        client_want(c, PUBLISH, &p);
    }
    notes_wait(&r->cloud.notes, "$iothub/methods/res/404/?$rid=77", "its connection ended", NULL);
}

static void ours_and_the_agents(void **state)
{
    struct rig *r = *state;
    call_from_cloud(r, DEVICE "/$edgeHub", "ping", "");
    notes_wait(&r->cloud.notes, DEVICE "/$edgeHub $iothub/methods/res/200/?$rid=77 null", NULL);
    call_from_cloud(r, DEVICE "/$edgeHub", "dance", "");
    notes_wait(&r->cloud.notes, DEVICE "/$edgeHub $iothub/methods/res/400/?$rid=77", NULL);
    call_from_cloud(r, DEVICE "/$edgeAgent", "RestartModule", "{\"id\":\"m\"}");
    notes_wait(&r->told, "\"name\":\"RestartModule\"", "\"payload\":{\"id\":\"m\"}", NULL);
    notes_wait(&r->cloud.notes, DEVICE "/$edgeAgent $iothub/methods/res/202/?$rid=77",
               "{\"did\":\"it\"}", NULL);
    agent_close(r);
    call_from_cloud(r, DEVICE "/$edgeAgent", "ping", "");
    notes_wait(&r->cloud.notes, DEVICE "/$edgeAgent $iothub/methods/res/503/?$rid=77", NULL);
}

struct outcome {
    atomic_int code; /* of sk_err, + 1 */
    int status;
};

static void on_done(void *ctx, int status, struct sk_view payload, const struct sk_err *failed)
{
    struct outcome *o = ctx;
    (void)payload;
    o->status = status;
    atomic_store(&o->code, (failed ? (int)failed->code : (int)SK_OK) + 1);
}

static void deadlines(void **state)
{
    struct rig *r = *state;
    struct packet p;
    struct sk_err err = SK_ERR_INIT;
    static struct outcome late, never, soon;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    struct sk_lh_method m = {
        .name = "go", .connect_ms = 5000, .response_ms = 5000, .done = on_done
    };
    m.ctx = &soon;
    DONE(sk_lh_invoke(r->h, id, &m, &err)); /* waits for its client */
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, "$iothub/methods/POST/#", 0);
    client_want(c, PUBLISH, &p);
    m.ctx = &late;
    DONE(sk_lh_invoke(r->h, id, &m, &err));
    client_want(c, PUBLISH, &p);
    m.ctx = &never;
    DONE(sk_lh_invoke(r->h, ident_of(r, DEVICE "/n"), &m, &err));
    sk_lh_methods_tick(r->h, sk_now_ms() + 20000);
    assert_int_equal(atomic_load(&late.code), SK_TIMEOUT + 1);
    assert_int_equal(atomic_load(&soon.code), SK_TIMEOUT + 1);
    assert_int_equal(atomic_load(&never.code), SK_NOT_FOUND + 1);
}

static void bounds(void **state)
{
    struct rig *r = *state;
    struct sk_err err = SK_ERR_INIT;
    static struct outcome o; /* told in the end, behind this test */
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    struct sk_lh_method m = {
        .name = "go", .connect_ms = 60000, .response_ms = 5000, .done = on_done, .ctx = &o
    };
    for (int i = 0; i < SK_LH_METHODS_MAX; i++)
        DONE(sk_lh_invoke(r->h, id, &m, &err));
    assert_int_equal(sk_lh_invoke(r->h, id, &m, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    m.payload = (struct sk_view){ "", SK_IOT_METHOD_PAYLOAD_MAX + 1 };
    assert_int_equal(sk_lh_invoke(r->h, id, &m, &err), -1);
    assert_int_equal(err.code, SK_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_module_answers),    ROW(who_is_not_there_or_leaves),
        ROW(ours_and_the_agents), ROW(deadlines),
        LONE_ROW(bounds),
    };
    return cmocka_run_group_tests_name("localhub/methods", tests, NULL, NULL);
}
