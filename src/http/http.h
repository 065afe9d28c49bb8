/*
 * http.h - the HTTP/1.1 server: routes, limits, bodies whole or as they come, answers from any
 * thread.
 *
 * A server owns a listening socket, a few event loop threads (libmicrohttpd, epoll) and a watchdog.
 * A request is read within its limits and then given to the handler of its route. The handler
 * answers at once, or keeps the request and answers later from any thread with the same functions:
 * sk_http_answer() may be called exactly once per request and ends the handler's hold on it.
 *
 *     static void predict(struct sk_http_req *req, void *ctx) { ...; sk_http_answer(req); }
 *
 * Large bodies do not pass through memory: a route with SK_HTTP_STREAM takes its body piece by
 * piece (sk_http_take_body), an answer can be part of a file (sk_http_set_file) or come from a
 * source over time (sk_http_set_source).
 *
 * Slow peers: one total deadline covers a request from its first byte to its last (read_ms),
 * another an idle keep-alive connection (idle_ms), another the sending of an answer (read_ms). The
 * watchdog shuts the socket down. Streamed bodies, files and sources have read_ms for each
 * SK_HTTP_STALL_BYTES instead. What libmicrohttpd answers by itself, before any handler, is listed
 * in docs/spec/http.md.
 *
 * Errors of a request are answered as JSON {"error": text} with the status of the code.
 */
#ifndef SK_HTTP_HTTP_H
#define SK_HTTP_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "base/str.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_http_server;
struct sk_http_req;
struct sk_stream;
struct sk_tls_peer;

enum sk_http_flags {
    SK_HTTP_MULTIPART = 1u << 0, /* parse multipart/form-data while it arrives; other bodies arrive
                                    whole */
    SK_HTTP_PREFIX = 1u << 1,    /* the pattern is a prefix: "/v2/models/" */
    SK_HTTP_OPEN = 1u << 2,      /* no API key needed (health) */
    SK_HTTP_QUIET = 1u << 3,     /* log at debug (health, metrics) */
    SK_HTTP_STREAM = 1u << 4,    /* handle() runs when the headers are complete: see
                                    sk_http_take_body(); not with SK_HTTP_MULTIPART */
    SK_HTTP_CODED = 1u << 8,     /* a Content-Encoding is the handler's affair; else 415 */
};

enum {
    SK_HTTP_STALL_BYTES = 16384, /* of a streamed body, file or source must move in read_ms */
    SK_HTTP_PIECE_BYTES = 65536, /* that a source may append in one call */
    SK_HTTP_OUT_HEADERS = 16     /* of a handler's answer */
};

struct sk_http_route {
    const char *method; /* any; "GET" also answers HEAD */
    const char *path;   /* exact, or prefix */
    unsigned flags;
    void (*handle)(struct sk_http_req *req, void *ctx);
    void *ctx;
    uint64_t max_body_bytes; /* 0: the server's */
};

