/* test_accounts.c - times of use: collected, written down in time and at the end; threads at one
 * set of accounts; memory that runs out. */
#include "fixture.h"

#include "base/clock.h"
#include "base/thread.h"
#include "harness/alloc_fail.h"

static int use(struct fixture *f, const char *token)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_who who;
    char header[128];
    (void)snprintf(header, sizeof header, "Bearer %s", token);
    const struct sk_credentials c = { .authorization = header, .peer = "192.0.2.1:1" };
    return sk_accounts_check(f->accounts, &c, &who, &err);
}

static void uses_are_written_down(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char token[SK_TOKEN_TEXT];
    int64_t start_ms = (int64_t)sk_wall_ms();
    make_token(f, "a", SK_ROLE_READER, 0, token, NULL);
    assert_int_equal(use(f, token), 0);
    assert_int_equal(number(f, "SELECT used_ms FROM token"), 0); /* a request costs no write */
    assert_int_equal(sk_accounts_flush(f->accounts, &err), 0);
    int64_t first_ms = number(f, "SELECT used_ms FROM token");
    assert_true(first_ms >= start_ms);
    assert_int_equal(sk_accounts_flush(f->accounts, &err), 0);
    while ((int64_t)sk_wall_ms() <= first_ms)
        ;
    assert_int_equal(use(f, token), 0);
    fixture_reopen(f);
    assert_true(number(f, "SELECT used_ms FROM token") > first_ms);
}

