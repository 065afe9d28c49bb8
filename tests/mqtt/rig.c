#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

static uint64_t fake_ms = 1000000;

static uint64_t fake_clock(void)
{
    return fake_ms;
}

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : (c | 32) - 'a' + 10);
}

size_t rig_bytes(const char *text, unsigned char *out, size_t cap)
{
    size_t n = 0;

    while (*text) {
        if (*text == ' ') {
            text++;
        } else if (*text == '\'') {
            for (text++; *text && *text != '\''; text++) {
                assert_true(n < cap);
                out[n++] = (unsigned char)*text;
            }
            text += *text != 0;
        } else {
            assert_true(n < cap && text[1]);
            out[n++] = (unsigned char)(nibble(text[0]) << 4 | nibble(text[1]));
            text += 2;
        }
    }
    return n;
}

/* ---- the handler ---- */

static void note(struct rig *r, const char *fmt, ...) SK_PRINTF(2, 3);

static void note(struct rig *r, const char *fmt, ...)
{
    size_t len = strlen(r->log);
    va_list args;

    if (len + 200 > sizeof r->log)
        return;
    if (len > 0)
        r->log[len++] = ' ';
    va_start(args, fmt);
    (void)vsnprintf(r->log + len, sizeof r->log - len, fmt, args);
    va_end(args);
}

static void on_connect(struct sk_mqtt_conn *c, const struct sk_mqtt_connect *p, void *ctx)
{
    struct rig *r = ctx;

    note(r, "connect:%.*s", (int)p->client_id.len, p->client_id.ptr);
    r->conn = c;
    sk_mqtt_set_user(c, r);
    if (!r->keeps_connect)
        sk_mqtt_connack(c, r->code, false);
}

static void on_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct rig *r = ctx;

    r->publishes++;
    r->last_id = m->id;
    note(r, "publish:%.*s=%.*s", (int)m->topic.len, m->topic.ptr,
         (int)(m->payload.len < 20 ? m->payload.len : 20), m->payload.ptr);
    if (m->qos > 0 && !r->keeps_publish)
        sk_mqtt_puback(c, m->id);
}

static void on_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    struct rig *r = ctx;
    unsigned char codes[SK_MQTT_FILTERS_MAX];

    r->last_id = f->id;
    for (size_t i = 0; i < f->count; i++) {
        codes[i] = f->qos[i] > 0;
        note(r, "sub:%.*s/%u", (int)f->topic[i].len, f->topic[i].ptr, f->qos[i]);
    }
    if (!r->keeps_subs)
        sk_mqtt_suback(c, f->id, codes, f->count);
}

static void on_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    struct rig *r = ctx;

    r->last_id = f->id;
    for (size_t i = 0; i < f->count; i++)
        note(r, "unsub:%.*s", (int)f->topic[i].len, f->topic[i].ptr);
    if (!r->keeps_subs)
        sk_mqtt_unsuback(c, f->id);
}

static void on_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    (void)c;
    note(ctx, "acked:%llu", (unsigned long long)token);
}

static void on_closed(struct sk_mqtt_conn *c, bool had_disconnect, const char *why, void *ctx)
{
    struct rig *r = ctx;

    r->closes++;
    r->faults += sk_mqtt_is_at_fault(c);
    note(r, "closed%s:%s", had_disconnect ? "(orderly)" : "", why);
    if (c == r->conn)
        r->conn = NULL;
}

static void on_drained(struct sk_mqtt_conn *c, void *ctx)
{
    struct rig *r = ctx;

    (void)c;
    r->drains++;
}

static const struct sk_mqtt_handler handler = {
    .connect = on_connect,
    .publish = on_publish,
    .subscribe = on_subscribe,
    .unsubscribe = on_unsubscribe,
    .acked = on_acked,
    .closed = on_closed,
    .drained = on_drained,
};

/* ---- driving ---- */

int rig_make(struct rig *r, const struct sk_mqtt_options *opts, struct sk_err *err)
{
    struct sk_mqtt_options o = opts ? *opts : (struct sk_mqtt_options){ .loops = 1 };

    memset(r, 0, sizeof *r);
    o.loops = 1;
    o.handler = &handler;
    o.ctx = r;
    if (sk_server_make(&o, &r->server, err) < 0)
        return -1;
    r->loop = &r->server->loops[0];
    r->loop->clock = fake_clock;
    r->loop->now_ms = fake_ms;
    return 0;
}

void rig_init(struct rig *r, const struct sk_mqtt_options *opts)
{
    struct sk_err err = SK_ERR_INIT;

    if (rig_make(r, opts, &err) < 0)
        fail_msg("%s", err.text);
}

void rig_done(struct rig *r)
{
    sk_mqtt_server_free(r->server);
    r->server = NULL;
}

void rig_rounds(struct rig *r)
{
    for (int i = 0; i < 60; i++) /* of those that are young each takes a few */
        sk_loop_round(r->loop, 0);
}

void rig_pass(struct rig *r, uint64_t ms)
{
    fake_ms += ms;
    rig_rounds(r);
}

int rig_client(struct rig *r, bool is_websocket)
{
    const struct sk_mqtt_peer peer = { .address = "192.0.2.1:5000", .cert = "der", .cert_len = 3 };
    struct sk_stream *stream = NULL;
    struct sk_err err = SK_ERR_INIT;
    int pair[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    if (sk_stream_of_fd(pair[0], &stream, &err) < 0 ||
        sk_mqtt_server_add(r->server, stream, &peer, is_websocket, &err) < 0)
        fail_msg("%s", err.text);
    rig_rounds(r);
    return pair[1];
}

static void send_all(int fd, const unsigned char *bytes, size_t len)
{
    assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT), (ssize_t)len);
}

void rig_send(struct rig *r, int fd, const char *text)
{
    static unsigned char bytes[1 << 16];

    send_all(fd, bytes, rig_bytes(text, bytes, sizeof bytes));
    rig_rounds(r);
}

int rig_connected(struct rig *r)
{
    int fd = rig_client(r, false);

    rig_send(r, fd, RIG_CONNECT);
    rig_expect(fd, "20 02 00 00");
    rig_log(r, "connect:c");
    return fd;
}

size_t rig_recv(int fd, unsigned char *out, size_t cap, bool *has_end)
{
    size_t n = 0;

    *has_end = false;
    while (n < cap) {
        ssize_t got = recv(fd, out + n, cap - n, MSG_DONTWAIT);
        if (got == 0)
            *has_end = true;
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    return n;
}

void rig_expect_at(int line, int fd, const char *text, bool has_end)
{
    static unsigned char got[1 << 16], wanted[1 << 16];
    size_t len = rig_bytes(text, wanted, sizeof wanted);
    bool ended;
    size_t n = rig_recv(fd, got, sizeof got, &ended);

    if (n != len || memcmp(got, wanted, n) != 0 || ended != has_end) {
        char hex[200] = "";
        for (size_t i = 0; i < n && i < 60; i++)
            (void)snprintf(hex + 3 * i, 4, "%02x ", got[i]);
        fail_msg("line %d: got %zu bytes %s%s", line, n, hex, ended ? "and the end" : "");
    }
}

void rig_log_at(int line, struct rig *r, const char *text)
{
    if (strcmp(r->log, text) != 0)
        fail_msg("line %d: log is '%s'", line, r->log);
    r->log[0] = '\0';
}