struct sk_http_options {
    const char *host; /* numeric address or name; "127.0.0.1" */
    uint16_t port;    /* 0: the kernel picks one */
    /* >= 0: use this listening socket, TCP or unix, instead of host and port (ownership is taken).
     * is_shared: other processes have copies of it and serve what we leave in its backlog, so that
     * no drain accepts it away. */
    int listen_fd;
    bool is_shared;
    bool starts_paused; /* accepts nothing before sk_http_resume() */
    bool only_adopts;   /* listens nowhere: connections come by sk_http_adopt(). Not with TLS */
    unsigned threads;   /* event loops; 0: 1, or 2 with 4 cores and more */
    size_t max_body_bytes, max_header_bytes; /* 0: the defaults of limits.h, likewise below */
    size_t max_total_body_bytes; /* bodies of all requests together, 503 beyond; 0: 8 times
                                    max_body_bytes */
    size_t piece_bytes; /* streamed bodies come in pieces of at most about so many bytes; each
                           connection may hold twice as much memory. 0: 32 KiB */
    unsigned max_connections, max_parts;
    unsigned read_ms, idle_ms;
    const struct sk_http_route *routes; /* ended by a row without method; borrowed for the server's
                                           life */
    void *ctx;                          /* given to handlers whose route has no ctx of its own */
    const char *api_key; /* NULL: open. Else "Authorization: Bearer KEY" or "X-API-Key: KEY" is
                            needed, 401 otherwise */
    const char *tls_cert, *tls_key; /* PEM files; both or none. Served by crypto's front, see
                                       crypto.h */
    bool ask_client_cert;           /* with TLS: sk_http_client_cert() */
    /* With TLS: clients whose first bytes begin with take_prefix are not this server's but given
     * away, as crypto.h says; ctx is that of these options. NULL: nobody. */
    const char *take_prefix;
    int (*take)(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx);
    /* Called on an event loop when the headers of a request that has a route are complete, before
     * any of its body is read and before its handler; may be NULL. 0: go on; -1: it has set an
     * answer and called sk_http_answer(). */
    int (*admit)(struct sk_http_req *req, void *ctx);
    /* Called exactly once for every request whose first line was read, when its answer was sent or
     * its connection was lost, on an event loop, for metrics and the access log; may be NULL. It
     * includes requests that were refused before a handler saw them (limits, unknown path, key):
     * sk_http_user() is NULL then. status is what was answered; 408 when the request was cut for
     * being slow, 499 when the client left before an answer. When a client leaves during a streamed
     * body it comes after the sk_http_answer() of that request, on that thread. */
    void (*finished)(struct sk_http_req *req, int status, uint64_t total_ns, void *ctx);
};

int sk_http_start(const struct sk_http_options *opts, struct sk_http_server **out,
                  struct sk_err *err) SK_CHECK;
/* Reads tls_cert and tls_key again for new connections. After an error all stays as it was. From
 * any thread. */
int sk_http_reload_tls(struct sk_http_server *s, struct sk_err *err) SK_CHECK;
uint16_t sk_http_port(const struct sk_http_server *s);
/* For a listening socket that changes hands. Retire: when it returns nothing is accepted any more;
 * what is in the backlog stays there. The next answer on each connection carries "Connection:
 * close", and an idle one ends when the time that its last answer advertised (Keep-Alive:
 * timeout=N) is over, so that no client sends into a connection that we close. Resume: accepts
 * again. Both from any thread, as often as one likes. */
void sk_http_retire(struct sk_http_server *s);
void sk_http_resume(struct sk_http_server *s);
bool sk_http_is_accepting(const struct sk_http_server *s);
/* Serves a connected socket that was accepted elsewhere, from any thread, until a drain or stop
 * begins. fd is taken; beyond max_connections it gets 503. tag goes with its requests
 * (sk_http_tag); drop(tag) is called once, from any thread, when the connection is gone. */
void sk_http_adopt(struct sk_http_server *s, int fd, void *tag, void (*drop)(void *tag));
/* Stops accepting, closes idle connections, waits until every request that was read is answered and
 * sent, at most wait_ms (then cuts the rest). Answers from sources end as if these had said so, see
 * must_end. Returns the number of requests that were cut. */
unsigned sk_http_drain(struct sk_http_server *s, uint64_t wait_ms);
/* Ends everything; requests still held must have been answered. Streamed bodies under way end as if
 * their clients had left, and their answers are waited for. Sources end as in a drain. */
void sk_http_stop(struct sk_http_server *s);
unsigned sk_http_connections(const struct sk_http_server *s);
/* Connections that were refused so far because max_connections were there. */
uint64_t sk_http_refused(const struct sk_http_server *s);

/* ---- the request: borrowed until sk_http_answer() returns ---- */
const struct sk_http_server *sk_http_server_of(const struct sk_http_req *r);
const char *sk_http_method(const struct sk_http_req *r);
const char *sk_http_path(const struct sk_http_req *r); /* percent-decoded, without the query */
const char *sk_http_rest(const struct sk_http_req *r); /* what follows a prefix pattern, raw; ""
                                                          otherwise */
/* A part of the raw target, percent-decoded into the request's arena; NULL: out of memory. (What is
 * malformed never reaches a handler.) */
