/* test_db.c - transactions: what others see, who waits for whom, the readers' pool. */
#include "db/db_util.h"

#include "base/clock.h"
#include "base/thread.h"

#include <sched.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void test_open(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_db *db = NULL;
    char missing[600];
    struct stat st;

    assert_int_equal(sk_db_version(p->db), 1);
    put(p->db, "a", 1);
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    (void)snprintf(missing, sizeof missing, "%s-wal", p->path);
    assert_int_equal(stat(missing, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(ask(p->db, "PRAGMA synchronous"), 1 + 1); /* of readers: the default, FULL */

    (void)snprintf(missing, sizeof missing, "%s/none.db", p->dir);
    struct sk_db_options opts = p->opts;
    opts.path = missing;
    opts.create = false;
    FAILS(sk_db_open(&opts, &db, &err), SK_NOT_FOUND);
    assert_int_equal(stat(missing, &st), -1);
    opts.path = p->dir;
    assert_int_equal(sk_db_open(&opts, &db, &err), -1);
}

/* The writer's settings are what durability rests on. */
static void test_settings(void **state)
{
    static const struct {
        const char *sql;
        int64_t value;
    } rows[] = {
        { "PRAGMA synchronous", 2 },
        { "PRAGMA foreign_keys", 1 },
        { "SELECT journal_mode = 'wal' FROM pragma_journal_mode", 1 },
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err));
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        DONE(sk_tx_query(tx, &s, &err, rows[i].sql, ""));
        assert_int_equal(sk_stmt_next(s, &err), 1);
        assert_int_equal(sk_stmt_int(s, 0), rows[i].value);
    }
}

static void test_snapshot(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    put(p->db, "a", 1);
    DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
    put(p->db, "b", 1); /* a reader holds nobody up, and sees what was */
    DONE(sk_tx_query(tx, &s, &err, "SELECT count(*) FROM pair", ""));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    assert_int_equal(sk_stmt_int(s, 0), 1);
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 2);
    FAILS(sk_tx_run(tx, &err, "INSERT INTO pair VALUES('c', 1)", ""), SK_DENIED);
}

static void test_rollback(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (int i = 0; i < 3; i++) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err));
        DONE(sk_tx_run(tx, &err, "INSERT INTO pair VALUES('a', 1)", ""));
    }
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 0);
    sk_tx_end(NULL);
}

static void test_second_write(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_tx *second = NULL;

    DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err));
    FAILS(sk_db_begin(p->db, SK_DB_WRITE, &second, &err), SK_BUG);
}

/* Another process's lock is waited for, but not for ever. */
static void test_busy(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_db *other = NULL;
    struct sk_tx *tx = NULL, *held = NULL;

    DONE(sk_db_open(&p->opts, &other, &err));
    DONE(sk_db_begin(other, SK_DB_WRITE, &held, &err));
    uint64_t start = sk_now_ms();
    FAILS(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err), SK_BUSY);
    assert_true(sk_now_ms() - start >= p->opts.busy_ms);
    sk_tx_end(held);
    put(p->db, "a", 1);
    sk_db_close(other);
}

/* ---- threads ---- */

enum {
    THREADS = 8,
    ROUNDS = 40
};

