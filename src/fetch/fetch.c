/*
 * fetch.c - a request as callers know it: with redirects, second tries and errors in words.
 *
 * Redirects are followed here, not by libcurl, so that one rule is in one place: an origin is
 * scheme, host and port; what is secret goes to the first address's origin only, and once a
 * redirect has left it, not even back. From https there is no way to http.
 *
 * Tried again is what cannot have done anything yet (no connection, or a method that may be
 * repeated) as long as nothing was delivered, and what the server asked to be tried later.
 */
#include "fetch/curl_priv.h"

#include "base/str.h"

#include <strings.h>
#include <time.h>

enum {
    REDIRECTS_MAX = 10,
    PAUSE_MS = 500, /* the first, then twice as long each time */
    PAUSE_MAX_MS = 8000,
    RETRY_AFTER_MAX_MS = 60000, /* who asks for more gets no second try */
    NAP_MS = 100,               /* progress is asked so often during a pause */
    WORDS_BYTES = 200           /* of the server's in an error text */
};

struct sk_fetch {
    const struct sk_curl_api *lib;
    CURL *handle;
    struct sk_fetch_options opts; /* complete */
    char *ca_file;
};

/* Where a request stands between redirects. */
struct step {
    struct sk_url url;
    const char *method;
    bool is_trusted, has_body;
};

static void step_done(struct step *s)
{
    sk_url_done(&s->url);
}

/* ---- the client ---- */

/* The bundle that other programs are told to use; NULL: what libcurl was built with. */
static const char *ca_file_of(const struct sk_fetch_options *opts)
{
    const char *names[] = { "CURL_CA_BUNDLE", "SSL_CERT_FILE" };

    if (opts && opts->ca_file)
        return opts->ca_file;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *file = getenv(names[i]);
        if (file && *file)
            return file;
    }
    return NULL;
}

int sk_fetch_new(const struct sk_fetch_options *opts, struct sk_fetch **out, struct sk_err *err)
{
    const struct sk_curl_api *lib = sk_curl(err);
    if (!lib)
        return -1;
    SK_OWN(sk_fetch_free) struct sk_fetch *f = calloc(1, sizeof *f);
    const char *ca_file = ca_file_of(opts);
    if (!f)
        return sk_nomem(err);
    f->lib = lib;
    if (opts)
        f->opts = *opts;
    f->opts.connect_ms = f->opts.connect_ms ? f->opts.connect_ms : 10000;
    f->opts.stall_ms = f->opts.stall_ms ? f->opts.stall_ms : 30000;
    f->ca_file = ca_file ? strdup(ca_file) : NULL;
    f->opts.ca_file = f->ca_file;
    if (ca_file && !f->ca_file)
        return sk_nomem(err);
    f->handle = lib->curl_easy_init();
    if (!f->handle)
        return sk_nomem(err);
    *out = SK_TAKE(f);
    return 0;
}

void sk_fetch_tell(struct sk_fetch *f, sk_fetch_waiting *waiting, void *ctx)
{
    f->opts.waiting = waiting;
    f->opts.waiting_ctx = ctx;
}

void sk_fetch_free(struct sk_fetch *f)
{
    if (!f)
        return;
    if (f->handle)
        f->lib->curl_easy_cleanup(f->handle);
    free(f->ca_file);
    free(f);
}

/* ---- the answer ---- */

void sk_fetch_answer_done(struct sk_fetch_answer *a)
{
    free(a->headers);
    sk_buf_done(&a->body);
    *a = (struct sk_fetch_answer){ 0 };
}

const char *sk_fetch_header(const struct sk_fetch_answer *a, const char *name, char *out,
                            size_t cap)
{
    size_t len = strlen(name);

    for (const char *line = a->headers; line && *line;) {
        const char *end = strchr(line, '\n');
        size_t line_len = end ? (size_t)(end - line) : strlen(line);
        if (line_len > len + 1 && memcmp(line, name, len) == 0 && line[len] == ':') {
            (void)snprintf(out, cap, "%.*s", (int)(line_len - len - 2), line + len + 2);
            return out;
        }
        line = end ? end + 1 : NULL;
    }
    return NULL;
}

