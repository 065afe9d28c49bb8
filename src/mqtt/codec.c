/*
 * codec.c - MQTT 3.1.1 packets from bytes (OASIS standard of 29 October 2014, sections 2 and 3).
 *
 *     first byte: type << 4 | flags     remaining length: 1 to 4 bytes, 7 bits each, low first
 *     then so many bytes: the variable header and the payload
 *
 * What a server must refuse is refused here, and what a client must; with the reason as static
 * text. The numbers beside the checks are those of the standard's normative statements. A packet
 * whose first byte or length is wrong is refused before its body has come.
 */
#include "mqtt/mqtt_priv.h"

#include <string.h>

static const char no_memory[] = "out of memory";

/* ---- the fixed header ---- */

/* 2.2.2-1, 2.2.2-2: reserved flags. */
static const char *check_first(unsigned byte)
{
    unsigned flags = byte & 15, qos = flags >> 1 & 3;

    switch (byte >> 4) {
    case SK_PACKET_PUBLISH:
        if (qos == 3)
            return "PUBLISH with QoS 3"; /* 3.3.1-4 */
        if (qos == 2)
            return "PUBLISH with QoS 2, which is not offered";
        return qos == 0 && (flags & 8) ? "PUBLISH with QoS 0 and DUP" : NULL; /* 3.3.1-2 */
    case SK_PACKET_SUBSCRIBE:                                                 /* 3.8.1-1 */
    case SK_PACKET_UNSUBSCRIBE:                                               /* 3.10.1-1 */
        return flags == 2 ? NULL : "reserved flags are set";
    case SK_PACKET_CONNECT:
    case SK_PACKET_PUBACK:
    case SK_PACKET_PINGREQ:
    case SK_PACKET_DISCONNECT: /* 3.14.1-1 */
        return flags == 0 ? NULL : "reserved flags are set";
    case SK_PACKET_PUBREC:
    case SK_PACKET_PUBREL:
    case SK_PACKET_PUBCOMP:
        return "a packet of QoS 2, which is not offered";
    case 0:
    case 15:
        return "a reserved packet type";
    default:
        return "a packet that only servers send";
    }
}

/* Likewise of what a server sends. */
static const char *check_first_of_server(unsigned byte)
{
    switch (byte >> 4) {
    case SK_PACKET_CONNACK:
    case SK_PACKET_SUBACK:
    case SK_PACKET_UNSUBACK:
    case SK_PACKET_PINGRESP:
        return (byte & 15) == 0 ? NULL : "reserved flags are set";
    case SK_PACKET_CONNECT:
    case SK_PACKET_SUBSCRIBE:
    case SK_PACKET_UNSUBSCRIBE:
    case SK_PACKET_PINGREQ:
    case SK_PACKET_DISCONNECT:
        return "a packet that only clients send";
    default:
        return check_first(byte);
    }
}

/* 1: *head and *size (of the whole packet) are known; 0: more bytes are needed; -1. */
static int parse_fixed(const struct sk_mqtt_cutter *k, const unsigned char *p, size_t len,
                       size_t *head, size_t *size, const char **why)
{
    size_t max = k->max_packet, length = 0;

    if (len == 0)
        return 0;
    *why = k->is_client ? check_first_of_server(p[0]) : check_first(p[0]);
    if (*why)
        return -1;
    if (k->expects_connect) {
        if (p[0] >> 4 != SK_PACKET_CONNECT) { /* 3.1.0-1 */
            *why = "the first packet is no CONNECT";
            return -1;
        }
        if (max > SK_MQTT_CONNECT_BYTES)
            max = SK_MQTT_CONNECT_BYTES;
    }
    for (size_t i = 1; i <= 4; i++) {
        if (i == len)
            return 0;
        length |= (size_t)(p[i] & 127) << (7 * (i - 1));
        if (p[i] < 128) {
            *head = i + 1;
            *size = i + 1 + length;
            if (*size <= max)
                return 1;
            *why = "a packet is too large";
            return -1;
        }
    }
    *why = "a remaining length of more than four bytes";
    return -1;
}

void sk_mqtt_cutter_init(struct sk_mqtt_cutter *k, size_t max_packet)
{
    *k = (struct sk_mqtt_cutter){ .part = SK_BUF_INIT(max_packet),
                                  .expects_connect = true,
                                  .max_packet = max_packet };
}

