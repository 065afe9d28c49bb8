/* test_writer.c - group commit: what stands, what is taken back, who is told what, and threads. */
#include "db/db_util.h"
#include "db/faulty.h"

#include "base/clock.h"
#include "base/thread.h"

#include <stdatomic.h>
#include <unistd.h>

static bool is_faulty;

struct hall {
    struct place *p;
    struct sk_db_writer *w;
    atomic_uint committed, taken_back;
};

static void on_committed(void *ctx)
{
    struct hall *h = ctx;

    h->committed++;
}

static void on_taken_back(void *ctx)
{
    struct hall *h = ctx;

    h->taken_back++;
}

static void hall_open(struct hall *h, size_t max_jobs)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_db_writer_options opts = { .db = h->p->db,
                                               .mode = SK_DB_WRITE,
                                               .max_jobs = max_jobs,
                                               .committed = on_committed,
                                               .taken_back = on_taken_back,
                                               .ctx = h };

    DONE(sk_db_writer_new(&opts, &h->w, &err));
}

/* A job that holds the writer until it is let go, so that those behind it share a transaction. */
struct gate {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    bool is_held, is_open;
};

static int stand_in_gate(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    struct gate *g = ctx;

    (void)tx;
    (void)err;
    SK_LOCK(&g->mutex);
    g->is_held = true;
    (void)pthread_cond_broadcast(&g->changed);
    while (!g->is_open)
        (void)pthread_cond_wait(&g->changed, &g->mutex);
    return 0;
}

static void close_gate(struct hall *h, struct gate *g)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_db_job job = { .run = stand_in_gate, .ctx = g };

    *g = (struct gate){ .mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER };
    DONE(sk_db_writer_push(h->w, &job, &err));
    SK_LOCK(&g->mutex);
    while (!g->is_held)
        (void)pthread_cond_wait(&g->changed, &g->mutex);
}

static void open_gate(struct gate *g)
{
    SK_LOCK(&g->mutex);
    g->is_open = true;
    (void)pthread_cond_broadcast(&g->changed);
}

/* ---- one job per row ---- */

struct row {
    const char *name;
    const char *sql[2]; /* run one after the other */
    bool gives_up;      /* returns -1 with SK_NOT_FOUND after its statements */
    bool ignores;       /* returns 0 whatever its statements said */
    bool shrinks;
    enum sk_code code; /* that done is told */
    struct hall *hall;
    unsigned runs, told, at; /* at: the how many-th that was told */
    enum sk_code got;
};

static unsigned told_so_far; /* on the writer's thread, read after its end */

static int run_row(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    struct row *r = ctx;

    r->runs++;
    for (size_t i = 0; i < 2 && r->sql[i]; i++)
        if (sk_tx_run(tx, err, r->sql[i], "") < 0 && !r->ignores)
            return -1;
    return r->gives_up ? sk_fail(err, SK_NOT_FOUND, "given up") : 0;
}

static void row_done(void *ctx, const struct sk_err *failed)
{
    struct row *r = ctx;

    r->told++;
    r->at = told_so_far++;
    r->got = failed ? failed->code : SK_OK;
}

static void push_rows(struct hall *h, struct row *rows, size_t count)
{
    struct sk_err err = SK_ERR_INIT;

    told_so_far = 0;
    for (size_t i = 0; i < count; i++) {
        const struct sk_db_job job = { run_row, row_done, &rows[i], rows[i].shrinks };
        rows[i].hall = h;
        DONE(sk_db_writer_push(h->w, &job, &err));
    }
}

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].told != 1 || rows[i].at != i || rows[i].got != rows[i].code)
            fail_msg("%s: told %u times, as number %u, with %s", rows[i].name, rows[i].told,
                     rows[i].at, sk_code_name(rows[i].got));
}

/* Those that fail take back what they did, and only that. */
static void test_savepoints(void **state)
{
    struct row rows[] = {
        { "first", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_OK },
        { "twice",
          { "INSERT INTO pair VALUES('b', 1)", "INSERT INTO pair VALUES('a', 2)" },
          .code = SK_EXISTS },
        { "unlucky", { "INSERT INTO pair VALUES('c', 13)" }, .code = SK_INVALID },
        { "gives up",
          { "INSERT INTO pair VALUES('d', 1)", "UPDATE pair SET value = 7" },
          .gives_up = true,
          .code = SK_NOT_FOUND },
        { "does not look",
          { "INSERT INTO pair VALUES('e', 1)", "INSERT INTO pair VALUES('a', 1)" },
          .ignores = true,
          .code = SK_BUG },
        { "no parent", { "INSERT INTO child(name) VALUES('none')" }, .code = SK_INVALID },
        { "wrong", { "INSERT INTO nowhere VALUES(1)" }, .code = SK_BUG },
        { "last",
          { "INSERT INTO pair VALUES('z', 1)", "INSERT INTO child(name) VALUES('a')" },
          .code = SK_OK },
    };
    struct hall h = { .p = *state };
    struct gate g;

    hall_open(&h, 0);
    close_gate(&h, &g);
    push_rows(&h, rows, COUNT(rows));
    assert_int_equal(sk_db_writer_waiting(h.w), COUNT(rows));
    open_gate(&g);
    sk_db_writer_free(h.w);
    check_rows(rows, COUNT(rows));
    assert_int_equal(ask(h.p->db, "SELECT count(*) FROM pair"), 2);
    assert_int_equal(ask(h.p->db, "SELECT value FROM pair WHERE name = 'a'"), 1);
    assert_int_equal(ask(h.p->db, "SELECT count(*) FROM child"), 1);
    assert_int_equal(h.taken_back, 0);
    assert_true(h.committed >= 1);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(rows[i].runs, 1);
}

