/*
 * hub_priv.h - what the hub's parts share: the call, the route table, the ways to answer.
 *
 * A route is one row. The dispatcher (dispatch.c) finds who asks, asks for the row's role, and runs
 * the row's function on a worker; rows of SK_HUB_BODY run on the event loop when the headers are
 * there and take the body piece by piece (sk_http_take_body). Each function answers exactly once:
 * sk_hub_reply_* or sk_hub_fail. Of rows whose paths both fit, the first in its table counts.
 */
#ifndef SK_HUB_HUB_PRIV_H
#define SK_HUB_HUB_PRIV_H

#include "accounts/accounts.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include "base/thread.h"
#include "http/http.h"
#include "hub/hub.h"
#include "store/store.h"
#include "json/json.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

/* How errors look: {"error"}, MLflow's {"error_code","message"}, OCI's {"errors":[...]}, IoT Hub's
 * {"Message":"ErrorCode:..;..","ExceptionMessage"} */
enum sk_hub_style {
    SK_HUB_PLAIN,
    SK_HUB_MLFLOW,
    SK_HUB_OCI,
    SK_HUB_IOT
};

enum sk_hub_flags {
    SK_HUB_PREFIX = 1u << 0, /* the path is a prefix; call->rest is what follows, decoded part by
                                part by the caller */
    SK_HUB_BODY = 1u << 1,   /* streams; see above */
    SK_HUB_OPEN = 1u << 2,   /* answers without credentials (call->who.name is "" then) */
    SK_HUB_DEVICE = 1u << 3, /* devices may call it; the function decides further. Of a pattern: the
                                device that parts[0] names, and no module */
    SK_HUB_INLINE = 1u << 4, /* short and without disk: run on the event loop */
    SK_HUB_PATTERN = 1u << 8, /* each "*" of the path is one part, in call->parts; words behind the
                                 first "*" may have any case. A Content-Encoding is let in */
    SK_HUB_MODULE = 1u << 9   /* of a pattern: the module that parts[0] and parts[1] name may call
                                 it */
};

/*
 * The rights that a row asks for, beside its flags; any one of them is enough, and the role does
 * not count then. Shared access policies reach only rows with rights.
 */
#define SK_HUB_RIGHTS_SHIFT   16
#define SK_HUB_RIGHTS(rights) ((unsigned)(rights) << SK_HUB_RIGHTS_SHIFT)

enum {
    SK_HUB_JSON_BYTES = 4 << 20, /* bodies that are read whole, without SK_HUB_BODY */
    SK_HUB_QUEUE = 256,          /* calls that wait for a worker; more get 503 */
    SK_HUB_WORKERS = 8,
    SK_HUB_RETRY_AFTER_S = 1,
    SK_HUB_PARTS = 3 /* of a pattern */
};

struct sk_hub_call {
    struct sk_hub *hub;
    struct sk_http_req *req;
    const struct sk_hub_route *route;
    struct sk_who who;
    const char *rest;                /* raw */
    const char *parts[SK_HUB_PARTS]; /* of a pattern, percent-decoded */
    void *state;                     /* of the function that answers */
    struct sk_hub_call *next;        /* workers.c: in the queue */
    void (*job)(struct sk_hub_call *call);
};

struct sk_hub_route {
    const char *method;
    const char *path;
    unsigned flags;
    enum sk_hub_style style;
    enum sk_role role; /* at least; NONE: any who is known */
    void (*run)(struct sk_hub_call *call);
};

/* The tables, each ended by a row without method; dispatch.c lists them. */
extern const struct sk_hub_route sk_hub_routes_core[];   /* api_core.c: health, tokens, audit */
extern const struct sk_hub_route sk_hub_routes_native[]; /* api_native.c, api_blobs.c: /api/v1 */
extern const struct sk_hub_route sk_hub_routes_oci[];    /* api_oci.c: /v2/ */
extern const struct sk_hub_route sk_hub_routes_mlflow[]; /* api_mlflow.c: /api/2.0/mlflow, /ajax-api
                                                          */

struct sk_hub_row; /* a route of a running hub */
struct sk_hub_workers;
struct sk_hub_config;
struct sk_hub_iot;

struct sk_hub {
    struct sk_hub_options opts; /* with the defaults filled in; texts are the hub's own */
    char *dir, *host;
    struct sk_store *store;
    struct sk_accounts *accounts;
    struct sk_hub_config *config;
    struct sk_hub_workers *workers;
    struct sk_http_server *http;
    struct sk_http_server *second; /* on another port, the same routes; NULL: none */
    struct sk_hub_iot *iot;        /* iot_priv.h */
    struct sk_http_route *http_routes;
    struct sk_hub_row *rows;
    pthread_t care;
    bool has_care;
    int lock_fd;          /* hub.lock: one hub per folder */
    pthread_mutex_t lock; /* guards is_stopping, is_use_due */
    pthread_cond_t wake;
    bool is_stopping, is_use_due;
    atomic_size_t manifest_bytes; /* in memory, on their way in: api_oci_content.c */
};

