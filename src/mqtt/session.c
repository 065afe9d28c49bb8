/*
 * session.c - what packets mean, and what a handler does with a connection.
 *
 * A connection is held, that is, not read, while its CONNECT waits for an answer, while
 * max_inflight_in publishes and subscriptions do, and while max_out_bytes wait for the client (far
 * fewer before its CONNECT).
 *
 * Acknowledgements leave in the order of the publishes (4.6.0-2), so those that come early wait in
 * `inbound`. A client that sends a publish again while the first waits (4.3.2-1 asks it to, after
 * it has come back) gets one delivery and two acknowledgements.
 */
#include "mqtt/mqtt_priv.h"

#include <string.h>

static const struct sk_mqtt_options *options_of(const struct sk_mqtt_conn *c)
{
    return &c->loop->server->opts;
}

static bool is_live(const struct sk_mqtt_conn *c)
{
    return c->state < SK_CONN_FLUSHING;
}

/* Before its CONNECT there is nothing to send a client but pongs. */
static size_t most_waiting(const struct sk_mqtt_conn *c)
{
    const size_t most = options_of(c)->max_out_bytes;

    return c->state < SK_CONN_ASKED && most > SK_MQTT_FIRST_BYTES ? SK_MQTT_FIRST_BYTES : most;
}

bool sk_conn_is_held(const struct sk_mqtt_conn *c)
{
    const struct sk_mqtt_options *o = options_of(c);

    return c->state == SK_CONN_ASKED || c->inbound_count + c->subs >= o->max_inflight_in ||
           sk_conn_waiting(c) > most_waiting(c);
}

/* A packet of size bytes follows: one frame each. */
static struct sk_buf *begin_packet(struct sk_mqtt_conn *c, size_t size)
{
    if (c->ws)
        sk_ws_write_head(&c->out, SK_WS_BINARY, size);
    sk_loop_touch(c);
    return &c->out;
}

static void fail_packet(struct sk_mqtt_conn *c, const char *why)
{
    sk_conn_end(c, false, SK_WS_PROTOCOL, why);
}

/* ---- what the client sends ---- */

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_options *o = options_of(c);
    struct sk_mqtt_connect connect;
    enum sk_mqtt_connack refusal;

    if (c->state != SK_CONN_HELLO) {
        fail_packet(c, "a second CONNECT"); /* 3.1.0-2 */
        return;
    }
    const char *why = sk_mqtt_parse_connect(p, &connect, &refusal);
    if (why) {
        if (refusal != SK_MQTT_ACCEPTED)
            sk_mqtt_write_connack(begin_packet(c, SK_MQTT_ACK_BYTES), refusal, false);
        fail_packet(c, why);
        return;
    }
    unsigned keep_s = connect.keep_alive_s;
    if (keep_s == 0 || keep_s > o->max_keep_alive_s)
        keep_s = o->max_keep_alive_s;
    c->keep_ms = (uint64_t)keep_s * 1500; /* 3.1.2-24 */
    c->state = SK_CONN_ASKED;
    c->was_asked = true;
    o->handler->connect(c, &connect, o->ctx);
}

static struct sk_mqtt_inbound *find_inbound(struct sk_mqtt_conn *c, uint16_t id)
{
    for (unsigned i = 0; i < c->inbound_count; i++)
        if (c->inbound[i].id == id)
            return &c->inbound[i];
    return NULL;
}

static void leave_acks(struct sk_mqtt_conn *c)
{
    unsigned n = 0;

    for (; n < c->inbound_count && c->inbound[n].is_acked; n++)
        sk_mqtt_write_ack(begin_packet(c, SK_MQTT_ACK_BYTES), SK_PACKET_PUBACK, c->inbound[n].id);
    if (n == 0)
        return;
    c->inbound_count -= n;
    memmove(c->inbound, c->inbound + n, c->inbound_count * sizeof *c->inbound);
    if (c->inbound_count == 0) { /* malloc keeps such a small piece at hand */
        free(c->inbound);
        c->inbound = NULL;
    }
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_options *o = options_of(c);
    struct sk_mqtt_message m;
    const char *why = sk_mqtt_parse_publish(p, &m);

    if (why) {
        fail_packet(c, why);
        return;
    }
    if (m.qos > 0) {
        const struct sk_mqtt_inbound *first = find_inbound(c, m.id);
        bool is_acked = first && first->is_acked;

        if (!c->inbound)
            c->inbound = malloc(o->max_inflight_in * sizeof *c->inbound);
        if (!c->inbound) {
            sk_conn_drop(c, "out of memory");
            return;
        }
        c->inbound[c->inbound_count++] = (struct sk_mqtt_inbound){ m.id, is_acked };
        if (first)
            return;
    }
    o->handler->publish(c, &m, o->ctx);
}

