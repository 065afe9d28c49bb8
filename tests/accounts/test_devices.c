/* test_devices.c - identities, keys, thumbprints, what a device may pull. */
#include "fixture.h"

static const char print[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

static int read_row(struct fixture *f, const char *id, struct sk_login_row *row)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err) < 0)
        fail_msg("%s", err.text);
    return sk_login_read(tx, id, "", true, row, &err);
}

static void put_and_read(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_login_row row, again;
    char made[64], audit[256];
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-1", NULL, NULL, made, &err), 0);
    assert_int_equal(strlen(made), 44);
    last_audit(f, audit, sizeof audit);
    assert_int_equal(strncmp(audit, "device.put cam-1 ", 17), 0);
    assert_int_equal(read_row(f, "cam-1", &row), 1);
    assert_string_equal(row.primary_key, made);
    assert_int_equal(row.auth, SK_LOGIN_SAS);
    assert_int_equal(strlen(row.generation), 18);
    assert_true(row.is_enabled && !row.is_edge);
    assert_int_equal(read_row(f, "Cam-1", &again), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM twin"), 1);
    /* again: another key, and a thumbprint in any spelling; it is the same device */
    char colons[100] = "", key[64];
    for (size_t i = 0; i < 64; i += 2)
        (void)snprintf(colons + strlen(colons), 4, "%s%c%c", i ? ":" : "",
                       print[i] >= 'a' ? print[i] - 32 : print[i],
                       print[i + 1] >= 'a' ? print[i + 1] - 32 : print[i + 1]);
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-1", NULL, colons, key, &err), 0);
    assert_string_not_equal(key, made);
    assert_int_equal(read_row(f, "cam-1", &again), 1);
    assert_string_equal(again.primary_thumbprint, print);
    assert_int_equal(again.auth, SK_LOGIN_SELF_SIGNED);
    assert_int_equal(again.id, row.id);
    assert_string_equal(again.generation, row.generation);
    assert_int_equal(number(f, "SELECT etag FROM identity"), 2);
    /* a thumbprint belongs to one device */
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-2", NULL, print, key, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_non_null(strstr(err.text, "another device has the certificate"));
    assert_int_equal(number(f, "SELECT count(*) FROM identity"), 1);
    assert_int_equal(number(f, "SELECT count(*) FROM twin"), 1);
}

static void refused(void **state)
{
    struct fixture *f = *state;
    static char id128[129], id129[130];
    memset(id129, 'a', 129);
    memcpy(id128, id129, 128);

    static const struct {
        const char *what, *id, *key, *thumbprint;
        enum sk_code code;
    } rows[] = {
        { "all characters", "aZ0-:.+%_#*?!(),=@$'", NULL, NULL, SK_OK },
        { "longest", id128, NULL, NULL, SK_OK },
        { "too long", id129, NULL, NULL, SK_INVALID },
        { "empty", "", NULL, NULL, SK_INVALID },
        { "a slash", "a/b", NULL, NULL, SK_INVALID },
        { "a space", "a b", NULL, NULL, SK_INVALID },
        { "an umlaut", "\xc3\xbc", NULL, NULL, SK_INVALID },
        { "a key of 16 bytes", "k16", "MDEyMzQ1Njc4OWFiY2RlZg==", NULL, SK_OK },
        { "a key of 15 bytes", "k15", "MDEyMzQ1Njc4OWFiY2Rl", NULL, SK_INVALID },
        { "a key that is none", "k", "not base64 at all!!!!!!!!!", NULL, SK_INVALID },
        { "a thumbprint of SHA-1", "t", NULL, "0123456789abcdef0123456789abcdef01234567",
          SK_INVALID },
        { "65 digits", "t", NULL,
          "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0", SK_INVALID },
        { "no hex", "t", NULL, "x", SK_INVALID },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char key[64];
        int rc = sk_device_put(f->accounts, &f->owner, rows[i].id, rows[i].key, rows[i].thumbprint,
                               key, &err);
        if (err.code != rows[i].code || (rc == 0) != (rows[i].code == SK_OK))
            fail_msg("%s: %d %s", rows[i].what, rc, err.text);
    }
    struct sk_err err = SK_ERR_INIT;
    char key[64];
    struct sk_who publisher = { .name = "p", .role = SK_ROLE_PUBLISHER };
    struct sk_who deployer = { .name = "d", .role = SK_ROLE_DEPLOYER };
    assert_int_equal(sk_device_put(f->accounts, &publisher, "x", NULL, NULL, key, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_int_equal(sk_device_put(f->accounts, &deployer, "x", NULL, NULL, key, &err), 0);
    assert_int_equal(sk_device_allow(f->accounts, &publisher, "x", NULL, 0, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
}

static void pulls(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char key[64];
    static const char *const first[] = { "defects", "team/x", "defects" };
    static const char *const second[] = { "other" };
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "cam-1", first, 3, &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "cam-1", NULL, NULL, key, &err), 0);
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-1", "defects"));
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "cam-1", first, 3, &err), 0);
    assert_true(sk_accounts_device_may_pull(f->accounts, "cam-1", "defects"));
    assert_true(sk_accounts_device_may_pull(f->accounts, "cam-1", "team/x"));
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-1", "team"));
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-1", "defects/x"));
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-2", "defects"));
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "cam-1", second, 1, &err), 0);
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-1", "defects"));
    assert_true(sk_accounts_device_may_pull(f->accounts, "cam-1", "other"));
    char audit[256];
    last_audit(f, audit, sizeof audit);
    assert_int_equal(strncmp(audit, "device.allow cam-1 ", 19), 0);
    change(f, "UPDATE identity SET is_enabled = 0");
    assert_false(sk_accounts_device_may_pull(f->accounts, "cam-1", "other"));
}

