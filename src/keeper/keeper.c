/*
 * keeper.c - the process: its socket, its one epoll set, its clock.
 *
 *     round:  wait -> events -> connections that had more to do than their share
 *             -> every 50 ms, if anybody waits for a target: try again -> bury what ended
 *
 * It allocates a few hundred bytes per connection and nothing ahead, touches little of the
 * executable that it shares with all other commands, and never waits for anybody: what fails is
 * tried again later, or ends one connection.
 */
#include "keeper/keeper_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/un.h>

enum {
    EVENTS = 64,
    DOOR_BACKLOG = 16,
    SHORT_MS = 20 /* until descriptors may be there again */
};

int sk_keeper_watch(struct sk_keeper_loop *l, int fd, struct sk_keeper_watch *w, uint32_t events,
                    struct sk_err *err)
{
    struct epoll_event e = { .events = events, .data.ptr = w };

    return epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0 ? sk_fail_errno(err, "epoll") : 0;
}

/* ---- the socket ---- */

/* The lock tells a keeper that runs from a socket that one left behind. *lock: open as long as the
 * process. */
static int take_lock(const char *path, int *lock, struct sk_err *err)
{
    char name[PATH_MAX];

    if ((size_t)snprintf(name, sizeof name, "%s.lock", path) >= sizeof name)
        return sk_fail(err, SK_INVALID, "%s: too long", path);
    *lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (*lock < 0)
        return sk_fail_errno(err, "%s", name);
    if (flock(*lock, LOCK_EX | LOCK_NB) == 0)
        return 0;
    if (errno == EWOULDBLOCK)
        return sk_fail(err, SK_EXISTS, "another keeper is there: %s", path);
    return sk_fail_errno(err, "%s", name);
}

static int open_door(const char *path, int *out, struct sk_err *err)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };

    if (strlen(path) >= sizeof a.sun_path)
        return sk_fail(err, SK_INVALID, "%s: the path of a socket has at most %zu bytes", path,
                       sizeof a.sun_path - 1);
    memcpy(a.sun_path, path, strlen(path));
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return sk_fail_errno(err, "socket");
    if (unlink(path) < 0 && errno != ENOENT)
        return sk_fail_errno(err, "%s", path);
    /* The mode before the name: nobody gets in between. */
    if (fchmod(fd, 0600) < 0 || bind(fd, (const struct sockaddr *)&a, sizeof a) < 0 ||
        listen(fd, DOOR_BACKLOG) < 0)
        return sk_fail_errno(err, "%s", path);
    *out = sk_take_fd(&fd);
    return 0;
}

/* ---- begin and end ---- */

