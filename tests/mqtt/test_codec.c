/*
 * test_codec.c - packets from bytes: a row for each of the standard's statements that a server
 * checks in a packet, by its number; then the same in any pieces, and the bounds.
 */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    MAX_PACKET = 200000
};

/* Cuts and parses one packet. NULL, or why not; *complete: it was whole. */
static const char *parse_one(struct sk_mqtt_cutter *k, const unsigned char *bytes, size_t len,
                             bool *complete, enum sk_mqtt_connack *refusal)
{
    struct sk_mqtt_packet p;
    struct sk_mqtt_connect connect;
    struct sk_mqtt_message m;
    struct sk_mqtt_filters f;
    const char *why = NULL;
    uint16_t id;
    size_t used = 0;
    int rc = sk_mqtt_cut(k, bytes, len, &used, &p, &why);

    *complete = rc == 1;
    *refusal = SK_MQTT_ACCEPTED;
    if (rc <= 0)
        return rc < 0 ? why : NULL;
    assert_int_equal(used, len);
    switch (p.type) {
    case SK_PACKET_CONNECT:
        return sk_mqtt_parse_connect(&p, &connect, refusal);
    case SK_PACKET_PUBLISH:
        return sk_mqtt_parse_publish(&p, &m);
    case SK_PACKET_PUBACK:
        return sk_mqtt_parse_id(&p, &id);
    case SK_PACKET_SUBSCRIBE:
    case SK_PACKET_UNSUBSCRIBE:
        return sk_mqtt_parse_filters(&p, &f);
    default:
        return sk_mqtt_parse_empty(&p);
    }
}

#define HELLO "0004 'MQTT' 04 "

