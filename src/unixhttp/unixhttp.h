/*
 * unixhttp.h - HTTP/1.1 calls over a unix socket: the Docker Engine, the workload API, the control
 * sockets of modules and agent.
 *
 * Our own, and small, since the agent must not map libcurl (half of its memory budget). Reads
 * Content-Length, chunked bodies and bodies that end with the connection; no redirects, no TLS, one
 * connection per call ("Connection: close"). Errors: SK_NOT_FOUND (no socket there, or 404),
 * SK_DENIED (401, 403), SK_EXISTS (409), SK_REMOTE (another status from 400 on), each with the
 * peer's own words ("message" or "error" of a JSON body), SK_IO, SK_TIMEOUT, SK_LIMIT, SK_INVALID
 * (a malformed answer). Threads: any; a call blocks.
 */
#ifndef SK_UNIXHTTP_UNIXHTTP_H
#define SK_UNIXHTTP_UNIXHTTP_H

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_unixhttp_request {
    const char *socket;         /* path; a leading "unix://" is skipped */
    const char *method;         /* NULL: GET */
    const char *target;         /* "/v1.41/containers/json?all=1", percent-encoded by the caller */
    const char *const *headers; /* "Name: value", NULL-terminated; may be NULL */
    struct sk_view body; /* with Content-Length when there is one, or the method is POST/PUT */
    const char *type;    /* of the body; NULL: application/json */
    uint64_t timeout_ms; /* of the whole call; 0: 30 s. With a sink: between two pieces */
    size_t max_bytes;    /* of the answer's body in memory; 0: 4 MiB; more is SK_LIMIT */
    /* Pieces of a success's body as they come, instead of keeping it; -1 ends the call with that
     * error. NULL: kept. */
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    void *ctx;
};

struct sk_unixhttp_answer {
    int status;         /* 0: none came */
    struct sk_buf body; /* also of an error's answer, as far as it fits */
};

/* 0: a status below 400. out is filled as far as it came in both cases; done with it in both. */
int sk_unixhttp_do(const struct sk_unixhttp_request *r, struct sk_unixhttp_answer *out,
                   struct sk_err *err) SK_CHECK;
void sk_unixhttp_answer_done(struct sk_unixhttp_answer *a);

#endif
