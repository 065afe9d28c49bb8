/* test_session.c - what packets do: acknowledgements and their order, windows, refusals. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* Each on a connection of its own: what is sent, what comes back, what the handler heard. */
static const struct {
    const char *statement, *bytes, *answer;
    bool has_end;
    const char *log;
} rows[] = {
    { "3.1.0-1 a first packet that is no CONNECT", "c0 00", "", true, "" },
    { "3.1.0-2 a second CONNECT", RIG_CONNECT RIG_CONNECT, "20 02 00 00", true,
      "connect:c closed:a second CONNECT" },
    { "3.1.2-2 another level", "10 0d 0004 'MQTT' 05 02 003c 0001 'c'", "20 02 00 01", true, "" },
    { "3.1.3-8 an empty id that is to be kept", "10 0c 0004 'MQTT' 04 00 003c 0000", "20 02 00 02",
      true, "" },
    { "3.1.3-6 an empty id", "10 0c 0004 'MQTT' 04 02 003c 0000", "20 02 00 00", false,
      "connect:" },
    { "3.1.4-5 packets behind CONNECT are handled", RIG_CONNECT "c0 00", "20 02 00 00 d0 00", false,
      "connect:c" },
    { "3.3.4-1 QoS 0", RIG_CONNECT "30 04 0001 'a' 'x'", "20 02 00 00", false,
      "connect:c publish:a=x" },
    { "3.3.4-1 QoS 1", RIG_CONNECT "32 06 0001 'a' 0005 'x'", "20 02 00 00 40 02 0005", false,
      "connect:c publish:a=x" },
    { "QoS 2 ends", RIG_CONNECT "34 06 0001 'a' 0005 'x'", "20 02 00 00", true,
      "connect:c closed:PUBLISH with QoS 2, which is not offered" },
    { "3.8.4-1 SUBACK, 3.8.4-5 a code for each", RIG_CONNECT "82 0a 0006 0001 'a' 00 0001 'b' 02",
      "20 02 00 00 90 04 0006 00 01", false, "connect:c sub:a/0 sub:b/2" },
    { "3.10.4-4 UNSUBACK", RIG_CONNECT "a2 05 0007 0001 'a'", "20 02 00 00 b0 02 0007", false,
      "connect:c unsub:a" },
    { "3.12.4-1 PINGRESP", RIG_CONNECT "c0 00 c0 00", "20 02 00 00 d0 00 d0 00", false,
      "connect:c" },
    { "an unknown PUBACK is ignored", RIG_CONNECT "40 02 0001 c0 00", "20 02 00 00 d0 00", false,
      "connect:c" },
    { "3.14.4-1 DISCONNECT, and what follows is not seen", RIG_CONNECT "e0 00 30 04 0001 'a' 'x'",
      "20 02 00 00", true, "connect:c closed(orderly):DISCONNECT" },
    { "4.8.0-1 a violation ends", RIG_CONNECT "30 03 0001 '#'", "20 02 00 00", true,
      "connect:c closed:PUBLISH to an empty topic, or one with wildcards" },
    { "a malformed filter", RIG_CONNECT "82 06 0001 0001 'a' 03", "20 02 00 00", true,
      "connect:c closed:a filter without a valid QoS" },
    { "a malformed PUBACK", RIG_CONNECT "40 02 0000", "20 02 00 00", true,
      "connect:c closed:PUBACK without a packet id" },
    { "a PINGREQ with a body", RIG_CONNECT "c0 01 00", "20 02 00 00", true,
      "connect:c closed:bytes in a packet that has none" },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct rig r;
        unsigned char bytes[200], got[200], wanted[200];
        bool has_end;

        rig_init(&r, NULL);
        int fd = rig_client(&r, false);
        size_t len = rig_bytes(rows[i].bytes, bytes, sizeof bytes);
        assert_int_equal(write(fd, bytes, len), (ssize_t)len);
        rig_rounds(&r);
        size_t n = rig_recv(fd, got, sizeof got, &has_end);
        if (n != rig_bytes(rows[i].answer, wanted, sizeof wanted) || memcmp(got, wanted, n) != 0 ||
            has_end != rows[i].has_end || strcmp(r.log, rows[i].log) != 0)
            fail_msg("row '%s': %zu bytes, end %d, '%s'", rows[i].statement, n, has_end, r.log);
        assert_int_equal(r.faults, strstr(r.log, "closed:") ? 1 : 0);
        (void)close(fd);
        rig_done(&r);
    }
}