static void on_filters(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_options *o = options_of(c);
    struct sk_mqtt_filters f;
    const char *why = sk_mqtt_parse_filters(p, &f);

    if (why) {
        fail_packet(c, why);
        return;
    }
    c->subs++;
    (p->type == SK_PACKET_SUBSCRIBE ? o->handler->subscribe : o->handler->unsubscribe)(c, &f,
                                                                                       o->ctx);
}

static void on_puback(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p)
{
    const struct sk_mqtt_options *o = options_of(c);
    uint16_t id;
    const char *why = sk_mqtt_parse_id(p, &id);
    unsigned i = 0;

    if (why) {
        fail_packet(c, why);
        return;
    }
    while (i < c->outbound_count && c->outbound[i].id != id)
        i++;
    if (i == c->outbound_count)
        return; /* not ours, or acknowledged before */
    uint64_t token = c->outbound[i].token;
    c->outbound_count--;
    memmove(c->outbound + i, c->outbound + i + 1, (c->outbound_count - i) * sizeof *c->outbound);
    if (c->outbound_count == 0) {
        free(c->outbound);
        c->outbound = NULL;
    }
    o->handler->acked(c, token, o->ctx);
}

void sk_conn_packet(struct sk_mqtt_conn *c, const struct sk_mqtt_packet *p)
{
    const char *why;

    switch (p->type) {
    case SK_PACKET_CONNECT:
        on_connect(c, p);
        break;
    case SK_PACKET_PUBLISH:
        on_publish(c, p);
        break;
    case SK_PACKET_PUBACK:
        on_puback(c, p);
        break;
    case SK_PACKET_SUBSCRIBE:
    case SK_PACKET_UNSUBSCRIBE:
        on_filters(c, p);
        break;
    default: /* PINGREQ and DISCONNECT: the cutter lets no others in */
        why = sk_mqtt_parse_empty(p);
        if (why)
            fail_packet(c, why);
        else if (p->type == SK_PACKET_PINGREQ)
            sk_mqtt_write_pingresp(begin_packet(c, 2)); /* 3.12.4-1 */
        else
            sk_conn_end(c, true, SK_WS_NORMAL, "DISCONNECT");
    }
}

/* ---- what the handler does ---- */

void sk_mqtt_connack(struct sk_mqtt_conn *c, enum sk_mqtt_connack code, bool session_present)
{
    if (c->state != SK_CONN_ASKED)
        return;
    sk_mqtt_write_connack(begin_packet(c, SK_MQTT_ACK_BYTES), code, session_present);
    free(c->cert);
    c->cert = NULL;
    c->cert_len = 0;
    if (code != SK_MQTT_ACCEPTED) {
        sk_conn_end(c, false, SK_WS_NORMAL, "the CONNECT was refused"); /* 3.2.2-5 */
        return;
    }
    c->state = SK_CONN_OPEN;
    c->alive_ms = c->loop->now_ms;
    c->young_until_ms = c->loop->now_ms + SK_MQTT_YOUNG_MS;
    sk_loop_set_due(c);
}

void sk_mqtt_puback(struct sk_mqtt_conn *c, uint16_t id)
{
    if (!is_live(c))
        return;
    for (unsigned i = 0; i < c->inbound_count; i++)
        if (c->inbound[i].id == id)
            c->inbound[i].is_acked = true;
    leave_acks(c);
}

void sk_mqtt_suback(struct sk_mqtt_conn *c, uint16_t id, const unsigned char *codes, size_t count)
{
    if (!is_live(c) || c->subs == 0)
        return;
    c->subs--;
    sk_mqtt_write_suback(begin_packet(c, SK_MQTT_ACK_BYTES + count), id, codes, count);
}

void sk_mqtt_unsuback(struct sk_mqtt_conn *c, uint16_t id)
{
    if (!is_live(c) || c->subs == 0)
        return;
    c->subs--;
    sk_mqtt_write_ack(begin_packet(c, SK_MQTT_ACK_BYTES), SK_PACKET_UNSUBACK, id);
}

