/*
 * fetch.h - HTTP client (libcurl, loaded with dlopen when first needed, so other commands stay
 * small).
 *
 * HTTPS with the system's certificates, those of CURL_CA_BUNDLE or SSL_CERT_FILE, or `ca_file`;
 * proxies by the usual environment variables (https_proxy, http_proxy, no_proxy). Addresses: https
 * and http, without user name and password. Redirects are followed, never from https to http; what
 * is secret (bearer, user and password, headers Authorization and Cookie) does not leave the first
 * address's origin, which is scheme, host and port.
 *
 * Errors: SK_NOT_FOUND (404), SK_UNAUTHENTICATED (401), SK_DENIED (403; https to http), SK_REMOTE
 * (another status, with the server's own words as far as they are text; too many redirects),
 * SK_TIMEOUT, SK_IO (no connection, or it was cut: host and reason), SK_INVALID (address, token),
 * SK_LIMIT (an answer in memory is too large), SK_UNSUPPORTED (no libcurl: what to install),
 * SK_CANCELLED. Texts begin with the address without its query, which may hold a signature.
 *
 * Threads: a call blocks; a client belongs to one thread at a time.
 */
#ifndef SK_FETCH_FETCH_H
#define SK_FETCH_FETCH_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_fetch; /* keeps its connections */

enum {
    SK_FETCH_QUIET_MS = 3000
};

typedef void sk_fetch_waiting(void *ctx, const char *host, bool is_waiting);

struct sk_fetch_options {
    const char *ca_file;              /* NULL: the system's */
    const char *cert_file, *key_file; /* ours, PEM, for https; borrowed; NULL: none */
    uint64_t connect_ms;              /* 0: 10 s */
    uint64_t stall_ms; /* no byte for so long (to within a second): SK_TIMEOUT; 0: 30 s */
    /* Second tries, with growing pauses or as long as Retry-After says (up to a minute): after 429
     * and 503; for all but POST and PATCH also after 502, 504, and a connection that was lost
     * before the first byte of the body; for all when there was no connection; once after 500 for
     * GET and HEAD. */
    unsigned retries;
    /* Told on when an exchange moves nothing for SK_FETCH_QUIET_MS (to within a second), off when
     * it moves again or ends. host: "hub:8443". NULL: none. */
    sk_fetch_waiting *waiting;
    void *waiting_ctx;
};

int sk_fetch_new(const struct sk_fetch_options *opts, struct sk_fetch **out,
                 struct sk_err *err) SK_CHECK;
/* Sets the option of that name later; not during a request. */
void sk_fetch_tell(struct sk_fetch *f, sk_fetch_waiting *waiting, void *ctx);
void sk_fetch_free(struct sk_fetch *f);
SK_DEFINE_OWN(struct sk_fetch, sk_fetch_free);

struct sk_fetch_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *bearer;         /* token, NULL: none; never in an error text */
    const char *basic_user;     /* without ':'; NULL: none. Not beside a bearer */
    const char *basic_password; /* NULL: empty; never in an error text */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const void *body;           /* sent from where it is; a mapped file costs no memory */
    size_t body_len;
    const char *body_path; /* instead of body: body_len bytes of this file from body_offset, read
                              piece by piece */
    uint64_t body_offset;
    /* What has begun to go out is not sent again on another connection, as libcurl does when a kept
     * one breaks: the caller asks the server how much has arrived. */
    bool body_once;
    uint64_t range_from; /* 0: all; else Range: bytes=N-, and status 206 if the server agrees */
    uint64_t stall_ms;   /* instead of the client's; 0: that one */
    bool stay; /* do not follow redirects to another origin: the answer with its Location is the
                  result */
    /* Called as bytes of a success (2xx) arrive; status and headers are in the answer by then. -1
     * (with err) ends the transfer with that error. NULL: kept in answer->body. */
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    void *ctx; /* of sink and progress */
    /* Bytes of the answer's body (before it comes: of ours) so far, and in total; 0: unknown.
     * Called at least about once a second, with 0 and 0 in a pause before a second try. False stops
     * (SK_CANCELLED). NULL: none. */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
};

struct sk_fetch_answer {
    int status;
    char *headers;      /* lower-case "name: value\n" of the last answer */
    struct sk_buf body; /* when there was no sink, at most 16 MiB; of 4xx and 5xx the beginning */
};

void sk_fetch_answer_done(struct sk_fetch_answer *a);
/* Value of a header (lower-case name) into out, or NULL. */
const char *sk_fetch_header(const struct sk_fetch_answer *a, const char *name, char *out,
                            size_t cap);

/* Any answer below 400 is success; the errors above otherwise. out is filled in both cases (status
 * 0: none came); sk_fetch_answer_done() it. */
int sk_fetch_do(struct sk_fetch *f, const struct sk_fetch_request *r, struct sk_fetch_answer *out,
                struct sk_err *err) SK_CHECK;
/* "libcurl 7.88.1", or NULL when it cannot be loaded. */
const char *sk_fetch_version(void);

#endif
