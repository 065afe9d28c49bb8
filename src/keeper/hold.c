/*
 * hold.c - from the accept to the join: clients that wait for their target.
 *
 *     accept -> HELD -> CONNECTING -> JOINED
 *                 ^          |
 *                 +- refused-+    again after 50 ms, for 10 s; then the client sees a reset
 *
 * A container that is just starting refuses for a moment: that must cost no request. While it
 * refuses, one client (the first in `held`) tries for all, and no further ones are accepted: the
 * backlog holds them for nothing. A change of the target leads all that are not joined to the new
 * one; without a target they wait, and their time with them.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    ACCEPTS_MOST = 64, /* in a round, of one port */
    MEMORY_WAIT_MS = 100
};

static void set_options(int fd)
{
    const int on = 1, idle_s = 60, interval_s = 10, probes = 6;

    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
}

static bool watch_side(struct sk_keeper_side *s)
{
    struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                             .data.ptr = &s->watch };

    return epoll_ctl(s->conn->loop->epoll, EPOLL_CTL_ADD, s->fd, &e) == 0;
}

/* Both sides' events come here. */
static void side_ready(struct sk_keeper_watch *w, uint32_t events)
{
    struct sk_keeper_side *s = (struct sk_keeper_side *)w;
    struct sk_keeper_conn *c = s->conn;
    bool is_client = s == &c->side[SK_KEEPER_CLIENT];

    if (c->state == SK_KEEPER_DEAD)
        return;
    if (is_client && (events & EPOLLERR || (events & EPOLLHUP && c->state < SK_KEEPER_JOINED))) {
        sk_keeper_end(c, true); /* gone: nobody is there for the rest */
        return;
    }
    if (!is_client && c->state == SK_KEEPER_CONNECTING) {
        sk_keeper_connecting(c, events);
        return;
    }
    if (events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR))
        s->can_read = true;
    if (events & (EPOLLOUT | EPOLLHUP | EPOLLERR))
        s->can_write = true;
    if (c->state == SK_KEEPER_JOINED)
        sk_keeper_pump(c);
}

/* ---- connecting ---- */

/* Out of the line, since it is joined or ends. */
void sk_keeper_unhold(struct sk_keeper_conn *c)
{
    struct sk_keeper_socket *s = c->socket;

    for (struct sk_keeper_conn **at = &s->held; *at; at = &(*at)->next_held) {
        if (*at != c)
            continue;
        *at = c->next_held;
        if (!*at)
            s->held_end = at;
        c->loop->timed_count--;
        if (!s->held)
            s->is_refused = false; /* nobody is left to try: the next client is to */
        return;
    }
}

static void hold_again(struct sk_keeper_conn *c)
{
    sk_close(&c->side[SK_KEEPER_TARGET].fd);
    c->state = SK_KEEPER_HELD;
}

static void join(struct sk_keeper_conn *c)
{
    struct sk_keeper_socket *s = c->socket;
    bool was_refused = s->is_refused;

    sk_keeper_unhold(c);
    c->state = SK_KEEPER_JOINED;
    /* Its events came together, and may have told of bytes or an end as well. */
    c->side[SK_KEEPER_TARGET].can_read = c->side[SK_KEEPER_TARGET].can_write = true;
    s->is_refused = false;
    sk_keeper_pump(c);
    if (!was_refused)
        return;
    sk_keeper_retarget(s); /* the others */
    sk_keeper_arm(s);
}

static void refused(struct sk_keeper_conn *c)
{
    hold_again(c);
    c->socket->is_refused = true;
    sk_keeper_arm(c->socket);
}

void sk_keeper_connecting(struct sk_keeper_conn *c, uint32_t events)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer, failed_len = sizeof(int);
    int fd = c->side[SK_KEEPER_TARGET].fd, failed = 0;

    if (!(events & (EPOLLOUT | EPOLLERR | EPOLLHUP)))
        return;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &failed_len) < 0)
        failed = errno;
    if (failed == ECONNRESET) { /* the target was there, and has reset already: so it was told */
        c->is_broken = c->flow[SK_KEEPER_CLIENT].is_done = true;
        join(c);
    } else if (failed) {
        refused(c);
    } else if (getpeername(fd, (struct sockaddr *)&peer, &len) == 0) {
        join(c);
    } /* else the event was of the socket before this one */
}

