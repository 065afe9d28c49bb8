/* test_migrate.c - from version to version, and what is left alone. */
#include "db/db_util.h"

#include "base/file.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#define ONE "CREATE TABLE one(x INTEGER PRIMARY KEY, y TEXT)"
#define TWO "CREATE TABLE two(x INTEGER REFERENCES one(x)); INSERT INTO one VALUES(2, 'two')"
/* A table built anew, which needs foreign keys to be off. */
#define THREE                                                                                      \
    "CREATE TABLE fresh(x INTEGER PRIMARY KEY, y TEXT NOT NULL);"                                  \
    "INSERT INTO fresh SELECT x, coalesce(y, '') FROM one; DROP TABLE one;"                        \
    "ALTER TABLE fresh RENAME TO one"

static struct sk_db *open_with(struct place *p, const char *const *migrations, struct sk_err *err)
{
    struct sk_db_options opts = p->opts;
    struct sk_db *db = NULL;

    opts.migrations = migrations;
    return sk_db_open(&opts, &db, err) < 0 ? NULL : db;
}

static void start_anew(struct place *p)
{
    sk_db_close(SK_TAKE(p->db));
    assert_int_equal(unlink(p->path), 0);
}

static void test_steps(void **state)
{
    static const char *const all[] = { ONE, TWO, THREE, NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (unsigned from = 1; from <= 3; from++) {
        const char *some[4] = { NULL };
        start_anew(p);
        memcpy(some, all, from * sizeof *some);
        p->db = open_with(p, some, &err);
        assert_non_null(p->db);
        assert_int_equal(sk_db_version(p->db), from);
        sk_db_close(SK_TAKE(p->db));
        p->db = open_with(p, all, &err);
        assert_non_null(p->db);
        assert_int_equal(sk_db_version(p->db), 3);
        assert_int_equal(ask(p->db, "SELECT count(*) FROM one"), 1);
        assert_int_equal(ask(p->db, "SELECT count(*) FROM two"), 0);
        assert_int_equal(ask(p->db, "PRAGMA user_version"), 3);
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err)); /* keys are on again */
        FAILS(sk_tx_run(tx, &err, "INSERT INTO two VALUES(77)", ""), SK_INVALID);
    }
}

/* A step that fails, or leaves rows that refer to nothing, leaves the old version whole. */
static void test_failures(void **state)
{
    static const struct {
        const char *third, *text;
    } rows[] = {
        { "CREATE TABLE three(x); SELECT * FROM nothing", "version 3" },
        { "DELETE FROM one", "refer to nothing" },
        { "CREATE TABLE one(x)", "version 3" },
        { "not SQL", "version 3" },
    };

    static const char *const first[] = { ONE, NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *const all[] = { ONE, TWO "; INSERT INTO two VALUES(2)", rows[i].third, NULL };
        start_anew(p);
        p->db = open_with(p, first, &err);
        assert_non_null(p->db);
        sk_db_close(SK_TAKE(p->db));
        assert_null(open_with(p, all, &err));
        if (!strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s", i, err.text);
        p->db = open_with(p, first, &err);
        assert_non_null(p->db);
        assert_int_equal(ask(p->db, "SELECT count(*) FROM sqlite_schema"), 1);
        assert_int_equal(ask(p->db, "PRAGMA user_version"), 1);
    }
}

static void test_later_and_foreign(void **state)
{
    static const char *const three[] = { ONE, TWO, THREE, NULL };
    static const char *const two[] = { ONE, TWO, NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *before = NULL;
    SK_OWN(free) char *after = NULL;
    size_t len = 0, again = 0;

    start_anew(p);
    p->db = open_with(p, three, &err);
    assert_non_null(p->db);
    sk_db_close(SK_TAKE(p->db));
    DONE(sk_file_read(p->path, 1 << 20, &before, &len, &err));
    assert_null(open_with(p, two, &err));
    assert_string_equal(sk_code_name(err.code), "unsupported");
    assert_non_null(strstr(err.text, "version 3"));
    assert_non_null(strstr(err.text, "up to 2"));

    struct sk_db_options opts = p->opts;
    opts.migrations = three;
    opts.application_id = TEST_APP + 1;
    FAILS(sk_db_open(&opts, &p->db, &err), SK_INVALID);
    assert_non_null(strstr(err.text, "is not test data"));
    DONE(sk_file_read(p->path, 1 << 20, &after, &again, &err));
    assert_int_equal(again, len);
    assert_memory_equal(before, after, len);
}

/* A file of a later version that was killed, so that its log is full: it is left so. */
static void test_later_with_log(void **state)
{
    static const char *const none[] = { NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *before = NULL;
    SK_OWN(free) char *after = NULL;
    SK_OWN(free) char *log_before = NULL;
    SK_OWN(free) char *log_after = NULL;
    size_t len = 0, again = 0, log_len = 0, log_again = 0;
    char wal[600];

    (void)snprintf(wal, sizeof wal, "%s-wal", p->path);
    sk_db_close(SK_TAKE(p->db));
    pid_t child = fork();
    if (child == 0) {
        struct sk_db *db = NULL;
        if (sk_db_open(&p->opts, &db, &err) < 0)
            _exit(1);
        put(db, "in the log", 1);
        (void)raise(SIGKILL);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
    DONE(sk_file_read(p->path, 1 << 20, &before, &len, &err));
    DONE(sk_file_read(wal, 1 << 20, &log_before, &log_len, &err));
    assert_true(log_len > 0);
    assert_null(open_with(p, none, &err));
    assert_string_equal(sk_code_name(err.code), "unsupported");
    DONE(sk_file_read(p->path, 1 << 20, &after, &again, &err));
    DONE(sk_file_read(wal, 1 << 20, &log_after, &log_again, &err));
    assert_int_equal(again, len);
    assert_memory_equal(before, after, len);
    assert_int_equal(log_again, log_len);
    assert_memory_equal(log_before, log_after, log_len);
    DONE(sk_db_open(&p->opts, &p->db, &err));
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 1);
}

/* Many processes open an old file at once; each finds it migrated, once. */
static void test_race(void **state)
{
    enum {
        PROCESSES = 6
    };

    static const char *const first[] = { ONE, NULL };
    static const char *const all[] = { ONE, TWO, THREE, NULL };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    pid_t children[PROCESSES];

    start_anew(p);
    p->opts.busy_ms = 20000;
    sk_db_close(open_with(p, first, &err));
    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            struct sk_db *db = open_with(p, all, &err);
            if (!db)
                (void)fprintf(stderr, "%s\n", err.text);
            _exit(db && sk_db_version(db) == 3 ? 0 : 1);
        }
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = 0;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_int_equal(status, 0);
    }
    p->db = open_with(p, all, &err);
    assert_int_equal(ask(p->db, "SELECT count(*) FROM one"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_steps, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_failures, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_later_and_foreign, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_later_with_log, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_race, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