/* why: a part of the reason; NULL: well-formed; "...": not whole. */
static const struct {
    const char *statement, *bytes, *why;
    enum sk_mqtt_connack refusal;
} rows[] = {
    /* text */
    { "1.5.3-1 surrogate", "30 06 0003 eda080 00", "UTF-8", 0 },
    { "1.5.3-1 overlong", "30 05 0002 c0af 00", "UTF-8", 0 },
    { "1.5.3-1 cut off", "30 04 0001 c3 00", "UTF-8", 0 },
    { "1.5.3-2 U+0000", "30 05 0003 'a' 00 'b'", "UTF-8", 0 },
    { "1.5.3-2 U+0000 in a client id", "10 0d " HELLO "02 003c 0001 00", "client id", 0 },
    { "1.5.3-3 a BOM is kept", "30 05 0003 efbbbf", NULL, 0 },
    { "control characters are taken", "30 03 0001 01", NULL, 0 },
    /* the fixed header */
    { "2.2 type 0", "00 00", "reserved packet type", 0 },
    { "2.2 type 15", "f0 00", "reserved packet type", 0 },
    { "2.2.2-2 CONNECT flags", "11 00", "reserved flags", 0 },
    { "2.2.2-2 PUBACK flags", "42 02 0001", "reserved flags", 0 },
    { "2.2.2-2 PINGREQ flags", "c1 00", "reserved flags", 0 },
    { "3.14.1-1 DISCONNECT flags", "e1 00", "reserved flags", 0 },
    { "3.8.1-1 SUBSCRIBE flags", "80 06 0001 0001 'a' 00", "reserved flags", 0 },
    { "3.8.1-1 SUBSCRIBE flags 3", "83 06 0001 0001 'a' 00", "reserved flags", 0 },
    { "3.10.1-1 UNSUBSCRIBE flags", "a0 05 0001 0001 'a'", "reserved flags", 0 },
    { "CONNACK to a server", "20 02 00 00", "only servers send", 0 },
    { "SUBACK to a server", "90 03 0001 00", "only servers send", 0 },
    { "UNSUBACK to a server", "b0 02 0001", "only servers send", 0 },
    { "PINGRESP to a server", "d0 00", "only servers send", 0 },
    { "PUBREC", "50 02 0001", "QoS 2", 0 },
    { "PUBREL", "62 02 0001", "QoS 2", 0 },
    { "PUBCOMP", "70 02 0001", "QoS 2", 0 },
    { "2.2.3 five bytes of length", "30 80 80 80 80 01", "remaining length", 0 },
    { "2.2.3 not yet whole", "30 80 80", "...", 0 },
    { "2.2.3 a length in two bytes", "c0 80 00", NULL, 0 },
    /* packet ids */
    { "2.3.1-1 PUBLISH id 0", "32 05 0001 'a' 0000", "packet id", 0 },
    { "2.3.1-1 PUBLISH without id", "32 04 0001 'a' 00", "packet id", 0 },
    { "2.3.1-1 SUBSCRIBE id 0", "82 06 0000 0001 'a' 00", "packet id", 0 },
    { "2.3.1-1 UNSUBSCRIBE id 0", "a2 05 0000 0001 'a'", "packet id", 0 },
    { "2.3.1-1 PUBACK id 0", "40 02 0000", "packet id", 0 },
    { "2.3.1-5 QoS 0 has no id", "30 03 0001 'a'", NULL, 0 },
    { "3.4 PUBACK", "40 02 0001", NULL, 0 },
    { "3.4 PUBACK too long", "40 03 0001 00", "packet id", 0 },
    { "3.4 PUBACK too short", "40 01 00", "packet id", 0 },
    /* CONNECT */
    { "3.1 the least", "10 0d " HELLO "02 003c 0001 'c'", NULL, 0 },
    { "3.1.2-1 other name", "10 0d 0004 'MQTX' 04 02 003c 0001 'c'", "protocol name", 0 },
    { "3.1.2-1 in lower case", "10 0d 0004 'mqtt' 04 02 003c 0001 'c'", "protocol name", 0 },
    { "3.1.2-1 MQTT 3.1", "10 0f 0006 'MQIsdp' 03 02 003c 0001 'c'", "protocol name", 0 },
    { "3.1.2-2 level 3", "10 0d 0004 'MQTT' 03 02 003c 0001 'c'", "level", 1 },
    { "3.1.2-2 MQTT 5", "10 0e 0004 'MQTT' 05 02 003c 00 0001 'c'", "level", 1 },
    { "3.1.2-3 reserved flag", "10 0d " HELLO "03 003c 0001 'c'", "reserved flag", 0 },
    { "3.1.2-11 will without fields", "10 0d " HELLO "06 003c 0001 'c'", "will topic", 0 },
    { "3.1.2-13 will QoS, no will", "10 0d " HELLO "0a 003c 0001 'c'", "without one", 0 },
    { "3.1.2-14 will QoS 3", "10 13 " HELLO "1e 003c 0001 'c' 0001 't' 0001 'm'", "QoS 2 or 3", 0 },
    { "will QoS 2", "10 13 " HELLO "16 003c 0001 'c' 0001 't' 0001 'm'", "QoS 2 or 3", 0 },
    { "3.1.2-15 will retain, no will", "10 0d " HELLO "22 003c 0001 'c'", "without one", 0 },
    { "3.1.2-9 a will", "10 13 " HELLO "2e 003c 0001 'c' 0001 't' 0001 'm'", NULL, 0 },
    { "3.1.2-9 an empty will message", "10 12 " HELLO "06 003c 0001 'c' 0001 't' 0000", NULL, 0 },
    { "3.1.3-10 will topic not UTF-8", "10 12 " HELLO "06 003c 0001 'c' 0001 ff 0000", "will topic",
      0 },
    { "4.7.1-1 wildcard in the will", "10 12 " HELLO "06 003c 0001 'c' 0001 '+' 0000", "will topic",
      0 },
    { "4.7.3-1 empty will topic", "10 11 " HELLO "06 003c 0001 'c' 0000 0000", "will topic", 0 },
    { "will without a message", "10 10 " HELLO "06 003c 0001 'c' 0001 't'", "will message", 0 },
    { "3.1.2-19 user name", "10 10 " HELLO "82 003c 0001 'c' 0001 'u'", NULL, 0 },
    { "3.1.2-19 user name missing", "10 0d " HELLO "82 003c 0001 'c'", "user name", 0 },
    { "3.1.3-11 user name not UTF-8", "10 10 " HELLO "82 003c 0001 'c' 0001 ff", "user name", 0 },
    { "3.1.2-21 password", "10 13 " HELLO "c2 003c 0001 'c' 0001 'u' 0001 ff", NULL, 0 },
    { "3.1.2-21 password missing", "10 10 " HELLO "c2 003c 0001 'c' 0001 'u'", "password", 0 },
    { "3.1.2-22 password alone", "10 10 " HELLO "42 003c 0001 'c' 0001 'p'", "without a user", 0 },
    { "3.1.2-18 user name unannounced", "10 10 " HELLO "02 003c 0001 'c' 0001 'u'", "behind", 0 },
    { "3.1.3-3 no client id", "10 0a " HELLO "02 003c", "client id", 0 },
    { "3.1.3-4 client id not UTF-8", "10 0d " HELLO "02 003c 0001 ff", "client id", 0 },
    { "3.1.3-6 empty id, clean", "10 0c " HELLO "02 003c 0000", NULL, 0 },
    { "3.1.3-8 empty id, kept", "10 0c " HELLO "00 003c 0000", "empty client id", 2 },
    { "cut off behind the level", "10 07 " HELLO, "cut off", 0 },
    { "cut off in the keep-alive", "10 09 " HELLO "02 00", "cut off", 0 },
    { "empty", "10 00", "protocol name", 0 },
    /* PUBLISH */
    { "3.3.1-2 DUP with QoS 0", "38 03 0001 'a'", "DUP", 0 },
    { "3.3.1-1 DUP with QoS 1", "3a 05 0001 'a' 0001", NULL, 0 },
    { "3.3.1-4 QoS 3", "36 05 0001 'a' 0001", "QoS 3", 0 },
    { "QoS 2", "34 05 0001 'a' 0001", "QoS 2", 0 },
    { "retain", "31 03 0001 'a'", NULL, 0 },
    { "3.3.2-1 no topic", "30 00", "topic", 0 },
    { "3.3.2-1 topic longer than the packet", "30 03 0002 'a'", "topic", 0 },
    { "3.3.2-2 topic with +", "30 05 0003 'a/+'", "wildcards", 0 },
    { "3.3.2-2 topic with #", "30 05 0003 'a/#'", "wildcards", 0 },
    { "4.7.3-1 empty topic", "30 02 0000", "empty topic", 0 },
    { "4.7.3 a topic of one slash", "30 03 0001 '/'", NULL, 0 },
    { "3.3.3 no payload", "32 05 0001 'a' 0001", NULL, 0 },
    /* SUBSCRIBE and UNSUBSCRIBE */
    { "3.8", "82 06 0001 0001 'a' 01", NULL, 0 },
    { "QoS 2 may be asked for", "82 06 0001 0001 'a' 02", NULL, 0 },
    { "3-8.3-4 QoS 3", "82 06 0001 0001 'a' 03", "valid QoS", 0 },
    { "3-8.3-4 reserved bits", "82 06 0001 0001 'a' 04", "valid QoS", 0 },
    { "3.8.3-1 filter not UTF-8", "82 06 0001 0001 ff 00", "UTF-8", 0 },
    { "3.8.3-2 wildcards", "82 0b 0001 0006 '+/a/#' 00 00", "UTF-8", 0 },
    { "3.8.3-3 no filter", "82 02 0001", "without a filter", 0 },
    { "3.8.3 no QoS", "82 05 0001 0001 'a'", "valid QoS", 0 },
    { "3.8.3 filter cut off", "82 04 0001 0001", "UTF-8", 0 },
    { "3.10", "a2 05 0001 0001 'a'", NULL, 0 },
    { "3.10.3-1 filter not UTF-8", "a2 05 0001 0001 ff", "UTF-8", 0 },
    { "3.10.3-2 no filter", "a2 02 0001", "without a filter", 0 },
    { "4.7.3-1 empty filter", "a2 04 0001 0000", "malformed", 0 },
    /* PINGREQ, DISCONNECT */
    { "3.12", "c0 00", NULL, 0 },
    { "3.12 with a body", "c0 01 00", "that has none", 0 },
    { "3.14", "e0 00", NULL, 0 },
    { "3.14 with a body", "e0 01 00", "that has none", 0 },
};

