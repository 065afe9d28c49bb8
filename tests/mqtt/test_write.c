/* test_write.c - the packets of a server and of a client, byte by byte. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void expect(const char *what, const struct sk_buf *b, const char *text)
{
    unsigned char wanted[256];
    size_t len = rig_bytes(text, wanted, sizeof wanted);

    if (b->len != len || memcmp(b->data, wanted, len) != 0)
        fail_msg("%s: %zu bytes", what, b->len);
}

static void test_acks(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    static const unsigned char codes[] = { 0, 1, SK_MQTT_SUB_FAILED };

    (void)state;
    sk_mqtt_write_connack(&b, SK_MQTT_ACCEPTED, true);
    expect("3.2.2-2", &b, "20 02 01 00");
    sk_buf_clear(&b);
    sk_mqtt_write_connack(&b, SK_MQTT_ACCEPTED, false);
    expect("3.2.2-1", &b, "20 02 00 00");
    sk_buf_clear(&b);
    sk_mqtt_write_connack(&b, SK_MQTT_NOT_AUTHORIZED, true);
    expect("3.2.2-4", &b, "20 02 00 05");
    sk_buf_clear(&b);
    sk_mqtt_write_ack(&b, SK_PACKET_PUBACK, 0xfffe);
    expect("PUBACK", &b, "40 02 fffe");
    sk_buf_clear(&b);
    sk_mqtt_write_ack(&b, SK_PACKET_UNSUBACK, 0x0102);
    expect("UNSUBACK", &b, "b0 02 0102");
    sk_buf_clear(&b);
    sk_mqtt_write_suback(&b, 7, codes, 3);
    expect("SUBACK", &b, "90 05 0007 00 01 80");
    sk_buf_clear(&b);
    sk_mqtt_write_pingresp(&b);
    expect("PINGRESP", &b, "d0 00");
}

static void test_publish(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);

    (void)state;
    sk_mqtt_write_publish(&b, SK_VIEW("a/b"), SK_VIEW("xyz"), 0, 0);
    expect("QoS 0", &b, "30 08 0003 'a/b' 'xyz'");
    assert_int_equal(sk_mqtt_publish_size(3, 3, 0), b.len);
    sk_buf_clear(&b);
    sk_mqtt_write_publish(&b, SK_VIEW("a/b"), SK_VIEW(""), 1, 0x1234);
    expect("QoS 1", &b, "32 07 0003 'a/b' 1234");
    assert_int_equal(sk_mqtt_publish_size(3, 0, 1), b.len);
}

/* The remaining length's bytes: each border of section 2.2.3. */
static void test_lengths(void **state)
{
    static const size_t rows[][2] = { /* remaining length, its bytes */
                                      { 3, 1 },     { 127, 1 },     { 128, 2 },     { 16383, 2 },
                                      { 16384, 3 }, { 2097151, 3 }, { 2097152, 4 }, { 268435455, 4 }
    };
    static char payload[2097152];

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(3u << 20);
        size_t size = 1 + rows[i][1] + rows[i][0];
        struct sk_view v = { payload, rows[i][0] - 3 };

        if (sk_mqtt_publish_size(1, rows[i][0] - 3, 0) != size)
            fail_msg("length %zu", rows[i][0]);
        if (v.len > sizeof payload)
            continue;
        sk_mqtt_write_publish(&b, SK_VIEW("t"), v, 0, 0);
        if (b.len != size)
            fail_msg("length %zu: wrote %zu", rows[i][0], b.len);
    }
    assert_int_equal(sk_mqtt_publish_size(1, 268435455 - 2, 0), 0);
    assert_int_equal(sk_mqtt_publish_size(0, 1, 0), 0);
    assert_int_equal(sk_mqtt_publish_size(65536, 1, 0), 0);
    assert_int_not_equal(sk_mqtt_publish_size(65535, 1, 1), 0);
}

static void test_of_client(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1000);
    char a[] = "a/#", c[] = "c";
    char *const filters[] = { a, c };
    struct sk_mqtt_connect connect = { .client_id = SK_VIEW("id"), .keep_alive_s = 0x0102 };

    (void)state;
    sk_mqtt_write_connect(&b, &connect);
    expect("CONNECT", &b, "10 0e 0004 'MQTT' 04 00 0102 0002 'id'");
    sk_buf_clear(&b);
    connect.is_clean = connect.has_username = true;
    connect.username = SK_VIEW("user");
    sk_mqtt_write_connect(&b, &connect);
    expect("CONNECT, clean", &b, "10 14 0004 'MQTT' 04 82 0102 0002 'id' 0004 'user'");
    sk_buf_clear(&b);
    connect.has_password = true;
    connect.password = SK_VIEW("pw");
    sk_mqtt_write_connect(&b, &connect);
    expect("CONNECT, password", &b, "10 18 0004 'MQTT' 04 c2 0102 0002 'id' 0004 'user' 0002 'pw'");
    sk_buf_clear(&b);
    sk_mqtt_write_subscribe(&b, 9, filters, 2);
    expect("SUBSCRIBE", &b, "82 0c 0009 0003 'a/#' 01 0001 'c' 01");
    sk_buf_clear(&b);
    sk_mqtt_write_pingreq(&b);
    sk_mqtt_write_disconnect(&b);
    expect("PINGREQ, DISCONNECT", &b, "c0 00 e0 00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_acks),
        cmocka_unit_test(test_publish),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_of_client),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
