/*
 * conn.c - a connection's bytes: in, out, and its end.
 *
 *     stream -> scratch of the loop -> [WebSocket] -> cutter -> session.c
 *                                                 \-> rest: what may not be looked at yet
 *
 * Bytes are cut into packets where they were read; only what a packet lacks, and what came while
 * the connection is held (session.c) or beyond its share of the round, is copied. What is sent
 * gathers in `out` and is written once, when the loop settles the connection at the end of a round.
 *
 * The end: `closed` is called at once, then `out` is written, the stream ends (FIN), and what the
 * client still sends is read away until its own end, or for a second; so it sees an end and no
 * reset. Nothing of the connection is freed before its loop settles it: a handler may be using it.
 */
#include "mqtt/mqtt_priv.h"

#include <assert.h>
#include <string.h>
#include <sys/epoll.h>

static const char no_memory[] = "out of memory";

static int copy_peer(struct sk_mqtt_conn *c, const struct sk_mqtt_peer *peer, struct sk_err *err)
{
    c->address = strdup(peer->address ? peer->address : "");
    if (!c->address)
        return sk_nomem(err);
    if (!peer->cert)
        return 0;
    c->cert = malloc(peer->cert_len ? peer->cert_len : 1);
    if (!c->cert)
        return sk_nomem(err);
    memcpy(c->cert, peer->cert, peer->cert_len);
    c->cert_len = peer->cert_len;
    return 0;
}

SK_DEFINE_OWN(struct sk_mqtt_conn, sk_conn_free);

int sk_mqtt_conn_new(struct sk_mqtt_loop *l, struct sk_stream **stream,
                     const struct sk_mqtt_peer *peer, bool is_websocket, struct sk_mqtt_conn **out,
                     struct sk_err *err)
{
    const struct sk_mqtt_options *opts = &l->server->opts;
    SK_OWN(sk_conn_free) struct sk_mqtt_conn *c = calloc(1, sizeof *c);

    if (!c)
        return sk_nomem(err);
    c->loop = l;
    c->state = is_websocket ? SK_CONN_UPGRADE : SK_CONN_HELLO;
    c->is_young = true;
    c->by_ms = l->clock() + opts->connect_ms;
    c->rest = c->out = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
    sk_mqtt_cutter_init(&c->cut, opts->max_packet);
    if (copy_peer(c, peer, err) < 0)
        return -1;
    if (is_websocket) {
        c->ws = calloc(1, sizeof *c->ws);
        if (!c->ws)
            return sk_nomem(err);
    }
    c->stream = SK_TAKE(*stream);
    *out = SK_TAKE(c);
    return 0;
}

void sk_conn_free(struct sk_mqtt_conn *c)
{
    if (!c)
        return;
    sk_stream_free(c->stream);
    sk_mqtt_cutter_done(&c->cut);
    sk_buf_done(&c->rest);
    sk_buf_done(&c->out);
    free(c->ws);
    free(c->address);
    free(c->cert);
    free(c->inbound);
    free(c->outbound);
    free(c);
}

/* ---- the end ---- */

static void leave(struct sk_mqtt_conn *c, enum sk_mqtt_state state, bool had_disconnect,
                  const char *why)
{
    const struct sk_mqtt_server *s = c->loop->server;

    c->state = state;
    c->by_ms = c->loop->now_ms + SK_MQTT_LINGER_MS;
    sk_loop_set_due(c);
    sk_loop_touch(c);
    if (c->was_asked)
        s->opts.handler->closed(c, had_disconnect, why, s->opts.ctx);
}

void sk_conn_end(struct sk_mqtt_conn *c, bool had_disconnect, enum sk_ws_code code, const char *why)
{
    if (c->state >= SK_CONN_FLUSHING)
        return;
    c->is_at_fault = code >= SK_WS_PROTOCOL;
    if (c->ws && c->state != SK_CONN_UPGRADE)
        sk_ws_write_close(&c->out, code);
    leave(c, SK_CONN_FLUSHING, had_disconnect, why);
}

