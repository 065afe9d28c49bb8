/*
 * client.c - the agent's side: a request, then its answer, at most 5 s.
 *
 * A keeper that was started anew is found again: when the connection breaks, the request is sent
 * once more over a fresh one. All requests may be repeated.
 */
#include "keeper/keeper_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

enum {
    CALL_MS = 5000
};

struct sk_keeper {
    int fd;
    struct sockaddr_un address;
};

/* What came back. */
struct answer {
    char bytes[SK_KEEPER_PACKET_MAX + SK_ERR_TEXT];
    size_t len;
    int fd;
};

static void answer_done(struct answer *a)
{
    sk_close(&a->fd);
}

static int dial(struct sk_keeper *k, struct sk_err *err)
{
    const struct timeval most = { .tv_sec = CALL_MS / 1000 };
    SK_AUTO(sk_close) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

    if (fd < 0)
        return sk_fail_errno(err, "socket");
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof most);
    if (connect(fd, (const struct sockaddr *)&k->address, sizeof k->address) < 0) {
        if (errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN)
            return sk_fail(err, SK_BUSY, "no keeper answers at %s", k->address.sun_path);
        return sk_fail_errno(err, "%s", k->address.sun_path);
    }
    sk_close(&k->fd);
    k->fd = sk_take_fd(&fd);
    return 0;
}

int sk_keeper_connect(const char *socket_path, struct sk_keeper **out, struct sk_err *err)
{
    if (strlen(socket_path) >= sizeof((struct sockaddr_un){ 0 }).sun_path)
        return sk_fail(err, SK_INVALID, "%s: too long for the path of a socket", socket_path);
    SK_OWN(sk_keeper_free) struct sk_keeper *k = calloc(1, sizeof *k);
    if (!k)
        return sk_nomem(err);
    k->fd = -1;
    k->address.sun_family = AF_UNIX;
    memcpy(k->address.sun_path, socket_path, strlen(socket_path));
    if (dial(k, err) < 0)
        return -1;
    *out = SK_TAKE(k);
    return 0;
}

void sk_keeper_free(struct sk_keeper *k)
{
    if (!k)
        return;
    sk_close(&k->fd);
    free(k);
}

/* ---- one call ---- */

static void take_descriptor(struct msghdr *m, struct answer *a)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(m); h; h = CMSG_NXTHDR(m, h))
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS &&
            h->cmsg_len >= CMSG_LEN(sizeof a->fd))
            memcpy(&a->fd, CMSG_DATA(h), sizeof a->fd);
}

/* 1: it is there; 0: the connection is broken; -1: failed. */
static int receive(struct sk_keeper *k, struct answer *a, uint64_t deadline_ms, struct sk_err *err)
{
    union {
        struct cmsghdr head;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec part = { a->bytes, sizeof a->bytes };
    struct msghdr m = { .msg_iov = &part,
                        .msg_iovlen = 1,
                        .msg_control = control.bytes,
                        .msg_controllen = sizeof control.bytes };

    for (;;) {
        struct pollfd p = { .fd = k->fd, .events = POLLIN };
        uint64_t now = sk_now_ms();
        int n = now < deadline_ms ? poll(&p, 1, (int)(deadline_ms - now)) : 0;
        if (n == 0) {
            sk_close(&k->fd); /* a late answer must not be the next call's */
            return sk_fail(err, SK_BUSY, "the keeper at %s does not answer within %u s",
                           k->address.sun_path, CALL_MS / 1000);
        }
        ssize_t got = n < 0 ? -1 : recvmsg(k->fd, &m, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (got < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (got <= 0)
            return 0;
        a->len = (size_t)got;
        take_descriptor(&m, a);
        return 1;
    }
}

/* 1: sent; 0: broken; -1: failed. */
static int transmit(struct sk_keeper *k, const struct sk_buf *b, struct sk_err *err)
{
    if (k->fd < 0 && dial(k, err) < 0)
        return -1;
    ssize_t n = send(k->fd, b->data, b->len, MSG_NOSIGNAL);
    if (n == (ssize_t)b->len)
        return 1;
    if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
        return 0;
    return sk_fail_errno(err, "%s", k->address.sun_path);
}

/* The keeper's error becomes ours. */
static int judge(const struct answer *a, unsigned op, struct sk_keeper_reader *r,
                 struct sk_err *err)
{
    struct sk_keeper_reader fields;
    struct sk_view value, text = SK_VIEW("no reason was given");
    enum sk_code code = SK_OK;
    unsigned field;

    if (sk_keeper_read_head(r, (struct sk_view){ a->bytes, a->len }, err) < 0)
        return sk_wrap(err, "answer of the keeper");
    fields = *r;
    while (sk_keeper_read_field(&fields, &field, &value)) {
        if (field == SK_KEEPER_F_TEXT)
            text = value;
        if (field != SK_KEEPER_F_CODE)
            continue;
        code = SK_REMOTE;
        for (int i = 1; i < SK_CODE_COUNT; i++)
            if (sk_view_eq(value, sk_code_name((enum sk_code)i)))
                code = (enum sk_code)i;
    }
    if (fields.is_broken || r->op != (op | SK_KEEPER_ANSWER))
        return sk_fail(err, SK_REMOTE, "the keeper gave an answer to something else");
    return code == SK_OK ? 0 : sk_fail(err, code, "%.*s", (int)text.len, text.ptr);
}

static int call(struct sk_keeper *k, unsigned op, const struct sk_buf *b, struct answer *a,
                struct sk_keeper_reader *r, struct sk_err *err)
{
    uint64_t deadline = sk_now_ms() + CALL_MS;

    if (!sk_buf_ok(b))
        return sk_buf_fail(b, err);
    for (int attempt = 0; attempt < 2; attempt++) {
        int got = transmit(k, b, err);
        if (got > 0)
            got = receive(k, a, deadline, err);
        if (got < 0)
            return -1;
        if (got > 0)
            return judge(a, op, r, err);
        sk_close(&k->fd);
    }
    return sk_fail(err, SK_BUSY, "the keeper at %s hangs up", k->address.sun_path);
}

/* A call whose answer has nothing in it. */
static int call_plain(struct sk_keeper *k, unsigned op, const struct sk_buf *b, struct sk_err *err)
{
    SK_AUTO(answer_done) struct answer a = { .fd = -1 };
    struct sk_keeper_reader r;

    return call(k, op, b, &a, &r, err);
}

/* ---- the calls ---- */

int sk_keeper_listen(struct sk_keeper *k, const char *name, const char *host, uint16_t port,
                     bool is_forward, int *fd, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);
    SK_AUTO(answer_done) struct answer a = { .fd = -1 };
    struct sk_keeper_reader r;

    sk_keeper_put_head(&b, SK_KEEPER_LISTEN);
    sk_keeper_put_text(&b, SK_KEEPER_F_NAME, name);
    sk_keeper_put_text(&b, SK_KEEPER_F_HOST, host ? host : "");
    sk_keeper_put_number(&b, SK_KEEPER_F_PORT, port);
    sk_keeper_put_number(&b, SK_KEEPER_F_IS_FORWARD, is_forward);
    if (call(k, SK_KEEPER_LISTEN, &b, &a, &r, err) < 0)
        return -1;
    if (fd && a.fd < 0)
        return sk_fail(err, SK_REMOTE, "the keeper sent no socket: are there descriptors left?");
    if (fd)
        *fd = sk_take_fd(&a.fd);
    return 0;
}

int sk_keeper_forward(struct sk_keeper *k, const char *name, const char *target, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);

    sk_keeper_put_head(&b, SK_KEEPER_FORWARD);
    sk_keeper_put_text(&b, SK_KEEPER_F_NAME, name);
    if (target)
        sk_keeper_put_text(&b, SK_KEEPER_F_TARGET, target);
    return call_plain(k, SK_KEEPER_FORWARD, &b, err);
}

int sk_keeper_close(struct sk_keeper *k, const char *name, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);

    sk_keeper_put_head(&b, SK_KEEPER_CLOSE);
    sk_keeper_put_text(&b, SK_KEEPER_F_NAME, name);
    return call_plain(k, SK_KEEPER_CLOSE, &b, err);
}

