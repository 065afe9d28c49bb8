/*
 * conn.c - connections, the stage each is in, and the table of all.
 *
 *                            (sources) WAITING
 *                                         |
 *     accept -> READING -> HANDLING -> SENDING -> IDLE -> READING -> ...
 *                  |                      |         |
 *                  +-----------> CUT <----+---------+        (the watch thread, at the deadline)
 *
 * libmicrohttpd tells us of a request when its first line is complete. That the first byte has come
 * on an idle connection is seen from the kernel's count of received bytes, once a tick; where there
 * is no such count (a socket pair behind the TLS front) a request has idle_ms for its first line
 * and read_ms for the rest. Both are total deadlines.
 */
#include "http/http_priv.h"

#include "base/clock.h"
#include "base/net.h"

#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum {
    STAGE_BITS = 3,
    FRESH_MS = 500,
    ARENA_BYTES = 1 << 20 /* beside what a body may become */
};

static const uint64_t NO_DEADLINE = UINT64_MAX >> STAGE_BITS;

static uint64_t word_of(enum sk_stage stage, uint64_t deadline_ms)
{
    return deadline_ms << STAGE_BITS | (uint64_t)stage;
}

static enum sk_stage stage_of(uint64_t word)
{
    return (enum sk_stage)(word & ((1u << STAGE_BITS) - 1));
}

struct sk_conn *sk_conn_new(struct sk_http_server *s, int fd, const struct sockaddr *addr,
                            struct sk_view cert)
{
    struct sk_conn *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->cert = cert.len > 0 ? malloc(cert.len) : NULL;
    if (cert.len > 0 && !c->cert) {
        free(c);
        return NULL;
    }
    if (c->cert)
        memcpy(c->cert, cert.ptr, cert.len);
    c->cert_len = cert.len;
    c->server = s;
    c->fd = fd;
    atomic_init(&c->refs, 1);
    c->accepted_ms = sk_now_ms();
    c->seen_bytes = c->seen_acked = UINT64_MAX;
    c->req.conn = c;
    c->req.arena.ceiling_bytes = s->opts.max_body_bytes + ARENA_BYTES;
    c->req.out.ceiling = SIZE_MAX / 4;
    sk_peer_text(addr, sizeof(struct sockaddr_in6), c->peer); /* addr is of its family's size */
    atomic_init(&c->word, word_of(SK_STAGE_READING, c->accepted_ms + s->opts.read_ms));
    return c;
}

void sk_conn_unref(struct sk_conn *c)
{
    if (!c || atomic_fetch_sub(&c->refs, 1) > 1)
        return;
    sk_req_free(&c->req);
    if (c->drop)
        c->drop(c->tag);
    free(c->cert);
    free(c);
}

enum sk_stage sk_conn_stage(const struct sk_conn *c)
{
    return stage_of(atomic_load(&c->word));
}

bool sk_conn_is_gone(const struct sk_conn *c)
{
    struct pollfd p = { .fd = c->fd };
    return poll(&p, 1, 0) > 0;
}

bool sk_conn_enter(struct sk_conn *c, enum sk_stage stage, uint64_t ms)
{
    uint64_t next = word_of(stage, ms ? sk_now_ms() + ms : NO_DEADLINE);
    uint64_t word = atomic_load(&c->word);
    do {
        if (stage_of(word) == SK_STAGE_CUT)
            return false;
        if (stage == SK_STAGE_READING && stage_of(word) == SK_STAGE_READING)
            return true; /* its deadline began with the first byte */
    } while (!atomic_compare_exchange_weak(&c->word, &word, next));
    return true;
}

void sk_conn_extend(struct sk_conn *c, enum sk_stage stage, uint64_t ms)
{
    const uint64_t next = word_of(stage, sk_now_ms() + ms);
    uint64_t word = atomic_load(&c->word);
    while (stage_of(word) == stage && !atomic_compare_exchange_weak(&c->word, &word, next))
        continue;
}

/* ---- the table, by descriptor ---- */

