/*
 * registry.c - one registry: where it is, and one request to it.
 *
 * Redirects within the registry are followed by fetch. One that leads elsewhere (blobs often lie in
 * some storage) is followed here, with nothing of ours in it: no Authorization, and a 401 from
 * there is an error, never a challenge. Errors of a registry are JSON with a code and words, which
 * go into ours.
 */
#include "oci/oci_priv.h"

#include "base/clock.h"
#include "json/json.h"

#include <time.h>

enum {
    LOCATION_BYTES = 16 << 10,
    NAP_MS = 100,
    LOCAL_MS = 3000 /* to connect to this machine: what is silent then speaks no TLS */
};

#define DOCKER_API_HOST "registry-1.docker.io"

/* ---- the object ---- */

static int copy_text(const char *text, char **out, struct sk_err *err)
{
    *out = text ? strdup(text) : NULL;
    return text && !*out ? sk_nomem(err) : 0;
}

static int set_base(struct sk_oci_registry *r, const char *scheme, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf base = SK_BUF_INIT(512);

    sk_buf_fmt(&base, "%s://%s", scheme,
               strcmp(r->host, "docker.io") == 0 ? DOCKER_API_HOST : r->host);
    if (!sk_buf_ok(&base))
        return sk_buf_fail(&base, err);
    free(r->base);
    r->base = sk_buf_take(&base);
    return 0;
}

/* Does something answer at /v2/ ? The status, 0: nothing does. */
static int probe(struct sk_oci_registry *r, struct sk_err *err)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(512);

    sk_buf_fmt(&url, "%s/v2/", r->base);
    if (!sk_buf_ok(&url)) {
        (void)sk_buf_fail(&url, err);
        return 0;
    }
    struct sk_fetch_request q = { .url = url.data, .stay = true };
    if (sk_fetch_do(r->once, &q, &a, err) == 0)
        *err = (struct sk_err)SK_ERR_INIT;
    return a.status;
}

/* On this machine a registry without TLS is found by asking: https first, and http only when there
 * is no https, and a registry answers. A certificate that does not fit stays an error. A caller
 * with a token knows what it is for: nobody else who listens there is to get it. */
static int find_scheme(struct sk_oci_registry *r, bool has_token, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT, other = SK_ERR_INIT;

    if (set_base(r, "https", err) < 0)
        return -1;
    if (has_token || !sk_oci_is_loopback(r->host) || probe(r, &why) != 0)
        return 0;
    if (why.code != SK_IO && why.code != SK_TIMEOUT) {
        *err = why;
        return -1;
    }
    if (set_base(r, "http", err) < 0)
        return -1;
    int status = probe(r, &other);
    if (status == 200 || status == 401 || status == 403)
        return 0;
    *err = why;
    return -1;
}

/* The caller's, else what docker has stored. */
static int find_login(struct sk_oci_registry *r, const struct sk_oci_options *opts,
                      struct sk_err *err)
{
    if (opts->token)
        return copy_text(opts->token, &r->fixed_token, err);
    if (opts->username)
        return copy_text(opts->username, &r->login.username, err) < 0 ||
                       copy_text(opts->password ? opts->password : "", &r->login.password, err) < 0
                   ? -1
                   : 0;
    if (sk_oci_login_find(r->host, &r->login, err) < 0)
        return -1;
    r->fixed_token = SK_TAKE(r->login.registry_token);
    return 0;
}

int sk_oci_registry_new(const struct sk_oci_options *opts, struct sk_oci_registry **out,
                        struct sk_err *err)
{
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = calloc(1, sizeof *r);
    struct sk_fetch_options f = { .ca_file = opts->ca_file,
                                  .waiting = opts->waiting,
                                  .connect_ms = sk_oci_is_loopback(opts->host) ? LOCAL_MS : 0 };

