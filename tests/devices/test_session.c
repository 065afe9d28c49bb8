/* test_session.c - subscriptions last; connections are written together, and end with the hub. */
#include "fixture.h"

#include <semaphore.h>
#include <stdatomic.h>

static void note_end(void *ctx, const struct sk_err *failed)
{
    *(enum sk_code *)ctx = failed ? failed->code : SK_OK;
}

static unsigned subs_of(struct fixture *f, int64_t identity)
{
    struct sk_err err = SK_ERR_INIT;
    unsigned subs = 99;
    DONE(sk_session_read(f->d, identity, &subs, &err));
    return subs;
}

static void subscriptions(void **state)
{
    static const struct {
        unsigned add, remove, result;
    } rows[] = {
        { SK_SUB_METHODS | SK_SUB_C2D, 0, SK_SUB_METHODS | SK_SUB_C2D },
        { SK_SUB_TWIN_DESIRED, SK_SUB_C2D, SK_SUB_METHODS | SK_SUB_TWIN_DESIRED },
        { 0, 0, SK_SUB_METHODS | SK_SUB_TWIN_DESIRED },
        { SK_SUB_C2D, SK_SUB_C2D, SK_SUB_METHODS | SK_SUB_TWIN_DESIRED },
        { 0, 31, 0 },
        { 31, 0, 31 },
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d");
    assert_int_equal(subs_of(f, i.id), 0);
    for (size_t n = 0; n < COUNT(rows); n++) {
        enum sk_code code = SK_BUG;
        DONE(sk_session_change(f->d, i.id, rows[n].add, rows[n].remove, note_end, &code, &err));
        settle(f);
        assert_int_equal(code, SK_OK);
        assert_int_equal(subs_of(f, i.id), rows[n].result);
    }
    fixture_reopen(f);
    assert_int_equal(subs_of(f, i.id), 31);
    DONE(sk_session_change(f->d, i.id, 0, ~0u, NULL, NULL, &err));
    DONE(sk_session_change(f->d, i.id, SK_SUB_C2D, 0, NULL, NULL, &err)); /* in this order */
    settle(f);
    assert_int_equal(subs_of(f, i.id), SK_SUB_C2D);
    DONE(sk_session_change(f->d, i.id, 0, ~0u, NULL, NULL, &err));
    settle(f);
    assert_int_equal(subs_of(f, i.id), 0);
    enum sk_code code = SK_OK;
    DONE(sk_session_change(f->d, i.id + 1, 1, 0, note_end, &code, &err));
    settle(f);
    assert_int_equal(code, SK_NOT_FOUND);
}

static void connections(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d");

    static const struct {
        bool is_connected;
        int64_t at_ms, connection_ms, activity_ms;
    } rows[] = {
        { true, 10, 10, 10 },
        { true, 20, 10, 20 },
        { false, 30, 30, 30 },
        { false, 25, 30, 30 },
    };

    for (size_t n = 0; n < COUNT(rows); n++) {
        sk_identity_seen(f->d, i.id, rows[n].is_connected, rows[n].at_ms);
        settle(f);
        DONE(sk_identity_get(f->d, "d", NULL, &i, &err));
        assert_int_equal(i.is_connected, rows[n].is_connected);
        assert_int_equal(i.connection_ms, rows[n].connection_ms);
        assert_int_equal(i.activity_ms, rows[n].activity_ms);
        assert_int_equal(i.etag, 1);
    }
    for (int n = 0; n < 500; n++)
        sk_identity_seen(f->d, i.id, n % 2 == 0, 100 + n);
    settle(f);
    DONE(sk_identity_get(f->d, "d", NULL, &i, &err));
    assert_false(i.is_connected);
    assert_int_equal(i.activity_ms, 599);
    sk_identity_seen(f->d, i.id, true, 1000);
    settle(f);
    fixture_reopen(f); /* whoever was connected to the old hub is not to this one */
    DONE(sk_identity_get(f->d, "d", NULL, &i, &err));
    assert_false(i.is_connected);
    assert_true(i.connection_ms > 1000);
}

/* Jobs of the writer stand still until it is posted. */
static int hold(struct sk_change *c, void *ctx, struct sk_err *err)
{
    (void)c;
    (void)err;
    (void)sem_wait(ctx);
    return 0;
}

struct look {
    struct fixture *f;
    size_t left;
};

static int count_left(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct look *look = ctx;
    (void)c;
    (void)err;
    SK_LOCK(&look->f->d->mutex);
    look->left = look->f->d->seen.count;
    return 0;
}

/* However many there are, others wait for a few only. */
static void in_slices(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_identity i = make_device(f, "d");
    struct look look = { f, 0 };
    sem_t go;
    (void)sem_init(&go, 0, 0);
    DONE(sk_devices_push(f->d, hold, NULL, &go, &err));
    for (int n = 0; n < 4 * SK_DEVICES_SEEN_SLICE; n++)
        sk_identity_seen(f->d, i.id, n % 2 == 0, n);
    DONE(sk_devices_push(f->d, count_left, NULL, &look, &err));
    (void)sem_post(&go);
    settle(f);
    assert_int_equal(look.left, 3 * SK_DEVICES_SEEN_SLICE);
    assert_int_equal(number(f, "SELECT activity_ms FROM identity"), 4 * SK_DEVICES_SEEN_SLICE - 1);
    (void)sem_destroy(&go);
}

static int no_room(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    if (mode != SK_DB_WRITE || !atomic_load((atomic_bool *)ctx))
        return 0;
    return sk_fail(err, SK_FULL, "disk is full");
}

/* What a full disk refuses is written when there is room, though nobody comes or goes. */
static void again(void **state)
{
    struct fixture *f = *state;
    struct sk_identity i = make_device(f, "d");
    static atomic_bool is_full;
    sk_db_ask_room(f->d->db, no_room, &is_full);
    atomic_store(&is_full, true);
    sk_identity_seen(f->d, i.id, true, 1234567);
    settle(f);
    assert_int_equal(number(f, "SELECT activity_ms FROM identity"), 0);
    sk_identity_seen_again(f->d);
    settle(f);
    assert_int_equal(number(f, "SELECT activity_ms FROM identity"), 0);
    atomic_store(&is_full, false);
    sk_identity_seen_again(f->d);
    settle(f);
    assert_int_equal(number(f, "SELECT activity_ms FROM identity"), 1234567);
    sk_identity_seen_again(f->d); /* nothing is left */
    assert_false(f->d->is_seen_pushed);
}

/* Beyond the limit the states are lost, and nothing else. */
static void too_many(void **state)
{
    struct fixture *f = *state;

    struct sk_identity i = make_device(f, "d");
    {
        SK_LOCK(&f->d->mutex);
        f->d->is_seen_pushed = true; /* a job that does not come */
    }

    for (int n = 0; n < SK_DEVICES_SEEN_MAX; n++)
        sk_identity_seen(f->d, i.id, true, n);
    size_t count;
    {
        SK_LOCK(&f->d->mutex);
        count = f->d->seen.count;
        f->d->is_seen_pushed = false;
    }
    assert_true(count <= SK_DEVICES_SEEN_MAX && count > SK_DEVICES_SEEN_MAX / 2);
    sk_identity_seen(f->d, i.id, true, 1);
    settle(f);
    sk_identity_seen(f->d, i.id, true, 7777777);
    settle(f);
    assert_int_equal(number(f, "SELECT activity_ms FROM identity"), 7777777);
}

/* A hub on a full disk starts, so that somebody can make room. */
static void start_on_a_full_disk(void **state)
{
    struct fixture *f = *state;
    struct sk_identity i = make_device(f, "d");
    static atomic_bool is_full;
    sk_identity_seen(f->d, i.id, true, 1234567);
    settle(f);
    sk_db_ask_room(f->d->db, no_room, &is_full);
    atomic_store(&is_full, true);
    fixture_reopen(f);
    assert_int_equal(number(f, "SELECT is_connected FROM identity"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(subscriptions), ROW(connections),
                                        ROW(too_many),      ROW(in_slices),
                                        ROW(again),         ROW(start_on_a_full_disk) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