int sk_table_add(struct sk_http_server *s, struct sk_conn *c, struct sk_err *err)
{
    SK_LOCK(&s->lock);
    size_t fd = (size_t)c->fd;
    if (fd >= s->by_fd_count) {
        size_t count = fd < 32 ? 64 : fd * 2;
        struct sk_conn **grown = realloc(s->by_fd, count * sizeof(struct sk_conn *));
        if (!grown)
            return sk_nomem(err);
        for (size_t i = s->by_fd_count; i < count; i++)
            grown[i] = NULL;
        s->by_fd = grown;
        s->by_fd_count = count;
    }
    /* The kernel gave out this number again, so whoever had it is closed: libmicrohttpd gave it up
     * without a word. */
    if (s->by_fd[fd])
        sk_conn_unref(s->by_fd[fd]);
    else
        atomic_fetch_add(&s->connections, 1);
    s->by_fd[fd] = c;
    return 0;
}

struct sk_conn *sk_table_start(struct sk_http_server *s, int fd)
{
    SK_LOCK(&s->lock);
    struct sk_conn *c = (size_t)fd < s->by_fd_count ? s->by_fd[fd] : NULL;
    if (c)
        c->is_started = true;
    return c;
}

void sk_table_remove(struct sk_http_server *s, struct sk_conn *c)
{
    SK_LOCK(&s->lock);
    s->by_fd[c->fd] = NULL;
    atomic_fetch_sub(&s->connections, 1);
    (void)pthread_cond_broadcast(&s->gone);
}

/* False: no TCP connection, or a kernel that does not count bytes. */
static bool ask_kernel(int fd, struct tcp_info *info)
{
    socklen_t len = sizeof *info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &len) == 0 &&
           len >= offsetof(struct tcp_info, tcpi_bytes_received) + sizeof info->tcpi_bytes_received;
}

/* Bytes the kernel has received on a TCP connection; UINT64_MAX: not known. */
static uint64_t received_bytes(int fd)
{
    struct tcp_info info;
    return ask_kernel(fd, &info) ? info.tcpi_bytes_received : UINT64_MAX;
}

/* A byte came on an idle connection: its request has begun. Bytes of a request that came and went
 * since the last look say nothing. */
static void note_first_byte(struct sk_conn *c, uint64_t word, uint64_t now_ms)
{
    unsigned ended = atomic_load(&c->ended);
    uint64_t bytes = received_bytes(c->fd);
    uint64_t before = ended == c->seen_ended ? c->seen_bytes : UINT64_MAX;
    c->seen_ended = ended;
    c->seen_bytes = bytes;
    if (before != UINT64_MAX && bytes != before)
        (void)atomic_compare_exchange_strong(
            &c->word, &word, word_of(SK_STAGE_READING, now_ms + c->server->opts.read_ms));
}

/* libmicrohttpd 0.9.75 takes a short read for a drained socket; when the peer's end came with the
 * bytes, epoll will not tell it again. Shutting the reading side down, which has ended anyway,
 * wakes it. */
