/*
 * workload_priv.h - sockets, requests and calls of the workload API.
 *
 *     sockets.c   accepts on all sockets, knows the process     (thread "workload")
 *        | sk_http_adopt
 *     request.c   whose name is in the path; trust bundle       (http's loop)
 *        | queue
 *     worker.c    whether the process may; reads the body       (two threads: is_peer may wait)
 *        | ask
 *     call.c      waits for the answer, 30 s                    (any thread answers)
 */
#ifndef SK_WORKLOAD_WORKLOAD_PRIV_H
#define SK_WORKLOAD_WORKLOAD_PRIV_H

#include "workload/workload.h"

#include "base/thread.h"
#include "http/http.h"

#include <stdatomic.h>

enum {
    SK_WORKLOAD_BODY_BYTES = 1 << 20,
    SK_WORKLOAD_CONNECTIONS = 32, /* of one module */
    SK_WORKLOAD_CONNECTIONS_ALL = 1024,
    SK_WORKLOAD_NAME_BYTES = 200, /* of an instance */
    SK_WORKLOAD_WORKERS = 2,
    SK_WORKLOAD_ASK_MS = 30000, /* an ask without an answer */
    SK_WORKLOAD_PEM_BYTES = 1 << 20
};

/* A module instance and its socket. Shared by the table and connections. */
struct sk_wl_instance {
    _Atomic unsigned refs;
    _Atomic unsigned connections;
    _Atomic bool is_closed;
    uint64_t id; /* in epoll; never given twice */
    int fd;
    char *name, *module;
    struct sk_wl_instance *next;
};

/* Who is at the other end of a connection: its tag. */
struct sk_wl_peer {
    struct sk_wl_instance *instance;
    pid_t pid;
    uid_t uid;
    int pidfd;               /* -1: the kernel has none */
    bool has_ended;          /* it was gone when the connection was accepted */
    _Atomic bool is_checked; /* it belongs to the instance */
};

enum sk_wl_op {
    SK_WL_SIGN = SK_WORKLOAD_SIGN,
    SK_WL_ENCRYPT = SK_WORKLOAD_ENCRYPT,
    SK_WL_DECRYPT = SK_WORKLOAD_DECRYPT,
    SK_WL_SERVER_CERT = SK_WORKLOAD_SERVER_CERT,
    SK_WL_IDENTITY_CERT = SK_WORKLOAD_IDENTITY_CERT,
    SK_WL_LIST
};

/* A request on its way to a worker; in the request's arena. */
struct sk_wl_job {
    struct sk_http_req *req;
    enum sk_wl_op op;
    const char *generation;
    struct sk_wl_job *next;
};

/* The calls that wait. Outlives the workload for calls whose owner is late. */
struct sk_wl_calls {
    pthread_mutex_t lock; /* guards all */
    pthread_cond_t quiet; /* nobody answers any more */
    unsigned refs;        /* the workload's, and one a call */
    unsigned answering;
    bool is_over;
    int wake_fd; /* of the accepting thread; -1: over */
    struct sk_workload_call *first;
};

struct sk_workload {
    struct sk_workload_options opts;
    char *dir, *trust_bundle_file;
    int dir_fd;
    struct sk_http_server *http;
    struct sk_wl_calls *calls;

    pthread_mutex_t lock; /* guards instances, their fd and next_id */
    struct sk_wl_instance *instances;
    uint64_t next_id;

    int epoll_fd, wake_fd;
    pthread_t thread;
    bool has_thread;
    _Atomic bool stops;

    pthread_mutex_t queue_lock; /* guards the queue and is_ending */
    pthread_cond_t queued;
    struct sk_wl_job *queue, **queue_end;
    bool is_ending;
    pthread_t workers[SK_WORKLOAD_WORKERS];
    unsigned worker_count;
};

/* ---- sockets.c ---- */
int sk_wl_sockets_start(struct sk_workload *w, struct sk_err *err) SK_CHECK;
void sk_wl_sockets_stop(struct sk_workload *w); /* removes all sockets */
void sk_wl_peer_drop(void *peer);

/* ---- request.c ---- */
extern const struct sk_http_route sk_wl_routes[];
/* {"message": text} with the status of the code. */
void sk_wl_refuse(struct sk_http_req *r, const struct sk_err *why);
/* A path behind "/modules/", of which the module was looked at: "genid/1/sign" as an op. */
bool sk_wl_parse_op(char *rest, enum sk_wl_op *op, const char **generation);

/* ---- worker.c ---- */
int sk_wl_workers_start(struct sk_workload *w, struct sk_err *err) SK_CHECK;
void sk_wl_workers_stop(struct sk_workload *w);
/* False: it is over. */
bool sk_wl_push(struct sk_workload *w, struct sk_wl_job *job);
/* Whether the process may have what belongs to its socket's module. */
int sk_wl_check_peer(const struct sk_workload *w, struct sk_wl_peer *p,
                     struct sk_err *err) SK_CHECK;

/* ---- call.c ---- */
struct sk_wl_calls *sk_wl_calls_new(int wake_fd);
/* Refuses all that wait, and those that come; forgets the wake_fd. */
void sk_wl_calls_end(struct sk_wl_calls *c);
void sk_wl_calls_unref(struct sk_wl_calls *c);
/* NULL: over, or out of memory; the request is still the caller's then. */
struct sk_workload_call *sk_wl_call_new(struct sk_wl_calls *c, struct sk_http_req *r,
                                        enum sk_workload_kind kind);
/* Refuses those that wait for too long; ms until there may be more of these, -1: none waits. */
int sk_wl_calls_sweep(struct sk_wl_calls *c, uint64_t now_ms);

#endif
