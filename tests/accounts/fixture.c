/* fixture.c - see fixture.h. */
#include "fixture.h"

#include "base/file.h"

static void open_accounts(struct fixture *f)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_store_open(f->dir, &f->store, &err) < 0 ||
        sk_accounts_new(f->store, &f->accounts, &err) < 0)
        fail_msg("%s", err.text);
}

int fixture_make(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/skerry-accounts-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    if (sk_store_create(f->dir, &err) < 0)
        fail_msg("%s", err.text);
    open_accounts(f);
    sk_who_local(&f->owner);
    *state = f;
    return 0;
}

static void close_accounts(struct fixture *f)
{
    sk_accounts_free(f->accounts);
    sk_store_close(f->store);
}

int fixture_remove(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct fixture *f = *state;
    close_accounts(f);
    int rc = sk_remove_tree(f->dir, &err);
    free(f);
    return rc;
}

void fixture_reopen(struct fixture *f)
{
    close_accounts(f);
    open_accounts(f);
}

void make_token(struct fixture *f, const char *user, enum sk_role role, uint64_t life_ms,
                char secret[SK_TOKEN_TEXT], char id[20])
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_token_create(f->accounts, &f->owner, user, role, NULL, life_ms, secret, id, &err) < 0)
        fail_msg("%s", err.text);
}

struct last {
    char *out;
    size_t cap;
};

static int note_row(void *ctx, const struct sk_audit_row *row, struct sk_err *err)
{
    struct last *l = ctx;
    (void)err;
    (void)snprintf(l->out, l->cap, "%s %s %s", row->action, row->object, row->who);
    return 0;
}

void last_audit(struct fixture *f, char *out, size_t cap)
{
    struct sk_err err = SK_ERR_INIT;
    struct last l = { out, cap };
    *out = '\0';
    assert_int_equal(sk_audit_list(f->accounts, 0, 1, note_row, &l, &err), 0);
}

int64_t number(struct fixture *f, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_READ, &tx, &err) < 0 ||
        sk_tx_query(tx, &s, &err, sql, "") < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_stmt_next(s, &err), 1);
    return sk_stmt_int(s, 0);
}
