/*
 * test_conn.c - a connection's bytes: any pieces, WebSocket, back-pressure, slow readers, TLS's
 * buffered bytes, and every allocation failing once.
 */
#include "rig.h"

#include "harness/alloc_fail.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

_Static_assert(sizeof(struct sk_mqtt_conn) <= 480, "an idle connection is small");

static const char talk[] = RIG_CONNECT
    "82 06 0001 0001 'b' 01 32 07 0002 't1' 0002 'x' 30 05 0002 't2' 'y' c0 00 40 02 0001 e0 00";
static const char talk_answer[] = "20 02 00 00 90 03 0001 01 40 02 0002 d0 00";
static const char
    talk_log[] = "connect:c sub:b/1 publish:t1=x publish:t2=y closed(orderly):DISCONNECT";

static void test_pieces(void **state)
{
    unsigned char bytes[200];
    size_t len = rig_bytes(talk, bytes, sizeof bytes);

    (void)state;
    for (size_t cut = 0; cut <= len; cut++) { /* 0: each byte alone */
        struct rig r;

        rig_init(&r, NULL);
        int fd = rig_client(&r, false);
        for (size_t at = 0; at < len;) {
            size_t n = cut == 0 ? 1 : at < cut ? cut : len - at;
            assert_int_equal(send(fd, bytes + at, n, 0), (ssize_t)n);
            rig_rounds(&r);
            at += n;
        }
        rig_expect_end(fd, talk_answer);
        rig_log(&r, talk_log);
        (void)close(fd);
        rig_rounds(&r);
        assert_int_equal(sk_mqtt_server_connections(r.server), 0);
        rig_done(&r);
    }
}

/* ---- WebSocket ---- */

static const char request[] =
    "GET /$iothub/websocket HTTP/1.1\r\nHost: hub\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Protocol: mqtt\r\n\r\n";

/* The talk in frames of a few bytes, so that packets span frames and frames hold several. */
static size_t frame_talk(size_t step, unsigned char *out)
{
    static const unsigned char mask[4] = { 0x12, 0x34, 0x56, 0x78 };
    unsigned char bytes[200];
    size_t len = rig_bytes(talk, bytes, sizeof bytes), n = sizeof request - 1;

    memcpy(out, request, n);
    for (size_t at = 0; at < len; at += step) {
        size_t some = step < len - at ? step : len - at;
        out[n++] = 0x82;
        out[n++] = (unsigned char)(128 | some);
        memcpy(out + n, mask, 4);
        n += 4;
        for (size_t i = 0; i < some; i++)
            out[n++] = bytes[at + i] ^ mask[i & 3];
    }
    return n;
}

static void read_upgrade(int fd)
{
    char got[400] = "";
    char *end = NULL;

    assert_true(recv(fd, got, sizeof got - 1, MSG_PEEK | MSG_DONTWAIT) > 0);
    end = strstr(got, "\r\n\r\n");
    assert_non_null(end);
    assert_int_equal(strncmp(got, "HTTP/1.1 101 ", 13), 0);
    size_t len = (size_t)(end - got) + 4;
    assert_int_equal(recv(fd, got, len, MSG_DONTWAIT), (ssize_t)len);
}

static void ws_talk(size_t step, size_t piece)
{
    unsigned char bytes[2000];
    size_t len = frame_talk(step, bytes);
    struct rig r;

    rig_init(&r, NULL);
    int fd = rig_client(&r, true);
    for (size_t at = 0; at < len; at += piece) {
        size_t n = piece < len - at ? piece : len - at;
        assert_int_equal(send(fd, bytes + at, n, 0), (ssize_t)n);
        rig_rounds(&r);
    }
    read_upgrade(fd);
    rig_expect_end(fd, "82 04 20 02 00 00 82 05 90 03 0001 01 82 04 40 02 0002 82 02 d0 00 "
                       "88 02 03e8");
    rig_log(&r, talk_log);
    (void)close(fd);
    rig_done(&r);
}

