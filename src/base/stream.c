/* stream.c - a stream that is nothing but a socket. */
#include "base/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static ssize_t result(ssize_t n)
{
    if (n >= 0)
        return n;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? SK_STREAM_AGAIN
                                                                     : SK_STREAM_LOST;
}

static ssize_t read_fd(struct sk_stream *s, void *out, size_t cap)
{
    return result(recv(s->fd, out, cap, 0));
}

static ssize_t write_fd(struct sk_stream *s, const void *bytes, size_t len)
{
    ssize_t n = result(send(s->fd, bytes, len, MSG_NOSIGNAL));
    return n == 0 ? SK_STREAM_AGAIN : n;
}

static unsigned events_of_fd(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    (void)s;
    return (wants_read ? (unsigned)EPOLLIN : 0u) | (wants_write ? (unsigned)EPOLLOUT : 0u);
}

static void end_fd(struct sk_stream *s)
{
    (void)shutdown(s->fd, SHUT_WR);
}

static void free_fd(struct sk_stream *s)
{
    sk_close(&s->fd);
    free(s);
}

static const struct sk_stream_ops socket_ops = {
    .read = read_fd,
    .write = write_fd,
    .events = events_of_fd,
    .end = end_fd,
    .free = free_fd,
};

int sk_stream_of_fd(int fd, struct sk_stream **out, struct sk_err *err)
{
    SK_AUTO(sk_close) int own = fd;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sk_fail_errno(err, "a stream's socket");
    struct sk_stream *s = malloc(sizeof *s);
    if (!s)
        return sk_nomem(err);
    *s = (struct sk_stream){ .ops = &socket_ops, .fd = sk_take_fd(&own) };
    *out = s;
    return 0;
}