void sk_conn_drop(struct sk_mqtt_conn *c, const char *why)
{
    if (c->state >= SK_CONN_FLUSHING) {
        c->state = SK_CONN_DEAD;
        sk_loop_touch(c);
        return;
    }
    leave(c, SK_CONN_DEAD, false, why);
}

/* ---- in ---- */

static bool may_take(const struct sk_mqtt_conn *c)
{
    return c->state >= SK_CONN_HELLO && c->state <= SK_CONN_OPEN && c->budget > 0 &&
           !sk_conn_is_held(c);
}

/* A connection's share begins anew with each round. */
static void renew_budget(struct sk_mqtt_conn *c)
{
    if (c->round == c->loop->round)
        return;
    c->round = c->loop->round;
    c->budget = SK_MQTT_ROUND_PACKETS;
}

/* Returns how many bytes were used up. */
static size_t take_packets(struct sk_mqtt_conn *c, const char *bytes, size_t len)
{
    size_t done = 0;

    while (done < len && may_take(c)) {
        struct sk_mqtt_packet p;
        const char *why = NULL;
        size_t used = 0;
        int rc = sk_mqtt_cut(&c->cut, bytes + done, len - done, &used, &p, &why);

        done += used;
        if (rc < 0)
            sk_conn_end(c, false, SK_WS_PROTOCOL, why);
        if (rc <= 0)
            break;
        c->cut.expects_connect = false;
        c->alive_ms = c->loop->now_ms;
        c->budget--;
        sk_conn_packet(c, &p);
    }
    return done;
}

static void keep_rest(struct sk_mqtt_conn *c, const void *bytes, size_t len)
{
    sk_buf_add(&c->rest, bytes, len);
    if (!sk_buf_ok(&c->rest))
        sk_conn_drop(c, no_memory);
}

static void take_rest(struct sk_mqtt_conn *c)
{
    if (c->rest.len == 0)
        return;
    c->rest_at += take_packets(c, c->rest.data + c->rest_at, c->rest.len - c->rest_at);
    if (c->rest_at == c->rest.len) {
        sk_buf_done(&c->rest);
        c->rest_at = 0;
    }
}

/* Bytes of MQTT. */
static void take_plain(struct sk_mqtt_conn *c, const unsigned char *bytes, size_t len)
{
    size_t used = take_packets(c, (const char *)bytes, len);

    assert(c->rest.len == 0); /* else nothing is read */
    if (used < len && c->state < SK_CONN_FLUSHING)
        keep_rest(c, bytes + used, len - used);
}

static void set_end(struct sk_mqtt_conn *c, enum sk_ws_code code, const char *why)
{
    c->is_at_end = true;
    c->end_code = code;
    c->end_why = why;
}

static void take_frames(struct sk_mqtt_conn *c, unsigned char *bytes, size_t len)
{
    enum sk_ws_code code = 0;
    const char *why = NULL;
    size_t n = sk_ws_decode(c->ws, bytes, len, &c->out, &code, &why);

    if (code)
        set_end(c, code, why);
    take_plain(c, bytes, n);
}

/* The request gathers in rest, the only bytes of this state. */
static void take_request(struct sk_mqtt_conn *c, const unsigned char *bytes, size_t len)
{
    SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT(SIZE_MAX);
    size_t used = 0;

    keep_rest(c, bytes, len);
    if (c->state != SK_CONN_UPGRADE)
        return;
    int status = sk_ws_upgrade(c->rest.data, c->rest.len, c->loop->server->ws_path, &used, &c->out);
    if (status == 0)
        return;
    if (status != 101) {
        sk_conn_end(c, false, SK_WS_NORMAL, "a refused WebSocket request");
        return;
    }
    request = c->rest;
    c->rest = (struct sk_buf)SK_BUF_INIT(SIZE_MAX);
    c->state = SK_CONN_HELLO;
    take_frames(c, (unsigned char *)request.data + used, request.len - used);
}

