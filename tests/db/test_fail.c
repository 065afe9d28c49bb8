/* test_fail.c - codes of SQLite as ours. */
#include "db/db_util.h"

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
        { SQLITE_FULL, SK_IO, "disk is full" },
        { SQLITE_IOERR_WRITE, SK_IO, "I/O error" },
        { SQLITE_IOERR_NOMEM, SK_NOMEM, "out of memory" },
        { SQLITE_NOMEM, SK_NOMEM, "out of memory" },
        { SQLITE_CORRUPT, SK_CORRUPT, "malformed" },
        { SQLITE_NOTADB, SK_CORRUPT, "not a database" },
        { SQLITE_INTERRUPT, SK_CANCELLED, "interrupted" },
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
