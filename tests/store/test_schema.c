/* test_schema.c - a database of each earlier version becomes one of this, with what is in it. */
#include "store/store_util.h"

#include <fcntl.h>

enum {
    LATEST = 6
};

static void options(struct sk_db_options *opts, const char *path, const char *const *migrations)
{
    *opts = (struct sk_db_options){ .path = path,
                                    .application_id = SK_STORE_APP,
                                    .what = "hub data",
                                    .migrations = migrations,
                                    .create = true };
}

/* The schema as text, which must not depend on the way to it. */
static char *schema_of(struct sk_store *s)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *row = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);

    DONE(sk_db_begin(sk_store_db(s), SK_DB_READ, &tx, &err));
    DONE(sk_tx_query(tx, &row, &err, "SELECT name, sql FROM sqlite_schema ORDER BY name", ""));
    while (sk_stmt_next(row, &err) > 0)
        sk_buf_fmt(&b, "%s: %s\n", sk_stmt_text(row, 0), sk_stmt_text(row, 1));
    return sk_buf_take(&b);
}

static void test_upgrades(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *expected = schema_of(p->store);
    SK_OWN(free) char *path = sk_path_join(p->dir, "registry.db");

    put_artifact(p->store, "kept", put_blob(p->store, "kept"));
    assert_int_equal(sk_db_version(sk_store_db(p->store)), LATEST);
    assert_null(sk_store_migrations[LATEST]);
    for (unsigned version = 1; version < LATEST; version++) {
        const char *migrations[LATEST + 1] = { NULL };
        struct sk_db_options opts;
        struct sk_db *db = NULL;
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        /* A database of that version, with the blob that is there. */
        sk_store_close(SK_TAKE(p->store));
        assert_int_equal(unlink(path), 0);
        memcpy(migrations, sk_store_migrations, version * sizeof *migrations);
        options(&opts, path, migrations);
        DONE(sk_db_open(&opts, &db, &err));
        assert_int_equal(sk_db_version(db), version);
        DONE(sk_db_begin(db, SK_DB_WRITE, &tx, &err));
        DONE(sk_blob_insert(tx, digest_of("kept"), 4, &err));
        DONE(sk_artifact_put(tx, "kept", digest_of("kept"), &err));
        DONE(sk_tx_commit(&tx, &err));
        sk_db_close(db);

        DONE(sk_store_open(p->dir, &p->store, &err));
        assert_int_equal(sk_db_version(sk_store_db(p->store)), LATEST);
        SK_OWN(free) char *schema = schema_of(p->store);
        assert_string_equal(schema, expected);
        assert_int_equal(ask(p->store, "SELECT count(*) FROM artifact WHERE path = 'kept'"), 1);
        assert_true(has_blob(p->store, digest_of("kept")));
        expect_problems(p->store, 0);
    }
}

/* Devices as version 5 knew them become identities, with a twin each; what they may pull stays. */
static void test_devices(void **state)
{
    static const char *const before[] = {
        "INSERT INTO device VALUES('cam', 'a2V5', 'b2xk', NULL, 1, 1795740000123)",
        "INSERT INTO device VALUES('x509', 'a2V5', '', printf('%064d', 7), 1, 1795740000456)",
        "INSERT INTO device VALUES('off', 'a2V5', '', NULL, 0, 1795740000789)",
        "INSERT INTO device_pull VALUES('cam', 'defects')",
        "INSERT INTO device_pull VALUES('cam', 'team/x')",
        "INSERT INTO device_pull VALUES('off', 'defects')",
    };

    static const struct {
        const char *sql;
        int64_t expected;
    } after[] = {
        { "SELECT count(*) FROM identity", 3 },
        { "SELECT count(*) FROM identity WHERE module = '' AND etag = 1 AND is_edge = 0", 3 },
        { "SELECT count(*) FROM identity WHERE device = 'cam' AND auth = 'sas' AND primary_key = "
          "'a2V5' AND secondary_key = 'b2xk' AND primary_thumbprint = '' AND is_enabled = 1 AND "
          "created_ms = 1795740000123",
          1 },
        { "SELECT count(*) FROM identity WHERE device = 'x509' AND auth = 'selfSigned' AND "
          "primary_thumbprint = printf('%064d', 7) AND secondary_thumbprint = ''",
          1 },
        { "SELECT count(*) FROM identity WHERE device = 'off' AND is_enabled = 0", 1 },
        { "SELECT count(*) FROM identity WHERE length(generation) = 18 AND "
          "substr(generation, 1, 13) = CAST(created_ms AS TEXT)",
          3 },
        { "SELECT count(*) FROM identity JOIN twin ON identity = id WHERE version = 2 AND "
          "desired = '{}'",
          3 },
        { "SELECT count(*) FROM pull", 3 },
        { "SELECT count(*) FROM pull WHERE device = 'cam' AND repository = 'team/x'", 1 },
        { "SELECT count(*) FROM sqlite_schema WHERE name IN ('device', 'device_pull')", 0 },
        { "SELECT count(*) FROM policy", 0 },
    };

    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(free) char *path = sk_path_join(p->dir, "registry.db");
    const char *migrations[6] = { NULL };
    struct sk_db_options opts;
    struct sk_db *db = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;

    sk_store_close(SK_TAKE(p->store));
    assert_int_equal(unlink(path), 0);
    memcpy(migrations, sk_store_migrations, 5 * sizeof *migrations);
    options(&opts, path, migrations);
    DONE(sk_db_open(&opts, &db, &err));
    DONE(sk_db_begin(db, SK_DB_WRITE, &tx, &err));
    for (size_t i = 0; i < COUNT(before); i++)
        DONE(sk_tx_run(tx, &err, before[i], ""));
    DONE(sk_tx_commit(&tx, &err));
    sk_db_close(db);

    DONE(sk_store_open(p->dir, &p->store, &err));
    for (size_t i = 0; i < COUNT(after); i++)
        if (ask(p->store, after[i].sql) != after[i].expected)
            fail_msg("%s", after[i].sql);
    expect_problems(p->store, 0);
}

/* A file of a program to come is refused, and not a byte of it changes. */
static void test_later(void **state)
{
    struct place *p = *state;
    struct sk_err err = SK_ERR_INIT;
    const char *migrations[LATEST + 2] = { NULL };
    SK_OWN(free) char *path = sk_path_join(p->dir, "registry.db");
    struct sk_db_options opts;
    struct sk_db *db = NULL;
    size_t len = 0, again = 0;

    sk_store_close(SK_TAKE(p->store));
    memcpy(migrations, sk_store_migrations, LATEST * sizeof *migrations);
    migrations[LATEST] = "CREATE TABLE to_come(x)";
    options(&opts, path, migrations);
    DONE(sk_db_open(&opts, &db, &err));
    sk_db_close(db);
    SK_OWN(free) char *before = slurp(path, &len);
    FAILS(sk_store_open(p->dir, &p->store, &err), SK_UNSUPPORTED);
    assert_non_null(strstr(err.text, "version 7"));
    assert_non_null(strstr(err.text, "up to 6"));
    SK_OWN(free) char *after = slurp(path, &again);
    assert_int_equal(again, len);
    assert_memory_equal(after, before, len);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_upgrades, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_devices, place_set_up, place_tear_down),
        cmocka_unit_test_setup_teardown(test_later, place_set_up, place_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
