/*
 * watch.c - the thread that accepts connections and cuts the slow ones.
 *
 * libmicrohttpd 0.9.75 could accept by itself, but then it closes connections beyond its limit
 * without a word, knows inactivity only, and loses what is in the backlog when it is quiesced. So
 * we accept, count, and hand each socket over by MHD_add_connection(). (Its own limit must never be
 * reached that way: 0.9.75 then returns with a mutex held.)
 *
 * A listening socket may be shared with other processes, which take turns: who may accept is said
 * from outside (sk_watch_accept), and the thread confirms under the lock when it does so. What it
 * does not accept stays in the backlog, which belongs to the socket and not to a process.
 *
 * The thread waits in one epoll set for the listening socket, a wake-up, and the sockets that
 * linger; while there are connections it looks at their deadlines once a tick.
 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/net.h"
#include "crypto/crypto.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

enum {
    BACKLOG = 1024,
    ACCEPTS = BACKLOG,
    TICK_MIN_MS = 10,
    TICK_MAX_MS = 250,
    EVENTS = 32
};

static void wake(struct sk_http_server *s)
{
    const uint64_t one = 1;
    (void)!write(s->wake_fd, &one, sizeof one);
}

/* ---- the listening socket ---- */

static int option_of(int fd, int name)
{
    int value = -1;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, name, &value, &len) == 0 ? value : -1;
}

int sk_watch_listen(struct sk_http_server *s, struct sk_err *err)
{
    if (s->opts.only_adopts)
        return 0;
    SK_AUTO(sk_close) int fd = sk_take_fd(&s->opts.listen_fd);
    if (fd < 0 && sk_listen(s->opts.host, s->opts.port, BACKLOG, &fd, err) < 0)
        return -1;
    s->port = sk_port_of(fd);
    const bool is_unix = option_of(fd, SO_DOMAIN) == AF_UNIX;
    if (option_of(fd, SO_ACCEPTCONN) != 1 || option_of(fd, SO_TYPE) != SOCK_STREAM ||
        (s->port == 0 && !is_unix))
        return sk_fail(err, SK_INVALID, "descriptor %d is no listening TCP or unix socket", fd);
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "the listening socket");
    const int on = 1;
    if (!is_unix) /* inherited by what it accepts */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    s->listen_fd = sk_take_fd(&fd);
    return 0;
}

/* ---- sockets that wait for their peer ---- */

void sk_watch_linger(struct sk_http_server *s, int fd)
{
    SK_AUTO(sk_close) int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    if (copy < 0)
        return;
    (void)shutdown(copy, SHUT_WR);
    SK_LOCK(&s->lock);
    if (s->linger_count == SK_HTTP_LINGER_MAX)
        return;
    struct epoll_event event = { .events = EPOLLIN | EPOLLRDHUP, .data.fd = copy };
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, copy, &event) < 0)
        return;
    s->lingers[s->linger_count++] = (struct sk_linger){ sk_take_fd(&copy),
                                                        sk_now_ms() + SK_HTTP_LINGER_MS };
    wake(s); /* so that the tick starts */
}

/* True when there is nothing left to wait for. */
static bool read_away(int fd)
{
    char bytes[16384];
    for (int i = 0; i < 64; i++) {
        ssize_t n = recv(fd, bytes, sizeof bytes, MSG_DONTWAIT);
        if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR))
            return true;
        if (n < 0)
            return false;
    }
    return false;
}

/* fd -1: only those whose time is over (UINT64_MAX: all). */
static void serve_lingers(struct sk_http_server *s, int fd, uint64_t now_ms)
{
    SK_LOCK(&s->lock);
    for (size_t i = 0; i < s->linger_count;) {
        struct sk_linger *l = &s->lingers[i];
        if (now_ms >= l->until_ms || (l->fd == fd && read_away(fd))) {
            (void)epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, l->fd, NULL); /* closing one copy is not
                                                                         enough */
            (void)close(l->fd);
            *l = s->lingers[--s->linger_count];
        } else {
            i++;
        }
    }
}

/* ---- accepting ---- */

static void refuse_connection(struct sk_http_server *s, int fd)
{
    atomic_fetch_add(&s->refused, 1);
    sk_answer_raw(fd, MHD_HTTP_SERVICE_UNAVAILABLE, NULL, "{\"error\":\"too many connections\"}");
    sk_watch_linger(s, fd);
    (void)close(fd);
}

/* c NULL: memory is out. */
static void adopt(struct sk_http_server *s, int fd, struct sk_conn *c, const struct sockaddr *addr,
                  socklen_t addr_len)
{
    struct sk_err err = SK_ERR_INIT;
    if (!c || atomic_load(&s->connections) >= s->opts.max_connections ||
        sk_table_add(s, c, &err) < 0) {
        refuse_connection(s, fd);
        sk_conn_unref(c);
        return;
    }
    if (s->opts.tls_cert || c->drop)
        wake(s); /* we are on another thread, and the tick may have to start */
    if (MHD_add_connection(s->daemon, fd, addr, addr_len) == MHD_YES)
        return;            /* c may be gone already */
    sk_table_remove(s, c); /* libmicrohttpd has closed fd */
    sk_conn_unref(c);
}

void sk_watch_adopt(struct sk_http_server *s, int fd, const struct sockaddr *addr,
                    socklen_t addr_len, struct sk_view cert)
{
    adopt(s, fd, sk_conn_new(s, fd, addr, cert), addr, addr_len);
}

