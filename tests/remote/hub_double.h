/*
 * hub_double.h - the part of a hub's interface that transfers use, on a port of its own, with the
 * faults that networks and hubs have. (tests/it runs against the real one.)
 *
 *     POST /api/v1/uploads    GET, PUT /api/v1/uploads/ID    GET, HEAD /api/v1/blobs/DIGEST
 *     GET /api/v1/say?status=&text=&form=error|message|errors|iot|none|garbage    GET
 * /api/v1/stream GET, POST /api/v1/echo
 */
#ifndef SK_TESTS_REMOTE_HUB_DOUBLE_H
#define SK_TESTS_REMOTE_HUB_DOUBLE_H

#include "base/buf.h"
#include "http/http.h"
#include "remote/remote.h"

#include <stdbool.h>
#include <stdint.h>

struct hub_double {
    struct sk_http_server *server;
    char url[64];
    /* what it has; one upload and one blob at a time */
    struct sk_buf upload, blob;
    char id[32]; /* "": no upload */
    char digest[80];
    /* faults: each happens so many times */
    unsigned cut_puts;     /* the body is refused (500) after cut_after bytes, which are kept */
    unsigned lose_answers; /* the upload is finished and the answer is 500 */
    unsigned forget;       /* PUT: 404, the upload is gone */
    unsigned busy;         /* GET and PUT: 503 */
    bool is_full;          /* PUT: 507 */
    uint64_t cut_after;
    bool ignores_range, lies; /* lies: other bytes */
    const char *size;         /* of an upload, instead of the right one */
    /* counts */
    unsigned posts, puts, reads, heads;
    uint64_t received; /* bytes of bodies */
    char authorization[128];
};

/* All fail the cmocka test on errors. Fields are read and written between calls only: the server's
 * one thread has answered then. */
void hub_double_start(struct hub_double *h);
void hub_double_stop(struct hub_double *h);
/* A remote of it with the token "secret", or none. */
struct sk_remote *hub_double_remote(const struct hub_double *h, const char *token);
/* The blob becomes these bytes. */
void hub_double_put(struct hub_double *h, const void *bytes, size_t len);

/* len bytes that are like no others, and their digest. */
void make_bytes(struct sk_buf *out, size_t len, unsigned seed);
void digest_of(const void *bytes, size_t len, char out[80]);
/* A new folder in /tmp, also for the cache and the configuration; removed by leave_folder. */
void enter_folder(char path[64]);
void leave_folder(const char *path);

#endif
