/*
 * check.c - whether a token is right.
 *
 * A module's key is the agent's: it is asked to sign the same text, and the two signatures are
 * compared without telling where they differ. A leaf's keys are here.
 *
 * Time: the clock of an edge device may be wrong by decades, and jump when it is set. A token that
 * was signed over a workload socket is remembered with its life (how long its end was ahead when it
 * was made) and ends by the monotonic clock, whatever the wall clock does meanwhile. One that
 * nobody remembers (the local hub started anew, or it is a leaf's) ends by the wall clock, 5
 * minutes later than it says; when nobody sets this clock (adjtimex says so), its end proves
 * nothing, and a right signature is enough.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"

#include <string.h>
#include <strings.h>

enum {
    LOOSE_MS = 3600 * 1000 /* how long a connection lives whose token's end is not known */
};

static void finish(struct sk_lh_check *c, enum sk_code code, const char *why)
{
    struct sk_err err = SK_ERR_INIT;
    if (code != SK_OK)
        (void)sk_fail(&err, code, "%s", why);
    c->done(c, code == SK_OK ? NULL : &err);
}

/* Its signature is right: is it still valid, and whose is it? */
static void finish_right(struct sk_lh_check *c)
{
    const uint64_t now = sk_now_ms();
    const int64_t now_s = (int64_t)(sk_wall_ms() / 1000);
    uint64_t until = 0;
    {
        SK_LOCK(&c->hub->lock);
        const struct sk_lh_instance *i = sk_lh_instance_of(c->ident, c->signature, &until);
        (void)snprintf(c->instance, sizeof c->instance, "%s", i ? i->name : "");
        if (!i)
            until = UINT64_MAX;
    }
    if (until == UINT64_MAX) {
        finish(c, SK_DENIED, "no instance of it is known");
        return;
    }
    if (until != 0 && until + SK_LH_SKEW_S * 1000ull < now) {
        finish(c, SK_UNAUTHENTICATED, "the token has expired");
        return;
    }
    if (until == 0 && c->expires_s + SK_LH_SKEW_S < now_s && !sk_lh_clock_is_loose()) {
        finish(c, SK_UNAUTHENTICATED, "the token has expired");
        return;
    }
    if (until > now)
        c->until_ms = until;
    else if (until == 0 && c->expires_s > now_s)
        c->until_ms = now + (uint64_t)(c->expires_s - now_s) * 1000;
    else
        c->until_ms = now + (until != 0 ? SK_LH_SKEW_S * 1000 : LOOSE_MS);
    finish(c, SK_OK, NULL);
}

static void compare(struct sk_lh_check *c, const void *mac, size_t len)
{
    if (!sk_equal_secret(mac, len, (const char *)c->signature, sizeof c->signature))
        finish(c, SK_UNAUTHENTICATED, "the token's signature is wrong");
    else
        finish_right(c);
}

static void on_signed(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    struct sk_lh_check *c = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf mac = SK_BUF_INIT(256);
    const char *digest = sk_json_get_text(answer, "digest", "");
    if (failed) {
        finish(c, failed->code == SK_NOT_FOUND || failed->code == SK_DENIED ? SK_DENIED : SK_BUSY,
               failed->text);
        return;
    }
    if (sk_base64_decode(digest, strlen(digest), &mac, &err) < 0 || mac.len != SK_SHA256_BYTES) {
        finish(c, SK_BUSY, "the agent gave no signature");
        return;
    }
    compare(c, mac.data, mac.len);
    explicit_bzero(mac.data, mac.len);
}