/* A disk that fails: the transaction, then each on its own; the guilty alone fail. */
static void test_whole_failure(void **state)
{
    static const struct {
        const char *name;
        enum faulty_kind kind;
        bool for_good;
        enum sk_code code;
        unsigned left;
    } disks[] = {
        { "one full write", FAULTY_FULL, false, SK_OK, 3 },
        { "one failed sync", FAULTY_SYNC, false, SK_OK, 3 },
        { "full for good", FAULTY_FULL, true, SK_FULL, 0 },
        { "no write for good", FAULTY_IO, true, SK_IO, 0 },
    };
    struct place *p = *state;
    struct sk_err first_err = SK_ERR_INIT;

    /* The first write of all is one of zeros, which may be fewer (wal.c). */
    put(p->db, "first", 1);
    assert_int_equal(sk_db_conn_exec(p->db->writer, "DELETE FROM pair", &first_err), 0);
    for (size_t d = 0; d < COUNT(disks); d++) {
        struct row rows[] = {
            { "a", { "INSERT INTO pair VALUES('a', 1)" }, .code = disks[d].code },
            { "b", { "INSERT INTO pair VALUES('b', 1)" }, .code = disks[d].code },
            { "guilty", { "INSERT INTO pair VALUES('x', 13)" }, .code = SK_INVALID },
            { "c", { "INSERT INTO pair VALUES('c', 1)" }, .code = disks[d].code },
        };
        struct hall h = { .p = *state };
        struct gate g;
        hall_open(&h, 0);
        close_gate(&h, &g);
        push_rows(&h, rows, COUNT(rows));
        faulty_arm(disks[d].kind, 1, disks[d].for_good);
        open_gate(&g);
        sk_db_writer_free(h.w);
        assert_true(faulty_disarm());
        check_rows(rows, COUNT(rows));
        assert_int_equal(ask(h.p->db, "SELECT count(*) FROM pair"), disks[d].left);
        if (h.taken_back < 1)
            fail_msg("%s: nothing was taken back", disks[d].name);
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(h.p->db, SK_DB_WRITE, &tx, &err));
        DONE(sk_tx_run(tx, &err, "DELETE FROM pair", ""));
        DONE(sk_tx_commit(&tx, &err));
    }
}

/* Another process holds the file: all that wait fail, none is run. */
static void test_no_begin(void **state)
{
    struct row rows[] = {
        { "a", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_BUSY },
        { "b", { "INSERT INTO pair VALUES('b', 1)" }, .code = SK_BUSY },
    };
    struct hall h = { .p = *state };
    struct sk_err err = SK_ERR_INIT;
    struct sk_db *other = NULL;
    struct sk_tx *held = NULL;

    DONE(sk_db_open(&h.p->opts, &other, &err));
    DONE(sk_db_begin(other, SK_DB_WRITE, &held, &err));
    hall_open(&h, 0);
    push_rows(&h, rows, COUNT(rows));
    sk_db_writer_free(h.w);
    sk_tx_end(held);
    sk_db_close(other);
    check_rows(rows, COUNT(rows));
    assert_int_equal(rows[0].runs + rows[1].runs, 0);
    assert_int_equal(h.committed, 0);
}

static int no_room(void *ctx, enum sk_db_mode mode, struct sk_err *err)
{
    (void)ctx;
    return mode == SK_DB_SHRINK ? 0 : sk_fail(err, SK_FULL, "no room");
}

/* Those that make room are run in their order, the others fail. */
static void test_no_room(void **state)
{
    struct row rows[] = {
        { "a", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_FULL },
        { "less", { "DELETE FROM pair WHERE name = 'y'" }, .shrinks = true, .code = SK_OK },
        { "b", { "INSERT INTO pair VALUES('b', 1)" }, .code = SK_FULL },
        { "wrong", { "DELETE FROM nowhere" }, .shrinks = true, .code = SK_BUG },
        { "even less", { "DELETE FROM pair WHERE name = 'z'" }, .shrinks = true, .code = SK_OK },
    };
    struct row now = { "now", { "DELETE FROM pair" }, .code = SK_OK };
    struct hall h = { .p = *state };
    struct sk_err err = SK_ERR_INIT;

    put(h.p->db, "x", 1);
    put(h.p->db, "y", 1);
    put(h.p->db, "z", 1);
    sk_db_ask_room(h.p->db, no_room, NULL);
    hall_open(&h, 0);
    push_rows(&h, rows, COUNT(rows));
    FAILS(sk_db_writer_run(h.w, run_row, &now, &err), SK_FULL);
    assert_int_equal(ask(h.p->db, "SELECT count(*) FROM pair"), 1);
    DONE(sk_db_writer_shrink(h.w, run_row, &now, &err));
    assert_int_equal(ask(h.p->db, "SELECT count(*) FROM pair"), 0);
    sk_db_writer_free(h.w);
    check_rows(rows, COUNT(rows));
}

