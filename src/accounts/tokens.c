/*
 * tokens.c - tokens: made, listed, revoked.
 *
 * A token is "skt_<id>_<secret>". The secret is 32 random bytes, so its plain SHA-256 is as good a
 * keeper as a slow hash. A revoked token stays as a row: the audit log names it.
 */
#include "accounts/accounts_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>

static const char prefix[] = "skt_";

enum {
    PREFIX_LEN = sizeof prefix - 1,
    TOKEN_LEN = PREFIX_LEN + SK_TOKEN_ID_LEN + 1 + SK_TOKEN_SECRET_LEN,
    ID_BYTES = SK_TOKEN_ID_LEN / 2,
    SECRET_BYTES = 32
};

#define LIFE_MAX_MS (100ull * 365 * 86400 * 1000)

bool sk_token_split(const char *text, size_t len, char id[20], struct sk_view *secret)
{
    if (len != TOKEN_LEN || memcmp(text, prefix, PREFIX_LEN) != 0 ||
        text[PREFIX_LEN + SK_TOKEN_ID_LEN] != '_')
        return false;
    for (size_t i = 0; i < SK_TOKEN_ID_LEN; i++) {
        char c = text[PREFIX_LEN + i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        id[i] = c;
    }
    id[SK_TOKEN_ID_LEN] = '\0';
    *secret = (struct sk_view){ text + PREFIX_LEN + SK_TOKEN_ID_LEN + 1, SK_TOKEN_SECRET_LEN };
    return true;
}

int sk_accounts_text(const char *what, const char *text, size_t max, struct sk_err *err)
{
    size_t len = strlen(text);
    if (len == 0)
        return sk_fail(err, SK_INVALID, "%s is empty", what);
    if (len > max)
        return sk_fail(err, SK_LIMIT, "%s has %zu bytes, at most %zu are allowed", what, len, max);
    if (!sk_utf8_valid(text, len))
        return sk_fail(err, SK_INVALID, "%s is not UTF-8", what);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return sk_fail(err, SK_INVALID, "%s has a control character", what);
    return 0;
}

/* ---- rows ---- */

#define COLUMNS "id, user, note, role, created_ms, expires_ms, revoked_ms, used_ms, secret_sha256"

static int read_row(struct sk_stmt *s, struct sk_token_row *out, struct sk_err *err)
{
    struct sk_token *t = &out->token;
    *out = (struct sk_token_row){ 0 };
    (void)snprintf(t->id, sizeof t->id, "%s", sk_stmt_text(s, 0));
    (void)snprintf(t->user, sizeof t->user, "%s", sk_stmt_text(s, 1));
    (void)snprintf(t->note, sizeof t->note, "%s", sk_stmt_text(s, 2));
    if (sk_role_parse(sk_stmt_text(s, 3), &t->role, err) < 0)
        return -1;
    t->created_ms = sk_stmt_int(s, 4);
    t->expires_ms = sk_stmt_int(s, 5);
    t->revoked_ms = sk_stmt_int(s, 6);
    t->used_ms = sk_stmt_int(s, 7);
    (void)snprintf(out->secret_sha256, sizeof out->secret_sha256, "%s", sk_stmt_text(s, 8));
    return 0;
}

int sk_token_read(struct sk_tx *tx, const char *id, struct sk_token_row *out, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT " COLUMNS " FROM token WHERE id = ?1", "s", id) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found == 1 && read_row(s, out, err) < 0)
        return -1;
    return found;
}

/* ---- making ---- */

static int make_token(char id[20], char token[SK_TOKEN_TEXT], char hash[SK_SHA256_HEX],
                      struct sk_err *err)
{
    unsigned char bytes[ID_BYTES + SECRET_BYTES];
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_TOKEN_TEXT);
    if (sk_random(bytes, sizeof bytes, err) < 0)
        return -1;
    for (size_t i = 0; i < ID_BYTES; i++)
        (void)snprintf(id + 2 * i, 3, "%02x", bytes[i]);
    sk_buf_fmt(&text, "%s%s_", prefix, id);
    size_t head = text.len;
    sk_base64_url(&text, bytes + ID_BYTES, SECRET_BYTES);
    explicit_bzero(bytes, sizeof bytes);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    if (sk_sha256_hex(text.data + head, text.len - head, hash, err) < 0)
        return -1;
    memcpy(token, text.data, text.len + 1);
    explicit_bzero(text.data, text.len);
    return 0;
}

static int check_new(const struct sk_who *who, const char *user, enum sk_role role,
                     const char *note, uint64_t life_ms, struct sk_err *err)
{
    if (sk_who_need(who, SK_ROLE_OWNER, err) < 0 ||
        sk_accounts_text("the user's name", user, SK_USER_MAX, err) < 0 ||
        (*note && sk_accounts_text("the note", note, SK_NOTE_MAX, err) < 0))
        return -1;
    if (role < SK_ROLE_READER || role > SK_ROLE_OWNER)
        return sk_fail(err, SK_INVALID, "a token needs a role");
    if (life_ms > LIFE_MAX_MS)
        return sk_fail(err, SK_INVALID, "a token may live for at most 100 years");
    return 0;
}

