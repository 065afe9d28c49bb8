/*
 * api_core.c - health, who one is, tokens, devices, the audit log.
 *
 *     GET    /healthz                     {"status":"ok"}; open
 *     GET    /api/v1/whoami               {"name","role","token","is_device","hub","version"}
 *     GET    /api/v1/tokens               {"tokens":[...]}
 *     POST   /api/v1/tokens               {"user","role","note","life_ms"} -> 201 with "secret"
 *     DELETE /api/v1/tokens/ID            own tokens, or by an owner
 *     PUT    /api/v1/devices/ID           {"primary_key","thumbprint"} -> {"id","primary_key"}
 *     PUT    /api/v1/devices/ID/pulls     {"repositories":[...]}
 *     GET    /api/v1/audit?before=&max=   {"rows":[...],"next":ID}; next 0: no more
 */
#include "hub/hub_priv.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    AUDIT_ROWS = 100,
    AUDIT_ROWS_MAX = 1000
};

static void health(struct sk_hub_call *call)
{
    sk_buf_str(sk_http_out(call->req), "{\"status\":\"ok\"}");
    sk_hub_reply(call, 200);
}

static void whoami(struct sk_hub_call *call)
{
    struct sk_buf *out = sk_http_out(call->req);
    const struct sk_who *who = &call->who;
    const char *hub = call->hub->config->hostnames[0];
    sk_buf_str(out, "{\"name\":");
    sk_buf_json_str(out, who->name);
    sk_buf_fmt(out, ",\"role\":\"%s\",\"token\":\"%s\",\"is_device\":%s,\"hub\":",
               sk_role_name(who->role), who->token_id, who->is_device ? "true" : "false");
    sk_buf_json_str(out, hub);
    sk_buf_str(out, ",\"version\":\"" SK_VERSION "\"}");
    sk_hub_reply_json(call, out);
}

/* ---- tokens ---- */

