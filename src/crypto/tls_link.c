/*
 * tls_link.c - one TLS client joined to one plain stream socket.
 *
 *     client  --SSL_read-->  inward  --send-->  plain
 *     client  <--SSL_write-- outward <--recv--  plain
 *
 * Each direction holds SK_TLS_CHUNK_BYTES at most and reads again when they are gone, so a slow
 * side slows the other down; an idle link holds no memory for it. An end travels behind the bytes
 * before it: the client's end shuts the plain side for writing, the server's end becomes
 * close_notify and FIN, after which the client's own end is waited for (a close with unread bytes
 * would reset the connection and could lose the answer). A client that does not read is cut when it
 * has taken less than a record in patience_ms.
 */
#include "crypto/tls_priv.h"

#include "base/cleanup.h"
#include "base/net.h"

#include <errno.h>
#include <openssl/err.h>
#include <sys/epoll.h>
#include <sys/socket.h>

static size_t pending(const struct sk_tls_pipe *p)
{
    return p->end - p->start;
}

/* Memory to read into. False: there is none, and the link is over. */
static bool lend(struct sk_tls_link *l, struct sk_tls_pipe *p)
{
    if (!p->bytes)
        p->bytes = l->spares->count > 0 ? l->spares->list[--l->spares->count]
                                        : malloc(SK_TLS_CHUNK_BYTES);
    if (!p->bytes)
        l->stage = SK_TLS_DEAD;
    p->start = p->end = 0;
    return p->bytes != NULL;
}

static void give_back(struct sk_tls_link *l, struct sk_tls_pipe *p)
{
    if (p->bytes && l->spares->count < SK_TLS_SPARES)
        l->spares->list[l->spares->count++] = p->bytes;
    else
        free(p->bytes);
    p->bytes = NULL;
    p->start = p->end = 0;
}

void sk_tls_link_drop(struct sk_tls_link *l)
{
    give_back(l, &l->inward);
    give_back(l, &l->outward);
}

static bool would_block(ssize_t n)
{
    return n < 0 && (errno == EAGAIN || errno == EINTR);
}

/* What an SSL call that moved nothing waits for: its own direction, or (key updates) the other one,
 * which is noted in *needs_other. False: the connection is over. */
static bool note_want(struct sk_tls_link *l, int rc, bool *needs_other)
{
    int why = SSL_get_error(l->ssl, rc);
    ERR_clear_error();
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) {
        *needs_other = (why == SSL_ERROR_WANT_WRITE) == (needs_other == &l->reads_need_write);
        return true;
    }
    return false;
}

int sk_tls_link_shake(struct sk_tls_link *l)
{
    int rc = SSL_accept(l->ssl);
    if (rc == 1)
        return 1;
    return note_want(l, rc, &l->reads_need_write) ? 0 : -1;
}

/* SSL_peek sees no further than one record, and a prefix may come in many. */
enum sk_tls_choice sk_tls_link_choose(struct sk_tls_link *l, const char *prefix)
{
    const size_t len = strlen(prefix);
    l->reads_need_write = false;
    while (l->first_len < len) {
        int n = SSL_read(l->ssl, l->first + l->first_len, (int)(len - l->first_len));
        if (n <= 0 && note_want(l, n, &l->reads_need_write))
            return SK_TLS_WAITS;
        if (n <= 0)
            return SSL_get_shutdown(l->ssl) & SSL_RECEIVED_SHUTDOWN ? SK_TLS_JOINS : SK_TLS_FAILS;
        l->first_len += (size_t)n;
        if (memcmp(l->first, prefix, l->first_len) != 0)
            return SK_TLS_JOINS;
    }
    return SK_TLS_IS_TAKEN;
}

bool sk_tls_link_open(struct sk_tls_link *l)
{
    if (l->first_len > 0) {
        if (!lend(l, &l->inward))
            return false;
        memcpy(l->inward.bytes, l->first, l->first_len);
        l->inward.end = l->first_len;
    }
    l->stage = SK_TLS_OPEN;
    l->deadline_ms = 0;
    return true;
}

static bool read_client(struct sk_tls_link *l)
{
    if (pending(&l->inward) > 0 || l->client_ended)
        return false;
    struct sk_tls_pipe *p = &l->inward;
    int n = 1;
    if (!lend(l, p))
        return false;
    l->reads_need_write = false;
    while (n > 0 && p->end < SK_TLS_CHUNK_BYTES) {
        n = SSL_read(l->ssl, p->bytes + p->end, SK_TLS_CHUNK_BYTES - (int)p->end);
        p->end += n > 0 ? (size_t)n : 0;
    }
    if (n <= 0 && !note_want(l, n, &l->reads_need_write)) {
        l->client_ended = true;
        l->client_is_cut = !(SSL_get_shutdown(l->ssl) & SSL_RECEIVED_SHUTDOWN);
    }
    return p->end > 0 || l->client_ended;
}