static void at_most_so_many(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static char texts[SK_DEVICE_PULLS + 1][16];
    static const char *names[SK_DEVICE_PULLS + 1];
    char key[64];
    for (size_t i = 0; i <= SK_DEVICE_PULLS; i++) {
        (void)snprintf(texts[i], sizeof texts[i], "repo-%zu", i);
        names[i] = texts[i];
    }
    assert_int_equal(sk_device_put(f->accounts, &f->owner, "d", NULL, NULL, key, &err), 0);
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "d", names, SK_DEVICE_PULLS, &err), 0);
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "d", names, SK_DEVICE_PULLS + 1, &err),
                     -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(number(f, "SELECT count(*) FROM pull"), SK_DEVICE_PULLS);
    /* a bad name in the middle changes nothing */
    names[1] = "";
    assert_int_equal(sk_device_allow(f->accounts, &f->owner, "d", names, 3, &err), -1);
    assert_int_equal(number(f, "SELECT count(*) FROM pull"), SK_DEVICE_PULLS);
}

/* Within the transaction of another module's change; one that is taken back changes nothing. */
static void pulls_within_a_change(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    static const char *const names[] = { "a", "b" };
    add_identity(f, "cam-1", "", "sas", "", "");
    for (int is_kept = 0; is_kept < 2; is_kept++) {
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        assert_int_equal(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err), 0);
        assert_int_equal(sk_device_pulls_set(tx, "cam-1", names, 2, &err), 0);
        if (is_kept)
            assert_int_equal(sk_tx_commit(&tx, &err), 0);
        sk_tx_end(SK_TAKE(tx));
        assert_int_equal(number(f, "SELECT count(*) FROM pull"), is_kept ? 2 : 0);
    }
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    assert_int_equal(sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err), 0);
    assert_int_equal(sk_device_pulls_set(tx, "cam-1", NULL, SK_DEVICE_PULLS + 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(sk_device_pulls_set(tx, "cam-1", NULL, 0, &err), 0);
    assert_int_equal(sk_tx_commit(&tx, &err), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM pull"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(put_and_read, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(refused, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(pulls, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(at_most_so_many, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(pulls_within_a_change, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
