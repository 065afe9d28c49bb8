/*
 * unixhttp.c - one call: connect, send and read at the same time, until the answer is whole.
 *
 * A peer may answer before it has read our body (a refusal), or while it reads it; so one poll
 * watches both directions, and a broken pipe is an end of sending, not of the call. The deadline is
 * of the whole call; with a sink it moves with each piece.
 */
#include "unixhttp/unixhttp_priv.h"

#include "base/cleanup.h"
#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/un.h>

enum {
    TIMEOUT_MS = 30000,
    MAX_BYTES = 4 << 20,
    READ_BYTES = 16384,
    HEAD_BYTES = 65536 /* of a request */
};

struct call {
    const struct sk_unixhttp_request *r;
    struct sk_unixhttp_answer *out;
    const char *path;
    int fd;
    uint64_t timeout_ms, until_ms;
    struct sk_view parts[2]; /* to send: head and body, what is left of them */
    bool is_sending;
    struct sk_unixhttp_parser parser;
};

/* ---- connecting ---- */

/* A path that is too long for an address is reached through a descriptor of the socket's file,
 * which must stay open meanwhile. */
static int address_of(const char *path, struct sockaddr_un *addr, int *file_fd, struct sk_err *err)
{
    addr->sun_family = AF_UNIX;
    int n = snprintf(addr->sun_path, sizeof addr->sun_path, "%s", path);
    if (n >= 0 && (size_t)n < sizeof addr->sun_path)
        return 0;
    *file_fd = open(path, O_PATH | O_CLOEXEC);
    if (*file_fd < 0)
        return sk_fail_errno(err, "socket");
    (void)snprintf(addr->sun_path, sizeof addr->sun_path, "/proc/self/fd/%d", *file_fd);
    return 0;
}

/* A full backlog makes connect() wait, which a time limit of sending bounds. */
static int connect_to(struct call *c, struct sk_err *err)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    SK_AUTO(sk_close) int file_fd = -1;
    if (address_of(c->path, &addr, &file_fd, err) < 0)
        return -1;
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0)
        return sk_fail_errno(err, "socket");
    const struct timeval limit = { .tv_sec = (time_t)(c->timeout_ms / 1000),
                                   .tv_usec = (suseconds_t)(c->timeout_ms % 1000 * 1000) };
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    while (connect(c->fd, (const struct sockaddr *)&addr, sizeof addr) < 0) {
        if (errno == EINTR && sk_now_ms() < c->until_ms)
            continue;
        if (errno == EAGAIN || errno == EINTR)
            return sk_fail(err, SK_TIMEOUT, "the peer took no connection in %llu ms",
                           (unsigned long long)c->timeout_ms);
        if (errno == ECONNREFUSED)
            return sk_fail(err, SK_NOT_FOUND, "nobody listens there");
        return sk_fail_errno(err, "connect");
    }
    int flags = fcntl(c->fd, F_GETFL);
    if (flags < 0 || fcntl(c->fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "socket");
    return 0;
}

/* ---- the request ---- */

static bool is_line(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static int write_head(const struct sk_unixhttp_request *r, const char *method, struct sk_buf *head,
                      struct sk_err *err)
{
    const bool has_body = r->body.len > 0 || strcmp(method, "POST") == 0 ||
                          strcmp(method, "PUT") == 0;
    if (!is_line(method) || !is_line(r->target) || strchr(method, ' ') || strchr(r->target, ' ') ||
        r->target[0] != '/')
        return sk_fail(err, SK_INVALID, "the target must be percent-encoded and begin with '/'");
    sk_buf_fmt(head, "%s %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n", method,
               r->target);
    for (const char *const *h = r->headers; h && *h; h++) {
        if (!is_line(*h) || !strchr(*h, ':'))
            return sk_fail(err, SK_INVALID, "a header of the request is malformed");
        sk_buf_fmt(head, "%s\r\n", *h);
    }
    if (r->type && !is_line(r->type))
        return sk_fail(err, SK_INVALID, "the type of the body is malformed");
    if (has_body)
        sk_buf_fmt(head, "Content-Type: %s\r\nContent-Length: %zu\r\n",
                   r->type ? r->type : "application/json", r->body.len);
    sk_buf_str(head, "\r\n");
    return sk_buf_ok(head) ? 0 : sk_buf_fail(head, err);
}

static void skip(struct sk_view *v, size_t *n)
{
    size_t step = *n < v->len ? *n : v->len;
    if (step > 0)
        v->ptr += step;
    v->len -= step;
    *n -= step;
}

/* What the socket takes now. A peer that reads no more may still have answered. */
static void send_some(struct call *c)
{
    struct iovec v[2];
    for (int i = 0; i < 2; i++)
        v[i] = (struct iovec){ (void *)(uintptr_t)c->parts[i].ptr, c->parts[i].len };
    const struct msghdr message = { .msg_iov = v, .msg_iovlen = 2 };
    ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
    if (sent < 0) {
        c->is_sending = errno == EAGAIN || errno == EINTR;
        return;
    }
    size_t n = (size_t)sent;
    skip(&c->parts[0], &n);
    skip(&c->parts[1], &n);
    c->is_sending = c->parts[0].len + c->parts[1].len > 0;
}

/* ---- the answer ---- */

/* Of an error's answer the beginning is kept. -1 with SK_OK: it is full. */
static int keep(struct call *c, struct sk_view piece, struct sk_err *err)
{
    struct sk_buf *body = &c->out->body;
    if (c->parser.status >= 400) {
        size_t room = body->ceiling - body->len;
        sk_buf_add(body, piece.ptr, piece.len < room ? piece.len : room);
    } else if (c->r->sink) {
        c->until_ms = sk_now_ms() + c->timeout_ms;
        return c->r->sink(c->r->ctx, piece.ptr, piece.len, err);
    } else {
        sk_buf_add(body, piece.ptr, piece.len);
    }
    if (sk_buf_ok(body))
        return 0;
    if (body->failed == SK_NOMEM)
        return sk_nomem(err);
    return sk_fail(err, SK_LIMIT, "the answer is larger than %zu bytes", body->ceiling);
}

static bool is_whole(const struct call *c)
{
    return c->parser.state == SK_UNIXHTTP_DONE ||
           (c->parser.status >= 400 && c->out->body.len == c->out->body.ceiling);
}

/* 1: the answer is whole; 0: there may be more. */
static int read_some(struct call *c, struct sk_err *err)
{
    char bytes[READ_BYTES];
    ssize_t n = recv(c->fd, bytes, sizeof bytes, 0);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n < 0 && errno != ECONNRESET)
        return sk_fail_errno(err, "read");
    if (n <= 0)
        return sk_unixhttp_end(&c->parser, err) < 0 ? -1 : 1;
    struct sk_view in = { bytes, (size_t)n };
    while (in.len > 0 && !is_whole(c)) {
        struct sk_view piece;
        int fed = sk_unixhttp_feed(&c->parser, &in, &piece, err);
        c->out->status = c->parser.status;
        if (fed < 0 || (piece.len > 0 && keep(c, piece, err) < 0))
            return -1;
    }
    return is_whole(c);
}

