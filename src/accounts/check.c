/*
 * check.c - who a request comes from.
 *
 * What a request shows is looked at in this order, and the first thing that is there decides:
 * Authorization, X-API-Key, the client's certificate. Every refusal has the same text, and an
 * unknown token or device costs the same comparisons as a known one. Who shows the right thing but
 * is disabled is told so; that is no failure.
 */
#include "accounts/accounts_priv.h"

#include "base/clock.h"
#include "base/str.h"

#include <string.h>
#include <strings.h>

enum {
    BASIC_BYTES = 8192
};

int sk_accounts_refuse(struct sk_err *err)
{
    return sk_fail(err, SK_UNAUTHENTICATED,
                   "the credentials are unknown, expired or revoked: ask an owner of the hub for a "
                   "token, or for the key of the device");
}

static int too_many(unsigned wait_s, struct sk_err *err)
{
    return sk_fail(err, SK_BUSY, "too many failed logins from this address: try again in %u s",
                   wait_s);
}

int sk_accounts_may_try(struct sk_accounts *a, const char *peer, struct sk_err *err)
{
    SK_LOCK(&a->lock);
    unsigned wait_s = sk_limiter_wait(&a->limiter, peer, sk_now_ms());
    return wait_s > 0 ? too_many(wait_s, err) : 0;
}

int sk_accounts_failed(struct sk_accounts *a, const char *peer, struct sk_err *err)
{
    SK_LOCK(&a->lock);
    unsigned wait_s = sk_limiter_fail(&a->limiter, peer, sk_now_ms());
    return wait_s > 0 ? too_many(wait_s, err) : sk_accounts_refuse(err);
}

/* ---- tokens ---- */

/* 1: known, 0: unknown, -1. */
static int find_token(struct sk_accounts *a, const char *id, struct sk_token_row *out,
                      struct sk_err *err)
{
    {
        SK_LOCK(&a->lock);
        const struct sk_token_entry *e = sk_cache_find(&a->cache, id, sk_now_ms());
        if (e) {
            *out = e->row;
            return 1;
        }
    }
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    uint64_t now_ms = sk_now_ms();
    if (sk_db_begin(a->db, SK_DB_READ, &tx, err) < 0)
        return -1;
    int found = sk_token_read(tx, id, out, err);
    if (found == 1) {
        SK_LOCK(&a->lock);
        sk_cache_put(&a->cache, out, now_ms);
    }
    return found;
}

static int check_token(struct sk_accounts *a, struct sk_view text, struct sk_who *out,
                       struct sk_err *err)
{
    static const char
        nothing[SK_SHA256_HEX] = "0000000000000000000000000000000000000000000000000000000000000000";
    struct sk_token_row row;
    struct sk_view secret;
    char id[20], hash[SK_SHA256_HEX];
    if (!sk_token_split(text.ptr, text.len, id, &secret))
        return sk_accounts_refuse(err);
    int found = find_token(a, id, &row, err);
    if (found < 0 || sk_sha256_hex(secret.ptr, secret.len, hash, err) < 0)
        return -1;
    bool is_right = sk_equal_secret(hash, SK_SHA256_HEX - 1, found ? row.secret_sha256 : nothing,
                                    SK_SHA256_HEX - 1);
    int64_t now_ms = (int64_t)sk_wall_ms();
    if (!found || !is_right || row.token.revoked_ms > 0 ||
        (row.token.expires_ms > 0 && row.token.expires_ms <= now_ms))
        return sk_accounts_refuse(err);
    (void)snprintf(out->name, sizeof out->name, "%s", row.token.user);
    (void)snprintf(out->token_id, sizeof out->token_id, "%s", row.token.id);
    out->role = row.token.role;
    out->rights = sk_role_rights(out->role);
    out->is_first_use = row.token.used_ms == 0;
    SK_LOCK(&a->lock);
    sk_cache_used(&a->cache, id, now_ms);
    return 0;
}

/* ---- devices, modules, policies ---- */

