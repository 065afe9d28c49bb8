/*
 * client_link.c - the bytes of one connection to a server, and its end.
 *
 *     stream -> scratch of the dialer -> cutter -> client_session.c
 *                                    \-> rest: what may not be looked at yet
 *
 * A link leaves its line when that closes or logs in anew: what is queued is still written, with
 * DISCONNECT as the last packet, then the stream ends, and what the server still sends is read away
 * until its own end, each for at most a second. So no server sees a reset that loses what came
 * before. A link that is lost is killed; it is freed at the end of the round, since epoll may have
 * told of it in the same one.
 */
#include "mqtt/client_priv.h"

#include "base/net.h"
#include "base/thread.h"
#include "crypto/crypto.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>

static const char no_memory[] = "out of memory";

int sk_link_new(struct sk_mqtt_line *line, int fd, struct sk_link **out, struct sk_err *err)
{
    struct sk_mqtt_dialer *d = line->dialer;
    SK_AUTO(sk_close) int own = fd;
    struct sk_link *k = calloc(1, sizeof *k);

    if (!k)
        return sk_nomem(err);
    k->dialer = d;
    k->line = line;
    k->fd = sk_take_fd(&own);
    k->rest = k->out = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
    sk_mqtt_cutter_init_client(&k->cut, line->opts.max_packet);
    k->next = d->links;
    k->prev = &d->links;
    if (k->next)
        k->next->prev = &k->next;
    d->links = k;
    *out = k;
    return 0;
}

void sk_link_free(struct sk_link *k)
{
    *k->prev = k->next;
    if (k->next)
        k->next->prev = k->prev;
    sk_stream_free(k->stream);
    sk_close(&k->fd);
    sk_mqtt_cutter_done(&k->cut);
    sk_buf_done(&k->rest);
    sk_buf_done(&k->out);
    free(k);
}

void sk_link_kill(struct sk_link *k)
{
    if (!k)
        return;
    k->is_dead = true;
    k->line = NULL;
    sk_dialer_set_due(k->dialer, k->dialer->now_ms);
}

int sk_link_ask_epoll(struct sk_link *k, unsigned mask)
{
    struct epoll_event e = { .events = mask, .data.ptr = k };

    if (mask == k->mask)
        return 0;
    int op = k->mask == 0 ? EPOLL_CTL_ADD : mask == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(k->dialer->epoll, op, k->stream ? k->stream->fd : k->fd, &e) < 0)
        return -1;
    k->mask = mask;
    return 0;
}

/* ---- in ---- */

/* Why the stream is of no use, in words. */
static void lose(struct sk_link *k)
{
    struct sk_err err = SK_ERR_INIT;
    bool has_words = sk_tls_client_shake(k->stream, &err) < 0;

    sk_line_lose(k->line, SK_MQTT_ACCEPTED, has_words ? err.text : "the connection was reset");
}

/* Returns how many bytes were used up. */
static size_t take_packets(struct sk_link *k, const char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len && k->line && !sk_line_is_held(k->line)) {
        struct sk_mqtt_packet p;
        const char *why = NULL;
        size_t used = 0;
        int rc = sk_mqtt_cut(&k->cut, bytes + done, len - done, &used, &p, &why);

        done += used;
        if (rc < 0) {
            struct sk_err err = SK_ERR_INIT;
            (void)sk_fail(&err, SK_REMOTE, "the server has sent %s", why);
            sk_line_lose(k->line, SK_MQTT_ACCEPTED, err.text);
        }
        if (rc <= 0)
            break;
        sk_line_packet(k->line, &p);
    }
    sk_mqtt_cutter_release(&k->cut);
    return done;
}

void sk_link_take_rest(struct sk_link *k)
{
    if (k->rest.len == 0)
        return;
    k->rest_at += take_packets(k, k->rest.data + k->rest_at, k->rest.len - k->rest_at);
    if (k->rest_at == k->rest.len) {
        sk_buf_done(&k->rest);
        k->rest_at = 0;
    }
}

static void take_bytes(struct sk_link *k, const char *bytes, size_t len)
{
    size_t used = take_packets(k, bytes, len);

    if (used == len || !k->line)
        return;
    sk_buf_add(&k->rest, bytes + used, len - used);
    if (!sk_buf_ok(&k->rest))
        sk_line_lose(k->line, SK_MQTT_ACCEPTED, no_memory);
}

