/*
 * ports.c - the listening sockets by name: bound, handed out, pointed to a target, closed.
 *
 * A socket that is bound stays open until its name is closed or gets another address. Whether we
 * accept on it is decided in one place (sk_keeper_arm): only of a forward that has a target which
 * answers, while there is room for another connection. Otherwise clients wait in the backlog.
 */
#include "keeper/keeper_priv.h"

#include "base/net.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

enum {
    BACKLOG = 4096 /* the kernel cuts it to net.core.somaxconn */
};

/* The place of the name, or where it would be. */
static size_t place_of(const struct sk_keeper_loop *l, const char *name)
{
    size_t low = 0, high = l->socket_count;

    while (low < high) {
        size_t mid = (low + high) / 2;
        if (strcmp(l->sockets[mid]->name, name) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

struct sk_keeper_socket *sk_keeper_find(struct sk_keeper_loop *l, const char *name)
{
    size_t at = place_of(l, name);

    return at < l->socket_count && strcmp(l->sockets[at]->name, name) == 0 ? l->sockets[at] : NULL;
}

static void address_of(int fd, char out[SK_PEER_TEXT])
{
    struct sockaddr_storage a = { .ss_family = AF_UNSPEC };
    socklen_t len = sizeof a;

    (void)getsockname(fd, (struct sockaddr *)&a, &len);
    sk_peer_text(&a, len, out);
}

/* ---- accepting ---- */

static bool may_accept(const struct sk_keeper_socket *s)
{
    const struct sk_keeper_loop *l = s->loop;

    /* The last quarter is for the other ports: one that is flooded must not shut them. */
    if (l->conn_count >= l->conn_max || s->connections >= l->conn_max - l->conn_max / 4)
        return false;
    return s->is_forward && s->has_target && !s->is_refused && !l->accept_again_ms;
}

void sk_keeper_arm(struct sk_keeper_socket *s)
{
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = &s->watch };
    bool wanted = may_accept(s);

    if (wanted == s->is_watched)
        return;
    if (epoll_ctl(s->loop->epoll, wanted ? EPOLL_CTL_ADD : EPOLL_CTL_DEL, s->fd, &e) == 0)
        s->is_watched = wanted;
}

void sk_keeper_arm_all(struct sk_keeper_loop *l)
{
    for (size_t i = 0; i < l->socket_count; i++)
        sk_keeper_arm(l->sockets[i]);
}

/* ---- binding ---- */

static int taken(struct sk_keeper_loop *l, const struct sk_keeper_request *r, struct sk_err *err)
{
    char who[64];

    for (size_t i = 0; i < l->socket_count; i++)
        if (sk_port_of(l->sockets[i]->fd) == r->port)
            return sk_fail(err, SK_EXISTS, "%s port %u is held here as '%s'",
                           r->host[0] ? r->host : "all addresses,", r->port, l->sockets[i]->name);
    sk_keeper_owner("/proc", r->port, who, sizeof who);
    return sk_fail(err, SK_EXISTS, "%s listens on port %u: end it, or give the module another port",
                   who, r->port);
}

static int try_bind(const struct sk_keeper_address *a)
{
    const int on = 1, off = 0;
    SK_AUTO(sk_close)
    int fd = socket(a->sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP);

    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (a->sa.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, (const struct sockaddr *)&a->sa, a->len) < 0 || listen(fd, BACKLOG) < 0)
        return -1;
    return sk_take_fd(&fd);
}

static int bind_port(struct sk_keeper_loop *l, const struct sk_keeper_request *r, int *out,
                     struct sk_err *err)
{
    struct sk_keeper_address a;

    if (sk_keeper_address(r->host, r->port, &a, err) < 0)
        return -1;
    int fd = try_bind(&a);
    if (fd < 0 && !r->host[0] && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
        /* a machine without IPv6 */
        if (sk_keeper_address("0.0.0.0", r->port, &a, err) < 0)
            return -1;
        fd = try_bind(&a);
    }
    if (fd < 0 && errno == EADDRINUSE)
        return taken(l, r, err);
    if (fd < 0)
        return sk_fail_errno(err, "listening on %s port %u", r->host[0] ? r->host : "::", r->port);
    *out = fd;
    return 0;
}

/* Whether the socket has the address that is asked for. */
static bool fits(const struct sk_keeper_socket *s, const struct sk_keeper_request *r)
{
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_keeper_address wanted;
    char have[SK_PEER_TEXT], text[SK_PEER_TEXT];

    if (sk_keeper_address(r->host, r->port ? r->port : sk_port_of(s->fd), &wanted, &ignored) < 0)
        return false;
    sk_peer_text(&wanted.sa, wanted.len, text);
    address_of(s->fd, have);
    if (strcmp(have, text) == 0)
        return true;
    return !r->host[0] && sk_starts_with(have, "0.0.0.0:") &&
           (r->port == 0 || sk_port_of(s->fd) == r->port);
}

/* By hand: a module may hold a copy, so that closing ours is not the end of the socket. */
static void unwatch(struct sk_keeper_socket *s)
{
    if (s->is_watched)
        (void)epoll_ctl(s->loop->epoll, EPOLL_CTL_DEL, s->fd, NULL);
    s->is_watched = false;
}

static void keep_in_store(const struct sk_keeper_socket *s)
{
    sk_keeper_store_remove(s->name);
    sk_keeper_store_put(s->name, s->fd);
}

/* The new address is in the old one's way (0.0.0.0:5001 and 127.0.0.1:5001): the old one is closed
 * first, and bound again should the new one fail. */
static int swap_port(struct sk_keeper_loop *l, struct sk_keeper_socket *s,
                     const struct sk_keeper_request *r, struct sk_err *err)
{
    struct sk_keeper_address old = { .len = sizeof old.sa };
    struct sk_keeper_address wanted;

    if (sk_keeper_address(r->host, r->port, &wanted, err) < 0)
        return -1;
    (void)getsockname(s->fd, (struct sockaddr *)&old.sa, &old.len);
    unwatch(s);
    (void)shutdown(s->fd, SHUT_RDWR); /* a module may hold a copy */
    sk_close(&s->fd);
    int rc = bind_port(l, r, &s->fd, err);
    if (rc < 0)
        s->fd = try_bind(&old);
    if (s->fd < 0)
        sk_keeper_close_port(l, s->name); /* somebody was faster */
    else if (rc < 0)
        keep_in_store(s);
    if (rc < 0 && sk_keeper_find(l, r->name))
        sk_keeper_arm(s);
    return rc;
}

/* Another address under the name: the new one is bound first. */
static int move_port(struct sk_keeper_loop *l, struct sk_keeper_socket *s,
                     const struct sk_keeper_request *r, struct sk_err *err)
{
    int fd = -1;

    if (sk_port_of(s->fd) == r->port)
        return swap_port(l, s, r, err);
    if (bind_port(l, r, &fd, err) < 0)
        return -1;
    unwatch(s);
    (void)close(s->fd);
    s->fd = fd;
    return 0;
}

static struct sk_keeper_socket *add(struct sk_keeper_loop *l, const char *name, int fd)
{
    size_t at = place_of(l, name);
    struct sk_keeper_socket *s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    *s = (struct sk_keeper_socket){ .watch = { sk_keeper_accept }, .loop = l, .fd = fd };
    s->held_end = &s->held;
    (void)snprintf(s->name, sizeof s->name, "%s", name);
    memmove(&l->sockets[at + 1], &l->sockets[at], (l->socket_count - at) * sizeof l->sockets[0]);
    l->sockets[at] = s;
    l->socket_count++;
    return s;
}

void sk_keeper_adopt(struct sk_keeper_loop *l, const char *name, int fd)
{
    int is_listening = 0, kind = 0;
    socklen_t len = sizeof kind;

    (void)getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &is_listening, &len);
    (void)getsockopt(fd, SOL_SOCKET, SO_TYPE, &kind, &len);
    if (!is_listening || kind != SOCK_STREAM || !name[0] || sk_keeper_find(l, name) ||
        l->socket_count == SK_KEEPER_PORTS_MAX || fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ||
        !add(l, name, fd))
        (void)close(fd);
}

