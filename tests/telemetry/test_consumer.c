/* test_consumer.c - consumer groups: where they begin, what they keep, how many there are. */
#include "fixture.h"

#include "base/thread.h"

static uint64_t next_of(struct fixture *f, const char *group, bool from_start)
{
    struct sk_err err = SK_ERR_INIT;
    uint64_t next = 0;
    DONE(sk_consumer_next(f->t, group, from_start, &next, &err));
    return next;
}

static void commit(struct fixture *f, const char *group, uint64_t next)
{
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_consumer_commit(f->t, group, next, &err));
}

static void groups(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(1 << 20);
    assert_int_equal(next_of(f, "empty", false), 1);
    for (int i = 0; i < 5; i++)
        (void)add(f, "d", "", NULL, "x");
    assert_int_equal(next_of(f, "a", true), 1);
    assert_int_equal(next_of(f, "b", false), 6);
    commit(f, "a", 4);
    commit(f, "$Default", 2); /* made by its first commit */
    fixture_reopen(f);
    assert_int_equal(next_of(f, "a", true), 4);
    assert_int_equal(next_of(f, "b", true), 6);
    commit(f, "a", 2); /* back */
    assert_int_equal(next_of(f, "a", false), 2);
    DONE(sk_consumer_list(f->t, &json, &err));
    must_parse(json.data, json.len);
    assert_non_null(
        strstr(json.data, "{\"name\":\"$Default\",\"next\":2,\"lag\":4,\"updated\":\""));
    assert_non_null(strstr(json.data, "{\"name\":\"a\",\"next\":2,\"lag\":4,"));
    assert_non_null(strstr(json.data, "{\"name\":\"b\",\"next\":6,\"lag\":0,"));
    DONE(sk_consumer_delete(f->t, "a", &err));
    assert_int_equal(sk_consumer_delete(f->t, "a", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(next_of(f, "a", true), 1);
}

static void bounds(void **state)
{
    static const struct {
        uint64_t next;
        bool is_good;
    } rows[] = { { 0, false }, { 1, true }, { 3, true }, { 4, false }, { UINT64_MAX, false } };

    static const char *const names[] = {
        "",
        "a b",
        "a/b",
        "\xc3\xa4",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdefx",
    };
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    uint64_t next = 0;
    (void)add(f, "d", "", NULL, "x");
    (void)add(f, "d", "", NULL, "x");
    for (size_t i = 0; i < COUNT(rows); i++)
        if ((sk_consumer_commit(f->t, "g", rows[i].next, &err) == 0) != rows[i].is_good)
            fail_msg("%llu", (unsigned long long)rows[i].next);
    for (size_t i = 0; i < COUNT(names); i++) {
        assert_int_equal(sk_consumer_next(f->t, names[i], true, &next, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_int_equal(sk_consumer_commit(f->t, names[i], 1, &err), -1);
        assert_int_equal(sk_consumer_delete(f->t, names[i], &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    char longest[SK_CONSUMER_NAME_MAX + 1];
    memset(longest, 'n', SK_CONSUMER_NAME_MAX);
    longest[SK_CONSUMER_NAME_MAX] = '\0';
    (void)next_of(f, longest, true);
    for (int i = 0; i < SK_CONSUMERS_MAX - 2; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "g%d", i);
        (void)next_of(f, name, true);
    }
    assert_int_equal(sk_consumer_next(f->t, "one-more", true, &next, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    commit(f, "g1", 2); /* those there are go on */
    DONE(sk_consumer_delete(f->t, "g2", &err));
    (void)next_of(f, "one-more", true);
}

/* Numbers begin anew with another journal; what was committed of the old one hides nothing. */
static void another_journal(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    (void)add(f, "d", "", NULL, "x");
    commit(f, "g", 2);
    DONE(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err));
    DONE(sk_tx_run(tx, &err, "UPDATE consumer_group SET next = 1000", ""));
    DONE(sk_tx_commit(&tx, &err));
    assert_int_equal(next_of(f, "g", false), 1);
}

/* ---- two who begin the same group ---- */

struct racer {
    struct fixture *f;
    const char *group;
    bool is_bad;
};

/* Reads a group that may be new, and commits what it read: nobody may then be sent back. */
static void *race(void *arg)
{
    struct racer *r = arg;
    struct sk_err err = SK_ERR_INIT;
    uint64_t next = 0;
    if (sk_consumer_next(r->f->t, r->group, true, &next, &err) < 0 ||
        sk_consumer_commit(r->f->t, r->group, 3, &err) < 0 ||
        sk_consumer_next(r->f->t, r->group, true, &next, &err) < 0 || next != 3)
        r->is_bad = true;
    return NULL;
}

static void who_is_first(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    (void)add(f, "d", "", NULL, "x");
    (void)add(f, "d", "", NULL, "x");
    for (int i = 0; i < 60; i++) {
        char group[16];
        struct racer r[3];
        pthread_t threads[COUNT(r)];
        (void)snprintf(group, sizeof group, "r%d", i);
        for (size_t k = 0; k < COUNT(r); k++) {
            r[k] = (struct racer){ .f = f, .group = group };
            DONE(sk_thread_start(&threads[k], "racer", race, &r[k], &err));
        }
        for (size_t k = 0; k < COUNT(r); k++) {
            (void)pthread_join(threads[k], NULL);
            assert_false(r[k].is_bad);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ROW(groups),
        ROW(bounds),
        ROW(another_journal),
        ROW(who_is_first),
    };
    return cmocka_run_group_tests_name("telemetry/consumer", tests, NULL, NULL);
}
