/*
 * http_priv.h - what the files of this module share.
 *
 * Who owns what. A connection (struct sk_conn) is made by the watch thread when a socket is
 * accepted and freed on its event loop when libmicrohttpd has ended it. It carries one request
 * (struct sk_http_req), reused for all requests of the connection, since HTTP/1.1 answers in order.
 * While a request is held by a handler, or its answer waits for its source, its connection is
 * suspended: the event loop does not look at it, so nothing can free it.
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
#include "base/net.h"
#include "base/thread.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdatomic.h>

enum {
    SK_HTTP_HEADERS_MAX = 128,     /* header lines of a request */
    SK_HTTP_QUERY_MAX = 32,        /* parameters of a query */
    SK_HTTP_DISCARD_BYTES = 65536, /* of a refused request's body read away to keep the connection
                                    */
    SK_HTTP_LINGER_MAX = 64,       /* sockets that wait for their peer after a refusal */
    SK_HTTP_LINGER_MS = 2000,
    SK_HTTP_SPARE_BUFFERS = 16,
    SK_HTTP_SPARE_BYTES = 4 << 20,
    SK_HTTP_FIRST_BYTES = 1 << 20, /* what a Content-Length makes us reserve before a byte has come
                                    */
    SK_HTTP_RETRY_AFTER_S = 1,
    SK_HTTP_ASK_BYTES = 32768, /* of a source at once */
    SK_HTTP_LAST_MS = 1000,    /* sources have to send their last when the server is stopped */
    SK_HTTP_STATUS_GONE = 499, /* for the log: the client left before its answer */
};

enum sk_stage {
    SK_STAGE_READING,  /* a request, from its first byte; a new connection from its start */
    SK_STAGE_HANDLING, /* no deadline here */
    SK_STAGE_SENDING,
    SK_STAGE_WAITING, /* an answer that comes piece by piece, for its next: no deadline here */
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
    SK_TURN_ORPHAN, /* the connection is gone, done() was told, and has not answered yet */
};

/* A body that is taken as it comes: stream.c. */
struct sk_http_stream {
    int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err);
    void (*done)(struct sk_http_req *r, const struct sk_err *failed, void *ctx);
    void *ctx;
    bool is_taken;
    bool is_over;      /* done was called */
    bool has_failed;   /* and the body is not whole */
    uint64_t mark;     /* received when the deadline last moved */
    uint64_t until_ms; /* the deadline */
};

/* An answer that comes piece by piece: source.c. */
struct sk_http_feed {
    struct sk_http_source source;
    struct sk_http_waker *waker;
    bool is_used;        /* it is the answer */
    bool is_owed;        /* done is to be called */
    bool is_counted;     /* in the server's `sources` */
    bool is_head;        /* no body is sent */
    bool is_over;        /* the piece is the last */
    bool waits;          /* nothing was there when it was asked last */
    struct sk_buf piece; /* what it gave, sent up to `at` */
    size_t at;
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
    bool is_1_0;       /* HTTP/1.0 */
    bool refused;      /* before its handler: the answer is ready in `out` */
    bool discards;     /* its body is not wanted */
    uint64_t expected; /* bytes of body, UINT64_MAX: chunked */
    uint64_t received;
    uint64_t charged;   /* of the server's body_bytes */
    struct sk_buf body; /* lent by the server's spares */
    struct sk_multipart *multipart;
    bool is_multipart;
    struct sk_http_stream stream;
    struct sk_http_feed feed; /* instead of out */

    int status; /* 0: not set */
    const char *type;
    struct sk_pair out_headers[SK_HTTP_OUT_HEADERS + 2];
    size_t out_header_count;
    struct sk_buf out;
    const void *static_bytes; /* instead of out */
    size_t static_len;
    bool has_file; /* file_fd is ours, and sent instead of out */
    int file_fd;
    uint64_t file_offset, file_len;
    int raw_status;   /* what was written past libmicrohttpd, 0: nothing */
    bool closes;      /* the answer ends the connection */
    _Atomic int turn; /* enum sk_turn */
};

