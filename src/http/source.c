/*
 * source.c - answers that come piece by piece, because their length is not known or their bytes are
 * not there yet.
 *
 *     queued -> ask -- bytes ----------> sent as one chunk -> ask ...
 *                  |-- WAIT ------------> suspended -- wake --> resumed -> ask
 *                  |-- END, or a drain -> the last chunk
 *                  +-- FAIL ------------> the connection is cut
 *
 * libmicrohttpd asks on the connection's event loop, when the piece before is with the kernel. It
 * allows to suspend inside its content reader; a suspended connection is not looked at and cannot
 * end, so a wake that finds it waiting may resume it. Who does is decided by two bits:
 *
 *     the loop    clears both, pulls; at WAIT it suspends, then sets WAITS: WOKEN was there, it
 *                 resumes by itself
 *     a wake      sets WOKEN: WAITS was there and WOKEN was not, it resumes
 *
 * so exactly one resumes, and a wake between the pull and the suspension counts. GONE ends it: the
 * waker may outlive the request, its connection and the server.
 *
 * Invariant: `pulls` of the server counts what is being asked or suspended. It rises before
 * `is_ending` is read; once that is set and the count is zero no source is asked again, nothing is
 * suspended, and no waker touches the server.
 */
#include "http/http_priv.h"

#include <sys/socket.h>

enum waker_bits {
    WOKEN = 1u << 0,
    WAITS = 1u << 1,
    GONE = 1u << 2
};

enum {
    BLOCK_BYTES = 4096 /* of libmicrohttpd's buffer for HTTP/1.0 clients */
};

static const ssize_t SUSPENDED = 0;

struct sk_http_waker {
    _Atomic unsigned refs;
    _Atomic unsigned bits;
    /* Touched only by who may resume. */
    struct sk_http_server *server;
    struct MHD_Connection *mhd;
};

/* ---- wakers ---- */

/* The connection is suspended and ours to resume. */
static void resume(struct sk_http_waker *w)
{
    struct sk_http_server *s = w->server;
    MHD_resume_connection(w->mhd);
    atomic_fetch_sub(&s->pulls, 1);
}

static struct sk_http_waker *need_waker(struct sk_http_req *r)
{
    if (r->feed.waker)
        return r->feed.waker;
    struct sk_http_waker *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    atomic_init(&w->refs, 1);
    w->server = r->conn->server;
    w->mhd = r->mhd;
    r->feed.waker = w;
    return w;
}

struct sk_http_waker *sk_http_waker(struct sk_http_req *r)
{
    struct sk_http_waker *w = need_waker(r);
    if (w)
        atomic_fetch_add(&w->refs, 1);
    return w;
}

void sk_http_wake(struct sk_http_waker *w)
{
    if (w && atomic_fetch_or(&w->bits, WOKEN) == WAITS)
        resume(w);
}

void sk_http_waker_unref(struct sk_http_waker *w)
{
    if (w && atomic_fetch_sub(&w->refs, 1) == 1)
        free(w);
}

/* ---- asking ---- */

void sk_http_set_source(struct sk_http_req *r, const struct sk_http_source *source)
{
    r->feed.source = *source;
    r->feed.is_used = r->feed.is_owed = true;
}

/* HTTP/1.0 knows no last chunk, an orderly end of the connection would pass for the answer's. This
 * resets it. */