/* ---- dispatch.c ---- */
/* Makes http_routes and rows from the tables. */
int sk_hub_dispatch_init(struct sk_hub *h, struct sk_err *err) SK_CHECK;
/* A struct sk_http_options.admit; ctx is the hub. */
int sk_hub_admit(struct sk_http_req *req, void *ctx);
/* Whether who asked still may, for an answer that goes on for long: what was shown is looked at
 * again. On the request's event loop. -1: it must end. */
int sk_hub_recheck(const struct sk_hub_call *call, struct sk_err *err) SK_CHECK;
void sk_hub_finished(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx);

/* ---- pattern.c ---- */
/* Whether a path fits; parts: what the "*" stand for, raw; the rest of them is empty. Both without
 * a slash in front. */
bool sk_hub_pattern_fits(const char *pattern, const char *path, struct sk_view parts[SK_HUB_PARTS]);

/* ---- workers.c: a fixed number of threads and a queue ---- */
int sk_hub_workers_new(unsigned count, size_t max_queue, struct sk_hub_workers **out,
                       struct sk_err *err) SK_CHECK;
/* SK_BUSY: the queue is full, or the hub stops. call->job runs on a worker otherwise. */
int sk_hub_workers_push(struct sk_hub_workers *w, struct sk_hub_call *call,
                        struct sk_err *err) SK_CHECK;
/* The same for a call that has cost much already: it does not count. False: the hub stops, and the
 * caller runs the job itself. */
bool sk_hub_workers_add(struct sk_hub_workers *w, struct sk_hub_call *call);
/* Runs what waits, then ends the threads. */
void sk_hub_workers_stop(struct sk_hub_workers *w);
void sk_hub_workers_free(struct sk_hub_workers *w);

/* ---- config.c: <dir>/hub.json, which init writes ---- */
struct sk_hub_config {
    char **hostnames; /* NULL-terminated; the first is the hub's name */
    size_t hostname_count;
    uint16_t port;
};

int sk_hub_config_write(const char *dir, const char *const *hostnames, size_t count, uint16_t port,
                        struct sk_err *err) SK_CHECK;
int sk_hub_config_read(const char *dir, struct sk_hub_config **out, struct sk_err *err) SK_CHECK;
void sk_hub_config_free(struct sk_hub_config *c);

/* ---- certs.c: <dir>/tls/ ---- */
/* The CA and the server's first certificate. */
int sk_hub_certs_make(const char *dir, const char *const *hostnames, char ca_sha256[65],
                      struct sk_err *err) SK_CHECK;
/* A new server certificate when less than a third of its life is left at now_s. */
int sk_hub_certs_renew(const char *dir, const char *const *hostnames, int64_t now_s, bool *renewed,
                       struct sk_err *err) SK_CHECK;

struct sk_store *sk_hub_store(const struct sk_hub *h);
struct sk_accounts *sk_hub_accounts(const struct sk_hub *h);
const struct sk_hub_options *sk_hub_opts(const struct sk_hub *h);

/* ---- answers; the call is gone afterwards ---- */
/* Status (0: what was set, as by sk_http_send_range) and what sk_http_out(call->req) holds. */
void sk_hub_reply(struct sk_hub_call *call, int status);
/* The body is this JSON text; 200. */
void sk_hub_reply_json(struct sk_hub_call *call, const struct sk_buf *json);
void sk_hub_fail(struct sk_hub_call *call, const struct sk_err *err);
/* With a status and a code of the style's own ("RESOURCE_ALREADY_EXISTS", "BLOB_UNKNOWN"). */
void sk_hub_fail_as(struct sk_hub_call *call, int status, const char *code, const char *text);
/* 429, for SK_BUSY of sk_accounts_check. */
void sk_hub_fail_limited(struct sk_hub_call *call, const struct sk_err *err);
/* Runs a function on a worker, for calls of SK_HUB_BODY whose end needs the disk. */
void sk_hub_later(struct sk_hub_call *call, void (*run)(struct sk_hub_call *call));

/* ---- uploads: api_blobs.c ---- */
/* Appends a piece; SK_TOO_LARGE beyond --max-blob-size. */
int sk_hub_upload_write(const struct sk_hub *h, struct sk_upload *u, const void *bytes, size_t len,
                        struct sk_err *err) SK_CHECK;
/* Ends an upload that nobody can go on with, and gives its space back; *u is NULL then. */
void sk_hub_upload_discard(const struct sk_hub *h, struct sk_upload **u, const char *scope);

/* ---- requests ---- */
/* The body as a JSON object ({} when empty); *out in the request's life: sk_json_free it. */
int sk_hub_body_json(struct sk_hub_call *call, struct sk_json **out, struct sk_err *err) SK_CHECK;

#endif
