/*
 * http_priv.h - what the files of this module share.
 *
 * Who owns what. A connection (struct sk_conn) is made by the watch thread when a socket is
 * accepted and freed on its event loop when libmicrohttpd has ended it. It carries one request
 * (struct sk_http_req), reused for all requests of the connection, since HTTP/1.1 answers in order.
 * While a request is held by a handler its connection is suspended: the event loop does not look at
 * it, so nothing can free it.
 *
 * One atomic word per connection holds what the watch thread needs: the stage and its deadline. The
 * event loop writes it at each change of stage; the watch thread takes an overdue connection by a
 * compare-and-swap to SK_STAGE_CUT, so a request that moved on in the meantime is not hit. The
 * table's mutex is held while the socket is shut down, and the connection leaves the table before
 * its descriptor is closed: the descriptor cannot have become another's.
 */
#ifndef SK_HTTP_HTTP_PRIV_H
#define SK_HTTP_HTTP_PRIV_H

#include "base/limits.h"
#include "base/thread.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdatomic.h>

enum {
    SK_HTTP_HEADERS_MAX = 128,     /* header lines of a request */
    SK_HTTP_QUERY_MAX = 32,        /* parameters of a query */
    SK_HTTP_OUT_HEADERS = 8,       /* of a handler */
    SK_HTTP_DISCARD_BYTES = 65536, /* of a refused request's body read away to keep the connection
                                    */
    SK_HTTP_LINGER_MAX = 64,       /* sockets that wait for their peer after a refusal */
    SK_HTTP_LINGER_MS = 2000,
    SK_HTTP_SPARE_BUFFERS = 16,
    SK_HTTP_SPARE_BYTES = 4 << 20,
    SK_HTTP_FIRST_BYTES = 1 << 20, /* what a Content-Length makes us reserve before a byte has come
                                    */
    SK_HTTP_PEER_TEXT = INET6_ADDRSTRLEN + 10,
    SK_HTTP_RETRY_AFTER_S = 1,
    SK_HTTP_STATUS_GONE = 499, /* for the log: the client left before its answer */
};

enum sk_stage {
    SK_STAGE_READING,  /* a request, from its first byte; a new connection from its start */
    SK_STAGE_HANDLING, /* no deadline here */
    SK_STAGE_SENDING,
    SK_STAGE_IDLE,
    SK_STAGE_CUT, /* shut down by the watch thread */
    SK_STAGE_COUNT
};

/* Who holds the request. */
enum sk_turn {
    SK_TURN_LOOP,
    SK_TURN_HANDLER,   /* inside handle(), on the event loop */
    SK_TURN_SUSPENDED, /* handle() returned without an answer */
    SK_TURN_ANSWERED,
};

struct sk_pair {
    const char *name, *value;
};

struct sk_http_req {
    struct sk_conn *conn;
    struct MHD_Connection *mhd;
    const struct sk_http_route *route; /* NULL: none */
    const char *method, *target, *path, *rest;
    struct sk_pair query[SK_HTTP_QUERY_MAX];
    size_t query_count;
    char id[SK_LIMIT_REQUEST_ID_BYTES + 1];
    uint64_t start_ns, read_ns;
    struct sk_arena arena;
    void *user;

    bool begun;        /* the request line was read */
    bool seen;         /* the access handler saw it */
    bool is_primed;    /* see server.c */
    bool refused;      /* before its handler: the answer is ready in `out` */
    bool discards;     /* its body is not wanted */
    uint64_t expected; /* bytes of body, UINT64_MAX: chunked */
    uint64_t received;
    uint64_t charged;   /* of the server's body_bytes */
    struct sk_buf body; /* lent by the server's spares */
    struct sk_multipart *multipart;
    bool is_multipart;

    int status; /* 0: not set */
    const char *type;
    struct sk_pair out_headers[SK_HTTP_OUT_HEADERS + 2];
    size_t out_header_count;
    struct sk_buf out;
    const void *static_bytes; /* instead of out */
    size_t static_len;
    int raw_status;   /* what was written past libmicrohttpd, 0: nothing */
    bool closes;      /* the answer ends the connection */
    _Atomic int turn; /* enum sk_turn */
};

struct sk_conn {
    struct sk_http_server *server;
    int fd;
    bool is_started; /* libmicrohttpd knows it; set under the table's mutex */
    bool lingers;    /* unread bytes may be on their way: see sk_watch_linger() */
    bool is_hushed;  /* its reading side was shut down by a drain */
    char peer[SK_HTTP_PEER_TEXT];
    _Atomic uint64_t word; /* deadline in ms << 3 | enum sk_stage */
    uint64_t accepted_ms;
    uint64_t seen_bytes; /* watch thread: received by the kernel when last looked at; UINT64_MAX:
                            not looked at */
    struct sk_http_req req;
};

struct sk_linger {
    int fd;
    uint64_t until_ms;
};

