/* wire.c - MQTT 3.1.1 packets and WebSocket frames (RFC 6455), as far as the generator needs. */
#include "load.h"

#include <string.h>

/* ---- reading ---- */

ssize_t packet_read(const char *data, size_t len, struct packet *out)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t rest = 0, at = 1;
    unsigned shift = 0;
    do {
        if (at >= len)
            return 0;
        if (shift > 21)
            return -1;
        rest |= (size_t)(p[at] & 127) << shift;
        shift += 7;
    } while (p[at++] & 128);
    if (len - at < rest)
        return 0;
    *out = (struct packet){ .type = p[0] >> 4, .flags = p[0] & 15, .body = p + at, .len = rest };
    return (ssize_t)(at + rest);
}

static unsigned two(const unsigned char *p)
{
    return (unsigned)p[0] << 8 | p[1];
}

bool publish_read(const struct packet *p, struct publish *out)
{
    *out = (struct publish){ .qos = p->flags >> 1 & 3 };
    size_t head = out->qos > 0 ? 4 : 2;
    if (p->len < head || p->len - head < two(p->body))
        return false;
    out->topic = (struct sk_view){ (const char *)p->body + 2, two(p->body) };
    size_t at = 2 + out->topic.len;
    if (out->qos > 0) {
        out->id = (uint16_t)two(p->body + at);
        at += 2;
    }
    out->payload = (struct sk_view){ (const char *)p->body + at, p->len - at };
    return true;
}

uint16_t id_of(const struct packet *p)
{
    return p->len < 2 ? 0 : (uint16_t)two(p->body);
}

/* ---- writing ---- */

static void put_two(struct sk_buf *out, size_t value)
{
    sk_buf_chr(out, (char)(value >> 8));
    sk_buf_chr(out, (char)(value & 255));
}

static void put_text(struct sk_buf *out, const char *text, size_t len)
{
    put_two(out, len);
    sk_buf_add(out, text, len);
}

static void put_head(struct sk_buf *out, unsigned first, size_t rest)
{
    sk_buf_chr(out, (char)first);
    do {
        sk_buf_chr(out, (char)((rest & 127) | (rest > 127 ? 128 : 0)));
        rest >>= 7;
    } while (rest > 0);
}

void wire_connect(struct sk_buf *out, const char *client, const char *user, const char *password,
                  unsigned keep_alive_s)
{
    size_t client_len = strlen(client), user_len = strlen(user), password_len = strlen(password);
    put_head(out, MQTT_CONNECT << 4, 10 + 6 + client_len + user_len + password_len);
    put_text(out, "MQTT", 4);
    sk_buf_chr(out, 4);
    sk_buf_chr(out, (char)0xc0); /* user name and password, a session that stays */
    put_two(out, keep_alive_s);
    put_text(out, client, client_len);
    put_text(out, user, user_len);
    put_text(out, password, password_len);
}

void wire_subscribe(struct sk_buf *out, uint16_t id, const char *filter, unsigned qos)
{
    size_t len = strlen(filter);
    put_head(out, MQTT_SUBSCRIBE << 4 | 2, 2 + 2 + len + 1);
    put_two(out, id);
    put_text(out, filter, len);
    sk_buf_chr(out, (char)qos);
}

void wire_publish(struct sk_buf *out, const char *topic, struct sk_view payload, unsigned qos,
                  uint16_t id, bool is_dup)
{
    size_t len = strlen(topic);
    put_head(out, MQTT_PUBLISH << 4 | (is_dup ? 8u : 0u) | qos << 1,
             2 + len + (qos > 0 ? 2 : 0) + payload.len);
    put_text(out, topic, len);
    if (qos > 0)
        put_two(out, id);
    sk_buf_add(out, payload.ptr, payload.len);
}

void wire_ack(struct sk_buf *out, unsigned type, uint16_t id)
{
    put_head(out, type << 4, 2);
    put_two(out, id);
}

void wire_empty(struct sk_buf *out, unsigned type)
{
    put_head(out, type << 4, 0);
}

/* ---- WebSocket ---- */

void ws_frame(struct sk_buf *out, unsigned opcode, const void *bytes, size_t len, uint32_t mask)
{
    unsigned char key[4];
    memcpy(key, &mask, sizeof key);
    sk_buf_chr(out, (char)(0x80 | opcode));
    if (len < 126) {
        sk_buf_chr(out, (char)(0x80 | len));
    } else {
        sk_buf_chr(out, (char)(0x80 | 126)); /* no packet of ours reaches 64 KiB */
        put_two(out, len);
    }
    sk_buf_add(out, key, sizeof key);
    unsigned char *to = sk_buf_reserve(out, len);
    if (!to)
        return;
    for (size_t i = 0; i < len; i++)
        to[i] = ((const unsigned char *)bytes)[i] ^ key[i % 4];
    sk_buf_commit(out, len);
}

ssize_t ws_read(const char *data, size_t len, unsigned *opcode, struct sk_view *payload)
{
    const unsigned char *p = (const unsigned char *)data;
    size_t head = 2, size = 0;
    if (len < 2)
        return 0;
    size = p[1] & 127;
    if (p[1] & 128)
        return -1; /* servers do not mask */
    if (size == 126) {
        head = 4;
        if (len < head)
            return 0;
        size = two(p + 2);
    } else if (size == 127) {
        head = 10;
        if (len < head)
            return 0;
        size = 0;
        for (unsigned i = 2; i < 10; i++)
            size = size << 8 | p[i];
    }
    if (len - head < size)
        return 0;
    *opcode = p[0] & 15;
    *payload = (struct sk_view){ data + head, size };
    return (ssize_t)(head + size);
}
