/*
 * remote.c - calls to a hub: one request, one JSON document, errors in the hub's own words.
 *
 * A hub says what went wrong in one of four forms, {"error"}, MLflow's {"error_code","message"},
 * OCI's {"errors":[{"message"}]} or IoT Hub's {"Message":"ErrorCode:NAME;..."}; the text becomes
 * ours, and its status gives the code, so that a command can tell "exists already" from "not
 * allowed".
 */
#include "remote/remote_priv.h"

#include "base/str.h"

#include <time.h>

int sk_remote_new(const struct sk_context *c, struct sk_remote **out, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = calloc(1, sizeof *r);

    if (!r)
        return sk_nomem(err);
    r->context = *c;
    r->context.ca_file = c->ca_file ? strdup(c->ca_file) : NULL;
    r->context.token = c->token ? strdup(c->token) : NULL;
    if ((c->ca_file && !r->context.ca_file) || (c->token && !r->context.token))
        return sk_nomem(err);
    struct sk_fetch_options o = { .ca_file = r->context.ca_file,
                                  .stall_ms = SK_REMOTE_STALL_MS,
                                  .retries = SK_REMOTE_RETRIES };
    if (sk_fetch_new(&o, &r->fetch, err) < 0)
        return -1;
    o.stall_ms = SK_REMOTE_ASK_MS;
    if (sk_fetch_new(&o, &r->asking, err) < 0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_remote_free(struct sk_remote *r)
{
    if (!r)
        return;
    sk_fetch_free(r->fetch);
    sk_fetch_free(r->asking);
    sk_context_done(&r->context);
    free(r);
}

const struct sk_context *sk_remote_context(const struct sk_remote *r)
{
    return &r->context;
}

int sk_remote_url(const struct sk_remote *r, const char *path, struct sk_buf *out,
                  struct sk_err *err)
{
    sk_buf_str(out, r->context.url);
    sk_buf_str(out, path);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

/* ---- errors ---- */

/* Behind "ErrorCode:NAME;". */
static const char *words_of_iot(const struct sk_json *doc)
{
    const char *text = sk_json_get_text(doc, "Message", NULL);
    const char *end = text && sk_starts_with(text, "ErrorCode:") ? strchr(text, ';') : NULL;

    return end ? end + 1 : text;
}

static const char *words_of(const struct sk_json *doc)
{
    const struct sk_json *errors = sk_json_get(doc, "errors");
    const char *text = sk_json_get_text(doc, "error", NULL);

    if (!text)
        text = sk_json_get_text(doc, "message", NULL);
    if (!text && sk_json_type(errors) == SK_JSON_ARRAY && sk_json_count(errors) > 0)
        text = sk_json_get_text(sk_json_at(errors, 0), "message", NULL);
    return text ? text : words_of_iot(doc);
}

static enum sk_code code_of(int status, const struct sk_json *doc)
{
    const char *name = sk_json_get_text(doc, "error_code", "");

    if (strcmp(name, "RESOURCE_ALREADY_EXISTS") == 0)
        return SK_EXISTS;
    /* IoT Hub's 401 for who is known, but may not do it. */
    if (sk_starts_with(sk_json_get_text(doc, "Message", ""), "ErrorCode:IotHubUnauthorizedAccess;"))
        return SK_DENIED;
    switch (status) {
    case 400:
    case 422:
        return SK_INVALID;
    case 401:
        return SK_UNAUTHENTICATED;
    case 403:
        return SK_DENIED;
    case 404:
        return SK_NOT_FOUND;
    case 409:
        return SK_EXISTS;
    case 412:
        return SK_MISMATCH;
    case 413:
        return SK_TOO_LARGE;
    case 429:
    case 503:
        return SK_BUSY;
    case 504:
        return SK_TIMEOUT;
    case 507:
        return SK_FULL;
    default:
        return SK_REMOTE;
    }
}

/* A hub that was made anew has another CA than the one that is stored, or --ca-file is not its. */
static int explain_trust(const struct sk_remote *r, struct sk_err *err)
{
    struct sk_err why = *err;

    if (!strstr(why.text, "SSL certificate problem") || !r->context.ca_file)
        return -1;
    return sk_fail(
        err, why.code,
        "%s: its certificate is not from the CA that is trusted for it; 'skerry login %s "
        "--ca-file FILE' trusts another one",
        r->context.host, r->context.host);
}

/* What fetch said of a status becomes what the hub said. */
static int explain(const struct sk_remote *r, const struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err why = SK_ERR_INIT;

    if (a->status < 400)
        return explain_trust(r, err);
    if (a->body.len > 0 && sk_json_parse(a->body.data, a->body.len, NULL, &doc, &why) < 0)
        doc = NULL;
    const char *words = words_of(doc);
    enum sk_code code = code_of(a->status, doc);
    if (code == SK_UNAUTHENTICATED)
        return sk_fail(err, code, "%s: %s; 'skerry login %s' stores another token", r->context.host,
                       words ? words : "the token is not accepted", r->context.host);
    if (words)
        return sk_fail(err, code, "%s: %s", r->context.host, words);
    err->code = code;
    return -1;
}

static int request(struct sk_remote *r, struct sk_fetch *by, struct sk_fetch_request *q,
                   struct sk_fetch_answer *a, struct sk_err *err)
{
    q->bearer = r->context.token;
    q->stay = true;
    if (sk_fetch_do(by, q, a, err) < 0)
        return explain(r, a, err);
    return 0;
}

int sk_remote_do(struct sk_remote *r, struct sk_fetch_request *q, struct sk_fetch_answer *a,
                 struct sk_err *err)
{
    return request(r, r->fetch, q, a, err);
}

int sk_remote_request_by(struct sk_remote *r, struct sk_fetch *by, struct sk_fetch_request *q,
                         struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    return request(r, by, q, &a, err);
}

int sk_remote_ask_it(struct sk_remote *r, struct sk_fetch_request *q, struct sk_fetch_answer *a,
                     struct sk_err *err)
{
    return request(r, r->asking, q, a, err);
}

/* ---- calls ---- */

int sk_remote_call(struct sk_remote *r, const char *method, const char *path, const char *body,
                   struct sk_json **out, struct sk_err *err)
{
    static const char *const headers[] = { "Content-Type: application/json",
                                           "Accept: application/json", NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(64 << 10);

    if (sk_remote_url(r, path, &url, err) < 0)
        return -1;
    struct sk_fetch_request q = { .method = method,
                                  .url = url.data,
                                  .headers = body ? headers : headers + 1,
                                  .body = body,
                                  .body_len = body ? strlen(body) : 0,
                                  .progress = r->go_on,
                                  .ctx = r->go_on_ctx };
    bool is_question = strcmp(method, "GET") == 0;
    if ((is_question ? sk_remote_ask_it : sk_remote_do)(r, &q, &a, err) < 0)
        return -1;
    if (!out)
        return 0;
    const char *text = a.body.len > 0 ? a.body.data : "{}";
    if (sk_json_parse(text, a.body.len > 0 ? a.body.len : 2, NULL, out, err) < 0)
        return sk_wrap(err, "%s: its answer", r->context.host);
    return 0;
}

enum {
    HEADERS_MAX = 40
};

int sk_remote_send(struct sk_remote *r, const struct sk_remote_request *q, struct sk_buf *out,
                   struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(64 << 10);
    SK_AUTO(sk_buf_done) struct sk_buf type = SK_BUF_INIT(4096);
    const char *headers[HEADERS_MAX] = { NULL };
    size_t count = 0;

    sk_buf_fmt(&type, "Content-Type: %s", q->type ? q->type : "application/json");
    if (!sk_buf_ok(&type))
        return sk_buf_fail(&type, err);
    if (sk_remote_url(r, q->path, &url, err) < 0)
        return -1;
    if (q->body)
        headers[count++] = type.data;
    for (const char *const *h = q->headers; h && *h; h++) {
        if (count == HEADERS_MAX - 1)
            return sk_fail(err, SK_LIMIT, "more than %d headers", HEADERS_MAX - 1);
        headers[count++] = *h;
    }
    struct sk_fetch_request f = { .method = q->method,
                                  .url = url.data,
                                  .headers = headers,
                                  .body = q->body,
                                  .body_len = q->body_len,
                                  .stall_ms = q->patience_ms,
                                  .progress = r->go_on,
                                  .ctx = r->go_on_ctx };
    if (sk_remote_do(r, &f, &a, err) < 0)
        return -1;
    if (q->wanted && !sk_fetch_header(&a, q->wanted, q->value, q->value_cap))
        q->value[0] = '\0';
    if (!out || a.body.len == 0)
        return 0;
    sk_buf_add(out, a.body.data, a.body.len);
    return sk_buf_ok(out) ? 0 : sk_buf_fail(out, err);
}

void sk_remote_ask(struct sk_remote *r, bool (*go_on)(void *ctx, uint64_t done, uint64_t total),
                   void *ctx)
{
    r->go_on = go_on;
    r->go_on_ctx = ctx;
}

void sk_remote_tell(struct sk_remote *r,
                    void (*waiting)(void *ctx, const char *host, bool is_waiting), void *ctx)
{
    sk_fetch_tell(r->fetch, waiting, ctx);
    sk_fetch_tell(r->asking, waiting, ctx);
}

int sk_remote_put(struct sk_remote *r, const char *path, const char *file, uint64_t size,
                  struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(64 << 10);

    if (sk_remote_url(r, path, &url, err) < 0)
        return -1;
    struct sk_fetch_request q = { .method = "PUT",
                                  .url = url.data,
                                  .body_path = file,
                                  .body_len = (size_t)size,
                                  .progress = r->go_on,
                                  .ctx = r->go_on_ctx };
    return sk_remote_do(r, &q, &a, err);
}

/* ---- what both transfers need ---- */

int sk_remote_check_digest(const char *digest, struct sk_err *err)
{
    const char *hex = strncmp(digest, "sha256:", 7) == 0 ? digest + 7 : "";

    if (strspn(hex, "0123456789abcdef") != 64 || hex[64] != '\0')
        return sk_fail(err, SK_INVALID, "'%.80s' is no digest: sha256: and 64 hex digits", digest);
    return 0;
}

int sk_remote_has(struct sk_remote *r, const char *digest, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);

    sk_buf_fmt(&url, "%s/api/v1/blobs/%s", r->context.url, digest);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    struct sk_fetch_request q = { .method = "HEAD", .url = url.data };
    struct sk_err why = SK_ERR_INIT;
    if (sk_remote_ask_it(r, &q, &a, &why) == 0)
        return 0;
    if (a.status == 404)
        return 1;
    *err = why;
    return -1;
}

bool sk_remote_may_go_on(const struct sk_fetch_answer *a, const struct sk_err *err)
{
    if (a->status >= 400)
        return a->status == 408 || a->status == 416 || a->status == 429 ||
               (a->status >= 500 && a->status != 507);
    return err->code == SK_IO || err->code == SK_TIMEOUT;
}

bool sk_remote_pause(unsigned tries, sk_remote_progress *progress, void *ctx, const char *what,
                     uint64_t done, uint64_t total)
{
    enum {
        NAP_MS = 100
    };

    for (unsigned ms = 0; ms < (unsigned)SK_REMOTE_PAUSE_MS << tries; ms += NAP_MS) {
        if (progress && !progress(ctx, what, done, total))
            return false;
        (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    }
    return true;
}