static void take_bytes(struct sk_mqtt_conn *c, unsigned char *bytes, size_t len)
{
    if (len >= SK_MQTT_ALIVE_BYTES)
        c->alive_ms = c->loop->now_ms;
    if (c->state == SK_CONN_UPGRADE)
        take_request(c, bytes, len);
    else if (c->ws)
        take_frames(c, bytes, len);
    else
        take_plain(c, bytes, len);
}

static bool wants_read(const struct sk_mqtt_conn *c)
{
    if (c->state >= SK_CONN_FLUSHING)
        return c->state != SK_CONN_DEAD && !c->has_fin;
    return !c->is_at_end && c->rest_at == 0 && (c->rest.len == 0 || c->state == SK_CONN_UPGRADE) &&
           !sk_conn_is_held(c);
}

/* After AGAIN there is nothing before epoll says so, even if TLS has a part of a record. */
static bool has_buffered(const struct sk_mqtt_conn *c)
{
    return !c->is_dry && sk_stream_is_buffered(c->stream);
}

/* At most SK_MQTT_READ_BYTES, or a round's packets; little of those whom nobody knows yet. */
static void read_some(struct sk_mqtt_conn *c)
{
    size_t left = c->state < SK_CONN_ASKED ? SK_MQTT_FIRST_BYTES : SK_MQTT_READ_BYTES;

    while (left > 0 && wants_read(c)) {
        ssize_t n = sk_stream_read(c->stream, c->loop->scratch, left);
        if (n == SK_STREAM_LOST) {
            sk_conn_drop(c, "the connection was reset");
        } else if (n == SK_STREAM_END) {
            c->has_fin = true;
            if (!c->is_at_end)
                set_end(c, SK_WS_NORMAL, "the client has closed the connection");
        } else if (n == SK_STREAM_AGAIN) {
            c->is_dry = true;
        } else {
            left -= (size_t)n;
            if (c->state < SK_CONN_FLUSHING)
                take_bytes(c, c->loop->scratch, (size_t)n);
        }
        if (n <= 0 || !has_buffered(c))
            return; /* epoll tells of what is in the socket */
    }
}

void sk_conn_ready(struct sk_mqtt_conn *c)
{
    c->is_dry = false;
    renew_budget(c);
    read_some(c); /* also when it may be written: TLS may wait for the other direction */
    sk_loop_touch(c);
}

/* ---- out ---- */

static void write_out(struct sk_mqtt_conn *c)
{
    const struct sk_mqtt_server *s = c->loop->server;

    if (!sk_buf_ok(&c->out)) {
        sk_conn_drop(c, no_memory);
        return;
    }
    bool is_full = sk_conn_waiting(c) > s->opts.max_out_bytes;
    while (c->out_at < c->out.len) {
        ssize_t n = sk_stream_write(c->stream, c->out.data + c->out_at, c->out.len - c->out_at);
        if (n == SK_STREAM_AGAIN)
            break;
        if (n < 0) {
            sk_conn_drop(c, "the connection was reset");
            return;
        }
        c->out_at += (size_t)n;
        if (is_full)
            c->alive_ms = c->loop->now_ms; /* it is not read, but it takes what is sent */
    }
    if (c->out_at < c->out.len) {
        if (c->out_at > c->out.len / 2) { /* so moving costs no more than writing did */
            c->out.len -= c->out_at;
            memmove(c->out.data, c->out.data + c->out_at, c->out.len);
            c->out_at = 0;
        }
        return;
    }
    sk_buf_done(&c->out);
    c->out_at = 0;
    if (c->is_busy && c->state == SK_CONN_OPEN) {
        c->is_busy = false;
        if (s->opts.handler->drained)
            s->opts.handler->drained(c, s->opts.ctx);
    }
}

/* ---- the end of a round ---- */

/* Whether there is work that epoll does not know of. */
static bool is_unfinished(const struct sk_mqtt_conn *c)
{
    if (c->state >= SK_CONN_FLUSHING)
        return wants_read(c) && has_buffered(c);
    if (c->state != SK_CONN_UPGRADE && c->rest.len > 0)
        return !sk_conn_is_held(c);
    return wants_read(c) && has_buffered(c);
}

