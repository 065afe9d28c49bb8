/* test_fail.c - codes of SQLite as ours; and SQLite without memory, at each of its allocations. */
#include "db/db_util.h"

/* ---- an allocator that fails once ---- */

static sqlite3_mem_methods real_memory;
static unsigned long asked, fail_at;
static bool has_failed;

static bool fails_now(void)
{
    if (fail_at == 0 || ++asked != fail_at)
        return false;
    has_failed = true;
    return true;
}

static void *failing_malloc(int n)
{
    return fails_now() ? NULL : real_memory.xMalloc(n);
}

static void *failing_realloc(void *old, int n)
{
    return fails_now() ? NULL : real_memory.xRealloc(old, n);
}

static void install(void)
{
    sqlite3_mem_methods ours;

    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
    ours = real_memory;
    ours.xMalloc = failing_malloc;
    ours.xRealloc = failing_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &ours), SQLITE_OK);
}

static int use(struct place *p, struct sk_err *err)
{
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    if (sk_db_open(&p->opts, &db, err) < 0 || sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "INSERT INTO pair VALUES(hex(randomblob(3000)), 1)", "") < 0 ||
        sk_tx_commit(&tx, err) < 0 || sk_db_begin(db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT count(*), max(name) FROM pair ORDER BY 1", "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    return 0;
}

/* Each run fails as out of memory or does not need what it lacked; what it had committed is there,
 * and what it had not is not. */
static void test_memory(void **state)
{
    struct place *p = *state;
    unsigned failures = 0;

    for (unsigned long n = 1;; n += n < 400 ? 1 : 7) {
        struct sk_err err = SK_ERR_INIT;
        int64_t before = ask(p->db, "SELECT count(*) FROM pair");
        asked = 0;
        has_failed = false;
        fail_at = n;
        int rc = use(p, &err);
        fail_at = 0;
        int64_t added = ask(p->db, "SELECT count(*) FROM pair") - before;
        assert_true(added == 1 || (rc < 0 && added == 0));
        if (rc < 0 && err.code != SK_NOMEM)
            fail_msg("allocation %lu: %s: %s", n, sk_code_name(err.code), err.text);
        failures += rc < 0;
        if (!has_failed)
            break;
    }
    struct sk_err err = SK_ERR_INIT;
    DONE(sk_db_check(p->db, &err));
    assert_true(failures > 100);
}

static void test_codes(void **state)
{
    static const struct {
        int rc;
        enum sk_code code;
        const char *text;
    } rows[] = {
        { SQLITE_CONSTRAINT_UNIQUE, SK_EXISTS, "constraint failed" },
        { SQLITE_CONSTRAINT_PRIMARYKEY, SK_EXISTS, "constraint failed" },
        { SQLITE_CONSTRAINT_ROWID, SK_EXISTS, "constraint failed" },
        { SQLITE_CONSTRAINT_CHECK, SK_INVALID, "constraint failed" },
        { SQLITE_CONSTRAINT_NOTNULL, SK_INVALID, "constraint failed" },
        { SQLITE_CONSTRAINT_FOREIGNKEY, SK_INVALID, "constraint failed" },
        { SQLITE_MISMATCH, SK_INVALID, "mismatch" },
        { SQLITE_BUSY, SK_BUSY, "in use by another process" },
        { SQLITE_BUSY_SNAPSHOT, SK_BUSY, "in use by another process" },
        { SQLITE_LOCKED, SK_BUSY, "in use by another process" },
        { SQLITE_FULL, SK_FULL, "disk is full" },
        { SQLITE_IOERR_WRITE, SK_IO, "I/O error" },
        { SQLITE_IOERR_NOMEM, SK_NOMEM, "out of memory" },
        { SQLITE_NOMEM, SK_NOMEM, "out of memory" },
        { SQLITE_CORRUPT, SK_CORRUPT, "malformed" },
        { SQLITE_NOTADB, SK_CORRUPT, "not a database" },
        { SQLITE_INTERRUPT, SK_TIMEOUT, "interrupted" },
        { SQLITE_READONLY, SK_DENIED, "readonly" },
        { SQLITE_CANTOPEN, SK_IO, "unable to open" },
        { SQLITE_TOOBIG, SK_LIMIT, "too big" },
        { SQLITE_MISUSE, SK_BUG, "misuse" },
        { SQLITE_ERROR, SK_BUG, "error" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_db_fail(NULL, rows[i].rc, "it", &err), -1);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s: %s", i, sk_code_name(err.code), err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes),
        cmocka_unit_test_setup_teardown(test_memory, place_set_up, place_tear_down),
    };

    install();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