struct sk_conn {
    struct sk_http_server *server;
    int fd;
    _Atomic unsigned refs; /* its event loop's (or the table's), and an orphan's */
    bool is_started;       /* libmicrohttpd knows it; set under the table's mutex */
    bool lingers;          /* unread bytes may be on their way: see sk_watch_linger() */
    bool is_hushed;        /* its reading side was shut down by a drain */
    char peer[SK_PEER_TEXT];
    char *cert; /* of the client, DER; NULL: none */
    size_t cert_len;
    void *tag; /* see sk_http_adopt(); drop may be NULL */
    void (*drop)(void *tag);
    _Atomic bool is_paced;       /* the deadline of SENDING moves with what the peer has taken */
    struct sk_http_waker *waker; /* of a source that is being sent; set under the table's mutex */
    _Atomic uint64_t word;       /* deadline in ms << 3 | enum sk_stage */
    uint64_t accepted_ms;
    _Atomic unsigned ended; /* requests so far */
    unsigned seen_ended;    /* watch thread: of these when seen_bytes was looked at */
    uint64_t seen_bytes;    /* watch thread: received by the kernel when last looked at; UINT64_MAX:
                               not looked at */
    uint64_t seen_acked;    /* likewise: taken by the peer when the deadline last moved */
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
    _Atomic unsigned orphans;    /* requests whose clients left and that were not answered yet */
    _Atomic unsigned answering;  /* calls of sk_http_answer() that still touch the daemon */
    _Atomic uint64_t body_bytes; /* of all requests, bounded by opts.max_total_body_bytes */
    _Atomic unsigned sources;    /* answers of sources that are being sent */
    _Atomic unsigned pulls;      /* of these, those asked now or suspended */
    _Atomic bool is_draining, is_retired; /* answers end their connections */
    _Atomic bool is_ending;               /* no source is asked any more */

    pthread_t watch;
    bool watch_runs;
    int listen_fd, wake_fd, epoll_fd; /* of the watch thread */
    _Atomic bool stops, quiesces;
    bool accept_pauses;
    _Atomic bool wants_accept; /* written under the lock; with TLS: what the front was told */
    char keep_alive[24];       /* "timeout=70": see server.c; "": not advertised */

    pthread_mutex_t lock; /* guards by_fd, lingers, accepts and the flags of connections named so */
    pthread_cond_t gone;  /* a connection left, or the watch thread did as it was told */
    struct sk_conn **by_fd;
    size_t by_fd_count;
    struct sk_linger lingers[SK_HTTP_LINGER_MAX];
    size_t linger_count;
    bool accepts;   /* the watch thread may accept: what wants_accept said when it last looked */
    bool is_closed; /* no longer listening */

    pthread_mutex_t spare_lock; /* guards spares */
    struct sk_buf spares[SK_HTTP_SPARE_BUFFERS];
    size_t spare_count;
};

/* ---- conn.c: stages and their deadlines, the table ---- */
struct sk_conn *sk_conn_new(struct sk_http_server *s, int fd, const struct sockaddr *addr,
                            struct sk_view cert);
void sk_conn_unref(struct sk_conn *c);
/* ms 0: no deadline. False: the watch thread has cut the connection. */
bool sk_conn_enter(struct sk_conn *c, enum sk_stage stage, uint64_t ms);
/* Moves the deadline of a stage that it is still in. */
void sk_conn_extend(struct sk_conn *c, enum sk_stage stage, uint64_t ms);
enum sk_stage sk_conn_stage(const struct sk_conn *c);
/* The peer can neither send nor read. That it has ended its side alone says nothing: [http-3]. */
bool sk_conn_is_gone(const struct sk_conn *c);
int sk_table_add(struct sk_http_server *s, struct sk_conn *c, struct sk_err *err) SK_CHECK;
struct sk_conn *sk_table_start(struct sk_http_server *s, int fd);
void sk_table_remove(struct sk_http_server *s, struct sk_conn *c);
/* Shuts overdue connections down. */
void sk_table_sweep(struct sk_http_server *s, uint64_t now_ms);
/* Lets idle connections end, and wakes sources. Returns how many connections are there. */
size_t sk_table_hush(struct sk_http_server *s, uint64_t now_ms);
/* Shuts all down; returns how many had a request. */
unsigned sk_table_cut(struct sk_http_server *s);
void sk_table_wake(struct sk_http_server *s); /* all sources */