/* As many connections as there are descriptors for, were all their pipes in use. */
static void count_descriptors(struct sk_keeper_loop *l)
{
    struct rlimit limit = { .rlim_cur = 1024 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    const rlim_t beside = SK_KEEPER_PORTS_MAX + SK_KEEPER_CONTROLS + SK_KEEPER_SPARE_FDS;
    l->conn_max = limit.rlim_cur > beside + SK_KEEPER_CONN_FDS
                      ? (size_t)((limit.rlim_cur - beside) / SK_KEEPER_CONN_FDS)
                      : 1;
}

static void end_signal(struct sk_keeper_watch *w, uint32_t events)
{
    struct sk_keeper_loop *l = (struct sk_keeper_loop *)((char *)w - offsetof(struct sk_keeper_loop,
                                                                              signal_watch));

    (void)events;
    l->is_ending = true;
}

static int watch_signals(struct sk_keeper_loop *l, struct sk_err *err)
{
    const struct sigaction ignore = { .sa_handler = SIG_IGN };
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    (void)sigaction(SIGPIPE, &ignore, NULL); /* splice knows no MSG_NOSIGNAL */
    (void)sigaction(SIGHUP, &ignore, NULL);
    if (sigprocmask(SIG_BLOCK, &set, NULL) < 0)
        return sk_fail_errno(err, "signals");
    l->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (l->signals < 0)
        return sk_fail_errno(err, "signals");
    return sk_keeper_watch(l, l->signals, &l->signal_watch, EPOLLIN, err);
}

static void adopt(void *ctx, const char *name, int fd)
{
    sk_keeper_adopt(ctx, name, fd);
}

static void end_loop(struct sk_keeper_loop *l)
{
    if (!l)
        return;
    while (l->conns)
        sk_keeper_end(l->conns, false);
    sk_keeper_bury(l);
    sk_keeper_drop_pipes(l);
    for (size_t i = 0; i < l->socket_count; i++) {
        (void)close(l->sockets[i]->fd);
        free(l->sockets[i]);
    }
    for (size_t i = 0; i < SK_KEEPER_CONTROLS; i++)
        sk_keeper_hang_up(&l->controls[i]);
    sk_close(&l->door);
    sk_close(&l->signals);
    sk_close(&l->epoll);
    free(l);
}

SK_DEFINE_OWN(struct sk_keeper_loop, end_loop);

static struct sk_keeper_loop *new_loop(void)
{
    struct sk_keeper_loop *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->door = l->signals = -1;
    l->door_watch.ready = sk_keeper_door;
    l->signal_watch.ready = end_signal;
    l->now_ms = sk_now_ms();
    for (size_t i = 0; i < SK_KEEPER_CONTROLS; i++)
        l->controls[i].fd = -1;
    count_descriptors(l);
    return l;
}

/* ---- rounds ---- */

static int wait_ms(const struct sk_keeper_loop *l)
{
    if (l->busy)
        return l->is_short ? SHORT_MS : 0;
    if (l->timed_count == 0 && !l->accept_again_ms)
        return -1;
    return l->next_tick_ms > l->now_ms ? (int)(l->next_tick_ms - l->now_ms) : 0;
}

static void tick(struct sk_keeper_loop *l)
{
    if (l->now_ms < l->next_tick_ms)
        return;
    l->next_tick_ms = l->now_ms + SK_KEEPER_RETRY_MS;
    if (l->accept_again_ms && l->accept_again_ms <= l->now_ms) {
        l->accept_again_ms = 0;
        sk_keeper_arm_all(l);
    }
    for (size_t i = 0; i < l->socket_count && l->timed_count; i++)
        sk_keeper_hold_tick(l->sockets[i]);
    sk_keeper_flush_tick(l);
}

static void serve_busy(struct sk_keeper_loop *l)
{
    struct sk_keeper_conn *c = l->busy;

    l->busy = NULL;
    l->is_short = false;
    while (c) {
        struct sk_keeper_conn *next = c->next_busy;
        c->is_busy = false;
        if (c->state == SK_KEEPER_JOINED)
            sk_keeper_pump(c);
        c = next;
    }
}

static int run_rounds(struct sk_keeper_loop *l, struct sk_err *err)
{
    struct epoll_event events[EVENTS];

    while (!l->is_ending) {
        int n = epoll_wait(l->epoll, events, EVENTS, wait_ms(l));
        if (n < 0 && errno != EINTR)
            return sk_fail_errno(err, "epoll");
        l->now_ms = sk_now_ms();
        for (int i = 0; i < n; i++) {
            struct sk_keeper_watch *w = events[i].data.ptr;
            w->ready(w, events[i].events);
        }
        serve_busy(l);
        tick(l);
        sk_keeper_bury(l);
    }
    return 0;
}

int sk_keeper_run(const char *socket_path, struct sk_err *err)
{
    SK_AUTO(sk_close) int lock = -1;

    if (take_lock(socket_path, &lock, err) < 0)
        return -1;
    SK_OWN(end_loop) struct sk_keeper_loop *l = new_loop();
    if (!l)
        return sk_nomem(err);
    if (l->epoll < 0)
        return sk_fail_errno(err, "epoll");
    sk_keeper_store_take(adopt, l);
    /* Signals first: whoever sees the door may send one. */
    if (watch_signals(l, err) < 0 || open_door(socket_path, &l->door, err) < 0 ||
        sk_keeper_watch(l, l->door, &l->door_watch, EPOLLIN, err) < 0)
        return -1;
    sk_keeper_notify("READY=1", -1);
    int rc = run_rounds(l, err);
    (void)unlink(socket_path);
    return rc;
}
