/* audit.c - the log of changes: a row in the transaction of each change. */
#include "accounts/accounts_priv.h"

#include "base/clock.h"
#include "base/str.h"

/* As much of a text as fits, ending at a character. */
static struct sk_view cut(const char *text)
{
    struct sk_view v = sk_view_of(text);
    if (v.len <= SK_AUDIT_TEXT_MAX)
        return v;
    v.len = SK_AUDIT_TEXT_MAX;
    while (v.len > 0 && ((unsigned char)v.ptr[v.len] & 0xc0) == 0x80)
        v.len--;
    return v;
}

/* A module is "DEVICE/MODULE"; a policy says that it is one, as users may have any name. */
static void name_of(const struct sk_who *who, char *out, size_t cap)
{
    (void)snprintf(out, cap, "%s%s%s%s", who->is_policy ? "policy " : "", who->name,
                   who->module[0] ? "/" : "", who->module);
}

int sk_audit(struct sk_tx *tx, const struct sk_who *who, const char *action, const char *object,
             const char *detail, struct sk_err *err)
{
    struct sk_view o = cut(object), d = cut(detail ? detail : "");
    char name[sizeof who->name + sizeof who->module + 8] = "hub";
    if (who)
        name_of(who, name, sizeof name);
    return sk_tx_run(tx, err,
                     "INSERT INTO audit(at_ms, who, token, peer, action, object, detail) "
                     "VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                     "issssvv", (int64_t)sk_wall_ms(), name, who ? who->token_id : "",
                     who ? who->peer : "", action, o, d);
}

int sk_audit_list(struct sk_accounts *a, int64_t before_id, unsigned max,
                  int (*each)(void *ctx, const struct sk_audit_row *row, struct sk_err *err),
                  void *ctx, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int more;
    if (sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT id, at_ms, who, token, peer, action, object, detail FROM audit "
                    "WHERE id < ?1 ORDER BY id DESC LIMIT ?2",
                    "ii", before_id > 0 ? before_id : INT64_MAX, (int64_t)max) < 0)
        return -1;
    while ((more = sk_stmt_next(s, err)) == 1) {
        const struct sk_audit_row row = {
            .id = sk_stmt_int(s, 0),
            .at_ms = sk_stmt_int(s, 1),
            .who = sk_stmt_text(s, 2),
            .token = sk_stmt_text(s, 3),
            .peer = sk_stmt_text(s, 4),
            .action = sk_stmt_text(s, 5),
            .object = sk_stmt_text(s, 6),
            .detail = sk_stmt_text(s, 7),
        };
        if (each(ctx, &row, err) < 0)
            return -1;
    }
    return more;
}

static void add_text(struct sk_buf *out, const char *key, const char *value)
{
    sk_buf_fmt(out, ",\"%s\":", key);
    sk_buf_json_str(out, value);
}

void sk_audit_json(const struct sk_audit_row *row, struct sk_buf *out)
{
    char at[SK_TIME_TEXT];
    sk_time_text((uint64_t)row->at_ms, at);
    sk_buf_fmt(out, "{\"id\":%lld,\"at\":\"%s\"", (long long)row->id, at);
    add_text(out, "who", row->who);
    add_text(out, "token", row->token);
    add_text(out, "peer", row->peer);
    add_text(out, "action", row->action);
    add_text(out, "object", row->object);
    add_text(out, "detail", row->detail);
    sk_buf_chr(out, '}');
}