struct sk_http_server {
    struct sk_http_options opts; /* with the defaults filled in */
    struct MHD_Daemon *daemon;
    struct sk_tls_front *tls;
    uint16_t port;
    uint64_t id_seed;
    _Atomic uint64_t id_next;
    _Atomic unsigned connections;
    _Atomic uint64_t refused;    /* connections beyond the limit */
    _Atomic unsigned answering;  /* calls of sk_http_answer() that still touch the daemon */
    _Atomic uint64_t body_bytes; /* of all requests, bounded by opts.max_total_body_bytes */
    _Atomic bool is_draining;

    pthread_t watch;
    bool watch_runs;
    int listen_fd, wake_fd, epoll_fd; /* of the watch thread */
    _Atomic bool stops, quiesces;
    bool accept_pauses;

    pthread_mutex_t lock; /* guards by_fd, lingers and the flags of connections named so */
    pthread_cond_t gone;  /* a connection left, or the listening socket was closed */
    struct sk_conn **by_fd;
    size_t by_fd_count;
    struct sk_linger lingers[SK_HTTP_LINGER_MAX];
    size_t linger_count;
    bool is_closed; /* no longer listening */

    pthread_mutex_t spare_lock; /* guards spares */
    struct sk_buf spares[SK_HTTP_SPARE_BUFFERS];
    size_t spare_count;
};

/* ---- conn.c: stages and their deadlines, the table ---- */
struct sk_conn *sk_conn_new(struct sk_http_server *s, int fd, const struct sockaddr *addr);
void sk_conn_free(struct sk_conn *c);
/* ms 0: no deadline. False: the watch thread has cut the connection. */
bool sk_conn_enter(struct sk_conn *c, enum sk_stage stage, uint64_t ms);
enum sk_stage sk_conn_stage(const struct sk_conn *c);
int sk_table_add(struct sk_http_server *s, struct sk_conn *c, struct sk_err *err) SK_CHECK;
struct sk_conn *sk_table_start(struct sk_http_server *s, int fd);
void sk_table_remove(struct sk_http_server *s, struct sk_conn *c);
/* Shuts overdue connections down. */
void sk_table_sweep(struct sk_http_server *s, uint64_t now_ms);
/* Lets idle connections end. Returns how many connections are there. */
size_t sk_table_hush(struct sk_http_server *s, uint64_t now_ms);
/* Shuts all down; returns how many had a request. */
unsigned sk_table_cut(struct sk_http_server *s);

/* ---- watch.c: the thread that accepts, and cuts who is late ---- */
int sk_watch_listen(struct sk_http_server *s, struct sk_err *err) SK_CHECK;
int sk_watch_start(struct sk_http_server *s, struct sk_err *err) SK_CHECK;
void sk_watch_quiesce(struct sk_http_server *s); /* accepts what waits, then closes the listening
                                                    socket */
void sk_watch_stop(struct sk_http_server *s);
/* Hands a connected socket to libmicrohttpd, or answers 503 and closes it. */
void sk_watch_adopt(struct sk_http_server *s, int fd, const struct sockaddr *addr,
                    socklen_t addr_len);
/* Closing a socket with unread bytes resets it, and the peer may lose our answer: a copy of the
 * descriptor stays open and is read away until the peer closes, for SK_HTTP_LINGER_MS at most. */
void sk_watch_linger(struct sk_http_server *s, int fd);

/* ---- request.c ---- */
void sk_req_begin(struct sk_http_req *r, const char *target);
/* At the end of the headers: finds the route and everything that can be refused without the body.
 */
void sk_req_admit(struct sk_http_req *r, struct MHD_Connection *mhd, const char *method,
                  const char *version);
void sk_req_clear(struct sk_http_req *r);
void sk_req_free(struct sk_http_req *r);
/* The answer becomes {"error": text}; status 0: that of the code. */
void sk_req_refuse(struct sk_http_req *r, int status, enum sk_code code, const char *fmt, ...)
    SK_PRINTF(4, 5);
/* Splits and decodes a request target into path and query; false: malformed. */
bool sk_req_target(struct sk_http_req *r, const char *target);

/* ---- body.c ---- */
void sk_body_begin(struct sk_http_req *r);
/* False: the connection ends now. */
bool sk_body_take(struct sk_http_req *r, const char *bytes, size_t len);
void sk_body_end(struct sk_http_req *r);
void sk_body_release(struct sk_http_req *r);
void sk_body_spares_free(struct sk_http_server *s);

/* ---- answer.c ---- */
enum MHD_Result sk_answer_queue(struct sk_http_req *r, struct MHD_Connection *mhd);
/* A whole answer written to a socket that libmicrohttpd is not writing to; the connection ends
 * after it. */
void sk_answer_raw(int fd, int status, const char *request_id, const char *json);

/* ---- multipart.c, beside http.h ---- */
/* Makes an empty parser whose part bodies go to `data`; begin starts a body. */
struct sk_multipart *sk_multipart_alloc(void);
int sk_multipart_begin(struct sk_multipart *m, const char *content_type, struct sk_buf *data,
                       unsigned max_parts, struct sk_err *err) SK_CHECK;

#endif
