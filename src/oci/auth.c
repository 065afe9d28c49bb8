/*
 * auth.c - what is sent to be let in.
 *
 *     the caller's token, or the file's registrytoken    Authorization: Bearer, at once
 *     401 with Basic                                     user name and password, from then on
 *     401 with Bearer                                    a token of the realm, one per scope
 *
 * A token is asked for with a GET that carries the login as Basic, or nothing for a public image;
 * with an identity token by POST as OAuth 2 has it. It is kept until shortly before it ends, and a
 * request that is refused with a kept one gets a fresh one, once. What is asked for next is known
 * after the first 401, so later requests bring their token along.
 *
 * The realm may lie on another host: that is where the registry says logins are checked. It must be
 * https unless the registry itself is plain, or the realm is on this machine.
 */
#include "oci/oci_priv.h"

#include "base/clock.h"
#include "crypto/crypto.h"
#include "json/json.h"

enum {
    TOKEN_BYTES = 64 << 10,
    LIFE_S = 60, /* of a token that does not say */
    LIFE_MAX_S = 86400
};

void sk_oci_tokens_clear(struct sk_oci_registry *r)
{
    for (size_t i = 0; i < r->token_count; i++) {
        free(r->tokens[i].scope);
        free(r->tokens[i].text);
    }
    r->token_count = 0;
}

static void forget(struct sk_oci_registry *r, size_t at)
{
    free(r->tokens[at].scope);
    free(r->tokens[at].text);
    r->tokens[at] = r->tokens[--r->token_count];
}

static struct sk_oci_token *find_token(struct sk_oci_registry *r, const char *scope)
{
    for (size_t i = 0; i < r->token_count; i++)
        if (strcmp(r->tokens[i].scope, scope) == 0)
            return &r->tokens[i];
    return NULL;
}

/* Takes text. */
static int keep_token(struct sk_oci_registry *r, const char *scope, char *text, uint64_t life_s,
                      struct sk_err *err)
{
    struct sk_oci_token *old = find_token(r, scope);
    SK_OWN(free) char *owned = text;
    SK_OWN(free) char *key = strdup(scope);

    if (!key)
        return sk_nomem(err);
    if (old)
        forget(r, (size_t)(old - r->tokens));
    if (r->token_count == SK_OCI_TOKENS_MAX)
        forget(r, 0);
    r->tokens[r->token_count++] = (struct sk_oci_token){
        .scope = SK_TAKE(key), .text = SK_TAKE(owned), .until_ms = sk_now_ms() + life_s * 900
    }; /* nine tenths of it */
    return 0;
}

/* ---- the realm ---- */

static int check_realm(const struct sk_oci_registry *r, const char *realm, struct sk_err *err)
{
    bool is_https = sk_starts_with(realm, "https://");
    bool is_plain = sk_starts_with(realm, "http://");

    if (is_https || (is_plain && (sk_starts_with(r->base, "http://") ||
                                  sk_oci_is_loopback(realm + strlen("http://")))))
        return 0;
    return sk_fail(err, SK_DENIED, "%s wants its logins at '%.200s', which is not https", r->host,
                   realm);
}

static int basic_line(const struct sk_oci_login *l, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf pair = SK_BUF_INIT(TOKEN_BYTES);
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(2 * TOKEN_BYTES);

    sk_buf_fmt(&pair, "%s:%s", l->username, l->password ? l->password : "");
    if (!sk_buf_ok(&pair))
        return sk_buf_fail(&pair, err);
    sk_buf_str(&line, "Authorization: Basic ");
    sk_base64(&line, pair.data, pair.len);
    if (!sk_buf_ok(&line))
        return sk_buf_fail(&line, err);
    *out = sk_buf_take(&line);
    return 0;
}

static int bearer_line(const char *token, char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf line = SK_BUF_INIT(2 * TOKEN_BYTES);

    sk_buf_str(&line, "Authorization: Bearer ");
    sk_buf_str(&line, token);
    if (!sk_buf_ok(&line))
        return sk_buf_fail(&line, err);
    *out = sk_buf_take(&line);
    return 0;
}

/* Our scopes, and the one that was named when it is another. */
static void add_scopes(struct sk_buf *url, const struct sk_oci_registry *r,
                       const struct sk_oci_request *q)
{
    const char *named = r->challenge.scope;

    if (q->scope)
        sk_oci_add_query(url, "scope", q->scope);
    if (q->more_scope)
        sk_oci_add_query(url, "scope", q->more_scope);
    if (named[0] && (!q->scope || strcmp(named, q->scope) != 0))
        sk_oci_add_query(url, "scope", named);
}

/* As a GET, with the login or with nothing. */
static int ask_realm(struct sk_oci_registry *r, const struct sk_oci_request *q,
                     struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(16 << 10);
    SK_OWN(free) char *line = NULL;

    sk_buf_str(&url, r->challenge.realm);
    if (r->challenge.service[0])
        sk_oci_add_query(&url, "service", r->challenge.service);
    add_scopes(&url, r, q);
    sk_oci_add_query(&url, "client_id", "skerry");
    if (r->login.username)
        sk_oci_add_query(&url, "account", r->login.username);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    if (r->login.username && basic_line(&r->login, &line, err) < 0)
        return -1;
    const char *headers[] = { line, NULL };
    struct sk_fetch_request request = { .url = url.data, .headers = headers };
    return sk_fetch_do(r->client, &request, a, err);
}

/* As a form, with the identity token. */
static int trade_identity(struct sk_oci_registry *r, const struct sk_oci_request *q,
                          struct sk_fetch_answer *a, struct sk_err *err)
{
    static const char *const headers[] = { "Content-Type: application/x-www-form-urlencoded",
                                           NULL };
    SK_AUTO(sk_buf_done) struct sk_buf form = SK_BUF_INIT(2 * TOKEN_BYTES);