void sk_http_adopt(struct sk_http_server *s, int fd, void *tag, void (*drop)(void *tag))
{
    struct sockaddr_storage addr = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof addr;
    int flags = fcntl(fd, F_GETFL);
    if (getpeername(fd, (struct sockaddr *)&addr, &len) < 0 || flags < 0 ||
        fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        (void)close(fd);
        drop(tag);
        return;
    }
    struct sk_conn *c = sk_conn_new(s, fd, (struct sockaddr *)&addr, (struct sk_view){ NULL, 0 });
    if (c) {
        c->tag = tag;
        c->drop = drop;
    }
    adopt(s, fd, c, (struct sockaddr *)&addr, len);
    if (!c)
        drop(tag);
}

static void set_accepting(struct sk_http_server *s, bool on)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = s->listen_fd };
    (void)epoll_ctl(s->epoll_fd, on ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->listen_fd, &event);
    s->accept_pauses = !on;
}

/* A flood must not keep the thread from its deadlines: the rest is taken in the next round. */
static void accept_some(struct sk_http_server *s)
{
    for (int i = 0; i < ACCEPTS && atomic_load(&s->wants_accept); i++) {
        struct sockaddr_storage addr;
        socklen_t len = sizeof addr;
        int fd = accept4(s->listen_fd, (struct sockaddr *)&addr, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            sk_watch_adopt(s, fd, (struct sockaddr *)&addr, len, (struct sk_view){ NULL, 0 });
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
            set_accepting(s, false); /* tried again at the next tick */
        if (errno != ECONNABORTED && errno != EINTR)
            return;
    }
}

/* Does what sk_watch_accept() says, between two rounds of accepting. */
static void settle_accepting(struct sk_http_server *s)
{
    SK_LOCK(&s->lock);
    const bool wants = atomic_load(&s->wants_accept);
    if (s->listen_fd < 0 || wants == s->accepts)
        return;
    set_accepting(s, wants);
    s->accept_pauses = false;
    s->accepts = wants;
    (void)pthread_cond_broadcast(&s->gone);
}

static void close_listener(struct sk_http_server *s)
{
    if (s->listen_fd >= 0 && !s->opts.is_shared)
        accept_some(s);
    SK_LOCK(&s->lock);
    sk_close(&s->listen_fd);
    s->accept_pauses = s->accepts = false;
    s->is_closed = true;
    (void)pthread_cond_broadcast(&s->gone);
}

/* ---- the thread ---- */

static int tick_ms(const struct sk_http_server *s)
{
    unsigned shortest = s->opts.read_ms < s->opts.idle_ms ? s->opts.read_ms : s->opts.idle_ms;
    unsigned tick = shortest / 8;
    return (int)(tick < TICK_MIN_MS ? TICK_MIN_MS : tick > TICK_MAX_MS ? TICK_MAX_MS : tick);
}

static bool has_lingers(struct sk_http_server *s)
{
    SK_LOCK(&s->lock);
    return s->linger_count > 0;
}

static void *watch_main(void *arg)
{
    struct sk_http_server *s = arg;
    const int tick = tick_ms(s);
    uint64_t next_ms = 0;
    while (!atomic_load(&s->stops)) {
        bool is_busy = atomic_load(&s->connections) > 0 || s->accept_pauses || has_lingers(s);
        struct epoll_event events[EVENTS];
        int n = epoll_wait(s->epoll_fd, events, EVENTS, is_busy ? tick : -1);
        for (int i = 0; i < n; i++) {
            int fd = events[i].data.fd;
            uint64_t woken = 0;
            if (fd == s->wake_fd)
                (void)!read(s->wake_fd, &woken, sizeof woken);
            else if (fd == s->listen_fd)
                accept_some(s);
            else
                serve_lingers(s, fd, 0);
        }
        settle_accepting(s);
        if (atomic_load(&s->quiesces) && !s->is_closed)
            close_listener(s);
        uint64_t now = sk_now_ms();
        if (now < next_ms)
            continue;
        next_ms = now + (uint64_t)tick;
        if (s->accept_pauses)
            set_accepting(s, true);
        sk_table_sweep(s, now);
        serve_lingers(s, -1, now);
    }
    return NULL;
}

int sk_watch_start(struct sk_http_server *s, struct sk_err *err)
{
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->wake_fd < 0)
        return sk_fail_errno(err, "event loop");
    struct epoll_event event = { .events = EPOLLIN, .data.fd = s->wake_fd };
    if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, s->wake_fd, &event) < 0)
        return sk_fail_errno(err, "event loop");
    settle_accepting(s);
    if (sk_thread_start(&s->watch, "http-watch", watch_main, s, err) < 0)
        return -1;
    s->watch_runs = true;
    return 0;
}

void sk_watch_accept(struct sk_http_server *s, bool on)
{
    SK_LOCK(&s->lock);
    atomic_store(&s->wants_accept, on);
    wake(s);
    while (s->accepts != on && !s->is_closed && !s->opts.only_adopts)
        (void)pthread_cond_wait(&s->gone, &s->lock);
}

void sk_watch_quiesce(struct sk_http_server *s)
{
    atomic_store(&s->quiesces, true);
    wake(s);
    SK_LOCK(&s->lock);
    while (!s->is_closed)
        (void)pthread_cond_wait(&s->gone, &s->lock);
}

void sk_watch_stop(struct sk_http_server *s)
{
    if (s->watch_runs) {
        atomic_store(&s->stops, true);
        wake(s);
        (void)pthread_join(s->watch, NULL);
        s->watch_runs = false;
    }
    serve_lingers(s, -1, UINT64_MAX);
    sk_close(&s->listen_fd);
    sk_close(&s->wake_fd);
    sk_close(&s->epoll_fd);
}