void sk_mqtt_cutter_init_client(struct sk_mqtt_cutter *k, size_t max_packet)
{
    *k = (struct sk_mqtt_cutter){ .part = SK_BUF_INIT(max_packet),
                                  .is_client = true,
                                  .max_packet = max_packet };
}

/* The buffer is given back: a connection between packets has none. */
static void reset_part(struct sk_mqtt_cutter *k)
{
    sk_buf_done(&k->part);
    k->part = (struct sk_buf)SK_BUF_INIT(k->max_packet);
    k->is_given = false;
}

void sk_mqtt_cutter_done(struct sk_mqtt_cutter *k)
{
    reset_part(k);
}

void sk_mqtt_cutter_release(struct sk_mqtt_cutter *k)
{
    if (k->is_given)
        reset_part(k);
}

static int give(const unsigned char *p, size_t head, size_t size, struct sk_mqtt_packet *out)
{
    *out = (struct sk_mqtt_packet){ .type = (enum sk_mqtt_type)(p[0] >> 4),
                                    .flags = p[0] & 15,
                                    .body = { (const char *)p + head, size - head } };
    return 1;
}

static int keep(struct sk_mqtt_cutter *k, const void *bytes, size_t len, const char **why)
{
    sk_buf_add(&k->part, bytes, len);
    if (sk_buf_ok(&k->part))
        return 0;
    *why = no_memory;
    return -1;
}

int sk_mqtt_cut(struct sk_mqtt_cutter *k, const void *bytes, size_t len, size_t *used,
                struct sk_mqtt_packet *out, const char **why)
{
    const unsigned char *p = bytes;
    size_t head = 0, size = 0;
    int known;

    *used = 0;
    if (k->is_given)
        reset_part(k);
    if (k->part.len == 0) {
        known = parse_fixed(k, p, len, &head, &size, why);
        if (known < 0)
            return -1;
        if (known && size <= len) { /* the usual case: nothing is copied */
            *used = size;
            return give(p, head, size, out);
        }
        *used = len;
        return len > 0 ? keep(k, p, len, why) : 0;
    }
    for (;;) {
        known = parse_fixed(k, (const unsigned char *)k->part.data, k->part.len, &head, &size, why);
        if (known < 0)
            return -1;
        if (known && k->part.len == size) {
            k->is_given = true;
            return give((const unsigned char *)k->part.data, head, size, out);
        }
        size_t wanted = known ? size - k->part.len : 1;
        size_t take = wanted < len - *used ? wanted : len - *used;
        if (take == 0)
            return 0;
        if (keep(k, p + *used, take, why) < 0)
            return -1;
        *used += take;
    }
}

/* ---- fields ---- */

struct cursor {
    const unsigned char *p;
    size_t left;
};

static struct cursor cursor_of(struct sk_view v)
{
    return (struct cursor){ (const unsigned char *)v.ptr, v.len };
}

static bool get_u8(struct cursor *c, unsigned *out)
{
    if (c->left < 1)
        return false;
    *out = *c->p++;
    c->left--;
    return true;
}

static bool get_u16(struct cursor *c, uint16_t *out)
{
    if (c->left < 2)
        return false;
    *out = (uint16_t)(c->p[0] << 8 | c->p[1]);
    c->p += 2;
    c->left -= 2;
    return true;
}

static bool get_bytes(struct cursor *c, struct sk_view *out)
{
    uint16_t len;

    if (!get_u16(c, &len) || len > c->left)
        return false;
    *out = (struct sk_view){ (const char *)c->p, len };
    c->p += len;
    c->left -= len;
    return true;
}

/* 1.5.3-1: UTF-8, no surrogates; 1.5.3-2: no U+0000. */
bool sk_mqtt_is_text(struct sk_view v)
{
    return v.len <= UINT16_MAX && sk_utf8_valid(v.ptr, v.len) &&
           (v.len == 0 || !memchr(v.ptr, 0, v.len));
}

static bool get_text(struct cursor *c, struct sk_view *out)
{
    return get_bytes(c, out) && sk_mqtt_is_text(*out);
}