/* ---- second tries ---- */

static bool may_repeat_method(const char *method)
{
    return strcmp(method, "POST") != 0 && strcmp(method, "PATCH") != 0;
}

static bool is_reading(const char *method)
{
    return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
}

/* Milliseconds that the server asks for; 0: it does not say. Seconds or a date. */
static uint64_t retry_after_ms(const struct sk_fetch *f, const struct sk_fetch_answer *a)
{
    struct sk_err unused = SK_ERR_INIT;
    uint64_t seconds = 0;
    char text[64];

    if (!sk_fetch_header(a, "retry-after", text, sizeof text))
        return 0;
    if (sk_parse_u64("retry-after", text, 0, 1u << 30, &seconds, &unused) == 0)
        return seconds * 1000;
    time_t then = f->lib->curl_getdate(text, NULL), now = time(NULL);
    return then > now ? (uint64_t)(then - now) * 1000 : 0;
}

/* Should the exchange that ended with rc be tried once more, and after which pause? */
static bool is_worth_repeating(const struct sk_fetch *f, const struct sk_exchange *x, int rc,
                               unsigned tries, uint64_t *pause_ms)
{
    uint64_t asked_ms = 0;
    int status = x->answer->status;

    if (tries >= f->opts.retries)
        return false;
    if (rc < 0) {
        if (!x->is_repeatable || (x->was_sent && !may_repeat_method(x->method)))
            return false;
    } else if (status == 429 || status == 503) {
        asked_ms = retry_after_ms(f, x->answer);
    } else if (status == 500) {
        if (tries > 0 || !is_reading(x->method))
            return false;
    } else if ((status != 502 && status != 504) || !may_repeat_method(x->method)) {
        return false;
    }
    *pause_ms = (uint64_t)PAUSE_MS << (tries < 8 ? tries : 8);
    *pause_ms = *pause_ms < PAUSE_MAX_MS ? *pause_ms : PAUSE_MAX_MS;
    *pause_ms = asked_ms > 0 ? asked_ms : *pause_ms;
    return *pause_ms <= RETRY_AFTER_MAX_MS;
}

static int wait_for(const struct sk_fetch_request *r, uint64_t ms, struct sk_err *err)
{
    for (uint64_t done = 0; done < ms; done += NAP_MS) {
        uint64_t nap_ms = ms - done < NAP_MS ? ms - done : NAP_MS;
        if (r->progress && !r->progress(r->ctx, 0, 0))
            return sk_fail(err, SK_CANCELLED, "stopped");
        (void)nanosleep(&(struct timespec){ .tv_nsec = (long)nap_ms * 1000000 }, NULL);
    }
    return 0;
}

static int exchange(struct sk_fetch *f, const struct sk_fetch_request *r, const struct step *s,
                    struct sk_fetch_answer *a, struct sk_err *err)
{
    struct sk_exchange x = { .request = r,
                             .method = s->method,
                             .url = &s->url,
                             .is_trusted = s->is_trusted,
                             .has_body = s->has_body,
                             .opts = &f->opts,
                             .answer = a };
    struct sk_err before = SK_ERR_INIT; /* of the last try that failed by itself */
    uint64_t pause_ms = 0;

    for (unsigned tries = 0;; tries++) {
        struct sk_err why = SK_ERR_INIT;
        int rc = sk_exchange(f->lib, f->handle, &x, &why);
        bool again = is_worth_repeating(f, &x, rc, tries, &pause_ms);
        if (rc < 0 && why.code != SK_CANCELLED)
            before = why;
        if (again)
            rc = wait_for(r, pause_ms, &why);
        if (again && rc == 0)
            continue;
        if (rc < 0)
            *err = why;
        if (rc < 0 && why.code == SK_CANCELLED && before.code != SK_OK)
            (void)sk_fail(err, SK_CANCELLED, "%s", before.text); /* the better reason */
        return rc;
    }
}

/* ---- redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/* Moves s to where the answer points. 1: it did, 0: the answer is the result. */
static int follow(struct step *s, const struct sk_fetch_request *r, const struct sk_fetch_answer *a,
                  struct sk_err *err)
{
    SK_AUTO(sk_url_done) struct sk_url next = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(SK_FETCH_HEAD_BYTES);
    const char *location = NULL;