static void test_connack_later(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.keeps_connect = true;
    int fd = rig_client(&r, false);
    rig_send(&r, fd, RIG_CONNECT "30 04 0001 'a' 'x'");
    rig_log(&r, "connect:c");
    assert_true(sk_view_eq(sk_mqtt_peer_cert(r.conn), "der"));
    assert_string_equal(sk_mqtt_peer_address(r.conn), "192.0.2.1:5000");
    assert_ptr_equal(sk_mqtt_user(r.conn), &r);
    assert_ptr_equal(sk_mqtt_conn_server(r.conn), r.server);
    assert_int_equal(sk_mqtt_loop_of(r.conn), 0);
    assert_false(sk_mqtt_is_websocket(r.conn));
    struct sk_err err = SK_ERR_INIT; /* 3.2.0-1: nothing before CONNACK */
    assert_int_equal(sk_mqtt_window(r.conn), 0);
    assert_int_equal(sk_mqtt_publish(r.conn, SK_VIEW("t"), SK_VIEW("p"), 0, 1, &err), -1);
    sk_mqtt_connack(r.conn, SK_MQTT_ACCEPTED, true);
    sk_mqtt_connack(r.conn, SK_MQTT_ACCEPTED, true); /* once is enough */
    assert_int_equal(sk_mqtt_peer_cert(r.conn).len, 0);
    rig_rounds(&r);
    rig_expect(fd, "20 02 01 00");
    rig_log(&r, "publish:a=x");
    (void)close(fd);
    rig_rounds(&r);
    rig_log(&r, "closed:the client has closed the connection");
    assert_int_equal(r.faults, 0);
    rig_done(&r);
}

static void test_refusal(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.code = SK_MQTT_NOT_AUTHORIZED;
    int fd = rig_client(&r, false);
    rig_send(&r, fd, RIG_CONNECT "c0 00"); /* 3.1.4-5 */
    rig_expect_end(fd, "20 02 00 05");
    rig_log(&r, "connect:c closed:the CONNECT was refused");
    (void)close(fd);
    rig_done(&r);
}

/* 4.6.0-2: in the order of the publishes, whatever that of the handler. */
static void test_puback_order(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.keeps_publish = true;
    int fd = rig_connected(&r);
    rig_send(&r, fd, "32 06 0001 'a' 0001 'x' 32 06 0001 'a' 0002 'y' 32 06 0001 'a' 0003 'z'");
    rig_log(&r, "publish:a=x publish:a=y publish:a=z");
    sk_mqtt_puback(r.conn, 3);
    rig_rounds(&r);
    rig_expect(fd, "");
    sk_mqtt_puback(r.conn, 9); /* unknown */
    sk_mqtt_puback(r.conn, 1);
    rig_rounds(&r);
    rig_expect(fd, "40 02 0001");
    sk_mqtt_puback(r.conn, 2);
    rig_rounds(&r);
    rig_expect(fd, "40 02 0002 40 02 0003");
    assert_null(r.conn->inbound);
    (void)close(fd);
    rig_done(&r);
}

/* The same id again while it waits: one delivery, two acknowledgements; also when it is done but
 * waits for its turn; and a new message behind it. */
static void test_duplicates(void **state)
{
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.keeps_publish = true;
    int fd = rig_connected(&r);
    rig_send(&r, fd, "32 06 0001 'a' 0001 'x' 32 06 0001 'a' 0002 'y'");
    rig_send(&r, fd, "3a 06 0001 'a' 0001 'x'");
    rig_log(&r, "publish:a=x publish:a=y");
    sk_mqtt_puback(r.conn, 2);
    rig_send(&r, fd, "3a 06 0001 'a' 0002 'y'");
    rig_log(&r, "");
    rig_expect(fd, "");
    sk_mqtt_puback(r.conn, 1);
    rig_rounds(&r);
    rig_expect(fd, "40 02 0001 40 02 0002 40 02 0001 40 02 0002");
    rig_send(&r, fd, "32 06 0001 'a' 0001 'z'");
    rig_log(&r, "publish:a=z");
    (void)close(fd);
    rig_done(&r);
}

