/*
 * stream.h - a connected byte stream that is read and written without waiting, whatever carries it:
 * a socket, TLS over a socket.
 *
 * Threads: one at a time. It may be handed from thread to thread.
 */
#ifndef SK_BASE_STREAM_H
#define SK_BASE_STREAM_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

enum {
    SK_STREAM_END = 0,    /* the peer has ended; only of reads */
    SK_STREAM_AGAIN = -1, /* nothing now: wait for sk_stream_events */
    SK_STREAM_LOST = -2   /* reset, or broken; the connection is of no more use */
};

struct sk_stream;

struct sk_stream_ops {
    ssize_t (*read)(struct sk_stream *s, void *out, size_t cap);
    ssize_t (*write)(struct sk_stream *s, const void *bytes, size_t len);
    bool (*is_buffered)(const struct sk_stream *s); /* NULL: never */
    unsigned (*events)(const struct sk_stream *s, bool wants_read, bool wants_write);
    void (*end)(struct sk_stream *s);
    void (*free)(struct sk_stream *s);
};

/* Embedded as the first member of each kind. */
struct sk_stream {
    const struct sk_stream_ops *ops;
    int fd; /* for epoll; owned by the stream */
};

/* Bytes moved (> 0), or one of the above. */
static inline ssize_t sk_stream_read(struct sk_stream *s, void *out, size_t cap)
{
    return s->ops->read(s, out, cap);
}

/* Bytes taken, or one of the above. After AGAIN the next write is of the same bytes, or of them and
 * more: TLS may have sealed them already. */
static inline ssize_t sk_stream_write(struct sk_stream *s, const void *bytes, size_t len)
{
    return s->ops->write(s, bytes, len);
}

/* Whether bytes wait inside the stream, of which epoll knows nothing: read until AGAIN. */
static inline bool sk_stream_is_buffered(const struct sk_stream *s)
{
    return s->ops->is_buffered && s->ops->is_buffered(s);
}

/* EPOLLIN and EPOLLOUT as epoll must be asked for them: TLS may need the other direction. */
static inline unsigned sk_stream_events(const struct sk_stream *s, bool wants_read,
                                        bool wants_write)
{
    return s->ops->events(s, wants_read, wants_write);
}

/* No more writes: close_notify, FIN. The peer's own end is to be read before the free, or a reset
 * may lose what was sent. */
static inline void sk_stream_end(struct sk_stream *s)
{
    s->ops->end(s);
}

/* Closes. Accepts NULL. */
static inline void sk_stream_free(struct sk_stream *s)
{
    if (s)
        s->ops->free(s);
}

SK_DEFINE_OWN(struct sk_stream, sk_stream_free);

/* Over a connected socket, which becomes non-blocking; fd is taken, also on failure. */
int sk_stream_of_fd(int fd, struct sk_stream **out, struct sk_err *err) SK_CHECK;

#endif
