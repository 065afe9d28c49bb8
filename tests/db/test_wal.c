/*
 * test_wal.c - frames go only over zeros that were synced before: in a new log, one that begins
 * anew, one that a crash left, one that others cut; and on disks that are full or fail.
 */
#include "db/db_util.h"
#include "db/faulty.h"

#include "base/file.h"

#include <sys/stat.h>

#define PIECE (1 << 20)

static int add(struct sk_db *db, int64_t value, size_t rows, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    char name[4000];

    if (sk_db_begin(db, SK_DB_WRITE, &tx, err) < 0)
        return -1;
    for (size_t i = 0; i < rows; i++) {
        (void)snprintf(name, sizeof name, "%03900lld", (long long)value++);
        if (sk_tx_run(tx, err, "INSERT INTO pair VALUES(?1, ?2)", "si", name, value + 100) < 0)
            return -1;
    }
    return sk_tx_commit(&tx, err);
}

static int64_t count(struct sk_db *db)
{
    return ask(db, "SELECT count(*) FROM pair");
}

static off_t log_size(const struct place *p)
{
    char path[600];
    struct stat st;

    (void)snprintf(path, sizeof path, "%s-wal", p->path);
    return stat(path, &st) == 0 ? st.st_size : 0;
}

static void begin_anew(struct sk_db *db, const char *mode)
{
    struct sk_err err = SK_ERR_INIT;
    char sql[64];

    (void)snprintf(sql, sizeof sql, "PRAGMA wal_checkpoint(%s)", mode);
    DONE(sk_db_conn_exec(db->writer, sql, &err));
}

/* [db-2] */
static void test_grows(void **state)
{
    static const struct {
        const char *name;
        size_t transactions, rows, pieces; /* rows of about a page */
    } rows[] = {
        { "one", 1, 1, 0 },
        { "small ones", 100, 1, 1 },
        { "a large one", 1, 2000, 8 },
        { "small ones behind it", 100, 1, 0 },
    };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t value = 0;

    DONE(add(p->db, value++, 1, &err)); /* the first piece, if it was not the migration's */
    for (size_t i = 0; i < COUNT(rows); i++) {
        (void)faulty_log(false);
        unsigned before = faulty_log(false).syncs;
        for (size_t k = 0; k < rows[i].transactions; k++, value += (int64_t)rows[i].rows)
            DONE(add(p->db, value, rows[i].rows, &err));
        struct faulty_log seen = faulty_log(false);
        if (seen.astray > 0 || seen.syncs - before > rows[i].pieces + 1 ||
            seen.syncs - before < rows[i].pieces)
            fail_msg("%s: %u frames astray, %u pieces", rows[i].name, seen.astray,
                     seen.syncs - before);
        assert_int_equal(log_size(p) % PIECE, 0);
        assert_int_equal(count(p->db), value);
    }
    assert_true(faulty_log(false).frames > 2000);
}

/* A log that begins anew has its zeros already. */
static void test_begins_anew(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    DONE(add(p->db, 0, 700, &err));
    off_t size = log_size(p);
    for (int i = 1; i < 6; i++) {
        struct faulty_log before = faulty_log(false);
        begin_anew(p->db, "RESTART");
        DONE(add(p->db, 1000 * i, 300, &err));
        assert_int_equal(faulty_log(false).syncs, before.syncs);
        assert_int_equal(faulty_log(false).astray, 0);
    }
    assert_int_equal(log_size(p), size);
    assert_int_equal(count(p->db), 2200);
}

static void copy_file(const struct place *p, const char *end, const char *to)
{
    SK_OWN(free) char *bytes = NULL;
    struct sk_err err = SK_ERR_INIT;
    char from_path[600], to_path[600];
    size_t len = 0;

    (void)snprintf(from_path, sizeof from_path, "%s%s", p->path, end);
    (void)snprintf(to_path, sizeof to_path, "%s/%s%s", p->dir, to, end);
    DONE(sk_file_read(from_path, 64 << 20, &bytes, &len, &err));
    DONE(sk_file_write(to_path, bytes, len, 0600, &err));
}