    sk_buf_str(&form, "?"); /* so that the parts get their '&'; not sent */
    sk_oci_add_query(&form, "grant_type", "refresh_token");
    sk_oci_add_query(&form, "client_id", "skerry");
    sk_oci_add_query(&form, "service", r->challenge.service);
    SK_AUTO(sk_buf_done) struct sk_buf scopes = SK_BUF_INIT(8192);
    sk_buf_fmt(&scopes, "%s%s%s%s%s", q->scope ? q->scope : "", q->more_scope ? " " : "",
               q->more_scope ? q->more_scope : "", r->challenge.scope[0] ? " " : "",
               r->challenge.scope);
    if (!sk_buf_ok(&scopes))
        return sk_buf_fail(&scopes, err);
    sk_oci_add_query(&form, "scope", scopes.data);
    sk_oci_add_query(&form, "refresh_token", r->login.identity_token);
    if (!sk_buf_ok(&form))
        return sk_buf_fail(&form, err);
    struct sk_fetch_request request = { .method = "POST",
                                        .url = r->challenge.realm,
                                        .headers = headers,
                                        .body = form.data + 2,
                                        .body_len = form.len - 2 };
    return sk_fetch_do(r->client, &request, a, err);
}

static int read_token(const struct sk_fetch_answer *a, char **text, uint64_t *life_s,
                      struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    const struct sk_json_limits limits = { .max_values = 1000, .max_depth = 8 };
    const char *token = NULL;
    int64_t seconds = LIFE_S;

    if (sk_json_parse(a->body.data ? a->body.data : "", a->body.len, &limits, &doc, err) < 0 ||
        sk_json_want_text(doc, "token", &token, err) < 0 ||
        ((!token || !token[0]) && sk_json_want_text(doc, "access_token", &token, err) < 0) ||
        sk_json_want_int(doc, "expires_in", INT64_MIN, INT64_MAX, &seconds, err) < 0)
        return -1;
    if (!token || token[0] == '\0' || strlen(token) >= TOKEN_BYTES)
        return sk_fail(err, SK_REMOTE, "its answer has no token");
    *life_s = (uint64_t)(seconds < LIFE_S ? LIFE_S : seconds > LIFE_MAX_S ? LIFE_MAX_S : seconds);
    *text = strdup(token);
    return *text ? 0 : sk_nomem(err);
}

static int fetch_token(struct sk_oci_registry *r, const struct sk_oci_request *q, const char *key,
                       struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    char *text = NULL;
    uint64_t life_s = 0;

    if (check_realm(r, r->challenge.realm, err) < 0)
        return -1;
    int rc = r->login.identity_token ? trade_identity(r, q, &a, err) : ask_realm(r, q, &a, err);
    if (rc == 0)
        rc = read_token(&a, &text, &life_s, err);
    if (rc < 0)
        return sk_wrap(err, "%s: a token from its login server", r->host);
    return keep_token(r, key, text, life_s, err);
}

/* ---- requests ---- */

/* What a token is kept under. */
static int key_of(const struct sk_oci_request *q, struct sk_buf *key, struct sk_err *err)
{
    sk_buf_fmt(key, "%s %s", q->scope ? q->scope : "", q->more_scope ? q->more_scope : "");
    return sk_buf_ok(key) ? 0 : sk_buf_fail(key, err);
}

int sk_oci_authorize(struct sk_oci_registry *r, const struct sk_oci_request *q, char **out,
                     struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(1024);

    *out = NULL;
    if (r->fixed_token)
        return bearer_line(r->fixed_token, out, err);
    if (r->challenge.scheme == SK_OCI_BASIC)
        return r->login.username ? basic_line(&r->login, out, err) : 0;
    if (r->challenge.scheme != SK_OCI_BEARER)
        return 0;
    if (key_of(q, &key, err) < 0)
        return -1;
    struct sk_oci_token *t = find_token(r, key.data);
    if (!t || t->until_ms <= sk_now_ms()) {
        if (fetch_token(r, q, key.data, err) < 0)
            return -1;
        t = find_token(r, key.data);
    }
    return t ? bearer_line(t->text, out, err) : sk_fail(err, SK_BUG, "a token was not kept");
}

static int fail_login(const struct sk_oci_registry *r, struct sk_err *err)
{
    bool has_login = r->login.username || r->login.identity_token || r->fixed_token;

    if (has_login)
        return sk_fail(err, SK_UNAUTHENTICATED,
                       "%s does not accept the %s for this: is it right, and may it do this?",
                       r->host, r->fixed_token ? "token" : "login that is stored");
    return sk_fail(
        err, SK_UNAUTHENTICATED,
        "%s wants a login: store one ('docker login', 'skerry login' for a hub), or give "
        "--username and --password-file",
        r->host);
}

int sk_oci_challenged(struct sk_oci_registry *r, const struct sk_oci_request *q,
                      const struct sk_fetch_answer *a, bool is_second, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(1024);
    struct sk_oci_challenge c;
    struct sk_oci_token *t;

    sk_oci_challenge_read(a->headers, &c);
    if (is_second || r->fixed_token || c.scheme == SK_OCI_NO_SCHEME ||
        (c.scheme == SK_OCI_BASIC && !r->login.username))
        return fail_login(r, err);
    r->challenge = c;
    if (key_of(q, &key, err) < 0)
        return -1;
    t = find_token(r, key.data);
    if (t)
        forget(r, (size_t)(t - r->tokens));
    return 0;
}