static void check_module(struct sk_lh_check *c, const struct sk_lh_sas *sas)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LH_TOKEN_MAX);
    SK_AUTO(sk_buf_done) struct sk_buf ask = SK_BUF_INIT(4 * SK_LH_TOKEN_MAX);
    sk_lh_sas_signed(sas, &text);
    sk_buf_str(&ask, "{\"type\":\"sign\",\"module\":");
    sk_buf_json_str(&ask, c->ident->module);
    sk_buf_str(&ask, ",\"data\":\"");
    if (sk_buf_ok(&text))
        sk_base64(&ask, text.data, text.len);
    sk_buf_str(&ask, "\"}");
    if (!sk_buf_ok(&text) || !sk_buf_ok(&ask)) {
        finish(c, SK_BUSY, "out of memory");
        return;
    }
    if (sk_lh_ask(c->hub, (struct sk_view){ ask.data, ask.len }, 0, on_signed, c, &err) < 0)
        finish(c, SK_BUSY, err.text);
}

static bool is_signed_by(const struct sk_lh_sas *sas, const char *key)
{
    unsigned char mac[SK_SHA256_BYTES];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf bytes = SK_BUF_INIT(256);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LH_TOKEN_MAX);
    sk_lh_sas_signed(sas, &text);
    if (!key || !sk_buf_ok(&text) || sk_base64_decode(key, strlen(key), &bytes, &err) < 0 ||
        bytes.len == 0 || sk_hmac_sha256(bytes.data, bytes.len, text.data, text.len, mac, &err) < 0)
        return false;
    return sk_equal_secret((const char *)mac, sizeof mac, (const char *)sas->signature,
                           sizeof sas->signature);
}

static void check_leaf(struct sk_lh_check *c, const struct sk_lh_sas *sas)
{
    bool is_right = false;
    {
        SK_LOCK(&c->hub->lock);
        is_right = is_signed_by(sas, c->ident->keys[0]) || is_signed_by(sas, c->ident->keys[1]);
    }
    if (is_right)
        finish_right(c);
    else
        finish(c, SK_UNAUTHENTICATED, "the token's signature is wrong");
}

/* The hub's name or the gateway's; a port behind it does not matter. */
static bool is_our_host(const struct sk_lh_config *c, const char *host)
{
    const size_t len = strcspn(host, ":");
    const struct sk_view v = { host, len };
    return sk_view_eq_nocase(v, c->hub_name) || sk_view_eq_nocase(v, c->gateway) ||
           strcasecmp(host, c->hub_name) == 0 || strcasecmp(host, c->gateway) == 0;
}

/* NULL: it may log in; *ident is set then. */
static const char *find_ident(struct sk_lh *h, const char *host, const char *device,
                              const char *module, struct sk_lh_ident **ident, enum sk_code *code)
{
    SK_LOCK(&h->lock);
    *code = SK_BUSY;
    if (!h->config.is_known)
        return "the agent has not said yet who we are";
    *code = SK_DENIED;
    if (!is_our_host(&h->config, host))
        return "the host is neither the hub nor this gateway";
    struct sk_lh_ident *id = sk_lh_ident_find(h, device, module);
    if (!id || !id->is_listed || id->kind == SK_LH_AGENT || id->kind == SK_LH_HUB)
        return "no such module or device is known here";
    *ident = id;
    return NULL;
}

void sk_lh_check_token(struct sk_lh *h, const char *host, const char *device, const char *module,
                       struct sk_view token, struct sk_lh_check *check)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_lh_sas sas;
    enum sk_code code = SK_OK;
    check->hub = h;
    const char *why = find_ident(h, host, device, module, &check->ident, &code);
    if (why) {
        finish(check, code, why);
        return;
    }
    if (sk_lh_sas_parse(token, &sas, &err) < 0) {
        finish(check, SK_UNAUTHENTICATED, err.text);
        return;
    }
    why = find_ident(h, sas.host, device, module, &check->ident, &code);
    if (why || strcasecmp(sas.device, device) != 0 || strcasecmp(sas.module, module) != 0) {
        finish(check, SK_DENIED, why ? why : "the token is another identity's");
        return;
    }
    memcpy(check->signature, sas.signature, sizeof sas.signature);
    check->expires_s = sas.expires_s;
    if (check->ident->kind == SK_LH_LEAF)
        check_leaf(check, &sas);
    else
        check_module(check, &sas);
}