    if (!r)
        return sk_nomem(err);
    if (!sk_oci_is_host(sk_view_of(opts->host)))
        return sk_fail(err, SK_INVALID, "'%.200s' is no host: NAME or NAME:PORT", opts->host);
    r->progress = opts->progress;
    r->ctx = opts->ctx;
    r->chunk_bytes = opts->chunk_bytes ? opts->chunk_bytes : (uint64_t)64 << 20;
    if (copy_text(opts->host, &r->host, err) < 0 ||
        copy_text(opts->mount_from, &r->mount_from, err) < 0 || find_login(r, opts, err) < 0 ||
        sk_fetch_new(&f, &r->once, err) < 0)
        return -1;
    f.retries = opts->retries;
    if (sk_fetch_new(&f, &r->client, err) < 0)
        return -1;
    if ((opts->plain_http ? set_base(r, "http", err) : find_scheme(r, opts->token != NULL, err)) <
        0)
        return -1;
    *out = SK_TAKE(r);
    return 0;
}

void sk_oci_registry_free(struct sk_oci_registry *r)
{
    if (!r)
        return;
    sk_fetch_free(r->client);
    sk_fetch_free(r->once);
    sk_oci_tokens_clear(r);
    sk_oci_login_done(&r->login);
    free(r->host);
    free(r->base);
    free(r->mount_from);
    free(r->fixed_token);
    free(r);
}

/* ---- what others need ---- */

bool sk_oci_tell(const struct sk_oci_registry *r, const char *what, uint64_t done, uint64_t total)
{
    return !r->progress || r->progress(r->ctx, what, done, total);
}

int sk_oci_pause(const struct sk_oci_registry *r, const char *what, uint64_t ms, struct sk_err *err)
{
    uint64_t until_ms = sk_now_ms() + ms;

    while (sk_now_ms() < until_ms) {
        if (!sk_oci_tell(r, what, 0, 0))
            return sk_fail(err, SK_CANCELLED, "stopped");
        (void)nanosleep(&(struct timespec){ .tv_nsec = NAP_MS * 1000000L }, NULL);
    }
    return 0;
}

const char *sk_oci_scope(const char *repository, const char *actions, char out[300])
{
    (void)snprintf(out, 300, "repository:%s:%s", repository, actions);
    return out;
}

int sk_oci_url(const struct sk_oci_registry *r, const char *repository, const char *what,
               char **out, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf url = SK_BUF_INIT(4096);

    if (!sk_oci_is_repository(sk_view_of(repository)))
        return sk_fail(err, SK_INVALID, "'%.200s' is no name of a repository", repository);
    sk_buf_fmt(&url, "%s/v2/%s/%s", r->base, repository, what);
    if (!sk_buf_ok(&url))
        return sk_buf_fail(&url, err);
    *out = sk_buf_take(&url);
    return 0;
}

const char *sk_oci_short(const char *digest, char out[16])
{
    const char *hex = strchr(digest, ':');

    (void)snprintf(out, 16, "%.12s", hex ? hex + 1 : digest);
    return out;
}

/* ---- errors ---- */

/* "CODE: message" of the first error in an answer, on one line; false when there is none. */
static bool read_error(const struct sk_fetch_answer *a, char out[300])
{
    const struct sk_json_limits limits = { .max_values = 1000, .max_depth = 16 };
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    struct sk_err unused = SK_ERR_INIT;

    if (a->body.len == 0 || sk_json_parse(a->body.data, a->body.len, &limits, &doc, &unused) < 0)
        return false;
    const struct sk_json *first = sk_json_at(sk_json_get(doc, "errors"), 0);
    const char *code = sk_json_get_text(first, "code", "");
    const char *words = sk_json_get_text(first, "message", "");
    (void)snprintf(out, 300, "%.60s%s%.200s", code, code[0] && words[0] ? ": " : "", words);
    for (char *c = out; *c; c++)
        *c = (unsigned char)*c < ' ' || *c == 0x7f ? ' ' : *c;
    return code[0] || words[0];
}

/* err is what fetch made of the status; with the registry's own words it says more. */
static void improve_error(const struct sk_oci_registry *r, const struct sk_oci_request *q,
                          const struct sk_fetch_answer *a, struct sk_err *err)
{
    char words[300];

    if (a->status < 400 || !read_error(a, words))
        return;
    (void)sk_fail(err, err->code, "%s answered %s with %d %s", r->host,
                  q->method ? q->method : "GET", a->status, words);
}

/* ---- one request ---- */