/* NULL: err says why. */
static struct sk_keeper_socket *new_port(struct sk_keeper_loop *l,
                                         const struct sk_keeper_request *r, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = -1;
    struct sk_keeper_socket *s;

    if (l->socket_count == SK_KEEPER_PORTS_MAX) {
        (void)sk_fail(err, SK_LIMIT, "a keeper holds at most %u ports",
                      (unsigned)SK_KEEPER_PORTS_MAX);
        return NULL;
    }
    if (bind_port(l, r, &fd, err) < 0)
        return NULL;
    s = add(l, r->name, fd);
    if (s)
        (void)sk_take_fd(&fd);
    else
        (void)sk_nomem(err);
    return s;
}

int sk_keeper_open_port(struct sk_keeper_loop *l, const struct sk_keeper_request *r, int *fd,
                        struct sk_err *err)
{
    struct sk_keeper_socket *s = sk_keeper_find(l, r->name);

    if (!s || !fits(s, r)) {
        if (s && move_port(l, s, r, err) < 0)
            return -1;
        s = s ? s : new_port(l, r, err);
        if (!s)
            return -1;
        keep_in_store(s);
    }
    if (r->is_forward && !s->is_forward) { /* a target of former times does not count */
        s->has_target = false;
        s->serial++;
        s->older = s->connections;
    }
    s->is_forward = r->is_forward;
    sk_keeper_arm(s);
    *fd = s->fd;
    return 0;
}