static void test_websocket(void **state)
{
    (void)state;
    for (size_t step = 1; step < 70; step += 4) {
        ws_talk(step, 1);
        ws_talk(step, 7);
        ws_talk(step, 2000);
    }
}

static int ws_client(struct rig *r)
{
    int fd = rig_client(r, true);

    assert_int_equal(send(fd, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    rig_rounds(r);
    read_upgrade(fd);
    rig_send(r, fd, "82 8f 00000000" RIG_CONNECT);
    rig_expect(fd, "82 04 20 02 00 00");
    rig_log(r, "connect:c");
    return fd;
}

static void test_websocket_ends(void **state)
{
    static const struct {
        const char *name, *bytes, *answer, *log;
    } ends[] = {
        { "text", "81 81 00000000 'x'", "88 02 03eb", "closed:a text frame" },
        { "no mask", "82 01 00", "88 02 03ea", "closed:a WebSocket frame without a mask" },
        { "close", "82 86 00000000 30 04 0001 'a' 'x' 88 80 00000000", "88 02 03e8",
          "publish:a=x closed:the client has closed the WebSocket" },
        { "ping", "89 81 00000000 'x'", "8a 01 'x'", "" },
        { "MQTT broken", "82 82 00000000 00 00", "88 02 03ea", "closed:a reserved packet type" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct rig r;

        rig_init(&r, NULL);
        int fd = ws_client(&r);
        assert_true(sk_mqtt_is_websocket(r.conn));
        rig_send(&r, fd, ends[i].bytes);
        rig_expect_at(__LINE__, fd, ends[i].answer, ends[i].log[0] != 0);
        rig_log(&r, ends[i].log);
        (void)close(fd);
        rig_done(&r);
    }
}

/* [mqtt-24] One that has said nothing of MQTT, pings without end and reads no pong costs no memory.
 */
static void test_pings_before_connect(void **state)
{
    static const unsigned char ping[6 + SK_WS_CONTROL_BYTES] = { 0x89, 128 | SK_WS_CONTROL_BYTES };
    const struct sk_mqtt_options opts = { .connect_ms = 1000 };
    struct rig r;
    size_t taken = 0;

    (void)state;
    rig_init(&r, &opts);
    int fd = rig_client(&r, true);
    assert_int_equal(send(fd, request, sizeof request - 1, 0), (ssize_t)sizeof request - 1);
    rig_rounds(&r);
    const struct sk_mqtt_conn *c = r.loop->slots[0];
    for (int i = 0; i < 20000; i++) {
        ssize_t n = send(fd, ping, sizeof ping, MSG_DONTWAIT);
        if (n == (ssize_t)sizeof ping)
            taken++;
        else if (n >= 0)
            break; /* a part, and no more will be taken */
        rig_rounds(&r);
    }
    assert_true(taken > 100);
    assert_non_null(c);
    assert_true(sk_conn_waiting(c) > 0);
    assert_true(c->out.cap <= 4 * SK_MQTT_FIRST_BYTES);
    rig_pass(&r, 1000);
    rig_pass(&r, SK_MQTT_LINGER_MS);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    (void)close(fd);
    rig_done(&r);
}

static void test_refused_request(void **state)
{
    static char got[1000];
    struct rig r;
    bool has_end;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_client(&r, true);
    rig_send(&r, fd, "'GET / HTTP/1.1' 0d0a 'Host: h' 0d0a 0d0a");
    size_t n = rig_recv(fd, (unsigned char *)got, sizeof got - 1, &has_end);
    assert_true(n > 0 && has_end && sk_starts_with(got, "HTTP/1.1 404 "));
    (void)close(fd);
    /* an end within the request */
    fd = rig_client(&r, true);
    rig_send(&r, fd, "'GET / HT'");
    (void)close(fd);
    rig_rounds(&r);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    rig_log(&r, "");
    rig_done(&r);
}

/* ---- back-pressure ---- */

/* 1,000 publishes at once against a window of 4: all are handled, in order, at the handler's pace,
 * and little is kept. */
static void test_flood(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 4 };
    static unsigned char bytes[8000], got[100];
    struct rig r;
    bool has_end;

    (void)state;
    rig_init(&r, &o);
    r.keeps_publish = true;
    int fd = rig_connected(&r);
    for (size_t i = 0; i < 1000; i++) {
        bytes[8 * i] = 0x32;
        bytes[8 * i + 1] = 6;
        bytes[8 * i + 3] = 1;
        bytes[8 * i + 4] = 'a';
        bytes[8 * i + 5] = (unsigned char)((i + 1) >> 8);
        bytes[8 * i + 6] = (unsigned char)(i + 1);
        bytes[8 * i + 7] = 'x';
    }
    assert_int_equal(send(fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    for (unsigned i = 0; i < 1000; i++) {
        rig_rounds(&r);
        assert_int_equal(r.publishes, i + 4 < 1000 ? i + 4 : 1000);
        assert_true(r.conn->rest.len <= SK_MQTT_READ_BYTES);
        sk_mqtt_puback(r.conn, (uint16_t)(i + 1));
        rig_rounds(&r);
        assert_int_equal(rig_recv(fd, got, sizeof got, &has_end), 4);
    }
    assert_null(r.conn->rest.data);
    (void)close(fd);
    rig_done(&r);
}

/* More packets than a round allows go on in the next, without news from epoll. */
static void test_budget(void **state)
{
    static unsigned char bytes[2 * 3 * SK_MQTT_ROUND_PACKETS];
    struct rig r;
    bool has_end;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    for (size_t i = 0; i < sizeof bytes; i += 2)
        bytes[i] = 0xc0;
    assert_int_equal(send(fd, bytes, sizeof bytes, 0), (ssize_t)sizeof bytes);
    sk_loop_round(r.loop, 0);
    assert_int_equal(rig_recv(fd, bytes, sizeof bytes, &has_end), 2 * SK_MQTT_ROUND_PACKETS);
    sk_loop_round(r.loop, 1000); /* does not wait */
    sk_loop_round(r.loop, 1000);
    assert_int_equal(rig_recv(fd, bytes, sizeof bytes, &has_end), 4 * SK_MQTT_ROUND_PACKETS);
    (void)close(fd);
    rig_done(&r);
}

/* A client that does not take what it is sent: publishes are refused at max_out_bytes, its own
 * packets are not read beyond, and when it reads on, all is well. */
static void test_slow_reader(void **state)
{
    const struct sk_mqtt_options o = { .max_out_bytes = 100000 };
    static unsigned char payload[10000], got[1 << 20];
    struct sk_err err = SK_ERR_INIT;
    const struct sk_view body = { (char *)payload, sizeof payload };
    size_t sent = 0, read = 0;
    struct rig r;
    bool has_end;

    (void)state;
    rig_init(&r, &o);
    int fd = rig_connected(&r);
    while (sk_mqtt_publish(r.conn, SK_VIEW("t"), body, 0, 0, &err) == 0) {
        sent += sk_mqtt_publish_size(1, sizeof payload, 0);
        rig_rounds(&r);
        assert_true(sk_conn_waiting(r.conn) <= o.max_out_bytes);
    }
    assert_int_equal(err.code, SK_BUSY);
    assert_true(sk_conn_waiting(r.conn) > o.max_out_bytes - sizeof payload - 10);
    for (int i = 0; i < 200 && r.conn->mask & EPOLLIN; i++) { /* PINGRESPs fill what is left */
        static unsigned char pings[200];
        for (size_t k = 0; k < sizeof pings; k += 2)
            pings[k] = 0xc0;
        (void)send(fd, pings, sizeof pings, MSG_DONTWAIT);
        rig_rounds(&r);
    }
    assert_false(r.conn->mask & EPOLLIN);
    assert_true(sk_conn_waiting(r.conn) <= o.max_out_bytes + 2 * SK_MQTT_ROUND_PACKETS);
    assert_int_equal(r.drains, 0);
    for (int i = 0; i < 1000; i++) {
        read += rig_recv(fd, got, sizeof got, &has_end);
        rig_rounds(&r);
    }
    assert_true(read >= sent);
    assert_int_equal(r.drains, 1);
    assert_null(r.conn->out.data);
    assert_true(r.conn->mask & EPOLLIN);
    rig_log(&r, "");
    /* one that is larger than max_out_bytes may go alone */
    static char large[150000];
    assert_int_equal(
        sk_mqtt_publish(r.conn, SK_VIEW("t"), (struct sk_view){ large, sizeof large }, 0, 0, &err),
        0);
    (void)close(fd);
    rig_done(&r);
}

/* One that takes nothing for 1.5 times its keep-alive is gone; one that takes a little is not. */
static void test_stuck_reader(void **state)
{
    const struct sk_mqtt_options o = { .max_out_bytes = 1000 };
    static char payload[600000];
    static unsigned char got[200000];
    struct sk_err err = SK_ERR_INIT;
    struct rig r;
    bool has_end;

    (void)state;
    rig_init(&r, &o);
    int fd = rig_connected(&r);
    const struct sk_view body = { payload, sizeof payload };
    assert_int_equal(sk_mqtt_publish(r.conn, SK_VIEW("t"), body, 0, 0, &err), 0);
    rig_rounds(&r);
    rig_pass(&r, 60000);
    assert_true(rig_recv(fd, got, sizeof got, &has_end) > 0);
    rig_rounds(&r);
    rig_pass(&r, 60000);
    rig_log(&r, "");
    rig_pass(&r, 31000);
    rig_log(&r, "closed:the keep-alive is over");
    (void)close(fd);
    rig_done(&r);
}

/* ---- a stream with bytes of its own, as TLS has ---- */

struct hoard {
    struct sk_stream base;
    unsigned char bytes[400];
    size_t len, at;
    bool is_lost, is_partial; /* partial: buffered, yet AGAIN */
};

static ssize_t hoard_read(struct sk_stream *s, void *out, size_t cap)
{
    struct hoard *h = (struct hoard *)s;
    size_t n = h->len - h->at;

    if (h->is_lost)
        return SK_STREAM_LOST;
    if (n == 0) {
        ssize_t got = recv(s->fd, out, 1, MSG_DONTWAIT); /* the signal for all the rest */
        return got == 0 ? SK_STREAM_END : got < 0 ? SK_STREAM_AGAIN : got;
    }
    n = n < 5 ? n : 5;
    n = n < cap ? n : cap;
    memcpy(out, h->bytes + h->at, n);
    h->at += n;
    return (ssize_t)n;
}

static ssize_t hoard_write(struct sk_stream *s, const void *bytes, size_t len)
{
    ssize_t n = send(s->fd, bytes, len, MSG_NOSIGNAL);

    return n > 0 ? n : errno == EAGAIN ? SK_STREAM_AGAIN : SK_STREAM_LOST;
}

static bool hoard_is_buffered(const struct sk_stream *s)
{
    const struct hoard *h = (const struct hoard *)s;

    return h->at < h->len || h->is_partial;
}

static unsigned hoard_events(const struct sk_stream *s, bool wants_read, bool wants_write)
{
    (void)s;
    return (wants_read ? EPOLLIN : 0u) | (wants_write ? EPOLLOUT : 0u);
}

static void hoard_end(struct sk_stream *s)
{
    (void)shutdown(s->fd, SHUT_WR);
}

static void hoard_free(struct sk_stream *s)
{
    (void)close(s->fd);
    free(s);
}

static const struct sk_stream_ops hoard_ops = { hoard_read,   hoard_write, hoard_is_buffered,
                                                hoard_events, hoard_end,   hoard_free };

static int hoard_client(struct rig *r, const char *text, struct hoard **out)
{
    struct hoard *h = calloc(1, sizeof *h);
    const struct sk_mqtt_peer peer = { .address = "x" };
    struct sk_err err = SK_ERR_INIT;
    int pair[2];

    assert_non_null(h);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
    h->base = (struct sk_stream){ &hoard_ops, pair[0] };
    h->len = rig_bytes(text, h->bytes, sizeof h->bytes);
    *out = h;
    assert_int_equal(sk_mqtt_server_add(r->server, &h->base, &peer, false, &err), 0);
    rig_rounds(r);
    return pair[1];
}

/* What TLS has read already is found without epoll: at the add, and after a hold. */
static void test_buffered(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 1 };
    struct hoard *h;
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    r.keeps_connect = r.keeps_publish = true;
    int fd = hoard_client(&r, RIG_CONNECT "32 06 0001 'a' 0001 'x' 32 06 0001 'a' 0002 'y' c0 00",
                          &h);
    rig_log(&r, "connect:c");
    assert_true(h->at < h->len); /* it is not read while it is held */
    sk_mqtt_connack(r.conn, SK_MQTT_ACCEPTED, false);
    rig_rounds(&r);
    rig_log(&r, "publish:a=x");
    sk_mqtt_puback(r.conn, 1);
    rig_rounds(&r);
    rig_log(&r, "publish:a=y");
    sk_mqtt_puback(r.conn, 2);
    rig_rounds(&r);
    rig_expect(fd, "20 02 00 00 40 02 0001 40 02 0002 d0 00");
    h->is_partial = true; /* part of a record: nothing to do before the rest comes */
    rig_send(&r, fd, "c0");
    assert_null(r.loop->later);
    h->is_partial = false;
    h->is_lost = true;
    rig_send(&r, fd, "c0");
    rig_log(&r, "closed:the connection was reset");
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    (void)close(fd);
    rig_done(&r);
}

/* ---- memory ---- */

static int talk_once(void *ctx, struct sk_err *err)
{
    unsigned char bytes[2000], got[2000];
    bool is_websocket = *(bool *)ctx;
    const struct sk_mqtt_peer peer = { .address = "x", .cert = "der", .cert_len = 3 };
    SK_AUTO(sk_close) int client = -1;
    struct sk_stream *stream = NULL;
    struct rig r;
    bool has_end;
    int pair[2];

    if (rig_make(&r, NULL, err) < 0)
        return -1;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    client = pair[1];
    size_t len = is_websocket ? frame_talk(9, bytes) : rig_bytes(talk, bytes, sizeof bytes);
    int rc = sk_stream_of_fd(pair[0], &stream, err);
    if (rc == 0)
        rc = sk_mqtt_server_add(r.server, stream, &peer, is_websocket, err);
    for (size_t at = 0; rc == 0 && at < len; at += 13) {
        size_t n = len - at < 13 ? len - at : 13;
        (void)send(client, bytes + at, n, MSG_NOSIGNAL);
        rig_rounds(&r);
    }
    /* a connection without memory ends: that is what there is to see */
    if (rc == 0 &&
        (rig_recv(client, got, sizeof got, &has_end) == 0 || !strstr(r.log, "closed(orderly)")))
        rc = sk_nomem(err);
    rig_done(&r);
    return rc;
}

static void test_memory(void **state)
{
    bool is_websocket = false;

    (void)state;
    (void)sk_alloc_sweep("plain", talk_once, &is_websocket, SK_ALLOC_MAY_SURVIVE);
    is_websocket = true;
    (void)sk_alloc_sweep("websocket", talk_once, &is_websocket, SK_ALLOC_MAY_SURVIVE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_websocket),
        cmocka_unit_test(test_websocket_ends),
        cmocka_unit_test(test_refused_request),
        cmocka_unit_test(test_pings_before_connect),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_slow_reader),
        cmocka_unit_test(test_stuck_reader),
        cmocka_unit_test(test_buffered),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