struct stopper {
    const struct sk_oci_registry *r;
    const struct sk_oci_request *q;
};

static bool go_on(void *ctx, uint64_t done, uint64_t total)
{
    const struct stopper *s = ctx;

    if (s->q->progress)
        return s->q->progress(s->q->ctx, done, total);
    return sk_oci_tell(s->r, NULL, 0, 0);
}

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    const struct stopper *s = ctx;
    return s->q->sink(s->q->ctx, bytes, len, err);
}

static int send_one(struct sk_oci_registry *r, const struct sk_oci_request *q, const char *url,
                    const char *authorization, struct sk_fetch_answer *a, struct sk_err *err)
{
    const char *headers[SK_OCI_HEADERS_MAX + 2];
    struct stopper s = { r, q };
    size_t count = 0;

    if (authorization)
        headers[count++] = authorization;
    for (size_t i = 0; q->headers && q->headers[i]; i++)
        headers[count++] = q->headers[i];
    headers[count] = NULL;
    struct sk_fetch_request f = { .method = q->method,
                                  .url = url,
                                  .headers = headers,
                                  .body = q->body,
                                  .body_len = q->body_len,
                                  .body_path = q->body_path,
                                  .body_offset = q->body_offset,
                                  .body_once = q->only_once,
                                  .range_from = q->range_from,
                                  .stay = true,
                                  .sink = q->sink ? take : NULL,
                                  .progress = go_on,
                                  .ctx = &s };
    sk_fetch_answer_done(a);
    return sk_fetch_do(q->only_once ? r->once : r->client, &f, a, err);
}

/* Where an answer leads that is not the registry's own; NULL: it does not. */
static const char *leads_away(const struct sk_fetch_answer *a, char *room, size_t size)
{
    bool is_redirect = a->status == 301 || a->status == 302 || a->status == 303 ||
                       a->status == 307 || a->status == 308;

    return is_redirect ? sk_fetch_header(a, "location", room, size) : NULL;
}

static int follow_away(struct sk_oci_registry *r, const struct sk_oci_request *q, const char *from,
                       const char *location, struct sk_fetch_answer *a, struct sk_err *err)
{
    enum {
        HOPS_MAX = 5
    };

    SK_OWN(free) char *base = strdup(from);
    SK_OWN(free) char *room = malloc(LOCATION_BYTES);

    if (!base || !room)
        return sk_nomem(err);
    for (int hop = 0; location; hop++) {
        char *next = NULL;
        if (hop == HOPS_MAX)
            return sk_fail(err, SK_REMOTE, "%s redirects more than %d times", r->host, HOPS_MAX);
        if (sk_oci_resolve(base, location, &next, err) < 0)
            return -1;
        bool is_weaker = sk_starts_with(base, "https://") && !sk_starts_with(next, "https://");
        free(base);
        base = next;
        if (is_weaker)
            return sk_fail(err, SK_DENIED, "%s redirects from https to %.*s", r->host,
                           (int)strcspn(next, "?"), next);
        if (send_one(r, q, base, NULL, a, err) < 0)
            return -1;
        location = leads_away(a, room, LOCATION_BYTES);
    }
    return 0;
}

int sk_oci_call(struct sk_oci_registry *r, const struct sk_oci_request *q,
                struct sk_fetch_answer *a, struct sk_err *err)
{
    SK_OWN(free) char *room = malloc(LOCATION_BYTES);
    bool is_own = sk_oci_same_origin(q->url, r->base);

    *a = (struct sk_fetch_answer){ 0 };
    if (!room)
        return sk_nomem(err);
    for (int tries = 0;; tries++) {
        SK_OWN(free) char *authorization = NULL;
        if (is_own && sk_oci_authorize(r, q, &authorization, err) < 0)
            return -1;
        if (send_one(r, q, q->url, authorization, a, err) == 0)
            break;
        if (a->status != 401 || !is_own) {
            improve_error(r, q, a, err);
            return -1;
        }
        if (sk_oci_challenged(r, q, a, tries > 0, err) < 0)
            return -1;
    }
    const char *location = leads_away(a, room, LOCATION_BYTES);
    return location ? follow_away(r, q, q->url, location, a, err) : 0;
}
