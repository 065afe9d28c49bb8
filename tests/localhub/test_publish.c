/* test_publish.c - messages of clients. */
#include "rig.h"

#include <signal.h>
#include <sys/resource.h>

#define EVENTS "devices/" DEVICE "/modules/m/messages/events/"

static void messages_get_what_they_lack(void **state)
{
    struct rig *r = *state;
    struct packet p;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_publish(c, 1, 5, EVENTS "%24.on=out&a=b%26c&%24.cdid=forged&iothub-enqueuedtime=x", "1");
    client_want(c, PUBACK, &p);
    notes_wait(&r->cloud.notes, EVENTS "a=b%26c&%24.mid=", "&%24.ctime=20", " 1", NULL);
    assert_false(notes_have(&r->cloud.notes, "forged"));
    assert_false(notes_have(&r->cloud.notes, "%24.on"));
    assert_false(notes_have(&r->cloud.notes, "enqueuedtime"));
    client_publish(c, 1, 6, EVENTS "%24.mid=own&%24.ctime=then", "2");
    client_want(c, PUBACK, &p);
    notes_wait(&r->cloud.notes, EVENTS "%24.mid=own&%24.ctime=then 2", NULL);
    client_publish(c, 0, 0, EVENTS, "3");
    notes_wait(&r->cloud.notes, " 3\n", NULL);
}

static void what_breaks_the_rules_ends_the_connection(void **state)
{
    static const char *const topics[] = {
        "devices/" DEVICE "/modules/n/messages/events/", /* another's */
        "devices/other/messages/events/",
        "a/b",
        EVENTS "%2=x",
        EVENTS "=x",
    };
    struct rig *r = *state;
    for (size_t i = 0; i < COUNT(topics); i++) {
        struct packet p;
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        client_publish(c, 1, 5, topics[i], "x");
        client_next(c, &p);
        if (p.kind != ENDED)
            fail_msg("%s: packet %u", topics[i], p.kind);
    }
}

static void a_message_at_the_limit(void **state)
{
    struct rig *r = *state;
    SK_OWN(free) char *body = malloc(SK_IOT_MESSAGE_MAX + 2);
    for (size_t more = 0; more <= 1; more++) {
        struct packet p;
        SK_OWN(client_free) struct client *c = client_in(r, "m");
        memset(body, 'x', SK_IOT_MESSAGE_MAX + more);
        body[SK_IOT_MESSAGE_MAX + more] = '\0';
        client_publish(c, 1, 5, EVENTS, body);
        client_next(c, &p);
        assert_int_equal(p.kind, more ? ENDED : PUBACK);
    }
}

static void disk_is_full(bool is_full)
{
    struct rlimit limit;
    (void)signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = is_full ? 1 : limit.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void what_is_not_stored_is_not_acknowledged(void **state)
{
    struct rig *r = *state;
    struct packet p;
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_say(c, "m", "", "stored");
    disk_is_full(true);
    client_publish(c, 1, 5, EVENTS, "lost");
    client_publish(c, 1, 6, EVENTS, "behind it");
    client_next(c, &p);
    disk_is_full(false);
    assert_int_equal(p.kind, ENDED);
    SK_OWN(client_free) struct client *again = client_in(r, "m");
    client_say(again, "m", "", "stored again");
    notes_wait(&r->cloud.notes, " stored\n", " stored again\n", NULL);
    assert_false(notes_have(&r->cloud.notes, "behind it"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(messages_get_what_they_lack),
        ROW(what_breaks_the_rules_ends_the_connection),
        ROW(a_message_at_the_limit),
        ROW(what_is_not_stored_is_not_acknowledged),
    };
    return cmocka_run_group_tests_name("localhub/publish", tests, NULL, NULL);
}
