/* status.c - how far a device is, and how far the evaluation is. */
#include "deploy/deploy_priv.h"

#include <string.h>

/* Of the configurations that are applied; without any, of what was set by hand. */
static int add_warnings(struct sk_tx *tx, const char *device, const char *marks, struct sk_buf *out,
                        struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    const char *before = "";
    int more;
    if (sk_tx_query(tx, &s, err,
                    "SELECT c.warnings FROM json_each(?1) m JOIN configuration c ON c.id = m.key "
                    "WHERE json_extract(m.value, '$.status') = 'Applied' "
                    "UNION ALL SELECT warnings FROM deploy_warning WHERE device = ?2",
                    "ss", marks, device) < 0)
        return -1;
    sk_buf_chr(out, '[');
    while ((more = sk_stmt_next(s, err)) == 1) {
        const struct sk_view list = sk_stmt_view(s, 0);
        if (list.len <= 2)
            continue;
        sk_buf_str(out, before);
        before = ",";
        sk_buf_add(out, list.ptr + 1, list.len - 2);
    }
    sk_buf_chr(out, ']');
    return more;
}

static int add_reported(const char *text, struct sk_buf *out, struct sk_err *err)
{
    static const char *const names[] = { "code", "description" };
    SK_OWN(sk_json_free) struct sk_json *reported = NULL;
    if (sk_json_parse(text, strlen(text), NULL, &reported, err) < 0)
        return -1;
    const struct sk_json *status = sk_json_get(reported, "lastDesiredStatus");
    sk_buf_str(out, ",\"reported\":{\"lastDesiredVersion\":");
    const struct sk_json *version = sk_json_get(reported, "lastDesiredVersion");
    if (version)
        sk_json_dump(version, out);
    else
        sk_buf_str(out, "null");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const struct sk_json *value = sk_json_get(status, names[i]);
        sk_buf_fmt(out, ",\"%s\":", names[i]);
        if (value)
            sk_json_dump(value, out);
        else
            sk_buf_str(out, "null");
    }
    sk_buf_str(out, "}}");
    return 0;
}

int sk_deploy_status(struct sk_deploy *d, const char *device, struct sk_buf *out,
                     struct sk_err *err)
{
    SK_AUTO(sk_twin_done) struct sk_twin t = { .tags = NULL };
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    struct sk_identity i;
    if (sk_identity_get(d->devices, device, "", &i, err) < 0 ||
        sk_twin_get(d->devices, device, i.is_edge ? "$edgeAgent" : "", &t, err) < 0 ||
        sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    sk_buf_str(out, "{\"device\":");
    sk_buf_json_str(out, device);
    sk_buf_fmt(out, ",\"configurations\":%s,\"warnings\":", t.configurations);
    if (add_warnings(tx, device, t.configurations, out, err) < 0)
        return -1;
    sk_buf_fmt(out, ",\"desiredVersion\":%lld", (long long)t.desired_version);
    if (add_reported(t.reported, out, err) < 0)
        return -1;
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* Row ids grow, so what is above `done` is what is left. */
static int read_work(struct sk_deploy *d, bool counts, int64_t *generation, int64_t *left,
                     struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT generation, CASE WHEN done = ?1 THEN 0 WHEN ?2 = 0 THEN 1 ELSE "
                    "max(1, (SELECT count(*) FROM identity i WHERE i.module = '' AND "
                    "i.id > w.done)) END FROM deploy_work w WHERE w.id = 1",
                    "ii", SK_DEPLOY_DONE, (int64_t)counts) < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    *generation = sk_stmt_int(s, 0);
    *left = sk_stmt_int(s, 1);
    return 0;
}

/* A pass that runs knows its number; before that all devices are counted. */
int sk_deploy_pending(struct sk_deploy *d, struct sk_buf *out, struct sk_err *err)
{
    int64_t generation, left, known;
    bool is_counted, is_wanted;
    {
        SK_LOCK(&d->mutex);
        is_counted = d->is_counted;
        is_wanted = d->wants_work || d->wants_all;
        known = (int64_t)(d->in_hand + d->marked.count + d->agents.count);
    }
    if (read_work(d, !is_counted, &generation, &left, err) < 0)
        return -1;
    /* Each at least 1 when there is something at all. */
    int64_t pending = is_counted || left == 0 ? known : left;
    if (pending == 0)
        pending = left > 0 || is_wanted;
    sk_buf_fmt(out, "{\"pending\":%lld,\"generation\":%lld}", (long long)pending,
               (long long)generation);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}