const char *sk_http_decoded(struct sk_http_req *r, const char *text, size_t len);
const char *sk_http_query(const struct sk_http_req *r, const char *name); /* NULL: absent */
/* Of a name that is given more than once ("?order_by=a&order_by=b"), the i-th value. */
const char *sk_http_query_at(const struct sk_http_req *r, const char *name, size_t i);
const char *sk_http_header(const struct sk_http_req *r, const char *name); /* any case; NULL: absent
                                                                            */
/* All header fields, in the order they came. */
void sk_http_headers(const struct sk_http_req *r,
                     void (*each)(void *ctx, const char *name, const char *value), void *ctx);
void *sk_http_tag(const struct sk_http_req *r);        /* of sk_http_adopt(); NULL: accepted here */
const char *sk_http_peer(const struct sk_http_req *r); /* "192.0.2.1:5000", "[2001:db8::1]:5000" */
const char *sk_http_id(const struct sk_http_req *r);   /* X-Request-Id when it is sane, else made
                                                          here; echoed in the answer */
struct sk_view sk_http_body(const struct sk_http_req *r);     /* empty for multipart and streams */
uint64_t sk_http_content_length(const struct sk_http_req *r); /* UINT64_MAX: chunked */
/* The client's certificate, DER; empty: none was shown. The client has its key; whether it is to be
 * trusted is for the caller to find out. */
struct sk_view sk_http_client_cert(const struct sk_http_req *r);
uint64_t sk_http_start_ns(const struct sk_http_req *r); /* headers complete */
uint64_t sk_http_read_ns(const struct sk_http_req *r);  /* body complete */
unsigned sk_http_flags(const struct sk_http_req *r);    /* of its route; 0 when it has none */
const struct sk_http_route *sk_http_route_of(const struct sk_http_req *r); /* NULL: none */
struct sk_arena *sk_http_arena(struct sk_http_req *r); /* lives as long as the request */

struct sk_http_part {
    const char *name;         /* of the field; "" when absent */
    const char *filename;     /* NULL when absent */
    const char *content_type; /* NULL when absent */
    struct sk_view body;
};

bool sk_http_is_multipart(const struct sk_http_req *r);
size_t sk_http_part_count(const struct sk_http_req *r);
const struct sk_http_part *sk_http_part_at(const struct sk_http_req *r, size_t i);

/*
 * The handler of a SK_HTTP_STREAM route either takes the body or answers at once (then the body is
 * not read). sink gets the pieces as they come, on the event loop, so it may write to a file but
 * must not wait for others; -1 ends the body. Then done is called exactly once, on the event loop:
 * failed is NULL when the body is whole, else why it is not (the sink's error; SK_TOO_LARGE;
 * SK_CANCELLED: the client left or stalled, and no answer reaches anyone). From then on it is an
 * ordinary request: done, or any thread later, calls sk_http_answer() once, in every case. After
 * SK_CANCELLED sk_http_header() finds nothing.
 */
void sk_http_take_body(struct sk_http_req *r,
                       int (*sink)(void *ctx, const void *bytes, size_t len, struct sk_err *err),
                       void (*done)(struct sk_http_req *r, const struct sk_err *failed, void *ctx),
                       void *ctx);

/* A place for the handler's own state, and for the route label used in metrics. */
void sk_http_set_user(struct sk_http_req *r, void *user);
void *sk_http_user(const struct sk_http_req *r);

/* ---- the answer ---- */
void sk_http_set_status(struct sk_http_req *r, int status); /* 200 unless set */
void sk_http_set_header(struct sk_http_req *r, const char *name,
                        const char *value);                             /* copied; at
                                                                           most
                                                                           SK_HTTP_OUT_HEADERS
                                                                         */
void sk_http_set_type(struct sk_http_req *r, const char *content_type); /* static text;
                                                                           application/json unless
                                                                           set */
