/* test_conn_end.c - a connection's deadlines and its end. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* ---- time ---- */

static void test_no_connect(void **state)
{
    const struct sk_mqtt_options o = { .connect_ms = 5000 };
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    int fd = rig_client(&r, false);
    int ws = rig_client(&r, true);
    rig_send(&r, fd, "10 0d");
    rig_pass(&r, 4999);
    rig_send(&r, ws, "'GET '"); /* no byte gives it more time */
    rig_expect(fd, "");
    rig_pass(&r, 101);
    rig_expect_end(fd, "");
    rig_expect_end(ws, "");
    rig_log(&r, "");
    (void)close(fd);
    (void)close(ws);
    rig_done(&r);
}

/* 3.1.2-24: 1.5 times the keep-alive; with 0 or too much 1.5 times the bound. */
static void test_keep_alive(void **state)
{
    static const struct {
        const char *connect;
        uint64_t ms;
    } lives[] = {
        { "10 0d 0004 'MQTT' 04 02 0001 0001 'c'", 1500 },
        { "10 0d 0004 'MQTT' 04 02 003c 0001 'c'", 90000 },
        { "10 0d 0004 'MQTT' 04 02 0064 0001 'c'", 150000 },
        { "10 0d 0004 'MQTT' 04 02 0065 0001 'c'", 150000 },
        { "10 0d 0004 'MQTT' 04 02 0000 0001 'c'", 150000 },
        { "10 0d 0004 'MQTT' 04 02 ffff 0001 'c'", 150000 },
    };
    const struct sk_mqtt_options o = { .max_keep_alive_s = 100 };

    (void)state;
    for (size_t i = 0; i < sizeof lives / sizeof lives[0]; i++) {
        struct rig r;

        rig_init(&r, &o);
        int fd = rig_client(&r, false);
        rig_send(&r, fd, lives[i].connect);
        rig_log(&r, "connect:c");
        rig_pass(&r, lives[i].ms - 1);
        rig_send(&r, fd, "c0 00");
        rig_pass(&r, lives[i].ms - 1);
        rig_send(&r, fd, "30"); /* no packet */
        rig_log(&r, "");
        rig_pass(&r, 101);
        rig_log(&r, "closed:the keep-alive is over");
        (void)close(fd);
        rig_done(&r);
    }
}

/* While we do not read, silence is not the client's. */
static void test_keep_alive_held(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 1 };
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    r.keeps_publish = true;
    int fd = rig_connected(&r);
    rig_send(&r, fd, "32 06 0001 'a' 0001 'x'");
    rig_pass(&r, 100000);
    rig_pass(&r, 100000);
    rig_log(&r, "publish:a=x");
    sk_mqtt_puback(r.conn, 1);
    rig_pass(&r, 100000);
    rig_log(&r, "closed:the keep-alive is over");
    (void)close(fd);
    rig_done(&r);
}

static void test_close_at(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    sk_mqtt_close_at(r.conn, r.loop->now_ms + 1000, "token");
    sk_mqtt_close_at(r.conn, 0, NULL);
    rig_pass(&r, 2000);
    rig_log(&r, "");
    sk_mqtt_close_at(r.conn, r.loop->now_ms + 5000, "token");
    rig_pass(&r, 4999);
    rig_log(&r, "");
    rig_pass(&r, 101);
    rig_log(&r, "closed:token");
    rig_expect_end(fd, "");
    (void)close(fd);
    r.keeps_connect = true; /* also while the CONNECT waits */
    fd = rig_client(&r, false);
    rig_send(&r, fd, RIG_CONNECT);
    sk_mqtt_close_at(r.conn, r.loop->now_ms + 1000, "token");
    rig_pass(&r, 1000);
    rig_log(&r, "connect:c closed:token");
    (void)close(fd);
    rig_done(&r);
}

/* ---- ends ---- */

/* The client sees an end; what it still sends is read away; after a second it is cut. */
static void test_linger(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    sk_mqtt_close(r.conn, "enough");
    rig_rounds(&r);
    rig_send(&r, fd, "c0 00 c0 00");
    rig_expect_end(fd, "");
    assert_int_equal(sk_mqtt_server_connections(r.server), 1);
    rig_pass(&r, SK_MQTT_LINGER_MS - 1);
    assert_int_equal(sk_mqtt_server_connections(r.server), 1);
    rig_pass(&r, SK_MQTT_TICK_MS);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    (void)close(fd);
    rig_done(&r);
}

/* What is queued still leaves, also when the client takes it slowly. */
static void test_flush_at_end(void **state)
{
    static unsigned char payload[400000], got[1 << 20];
    struct sk_err err = SK_ERR_INIT;
    struct rig r;
    bool has_end = false;
    size_t n = 0;

    (void)state;
    rig_init(&r, NULL);
    int fd = rig_connected(&r);
    assert_int_equal(sk_mqtt_publish(r.conn, SK_VIEW("t"),
                                     (struct sk_view){ (char *)payload, sizeof payload }, 0, 0,
                                     &err),
                     0);
    sk_mqtt_close(r.conn, "enough");
    rig_log(&r, "closed:enough");
    for (int i = 0; i < 100 && !has_end; i++) {
        rig_rounds(&r);
        n += rig_recv(fd, got, sizeof got, &has_end);
    }
    assert_int_equal(n, sk_mqtt_publish_size(1, sizeof payload, 0));
    assert_true(has_end);
    (void)close(fd);
    /* and one that takes nothing is cut in time */
    fd = rig_connected(&r);
    assert_int_equal(sk_mqtt_publish(r.conn, SK_VIEW("t"),
                                     (struct sk_view){ (char *)payload, sizeof payload }, 0, 0,
                                     &err),
                     0);
    sk_mqtt_close(r.conn, "enough");
    rig_rounds(&r);
    rig_pass(&r, SK_MQTT_LINGER_MS + SK_MQTT_TICK_MS);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    (void)close(fd);
    rig_done(&r);
}

/* A client that sends, ends its side and waits: all is handled and answered, also what was held. */
static void test_half_close(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 1 };
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    r.keeps_publish = true;
    int fd = rig_connected(&r);
    unsigned char bytes[32];
    size_t len = rig_bytes("32 06 0001 'a' 0001 'x' 32 06 0001 'a' 0002 'y'", bytes, sizeof bytes);
    assert_int_equal(send(fd, bytes, len, 0), (ssize_t)len);
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    rig_rounds(&r);
    rig_log(&r, "publish:a=x");
    sk_mqtt_puback(r.conn, 1);
    rig_rounds(&r);
    rig_log(&r, "publish:a=y");
    sk_mqtt_puback(r.conn, 2);
    rig_rounds(&r);
    rig_expect_end(fd, "40 02 0001 40 02 0002");
    rig_log(&r, "closed:the client has closed the connection");
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    (void)close(fd);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_connect),      cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_keep_alive_held), cmocka_unit_test(test_close_at),
        cmocka_unit_test(test_linger),          cmocka_unit_test(test_flush_at_end),
        cmocka_unit_test(test_half_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