static void *count_up(void *arg)
{
    struct sk_db *db = arg;

    for (int i = 0; i < ROUNDS; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
        /* reads, then writes what follows from it: only one writer at a time makes that right */
        if (sk_db_begin(db, SK_DB_WRITE, &tx, &err) < 0 ||
            sk_tx_query(tx, &s, &err, "SELECT value FROM pair WHERE name = 'n'", "") < 0 ||
            sk_stmt_next(s, &err) != 1 ||
            sk_tx_run(tx, &err, "UPDATE pair SET value = ?1 WHERE name = 'n'", "i",
                      sk_stmt_int(s, 0) + 1) < 0 ||
            sk_tx_commit(&tx, &err) < 0 || ask(db, "SELECT count(*) FROM pair") != 1)
            return (void *)(uintptr_t)1;
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    struct sk_db_options opts = p->opts;
    pthread_t threads[THREADS];

    opts.busy_ms = 60000;
    opts.readers = 2;
    DONE(sk_db_open(&opts, &db, &err));
    put(db, "n", 100);
    for (int i = 0; i < THREADS; i++)
        DONE(sk_thread_start(&threads[i], "count", count_up, db, &err));
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(ask(db, "SELECT value FROM pair"), 100 + THREADS * ROUNDS);
    assert_true(db->readers <= 2);
}

struct waiter {
    struct sk_db *db;
    int64_t number;
};

/* Appends its number to what is there. */
static void *write_in_turn(void *arg)
{
    struct waiter *w = arg;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    if (sk_db_begin(w->db, SK_DB_WRITE, &tx, &err) < 0 ||
        sk_tx_run(tx, &err, "UPDATE pair SET value = value * 10 + ?1", "i", w->number) < 0 ||
        sk_tx_commit(&tx, &err) < 0)
        return (void *)(uintptr_t)1;
    return NULL;
}

static size_t places(struct sk_db *db)
{
    size_t count = 0;

    SK_LOCK(&db->mutex);
    for (const struct turn *t = db->turns; t; t = t->next)
        count++;
    return count;
}

/* First come, first served; one that gives up is left out. */
static void test_turns(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_tx *held = NULL, *late = NULL;
    struct waiter waiters[THREADS];
    pthread_t threads[THREADS];
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    struct sk_db_options opts = p->opts;

    opts.busy_ms = 60000;
    DONE(sk_db_open(&opts, &db, &err));
    put(db, "n", 0);
    DONE(sk_db_begin(db, SK_DB_WRITE, &held, &err));
    for (int i = 0; i < THREADS; i++) {
        waiters[i] = (struct waiter){ db, i + 1 };
        DONE(sk_thread_start(&threads[i], "turn", write_in_turn, &waiters[i], &err));
        while (places(db) != (size_t)i + 1)
            (void)sched_yield();
    }
    sk_tx_end(held);
    DONE(sk_db_begin(db, SK_DB_WRITE, &late, &err)); /* behind all of them */
    sk_tx_end(late);
    assert_int_equal(ask(db, "SELECT value FROM pair"), 12345678);
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_int_equal(places(db), 0);
}

/* More readers than are kept; then all that there may be. */
static void test_readers(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_tx *tx[SK_DB_CONNECTIONS_MAX] = { NULL };
    struct sk_tx *more = NULL;

    for (int i = 0; i < SK_DB_CONNECTIONS_MAX; i++)
        DONE(sk_db_begin(p->db, SK_DB_READ, &tx[i], &err));
    FAILS(sk_db_begin(p->db, SK_DB_READ, &more, &err), SK_BUSY);
    for (int i = 0; i < SK_DB_CONNECTIONS_MAX; i++)
        sk_tx_end(tx[i]);
    assert_int_equal(p->db->readers, 4);
    assert_int_equal(ask(p->db, "SELECT 7"), 7);
}

/* A process that dies in a transaction leaves nothing of it, and what was committed stays. */
static void test_kill(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    sk_db_close(p->db);
    p->db = NULL;
    pid_t child = fork();
    if (child == 0) {
        struct sk_db *db = NULL;
        struct sk_tx *tx = NULL;
        if (sk_db_open(&p->opts, &db, &err) < 0)
            _exit(1);
        put(db, "kept", 1);
        if (sk_db_begin(db, SK_DB_WRITE, &tx, &err) < 0 ||
            sk_tx_run(tx, &err, "INSERT INTO pair VALUES('lost', 1)", "") < 0)
            _exit(1);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    DONE(sk_db_open(&p->opts, &p->db, &err));
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 1);
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair WHERE name = 'kept'"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_open, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_settings, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_snapshot, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_rollback, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_second_write, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_busy, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_threads, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_turns, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_readers, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_kill, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
