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

struct sk_token_entry *remembered(struct fixture *f, const char *id)
{
    for (size_t b = 0; b < SK_CACHE_BUCKETS; b++) {
        for (struct sk_token_entry *e = f->accounts->cache.buckets[b]; e; e = e->next)
            if (strcmp(e->row.token.id, id) == 0)
                return e;
    }
    return NULL;
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

void change(struct fixture *f, const char *sql)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err) < 0 ||
        sk_tx_run(tx, &err, sql, "") < 0 || sk_tx_commit(&tx, &err) < 0)
        fail_msg("%s: %s", sql, err.text);
}

void add_identity(struct fixture *f, const char *device, const char *module, const char *auth,
                  const char *primary_thumbprint, const char *secondary_thumbprint)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(sk_store_db(f->store), SK_DB_WRITE, &tx, &err) < 0 ||
        sk_tx_run(tx, &err,
                  "INSERT INTO identity(device, module, generation, auth, primary_key, "
                  "secondary_key, primary_thumbprint, secondary_thumbprint, created_ms) "
                  "VALUES(?1, ?2, '179574000000012345', ?3, ?4, ?5, ?6, ?7, 1)",
                  "sssssss", device, module, auth, KEY_1, KEY_2, primary_thumbprint,
                  secondary_thumbprint) < 0 ||
        sk_tx_commit(&tx, &err) < 0)
        fail_msg("%s: %s", device, err.text);
}

void make_sas(const char *sr, const char *key, int64_t expires_s, const char *tail, char *out,
              size_t cap)
{
    struct sk_err err = SK_ERR_INIT;
    unsigned char mac[SK_SHA256_BYTES];
    char text[1024];
    SK_AUTO(sk_buf_done) struct sk_buf raw = SK_BUF_INIT(64);
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(128);
    assert_int_equal(sk_base64_decode(key, strlen(key), &raw, &err), 0);
    (void)snprintf(text, sizeof text, "%s\n%lld", sr, (long long)expires_s);
    assert_int_equal(sk_hmac_sha256(raw.data, raw.len, text, strlen(text), mac, &err), 0);
    sk_base64(&b, mac, sizeof mac);
    (void)snprintf(out, cap, "SharedAccessSignature sr=%s&sig=%s&se=%lld%s", sr, b.data,
                   (long long)expires_s, tail);
}

void make_cert(const char *common_name, int64_t from, int64_t to, bool is_ca,
               const struct cert *issuer, struct cert *out)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(8192);
    *out = (struct cert){ .pem = SK_BUF_INIT(8192), .der = SK_BUF_INIT(8192) };
    assert_int_equal(sk_key_make(&out->key, &err), 0);
    const struct sk_cert_request r = { .common_name = common_name,
                                       .is_ca = is_ca,
                                       .not_before = from,
                                       .not_after = to,
                                       .key = out->key,
                                       .issuer_pem = issuer ? issuer->pem.data : NULL,
                                       .issuer_key = issuer ? issuer->key : NULL };
    if (sk_cert_make(&r, &out->pem, &err) < 0)
        fail_msg("%s", err.text);
    assert_int_equal(sk_cert_info(out->pem.data, out->pem.len, &out->info, &err), 0);
    const char *begin = strchr(out->pem.data, '\n') + 1, *end = strstr(begin, "-----END");
    for (const char *p = begin; p < end; p++)
        if (*p != '\n')
            sk_buf_chr(&text, *p);
    assert_int_equal(sk_base64_decode(text.data, text.len, &out->der, &err), 0);
}

void drop_cert(struct cert *c)
{
    sk_key_free(c->key);
    sk_buf_done(&c->pem);
    sk_buf_done(&c->der);
}
