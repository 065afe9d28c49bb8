/* test_up.c - messages to the cloud: order, windows, losses. */
#include "rig.h"

enum {
    MANY = 300
};

/* Numbers of the messages of a module as they came, without those that came twice. */
static void expect_in_order(struct rig *r, const char *module, int count)
{
    char mark[128];
    int next = 0;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(16 << 20);
    (void)snprintf(mark, sizeof mark, DEVICE "/%s devices/" DEVICE "/modules/%s/messages", module,
                   module);
    {
        SK_LOCK(&r->cloud.notes.lock);
        sk_buf_add(&text, r->cloud.notes.text.data, r->cloud.notes.text.len);
    }
    for (char *at = text.data; at && (at = strstr(at, mark)) != NULL;) {
        char *end = at + strcspn(at, "\n");
        *end = '\0';
        const int number = (int)strtol(strrchr(at, ' '), NULL, 10);
        at = end + 1;
        if (number > next)
            fail_msg("%s: %d before %d", module, number, next);
        next += number == next;
    }
    assert_int_equal(next, count);
}

static void say_numbers(struct client *c, const char *module, int from, int to)
{
    char text[16];
    for (int i = from; i < to; i++) {
        (void)snprintf(text, sizeof text, "%d", i);
        client_say(c, module, "", text);
    }
}

static bool is_drained(struct rig *r, void *ctx)
{
    (void)ctx;
    return r->h->spool && sk_spool_length(r->h->spool, "$upstream", SK_SPOOL_PRIORITIES - 1) == 0;
}

static void losses_change_no_order(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *m = client_in(r, "m");

    SK_OWN(client_free) struct client *n = client_in(r, "n");
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.holds = true; /* what comes now is never acknowledged */
    }

    say_numbers(m, "m", 0, MANY);
    say_numbers(n, "n", 0, 10);
    notes_wait(&r->cloud.notes, DEVICE "/m devices", NULL);
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.holds = false;
    }
    cloud_cut(r, DEVICE "/m");
    cloud_cut(r, DEVICE "/n");
    wait_until(r, is_drained, NULL, "it is drained");
    expect_in_order(r, "m", MANY);
    expect_in_order(r, "n", 10);
}

static bool has_some(struct rig *r, void *ctx)
{
    (void)ctx;
    return notes_count(&r->cloud.notes, DEVICE "/m devices") >= 16;
}

static void a_window_is_kept(void **state)
{
    struct rig *r = *state;

    SK_OWN(client_free) struct client *m = client_in(r, "m");
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.holds = true;
    }

    say_numbers(m, "m", 0, 2 * SK_LH_WINDOW);
    wait_until(r, has_some, NULL, "it is sent"); /* how many bytes: test_pace.c */
    (void)usleep(QUIET_MS * 1000);
    assert_true(notes_count(&r->cloud.notes, DEVICE "/m devices") <= SK_LH_WINDOW);
}

static void one_that_is_away_holds_up_nobody(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *m = client_in(r, "m");
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[{\"name\":\"m\",\"isRegistered\":false,"
                        "\"instances\":[{\"instance\":\"m-1\"}]},{\"name\":\"n\",\"instances\":[{"
                        "\"instance\":\"n-1\"}]}]}");
    notes_wait(&r->cloud.notes, "down " DEVICE "/m", NULL);
    say_numbers(m, "m", 0, 20);
    say_numbers(n, "n", 0, 20);
    notes_wait(&r->cloud.notes, DEVICE "/n devices", " 19\n", NULL);
    agent_instances(r, "[{\"instance\":\"m-1\",\"role\":\"active\"}]");
    wait_until(r, is_drained, NULL, "it is drained");
    expect_in_order(r, "m", 20);
    expect_in_order(r, "n", 20);
}

static void what_a_module_left_is_sent(void **state)
{
    struct rig *r = *state;
    cloud_stop(r);
    {
        SK_OWN(client_free) struct client *m = client_in(r, "m");
        say_numbers(m, "m", 0, 5);
    }
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[]}");
    rig_restart(r, false);
    agent_connect(r); /* its key is still there */
    cloud_start(r);
    wait_until(r, is_drained, NULL, "it is drained");
    expect_in_order(r, "m", 5);
}

/* The cloud does not know m, which left five messages, nor lets it in. Its tries are far apart by
 * the time it is refused, so who waits for them asks for each at once. */
static void leave_unknown(struct rig *r, struct client *n)
{
    cloud_stop(r);
    {
        SK_OWN(client_free) struct client *m = client_in(r, "m");
        say_numbers(m, "m", 0, 5);
    }
    say_numbers(n, "n", 0, 5);
    {
        SK_LOCK(&r->cloud.lock);
        r->cloud.unknown = DEVICE "/m";
    }
    cloud_start(r);
    notes_wait(&r->cloud.notes, DEVICE "/n devices", " 4\n", NULL);
}

static bool is_drained_by_now(struct rig *r, void *ctx)
{
    sk_lh_lines_poke(r->h);
    return is_drained(r, ctx);
}

static void expect_dropped(struct rig *r)
{
    (void)agent_call(r, "{\"type\":\"modules\",\"modules\":[{\"name\":\"n\",\"instances\":[{"
                        "\"instance\":\"n-1\"}]}]}");
    wait_until(r, is_drained_by_now, NULL, "it is drained");
    expect_in_order(r, "n", 5);
    expect_in_order(r, "m", 0);
}

static bool is_refused_for_good(struct rig *r, void *ctx)
{
    (void)ctx;
    sk_lh_lines_poke(r->h);
    return sk_lh_ident_by_key(r->h, SK_VIEW(DEVICE "/m"))->refusals >= SK_LH_REFUSALS;
}

/* A kill can bring back what was sent, of a module that was removed since. */
static void what_nobody_can_send_is_dropped(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    leave_unknown(r, n);
    wait_until(r, is_refused_for_good, NULL, "it is refused as often as it takes");
    assert_false(is_drained(r, NULL)); /* it is listed: the hub may come to know it */
    expect_dropped(r);
}

/* Its line is the only one that can learn whether the cloud knows it. */
static void one_removed_before_that_is_asked_for_to_the_end(void **state)
{
    struct rig *r = *state;
    SK_OWN(client_free) struct client *n = client_in(r, "n");
    leave_unknown(r, n);
    expect_dropped(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(losses_change_no_order),           ROW(a_window_is_kept),
        ROW(one_that_is_away_holds_up_nobody), ROW(what_a_module_left_is_sent),
        ROW(what_nobody_can_send_is_dropped),  ROW(one_removed_before_that_is_asked_for_to_the_end),
    };
    return cmocka_run_group_tests_name("localhub/up", tests, NULL, NULL);
}