int sk_keeper_stop(struct sk_keeper *k, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);

    sk_keeper_put_head(&b, SK_KEEPER_STOP);
    return call_plain(k, SK_KEEPER_STOP, &b, err);
}

/* ---- the list ---- */

static void copy_text(char *out, size_t size, struct sk_view v)
{
    (void)snprintf(out, size, "%.*s", (int)v.len, v.ptr);
}

/* Puts a field into the port that is being read. */
static void take_field(struct sk_keeper_port *p, unsigned field, struct sk_view v)
{
    if (field == SK_KEEPER_F_NAME)
        copy_text(p->name, sizeof p->name, v);
    else if (field == SK_KEEPER_F_ADDRESS)
        copy_text(p->address, sizeof p->address, v);
    else if (field == SK_KEEPER_F_TARGET)
        copy_text(p->target, sizeof p->target, v);
    else if (field == SK_KEEPER_F_IS_FORWARD)
        p->is_forward = sk_keeper_number(v) == 1;
    else if (field == SK_KEEPER_F_CONNECTIONS)
        p->connections = sk_keeper_number(v);
    else if (field == SK_KEEPER_F_OLDER)
        p->older = sk_keeper_number(v);
    else if (field == SK_KEEPER_F_ACCEPTED)
        p->accepted = sk_keeper_number(v);
}

typedef int sk_keeper_each(void *ctx, const struct sk_keeper_port *p, struct sk_err *err);

/* One answer; p is the last port in it. */
static int give_ports(struct sk_keeper_reader *r, struct sk_keeper_port *p, bool *more,
                      sk_keeper_each *each, void *ctx, struct sk_err *err)
{
    struct sk_view value;
    unsigned field;

    *more = false;
    *p = (struct sk_keeper_port){ .name = "" };
    while (sk_keeper_read_field(r, &field, &value)) {
        if (field == SK_KEEPER_F_NAME && p->name[0] && each(ctx, p, err) < 0)
            return -1;
        if (field == SK_KEEPER_F_NAME)
            *p = (struct sk_keeper_port){ .name = "" };
        if (field == SK_KEEPER_F_MORE)
            *more = true;
        take_field(p, field, value);
    }
    return p->name[0] ? each(ctx, p, err) : 0;
}

int sk_keeper_list(struct sk_keeper *k, sk_keeper_each *each, void *ctx, struct sk_err *err)
{
    struct sk_keeper_port p = { .name = "" };
    struct sk_keeper_reader r;
    bool more = true;

    for (int i = 0; more && i < SK_KEEPER_PORTS_MAX; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_KEEPER_PACKET_MAX);
        SK_AUTO(answer_done) struct answer a = { .fd = -1 };

        sk_keeper_put_head(&b, SK_KEEPER_LIST);
        if (p.name[0])
            sk_keeper_put_text(&b, SK_KEEPER_F_AFTER, p.name);
        if (call(k, SK_KEEPER_LIST, &b, &a, &r, err) < 0 ||
            give_ports(&r, &p, &more, each, ctx, err) < 0)
            return -1;
    }
    return 0;
}