int sk_keeper_set_target(struct sk_keeper_loop *l, const struct sk_keeper_request *r,
                         struct sk_err *err)
{
    struct sk_keeper_socket *s = sk_keeper_find(l, r->name);
    struct sk_keeper_address to = { .len = 0 };

    if (!s)
        return sk_fail(err, SK_NOT_FOUND, "there is no port '%s'", r->name);
    if (!s->is_forward)
        return sk_fail(err, SK_INVALID, "port '%s' is no forward", r->name);
    if (r->has_target && sk_keeper_target(r->target, &to, err) < 0)
        return -1;
    if (r->has_target == s->has_target && (!s->has_target || strcmp(s->target, r->target) == 0))
        return 0;
    s->has_target = r->has_target;
    s->to = to;
    (void)snprintf(s->target, sizeof s->target, "%s", r->target);
    s->serial++;
    s->older = s->connections;
    for (const struct sk_keeper_conn *c = s->held; c; c = c->next_held)
        s->older--; /* not joined yet: they go to the new one */
    s->is_refused = false;
    sk_keeper_retarget(s);
    sk_keeper_arm(s);
    return 0;
}

/* Its clients that are not joined have nowhere to go. */
void sk_keeper_close_port(struct sk_keeper_loop *l, const char *name)
{
    struct sk_keeper_socket *s = sk_keeper_find(l, name);

    if (!s)
        return;
    while (s->held)
        sk_keeper_end(s->held, true);
    for (struct sk_keeper_conn *c = l->conns; c; c = c->next)
        if (c->socket == s)
            c->socket = NULL;
    size_t at = place_of(l, name);
    l->socket_count--;
    memmove(&l->sockets[at], &l->sockets[at + 1], (l->socket_count - at) * sizeof l->sockets[0]);
    sk_keeper_store_remove(name);
    unwatch(s);
    sk_close(&s->fd);
    free(s);
}

/* ---- the list ---- */

enum {
    ENTRY_MOST = 512 /* of a name, two addresses, three numbers and their heads */
};

void sk_keeper_put_list(const struct sk_keeper_loop *l, const char *after, struct sk_buf *out)
{
    char address[SK_PEER_TEXT];

    for (size_t i = place_of(l, after); i < l->socket_count; i++) {
        const struct sk_keeper_socket *s = l->sockets[i];
        if (strcmp(s->name, after) == 0)
            continue;
        if (out->len + ENTRY_MOST > SK_KEEPER_PACKET_MAX) {
            sk_keeper_put_number(out, SK_KEEPER_F_MORE, 1);
            return;
        }
        address_of(s->fd, address);
        sk_keeper_put_text(out, SK_KEEPER_F_NAME, s->name);
        sk_keeper_put_text(out, SK_KEEPER_F_ADDRESS, address);
        sk_keeper_put_number(out, SK_KEEPER_F_IS_FORWARD, s->is_forward);
        if (s->is_forward && s->has_target)
            sk_keeper_put_text(out, SK_KEEPER_F_TARGET, s->target);
        sk_keeper_put_number(out, SK_KEEPER_F_CONNECTIONS, s->connections);
        sk_keeper_put_number(out, SK_KEEPER_F_OLDER, s->older);
        sk_keeper_put_number(out, SK_KEEPER_F_ACCEPTED, s->accepted);
    }
}
