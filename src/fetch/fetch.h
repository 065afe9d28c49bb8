/*
 * fetch.h - HTTP client (libcurl, loaded with dlopen when first needed, so other commands stay
 * small).
 *
 * HTTPS with the system's certificates, or `ca_file`; proxies by the usual environment variables;
 * redirects are followed, credentials are not sent to another host. Names: https and http only.
 * Errors: SK_NOT_FOUND (404), SK_UNAUTHENTICATED (401), SK_DENIED (403), SK_REMOTE (other status,
 * with the server's own words as far as they are text), SK_TIMEOUT, SK_IO (no connection: host and
 * reason), SK_UNSUPPORTED (no libcurl: what to install), SK_CANCELLED. Threads: a call blocks; a
 * client belongs to one thread at a time.
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

struct sk_fetch_options {
    const char *ca_file; /* NULL: the system's */
    uint64_t connect_ms; /* 0: 10 s */
    uint64_t stall_ms;   /* no byte for so long: SK_TIMEOUT; 0: 30 s */
    unsigned retries; /* of requests that failed before an answer, and of 429, 502, 503, 504, with
                         growing pauses and Retry-After */
};

int sk_fetch_new(const struct sk_fetch_options *opts, struct sk_fetch **out,
                 struct sk_err *err) SK_CHECK;
void sk_fetch_free(struct sk_fetch *f);
SK_DEFINE_OWN(struct sk_fetch, sk_fetch_free);

struct sk_fetch_request {
    const char *method; /* NULL: GET */
    const char *url;
    const char *bearer;         /* token, NULL: none; never in an error text */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    const void *body;
    size_t body_len;
    uint64_t range_from; /* 0: all; else Range: bytes=N- */
    bool stay; /* do not follow redirects to another host: the answer with its Location is the
                  result */
    /* called as bytes arrive; -1 (with err) ends the transfer with that error. NULL: kept in
     * answer->body */
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    void *ctx;
    /* progress: total 0 when unknown; return false to stop (SK_CANCELLED). NULL: none */
    bool (*progress)(void *ctx, uint64_t done, uint64_t total);
};

struct sk_fetch_answer {
    int status;
    char *headers;      /* lower-case "name: value\n" of the last answer */
    struct sk_buf body; /* at most 16 MiB, when there was no sink */
};

void sk_fetch_answer_done(struct sk_fetch_answer *a);
/* Value of a header (lower-case name) into out, or NULL. */
const char *sk_fetch_header(const struct sk_fetch_answer *a, const char *name, char *out,
                            size_t cap);

/* Any answer below 400 is success; the errors above otherwise (answer is filled in then, too). */
int sk_fetch_do(struct sk_fetch *f, const struct sk_fetch_request *r, struct sk_fetch_answer *out,
                struct sk_err *err) SK_CHECK;
/* "libcurl 7.88.1", or NULL when it cannot be loaded. */
const char *sk_fetch_version(void);

#endif
