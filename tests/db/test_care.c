/* test_care.c - copies while others write, and checks that find what is broken. */
#include "db/db_util.h"

#include "base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_backup(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char copy[600];
    struct stat st;
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    (void)snprintf(copy, sizeof copy, "%s/copy.db", p->dir);
    put(p->db, "a", 1);
    DONE(sk_db_begin(p->db, SK_DB_WRITE, &tx, &err)); /* a writer in the middle of its work */
    DONE(sk_tx_run(tx, &err, "INSERT INTO pair VALUES('b', 1)", ""));
    DONE(sk_db_backup(p->db, copy, &err));
    DONE(sk_tx_commit(&tx, &err));
    assert_int_equal(stat(copy, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);

    struct sk_db_options opts = p->opts;
    opts.path = copy;
    opts.create = false;
    DONE(sk_db_open(&opts, &db, &err));
    DONE(sk_db_check(db, &err));
    assert_int_equal(ask(db, "SELECT count(*) FROM pair"), 1);
    assert_int_equal(ask(p->db, "SELECT count(*) FROM pair"), 2);
    put(db, "c", 1); /* it is a database like any other */

    FAILS(sk_db_backup(p->db, copy, &err), SK_EXISTS);
    (void)snprintf(copy, sizeof copy, "%s/none/copy.db", p->dir);
    FAILS(sk_db_backup(p->db, copy, &err), SK_NOT_FOUND);
}

static void test_check(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    char page[4096];

    DONE(sk_db_check(p->db, &err));
    for (int i = 0; i < 300; i++) {
        char name[300];
        (void)snprintf(name, sizeof name, "%0250d", i);
        put(p->db, name, 1);
    }
    DONE(sk_db_check(p->db, &err));
    sk_db_close(SK_TAKE(p->db));
    SK_AUTO(sk_close) int fd = open(p->path, O_RDWR | O_CLOEXEC);
    memset(page, 0x5a, sizeof page);
    assert_int_equal(pwrite(fd, page, sizeof page, 8 * sizeof page), sizeof page);
    DONE(sk_db_open(&p->opts, &p->db, &err));
    FAILS(sk_db_check(p->db, &err), SK_CORRUPT);
}

static void test_check_keys(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_db_conn_close) struct conn *c = NULL;

    put(p->db, "a", 1);
    DONE(sk_db_conn_open(p->path, 1000, true, &c, &err)); /* keys are off by default */
    DONE(sk_db_conn_exec(c, "PRAGMA foreign_keys=OFF", &err));
    DONE(sk_db_conn_exec(c, "INSERT INTO child VALUES(41, 'nobody')", &err));
    FAILS(sk_db_check(p->db, &err), SK_CORRUPT);
    assert_non_null(strstr(err.text, "row 41 of child refers to nothing in pair"));
}

static int backup_once(void *ctx, struct sk_err *err)
{
    struct place *p = ctx;
    char copy[600];

    (void)snprintf(copy, sizeof copy, "%s/copy.db", p->dir);
    int rc = sk_db_backup(p->db, copy, err);
    if (rc == 0)
        assert_int_equal(unlink(copy), 0);
    return rc < 0 ? -1 : sk_db_check(p->db, err);
}

static void test_allocations(void **state)
{
    assert_true(sk_alloc_sweep("backup", backup_once, *state, 0) > 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_backup, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_check, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_check_keys, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_allocations, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
