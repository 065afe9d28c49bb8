/*
 * server.c - a server's life, and the callbacks of libmicrohttpd in the order of a request's life.
 *
 *     on_connection STARTED   the socket is served now
 *     on_target               first line: a request begins
 *     on_access, first        end of the headers: admit or refuse; the handler, if it streams
 *     on_access, with bytes   the body arrives
 *     on_access, last         the route's handler runs; an answer from elsewhere comes here again
 *     on_completed            sent, or lost: finished() is called, the connection is idle
 *     on_connection CLOSED    before the descriptor is closed
 *
 * In 0.9.75 an answer queued at the first access call ends the connection, and none can be queued
 * while the body arrives; so answers wait for the last call unless the body is not worth reading
 * (sk_http_req.closes). A connection that is suspended while its loop waits for bytes is read from
 * when it is resumed, and dropped unanswered if its peer has ended its side meanwhile; so the last
 * call is passed up once (is_primed), after which the loop waits for us and not for bytes.
 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/log.h"
#include "crypto/crypto.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* ---- callbacks ---- */

static struct sk_conn *conn_of(struct MHD_Connection *mhd)
{
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct sk_http_server *s = cls;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        const union MHD_ConnectionInfo *fd = MHD_get_connection_info(
            mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
        *context = fd ? sk_table_start(s, fd->connect_fd) : NULL;
        return;
    }
    struct sk_conn *c = *context;
    if (!c)
        return;
    int unread = 0;
    if (c->lingers || (ioctl(c->fd, FIONREAD, &unread) == 0 && unread > 0))
        sk_watch_linger(s, c->fd);
    sk_table_remove(s, c);
    sk_conn_unref(c);
}

static void *on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    (void)cls;
    struct sk_conn *c = conn_of(mhd);
    if (!c)
        return NULL;
    (void)sk_conn_enter(c, SK_STAGE_READING, c->server->opts.read_ms);
    sk_req_begin(&c->req, target ? target : "");
    return &c->req;
}

/* The whole request is here. */
static enum MHD_Result handle(struct sk_http_req *r, struct MHD_Connection *mhd)
{
    if (!sk_conn_enter(r->conn, SK_STAGE_HANDLING, 0))
        return MHD_NO;
    sk_body_end(r);
    if (r->refused)
        return sk_answer_queue(r, mhd);

    atomic_store(&r->turn, SK_TURN_HANDLER);
    if (!r->stream.is_taken)
        r->route->handle(r, r->route->ctx ? r->route->ctx : r->conn->server->opts.ctx);
    if (r->stream.is_taken)
        sk_http_stream_end(r, NULL);
    if (atomic_load(&r->turn) == SK_TURN_ANSWERED)
        return sk_answer_queue(r, mhd);
    sk_answer_wait(r);
    return MHD_YES;
}

static enum MHD_Result on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *bytes,
                                 size_t *len, void **context)
{
    (void)cls;
    (void)url;
    struct sk_http_req *r = *context;
    if (!r)
        return MHD_NO;
    if (!r->seen) {
        sk_req_admit(r, mhd, method, version);
        return r->refused && r->closes ? sk_answer_queue(r, mhd) : MHD_YES;
    }
    if (*len > 0 && r->stream.is_taken)
        return sk_http_stream_take(r, bytes, len) ? MHD_YES : MHD_NO;
    if (*len > 0) {
        size_t n = *len;
        *len = 0;
        return sk_body_take(r, bytes, n) ? MHD_YES : MHD_NO;
    }
    if (atomic_load(&r->turn) == SK_TURN_ANSWERED)
        return sk_answer_queue(r, mhd);
    if (!r->refused && !r->is_primed) {
        r->is_primed = true;
        return MHD_YES;
    }
    return handle(r, mhd);
}

