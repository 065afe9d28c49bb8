/*
 * fuzz_mqtt.c - a whole connection: bytes in any pieces give the same calls and, without a
 * WebSocket, the same answers; and every connection comes to its end.
 *
 * The first byte chooses: 1 WebSocket, 2 answers come late, 4 a good upgrade request is put in
 * front, 8 a good CONNECT. The second is the seed of the pieces. A stream in memory feeds the rest.
 */
#include "memory_stream.h"
#include "mqtt/mqtt_priv.h"

enum {
    WEBSOCKET = 1,
    LATE = 2,
    REQUEST = 4,
    CONNECT = 8,
    HELD_MAX = 64,
    ROUNDS_MAX = 1000000
};

/* ---- what happened ---- */

struct events {
    uint64_t hash; /* of the calls, in order */
    struct written out;
    unsigned connects, closes;
    bool is_late;

    struct {
        uint16_t id;
        unsigned char kind; /* 0 publish, 1 subscribe, 2 unsubscribe, 3 connect */
        unsigned char count;
    } held[HELD_MAX];

    unsigned held_count;
    struct sk_mqtt_conn *conn;
};

static void note(struct events *e, char kind, struct sk_view v)
{
    e->hash = mix(e->hash, &kind, 1);
    e->hash = mix(e->hash, v.ptr, v.len);
}

static void hold(struct events *e, unsigned kind, uint16_t id, size_t count)
{
    require(e->held_count < HELD_MAX); /* max_inflight_in */
    e->held[e->held_count].kind = (unsigned char)kind;
    e->held[e->held_count].id = id;
    e->held[e->held_count++].count = (unsigned char)count;
}

/* The newest first. */
static void answer_one(struct events *e)
{
    static const unsigned char codes[SK_MQTT_FILTERS_MAX];

    if (e->held_count == 0 || !e->conn)
        return;
    unsigned i = --e->held_count;
    if (e->held[i].kind == 0)
        sk_mqtt_puback(e->conn, e->held[i].id);
    else if (e->held[i].kind == 1)
        sk_mqtt_suback(e->conn, e->held[i].id, codes, e->held[i].count);
    else if (e->held[i].kind == 2)
        sk_mqtt_unsuback(e->conn, e->held[i].id);
    else
        sk_mqtt_connack(e->conn, SK_MQTT_ACCEPTED, false);
}

static void answer(struct events *e, unsigned kind, uint16_t id, size_t count)
{
    hold(e, kind, id, count);
    if (!e->is_late)
        answer_one(e);
}

static void check_text(struct sk_view v)
{
    require(sk_utf8_valid(v.ptr, v.len) && (v.len == 0 || !memchr(v.ptr, 0, v.len)));
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct events *e = ctx;

    require(e->connects++ == 0);
    check_text(p->client_id);
    check_text(p->username);
    require(p->has_username || !p->has_password);
    require(p->will_qos <= p->has_will);
    e->conn = c;
    note(e, 'c', p->client_id);
    note(e, 'u', p->username);
    note(e, 'p', p->password);
    note(e, 'w', p->will_topic);
    answer(e, 3, 0, 0);
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct events *e = ctx;
    struct sk_err err = SK_ERR_INIT;

    require(c == e->conn && m->qos <= 1 && m->topic.len > 0 && (m->id != 0) == (m->qos == 1));
    check_text(m->topic);
    require(!memchr(m->topic.ptr, '#', m->topic.len) && !memchr(m->topic.ptr, '+', m->topic.len));
    note(e, 'm', m->topic);
    note(e, 'b', m->payload);
    if (m->retain && sk_mqtt_publish(c, m->topic, m->payload, 1, m->id, &err) < 0)
        require(err.code == SK_BUSY);
    if (m->qos > 0)
        answer(e, 0, m->id, 0);
}

static void on_filters(struct events *e, unsigned kind, const struct sk_mqtt_filters *f)
{
    require(f->count > 0 && f->count <= SK_MQTT_FILTERS_MAX && f->id != 0);
    for (size_t i = 0; i < f->count; i++) {
        check_text(f->topic[i]);
        note(e, 'f', f->topic[i]);
    }
    answer(e, kind, f->id, f->count);
}

static void on_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    (void)c;
    on_filters(ctx, 1, f);
}

static void on_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    (void)c;
    on_filters(ctx, 2, f);
}

static void on_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    struct events *e = ctx;

    (void)c;
    e->hash = mix(e->hash, &token, sizeof token);
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    struct events *e = ctx;

    require(c == e->conn && e->closes++ == 0);
    e->conn = NULL;
    note(e, had_disconnect ? 'd' : 'e', sk_view_of(why));
}

static const struct sk_mqtt_handler handler = {
    .connect = on_connect,
    .publish = on_publish,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .acked = on_acked,
    .closed = on_closed,
};

/* ---- one run ---- */

static uint64_t still(void)
{
    return 1000000;
}

static void run(unsigned choice, uint32_t seed, const unsigned char *bytes, size_t len,
                struct events *e)
{
    const struct sk_mqtt_options o = { .loops = 1, .handler = &handler, .ctx = e };
    const struct sk_mqtt_peer peer = { .address = "x" };
    SK_OWN(sk_mqtt_server_free) struct sk_mqtt_server *s = NULL;
    struct sk_err err = SK_ERR_INIT;

    require(sk_server_make(&o, &s, &err) == 0);
    struct sk_mqtt_loop *l = &s->loops[0];
    l->clock = still;
    l->now_ms = still();
    e->is_late = choice & LATE;
    require(sk_mqtt_server_add(s, memory_stream(bytes, len, seed, &e->out), &peer,
                               choice & WEBSOCKET, &err) == 0);
    for (unsigned i = 0; sk_mqtt_server_connections(s) > 0; i++) {
        require(i < ROUNDS_MAX);
        sk_loop_round(l, 0);
        if (e->is_late)
            answer_one(e);
    }
    require(e->connects == e->closes);
}

static const char request[] =
    "GET /$iothub/websocket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n";
static const char frame[] = "\x82\x8e\0\0\0\0";
static const char hello[] = "\x10\x0c\0\4MQTT\4\2\0\0\0\0";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    struct events whole = { .hash = 1 }, pieces = { .hash = 1 };

    if (size < 2)
        return 0;
    unsigned choice = data[0];
    bool is_websocket = choice & WEBSOCKET;
    if (is_websocket && choice & (REQUEST | CONNECT))
        sk_buf_add(&b, request, sizeof request - 1);
    if (is_websocket && choice & CONNECT)
        sk_buf_add(&b, frame, sizeof frame - 1);
    if (choice & CONNECT)
        sk_buf_add(&b, hello, sizeof hello - 1);
    sk_buf_add(&b, data + 2, size - 2);
    require(sk_buf_ok(&b));
    run(choice, 0, (const unsigned char *)b.data, b.len, &whole);
    run(choice, data[1] + 1u, (const unsigned char *)b.data, b.len, &pieces);
    if (choice & LATE)
        return 0; /* then duplicates depend on the pieces */
    require(whole.hash == pieces.hash);
    /* a pong leaves before the answers to what was in front of it in the same piece */
    require(is_websocket || (whole.out.len == pieces.out.len && whole.out.hash == pieces.out.hash));
    return 0;
}