static bool is_topic(struct sk_view v)
{
    /* 4.7.3-1 and 3.3.2-2 */
    return v.len > 0 && !memchr(v.ptr, '#', v.len) && !memchr(v.ptr, '+', v.len);
}

/* 4.7.3-1, 4.7.1-2, 4.7.1-3: wildcards fill a whole level; # is the last. */
static bool is_filter(struct sk_view v)
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.ptr[i];
        if (c != '#' && c != '+')
            continue;
        if (i > 0 && v.ptr[i - 1] != '/')
            return false;
        if (c == '#' ? i + 1 < v.len : i + 1 < v.len && v.ptr[i + 1] != '/')
            return false;
    }
    return v.len > 0;
}

bool sk_mqtt_is_topic(struct sk_view topic)
{
    return sk_mqtt_is_text(topic) && is_topic(topic);
}

bool sk_mqtt_is_filter(struct sk_view filter)
{
    return sk_mqtt_is_text(filter) && is_filter(filter);
}

/* ---- CONNECT ---- */

enum {
    FLAG_RESERVED = 1,
    FLAG_CLEAN = 2,
    FLAG_WILL = 4,
    FLAG_WILL_RETAIN = 32,
    FLAG_PASSWORD = 64,
    FLAG_USERNAME = 128
};

static const char *parse_connect_flags(unsigned flags, struct sk_mqtt_connect *out)
{
    unsigned will_qos = flags >> 3 & 3;

    if (flags & FLAG_RESERVED)
        return "CONNECT with the reserved flag"; /* 3.1.2-3 */
    if (!(flags & FLAG_WILL) && (will_qos || (flags & FLAG_WILL_RETAIN)))
        return "CONNECT with flags of a will, but without one"; /* 3.1.2-13, 3.1.2-15 */
    if (will_qos > 1)
        return "a will with QoS 2 or 3"; /* 3.1.2-14; 2 is not offered */
    if (!(flags & FLAG_USERNAME) && (flags & FLAG_PASSWORD))
        return "CONNECT with a password, but without a user name"; /* 3.1.2-22 */
    out->is_clean = flags & FLAG_CLEAN;
    out->has_will = flags & FLAG_WILL;
    out->will_qos = will_qos;
    out->will_retain = flags & FLAG_WILL_RETAIN;
    out->has_username = flags & FLAG_USERNAME;
    out->has_password = flags & FLAG_PASSWORD;
    return NULL;
}

/* 3.1.3-1: in this order. */
static const char *parse_connect_payload(struct cursor *c, struct sk_mqtt_connect *out)
{
    if (!get_text(c, &out->client_id)) /* 3.1.3-3, 3.1.3-4 */
        return "CONNECT without a client id in UTF-8";
    if (out->has_will) {
        if (!get_text(c, &out->will_topic) || !is_topic(out->will_topic)) /* 3.1.3-10 */
            return "CONNECT without a valid will topic";
        if (!get_bytes(c, &out->will_payload))
            return "CONNECT without a will message";
    }
    if (out->has_username && !get_text(c, &out->username)) /* 3.1.3-11 */
        return "CONNECT without a user name in UTF-8";
    if (out->has_password && !get_bytes(c, &out->password))
        return "CONNECT without a password";
    return c->left == 0 ? NULL : "CONNECT with bytes behind its end";
}

const char *sk_mqtt_parse_connect(const struct sk_mqtt_packet *p, struct sk_mqtt_connect *out,
                                  enum sk_mqtt_connack *refusal)
{
    struct cursor c = cursor_of(p->body);
    struct sk_view name;
    unsigned level, flags;

    *out = (struct sk_mqtt_connect){ .has_will = false };
    *refusal = SK_MQTT_ACCEPTED;
    if (!get_bytes(&c, &name) || !sk_view_eq(name, "MQTT") || !get_u8(&c, &level))
        return "CONNECT without the protocol name MQTT"; /* 3.1.2-1 */
    if (level != 4) {
        *refusal = SK_MQTT_BAD_PROTOCOL; /* 3.1.2-2 */
        return "a protocol level other than 4";
    }
    if (!get_u8(&c, &flags) || !get_u16(&c, &out->keep_alive_s))
        return "CONNECT that is cut off";
    const char *why = parse_connect_flags(flags, out);
    if (!why)
        why = parse_connect_payload(&c, out);
    if (!why && out->client_id.len == 0 && !out->is_clean) {
        *refusal = SK_MQTT_BAD_CLIENT_ID; /* 3.1.3-8 */
        why = "an empty client id without clean session";
    }
    return why;
}