/* What was answered: by us, past libmicrohttpd, by libmicrohttpd itself, or nothing. */
static int final_status(const struct sk_http_req *r, struct MHD_Connection *mhd)
{
    if (r->raw_status)
        return r->raw_status;
    const union MHD_ConnectionInfo *status = MHD_get_connection_info(
        mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    if (status)
        return (int)status->http_status;
    return sk_conn_stage(r->conn) == SK_STAGE_CUT ? MHD_HTTP_REQUEST_TIMEOUT : SK_HTTP_STATUS_GONE;
}

static void on_completed(void *cls, struct MHD_Connection *mhd, void **context,
                         enum MHD_RequestTerminationCode how)
{
    struct sk_http_server *s = cls;
    struct sk_http_req *r = *context;
    if (!r || !r->begun)
        return;
    atomic_store(&r->conn->is_paced, false);
    if (r->stream.is_taken && !r->stream.is_over) {
        r->raw_status = final_status(r, mhd);
        *context = NULL;
        if (sk_http_stream_abandon(r))
            return;
    }
    sk_source_end(r);
    if (s->opts.finished)
        s->opts.finished(r, final_status(r, mhd), sk_now_ns() - r->start_ns, s->opts.ctx);
    if (how != MHD_REQUEST_TERMINATED_COMPLETED_OK)
        r->conn->lingers |= how == MHD_REQUEST_TERMINATED_WITH_ERROR;
    sk_req_clear(r);
    atomic_fetch_add(&r->conn->ended, 1);
    (void)sk_conn_enter(r->conn, SK_STAGE_IDLE, s->opts.idle_ms);
    *context = NULL;
}

/* Targets are decoded by us: see request.c. */
static size_t leave_encoded(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

static int on_tls_accept(int fd, const struct sk_tls_peer *peer, void *ctx)
{
    sk_watch_adopt(ctx, fd, peer->addr, peer->addr_len,
                   (struct sk_view){ peer->cert, peer->cert_len });
    return 0;
}

static int on_tls_take(struct sk_stream *stream, const struct sk_tls_peer *peer, void *ctx)
{
    const struct sk_http_server *s = ctx;
    return s->opts.take(stream, peer, s->opts.ctx);
}

/* ---- life ---- */

static void fill_defaults(struct sk_http_options *o)
{
    unsigned cores = sk_cpu_count();
    o->host = o->host ? o->host : "127.0.0.1";
    o->threads = o->threads ? o->threads : cores >= 4 ? 2 : 1;
    o->max_body_bytes = o->max_body_bytes ? o->max_body_bytes : SK_LIMIT_BODY_BYTES;
    o->max_header_bytes = o->max_header_bytes ? o->max_header_bytes : SK_LIMIT_HEADER_BYTES;
    o->max_connections = o->max_connections ? o->max_connections : SK_LIMIT_CONNECTIONS;
    o->max_parts = o->max_parts ? o->max_parts : SK_LIMIT_PARTS;
    o->read_ms = o->read_ms ? o->read_ms : SK_LIMIT_READ_MS;
    o->idle_ms = o->idle_ms ? o->idle_ms : SK_LIMIT_IDLE_MS;
    if (!o->max_total_body_bytes && !sk_mul_size(o->max_body_bytes, 8, &o->max_total_body_bytes))
        o->max_total_body_bytes = SIZE_MAX;
}

/* What is advertised is less than what is kept, by the time that a request of a client which
 * honours it may need to arrive: 75 s become 70. */
static void set_keep_alive(struct sk_http_server *s)
{
    enum {
        SLACK = 15 /* a part of so many, a second at least */
    };

    const unsigned kept_s = s->opts.idle_ms / 1000;
    const unsigned slack_s = kept_s / SLACK > 0 ? kept_s / SLACK : 1;
    if (kept_s > slack_s)
        (void)snprintf(s->keep_alive, sizeof s->keep_alive, "timeout=%u", kept_s - slack_s);
}

/* libmicrohttpd's threads must not take our signals. */
static int start_daemon(struct sk_http_server *s, struct sk_err *err)
{
    /* What a connection may allocate: its headers twice, once as bytes and once as records. It is
     * also the read buffer, half of it at first. */
    const size_t least = s->opts.max_header_bytes < 16384 ? 32768 : 2 * s->opts.max_header_bytes;
    const size_t pool = least > 2 * s->opts.piece_bytes ? least : 2 * s->opts.piece_bytes;
    const unsigned limit = s->opts.max_connections + SK_HTTP_LINGER_MAX; /* of one thread: never
                                                                            reached, see watch.c */
    const unsigned pools = s->opts.threads > 1 ? s->opts.threads : 0;
    const struct MHD_OptionItem options[] = {
        { MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)pool, NULL },
        { MHD_OPTION_CONNECTION_LIMIT, (intptr_t)(limit * s->opts.threads), NULL },
        { MHD_OPTION_THREAD_POOL_SIZE, (intptr_t)pools, NULL },
        { MHD_OPTION_END, 0, NULL },
    };
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
            MHD_ALLOW_SUSPEND_RESUME,
        0, NULL, NULL, on_access, s, MHD_OPTION_ARRAY, options, MHD_OPTION_NOTIFY_CONNECTION,
        on_connection, s, MHD_OPTION_URI_LOG_CALLBACK, on_target, s, MHD_OPTION_NOTIFY_COMPLETED,
        on_completed, s, MHD_OPTION_UNESCAPE_CALLBACK, leave_encoded, NULL, MHD_OPTION_END);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!s->daemon)
        return sk_fail_errno(err, "the HTTP event loop did not start");
    return 0;
}