/* max_inflight_in publishes and subscriptions; at the bound, and one beyond. */
static void test_window_in(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_in = 3 };
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    r.keeps_publish = r.keeps_subs = true;
    int fd = rig_connected(&r);
    rig_send(&r, fd, "32 06 0001 'a' 0001 'x' 82 06 0002 0001 'b' 00 a2 05 0003 0001 'c'");
    rig_log(&r, "publish:a=x sub:b/0 unsub:c");
    rig_send(&r, fd, "32 06 0001 'a' 0004 'y' 30 04 0001 'a' 'z'");
    rig_log(&r, "");
    assert_int_equal(r.conn->mask, 0); /* epoll is not asked: TCP slows the client down */
    sk_mqtt_unsuback(r.conn, 3);
    rig_rounds(&r);
    rig_expect(fd, "b0 02 0003");
    rig_log(&r, "publish:a=y");
    sk_mqtt_suback(r.conn, 2, (const unsigned char[]){ SK_MQTT_SUB_FAILED }, 1);
    rig_rounds(&r);
    rig_expect(fd, "90 03 0002 80");
    rig_log(&r, "publish:a=z");
    sk_mqtt_suback(r.conn, 2, (const unsigned char[]){ 0 }, 1); /* there is none any more */
    sk_mqtt_unsuback(r.conn, 2);
    rig_rounds(&r);
    rig_expect(fd, "");
    (void)close(fd);
    rig_done(&r);
}

static int send_one(struct rig *r, const char *topic, unsigned qos, uint64_t token,
                    struct sk_err *err)
{
    return sk_mqtt_publish(r->conn, sk_view_of(topic), SK_VIEW("p"), qos, token, err);
}

static void test_publish_out(void **state)
{
    const struct sk_mqtt_options o = { .max_inflight_out = 2 };
    struct sk_err err = SK_ERR_INIT;
    struct rig r;

    (void)state;
    rig_init(&r, &o);
    int fd = rig_connected(&r);
    assert_int_equal(sk_mqtt_window(r.conn), 2);
    assert_int_equal(send_one(&r, "a", 1, 100, &err), 0);
    assert_int_equal(send_one(&r, "b", 1, 101, &err), 0);
    assert_int_equal(sk_mqtt_window(r.conn), 0);
    assert_int_equal(send_one(&r, "c", 1, 102, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    assert_int_equal(send_one(&r, "c", 0, 0, &err), 0);
    rig_rounds(&r);
    rig_expect(fd, "32 06 0001 'a' 0001 'p' 32 06 0001 'b' 0002 'p' 30 04 0001 'c' 'p'");
    rig_send(&r, fd, "40 02 0002 40 02 0002 40 02 0009");
    rig_log(&r, "acked:101");
    /* 2.3.1-2: an id in use is passed over, and so is 0 */
    r.conn->next_id = UINT16_MAX;
    assert_int_equal(send_one(&r, "d", 1, 103, &err), 0);
    rig_rounds(&r);
    rig_expect(fd, "32 06 0001 'd' 0002 'p'");
    rig_send(&r, fd, "40 02 0001 40 02 0002");
    rig_log(&r, "acked:100 acked:103");
    assert_null(r.conn->outbound);
    assert_int_equal(sk_mqtt_publish(r.conn, SK_VIEW(""), SK_VIEW("p"), 0, 0, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    (void)close(fd);
    rig_done(&r);
}

/* What is called behind the end does nothing. */
static void test_after_close(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct rig r;

    (void)state;
    rig_init(&r, NULL);
    r.keeps_publish = r.keeps_subs = true;
    int fd = rig_connected(&r);
    rig_send(&r, fd, "32 06 0001 'a' 0001 'x' 82 06 0002 0001 'b' 00");
    struct sk_mqtt_conn *c = r.conn;
    sk_mqtt_close(c, "enough");
    rig_log(&r, "publish:a=x sub:b/0 closed:enough");
    sk_mqtt_close(c, "again");
    sk_mqtt_puback(c, 1);
    sk_mqtt_suback(c, 2, (const unsigned char[]){ 0 }, 1);
    sk_mqtt_unsuback(c, 2);
    sk_mqtt_connack(c, SK_MQTT_ACCEPTED, false);
    sk_mqtt_close_at(c, 1, "late");
    assert_int_equal(sk_mqtt_publish(c, SK_VIEW("t"), SK_VIEW("p"), 0, 1, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_int_equal(sk_mqtt_window(c), 0);
    rig_rounds(&r);
    rig_expect_end(fd, "");
    rig_log(&r, "");
    (void)close(fd);
    rig_rounds(&r);
    assert_int_equal(sk_mqtt_server_connections(r.server), 0);
    rig_done(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),        cmocka_unit_test(test_connack_later),
        cmocka_unit_test(test_refusal),     cmocka_unit_test(test_puback_order),
        cmocka_unit_test(test_duplicates),  cmocka_unit_test(test_window_in),
        cmocka_unit_test(test_publish_out), cmocka_unit_test(test_after_close),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