struct sk_buf *sk_http_out(struct sk_http_req *r);                      /* append the body here */
/* Sends static bytes (the page) instead of the buffer. */
void sk_http_set_static(struct sk_http_req *r, const void *bytes, size_t len);
/* Sends len bytes of a regular file from offset instead; fd is taken. */
void sk_http_set_file(struct sk_http_req *r, int fd, uint64_t offset, uint64_t len);
/* A file of size bytes as the request asks for it: Range, If-Range, If-None-Match (RFC 9110). Sets
 * status (200, 206, 304 or 416, which is returned), Accept-Ranges, Content-Range, ETag, and the
 * file; several ranges at once get the whole. fd is taken. etag: what stands between the quotes;
 * NULL: none. */
int sk_http_send_range(struct sk_http_req *r, int fd, uint64_t size, const char *etag);

/*
 * An answer that comes piece by piece, in chunks, while the request lives: events, exports. All
 * three run on the connection's event loop and must not wait for others.
 */
enum sk_http_pulled {
    SK_HTTP_SOURCE_MORE, /* call again when the client has taken this */
    SK_HTTP_SOURCE_WAIT, /* nothing now (out is empty): call again after sk_http_wake() */
    SK_HTTP_SOURCE_END,  /* this was the last; out may be empty */
    SK_HTTP_SOURCE_FAIL, /* the connection is cut, so that the client sees it is not whole */
};

struct sk_http_source {
    /* Appends about max bytes at most to out, which is empty; beyond SK_HTTP_PIECE_BYTES it counts
     * as FAIL. Also called without a wake. Returns an enum sk_http_pulled. */
    int (*pull)(void *ctx, struct sk_buf *out, size_t max);
    /* Exactly once, when the answer was sent or will not be (a HEAD, sk_http_error() instead, the
     * client is gone), before finished(); may be NULL. On the event loop; for a body whose client
     * had left, where finished() is called. */
    void (*done)(void *ctx);
    void *ctx;
    /* A part would pass for the whole (an export): a drain asks it on, and cuts it when its time is
     * over, as stopping does. Without it a drain ends the answer in order where it is. */
    bool must_end;
};

/* Instead of out, at most once; then sk_http_answer(). */
void sk_http_set_source(struct sk_http_req *r, const struct sk_http_source *source);

/*
 * Wakes the source of one request. Counted; the caller has one reference to what sk_http_waker()
 * returns (before sk_http_answer(); NULL: out of memory).
 *
 * Threads: sk_http_wake() from any, at any time, also when the request or the server is gone. It
 * costs one atomic operation while the source is not waiting, and is never lost: pull is called
 * after it, unless the answer has ended.
 */
struct sk_http_waker;
struct sk_http_waker *sk_http_waker(struct sk_http_req *r);
void sk_http_wake(struct sk_http_waker *w);
void sk_http_waker_unref(struct sk_http_waker *w);
SK_DEFINE_OWN(struct sk_http_waker, sk_http_waker_unref);

/* {"error": text}, status from the code (or what sk_http_set_status said before); SK_BUSY adds
 * Retry-After. */
void sk_http_error(struct sk_http_req *r, const struct sk_err *err);
/* Sends. After it the request must not be touched. From any thread, exactly once. */
void sk_http_answer(struct sk_http_req *r);

/* ---- multipart/form-data (RFC 7578), streaming: see multipart.c ---- */
struct sk_multipart;
/* content_type is the whole header value; SK_INVALID when the boundary is missing, too long or
 * malformed. */
int sk_multipart_new(const char *content_type, size_t max_bytes, unsigned max_parts,
                     struct sk_multipart **out, struct sk_err *err) SK_CHECK;
void sk_multipart_free(struct sk_multipart *m);
SK_DEFINE_OWN(struct sk_multipart, sk_multipart_free);
/* Any split of the body into chunks gives the same result. After an error further chunks are
 * ignored. */
int sk_multipart_feed(struct sk_multipart *m, const char *bytes, size_t len,
                      struct sk_err *err) SK_CHECK;
int sk_multipart_finish(struct sk_multipart *m, struct sk_err *err) SK_CHECK; /* SK_INVALID without
                                                                                 the closing
                                                                                 boundary */
size_t sk_multipart_count(const struct sk_multipart *m);
const struct sk_http_part *sk_multipart_at(const struct sk_multipart *m, size_t i);

#endif