static int start_tls(struct sk_http_server *s, int listen_fd, struct sk_err *err)
{
    const struct sk_tls_options options = {
        .cert_file = s->opts.tls_cert,
        .key_file = s->opts.tls_key,
        .listen_fd = listen_fd,
        .is_shared = s->opts.is_shared,
        .starts_paused = s->opts.starts_paused,
        .max_connections = s->opts.max_connections,
        .handshake_ms = s->opts.read_ms,
        .asks_cert = s->opts.ask_client_cert,
        .pair_bytes = s->opts.piece_bytes,
        .accept = on_tls_accept,
        .take_prefix = s->opts.take_prefix,
        .take = s->opts.take ? on_tls_take : NULL,
        .ctx = s,
    };
    return sk_tls_start(&options, &s->tls, err);
}

static int start(struct sk_http_server *s, struct sk_err *err)
{
    if (!s->opts.tls_cert != !s->opts.tls_key)
        return sk_fail(err, SK_INVALID, "TLS needs both a certificate and a key");
    if (s->opts.tls_cert && s->opts.only_adopts)
        return sk_fail(err, SK_UNSUPPORTED, "TLS needs a listening socket");
    if (sk_random(&s->id_seed, sizeof s->id_seed, err) < 0 || sk_cond_init(&s->gone, err) < 0)
        return -1;
    if (sk_watch_listen(s, err) < 0 || start_daemon(s, err) < 0)
        return -1;
    SK_AUTO(sk_close) int tls_fd = -1;
    if (s->opts.tls_cert)
        tls_fd = sk_take_fd(&s->listen_fd); /* the front listens then, not the watch thread */
    if (sk_watch_start(s, err) < 0)
        return -1;
    return s->opts.tls_cert ? start_tls(s, sk_take_fd(&tls_fd), err) : 0;
}

SK_DEFINE_OWN(struct sk_http_server, sk_http_stop);

int sk_http_start(const struct sk_http_options *opts, struct sk_http_server **out,
                  struct sk_err *err)
{
    SK_OWN(sk_http_stop) struct sk_http_server *s = calloc(1, sizeof *s);
    if (!s)
        return sk_nomem(err);
    s->opts = *opts;
    fill_defaults(&s->opts);
    set_keep_alive(s);
    atomic_init(&s->wants_accept, !s->opts.starts_paused);
    s->listen_fd = s->wake_fd = s->epoll_fd = -1;
    (void)pthread_mutex_init(&s->lock, NULL);
    (void)pthread_mutex_init(&s->spare_lock, NULL);
    if (start(s, err) < 0)
        return -1;
    *out = SK_TAKE(s);
    return 0;
}