void sk_link_read(struct sk_link *k)
{
    struct sk_mqtt_dialer *d = k->dialer;

    for (int i = 0; i < SK_CLIENT_READS && k->line && k->rest.len == 0; i++) {
        if (sk_line_is_held(k->line) || sk_line_is_full(k->line))
            return;
        ssize_t n = sk_stream_read(k->stream, d->scratch, SK_CLIENT_READ_BYTES);
        if (n == SK_STREAM_AGAIN)
            return;
        if (n == SK_STREAM_LOST) {
            lose(k);
        } else if (n == SK_STREAM_END) {
            sk_line_lose(k->line, SK_MQTT_ACCEPTED, "the server has closed the connection");
        } else {
            k->line->heard_ms = d->now_ms;
            k->line->is_pinged = false;
            take_bytes(k, (const char *)d->scratch, (size_t)n);
        }
    }
}

/* ---- out ---- */

/* -1: the stream is of no use. */
static int write_some(struct sk_link *k)
{
    while (k->out_at < k->out.len) {
        ssize_t n = sk_stream_write(k->stream, k->out.data + k->out_at, k->out.len - k->out_at);
        if (n == SK_STREAM_AGAIN)
            return 0;
        if (n < 0)
            return -1;
        k->out_at += (size_t)n;
    }
    sk_buf_done(&k->out);
    k->out_at = 0;
    return 0;
}

/* What the line has queued becomes the link's. 0: there is nothing to write; -1: no memory. */
static int take_queued(struct sk_link *k)
{
    struct sk_mqtt_line *l = k->line;
    SK_LOCK(&l->lock);

    if (!sk_buf_ok(&l->out))
        return -1;
    if (k->out.len == 0) {
        k->out = l->out;
        l->out = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
        l->sending = k->out.len;
    }
    return k->out.len > 0;
}

void sk_link_write(struct sk_link *k)
{
    struct sk_mqtt_line *l = k->line;
    int rc;

    while ((rc = take_queued(k)) > 0) {
        size_t before = k->out.len - k->out_at;
        if (write_some(k) < 0) {
            lose(k);
            return;
        }
        size_t left = k->out.len - k->out_at;
        if (left < before) {
            l->sent_ms = k->dialer->now_ms;
            if (sk_line_is_full(l))
                l->heard_ms = k->dialer->now_ms; /* it is not read, but takes what is sent */
        }
        {
            SK_LOCK(&l->lock);
            l->sending = left;
        }
        if (left > 0)
            return;
    }
    if (rc < 0)
        sk_line_lose(l, SK_MQTT_ACCEPTED, no_memory);
}

bool sk_link_is_taken(struct sk_link *k)
{
    const uint64_t acked = sk_tcp_acked(k->stream->fd);
    const bool is_more = acked > k->taken;
    int waiting = 0;

    k->taken = acked;
    return is_more && ioctl(k->stream->fd, SIOCOUTQ, &waiting) == 0 && waiting > 0;
}

/* ---- the end ---- */

void sk_link_leave(struct sk_link *k, struct sk_mqtt_line *waiter)
{
    k->line = NULL;
    k->waiter = waiter;
    k->by_ms = k->dialer->now_ms + SK_MQTT_LINGER_MS;
    sk_buf_done(&k->rest);
    sk_dialer_set_due(k->dialer, k->by_ms);
    sk_link_drain(k);
}

static void read_away(struct sk_link *k)
{
    for (int i = 0; i < SK_CLIENT_READS && !k->has_fin; i++) {
        ssize_t n = sk_stream_read(k->stream, k->dialer->scratch, SK_CLIENT_READ_BYTES);
        if (n == SK_STREAM_AGAIN)
            return;
        if (n <= 0)
            k->has_fin = true;
    }
}

void sk_link_drain(struct sk_link *k)
{
    if (!k->has_ended && write_some(k) < 0) {
        sk_link_kill(k);
        return;
    }
    if (!k->has_ended && k->out.len == 0) {
        sk_stream_end(k->stream);
        k->has_ended = true;
        k->by_ms = k->dialer->now_ms + SK_MQTT_LINGER_MS;
    }
    read_away(k);
    if (k->has_fin || sk_link_ask_epoll(k, sk_stream_events(k->stream, true, !k->has_ended)) < 0)
        sk_link_kill(k); /* both sides have ended, or the server does not care for the rest */
}
