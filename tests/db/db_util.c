/* db_util.c - see db_util.h. */
#include "db/db_util.h"

const char *const test_migrations[] = {
    "CREATE TABLE pair(name TEXT PRIMARY KEY, value INTEGER CHECK(value <> 13)) WITHOUT ROWID;"
    "CREATE TABLE child(id INTEGER PRIMARY KEY, name TEXT REFERENCES pair(name))",
    NULL,
};

int place_set_up(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct place *p = calloc(1, sizeof *p);

    assert_non_null(p);
    p->dir = sk_test_dir();
    (void)snprintf(p->path, sizeof p->path, "%s/test.db", p->dir);
    p->opts = (struct sk_db_options){ .path = p->path,
                                      .application_id = TEST_APP,
                                      .what = "test data",
                                      .migrations = test_migrations,
                                      .create = true,
                                      .busy_ms = 300 };
    DONE(sk_db_open(&p->opts, &p->db, &err));
    *state = p;
    return 0;
}

int place_tear_down(void **state)
{
    struct place *p = *state;

    sk_db_close(p->db);
    sk_test_dir_free(p->dir);
    free(p);
    return 0;
}

void put(struct sk_db *db, const char *name, int64_t value)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(db, SK_DB_WRITE, &tx, &err));
    DONE(sk_tx_run(tx, &err, "INSERT INTO pair VALUES(?1, ?2)", "si", name, value));
    DONE(sk_tx_commit(&tx, &err));
}

int64_t ask(struct sk_db *db, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

    DONE(sk_db_begin(db, SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &s, &err, sql, ""));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    return sk_stmt_int(s, 0);
}
