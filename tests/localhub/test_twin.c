/* test_twin.c - twins as clients here see them. */
#include "rig.h"

#define RES     "$iothub/twin/res/#"
#define GET     "$iothub/twin/GET/?$rid=1"
#define REPORT  "$iothub/twin/PATCH/properties/reported/?$rid=2"
#define DESIRED "$iothub/twin/PATCH/properties/desired/#"

static void want(struct client *c, const char *topic, const char *payload)
{
    struct packet p;
    client_want(c, PUBLISH, &p);
    if (strncmp(p.topic, topic, strlen(topic)) != 0 || (payload && strcmp(p.payload, payload) != 0))
        fail_msg("%s %s instead of %s %s", p.topic, p.payload, topic, payload);
}

static void a_get_is_answered_from_the_mirror(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, RES, 0);
    client_publish(c, 0, 0, GET, " ");
    want(c, "$iothub/twin/res/200/?$rid=1",
         "{\"desired\":{\"$version\":1},\"reported\":{\"$version\":1}}");
    cloud_stop(r);
    client_publish(c, 0, 0, REPORT, "{\"a\":{\"b\":1,\"c\":null}}");
    want(c, "$iothub/twin/res/204/?$rid=2&$version=2", "");
    client_publish(c, 0, 0, GET, "");
    want(c, "$iothub/twin/res/200/?$rid=1",
         "{\"desired\":{\"$version\":1},\"reported\":{\"a\":{\"b\":1},\"$version\":2}}");
}

static void patches_are_checked(void **state)
{
    static const struct {
        const char *payload;
        int status;
    } rows[] = {
        { "{", 400 },
        { "7", 400 },
        { "{\"a.b\":1}", 400 },
        { "{\"a\":[null]}", 400 },
        { "{\"a\":9007199254740993}", 400 },
        { "{\"a\":null}", 204 },
    };
    struct rig *r = *state;
    char topic[64];
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, RES, 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        client_publish(c, 0, 0, REPORT, rows[i].payload);
        (void)snprintf(topic, sizeof topic, "$iothub/twin/res/%d/?$rid=2", rows[i].status);
        want(c, topic, NULL);
    }
}

static void a_report_is_on_the_disk_before_its_answer(void **state)
{
    struct rig *r = *state;
    char path[300], *text = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    struct packet p;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_publish(c, 1, 9, REPORT, "{\"kept\":1}");
    client_want(c, PUBACK, &p);
    (void)snprintf(path, sizeof path, "%s/twins/" DEVICE "%%2Fm.json", r->dir);
    DONE(sk_file_read(path, 1 << 20, &text, &len, &err));
    assert_non_null(strstr(text, "\"reported\":{\"kept\":1}"));
    free(text);
}

static void a_twin_that_was_never_seen_is_waited_for(void **state)
{
    struct rig *r = *state;
    struct sk_lh_ident *id = ident_of(r, DEVICE "/m");
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_subscribe(c, RES, 0);
    {
        SK_LOCK(&r->h->lock);
        id->twin.is_seen = false;
    }
    for (int i = 0; i < SK_LH_GETS_MAX; i++)
        client_publish(c, 0, 0, GET, "");
    assert_true(client_is_quiet(c));
    client_publish(c, 0, 0, "$iothub/twin/GET/?$rid=late", "");
    want(c, "$iothub/twin/res/429/?$rid=late", NULL);
    sk_lh_twin_tick(r->h, sk_now_ms() + SK_LH_GET_MS + 1000);
    for (int i = 0; i < SK_LH_GETS_MAX; i++)
        want(c, "$iothub/twin/res/503/?$rid=1", NULL);
    client_publish(c, 0, 0, GET, "");
    {
        SK_LOCK(&r->h->lock);
        id->twin.is_seen = true;
        sk_lh_twin_seen(id);
    }
    want(c, "$iothub/twin/res/200/?$rid=1", NULL);
}

static void desired_patches_go_to_who_wants_them(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    SK_OWN(client_free) struct client *other = client_in(r, "n");
    client_subscribe(c, DESIRED, 0);
    client_subscribe(other, RES, 0);
    cloud_send(r, DEVICE "/m", "$iothub/twin/PATCH/properties/desired/?$version=2",
               "{\"a\":{\"b\":1},\"$version\":2}", 1);
    want(c, "$iothub/twin/PATCH/properties/desired/?$version=2",
         "{\"a\":{\"b\":1},\"$version\":2}");
    notes_wait(&r->cloud.notes, "acked " DEVICE "/m", NULL);
    assert_true(client_is_quiet(other));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(a_get_is_answered_from_the_mirror),
        ROW(patches_are_checked),
        ROW(a_report_is_on_the_disk_before_its_answer),
        ROW(a_twin_that_was_never_seen_is_waited_for),
        ROW(desired_patches_go_to_who_wants_them),
    };
    return cmocka_run_group_tests_name("localhub/twin", tests, NULL, NULL);
}
