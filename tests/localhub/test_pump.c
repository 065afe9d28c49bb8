/* test_pump.c - endpoints that are found at a start, and the order of rounds. */
#include "rig.h"

static void put_into(struct rig *r, const char *endpoint, const char *key)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_spool_message m = { .key = sk_view_of(key),
                                        .bag = SK_VIEW("%24.mid=1"),
                                        .body = SK_VIEW("left") };
    const struct sk_spool_target t = { .endpoint = endpoint, .priority = 9 };
    DONE(sk_spool_put(r->h->spool, &m, &t, 1, &err));
}

static bool is_empty(struct rig *r, void *ctx)
{
    return r->h->spool && sk_spool_length(r->h->spool, ctx, 9) == 0;
}

static void what_is_left_is_found(void **state)
{
    struct rig *r = *state;
    put_into(r, "candidate/nobody", "edge/m/");
    (void)usleep(50000);
    assert_int_equal(sk_spool_length(r->h->spool, "candidate/nobody", 9), 1);
    rig_restart(r, true); /* of nobody that is known: dropped */
    cloud_wait_up(r, DEVICE "/m", NULL);
    wait_until(r, is_empty, (void *)(uintptr_t) "candidate/nobody", "it is dropped");
}

static void keys_that_are_none_are_dropped(void **state)
{
    struct rig *r = *state;
    put_into(r, "$upstream", "nonsense");
    put_into(r, "$upstream", "");
    put_into(r, "$upstream", "edge/m/out");
    notes_wait(&r->cloud.notes,
               DEVICE "/m devices/" DEVICE "/modules/m/messages/events/%24.mid=1 left", NULL);
}

static void acks_of_nothing_change_nothing(void **state)
{
    struct rig *r = *state;
    for (uint64_t k = 0; k < 1000; k++) {
        sk_lh_pump_ack(r->h, &(struct sk_lh_ack){ .token = k * 7 + 100000, .is_acked = k % 2 });
        sk_lh_pump_ack(r->h,
                       &(struct sk_lh_ack){ .token = SK_LH_TOKEN_INPUT | k, .is_acked = true });
    }
    SK_OWN(client_free) struct client *c = client_in(r, "m");
    client_say(c, "m", "", "all is well");
    notes_wait(&r->cloud.notes, "all is well", NULL);
}

/* What is stored while all ends is told to a pump that has stopped: nothing of it may leak. */
static void the_last_of_all(void **state)
{
    struct rig *r = *state;
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    sk_lh_pump_stop(r->h);
    for (unsigned k = 0; k < 8; k++) {
        (void)snprintf(endpoint, sizeof endpoint, "n/late%u", k);
        put_into(r, endpoint, "edge/m/");
        sk_lh_pump_ack(r->h, &(struct sk_lh_ack){ .token = SK_LH_TOKEN_INPUT | k });
    }
}

/* What may be gathered for a moment, and what begins a turn at once. */
static void what_hurries(void **state)
{
    struct rig *r = *state;
    struct sk_lh_pump *p = &r->h->pump;

    static const struct {
        const char *endpoint; /* NULL: an acknowledgement */
        struct sk_lh_ack ack;
        bool hurries;
    } rows[] = {
        { "$upstream", { .token = 0, .is_acked = false }, false },
        { "n/input", { .token = 0, .is_acked = false }, true },
        { NULL, { .token = 1, .is_acked = true }, false },
        { NULL, { .token = 1, .is_acked = false }, true }, /* to be sent again */
        { NULL, { .token = SK_LH_TOKEN_INPUT | 1, .is_acked = true }, true },
    };

    sk_lh_pump_stop(r->h);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        {
            SK_LOCK(&p->lock);
            p->is_woken = p->has_gathered = false;
        }

        if (rows[i].endpoint)
            sk_lh_pump_endpoint(r->h, rows[i].endpoint);
        else
            sk_lh_pump_ack(r->h, &rows[i].ack);
        bool has_gathered, is_woken;

        {
            SK_LOCK(&p->lock);
            has_gathered = p->has_gathered;
            is_woken = p->is_woken;
        }

        if (!has_gathered || is_woken != rows[i].hurries)
            fail_msg("row %zu: %d %d", i, has_gathered, is_woken);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(what_is_left_is_found),
        ROW(keys_that_are_none_are_dropped),
        ROW(acks_of_nothing_change_nothing),
        ROW(the_last_of_all),
        ROW(what_hurries),
    };
    return cmocka_run_group_tests_name("localhub/pump", tests, NULL, NULL);
}