int sk_http_reload_tls(struct sk_http_server *s, struct sk_err *err)
{
    if (!s->tls)
        return sk_fail(err, SK_INVALID, "the server does not speak TLS");
    return sk_tls_reload(s->tls, err);
}

uint16_t sk_http_port(const struct sk_http_server *s)
{
    return s->port;
}

unsigned sk_http_connections(const struct sk_http_server *s)
{
    return atomic_load(&s->connections);
}

uint64_t sk_http_refused(const struct sk_http_server *s)
{
    return atomic_load(&s->refused) + (s->tls ? sk_tls_refused(s->tls) : 0);
}

static void set_accepting(struct sk_http_server *s, bool on)
{
    atomic_store(&s->is_retired, !on);
    if (!s->tls) {
        sk_watch_accept(s, on);
        return;
    }
    sk_tls_accepting(s->tls, on);
    atomic_store(&s->wants_accept, on);
}

void sk_http_retire(struct sk_http_server *s)
{
    set_accepting(s, false);
}

void sk_http_resume(struct sk_http_server *s)
{
    set_accepting(s, true);
}

bool sk_http_is_accepting(const struct sk_http_server *s)
{
    return !atomic_load(&s->is_draining) && atomic_load(&s->wants_accept);
}

unsigned sk_http_drain(struct sk_http_server *s, uint64_t wait_ms)
{
    enum {
        LOOK_MS = 20
    };

    const uint64_t end_ms = sk_now_ms() + wait_ms;
    if (s->tls)
        sk_tls_quiesce(s->tls);
    sk_watch_quiesce(s);
    atomic_store(&s->is_draining, true);
    for (;;) {
        uint64_t now = sk_now_ms();
        if (sk_table_hush(s, now) == 0 && (!s->tls || sk_tls_connections(s->tls) == 0))
            return 0;
        if (now >= end_ms) {
            atomic_store(&s->is_ending, true);
            return sk_table_cut(s);
        }
        SK_LOCK(&s->lock);
        uint64_t until = now + LOOK_MS < end_ms ? now + LOOK_MS : end_ms;
        (void)sk_cond_wait_until(&s->gone, &s->lock, until * 1000000u);
    }
}

/* No source is asked or suspended any more when this returns, and most have sent their last. */
static void end_sources(struct sk_http_server *s)
{
    const uint64_t end_ms = sk_now_ms() + SK_HTTP_LAST_MS;
    atomic_store(&s->is_draining, true);
    atomic_store(&s->is_ending, true);
    do {
        sk_table_wake(s);
        (void)usleep(100);
    } while (atomic_load(&s->pulls) > 0);
    while (atomic_load(&s->sources) > 0 && sk_now_ms() < end_ms)
        (void)usleep(100);
}

void sk_http_stop(struct sk_http_server *s)
{
    if (!s)
        return;
    sk_tls_stop(s->tls);
    if (s->watch_runs)
        sk_watch_quiesce(s);
    while (atomic_load(&s->answering) > 0)
        (void)usleep(100);
    end_sources(s);
    if (s->daemon)
        MHD_stop_daemon(s->daemon);
    while (atomic_load(&s->orphans) > 0 || atomic_load(&s->answering) > 0)
        (void)usleep(100);
    sk_watch_stop(s);
    for (size_t i = 0; i < s->by_fd_count; i++)
        sk_conn_unref(s->by_fd[i]);
    free(s->by_fd);
    sk_body_spares_free(s);
    (void)pthread_cond_destroy(&s->gone);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_mutex_destroy(&s->spare_lock);
    free(s);
}
