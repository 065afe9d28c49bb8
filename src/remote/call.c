/*
 * call.c - one call of a hub: JSON in, JSON out, errors in the hub's own words.
 */
#include "base/str.h"
#include "crypto/crypto.h"
#include "remote/remote_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    PEEK_MS = 10000,
    RETRIES = 3,
    PAUSE_MS = 500,
    PAUSE_MAX_MS = 4000
};

static int copy_text(const char *text, char **out, struct sk_err *err)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? sk_nomem(err) : 0;
}

int sk_remote_new(const struct sk_context *c, struct sk_remote **out, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = calloc(1, sizeof(*r));
    const struct sk_fetch_options opts = { .ca_file = c->ca_file, .retries = RETRIES };

    if (!r)
        return sk_nomem(err);
    r->context = *c;
    r->context.ca_file = r->context.token = NULL;
    if (copy_text(c->ca_file, &r->context.ca_file, err) < 0 ||
        copy_text(c->token, &r->context.token, err) < 0 || sk_fetch_new(&opts, &r->fetch, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_remote_free(struct sk_remote *r)
{
    if (!r)
        return;
    sk_fetch_free(r->fetch);
    sk_context_done(&r->context);
    free(r);
}

const struct sk_context *sk_remote_context(const struct sk_remote *r)
{
    return &r->context;
}

void sk_url_escape(struct sk_buf *b, const char *text)
{
    static const char HEX[] = "0123456789ABCDEF";

    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        bool is_plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
                        (*p >= '0' && *p <= '9') || strchr("-._~", *p);

        if (is_plain) {
            sk_buf_chr(b, (char)*p);
            continue;
        }
        sk_buf_chr(b, '%');
        sk_buf_chr(b, HEX[*p >> 4]);
        sk_buf_chr(b, HEX[*p & 15]);
    }
}

/* ---- errors ---- */

static enum sk_code code_of(int status, enum sk_code otherwise)
{
    static const struct {
        int status;
        enum sk_code code;
    } rows[] = {
        { 400, SK_INVALID }, { 401, SK_UNAUTHENTICATED }, { 403, SK_DENIED }, { 404, SK_NOT_FOUND },
        { 409, SK_EXISTS },  { 413, SK_TOO_LARGE },       { 429, SK_BUSY },   { 503, SK_BUSY },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].status == status)
            return rows[i].code;
    }
    return otherwise;
}

/* {"error"}, MLflow's {"message"}, OCI's {"errors": [{"message"}]}. */
static const char *words_of(const struct sk_json *doc)
{
    const struct sk_json *first = sk_json_at(sk_json_get(doc, "errors"), 0);
    const char *text = sk_json_text(sk_json_get(doc, "error"), NULL);

    if (!text)
        text = sk_json_text(sk_json_get(doc, "message"), NULL);
    return text ? text : sk_json_text(sk_json_get(first, "message"), NULL);
}

static bool is_named(const struct sk_json *doc, const char *code)
{
    return strcmp(sk_json_text(sk_json_get(doc, "error_code"), ""), code) == 0;
}

/* Puts the hub's words in the place of the transfer's. */
static int explain(const struct sk_remote *r, const struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    enum sk_code code = code_of(a->status, err->code);
    const char *words = NULL;

    if (a->status < 400)
        return -1;
    if (a->body.len > 0 && sk_json_parse(a->body.data, a->body.len, NULL, &doc, &ignored) == 0)
        words = words_of(doc);
    if (is_named(doc, "RESOURCE_ALREADY_EXISTS"))
        code = SK_EXISTS;
    if (code == SK_UNAUTHENTICATED)
        return sk_fail(err, code, "%s: %s; 'skerry login %s' stores another token", r->context.host,
                       words ? words : "the token is not accepted", r->context.host);
    if (words)
        return sk_fail(err, code, "%s: %s", r->context.host, words);
    err->code = code;
    return -1;
}

bool sk_remote_is_cut(const struct sk_err *err)
{
    return err->code == SK_IO || err->code == SK_TIMEOUT || err->code == SK_BUSY;
}

void sk_remote_pause(unsigned tries)
{
    unsigned ms = PAUSE_MS << (tries < 4 ? tries : 4);
    struct timespec t;

    ms = ms < PAUSE_MAX_MS ? ms : PAUSE_MAX_MS;
    t = (struct timespec){ .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* ---- calls ---- */

int sk_remote_do(struct sk_remote *r, const char *path, struct sk_fetch_request *q,
                 struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(1 << 18);

    sk_buf_fmt(&url, "%s%s", r->context.url, path);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    q->url = url.data;
    q->bearer = r->context.token;
    q->stay = true;
    return sk_fetch_do(r->fetch, q, a, err) < 0 ? explain(r, a, err) : 0;
}

int sk_remote_call(struct sk_remote *r, const char *method, const char *path, const char *body,
                   struct sk_json **out, struct sk_err *err)
{
    static const char *const headers[] = { "Content-Type: application/json", NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_fetch_request q = { .method = method,
                                  .headers = body ? headers : NULL,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0 };

    if (sk_remote_do(r, path, &q, &a, err) < 0)
        return -1;
    if (!out)
        return 0;
    if (sk_json_parse(a.body.data ? a.body.data : "", a.body.len, NULL, out, err) < 0)
        return sk_wrap(err, "%s%s: its answer", r->context.host, path);
    return 0;
}

/* ---- the CA ---- */

int sk_remote_peek_ca(const char *url, struct sk_buf *pem, char sha256[65], struct sk_err *err)
{
    static const char BEGIN[] = "-----BEGIN CERTIFICATE-----";
    SK_AUTO(sk_buf_done) struct sk_buf chain = SK_BUF_INIT(1 << 20);
    struct sk_context c = { .name = "" };
    struct sk_cert_info info;
    char host[300];
    uint64_t port = 0;
    const char *last = NULL;

    if (sk_context_set_url(&c, url, err) < 0)
        return -1;
    (void)snprintf(host, sizeof(host), "%s", c.host);

    char *colon = strrchr(host, ':');
    size_t start = host[0] == '[' ? 1 : 0;

    *colon = '\0';
    if (sk_parse_u64("port", colon + 1, 1, 65535, &port, err) < 0)
        return -1;
    if (start)
        host[strcspn(host, "]")] = '\0';
    if (sk_tls_peek(host + start, (uint16_t)port, PEEK_MS, &chain, err) < 0)
        return -1;
    for (const char *p = chain.data; p && (p = strstr(p, BEGIN)); p++)
        last = p;
    if (!last)
        return sk_fail(err, SK_INVALID, "%s shows no certificate", c.host);
    if (sk_cert_info(last, strlen(last), &info, err) < 0)
        return -1;
    sk_buf_str(pem, last);
    (void)snprintf(sha256, 65, "%s", info.sha256);
    return sk_buf_ok(pem) ? 0 : sk_buf_fail(pem, err);
}