static int add_token(void *ctx, const struct sk_token *t, struct sk_err *err)
{
    struct sk_buf *out = ctx;
    if (out->data[out->len - 1] == '}')
        sk_buf_chr(out, ',');
    sk_token_json(t, out);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void get_tokens(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_buf *out = sk_http_out(call->req);
    sk_buf_str(out, "{\"tokens\":[");
    if (!sk_buf_ok(out) || sk_token_list(call->hub->accounts, add_token, out, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_str(out, "]}");
    sk_hub_reply_json(call, out);
}

static int create_token(struct sk_hub_call *call, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    const char *user = NULL, *role_name = NULL, *note = NULL;
    char secret[SK_TOKEN_TEXT], id[20];
    enum sk_role role;
    int64_t life_ms = 0;
    if (sk_hub_body_json(call, &body, err) < 0 || sk_json_want_text(body, "user", &user, err) < 0 ||
        sk_json_want_text(body, "role", &role_name, err) < 0 ||
        sk_json_want_text(body, "note", &note, err) < 0 ||
        sk_json_want_int(body, "life_ms", 0, INT64_MAX, &life_ms, err) < 0)
        return -1;
    if (!user || !role_name)
        return sk_fail(err, SK_INVALID, "'user' and 'role' are needed");
    if (sk_role_parse(role_name, &role, err) < 0 ||
        sk_token_create(call->hub->accounts, &call->who, user, role, note, (uint64_t)life_ms,
                        secret, id, err) < 0)
        return -1;
    struct sk_buf *out = sk_http_out(call->req);
    sk_buf_fmt(out, "{\"id\":\"%s\",\"role\":\"%s\",\"user\":", id, sk_role_name(role));
    sk_buf_json_str(out, user);
    sk_buf_fmt(out, ",\"secret\":\"%s\"}", secret);
    explicit_bzero(secret, sizeof secret);
    sk_http_set_header(call->req, "Cache-Control", "no-store");
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

static void post_token(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    if (create_token(call, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply(call, 201);
}

static void delete_token(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    const char *id = sk_http_decoded(call->req, call->rest, strlen(call->rest));
    if (!id)
        (void)sk_nomem(&err);
    if (!id || sk_token_revoke(call->hub->accounts, &call->who, id, &err) < 0) {
        sk_hub_fail(call, &err);
        return;
    }
    sk_buf_fmt(sk_http_out(call->req), "{\"id\":\"%s\",\"state\":\"revoked\"}", id);
    sk_hub_reply(call, 200);
}

/* ---- devices ---- */

static int put_device(struct sk_hub_call *call, const char *id, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    const char *key = NULL, *thumbprint = NULL;
    char made[64];
    if (sk_hub_body_json(call, &body, err) < 0 ||
        sk_json_want_text(body, "primary_key", &key, err) < 0 ||
        sk_json_want_text(body, "thumbprint", &thumbprint, err) < 0 ||
        sk_device_put(call->hub->accounts, &call->who, id, key, thumbprint, made, err) < 0)
        return -1;
    struct sk_buf *out = sk_http_out(call->req);
    sk_buf_str(out, "{\"id\":");
    sk_buf_json_str(out, id);
    sk_buf_fmt(out, ",\"primary_key\":\"%s\"}", made);
    sk_http_set_header(call->req, "Cache-Control", "no-store");
    return 0;
}

static int put_pulls(struct sk_hub_call *call, const char *id, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *body = NULL;
    const struct sk_json *list = NULL;
    if (sk_hub_body_json(call, &body, err) < 0 ||
        sk_json_want_array(body, "repositories", &list, err) < 0)
        return -1;
    size_t count = sk_json_count(list);
    if (!list || count > SK_DEVICE_PULLS)
        return sk_fail(err, SK_INVALID, "'repositories' must be a list of at most %d names",
                       SK_DEVICE_PULLS);
    SK_OWN(free) const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        return sk_nomem(err);
    for (size_t i = 0; i < count; i++) {
        names[i] = sk_json_text(sk_json_at(list, i), NULL);
        if (!names[i])
            return sk_fail(err, SK_INVALID, "'repositories' must be texts");
    }
    if (sk_device_allow(call->hub->accounts, &call->who, id, names, count, err) < 0)
        return -1;
    sk_buf_str(sk_http_out(call->req), "{}");
    return 0;
}

static void put_devices(struct sk_hub_call *call)
{
    static const char pulls[] = "/pulls";
    struct sk_err err = SK_ERR_INIT;
    bool is_pulls = sk_ends_with(call->rest, pulls);
    size_t len = strlen(call->rest) - (is_pulls ? sizeof pulls - 1 : 0);
    const char *id = sk_http_decoded(call->req, call->rest, len);
    if (!id)
        (void)sk_nomem(&err);
    if (!id || (is_pulls ? put_pulls(call, id, &err) : put_device(call, id, &err)) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply(call, 200);
}

/* ---- audit ---- */

struct rows {
    struct sk_buf *out;
    int64_t last;
    uint64_t count;
};

static int add_row(void *ctx, const struct sk_audit_row *row, struct sk_err *err)
{
    struct rows *r = ctx;
    if (r->count++ > 0)
        sk_buf_chr(r->out, ',');
    sk_audit_json(row, r->out);
    r->last = row->id;
    return sk_buf_ok(r->out) ? 0 : sk_buf_fail(r->out, err);
}

static int write_audit(struct sk_hub_call *call, struct sk_err *err)
{
    const char *before_text = sk_http_query(call->req, "before");
    const char *max_text = sk_http_query(call->req, "max");
    uint64_t before = 0, max = AUDIT_ROWS;
    struct rows rows = { .out = sk_http_out(call->req) };
    if ((before_text && sk_parse_u64("before", before_text, 0, INT64_MAX, &before, err) < 0) ||
        (max_text && sk_parse_u64("max", max_text, 1, AUDIT_ROWS_MAX, &max, err) < 0))
        return -1;
    sk_buf_str(rows.out, "{\"rows\":[");
    if (sk_audit_list(call->hub->accounts, (int64_t)before, (unsigned)max, add_row, &rows, err) < 0)
        return -1;
    sk_buf_fmt(rows.out, "],\"next\":%lld}", rows.count == max ? (long long)rows.last : 0);
    return sk_buf_ok(rows.out) ? 0 : sk_buf_fail(rows.out, err);
}

static void get_audit(struct sk_hub_call *call)
{
    struct sk_err err = SK_ERR_INIT;
    if (write_audit(call, &err) < 0)
        sk_hub_fail(call, &err);
    else
        sk_hub_reply(call, 200);
}

/* clang-format off */
const struct sk_hub_route sk_hub_routes_core[] = {
    { "GET", "/healthz", SK_HUB_OPEN | SK_HUB_INLINE, SK_HUB_PLAIN, SK_ROLE_NONE, health },
    { "GET", "/api/v1/whoami", SK_HUB_DEVICE | SK_HUB_INLINE, SK_HUB_PLAIN, SK_ROLE_NONE, whoami },
    { "GET", "/api/v1/tokens", 0, SK_HUB_PLAIN, SK_ROLE_OWNER, get_tokens },
    { "POST", "/api/v1/tokens", 0, SK_HUB_PLAIN, SK_ROLE_OWNER, post_token },
    { "DELETE", "/api/v1/tokens/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_NONE, delete_token },
    { "PUT", "/api/v1/devices/", SK_HUB_PREFIX, SK_HUB_PLAIN, SK_ROLE_DEPLOYER, put_devices },
    { "GET", "/api/v1/audit", 0, SK_HUB_PLAIN, SK_ROLE_OWNER, get_audit },
    { .method = NULL },
};
/* clang-format on */