static int exchange(struct call *c, struct sk_err *err)
{
    for (;;) {
        uint64_t now = sk_now_ms();
        if (now >= c->until_ms)
            return sk_fail(err, SK_TIMEOUT, "no answer in %llu ms",
                           (unsigned long long)c->timeout_ms);
        struct pollfd p = { .fd = c->fd, .events = POLLIN };
        if (c->is_sending && c->parser.status < 400)
            p.events |= POLLOUT;
        uint64_t left = c->until_ms - now;
        int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
        if (n < 0 && errno != EINTR)
            return sk_fail_errno(err, "poll");
        if (n <= 0)
            continue;
        if (p.revents & POLLOUT)
            send_some(c);
        if (!(p.revents & ~POLLOUT))
            continue;
        int done = read_some(c, err);
        if (done != 0)
            return done < 0 ? -1 : 0;
    }
}

/* ---- the call ---- */

static int judge(const struct sk_unixhttp_answer *a, struct sk_err *err)
{
    if (a->status < 400)
        return 0;
    char words[SK_UNIXHTTP_WORDS_BYTES];
    sk_unixhttp_words((struct sk_view){ a->body.data, a->body.len }, words);
    enum sk_code code = SK_REMOTE;
    if (a->status == 401 || a->status == 403)
        code = SK_DENIED;
    else if (a->status == 404)
        code = SK_NOT_FOUND;
    else if (a->status == 409)
        code = SK_EXISTS;
    if (words[0])
        return sk_fail(err, code, "%s (status %d)", words, a->status);
    return sk_fail(err, code, "status %d", a->status);
}

static int run(struct call *c, const char *method, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf head = SK_BUF_INIT(HEAD_BYTES);
    if (write_head(c->r, method, &head, err) < 0 || connect_to(c, err) < 0)
        return -1;
    c->parts[0] = (struct sk_view){ head.data, head.len };
    c->parts[1] = c->r->body;
    c->is_sending = true;
    if (exchange(c, err) < 0)
        return -1;
    return judge(c->out, err);
}

int sk_unixhttp_do(const struct sk_unixhttp_request *r, struct sk_unixhttp_answer *out,
                   struct sk_err *err)
{
    static const char scheme[] = "unix://";
    const char *method = r->method ? r->method : "GET";
    *out = (struct sk_unixhttp_answer){
        .body = SK_BUF_INIT(r->max_bytes ? r->max_bytes : MAX_BYTES),
    };
    struct call c = {
        .r = r,
        .out = out,
        .path = r->socket + (sk_starts_with(r->socket, scheme) ? sizeof scheme - 1 : 0),
        .fd = -1,
        .timeout_ms = r->timeout_ms ? r->timeout_ms : TIMEOUT_MS,
        .parser.is_headless = strcmp(method, "HEAD") == 0,
    };
    c.until_ms = sk_now_ms() + c.timeout_ms;
    int result = run(&c, method, err);
    sk_close(&c.fd);
    if (result < 0) /* what follows '?' is long and may be secret */
        return sk_wrap(err, "%s: %s %.*s", c.path, method, (int)strcspn(r->target, "?"), r->target);
    return 0;
}

void sk_unixhttp_answer_done(struct sk_unixhttp_answer *a)
{
    sk_buf_done(&a->body);
}