static ssize_t cut(struct sk_http_req *r)
{
    struct sockaddr none = { .sa_family = AF_UNSPEC };
    if (r->is_1_0)
        (void)connect(r->conn->fd, &none, sizeof none);
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

/* Asks again when it is woken; at once: in the next round of the event loop. */
static ssize_t suspend(struct sk_http_req *r, bool at_once)
{
    struct sk_http_waker *w = r->feed.waker;
    if (!sk_conn_enter(r->conn, SK_STAGE_WAITING, 0))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    r->feed.waits = true;
    MHD_suspend_connection(r->mhd);
    const unsigned before = atomic_fetch_or(&w->bits, at_once ? WAITS | WOKEN : WAITS);
    if (at_once || before & WOKEN)
        resume(w);
    return SUSPENDED;
}

/* One piece: its bytes, SUSPENDED, or one of libmicrohttpd's ends. */
static ssize_t pull(struct sk_http_req *r, size_t max)
{
    struct sk_http_feed *f = &r->feed;
    const struct sk_http_server *s = r->conn->server;

    if (atomic_load(&s->is_ending) && f->source.must_end)
        return cut(r);
    if (atomic_load(&s->is_ending) || (atomic_load(&s->is_draining) && !f->source.must_end))
        return MHD_CONTENT_READER_END_OF_STREAM;
    (void)atomic_exchange(&f->waker->bits, 0);
    const int what = f->source.pull(f->source.ctx, &f->piece, max);
    if (what == SK_HTTP_SOURCE_FAIL || !sk_buf_ok(&f->piece))
        return cut(r);
    f->is_over = what == SK_HTTP_SOURCE_END;
    if (f->piece.len > 0)
        return (ssize_t)f->piece.len;
    if (f->is_over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    return suspend(r, what == SK_HTTP_SOURCE_MORE);
}

/* The next piece; the deadline of what is sent now begins when it was waited for. */
static ssize_t ask(struct sk_http_req *r, size_t max)
{
    struct sk_http_feed *f = &r->feed;
    struct sk_conn *c = r->conn;
    sk_buf_clear(&f->piece);
    f->at = 0;
    if (f->is_over)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (sk_conn_stage(c) == SK_STAGE_CUT || (f->waits && sk_conn_is_gone(c)))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    atomic_fetch_add(&c->server->pulls, 1);
    const ssize_t n = pull(r, max);
    if (n == SUSPENDED)
        return n;
    atomic_fetch_sub(&c->server->pulls, 1);
    if (f->waits && !sk_conn_enter(c, SK_STAGE_SENDING, c->server->opts.read_ms))
        return MHD_CONTENT_READER_END_WITH_ERROR;
    f->waits = false;
    return n;
}

/* libmicrohttpd's content reader. */
static ssize_t read_source(void *cls, uint64_t pos, char *out, size_t max)
{
    struct sk_http_req *r = cls;
    struct sk_http_feed *f = &r->feed;
    (void)pos;
    if (f->is_head)
        return MHD_CONTENT_READER_END_OF_STREAM;
    if (f->at == f->piece.len) {
        const ssize_t n = ask(r, max < SK_HTTP_ASK_BYTES ? max : SK_HTTP_ASK_BYTES);
        if (n <= 0)
            return n;
    }
    const size_t left = f->piece.len - f->at;
    const size_t n = left < max ? left : max;
    memcpy(out, f->piece.data + f->at, n);
    f->at += n;
    return (ssize_t)n;
}

/* ---- life ---- */

int sk_source_ready(struct sk_http_req *r)
{
    struct sk_http_waker *w = need_waker(r);
    if (!w)
        return -1;
    r->feed.piece.ceiling = SK_HTTP_PIECE_BYTES;
    r->feed.is_head = strcmp(r->method, "HEAD") == 0;
    r->feed.is_counted = true;
    atomic_fetch_add(&r->conn->server->sources, 1);
    SK_LOCK(&r->conn->server->lock);
    r->conn->waker = w;
    return 0;
}

struct MHD_Response *sk_source_response(struct sk_http_req *r)
{
    if (r->status == MHD_HTTP_NO_CONTENT || r->status == MHD_HTTP_NOT_MODIFIED)
        return MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT);
    struct MHD_Response *response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES,
                                                                      read_source, r, NULL);
    /* 0.9.75 sends a last chunk behind the headers of HEAD, so there must be no chunks. */
    if (response && r->feed.is_head)
        (void)MHD_set_response_options(response, MHD_RF_HTTP_VERSION_1_0_ONLY, MHD_RO_END);
    return response;
}

void sk_source_end(struct sk_http_req *r)
{
    struct sk_http_feed *f = &r->feed;
    if (r->conn->waker) {
        SK_LOCK(&r->conn->server->lock);
        r->conn->waker = NULL;
    }
    if (f->waker)
        atomic_fetch_or(&f->waker->bits, GONE);
    sk_http_waker_unref(f->waker);
    f->waker = NULL;
    sk_buf_done(&f->piece);
    if (f->is_owed && f->source.done)
        f->source.done(f->source.ctx);
    f->is_owed = f->is_used = false;
    if (f->is_counted)
        atomic_fetch_sub(&r->conn->server->sources, 1);
    f->is_counted = false;
}