static void connect_one(struct sk_keeper_conn *c)
{
    struct sk_keeper_socket *s = c->socket;
    struct sk_keeper_side *t = &c->side[SK_KEEPER_TARGET];

    t->can_read = t->can_write = false;
    t->fd = socket(s->to.sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (t->fd < 0) {
        refused(c); /* memory: tried again like a target that is not there */
        return;
    }
    set_options(t->fd);
    c->serial = s->serial;
    c->state = SK_KEEPER_CONNECTING;
    if ((connect(t->fd, (const struct sockaddr *)&s->to.sa, s->to.len) < 0 &&
         errno != EINPROGRESS) ||
        !watch_side(t))
        refused(c); /* else epoll tells, also when it is done already */
}

/* Those that wait connect to where the target is now. */
void sk_keeper_retarget(struct sk_keeper_socket *s)
{
    uint64_t deadline = s->loop->now_ms + SK_KEEPER_HOLD_MS;

    for (struct sk_keeper_conn *c = s->held, *next; c; c = next) {
        next = c->next_held;
        if (c->state == SK_KEEPER_CONNECTING && c->serial == s->serial && s->has_target)
            continue;
        if (c->serial != s->serial)
            c->deadline_ms = deadline;
        c->serial = s->serial;
        hold_again(c);
        if (s->has_target && !s->is_refused)
            connect_one(c);
    }
}

void sk_keeper_hold_tick(struct sk_keeper_socket *s)
{
    if (!s->has_target)
        return;
    /* All of one target have the same time, so the first is the one that waits longest. */
    while (s->held && s->held->deadline_ms <= s->loop->now_ms)
        sk_keeper_end(s->held, true);
    if (s->held && s->held->state == SK_KEEPER_HELD)
        connect_one(s->held);
}

/* ---- accepting ---- */

static struct sk_keeper_conn *new_conn(struct sk_keeper_socket *s, int fd)
{
    struct sk_keeper_loop *l = s->loop;
    struct sk_keeper_conn *c = calloc(1, sizeof *c);

    if (!c)
        return NULL;
    c->loop = l;
    c->socket = s;
    c->deadline_ms = l->now_ms + SK_KEEPER_HOLD_MS;
    c->serial = s->serial;
    for (int i = 0; i < 2; i++) {
        c->side[i] = (struct sk_keeper_side){ { side_ready }, c, -1, false, false };
        c->flow[i].pipe[0] = c->flow[i].pipe[1] = -1;
    }
    c->side[SK_KEEPER_CLIENT].fd = fd;
    return c;
}

static void enlist(struct sk_keeper_conn *c)
{
    struct sk_keeper_socket *s = c->socket;
    struct sk_keeper_loop *l = c->loop;

    c->next = l->conns;
    if (l->conns)
        l->conns->prev = c;
    l->conns = c;
    l->conn_count++;
    s->connections++;
    s->accepted++;
    *s->held_end = c;
    s->held_end = &c->next_held;
    l->timed_count++;
}

void sk_keeper_accept(struct sk_keeper_watch *w, uint32_t events)
{
    struct sk_keeper_socket *s = (struct sk_keeper_socket *)w;
    struct sk_keeper_loop *l = s->loop;

    (void)events;
    for (int i = 0; i < ACCEPTS_MOST && s->is_watched; i++) {
        SK_AUTO(sk_close) int fd = accept4(s->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0 && (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM))
            l->accept_again_ms = l->now_ms + MEMORY_WAIT_MS;
        struct sk_keeper_conn *c = fd < 0 ? NULL : new_conn(s, fd);
        if (fd >= 0 && !c)
            l->accept_again_ms = l->now_ms + MEMORY_WAIT_MS;
        if (!c)
            break;
        set_options(fd);
        (void)sk_take_fd(&fd);
        enlist(c);
        if (!watch_side(&c->side[SK_KEEPER_CLIENT]))
            sk_keeper_end(c, true);
        else if (!s->is_refused)
            connect_one(c);
        sk_keeper_arm(s);
    }
    if (l->accept_again_ms)
        sk_keeper_arm_all(l);
}