int sk_token_create(struct sk_accounts *a, const struct sk_who *who, const char *user,
                    enum sk_role role, const char *note, uint64_t life_ms,
                    char secret[SK_TOKEN_TEXT], char id[20], struct sk_err *err)
{
    char new_id[20], token[SK_TOKEN_TEXT], hash[SK_SHA256_HEX], detail[256];
    int64_t now_ms = (int64_t)sk_wall_ms();
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    note = note ? note : "";
    if (check_new(who, user, role, note, life_ms, err) < 0 ||
        make_token(new_id, token, hash, err) < 0)
        return -1;
    (void)snprintf(detail, sizeof detail, "role %s for %s", sk_role_name(role), user);
    if (sk_db_begin(a->db, SK_DB_WRITE, &tx, err) < 0 ||
        sk_tx_run(tx, err,
                  "INSERT INTO token(id, user, note, role, secret_sha256, created_ms, expires_ms) "
                  "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                  "sssssii", new_id, user, note, sk_role_name(role), hash, now_ms,
                  life_ms > 0 ? now_ms + (int64_t)life_ms : 0) < 0 ||
        sk_audit(tx, who, "token.create", new_id, detail, err) < 0 || sk_tx_commit(&tx, err) < 0)
        return -1;
    memcpy(secret, token, sizeof token);
    explicit_bzero(token, sizeof token);
    if (id)
        memcpy(id, new_id, sizeof new_id);
    return 0;
}

/* ---- revoking ---- */

/* Whether an owner could still come in without this token. */
static int has_other_owner(struct sk_tx *tx, const char *id, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err,
                    "SELECT 1 FROM token WHERE role = 'owner' AND revoked_ms = 0 AND id <> ?1 AND "
                    "(expires_ms = 0 OR expires_ms > ?2) LIMIT 1",
                    "si", id, (int64_t)sk_wall_ms()) < 0)
        return -1;
    return sk_stmt_next(s, err);
}

static int may_revoke(struct sk_tx *tx, const struct sk_who *who, const struct sk_token *t,
                      struct sk_err *err)
{
    bool is_own = !who->is_device && who->token_id[0] && strcmp(who->name, t->user) == 0;
    if (!is_own && sk_who_need(who, SK_ROLE_OWNER, err) < 0)
        return -1;
    if (t->revoked_ms > 0)
        return sk_fail(err, SK_EXISTS, "token '%s' was revoked before", t->id);
    if (t->role != SK_ROLE_OWNER)
        return 0;
    int others = has_other_owner(tx, t->id, err);
    if (others == 0)
        return sk_fail(err, SK_DENIED,
                       "token '%s' is the last owner's: without it nobody could make another",
                       t->id);
    return others < 0 ? -1 : 0;
}

int sk_token_revoke(struct sk_accounts *a, const struct sk_who *who, const char *id,
                    struct sk_err *err)
{
    struct sk_token_row row;
    struct sk_err ignored = SK_ERR_INIT;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    /* When it was used last; but a full disk must not keep a token alive. */
    (void)(sk_accounts_flush(a, &ignored) < 0);
    if (sk_db_begin(a->db, SK_DB_SHRINK, &tx, err) < 0)
        return -1;
    int found = sk_token_read(tx, id, &row, err);
    if (found == 0)
        return sk_fail(err, SK_NOT_FOUND, "there is no token '%.40s'", id);
    if (found < 0 || may_revoke(tx, who, &row.token, err) < 0 ||
        sk_tx_run(tx, err, "UPDATE token SET revoked_ms = ?2 WHERE id = ?1", "si", id,
                  (int64_t)sk_wall_ms()) < 0 ||
        sk_audit(tx, who, "token.revoke", id, row.token.user, err) < 0 ||
        sk_tx_commit(&tx, err) < 0)
        return -1;
    SK_LOCK(&a->lock);
    sk_cache_forget(&a->cache, id);
    return 0;
}

/* ---- listing ---- */

/* Another thread may be writing it down just now. */
static void add_last_use(struct sk_accounts *a, struct sk_token *t)
{
    SK_LOCK(&a->lock);
    int64_t used_ms = sk_cache_last_use(&a->cache, t->id);
    if (t->used_ms < used_ms)
        t->used_ms = used_ms;
}

int sk_token_list(struct sk_accounts *a,
                  int (*each)(void *ctx, const struct sk_token *t, struct sk_err *err), void *ctx,
                  struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    if (sk_accounts_flush(a, err) < 0 || sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT " COLUMNS " FROM token ORDER BY created_ms, id", "") < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        struct sk_token_row row;
        if (read_row(s, &row, err) < 0)
            return -1;
        add_last_use(a, &row.token);
        if (each(ctx, &row.token, err) < 0)
            return -1;
    }
    return more;
}

static void add_time(struct sk_buf *out, const char *key, int64_t ms)
{
    char text[SK_TIME_TEXT];
    sk_time_text((uint64_t)ms, text);
    sk_buf_fmt(out, ",\"%s\":", key);
    if (ms > 0)
        sk_buf_json_str(out, text);
    else
        sk_buf_str(out, "null");
}

void sk_token_json(const struct sk_token *t, struct sk_buf *out)
{
    bool is_over = t->expires_ms > 0 && t->expires_ms <= (int64_t)sk_wall_ms();
    sk_buf_fmt(out, "{\"id\":\"%s\",\"user\":", t->id);
    sk_buf_json_str(out, t->user);
    sk_buf_fmt(out, ",\"role\":\"%s\",\"state\":\"%s\",\"note\":", sk_role_name(t->role),
               t->revoked_ms > 0 ? "revoked"
               : is_over         ? "expired"
                                 : "active");
    sk_buf_json_str(out, t->note);
    add_time(out, "created", t->created_ms);
    add_time(out, "expires", t->expires_ms);
    add_time(out, "revoked", t->revoked_ms);
    add_time(out, "used", t->used_ms);
    sk_buf_chr(out, '}');
}