/* At the limit one waits; one beyond is refused. */
static void test_limit(void **state)
{
    struct row rows[] = {
        { "a", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_OK },
        { "b", { "INSERT INTO pair VALUES('b', 1)" }, .code = SK_OK },
    };
    struct hall h = { .p = *state };
    struct sk_err err = SK_ERR_INIT;
    struct gate g;

    hall_open(&h, COUNT(rows));
    close_gate(&h, &g);
    push_rows(&h, rows, COUNT(rows));
    const struct sk_db_job job = { run_row, row_done, &rows[0], false };
    FAILS(sk_db_writer_push(h.w, &job, &err), SK_BUSY);
    open_gate(&g);
    sk_db_writer_free(h.w);
    check_rows(rows, COUNT(rows));
    sk_db_writer_free(NULL);
}

static int run_within(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    struct row *r = ctx;

    (void)tx;
    return sk_db_writer_run(r->hall->w, run_row, r, err);
}

static void test_run(void **state)
{
    struct row good = { "good", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_OK };
    struct row bad = { "bad", { "INSERT INTO pair VALUES('a', 1)" }, .code = SK_EXISTS };
    struct hall h = { .p = *state };
    struct sk_err err = SK_ERR_INIT;

    hall_open(&h, 0);
    good.hall = &h;
    DONE(sk_db_writer_run(h.w, run_row, &good, &err));
    assert_int_equal(ask(h.p->db, "SELECT count(*) FROM pair"), 1); /* it is there at once */
    FAILS(sk_db_writer_run(h.w, run_row, &bad, &err), SK_EXISTS);
    FAILS(sk_db_writer_run(h.w, run_within, &good, &err), SK_BUG);
    const struct sk_db_writer_options wrong = { .db = h.p->db, .mode = SK_DB_READ };
    struct sk_db_writer *none = NULL;
    FAILS(sk_db_writer_new(&wrong, &none, &err), SK_BUG);
    sk_db_writer_free(h.w);
}

/* ---- threads ---- */

enum {
    THREADS = 6,
    ROUNDS = 200
};

static int add_one(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    const int *n = ctx;

    if (sk_tx_run(tx, err, "UPDATE pair SET value = value + 1 WHERE name = 'n'", "") < 0)
        return -1;
    return *n % 5 == 0 ? sk_fail(err, SK_CANCELLED, "every fifth") : 0;
}

static void *hammer(void *arg)
{
    struct hall *h = arg;
    uintptr_t wrong = 0;

    for (int i = 1; i <= ROUNDS; i++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_db_writer_run(h->w, add_one, &i, &err);
        wrong += i % 5 == 0 ? rc == 0 || err.code != SK_CANCELLED : rc < 0;
    }
    return (void *)wrong;
}

static void test_threads(void **state)
{
    struct hall h = { .p = *state };
    struct sk_err err = SK_ERR_INIT;
    pthread_t threads[THREADS];

    put(h.p->db, "n", 100);
    hall_open(&h, 0);
    for (int i = 0; i < THREADS; i++)
        DONE(sk_thread_start(&threads[i], "hammer", hammer, &h, &err));
    for (int i = 0; i < THREADS; i++) {
        void *result = NULL;
        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    sk_db_writer_free(h.w);
    assert_int_equal(ask(h.p->db, "SELECT value FROM pair"), 100 + THREADS * ROUNDS * 4 / 5);
    assert_true(h.committed <= THREADS * ROUNDS);
}

static int one_life(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_db_writer_free) struct sk_db_writer *w = NULL;
    struct row r = { "life", { "INSERT OR REPLACE INTO pair VALUES('a', 1)" }, .code = SK_OK };
    const struct sk_db_writer_options opts = { .db = p->db, .mode = SK_DB_WRITE };

    if (sk_db_writer_new(&opts, &w, err) < 0)
        return -1;
    return sk_db_writer_run(w, run_row, &r, err);
}

static void test_memory(void **state)
{
    assert_true(sk_alloc_sweep("writer", one_life, *state, 0) >= 2);
}

static int set_up(void **state)
{
    if (!is_faulty)
        faulty_install();
    is_faulty = true;
    return place_set_up(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_savepoints, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_whole_failure, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_no_begin, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_no_room, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_limit, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_run, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_threads, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