/* What is behind the last frame may never have been written: it is zeroed again. */
static void test_crash(void **state)
{
    SK_OWN(sk_db_close) struct sk_db *db = NULL;
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_db_options opts = p->opts;
    char path[600];

    DONE(add(p->db, 0, 10, &err));
    DONE(add(p->db, 10, 10, &err));
    copy_file(p, "", "copy.db");
    copy_file(p, "-wal", "copy.db");
    /* copy_file has put "copy.db" and "copy.db-wal" there: what a kill leaves. */
    (void)snprintf(path, sizeof path, "%s/copy.db", p->dir);
    opts.path = path;
    (void)faulty_log(true);
    DONE(sk_db_open(&opts, &db, &err));
    assert_int_equal(count(db), 20);
    for (int i = 2; i < 30; i++)
        DONE(add(db, 10 * i, 10, &err));
    struct faulty_log seen = faulty_log(false);
    assert_true(seen.frames > 0 && seen.syncs >= 1);
    assert_int_equal(seen.astray, 0);
    assert_int_equal(count(db), 300);
    DONE(sk_db_check(db, &err));
}

/* Two that write, of which one cuts the log now and then. */
static void test_others(void **state)
{
    SK_OWN(sk_db_close) struct sk_db *other = NULL;
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    int64_t value = 0;

    DONE(sk_db_open(&p->opts, &other, &err));
    for (int i = 0; i < 40; i++) {
        DONE(add(i % 3 ? p->db : other, value, 50, &err));
        value += 50;
        if (i % 7 == 6)
            begin_anew(i % 2 ? p->db : other, i % 3 ? "TRUNCATE" : "RESTART");
        assert_int_equal(faulty_log(false).astray, 0);
    }
    assert_int_equal(count(p->db), value);
    assert_int_equal(count(other), value);
    DONE(sk_db_check(p->db, &err));
}

/* [db-3] A full disk, and a limit on the size of files. */
static void test_little_room(void **state)
{
    static const enum faulty_kind rows[] = { FAULTY_FULL, FAULTY_IO };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin_anew(p->db, "TRUNCATE");
        faulty_arm(rows[i], 1, false);
        DONE(add(p->db, 100 * (int64_t)i, 1, &err));
        assert_true(faulty_disarm());
        assert_true(log_size(p) < PIECE);
        DONE(add(p->db, 100 * (int64_t)i + 1, 20, &err)); /* with room it is a whole piece again */
        assert_int_equal(log_size(p) % PIECE, 0);
        assert_int_equal(faulty_log(false).astray, 0);
    }
}

static void test_zeros_fail(void **state)
{
    static const struct {
        enum faulty_kind kind;
        unsigned n;
        enum sk_code code;
    } rows[] = {
        { FAULTY_SYNC, 1, SK_IO },   { FAULTY_IO, 1, SK_IO },     { FAULTY_IO, 5, SK_IO },
        { FAULTY_FULL, 1, SK_FULL }, { FAULTY_FULL, 3, SK_FULL },
    };
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < COUNT(rows); i++) {
        begin_anew(p->db, "TRUNCATE");
        faulty_arm(rows[i].kind, rows[i].n, true);
        FAILS(add(p->db, (int64_t)i, 1, &err), rows[i].code);
        assert_true(faulty_disarm());
        DONE(add(p->db, (int64_t)i, 1, &err));
        assert_int_equal(count(p->db), i + 1);
        assert_int_equal(faulty_log(false).astray, 0);
    }
}

static int set_up(void **state)
{
    (void)faulty_log(true);
    return place_set_up(state);
}

static int install(void **state)
{
    (void)state;
    faulty_install();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_grows, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_begins_anew, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_crash, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_others, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_little_room, set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_zeros_fail, set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, install, NULL);
}
