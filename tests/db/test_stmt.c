/* test_stmt.c - values in and out, statements that are kept, transactions that have failed. */
#include "db/db_util.h"

static void test_values(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const struct sk_view cut = { "abcdef", 3 };
    size_t len = 0;

    DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &s, &err, "SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8", "insvb0sv", INT64_MIN,
                     0.5, "text", cut, (const void *)"\0x", (size_t)2, (const char *)NULL,
                     (struct sk_view){ NULL, 0 }));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    assert_true(sk_stmt_int(s, 0) == INT64_MIN);
    assert_true(sk_stmt_num(s, 1) == 0.5);
    assert_string_equal(sk_stmt_text(s, 2), "text");
    assert_int_equal(sk_stmt_view(s, 3).len, 3);
    assert_string_equal(sk_stmt_text(s, 3), "abc");
    assert_memory_equal(sk_stmt_blob(s, 4, &len), "\0x", 2);
    assert_int_equal(len, 2);
    assert_true(sk_stmt_is_null(s, 5) && sk_stmt_is_null(s, 6));
    assert_string_equal(sk_stmt_text(s, 6), "");
    assert_non_null(sk_stmt_blob(s, 6, &len));
    assert_int_equal(len, 0);
    assert_false(sk_stmt_is_null(s, 7)); /* an empty view is a text */
    assert_int_equal(sk_stmt_next(s, &err), 0);
}

static void test_put_together(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    static const char sql[] = "SELECT ?1 + ?2, ?3 -- the rest is not seen";

    DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
    DONE(sk_tx_prepare(tx, sql, 17, &s, &err));
    DONE(sk_stmt_bind_int(s, 1, 40, &err));
    DONE(sk_stmt_bind_num(s, 2, 2.5, &err));
    DONE(sk_stmt_bind_text(s, 3, SK_VIEW("x"), &err));
    assert_int_equal(sk_stmt_next(s, &err), 1);
    assert_true(sk_stmt_num(s, 0) == 42.5);
    assert_string_equal(sk_stmt_text(s, 1), "x");
    FAILS(sk_stmt_bind_int(s, 4, 1, &err), SK_BUG);
}

static void test_errors(void **state)
{
    static const struct {
        const char *sql;
        enum sk_code code;
    } rows[] = {
        { "INSERT INTO pair VALUES('a', 2)", SK_EXISTS },
        { "INSERT INTO pair VALUES('b', 13)", SK_INVALID },
        { "INSERT INTO child(name) VALUES('nobody')", SK_INVALID },
        { "INSERT INTO nothing VALUES(1)", SK_BUG },
        { "SELECT 1", SK_BUG },
        { "INSERT INTO pair VALUES(?1, 1)", SK_BUG }, /* a place without a value */
        { "", SK_BUG },
        { "-- a comment", SK_BUG },
    };

    struct place *p = *state;

    put(p->db, "a", 1);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err));
        DONE(sk_tx_run(tx, &err, "INSERT INTO pair VALUES('c', 3)", ""));
        FAILS(sk_tx_run(tx, &err, rows[i].sql, ""), rows[i].code);
        /* Nothing but its end is left to the transaction, and nothing of it stays. */
        FAILS(sk_tx_run(tx, &err, "DELETE FROM pair", ""), SK_BUG);
        FAILS(sk_tx_commit(&tx, &err), SK_BUG);
        assert_null(tx);
        assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 1);
    }
}

static void test_changes(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    put(p->db, "a", 1);
    put(p->db, "b", 1);
    DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err));
    DONE(sk_tx_run(tx, &err, "UPDATE pair SET value = 2", ""));
    assert_int_equal(sk_tx_changes(tx), 2);
    DONE(sk_tx_run(tx, &err, "UPDATE pair SET value = 3 WHERE name = 'c'", ""));
    assert_int_equal(sk_tx_changes(tx), 0);
    DONE(sk_tx_run(tx, &err, "INSERT INTO child(id, name) VALUES(77, 'a')", ""));
    assert_int_equal(sk_tx_last_id(tx), 77);
    DONE(sk_tx_commit(&tx, &err));
}

/* A statement that would not end ends when the time is over, and the connection is as before. */
static void test_limit(void **state)
{
    static const char endless[] = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) "
                                  "SELECT count(*) FROM n WHERE x < 0";
    struct place *p = *state;

    for (int i = 0; i < 2; i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;

        DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
        sk_tx_limit(tx, 20);
        DONE(sk_tx_query(tx, &s, &err, endless, ""));
        FAILS(sk_stmt_next(s, &err), SK_TIMEOUT);
    }
    assert_int_equal(ask(p->db, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n "
                                "WHERE x < 300000) SELECT max(x) FROM n"),
                     300000);
}

/* A query in the middle of the same query, and one that outlives its transaction. */
static void test_nested(void **state)
{
    static const char sql[] = "SELECT value FROM pair ORDER BY value";
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_stmt_end) struct sk_stmt *outer = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *inner = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    put(p->db, "a", 1);
    put(p->db, "b", 2);
    DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &outer, &err, sql, ""));
    assert_int_equal(sk_stmt_next(outer, &err), 1);
    DONE(sk_tx_query(tx, &inner, &err, sql, ""));
    assert_int_equal(sk_stmt_next(inner, &err), 1);
    assert_int_equal(sk_stmt_next(inner, &err), 1);
    assert_int_equal(sk_stmt_int(inner, 0), 2);
    assert_int_equal(sk_stmt_int(outer, 0), 1);
    DONE(sk_tx_commit(&tx, &err));
    FAILS(sk_stmt_next(outer, &err), SK_BUG);
    assert_int_equal(ask(p->db, sql), 1); /* the kept statement is whole */
}

/* More texts than the table has room for. */
static void test_many(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    DONE(sk_db_begin(p->db, SK_DB_READ, &tx, &err));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < SK_DB_STATEMENTS; i++) {
            SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
            char sql[64];
            (void)snprintf(sql, sizeof sql, "SELECT %d + ?1", i);
            DONE(sk_tx_query(tx, &s, &err, sql, "i", (int64_t)1));
            assert_int_equal(sk_stmt_next(s, &err), 1);
            assert_int_equal(sk_stmt_int(s, 0), i + 1);
        }
    }
    assert_int_equal(tx->conn->kept, SK_DB_STATEMENTS / 2);
}

static int statements(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *t = NULL;

    if (sk_db_open(&p->opts, &db, err) < 0 || sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "INSERT OR REPLACE INTO pair VALUES('x', 1)", "") < 0 ||
        sk_tx_query(tx, &s, err, "SELECT * FROM pair", "") < 0 || sk_stmt_next(s, err) < 0 ||
        sk_tx_prepare(tx, "SELECT 1", 8, &t, err) < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

static void test_allocations(void **state)
{
    assert_true(sk_alloc_sweep("statements", statements, *state, 0) > 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_values, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_put_together, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_errors, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_limit, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_changes, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_nested, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_many, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
