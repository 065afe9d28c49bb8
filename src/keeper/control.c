/*
 * control.c - the agent's connections: one datagram in, one out.
 *
 * Whoever connects must be root or of our own user. A connection that says nothing is fine, it is
 * the agent's; when all places are taken, the one that was silent for longest goes. The agent's
 * side connects anew by itself.
 */
#include "keeper/keeper_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    REQUESTS_MOST = 16 /* in a round, of one connection */
};

void sk_keeper_hang_up(struct sk_keeper_control *c)
{
    sk_close(&c->fd);
}

static bool is_allowed(int fd)
{
    struct ucred peer = { .uid = (uid_t)-1 };
    socklen_t len = sizeof peer;

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
           (peer.uid == 0 || peer.uid == geteuid());
}

/* ---- answers ---- */

/* fd: one to go along, -1: none. */
static void send_answer(struct sk_keeper_control *c, const struct sk_buf *b, int fd)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = { .bytes = { 0 } };
    struct iovec part = { b->data, b->len };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

    if (fd >= 0) {
        m.msg_control = control.bytes;
        m.msg_controllen = sizeof control.bytes;
        control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd),
                                         .cmsg_level = SOL_SOCKET,
                                         .cmsg_type = SCM_RIGHTS };
        memcpy(CMSG_DATA(&control.head), &fd, sizeof fd);
    }
    /* One who does not read its answers is cut off; it must not hold us. */
    if (!sk_buf_ok(b) || sendmsg(c->fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        sk_keeper_hang_up(c);
}

static int serve(struct sk_keeper_loop *l, const struct sk_keeper_request *r, struct sk_buf *out,
                 int *fd, struct sk_err *err)
{
    switch (r->op) {
    case SK_KEEPER_LISTEN:
        return sk_keeper_open_port(l, r, fd, err);
    case SK_KEEPER_FORWARD:
        return sk_keeper_set_target(l, r, err);
    case SK_KEEPER_CLOSE:
        sk_keeper_close_port(l, r->name);
        return 0;
    case SK_KEEPER_LIST:
        sk_keeper_put_list(l, r->name, out);
        return 0;
    case SK_KEEPER_STOP:
        for (size_t i = l->socket_count; i > 0; i--)
            sk_keeper_close_port(l, l->sockets[i - 1]->name);
        l->is_ending = true;
        return 0;
    case SK_KEEPER_ANSWER:
        break;
    }
    return sk_fail(err, SK_UNSUPPORTED, "request %u is not known to this keeper", (unsigned)r->op);
}

static void take_request(struct sk_keeper_control *c, struct sk_view packet)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(SK_KEEPER_PACKET_MAX + SK_ERR_TEXT);
    struct sk_err err = SK_ERR_INIT;
    struct sk_keeper_request r;
    unsigned op = packet.len > 4 ? (unsigned char)packet.ptr[4] : 0;
    int fd = -1;

    c->heard = ++c->loop->requests;
    sk_keeper_put_head(&out, op | SK_KEEPER_ANSWER);
    if (sk_keeper_read_request(packet, &r, &err) < 0 || serve(c->loop, &r, &out, &fd, &err) < 0) {
        sk_keeper_put_text(&out, SK_KEEPER_F_CODE, sk_code_name(err.code));
        sk_keeper_put_text(&out, SK_KEEPER_F_TEXT, err.text);
    }
    send_answer(c, &out, fd);
}

static void ready(struct sk_keeper_watch *w, uint32_t events)
{
    struct sk_keeper_control *c = (struct sk_keeper_control *)w;
    char packet[SK_KEEPER_PACKET_MAX];

    (void)events;
    for (int i = 0; i < REQUESTS_MOST && c->fd >= 0; i++) {
        /* Descriptors that come along have no place here: the kernel closes them. */
        ssize_t n = recv(c->fd, packet, sizeof packet, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        if (n <= 0)
            sk_keeper_hang_up(c);
        else
            take_request(c, (struct sk_view){ packet, (size_t)n < sizeof packet ? (size_t)n : 0 });
    }
}

static struct sk_keeper_control *place_for(struct sk_keeper_loop *l)
{
    struct sk_keeper_control *best = &l->controls[0];

    for (size_t i = 0; i < SK_KEEPER_CONTROLS && best->fd >= 0; i++)
        if (l->controls[i].fd < 0 || l->controls[i].heard < best->heard)
            best = &l->controls[i];
    return best;
}

void sk_keeper_door(struct sk_keeper_watch *w, uint32_t events)
{
    struct sk_keeper_loop *l = (struct sk_keeper_loop *)((char *)w - offsetof(struct sk_keeper_loop,
                                                                              door_watch));
    struct sk_err ignored = SK_ERR_INIT;
    SK_AUTO(sk_close) int fd = accept4(l->door, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    (void)events;
    if (fd < 0 || !is_allowed(fd))
        return;
    struct sk_keeper_control *c = place_for(l);
    sk_keeper_hang_up(c);
    *c = (struct sk_keeper_control){ { ready }, l, sk_take_fd(&fd), ++l->requests };
    if (sk_keeper_watch(l, c->fd, &c->watch, EPOLLIN, &ignored) < 0)
        sk_keeper_hang_up(c);
}