static void check_row(size_t i, bool in_pieces)
{
    struct sk_mqtt_cutter k;
    unsigned char bytes[256];
    size_t len = rig_bytes(rows[i].bytes, bytes, sizeof bytes);
    bool complete = false;
    enum sk_mqtt_connack refusal = SK_MQTT_ACCEPTED;
    const char *why = NULL;

    sk_mqtt_cutter_init(&k, MAX_PACKET);
    k.expects_connect = false;
    if (!in_pieces)
        why = parse_one(&k, bytes, len, &complete, &refusal);
    for (size_t at = 0; in_pieces && at < len && !why; at++)
        why = parse_one(&k, bytes + at, 1, &complete, &refusal);
    const char *wanted = rows[i].why;
    bool is_whole = !wanted || strcmp(wanted, "...") != 0;
    if ((wanted && is_whole ? !why || !strstr(why, wanted) : why || complete != is_whole) ||
        refusal != rows[i].refusal)
        fail_msg("row '%s': %s, refusal %d", rows[i].statement, why ? why : "accepted",
                 (int)refusal);
    sk_mqtt_cutter_done(&k);
}

static void test_statements(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        check_row(i, false);
        check_row(i, true);
    }
}

/* 4.7.1-2, 4.7.1-3 */
static void test_filters(void **state)
{
    static const struct {
        const char *filter;
        bool is_valid;
    } filters[] = {
        { "#", true },     { "+", true },     { "a/#", true },     { "a/+/b", true },
        { "+/+", true },   { "/+", true },    { "/", true },       { "$iothub/#", true },
        { "a//b", true },  { "a#", false },   { "#/a", false },    { "a/#/b", false },
        { "a+", false },   { "+a", false },   { "a/b+/c", false }, { "a/+b", false },
        { "##", false },   { "++", false },   { "+#", false },     { "a/##", false },
        { "+/a/#", true }, { "a/+/#", true }, { "#+", false },     { "/#", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof filters / sizeof filters[0]; i++) {
        unsigned char bytes[64] = { 0, 1, 0, (unsigned char)strlen(filters[i].filter) };
        struct sk_mqtt_filters f;

        memcpy(bytes + 4, filters[i].filter, bytes[3]);
        struct sk_mqtt_packet p = { SK_PACKET_UNSUBSCRIBE, 2, { (char *)bytes, 4u + bytes[3] } };
        if ((sk_mqtt_parse_filters(&p, &f) == NULL) != filters[i].is_valid)
            fail_msg("filter '%s'", filters[i].filter);
    }
}

static void test_fields(void **state)
{
    unsigned char bytes[256];
    struct sk_mqtt_connect c;
    struct sk_mqtt_message m;
    struct sk_mqtt_filters f;
    enum sk_mqtt_connack refusal;
    struct sk_mqtt_packet p = { SK_PACKET_CONNECT, 0, { (char *)bytes, 0 } };

    (void)state;
    p.body.len = rig_bytes(HELLO "ec 0102 0002 'id' 0001 't' 0003 'pay' 0004 'user' 0002 'pw'",
                           bytes, sizeof bytes);
    assert_null(sk_mqtt_parse_connect(&p, &c, &refusal));
    assert_true(sk_view_eq(c.client_id, "id") && sk_view_eq(c.will_topic, "t") &&
                sk_view_eq(c.will_payload, "pay") && sk_view_eq(c.username, "user") &&
                sk_view_eq(c.password, "pw"));
    assert_true(c.has_will && c.will_retain && c.has_username && c.has_password && !c.is_clean);
    assert_int_equal(c.will_qos, 1);
    assert_int_equal(c.keep_alive_s, 0x102);

    p = (struct sk_mqtt_packet){ SK_PACKET_PUBLISH, 11, { (char *)bytes, 0 } };
    p.body.len = rig_bytes("0003 'a/b' 1234 'xyz'", bytes, sizeof bytes);
    assert_null(sk_mqtt_parse_publish(&p, &m));
    assert_true(sk_view_eq(m.topic, "a/b") && sk_view_eq(m.payload, "xyz") && m.dup && m.retain);
    assert_int_equal(m.qos, 1);
    assert_int_equal(m.id, 0x1234);

    p = (struct sk_mqtt_packet){ SK_PACKET_SUBSCRIBE, 2, { (char *)bytes, 0 } };
    p.body.len = rig_bytes("0009 0001 'a' 01 0003 'b/#' 02", bytes, sizeof bytes);
    assert_null(sk_mqtt_parse_filters(&p, &f));
    assert_int_equal(f.id, 9);
    assert_int_equal(f.count, 2);
    assert_true(sk_view_eq(f.topic[1], "b/#") && f.qos[0] == 1 && f.qos[1] == 2);
}

static void test_filter_count(void **state)
{
    unsigned char bytes[4 * (SK_MQTT_FILTERS_MAX + 1) + 2] = { 0, 1 };
    struct sk_mqtt_filters f;

    (void)state;
    for (size_t i = 2; i < sizeof bytes; i += 4)
        memcpy(bytes + i, "\0\1a", 4);
    struct sk_mqtt_packet p = { SK_PACKET_SUBSCRIBE, 2, { (char *)bytes, sizeof bytes - 4 } };
    assert_null(sk_mqtt_parse_filters(&p, &f));
    assert_int_equal(f.count, SK_MQTT_FILTERS_MAX);
    p.body.len += 4;
    assert_non_null(strstr(sk_mqtt_parse_filters(&p, &f), "too many"));
}

/* A length field of n for a packet of the type; returns what the cutter says of it. */
static int cut_length(unsigned first, bool expects_connect, size_t body)
{
    struct sk_mqtt_cutter k;
    struct sk_mqtt_packet p;
    unsigned char bytes[5] = { (unsigned char)first, (unsigned char)(body & 127) | 128,
                               (unsigned char)(body >> 7 & 127) | 128,
                               (unsigned char)(body >> 14 & 127) | 128,
                               (unsigned char)(body >> 21) };
    const char *why = NULL;
    size_t used;

    sk_mqtt_cutter_init(&k, MAX_PACKET);
    k.expects_connect = expects_connect;
    int rc = sk_mqtt_cut(&k, bytes, sizeof bytes, &used, &p, &why);
    if (rc < 0 && !strstr(why, "too large"))
        fail_msg("%zu: %s", body, why);
    sk_mqtt_cutter_done(&k);
    return rc;
}

static void test_sizes(void **state)
{
    struct sk_mqtt_cutter k;
    struct sk_mqtt_packet p;
    const char *why = NULL;
    size_t used;

    (void)state;
    assert_int_equal(cut_length(0x30, false, MAX_PACKET - 5), 0);
    assert_int_equal(cut_length(0x30, false, MAX_PACKET - 4), -1);
    assert_int_equal(cut_length(0x10, true, SK_MQTT_CONNECT_BYTES - 5), 0);
    assert_int_equal(cut_length(0x10, true, SK_MQTT_CONNECT_BYTES - 4), -1);
    assert_int_equal(cut_length(0x30, false, 268435455), -1);
    /* 3.1.0-1: refused by its first byte */
    sk_mqtt_cutter_init(&k, MAX_PACKET);
    assert_int_equal(sk_mqtt_cut(&k, "\x30", 1, &used, &p, &why), -1);
    assert_non_null(strstr(why, "no CONNECT"));
    sk_mqtt_cutter_done(&k);
}

/* Several packets, cut at each pair of places. */
static void test_pieces(void **state)
{
    unsigned char bytes[64];
    size_t len = rig_bytes("30 05 0001 'a' 'xy' c0 00 32 07 0001 'b' 0007 'zz' 40 02 0001", bytes,
                           sizeof bytes);

    static const enum sk_mqtt_type types[] = { SK_PACKET_PUBLISH, SK_PACKET_PINGREQ,
                                               SK_PACKET_PUBLISH, SK_PACKET_PUBACK };

    (void)state;
    for (size_t a = 0; a <= len; a++)
        for (size_t b = a; b <= len; b++) {
            const size_t ends[] = { a, b, len };
            struct sk_mqtt_cutter k;
            struct sk_mqtt_packet p;
            const char *why = NULL;
            size_t at = 0, count = 0, used;

            sk_mqtt_cutter_init(&k, MAX_PACKET);
            k.expects_connect = false;
            for (size_t i = 0; i < 3; i++)
                for (int rc = 1; rc == 1; at += used) {
                    rc = sk_mqtt_cut(&k, bytes + at, ends[i] - at, &used, &p, &why);
                    if (rc < 0 || (rc == 1 && (count > 3 || p.type != types[count])))
                        fail_msg("%zu %zu: packet %zu", a, b, count);
                    count += rc == 1;
                }
            assert_int_equal(count, 4);
            assert_int_equal(at, len);
            assert_null(k.part.data); /* between packets there is no memory */
            sk_mqtt_cutter_done(&k);
        }
}

/* What a server sends, and what it must not. */
static void test_of_server(void **state)
{
    static const struct {
        const char *bytes, *why;
        unsigned code; /* of CONNACK; the id of SUBACK */
        bool session_present;
    } answers[] = {
        { "20 02 00 00", NULL, 0, false },
        { "20 02 01 00", NULL, 0, true },
        { "20 02 00 05", NULL, 5, false },
        { "20 02 01 05", "a refusal and a session", 0, false },
        { "20 02 02 00", "reserved", 0, false },
        { "20 02 00 06", "reserved", 0, false },
        { "20 01 00", "another length", 0, false },
        { "20 03 00 00 00", "another length", 0, false },
        { "22 02 00 00", "reserved flags", 0, false },
        { "90 03 0007 00", NULL, 7, false },
        { "90 06 0007 00 01 02 80", NULL, 7, false },
        { "90 03 0007 03", "a reserved code", 0, false },
        { "90 03 0000 00", "without a packet id", 0, false },
        { "90 02 0007", "without a code", 0, false },
        { "90 01 00", "without a packet id", 0, false },
        { "82 06 0001 0001 'f' 01", "only clients send", 0, false },
        { "34 05 0001 't' 0001", "QoS 2", 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct sk_mqtt_cutter k;
        struct sk_mqtt_packet p;
        unsigned char bytes[100];
        size_t len = rig_bytes(answers[i].bytes, bytes, sizeof bytes), used;
        enum sk_mqtt_connack code = SK_MQTT_ACCEPTED;
        struct sk_view codes = { NULL, 0 };
        bool session_present = false;
        uint16_t id = 0;
        const char *why = NULL;

        sk_mqtt_cutter_init_client(&k, MAX_PACKET);
        if (sk_mqtt_cut(&k, bytes, len, &used, &p, &why) == 1)
            why = p.type == SK_PACKET_CONNACK ? sk_mqtt_parse_connack(&p, &code, &session_present)
                                              : sk_mqtt_parse_suback(&p, &id, &codes);
        bool is_right = answers[i].why ? why && strstr(why, answers[i].why)
                                       : !why && code + id == answers[i].code &&
                                             session_present == answers[i].session_present &&
                                             (id == 0 || codes.len == len - 4);
        if (!is_right)
            fail_msg("%s: %s", answers[i].bytes, why ? why : "taken");
        sk_mqtt_cutter_done(&k);
    }
}

/* What a packet was gathered in is given back when it is done with. */
static void test_release(void **state)
{
    struct sk_mqtt_cutter k;
    struct sk_mqtt_packet p;
    const char *why;
    size_t used;

    (void)state;
    sk_mqtt_cutter_init_client(&k, MAX_PACKET);
    assert_int_equal(sk_mqtt_cut(&k, "\xd0", 1, &used, &p, &why), 0);
    sk_mqtt_cutter_release(&k);
    assert_int_equal(sk_mqtt_cut(&k, "", 1, &used, &p, &why), 1);
    assert_non_null(k.part.data);
    sk_mqtt_cutter_release(&k);
    assert_null(k.part.data);
    sk_mqtt_cutter_done(&k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statements), cmocka_unit_test(test_filters),
        cmocka_unit_test(test_fields),     cmocka_unit_test(test_filter_count),
        cmocka_unit_test(test_sizes),      cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_of_server),  cmocka_unit_test(test_release),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