static void set_login(struct sk_who *out, const struct sk_login *l)
{
    out->role = SK_ROLE_NONE;
    out->is_device = l->identity.device[0] != '\0';
    out->is_policy = !out->is_device;
    if (out->is_device) {
        memcpy(out->module, l->identity.module, sizeof out->module);
        (void)snprintf(out->name, sizeof out->name, "%s", l->identity.device);
    } else {
        out->rights = l->rights;
        (void)snprintf(out->name, sizeof out->name, "%s", l->policy);
    }
}

/* user: of Basic, "DEVICE" or "DEVICE/MODULE", is cut in two; NULL: whom the token names. */
static int check_sas(struct sk_accounts *a, const struct sk_credentials *c, const char *text,
                     char *user, struct sk_who *out, struct sk_err *err)
{
    struct sk_login l;
    char *slash = user ? strchr(user, '/') : NULL;
    if (slash)
        *slash++ = '\0';
    if (sk_accounts_may_try(a, c->peer, err) < 0)
        return -1;
    if (user && !*user)
        return sk_accounts_refuse(err);
    if (sk_login_by_sas(a, text, user, slash ? slash : "", c->hub_names, &l, err) < 0)
        return -1;
    set_login(out, &l);
    return 0;
}

static int check_cert(struct sk_accounts *a, const struct sk_credentials *c, struct sk_who *out,
                      struct sk_err *err)
{
    struct sk_login l;
    if (sk_login_by_cert(a, c->client_cert, c->client_cert_len, NULL, NULL, &l, err) < 0)
        return -1;
    set_login(out, &l);
    return 0;
}

/* ---- what was shown ---- */

static struct sk_view after_scheme(const char *header, const char *scheme)
{
    size_t len = strlen(scheme);
    if (strncasecmp(header, scheme, len) != 0 || header[len] != ' ')
        return (struct sk_view){ NULL, 0 };
    return sk_view_trim(sk_view_of(header + len));
}

static int check_basic(struct sk_accounts *a, const struct sk_credentials *c, struct sk_view text,
                       struct sk_who *out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf plain = SK_BUF_INIT(BASIC_BYTES);
    if (sk_base64_decode(text.ptr, text.len, &plain, err) < 0)
        return err->code == SK_NOMEM ? -1 : sk_accounts_refuse(err);
    if (!plain.data || memchr(plain.data, '\0', plain.len))
        return sk_accounts_refuse(err);
    char *colon = strchr(plain.data, ':');
    if (!colon)
        return sk_accounts_refuse(err);
    *colon = '\0';
    int rc = sk_iot_sas_is(sk_view_of(colon + 1)) ? check_sas(a, c, colon + 1, plain.data, out, err)
                                                  : check_token(a, sk_view_of(colon + 1), out, err);
    explicit_bzero(plain.data, plain.len);
    return rc;
}

static int check_authorization(struct sk_accounts *a, const struct sk_credentials *c,
                               struct sk_who *out, struct sk_err *err)
{
    struct sk_view bearer = after_scheme(c->authorization, "Bearer");
    struct sk_view basic = after_scheme(c->authorization, "Basic");
    if (bearer.ptr)
        return check_token(a, bearer, out, err);
    if (basic.ptr)
        return check_basic(a, c, basic, out, err);
    if (sk_iot_sas_is(sk_view_of(c->authorization)))
        return check_sas(a, c, c->authorization, NULL, out, err);
    return sk_accounts_refuse(err);
}

int sk_accounts_check(struct sk_accounts *a, const struct sk_credentials *c, struct sk_who *out,
                      struct sk_err *err)
{
    struct sk_who who = { 0 };
    struct sk_err why = SK_ERR_INIT;
    int rc;
    (void)snprintf(who.peer, sizeof who.peer, "%s", c->peer);
    if (c->authorization)
        rc = check_authorization(a, c, &who, &why);
    else if (c->api_key)
        rc = check_token(a, sk_view_of(c->api_key), &who, &why);
    else if (c->client_cert_len > 0)
        rc = check_cert(a, c, &who, &why);
    else
        return sk_fail(err, SK_UNAUTHENTICATED,
                       "credentials are needed: Authorization: Bearer TOKEN, or Basic with the "
                       "token as password");
    if (rc < 0 && why.code == SK_UNAUTHENTICATED)
        return sk_accounts_failed(a, c->peer, err);
    if (rc < 0) {
        *err = why;
        return -1;
    }
    *out = who;
    return 0;
}
