/* write.c - the packets that a server and a client send, appended to a buffer. */
#include "mqtt/mqtt_priv.h"

#include <assert.h>
#include <string.h>

enum {
    LENGTH_MAX = 268435455 /* 2.2.3: what four bytes can say */
};

static void write_u16(struct sk_buf *b, unsigned value)
{
    const char two[2] = { (char)(value >> 8), (char)value };

    sk_buf_add(b, two, sizeof two);
}

static void write_length(struct sk_buf *b, size_t length)
{
    for (; length > 127; length >>= 7)
        sk_buf_chr(b, (char)((length & 127) | 128));
    sk_buf_chr(b, (char)length);
}

void sk_mqtt_write_connack(struct sk_buf *b, enum sk_mqtt_connack code, bool session_present)
{
    /* 3.2.2-4: no session with a refusal */
    const char all[] = { SK_PACKET_CONNACK << 4, 2,
                         (char)(session_present && code == SK_MQTT_ACCEPTED), (char)code };

    sk_buf_add(b, all, sizeof all);
}

void sk_mqtt_write_ack(struct sk_buf *b, enum sk_mqtt_type type, uint16_t id)
{
    const char all[] = { (char)(type << 4), 2, (char)(id >> 8), (char)id };

    sk_buf_add(b, all, sizeof all);
}

void sk_mqtt_write_suback(struct sk_buf *b, uint16_t id, const unsigned char *codes, size_t count)
{
    assert(count <= SK_MQTT_FILTERS_MAX); /* so the length is one byte */
    const char head[] = { (char)(SK_PACKET_SUBACK << 4), (char)(2 + count), (char)(id >> 8),
                          (char)id };

    sk_buf_add(b, head, sizeof head);
    sk_buf_add(b, codes, count);
}

void sk_mqtt_write_pingresp(struct sk_buf *b)
{
    const char all[] = { (char)(SK_PACKET_PINGRESP << 4), 0 };

    sk_buf_add(b, all, sizeof all);
}

size_t sk_mqtt_publish_size(size_t topic_len, size_t payload_len, unsigned qos)
{
    size_t length = 2 + topic_len + (qos > 0 ? 2 : 0);

    if (topic_len == 0 || topic_len > UINT16_MAX || payload_len > LENGTH_MAX - length)
        return 0;
    length += payload_len;
    return 1 +
           (length < 1u << 7    ? 1u
            : length < 1u << 14 ? 2u
            : length < 1u << 21 ? 3u
                                : 4u) +
           length;
}

void sk_mqtt_write_publish(struct sk_buf *b, struct sk_view topic, struct sk_view payload,
                           unsigned qos, uint16_t id)
{
    size_t length = 2 + topic.len + (qos > 0 ? 2 : 0) + payload.len;

    sk_buf_chr(b, (char)(SK_PACKET_PUBLISH << 4 | qos << 1));
    write_length(b, length);
    write_u16(b, (unsigned)topic.len);
    sk_buf_add(b, topic.ptr, topic.len);
    if (qos > 0)
        write_u16(b, id);
    sk_buf_add(b, payload.ptr, payload.len);
}

/* ---- a client's ---- */

static void write_field(struct sk_buf *b, struct sk_view v)
{
    assert(v.len <= UINT16_MAX);
    write_u16(b, (unsigned)v.len);
    sk_buf_add(b, v.ptr, v.len);
}

void sk_mqtt_write_connect(struct sk_buf *b, const struct sk_mqtt_connect *c)
{
    const unsigned flags = (c->is_clean ? 2u : 0) | (c->has_password ? 64u : 0) |
                           (c->has_username ? 128u : 0);
    const size_t length = 10 + 2 + c->client_id.len + (c->has_username ? 2 + c->username.len : 0) +
                          (c->has_password ? 2 + c->password.len : 0);

    sk_buf_chr(b, (char)(SK_PACKET_CONNECT << 4));
    write_length(b, length);
    write_field(b, SK_VIEW("MQTT"));
    sk_buf_chr(b, 4);
    sk_buf_chr(b, (char)flags);
    write_u16(b, c->keep_alive_s);
    write_field(b, c->client_id);
    if (c->has_username)
        write_field(b, c->username);
    if (c->has_password)
        write_field(b, c->password);
}

void sk_mqtt_write_subscribe(struct sk_buf *b, uint16_t id, char *const *filters, size_t count)
{
    size_t length = 2;

    for (size_t i = 0; i < count; i++)
        length += 3 + strlen(filters[i]);
    sk_buf_chr(b, (char)(SK_PACKET_SUBSCRIBE << 4 | 2));
    write_length(b, length);
    write_u16(b, id);
    for (size_t i = 0; i < count; i++) {
        write_field(b, sk_view_of(filters[i]));
        sk_buf_chr(b, 1);
    }
}

void sk_mqtt_write_pingreq(struct sk_buf *b)
{
    const char all[] = { (char)(SK_PACKET_PINGREQ << 4), 0 };

    sk_buf_add(b, all, sizeof all);
}

void sk_mqtt_write_disconnect(struct sk_buf *b)
{
    const char all[] = { (char)(SK_PACKET_DISCONNECT << 4), 0 };

    sk_buf_add(b, all, sizeof all);
}