/* More than one transaction's worth. */
static void many_uses(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    for (unsigned i = 0; i < 600; i++) {
        struct sk_token_row row = { .token = { .role = SK_ROLE_READER } };
        SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
        (void)snprintf(row.token.id, sizeof row.token.id, "%016x", i * 2654435761u);
        assert_int_equal(sk_db_begin(f->accounts->db, SK_DB_WRITE, &tx, &err), 0);
        if (sk_tx_run(tx, &err,
                      "INSERT INTO token(id, user, note, role, secret_sha256, created_ms, "
                      "expires_ms) VALUES(?1, 'u', '', 'reader', printf('%064d', 0), 1, 0)",
                      "s", row.token.id) < 0)
            fail_msg("%s", err.text);
        assert_int_equal(sk_tx_commit(&tx, &err), 0);
        sk_cache_put(&f->accounts->cache, &row, sk_now_ms());
        sk_cache_used(&f->accounts->cache, row.token.id, 7);
    }
    assert_int_equal(sk_accounts_flush(f->accounts, &err), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM token WHERE used_ms = 7"), 600);
}

struct hammer {
    struct fixture *f;
    const char *token;
    unsigned wrong;
};

static void *hammer(void *arg)
{
    struct hammer *h = arg;
    struct sk_err err = SK_ERR_INIT;
    for (int i = 0; i < 300; i++) {
        h->wrong += use(h->f, h->token) < 0;
        (void)use(h->f, "skt_0000000000000000_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
        if (i % 50 == 0)
            h->wrong += sk_accounts_flush(h->f->accounts, &err) < 0;
    }
    return NULL;
}

static void threads_share_it(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char token[SK_TOKEN_TEXT];
    pthread_t threads[4];
    struct hammer h[4];
    make_token(f, "a", SK_ROLE_READER, 0, token, NULL);
    for (size_t i = 0; i < 4; i++) {
        h[i] = (struct hammer){ f, token, 0 };
        assert_int_equal(sk_thread_start(&threads[i], "hammer", hammer, &h[i], &err), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        (void)pthread_join(threads[i], NULL);
        assert_int_equal(h[i].wrong, 0);
    }
}

/* ---- memory ---- */

static int count_row(void *ctx, const struct sk_audit_row *row, struct sk_err *err)
{
    (void)row;
    (void)err;
    ++*(unsigned *)ctx;
    return 0;
}

/* One life: a token and a device are made, come in, are listed; the token ends. */
static int one_life(void *ctx, struct sk_err *err)
{
    struct fixture *f = ctx;
    SK_OWN(sk_accounts_free) struct sk_accounts *a = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(4096);
    SK_AUTO(sk_buf_done) struct sk_buf basic = SK_BUF_INIT(4096);
    static const char *const repositories[] = { "defects" };
    char token[SK_TOKEN_TEXT], id[20], key[64];
    unsigned rows = 0;
    struct sk_who who;
    if (sk_accounts_new(f->store, &a, err) < 0 ||
        sk_token_create(a, &f->owner, "ci", SK_ROLE_READER, NULL, 0, token, id, err) < 0 ||
        sk_device_put(a, &f->owner, "cam", NULL, NULL, key, err) < 0 ||
        sk_device_allow(a, &f->owner, "cam", repositories, 1, err) < 0)
        return -1;
    sk_buf_fmt(&plain, "x:%s", token);
    sk_buf_str(&basic, "Basic ");
    if (sk_buf_ok(&plain))
        sk_base64(&basic, plain.data, plain.len);
    if (!sk_buf_ok(&plain) || !sk_buf_ok(&basic))
        return sk_buf_fail(sk_buf_ok(&plain) ? &basic : &plain, err);
    const struct sk_credentials c = { .authorization = basic.data, .peer = "192.0.2.1:1" };
    if (sk_accounts_check(a, &c, &who, err) < 0 || sk_accounts_flush(a, err) < 0 ||
        sk_audit_list(a, 0, 3, count_row, &rows, err) < 0)
        return -1;
    assert_int_equal(rows, 3);
    return sk_token_revoke(a, &f->owner, id, err);
}

struct logins {
    struct fixture *f;
    struct cert ca, own;
    char sas[512];
};

static int drop_policies(struct sk_store *store, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(store), SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err, "DELETE FROM policy", "") < 0)
        return -1;
    return sk_tx_commit(&tx, err);
}

/* Another: policies are made and used, a device and a certificate log in. */
static int one_login(void *ctx, struct sk_err *err)
{
    struct logins *l = ctx;
    SK_OWN(sk_accounts_free) struct sk_accounts *a = NULL;
    static const char *const names[] = { "hub.example", NULL };
    struct sk_device_login login = { .host = "hub.example",
                                     .device = "cam-1",
                                     .module = "",
                                     .sas = l->sas,
                                     .peer = "192.0.2.1:1",
                                     .hub_names = names };
    struct sk_device_pass pass;
    struct sk_policy p;
    struct sk_who who;
    const struct sk_credentials c = { .client_cert = l->own.der.data,
                                      .client_cert_len = l->own.der.len,
                                      .peer = "192.0.2.1:1",
                                      .hub_names = names };
    if (drop_policies(l->f->store, err) < 0 || sk_accounts_new(l->f->store, &a, err) < 0 ||
        sk_accounts_set_device_ca(a, l->ca.pem.data, l->ca.pem.len, err) < 0 ||
        sk_policy_init(a, err) < 0 ||
        sk_policy_renew(a, &l->f->owner, "device", false, &p, err) < 0 ||
        sk_accounts_check_device(a, &login, &pass, err) < 0)
        return -1;
    return sk_accounts_check(a, &c, &who, err);
}

static void memory_runs_out_at_a_login(void **state)
{
    struct fixture *f = *state;
    struct logins l = { .f = f };
    int64_t now = (int64_t)(sk_wall_ms() / 1000);
    make_cert("CA", now - 60, now + 600, true, NULL, &l.ca);
    make_cert("cam-2", now - 60, now + 600, false, &l.ca, &l.own);
    make_sas("hub.example%2Fdevices%2Fcam-1", KEY_1, now + 600, "", l.sas, sizeof l.sas);
    add_identity(f, "cam-1", "", "sas", "", "");
    add_identity(f, "cam-2", "", "certificateAuthority", "", "");
    /* The end of the accounts may fail to write down times of use. */
    assert_true(sk_alloc_sweep("a login", one_login, &l, SK_ALLOC_MAY_SURVIVE) > 10);
    assert_int_equal(sk_limiter_wait(&f->accounts->limiter, "192.0.2.1:1", sk_now_ms()), 0);
    drop_cert(&l.own);
    drop_cert(&l.ca);
}

static void memory_runs_out(void **state)
{
    /* Without memory a token is not remembered, and is read again. */
    size_t failed = sk_alloc_sweep("one life", one_life, *state, SK_ALLOC_MAY_SURVIVE);
    assert_true(failed > 10);
    /* None was counted as a guess: the peer may still fail as often as anyone. */
    struct fixture *f = *state;
    assert_int_equal(sk_limiter_wait(&f->accounts->limiter, "192.0.2.1:1", sk_now_ms()), 0);
}

#define ROW(test) cmocka_unit_test_setup_teardown(test, fixture_make, fixture_remove)

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(uses_are_written_down), ROW(many_uses),
                                        ROW(threads_share_it), ROW(memory_runs_out),
                                        ROW(memory_runs_out_at_a_login) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
