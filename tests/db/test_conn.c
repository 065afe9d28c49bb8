/*
 * test_conn.c - a disk that fails at any write or sync: what was acknowledged stays, what was not
 * is gone, and when the disk is well again, so is the database.
 */
#include "db/db_util.h"
#include "db/faulty.h"

#include "base/clock.h"

static int add(struct sk_db *db, int64_t value, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char name[4000];

    /* Rows of a page, so that there is much to write. */
    (void)snprintf(name, sizeof name, "%03900lld", (long long)value);
    if (sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "INSERT INTO pair VALUES(?1, ?2)", "si", name, value + 100) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static void sweep(struct place *p, enum faulty_kind kind, bool for_good, const char *text)
{
    int64_t acknowledged = 0, value = 0;
    unsigned failures = 0;

    for (unsigned n = 1; n < 40; n++) {
        struct sk_err err = SK_ERR_INIT;
        faulty_arm(kind, n, for_good);
        for (int i = 0; i < 8; i++) {
            int rc = add(p->db, value++, &err);
            acknowledged += rc == 0;
            if (rc < 0 && !strstr(err.text, text))
                fail_msg("%s", err.text);
            failures += rc < 0;
        }
        (void)faulty_disarm();
        /* At once it works again, and has exactly what it said. */
        assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), acknowledged);
        DONE(add(p->db, value++, &err));
        acknowledged++;
        DONE(sk_db_check(p->db, &err));
        if (n % 8 == 0) { /* and after a restart */
            sk_db_close(SK_TAKE(p->db));
            DONE(sk_db_open(&p->opts, &p->db, &err));
            assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), acknowledged);
        }
    }
    assert_true(failures > 5);
}

static void test_full(void **state)
{
    sweep(*state, FAULTY_FULL, true, "disk is full");
}

static void test_full_once(void **state)
{
    sweep(*state, FAULTY_FULL, false, "disk is full");
}

static void test_io(void **state)
{
    sweep(*state, FAULTY_IO, false, "disk I/O error");
}

static void test_sync(void **state)
{
    sweep(*state, FAULTY_SYNC, false, "disk I/O error");
}

static void test_sync_for_good(void **state)
{
    sweep(*state, FAULTY_SYNC, true, "disk I/O error");
}

/* A migration on a failing disk leaves the old version, or, when it was the last sync that failed,
 * perhaps the new one; never something between. */
static void test_migration(void **state)
{
    const char *all[] = { test_migrations[0], "CREATE TABLE more(x); INSERT INTO more VALUES(1)",
                          NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_db_options new_opts = p->opts;
    unsigned failures[2] = { 0, 0 };

    new_opts.migrations = all;
    for (unsigned n = 0; n < 40; n++) {
        bool is_sync = n % 2;
        struct sk_db *db = NULL;
        sk_db_close(SK_TAKE(p->db));
        assert_true(unlink(p->path) == 0);
        DONE(sk_db_open(&p->opts, &p->db, &err));
        sk_db_close(SK_TAKE(p->db));
        faulty_arm(is_sync ? FAULTY_SYNC : FAULTY_FULL, n / 2 + 1, true);
        int rc = sk_db_open(&new_opts, &db, &err);
        sk_db_close(db);
        (void)faulty_disarm();
        failures[is_sync] += rc < 0;
        if (rc < 0 && sk_db_open(&p->opts, &p->db, &err) == 0) {
            assert_int_equal(ask(p->db, "SELECT count(*) FROM sqlite_schema"), 2);
            sk_db_close(SK_TAKE(p->db));
        } else {
            assert_true(rc == 0 || is_sync);
        }
        DONE(sk_db_open(&new_opts, &p->db, &err));
        DONE(sk_db_check(p->db, &err));
        assert_int_equal(ask(p->db, "SELECT count(*) FROM more"), 1);
    }
    assert_true(failures[0] > 0 && failures[1] > 0);
}

static int set_up_faulty(void **state)
{
    static bool is_there;

    if (!is_there)
        faulty_install();
    is_there = true;
    return place_set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_full, set_up_faulty, place_tear_down),
        cmocka_unit_test_setup_teardown(test_full_once, set_up_faulty, place_tear_down),
        cmocka_unit_test_setup_teardown(test_io, set_up_faulty, place_tear_down),
        cmocka_unit_test_setup_teardown(test_sync, set_up_faulty, place_tear_down),
        cmocka_unit_test_setup_teardown(test_sync_for_good, set_up_faulty, place_tear_down),
        cmocka_unit_test_setup_teardown(test_migration, set_up_faulty, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