/* ---- the others ---- */

const char *sk_mqtt_parse_publish(const struct sk_mqtt_packet *p, struct sk_mqtt_message *out)
{
    struct cursor c = cursor_of(p->body);

    *out = (struct sk_mqtt_message){ .qos = p->flags >> 1 & 3,
                                     .retain = p->flags & 1,
                                     .dup = p->flags & 8 };
    if (!get_text(&c, &out->topic)) /* 3.3.2-1 */
        return "PUBLISH without a topic in UTF-8";
    if (!is_topic(out->topic))
        return "PUBLISH to an empty topic, or one with wildcards";
    if (out->qos > 0 && (!get_u16(&c, &out->id) || out->id == 0))
        return "PUBLISH without a packet id"; /* 2.3.1-1 */
    out->payload = (struct sk_view){ (const char *)c.p, c.left };
    return NULL;
}

const char *sk_mqtt_parse_filters(const struct sk_mqtt_packet *p, struct sk_mqtt_filters *out)
{
    struct cursor c = cursor_of(p->body);
    unsigned qos = 0;

    out->count = 0;
    if (!get_u16(&c, &out->id) || out->id == 0)
        return "a subscription without a packet id"; /* 2.3.1-1 */
    if (c.left == 0)
        return "a subscription without a filter"; /* 3.8.3-3, 3.10.3-2 */
    while (c.left > 0) {
        if (out->count == SK_MQTT_FILTERS_MAX)
            return "a subscription with too many filters";
        if (!get_text(&c, &out->topic[out->count])) /* 3.8.3-1, 3.10.3-1 */
            return "a filter that is not UTF-8";
        if (!is_filter(out->topic[out->count]))
            return "a malformed filter";
        if (p->type == SK_PACKET_SUBSCRIBE && (!get_u8(&c, &qos) || qos > 2))
            return "a filter without a valid QoS"; /* 3-8.3-4 */
        out->qos[out->count++] = (unsigned char)qos;
    }
    return NULL;
}

const char *sk_mqtt_parse_id(const struct sk_mqtt_packet *p, uint16_t *id)
{
    struct cursor c = cursor_of(p->body);

    return get_u16(&c, id) && *id != 0 && c.left == 0 ? NULL : "PUBACK without a packet id";
}

const char *sk_mqtt_parse_empty(const struct sk_mqtt_packet *p)
{
    return p->body.len == 0 ? NULL : "bytes in a packet that has none";
}

/* ---- what a server sends ---- */

const char *sk_mqtt_parse_connack(const struct sk_mqtt_packet *p, enum sk_mqtt_connack *code,
                                  bool *session_present)
{
    struct cursor c = cursor_of(p->body);
    unsigned flags, value;

    if (!get_u8(&c, &flags) || !get_u8(&c, &value) || c.left > 0)
        return "CONNACK of another length than 2";
    if (flags > 1 || value > SK_MQTT_NOT_AUTHORIZED)
        return "CONNACK with reserved flags, or a reserved code";
    if (flags && value != SK_MQTT_ACCEPTED)
        return "CONNACK with a refusal and a session"; /* 3.2.2-4 */
    *code = (enum sk_mqtt_connack)value;
    *session_present = flags;
    return NULL;
}

const char *sk_mqtt_parse_suback(const struct sk_mqtt_packet *p, uint16_t *id,
                                 struct sk_view *codes)
{
    struct cursor c = cursor_of(p->body);

    if (!get_u16(&c, id) || *id == 0 || c.left == 0)
        return "SUBACK without a packet id, or without a code";
    *codes = (struct sk_view){ (const char *)c.p, c.left };
    for (size_t i = 0; i < c.left; i++)
        if (c.p[i] > 2 && c.p[i] != SK_MQTT_SUB_FAILED) /* 3.9.3-2 */
            return "SUBACK with a reserved code";
    return NULL;
}
