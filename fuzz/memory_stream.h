/*
 * memory_stream.h - a stream for fuzzers of connections: it gives bytes of the memory, in pieces
 * that a seed chooses, and keeps a hash of what is written to it.
 */
#ifndef SK_FUZZ_MEMORY_STREAM_H
#define SK_FUZZ_MEMORY_STREAM_H

#include "base/file.h"
#include "base/stream.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

static uint64_t mix(uint64_t hash, const void *bytes, size_t len)
{
    const unsigned char *p = bytes;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ p[i]) * 0x100000001b3u;
    return hash;
}

struct written {
    uint64_t hash;
    size_t len;
};

struct memory {
    struct sk_stream base;
    struct written *written;
    const unsigned char *bytes;
    size_t len, at;
    uint32_t seed; /* 0: all at once */
};

static ssize_t memory_read(struct sk_stream *s, void *out, size_t cap)
{
    struct memory *m = (struct memory *)s;
    size_t n = m->len - m->at;

    if (n == 0)
        return SK_STREAM_END;
    if (m->seed) {
        m->seed = m->seed * 1664525u + 1013904223u;
        size_t some = m->seed >> 28 ? (m->seed >> 20) % 17 : (m->seed >> 16) % 5000;
        if (some == 0)
            return SK_STREAM_AGAIN;
        n = some < n ? some : n;
    }
    n = n < cap ? n : cap;
    memcpy(out, m->bytes + m->at, n);
    m->at += n;
    return (ssize_t)n;
}

static ssize_t memory_write(struct sk_stream *s, const void *bytes, size_t len)
{
    struct memory *m = (struct memory *)s;

    require(len > 0);
    m->written->hash = mix(m->written->hash, bytes, len);
    m->written->len += len;
    return (ssize_t)len;
}

static unsigned memory_events(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    (void)s;
    return (wants_read ? EPOLLIN : 0u) | (wants_write ? EPOLLOUT : 0u);
}

static void memory_end(struct sk_stream *s)
{
    (void)s;
}

static void memory_free(struct sk_stream *s)
{
    sk_close(&s->fd);
    free(s);
}

static const struct sk_stream_ops memory_ops = { memory_read,   memory_write, NULL,
                                                 memory_events, memory_end,   memory_free };

/* Never NULL, and owned by who it is given to. */
static struct sk_stream *memory_stream(const unsigned char *bytes, size_t len, uint32_t seed,
                                       struct written *written)
{
    struct memory *m = calloc(1, sizeof *m);

    require(m != NULL);
    /* always ready to read and write */
    *m = (struct memory){ { &memory_ops, eventfd(1, EFD_CLOEXEC) }, written, bytes, len, 0, seed };
    require(m->base.fd >= 0);
    return &m->base;
}

#endif