static void note_lost_end(const struct sk_conn *c)
{
    char byte;
    if (recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
        (void)shutdown(c->fd, SHUT_RD);
}

/* A file, or what a source gave, is on its way: as long as the peer takes enough of it the deadline
 * moves. Behind the TLS front that one knows whether the client takes it; what is left to see here
 * is whether there is something to take. */
static void note_taken(struct sk_conn *c)
{
    struct tcp_info info;
    int waiting = 0;
    if (!ask_kernel(c->fd, &info)) {
        if (ioctl(c->fd, SIOCOUTQ, &waiting) == 0 && waiting > 0)
            sk_conn_extend(c, SK_STAGE_SENDING, c->server->opts.read_ms);
        return;
    }
    if (c->seen_acked == UINT64_MAX)
        c->seen_acked = info.tcpi_bytes_acked;
    if (info.tcpi_bytes_acked - c->seen_acked < SK_HTTP_STALL_BYTES)
        return;
    c->seen_acked = info.tcpi_bytes_acked;
    sk_conn_extend(c, SK_STAGE_SENDING, c->server->opts.read_ms);
}

static void sweep_one(struct sk_conn *c, uint64_t now_ms)
{
    uint64_t word = atomic_load(&c->word);
    enum sk_stage stage = stage_of(word);
    if (stage == SK_STAGE_IDLE)
        note_first_byte(c, word, now_ms);
    else
        c->seen_bytes = UINT64_MAX;
    if (stage == SK_STAGE_IDLE || stage == SK_STAGE_READING)
        note_lost_end(c);
    if (stage == SK_STAGE_WAITING && sk_conn_is_gone(c))
        sk_http_wake(c->waker);
    if (stage == SK_STAGE_SENDING && atomic_load(&c->is_paced))
        note_taken(c);
    else
        c->seen_acked = UINT64_MAX;
    word = atomic_load(&c->word);
    stage = stage_of(word);
    if (stage == SK_STAGE_CUT || word >> STAGE_BITS > now_ms)
        return;
    if (!atomic_compare_exchange_strong(&c->word, &word, word_of(SK_STAGE_CUT, NO_DEADLINE)))
        return;                                                  /* it moved on */
    if (stage == SK_STAGE_READING && received_bytes(c->fd) != 0) /* a browser's spare connection
                                                                    wants no answer */
        sk_answer_raw(c->fd, MHD_HTTP_REQUEST_TIMEOUT, NULL,
                      "{\"error\":\"the request did not arrive in time\"}");
    (void)shutdown(c->fd, SHUT_RDWR);
}

void sk_table_sweep(struct sk_http_server *s, uint64_t now_ms)
{
    SK_LOCK(&s->lock);
    for (size_t i = 0; i < s->by_fd_count; i++)
        if (s->by_fd[i] && s->by_fd[i]->is_started)
            sweep_one(s->by_fd[i], now_ms);
}

/* Whether the kernel holds bytes that the event loop has not read yet. */
static bool has_unread(int fd)
{
    int unread = 0;
    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

/* What the kernel holds already is still read after this, so a request that was on its way is
 * served. Its rest would not be taken from the TLS front any more (a pair's socket refuses what is
 * written after this), so a connection that a request has begun to reach is left alone: its answer
 * ends it. */
static void hush(struct sk_conn *c, uint64_t now_ms)
{
    enum sk_stage stage = sk_conn_stage(c);
    if (stage == SK_STAGE_IDLE && has_unread(c->fd))
        return;
    bool is_silent = stage == SK_STAGE_READING && now_ms - c->accepted_ms >= FRESH_MS &&
                     received_bytes(c->fd) == 0;
    if ((stage != SK_STAGE_IDLE && !is_silent) || c->is_hushed)
        return;
    c->is_hushed = true;
    (void)shutdown(c->fd, SHUT_RD);
}

size_t sk_table_hush(struct sk_http_server *s, uint64_t now_ms)
{
    SK_LOCK(&s->lock);
    size_t count = 0;
    for (size_t i = 0; i < s->by_fd_count; i++) {
        struct sk_conn *c = s->by_fd[i];
        count += c != NULL;
        if (c && c->is_started)
            hush(c, now_ms);
        if (c && sk_conn_stage(c) == SK_STAGE_WAITING)
            sk_http_wake(c->waker);
    }
    return count;
}

void sk_table_wake(struct sk_http_server *s)
{
    SK_LOCK(&s->lock);
    for (size_t i = 0; i < s->by_fd_count; i++)
        if (s->by_fd[i])
            sk_http_wake(s->by_fd[i]->waker);
}

unsigned sk_table_cut(struct sk_http_server *s)
{
    SK_LOCK(&s->lock);
    unsigned cut = 0;
    for (size_t i = 0; i < s->by_fd_count; i++) {
        struct sk_conn *c = s->by_fd[i];
        if (!c || !c->is_started)
            continue;
        enum sk_stage stage = sk_conn_stage(c);
        cut += stage == SK_STAGE_HANDLING || stage == SK_STAGE_SENDING ||
               stage == SK_STAGE_WAITING ||
               (stage == SK_STAGE_READING && received_bytes(c->fd) != 0);
        (void)shutdown(c->fd, SHUT_RDWR);
        sk_http_wake(c->waker);
    }
    return cut;
}