/* ---- watch.c: the thread that accepts, and cuts who is late ---- */
int sk_watch_listen(struct sk_http_server *s, struct sk_err *err) SK_CHECK;
int sk_watch_start(struct sk_http_server *s, struct sk_err *err) SK_CHECK;
/* Whether to accept; done when it returns. */
void sk_watch_accept(struct sk_http_server *s, bool on);
/* Accepts what waits unless it is another's, then closes the listening socket. */
void sk_watch_quiesce(struct sk_http_server *s);
void sk_watch_stop(struct sk_http_server *s);
/* Hands a connected socket to libmicrohttpd, or answers 503 and closes it. */
void sk_watch_adopt(struct sk_http_server *s, int fd, const struct sockaddr *addr,
                    socklen_t addr_len, struct sk_view cert);
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

/* What a body of this request may have. */
uint64_t sk_body_limit(const struct sk_http_req *r);

/* ---- stream.c ---- */
/* Runs the handler of a SK_HTTP_STREAM route whose body is still to come. */
void sk_http_stream_begin(struct sk_http_req *r);
/* A piece, or again the one at which the body failed. False: the connection ends now. */
bool sk_http_stream_take(struct sk_http_req *r, const char *bytes, size_t *len);
/* Calls done; once. */
void sk_http_stream_end(struct sk_http_req *r, const struct sk_err *failed);
/* Its connection ends and its body was not whole. True: it is an orphan now. */
bool sk_http_stream_abandon(struct sk_http_req *r);

/* ---- answer.c ---- */
enum MHD_Result sk_answer_queue(struct sk_http_req *r, struct MHD_Connection *mhd);
void sk_answer_drop_file(struct sk_http_req *r);
/* Suspends until the answer comes, unless it has come. */
void sk_answer_wait(struct sk_http_req *r);
/* The request's answer past libmicrohttpd, in the middle of its body. */
void sk_answer_early(struct sk_http_req *r);
/* A whole answer written to a socket that libmicrohttpd is not writing to; the connection ends
 * after it. */
void sk_answer_raw(int fd, int status, const char *request_id, const char *json);

/* ---- source.c, beside http.h ---- */
/* Before its response is made. -1: out of memory. */
int sk_source_ready(struct sk_http_req *r) SK_CHECK;
struct MHD_Response *sk_source_response(struct sk_http_req *r);
/* Its answer was sent, or will not be. Calls done; once. */
void sk_source_end(struct sk_http_req *r);

/* ---- range.c, beside http.h ---- */
enum sk_range {
    SK_RANGE_ALL,
    SK_RANGE_PART,
    SK_RANGE_NONE /* it lies outside */
};

/* What "bytes=..." asks of size bytes. */
enum sk_range sk_range_parse(const char *text, uint64_t size, uint64_t *offset, uint64_t *len);
/* Whether a list of entity tags (If-None-Match) names this one, weakly compared. */
bool sk_etag_in(const char *list, const char *etag);

/* ---- multipart.c, beside http.h ---- */
/* Makes an empty parser whose part bodies go to `data`; begin starts a body. */
struct sk_multipart *sk_multipart_alloc(void);
int sk_multipart_begin(struct sk_multipart *m, const char *content_type, struct sk_buf *data,
                       unsigned max_parts, struct sk_err *err) SK_CHECK;

#endif