static bool write_plain(struct sk_tls_link *l)
{
    struct sk_tls_pipe *p = &l->inward;
    if (pending(p) == 0) {
        if (l->client_is_cut)
            l->stage = SK_TLS_DEAD; /* not ended: what came may be incomplete */
        if (!l->client_ended || l->plain_told || l->client_is_cut)
            return false;
        l->plain_told = true;
        if (l->plain >= 0)
            (void)shutdown(l->plain, SHUT_WR);
        return true;
    }
    if (l->plain < 0) { /* the server has ended: what the client still sends is read away */
        p->start = p->end;
        return true;
    }
    ssize_t n = send(l->plain, p->bytes + p->start, pending(p), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (would_block(n))
        return false;
    p->start = n > 0 ? p->start + (size_t)n : p->end;
    return true;
}

static bool read_plain(struct sk_tls_link *l)
{
    if (pending(&l->outward) > 0 || l->plain_ended || !lend(l, &l->outward))
        return false;
    ssize_t n = recv(l->plain, l->outward.bytes, SK_TLS_CHUNK_BYTES, MSG_DONTWAIT);
    if (would_block(n))
        return false;
    l->outward.end = n > 0 ? (size_t)n : 0;
    l->plain_ended = n <= 0;
    if (l->plain_ended)
        sk_close(&l->plain); /* epoll would report its hang-up for ever */
    return true;
}

static bool write_client(struct sk_tls_link *l, uint64_t now_ms)
{
    struct sk_tls_pipe *p = &l->outward;
    if (pending(p) == 0)
        return false;
    l->writes_need_read = false;
    int n = SSL_write(l->ssl, p->bytes + p->start, (int)pending(p));
    if (n > 0) {
        p->start += (size_t)n;
        l->deadline_ms = 0;
        return true;
    }
    if (!note_want(l, n, &l->writes_need_read)) {
        l->stage = SK_TLS_DEAD;
        return false;
    }
    if (l->deadline_ms == 0) {
        l->deadline_ms = now_ms + l->patience_ms;
        l->acked = sk_tcp_acked(l->client);
    }
    return false;
}

bool sk_tls_link_is_late(struct sk_tls_link *l, uint64_t now_ms)
{
    if (l->deadline_ms == 0 || now_ms < l->deadline_ms)
        return false;
    uint64_t acked = l->stage == SK_TLS_OPEN ? sk_tcp_acked(l->client) : 0;
    if (acked - l->acked < SK_TLS_RECORD_BYTES || l->stage != SK_TLS_OPEN)
        return true;
    l->acked = acked; /* the kernel holds megabytes for it, and they move */
    l->deadline_ms = now_ms + l->patience_ms;
    return false;
}

/* The server has ended and everything it wrote is on its way. */
static void begin_close(struct sk_tls_link *l, uint64_t now_ms)
{
    (void)SSL_shutdown(l->ssl);
    ERR_clear_error();
    (void)shutdown(l->client, SHUT_WR);
    l->stage = SK_TLS_CLOSING;
    l->deadline_ms = now_ms + SK_TLS_LINGER_MS;
}

void sk_tls_link_pump(struct sk_tls_link *l, uint64_t now_ms)
{
    bool moves = true;
    while (moves && l->stage != SK_TLS_DEAD) {
        moves = read_client(l);
        moves |= l->stage != SK_TLS_DEAD && write_plain(l);
        if (l->stage != SK_TLS_OPEN)
            continue;
        moves |= read_plain(l);
        moves |= write_client(l, now_ms);
        if (l->stage == SK_TLS_OPEN && l->plain_ended && pending(&l->outward) == 0)
            begin_close(l, now_ms);
    }
    if (l->stage == SK_TLS_CLOSING && l->client_ended)
        l->stage = SK_TLS_DEAD;
    if (pending(&l->inward) == 0)
        give_back(l, &l->inward);
    if (pending(&l->outward) == 0)
        give_back(l, &l->outward);
}

void sk_tls_link_wants(const struct sk_tls_link *l, unsigned *client, unsigned *plain)
{
    bool wants_read = pending(&l->inward) == 0 && !l->client_ended;
    bool wants_write = pending(&l->outward) > 0 && l->stage == SK_TLS_OPEN;
    *client = 0;
    if (wants_read || l->stage == SK_TLS_SHAKING)
        *client |= l->reads_need_write ? EPOLLOUT : EPOLLIN;
    if (wants_write)
        *client |= l->writes_need_read ? EPOLLIN : EPOLLOUT;
    *plain = pending(&l->inward) > 0 ? EPOLLOUT : 0;
    if (pending(&l->outward) == 0 && !l->plain_ended && l->stage == SK_TLS_OPEN)
        *plain |= EPOLLIN;
}