    if (!is_redirect(a->status))
        return 0;
    char *room = sk_buf_reserve(&where, strlen(a->headers) + 1);
    if (!room)
        return sk_buf_fail(&where, err);
    location = sk_fetch_header(a, "location", room, strlen(a->headers) + 1);
    if (!location)
        return 0;
    if (sk_url_parse(s->url.text, location, &next, err) < 0)
        return sk_wrap(err, "it redirects elsewhere");
    bool is_same = strcmp(next.origin, s->url.origin) == 0;
    if (!is_same && r->stay)
        return 0;
    if (sk_starts_with(s->url.text, "https:") && !sk_starts_with(next.text, "https:"))
        return sk_fail(err, SK_DENIED, "it redirects from https to http, to %s", next.shown);
    if (a->status == 303 ? strcmp(s->method, "HEAD") != 0
                         : a->status <= 302 && strcmp(s->method, "POST") == 0) {
        s->method = "GET";
        s->has_body = false;
    }
    s->is_trusted = s->is_trusted && is_same;
    sk_url_done(&s->url);
    s->url = next;
    next = (struct sk_url){ 0 };
    return 1;
}

/* ---- the request ---- */

/* The beginning of a text, on one line; empty when the body is no plain text. */
static void words_of(const struct sk_fetch_answer *a, char *out)
{
    char type[64];
    size_t len = a->body.len < WORDS_BYTES ? a->body.len : WORDS_BYTES;

    out[0] = '\0';
    if (!sk_fetch_header(a, "content-type", type, sizeof type) || len == 0)
        return;
    if (!sk_starts_with(type, "text/plain") && !sk_starts_with(type, "application/json") &&
        !sk_starts_with(type, "application/problem+json"))
        return;
    while (len > 0 && (unsigned char)a->body.data[len - 1] <= ' ')
        len--;
    (void)snprintf(out, WORDS_BYTES + 8, ": %.*s", (int)len, a->body.data);
}

static int fail_status(const struct sk_fetch_answer *a, struct sk_err *err)
{
    enum sk_code code = a->status == 401   ? SK_UNAUTHENTICATED
                        : a->status == 403 ? SK_DENIED
                        : a->status == 404 ? SK_NOT_FOUND
                                           : SK_REMOTE;
    char words[WORDS_BYTES + 8];

    words_of(a, words);
    return sk_fail(err, code, "the server answered %d%s", a->status, words);
}

static bool is_method(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
    return len > 0 && text[len] == '\0';
}

static int run(struct sk_fetch *f, const struct sk_fetch_request *r, struct step *s,
               struct sk_fetch_answer *a, struct sk_err *err)
{
    for (int redirects = 0;; redirects++) {
        if (exchange(f, r, s, a, err) < 0)
            return -1;
        int moved = follow(s, r, a, err);
        if (moved < 0)
            return -1;
        if (moved == 0)
            return a->status >= 400 ? fail_status(a, err) : 0;
        if (redirects == REDIRECTS_MAX)
            return sk_fail(err, SK_REMOTE, "more than %d redirects", REDIRECTS_MAX);
    }
}

int sk_fetch_do(struct sk_fetch *f, const struct sk_fetch_request *r, struct sk_fetch_answer *out,
                struct sk_err *err)
{
    SK_AUTO(step_done)
    struct step s = { .method = r->method ? r->method : "GET",
                      .is_trusted = true,
                      .has_body = r->body || r->body_path ||
                                  (r->method && (strcmp(r->method, "POST") == 0 ||
                                                 strcmp(r->method, "PUT") == 0)) };

    *out = (struct sk_fetch_answer){ 0 };
    if (!is_method(s.method))
        return sk_fail(err, SK_INVALID, "'%s' is no HTTP method", s.method);
    if (sk_url_parse(NULL, r->url, &s.url, err) < 0)
        return -1;
    if (run(f, r, &s, out, err) < 0)
        return sk_wrap(err, "%s", s.url.shown);
    return 0;
}