/* From the epoll of those that log in to that of all. */
static void grow_up(struct sk_mqtt_conn *c)
{
    if (c->mask != 0)
        (void)epoll_ctl(c->loop->young, EPOLL_CTL_DEL, c->stream->fd, NULL);
    c->mask = 0;
    c->is_young = false;
}

/* A descriptor that nothing is wanted of is taken out of epoll, which would else report its end for
 * ever. */
static void ask_epoll(struct sk_mqtt_conn *c)
{
    bool reads = wants_read(c) || is_unfinished(c);
    bool writes = sk_conn_waiting(c) > 0;
    unsigned mask = reads || writes ? sk_stream_events(c->stream, reads, writes) : 0;
    struct epoll_event e = { .events = mask, .data.ptr = c };

    if (c->is_young && c->state == SK_CONN_OPEN && c->loop->now_ms >= c->young_until_ms)
        grow_up(c);
    if (mask == c->mask)
        return;
    int op = c->mask == 0 ? EPOLL_CTL_ADD : mask == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(c->is_young ? c->loop->young : c->loop->epoll, op, c->stream->fd, &e) < 0)
        sk_conn_drop(c, no_memory);
    else
        c->mask = mask;
}

/* What was held may be free now. */
static void go_on(struct sk_mqtt_conn *c)
{
    renew_budget(c);
    if (c->state != SK_CONN_UPGRADE)
        take_rest(c);
    if (c->budget > 0 && has_buffered(c))
        read_some(c);
    if (c->is_at_end && (c->rest.len == 0 || c->state == SK_CONN_UPGRADE) &&
        c->state < SK_CONN_FLUSHING && !sk_conn_is_held(c))
        sk_conn_end(c, false, c->end_code, c->end_why);
}

void sk_conn_settle(struct sk_mqtt_conn *c)
{
    if (c->state < SK_CONN_FLUSHING)
        go_on(c);
    if (c->state != SK_CONN_DEAD && (c->out.len > 0 || !sk_buf_ok(&c->out)))
        write_out(c);
    if (c->state == SK_CONN_FLUSHING && sk_conn_waiting(c) == 0) {
        sk_stream_end(c->stream);
        c->state = SK_CONN_ENDED;
        c->by_ms = c->loop->now_ms + SK_MQTT_LINGER_MS;
        sk_loop_set_due(c);
    }
    if (c->state == SK_CONN_ENDED && c->has_fin)
        c->state = SK_CONN_DEAD; /* both sides have ended */
    if (c->state != SK_CONN_DEAD)
        ask_epoll(c);
    if (c->state == SK_CONN_DEAD) {
        sk_loop_forget(c);
        sk_conn_free(c);
        return;
    }
    c->is_touched = false;
    if (is_unfinished(c))
        sk_loop_touch_later(c);
}

/* ---- time ---- */

uint64_t sk_conn_due(const struct sk_mqtt_conn *c)
{
    uint64_t due = UINT64_MAX;

    if (c->state == SK_CONN_OPEN)
        due = c->alive_ms + c->keep_ms;
    else if (c->state != SK_CONN_ASKED)
        return c->by_ms;
    return c->close_at_ms && c->close_at_ms < due ? c->close_at_ms : due;
}

void sk_conn_tick(struct sk_mqtt_conn *c)
{
    uint64_t now = c->loop->now_ms;

    if (sk_conn_due(c) > now)
        return;
    if (c->state >= SK_CONN_FLUSHING)
        sk_conn_drop(c, "the client does not end");
    else if (c->state < SK_CONN_ASKED)
        sk_conn_end(c, false, SK_WS_PROTOCOL, "no CONNECT came in time");
    else if (c->close_at_ms && c->close_at_ms <= now)
        sk_conn_end(c, false, SK_WS_NORMAL, c->close_at_why);
    else if (sk_conn_is_held(c) && sk_conn_waiting(c) <= c->loop->server->opts.max_out_bytes &&
             !c->is_at_end)
        c->alive_ms = now; /* we do not read it: its silence is ours */
    else
        sk_conn_end(c, false, SK_WS_NORMAL, "the keep-alive is over");
}
