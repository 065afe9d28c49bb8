/* test_tokens.c - made, listed, revoked: who may, what is refused, what the database holds. */
#include "fixture.h"

#include "base/clock.h"

static void form(void **state)
{
    struct fixture *f = *state;
    char a[SK_TOKEN_TEXT], b[SK_TOKEN_TEXT], id[20], split_id[20], audit[256], want[256];
    struct sk_view secret;
    make_token(f, "ci", SK_ROLE_PUBLISHER, 0, a, id);
    last_audit(f, audit, sizeof audit);
    (void)snprintf(want, sizeof want, "token.create %s %s", id, f->owner.name);
    assert_string_equal(audit, want);
    make_token(f, "ci", SK_ROLE_PUBLISHER, 0, b, NULL);
    assert_string_not_equal(a, b);
    assert_int_equal(strlen(a), 64);
    assert_true(sk_token_split(a, strlen(a), split_id, &secret));
    assert_string_equal(id, split_id);
    assert_int_equal(secret.len, 43);
    /* the secret itself is nowhere */
    char sql[256];
    (void)snprintf(sql, sizeof sql,
                   "SELECT count(*) FROM token WHERE instr(secret_sha256 || note || user, '%.43s')",
                   secret.ptr);
    assert_int_equal(number(f, sql), 0);
}

static void texts_that_are_none(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "skt_",
        "skt_0123456789abcdef_",
        "skt_0123456789abcdef_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "skt_0123456789abcdef_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "skt_0123456789ABCDEF_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "skt_0123456789abcdefgaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "SKT_0123456789abcdef_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        "skt_0123456789abcde'_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    };
    char id[20];
    struct sk_view secret;
    for (size_t i = 0; i < COUNT(rows); i++)
        if (sk_token_split(rows[i], strlen(rows[i]), id, &secret))
            fail_msg("'%s' was taken", rows[i]);
}

static void refused_requests(void **state)
{
    struct fixture *f = *state;
    static char user127[128], user128[129], note255[256], note256[257];
    memset(user128, 'u', 128);
    memcpy(user127, user128, 127);
    memset(note256, 'n', 256);
    memcpy(note255, note256, 255);
    const struct sk_who publisher = { .name = "p", .role = SK_ROLE_PUBLISHER };
    const struct sk_who *owner = &f->owner;
    const uint64_t century_ms = 100ull * 365 * 86400 * 1000;

    const struct {
        const char *what;
        const struct sk_who *who;
        const char *user;
        enum sk_role role;
        const char *note;
        uint64_t life_ms;
        enum sk_code code;
    } rows[] = {
        { "longest", owner, user127, SK_ROLE_READER, note255, century_ms, SK_OK },
        { "user too long", owner, user128, SK_ROLE_READER, "", 0, SK_LIMIT },
        { "note too long", owner, "u", SK_ROLE_READER, note256, 0, SK_LIMIT },
        { "no user", owner, "", SK_ROLE_READER, "", 0, SK_INVALID },
        { "a line in the user", owner, "a\nb", SK_ROLE_READER, "", 0, SK_INVALID },
        { "a line in the note", owner, "a", SK_ROLE_READER, "a\nb", 0, SK_INVALID },
        { "not UTF-8", owner, "\xff", SK_ROLE_READER, "", 0, SK_INVALID },
        { "no role", owner, "u", SK_ROLE_NONE, "", 0, SK_INVALID },
        { "no such role", owner, "u", (enum sk_role)9, "", 0, SK_INVALID },
        { "more than a century", owner, "u", SK_ROLE_READER, "", century_ms + 1, SK_INVALID },
        { "no owner", &publisher, "u", SK_ROLE_READER, "", 0, SK_DENIED },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char secret[SK_TOKEN_TEXT];
        int64_t before = number(f, "SELECT count(*) FROM token");
        int rc = sk_token_create(f->accounts, rows[i].who, rows[i].user, rows[i].role, rows[i].note,
                                 rows[i].life_ms, secret, NULL, &err);
        if (err.code != rows[i].code || (rc == 0) != (rows[i].code == SK_OK))
            fail_msg("%s: %d '%s'", rows[i].what, rc, err.text);
        assert_int_equal(number(f, "SELECT count(*) FROM token"), before + (rc == 0));
    }
}