/* 2.3.1-2: one that is not in use. There are more ids than max_inflight_out. */
static uint16_t make_id(struct sk_mqtt_conn *c)
{
    for (;;) {
        uint16_t id = ++c->next_id;
        bool is_used = id == 0;

        for (unsigned i = 0; i < c->outbound_count && !is_used; i++)
            is_used = c->outbound[i].id == id;
        if (!is_used)
            return id;
    }
}

static int check_room(struct sk_mqtt_conn *c, size_t size, unsigned qos, struct sk_err *err)
{
    const struct sk_mqtt_options *o = options_of(c);
    size_t waiting = sk_conn_waiting(c);

    if (c->state != SK_CONN_OPEN)
        return sk_fail(err, SK_CANCELLED, "the connection is not open");
    if (size == 0)
        return sk_fail(err, SK_LIMIT, "the message is larger than MQTT allows");
    if (qos > 0 && c->outbound_count >= o->max_inflight_out)
        return sk_fail(err, SK_BUSY, "%u messages are not acknowledged", c->outbound_count);
    if (waiting > 0 && (waiting > o->max_out_bytes || size > o->max_out_bytes - waiting)) {
        c->is_busy = true;
        sk_loop_touch(c);
        return sk_fail(err, SK_BUSY, "the client has %zu bytes to take", waiting);
    }
    return 0;
}

int sk_mqtt_publish(struct sk_mqtt_conn *c, struct sk_view topic, struct sk_view payload,
                    unsigned qos, uint64_t token, struct sk_err *err)
{
    size_t size = sk_mqtt_publish_size(topic.len, payload.len, qos);
    uint16_t id = 0;

    if (check_room(c, size, qos, err) < 0)
        return -1;
    if (qos > 0 && !c->outbound)
        c->outbound = malloc(options_of(c)->max_inflight_out * sizeof *c->outbound);
    /* with the head of its frame: then nothing below can fail */
    if ((qos > 0 && !c->outbound) || !sk_buf_reserve(&c->out, size + SK_WS_HEAD_BYTES)) {
        sk_loop_touch(c);
        return sk_nomem(err);
    }
    if (qos > 0) {
        id = make_id(c);
        c->outbound[c->outbound_count++] = (struct sk_mqtt_outbound){ token, id };
    }
    sk_mqtt_write_publish(begin_packet(c, size), topic, payload, qos > 0, id);
    return 0;
}

unsigned sk_mqtt_window(const struct sk_mqtt_conn *c)
{
    return c->state == SK_CONN_OPEN ? options_of(c)->max_inflight_out - c->outbound_count : 0;
}

void sk_mqtt_close(struct sk_mqtt_conn *c, const char *why)
{
    sk_conn_end(c, false, SK_WS_NORMAL, why);
}

void sk_mqtt_close_at(struct sk_mqtt_conn *c, uint64_t at_ms, const char *why)
{
    if (!is_live(c))
        return;
    c->close_at_ms = at_ms;
    c->close_at_why = why;
    sk_loop_set_due(c);
}

/* ---- what it is ---- */

struct sk_mqtt_ref sk_mqtt_conn_ref(const struct sk_mqtt_conn *c)
{
    return (struct sk_mqtt_ref){ c->loop->index, c->slot, c->serial };
}

struct sk_mqtt_server *sk_mqtt_conn_server(const struct sk_mqtt_conn *c)
{
    return c->loop->server;
}

void sk_mqtt_set_user(struct sk_mqtt_conn *c, void *user)
{
    c->user = user;
}

void *sk_mqtt_user(const struct sk_mqtt_conn *c)
{
    return c->user;
}

const char *sk_mqtt_peer_address(const struct sk_mqtt_conn *c)
{
    return c->address;
}

struct sk_view sk_mqtt_peer_cert(const struct sk_mqtt_conn *c)
{
    return (struct sk_view){ (const char *)c->cert, c->cert_len };
}

bool sk_mqtt_is_at_fault(const struct sk_mqtt_conn *c)
{
    return c->is_at_fault;
}

bool sk_mqtt_is_websocket(const struct sk_mqtt_conn *c)
{
    return c->ws != NULL;
}

unsigned sk_mqtt_loop_of(const struct sk_mqtt_conn *c)
{
    return c->loop->index;
}
