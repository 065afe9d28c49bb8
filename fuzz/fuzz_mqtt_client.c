/*
 * fuzz_mqtt_client.c - what a server may send to a line: bytes in any pieces give the same calls
 * and the same answers, each publish is told exactly once, and the connection comes to its end.
 *
 * The first byte chooses: 1 CONNACK and SUBACK are put in front, 2 messages are acknowledged late.
 * The second is the seed of the pieces. A stream in memory feeds the rest.
 */
#include "memory_stream.h"
#include "mqtt/client_priv.h"

enum {
    GREETED = 1,
    LATE = 2,
    INFLIGHT = 8,
    ROUNDS_MAX = 1000000
};

/* ---- what happened ---- */

struct events {
    uint64_t hash; /* of the calls, in order */
    struct written out;
    unsigned ups, downs, taken, told;
    bool is_late;
    uint16_t held[INFLIGHT];
    unsigned held_count;
};

static void note(struct events *e, char kind, struct sk_view v)
{
    e->hash = mix(e->hash, &kind, 1);
    e->hash = mix(e->hash, v.ptr, v.len);
}

static void publish_some(struct sk_mqtt_line *l, struct events *e)
{
    for (uint64_t i = 0; i < 3; i++) {
        struct sk_err err = SK_ERR_INIT;
        if (sk_mqtt_line_publish(l, SK_VIEW("t"), SK_VIEW("x"), 1, i, &err) == 0)
            e->taken++;
        else
            require(err.code == SK_BUSY);
    }
}

static void on_up(struct sk_mqtt_line *l, bool session_present, void *ctx)
{
    struct events *e = ctx;

    require(e->ups++ == 0 && e->downs == 0);
    note(e, session_present ? 'U' : 'u', SK_VIEW(""));
    publish_some(l, e);
}

static void on_down(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why,
                    unsigned retry_ms, void *ctx)
{
    struct events *e = ctx;

    (void)l;
    require(e->downs++ == 0 && retry_ms > 0 && why[0] && refusal <= SK_MQTT_NOT_AUTHORIZED);
    require(e->told == e->taken);
    note(e, 'd', sk_view_of(why));
}

static void on_message(struct sk_mqtt_line *l, const struct sk_mqtt_message *m, void *ctx)
{
    struct events *e = ctx;

    require(m->qos <= 1 && sk_mqtt_is_topic(m->topic) && (m->id != 0) == (m->qos == 1));
    note(e, 'm', m->topic);
    note(e, 'b', m->payload);
    if (m->qos == 0)
        return;
    require(e->held_count < INFLIGHT);
    if (e->is_late)
        e->held[e->held_count++] = m->id;
    else
        sk_mqtt_line_puback(l, m->id);
}

static void on_acked(struct sk_mqtt_line *l, uint64_t token, bool is_acked, void *ctx)
{
    struct events *e = ctx;

    (void)l;
    e->told++;
    require(e->told <= e->taken);
    e->hash = mix(e->hash, &token, sizeof token);
    note(e, is_acked ? 'a' : 'l', SK_VIEW(""));
}

static const struct sk_mqtt_line_handler handler = {
    .up = on_up,
    .down = on_down,
    .message = on_message,
    .acked = on_acked,
};

/* ---- one run ---- */

static uint64_t still(void)
{
    return 1000000;
}

/* The line has this connection, as after TLS. */
static void connect_line(struct sk_mqtt_dialer *d, struct sk_mqtt_line *l, struct sk_stream *stream)
{
    struct sk_err err = SK_ERR_INIT;

    l->next = NULL;
    l->prev = &d->lines;
    d->lines = l;
    l->state = SK_LINE_WAITING;
    l->by_ms = UINT64_MAX;
    require(sk_link_new(l, -1, &l->link, &err) == 0);
    l->link->stream = stream;
    sk_line_ask_login(l);
    sk_line_settle(l);
}

static void run(unsigned choice, uint32_t seed, const unsigned char *bytes, size_t len,
                struct events *e)
{
    static const char *const filters[] = { "f", NULL };
    const struct sk_mqtt_line_options o = { .host = "127.0.0.1",
                                            .client_id = "c",
                                            .username = "u",
                                            .filters = filters,
                                            .max_inflight = INFLIGHT,
                                            .max_packet = 100000,
                                            .handler = &handler,
                                            .ctx = e };
    SK_OWN(sk_mqtt_dialer_free) struct sk_mqtt_dialer *d = NULL;
    struct sk_mqtt_line *l = NULL;
    struct sk_err err = SK_ERR_INIT;

    require(sk_dialer_make(NULL, &d, &err) == 0);
    d->clock = still;
    d->now_ms = still();
    require(sk_mqtt_line_open(d, &o, &l, &err) == 0);
    e->is_late = choice & LATE;
    connect_line(d, l, memory_stream(bytes, len, seed, &e->out));
    for (unsigned i = 0; e->downs == 0; i++) {
        require(i < ROUNDS_MAX);
        (void)sk_dialer_round(d, 0);
        if (e->held_count > 0)
            sk_mqtt_line_puback(l, e->held[--e->held_count]); /* the newest first */
    }
    require(e->told == e->taken && l->state == SK_LINE_WAITING && !l->link);
}

static const char greeting[] = "\x20\x02\0\0\x90\x03\0\1\1";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SIZE_MAX);
    struct events whole = { .hash = 1 }, pieces = { .hash = 1 };

    if (size < 2)
        return 0;
    unsigned choice = data[0];
    if (choice & GREETED)
        sk_buf_add(&b, greeting, sizeof greeting - 1);
    sk_buf_add(&b, data + 2, size - 2);
    require(sk_buf_ok(&b));
    run(choice, 0, (const unsigned char *)b.data, b.len, &whole);
    run(choice, data[1] + 1u, (const unsigned char *)b.data, b.len, &pieces);
    if (choice & LATE)
        return 0; /* then duplicates depend on the pieces */
    require(whole.hash == pieces.hash);
    return 0;
}