static void revoking(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char secret[SK_TOKEN_TEXT], first[20], second[20], ci[20], short_lived[20];
    make_token(f, "owner", SK_ROLE_OWNER, 0, secret, first);
    make_token(f, "ci", SK_ROLE_READER, 0, secret, ci);
    make_token(f, "owner", SK_ROLE_OWNER, 1, secret, short_lived);
    for (uint64_t end = sk_wall_ms() + 2; sk_wall_ms() < end;)
        ;
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, "0000000000000000", &err), -1);
    assert_int_equal(err.code, SK_NOT_FOUND);
    /* an expired owner is none */
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, first, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, "last owner"));
    make_token(f, "second", SK_ROLE_OWNER, 0, secret, second);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, first, &err), 0);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, first, &err), -1);
    assert_int_equal(err.code, SK_EXISTS);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, second, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    /* one's own, not another's; and a device has none */
    struct sk_who who = { .name = "other", .token_id = "x", .role = SK_ROLE_DEPLOYER };
    assert_int_equal(sk_token_revoke(f->accounts, &who, ci, &err), -1);
    assert_int_equal(err.code, SK_DENIED);
    struct sk_who device = { .name = "ci", .is_device = true };
    assert_int_equal(sk_token_revoke(f->accounts, &device, ci, &err), -1);
    struct sk_who self = { .name = "ci", .token_id = "x", .role = SK_ROLE_READER };
    assert_int_equal(sk_token_revoke(f->accounts, &self, ci, &err), 0);
    char audit[256], want[256];
    last_audit(f, audit, sizeof audit);
    (void)snprintf(want, sizeof want, "token.revoke %s ci", ci);
    assert_string_equal(audit, want);
}

/* [hub-21] */
static void use_of_the_revoked(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char secret[SK_TOKEN_TEXT], id[20];
    struct sk_who who;
    make_token(f, "ci", SK_ROLE_READER, 0, secret, id);
    const struct sk_credentials c = { .api_key = secret, .peer = "192.0.2.1:1" };
    assert_int_equal(sk_accounts_check(f->accounts, &c, &who, &err), 0);
    assert_true(who.is_first_use);
    assert_int_equal(sk_accounts_check(f->accounts, &c, &who, &err), 0);
    assert_false(who.is_first_use);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, id, &err), 0);
    assert_true(number(f, "SELECT used_ms FROM token WHERE user = 'ci'") > 0);
}

static int last_use(void *ctx, const struct sk_token *t, struct sk_err *err)
{
    (void)err;
    *(int64_t *)ctx = t->used_ms;
    return 0;
}

/* [hub-21] A list shows a use that another thread has taken to write down, and has not yet. */
static void use_that_is_being_written(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char secret[SK_TOKEN_TEXT], id[20];
    struct sk_who who;
    int64_t used_ms = 0;
    make_token(f, "ci", SK_ROLE_READER, 0, secret, id);
    const struct sk_credentials c = { .api_key = secret, .peer = "192.0.2.1:1" };
    assert_int_equal(sk_accounts_check(f->accounts, &c, &who, &err), 0);
    struct sk_token_entry *e = remembered(f, id);
    assert_non_null(e);
    e->is_dirty = false;
    assert_int_equal(sk_token_list(f->accounts, last_use, &used_ms, &err), 0);
    assert_int_equal(number(f, "SELECT used_ms FROM token"), 0);
    assert_true(used_ms > 0);
}

static int list(void *ctx, const struct sk_token *t, struct sk_err *err)
{
    struct sk_buf *b = ctx;
    (void)err;
    sk_token_json(t, b);
    return 0;
}

static void listing(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char secret[SK_TOKEN_TEXT], id[20];
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(65536);
    make_token(f, "a \"b\"", SK_ROLE_READER, 3600000, secret, id);
    make_token(f, "c", SK_ROLE_READER, 1, secret, NULL);
    make_token(f, "d", SK_ROLE_READER, 0, secret, id);
    assert_int_equal(sk_token_revoke(f->accounts, &f->owner, id, &err), 0);
    for (uint64_t end = sk_wall_ms() + 2; sk_wall_ms() < end;)
        ;
    assert_int_equal(sk_token_list(f->accounts, list, &b, &err), 0);
    static const char *const parts[] = {
        "\"user\":\"a \\\"b\\\"\",\"role\":\"reader\",\"state\":\"active\"",
        "\"user\":\"c\",\"role\":\"reader\",\"state\":\"expired\"",
        "\"user\":\"d\",\"role\":\"reader\",\"state\":\"revoked\"",
        "\"used\":null",
    };
    for (size_t i = 0; i < COUNT(parts); i++)
        if (!strstr(b.data, parts[i]))
            fail_msg("no %s in %s", parts[i], b.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(form, fixture_make, fixture_remove),
        cmocka_unit_test(texts_that_are_none),
        cmocka_unit_test_setup_teardown(refused_requests, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(revoking, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(use_of_the_revoked, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(use_that_is_being_written, fixture_make, fixture_remove),
        cmocka_unit_test_setup_teardown(listing, fixture_make, fixture_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
