/* test_client_session.c - packets both ways, byte for byte, with a clock that the test moves. */
#include "client_still.h"
#include "harness/alloc_fail.h"
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

/* What a server must not send ends the connection, with a reason; nothing else happens. */
static void broken_packets(void **state)
{
    static const struct {
        const char *name, *bytes, *why;
        bool is_early; /* sent instead of CONNACK */
    } rows[] = {
        { "publish before connack", "30 05 0001 't' 0000", "something else before CONNACK", true },
        { "pingresp before connack", "d0 00", "something else before CONNACK", true },
        { "connack too long", "20 03 000000", "CONNACK of another length than 2", true },
        { "connack flags", "20 02 02 00", "CONNACK with reserved flags, or a reserved code", true },
        { "connack code", "20 02 00 06", "CONNACK with reserved flags, or a reserved code", true },
        { "refusal with session", "20 02 01 05", "CONNACK with a refusal and a session", true },
        { "connack header flags", "21 02 00 00", "reserved flags are set", true },
        { "second connack", "20 02 00 00", "a second CONNACK", false },
        { "connect", "10 00", "a packet that only clients send", false },
        { "subscribe", "82 00", "a packet that only clients send", false },
        { "pingreq", "c0 00", "a packet that only clients send", false },
        { "disconnect", "e0 00", "a packet that only clients send", false },
        { "qos 2", "34 05 0001 't' 0001", "PUBLISH with QoS 2, which is not offered", false },
        { "qos 3", "36 05 0001 't' 0001", "PUBLISH with QoS 3", false },
        { "pubrec", "50 02 0001", "a packet of QoS 2, which is not offered", false },
        { "reserved", "f0 00", "a reserved packet type", false },
        { "zero type", "00 00", "a reserved packet type", false },
        { "wildcard", "30 03 0001 '#'", "PUBLISH to an empty topic, or one with wildcards", false },
        { "no id", "32 05 0001 't' 0000", "PUBLISH without a packet id", false },
        { "puback id", "40 02 0000", "PUBACK without a packet id", false },
        { "puback long", "40 03 000100", "PUBACK without a packet id", false },
        { "suback unasked", "90 03 0001 01", NULL, false },
        { "suback code", "90 03 0001 03", "SUBACK with a reserved code", false },
        { "suback empty", "90 02 0001", "SUBACK without a packet id, or without a code", false },
        { "unsuback", "b0 02 0001", "an UNSUBACK that nobody waits for", false },
        { "pingresp body", "d0 01 00", "bytes in a packet that has none", false },
        { "too large", "30 ffff7f", "a packet is too large", false },
        { "long length", "30 ffffffff7f", "a remaining length of more than four bytes", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct still s;
        struct sk_err err = SK_ERR_INIT;
        char wanted[200];

        still_init(&s, NULL);
        assert_int_equal(still_connect(&s, &err), 0);
        if (!rows[i].is_early)
            still_send(&s, STILL_CONNACK);
        s.log.text[0] = '\0';
        still_send(&s, rows[i].bytes);
        if (rows[i].why)
            (void)snprintf(wanted, sizeof wanted, "down:0:the server has sent %s", rows[i].why);
        else
            (void)snprintf(wanted, sizeof wanted,
                           "down:0:the server has sent a SUBACK that nobody waits for");
        if (strcmp(s.log.text, wanted) != 0)
            fail_msg("%s: '%s'", rows[i].name, s.log.text);
        still_done(&s);
    }
}

static void refusals(void **state)
{
    (void)state;
    for (int code = 1; code <= 5; code++) {
        struct still s;
        struct sk_err err = SK_ERR_INIT;
        char bytes[16], wanted[16];

        still_init(&s, NULL);
        assert_int_equal(still_connect(&s, &err), 0);
        (void)snprintf(bytes, sizeof bytes, "20 02 00 %02x", code);
        still_send(&s, bytes);
        (void)snprintf(wanted, sizeof wanted, "CONNACK %d)", code);
        assert_int_equal(atomic_load(&s.log.refusal), code);
        assert_int_equal(atomic_load(&s.log.downs), 1);
        assert_true(strstr(s.log.text, wanted) || code == 5);
        still_done(&s);
    }
}

static void what_connect_says(void **state)
{
    static const struct {
        const char *password, *bytes;
        bool is_clean;
        uint16_t keep_alive_s;
    } rows[] = {
        { "secret", STILL_CONNECT, false, 0 },
        { NULL, "10 13 0004 'MQTT' 04 82 000a 0001 'c' 0004 'user'", true, 10 },
        { "", "10 15 0004 'MQTT' 04 c2 003c 0001 'c' 0004 'user' 0000", true, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct still s;
        struct sk_err err = SK_ERR_INIT;
        const struct sk_mqtt_line_options o = { .is_clean = rows[i].is_clean,
                                                .keep_alive_s = rows[i].keep_alive_s };

        still_init(&s, &o);
        s.log.password = rows[i].password;
        assert_int_equal(still_connect(&s, &err), 0);
        still_expect(&s, rows[i].bytes);
        still_send(&s, "20 02 01 00");
        still_log(&s, "up+");
        still_done(&s);
    }
}

/* Eight filters in a SUBSCRIBE, one SUBSCRIBE after the other; up after the last SUBACK. */
static void many_filters(void **state)
{
    static const char *const filters[] = { "1", "2", "3", "4", "5", "6", "7", "8", "9", NULL };
    const struct sk_mqtt_line_options o = { .filters = filters };
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_init(&s, &o);
    assert_int_equal(still_connect(&s, &err), 0);
    still_expect(&s, STILL_CONNECT);
    still_send(&s, STILL_CONNACK);
    still_expect(&s, "82 22 0001 0001'1'01 0001'2'01 0001'3'01 0001'4'01 0001'5'01 0001'6'01 "
                     "0001'7'01 0001'8'01");
    assert_int_equal(sk_mqtt_line_subscribe(s.line, "new", &err), 0);
    still_rounds(&s);
    still_expect(&s, "");
    still_send(&s, "30 04 0001 'e' 'x'"); /* may come before the SUBACK */
    still_log(&s, "message:e=x");
    still_send(&s, "90 0a 0001 0101010101010101");
    still_expect(&s, "82 0c 0002 0001'9'01 0003'new'01");
    still_log(&s, "");
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"), SK_VIEW(""), 0, 0, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    still_send(&s, "90 04 0002 0100"); /* less QoS is taken too */
    still_log(&s, "up");
    still_send(&s, "90 04 0002 0101"); /* once */
    still_log(&s, "down:0:the server has sent a SUBACK that nobody waits for");
    assert_int_equal(still_connect(&s, &err), 0);
    still_expect(&s, STILL_CONNECT);
    still_send(&s, STILL_CONNACK);
    still_expect(&s, "82 22 0003 0001'1'01 0001'2'01 0001'3'01 0001'4'01 0001'5'01 0001'6'01 "
                     "0001'7'01 0001'8'01");
    still_send(&s, "90 0a 0003 0101800101010101");
    still_log(&s, "down:0:the server refuses the subscription to '3'");
    still_done(&s);
}

/* Acknowledgements in any order, each told once; what was not acknowledged is told before down. */
static void acknowledgements(void **state)
{
    const struct sk_mqtt_line_options o = { .max_inflight = 3 };
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_up(&s, &o);
    still_publish(&s, "t", "a", 1, 100);
    still_publish(&s, "t", "b", 0, 55);
    still_publish(&s, "t", "c", 1, 100); /* tokens are the caller's */
    still_publish(&s, "t", "d", 1, 102);
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"), SK_VIEW("e"), 1, 103, &err), -1);
    assert_int_equal(err.code, SK_BUSY);
    still_publish(&s, "t", "f", 0, 0); /* QoS 0 needs no place */
    still_rounds(&s);
    still_expect(&s, "32 06 0001 't' 0001 'a' 30 04 0001 't' 'b' 32 06 0001 't' 0002 'c' "
                     "32 06 0001 't' 0003 'd' 30 04 0001 't' 'f'");
    assert_int_equal(atomic_load(&s.log.writables), 0);
    still_send(&s, "40 02 0002");
    still_log(&s, "acked:100");
    assert_int_equal(atomic_load(&s.log.writables), 0); /* its place is behind the first */
    still_send(&s, "40 02 0002 40 02 0009");            /* again, and nobody's */
    still_log(&s, "");
    still_send(&s, "40 02 0001");
    still_log(&s, "acked:100");
    assert_int_equal(atomic_load(&s.log.writables), 1);
    still_publish(&s, "t", "g", 1, 104);
    still_close_peer(&s);
    still_log(&s, "lost:102 lost:104 down:0:the server has closed the connection");
    assert_null(s.line->sent);
    still_done(&s);
}

/* Ids go round, past zero, and past the one of a SUBSCRIBE that is not answered. */
static void ids_go_round(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_up(&s, NULL);
    assert_int_equal(sk_mqtt_line_subscribe(s.line, "f", &err), 0);
    still_rounds(&s);
    still_expect(&s, "82 06 0001 0001 'f' 01");
    s.line->next_id = 65534;
    still_publish(&s, "t", "", 1, 1);
    still_publish(&s, "t", "", 1, 2);
    still_rounds(&s);
    still_expect(&s, "32 05 0001 't' ffff 32 05 0001 't' 0002");
    still_send(&s, "40 02 0002 40 02 ffff");
    still_log(&s, "acked:2 acked:1");
    still_done(&s);
}

/* PUBACKs leave in the order of the messages; as many as max_inflight wait, then nothing is read.
 */
static void inbound(void **state)
{
    const struct sk_mqtt_line_options o = { .max_inflight = 2 };
    struct still s;

    (void)state;
    still_up(&s, &o);
    atomic_store(&s.log.keeps_puback, true);
    still_send(&s, "32 06 0001 'a' 0007 'x' 32 06 0001 'b' 0008 'y' 32 06 0001 'c' 0009 'z' d0 00");
    still_log(&s, "message:a=x message:b=y");
    still_send(&s, "30 04 0001 'q' 'q'");
    still_log(&s, "");
    sk_mqtt_line_puback(s.line, 8);
    sk_mqtt_line_puback(s.line, 99);
    still_rounds(&s);
    still_expect(&s, "");
    sk_mqtt_line_puback(s.line, 7);
    still_rounds(&s);
    still_expect(&s, "40 02 0007 40 02 0008");
    still_log(&s, "message:c=z message:q=q");
    still_send(&s, "3a 06 0001 'c' 0009 'z'"); /* again: told once, acknowledged twice */
    still_log(&s, "");
    sk_mqtt_line_puback(s.line, 9);
    still_rounds(&s);
    still_expect(&s, "40 02 0009 40 02 0009");
    assert_null(s.line->inbound);
    still_done(&s);
}

/* A PINGREQ after a keep-alive without a word from either side; lost after half as much again. */
static void keep_alive(void **state)
{
    const struct sk_mqtt_line_options o = { .keep_alive_s = 60 };
    struct still s;

    (void)state;
    still_up(&s, &o);
    still_pass(&s, 59999);
    still_expect(&s, "");
    still_pass(&s, 1);
    still_expect(&s, "c0 00");
    still_send(&s, "d0 00");
    still_pass(&s, 30000);
    still_publish(&s, "t", "", 0, 0); /* we speak, it does not */
    still_rounds(&s);
    still_expect(&s, "30 03 0001 't'");
    still_pass(&s, 29999);
    still_expect(&s, "");
    still_pass(&s, 1);
    still_expect(&s, "c0 00");
    still_pass(&s, 29999);
    still_log(&s, "");
    still_expect(&s, "");
    still_pass(&s, 1);
    still_log(&s, "down:0:the server is silent: the keep-alive is over");
    still_done(&s);
}

/* What is not read has its silence forgiven, but the server still hears of us. */
static void keep_alive_while_held(void **state)
{
    const struct sk_mqtt_line_options o = { .max_inflight = 1, .keep_alive_s = 60 };
    struct still s;

    (void)state;
    still_up(&s, &o);
    atomic_store(&s.log.keeps_puback, true);
    still_send(&s, "32 06 0001 'a' 0007 'x'");
    still_log(&s, "message:a=x");
    for (int i = 0; i < 5; i++) {
        still_pass(&s, 60000);
        still_expect(&s, "c0 00");
        still_log(&s, "");
    }
    sk_mqtt_line_puback(s.line, 7);
    still_rounds(&s);
    still_expect(&s, "40 02 0007");
    still_pass(&s, 60000);
    still_expect(&s, "c0 00");
    still_pass(&s, 30000);
    still_log(&s, "down:0:the server is silent: the keep-alive is over");
    still_done(&s);
}

static void bad_publishes(void **state)
{
    static const char *const topics[] = { "", "a/#", "+", "\xff", "a\xc0\x80" };
    static const char *const filters[] = { "", "a#", "a/#/b", "\xff" };
    struct sk_err err = SK_ERR_INIT;
    struct still s;

    (void)state;
    still_up(&s, NULL);
    for (size_t i = 0; i < sizeof topics / sizeof *topics; i++) {
        err.code = SK_OK;
        assert_int_equal(
            sk_mqtt_line_publish(s.line, sk_view_of(topics[i]), SK_VIEW("x"), 1, 1, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
        err.code = SK_OK;
        assert_int_equal(sk_mqtt_line_subscribe(s.line, filters[i], &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    const struct sk_view vast = { "x", (size_t)1 << 28 };
    assert_int_equal(sk_mqtt_line_publish(s.line, SK_VIEW("t"), vast, 1, 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    for (unsigned i = 0; i < SK_CLIENT_FILTERS; i++) {
        char filter[16];
        (void)snprintf(filter, sizeof filter, "f%u", i);
        assert_int_equal(sk_mqtt_line_subscribe(s.line, filter, &err), 0);
    }
    assert_int_equal(sk_mqtt_line_subscribe(s.line, "f0", &err), 0);
    assert_int_equal(sk_mqtt_line_subscribe(s.line, "more", &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    still_done(&s);
}

/* A login, messages both ways and a loss, once for each allocation that fails. */
static int run_all(void *ctx, struct sk_err *err)
{
    static const char *const filters[] = { "f", NULL };
    const struct sk_mqtt_line_options o = { .filters = filters };
    struct still s;
    int rc = -1;

    (void)ctx;
    if (still_make(&s, &o, err) == 0 && still_connect(&s, err) == 0) {
        static const char *const steps[] = { STILL_CONNACK, "90 03 0001 01",
                                             "32 06 0001 'a' 0007 'x' 30 04 0001", "'b' 'y'",
                                             "40 02 0002" };
        rc = 0;
        for (size_t i = 0; i < sizeof steps / sizeof *steps && s.line->link; i++) {
            still_send(&s, steps[i]);
            if (i == 1 && s.line->link &&
                sk_mqtt_line_publish(s.line, SK_VIEW("t"), SK_VIEW("x"), 1, 1, err) < 0)
                rc = -1;
        }
        if (strstr(s.log.text, "out of memory"))
            rc = sk_nomem(err);
        else if (rc == 0)
            assert_string_equal(s.log.text, "up message:a=x message:b=y acked:1");
    }
    still_done(&s);
    return rc;
}

static void without_memory(void **state)
{
    (void)state;
    /* DISCONNECT is left out when it has no memory */
    assert_true(sk_alloc_sweep("line", run_all, NULL, SK_ALLOC_MAY_SURVIVE) > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_packets),
        cmocka_unit_test(refusals),
        cmocka_unit_test(what_connect_says),
        cmocka_unit_test(many_filters),
        cmocka_unit_test(acknowledgements),
        cmocka_unit_test(ids_go_round),
        cmocka_unit_test(inbound),
        cmocka_unit_test(keep_alive),
        cmocka_unit_test(keep_alive_while_held),
        cmocka_unit_test(bad_publishes),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
