/* write.c - the packets that a server sends, appended to a buffer. */
#include "mqtt/mqtt_priv.h"

#include <assert.h>

enum {
    LENGTH_MAX = 268435455 /* 2.2.3: what four bytes can say */
};

static void write_u16(struct sk_buf *b, unsigned value)
{
    const char two[2] = { (char)(value >> 8), (char)value };

    sk_buf_add(b, two, sizeof two);
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
    for (; length > 127; length >>= 7)
        sk_buf_chr(b, (char)((length & 127) | 128));
    sk_buf_chr(b, (char)length);
    write_u16(b, (unsigned)topic.len);
    sk_buf_add(b, topic.ptr, topic.len);
    if (qos > 0)
        write_u16(b, id);
    sk_buf_add(b, payload.ptr, payload.len);
}
