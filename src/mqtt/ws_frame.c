/*
 * ws_frame.c - WebSocket frames (RFC 6455, section 5).
 *
 *     fin rsv(3) opcode(4) | mask length(7) | length (0, 2 or 8 bytes) | mask (4) | payload
 *
 * MQTT sees one stream of bytes: a packet may span frames and a frame may hold several packets
 * (MQTT-6.0.0-2), so payloads are unmasked and moved together where they lie, whatever their
 * frames. No frame is kept, only the head and a control frame's payload while they are cut off.
 */
#include "mqtt/mqtt_priv.h"

#include <string.h>

enum {
    CONTINUATION = 0,
    TEXT = 1,
    PING = 9
};

/* What ends a WebSocket: the code to close with, and the reason for the log. */
struct end {
    enum sk_ws_code code;
    const char *why;
};

static bool stop(struct end *e, enum sk_ws_code code, const char *why)
{
    *e = (struct end){ code, why };
    return false;
}

static size_t head_size(const struct sk_ws *w)
{
    unsigned length = w->head[1] & 127u;

    return 2 + (length == 126 ? 2u : length == 127 ? 8u : 0u) + 4;
}

static bool check_opcode(struct sk_ws *w, unsigned first, struct end *e)
{
    bool is_final = first & 128;

    if (first & 112)
        return stop(e, SK_WS_PROTOCOL, "a WebSocket frame with reserved bits");
    switch (first & 15) {
    case TEXT:
        return stop(e, SK_WS_NOT_BINARY, "a text frame"); /* MQTT-6.0.0-1 */
    case SK_WS_BINARY:
    case CONTINUATION:
        if (((first & 15) == CONTINUATION) != w->is_fragmented)
            return stop(e, SK_WS_PROTOCOL, "a fragment out of order");
        w->is_fragmented = !is_final;
        break;
    case SK_WS_CLOSE:
    case PING:
    case SK_WS_PONG:
        if (!is_final)
            return stop(e, SK_WS_PROTOCOL, "a control frame in pieces");
        break;
    default:
        return stop(e, SK_WS_PROTOCOL, "an unknown WebSocket opcode");
    }
    w->opcode = first & 15;
    return true;
}

/* The first two bytes say enough to refuse a frame. */
static bool check_start(struct sk_ws *w, struct end *e)
{
    if (!(w->head[1] & 128))
        return stop(e, SK_WS_PROTOCOL, "a WebSocket frame without a mask");
    if (!check_opcode(w, w->head[0], e))
        return false;
    if (w->opcode >= SK_WS_CLOSE && (w->head[1] & 127) > SK_WS_CONTROL_BYTES)
        return stop(e, SK_WS_PROTOCOL, "a control frame that is too long");
    return true;
}

static bool begin_frame(struct sk_ws *w, struct end *e)
{
    const unsigned char *p = w->head + 2;
    unsigned length = w->head[1] & 127u;
    size_t more = length == 126 ? 2 : length == 127 ? 8 : 0;

    w->left = more ? 0 : length;
    for (size_t i = 0; i < more; i++)
        w->left = w->left << 8 | *p++;
    if ((more == 2 && w->left < 126) || (more == 8 && (w->left <= UINT16_MAX || w->left >> 63)))
        return stop(e, SK_WS_PROTOCOL, "a malformed WebSocket length");
    if (w->left > SK_WS_FRAME_BYTES)
        return stop(e, SK_WS_TOO_BIG, "a WebSocket frame that is too large");
    memcpy(w->mask, p, sizeof w->mask);
    w->mask_at = 0;
    w->control_len = 0;
    w->is_in_frame = true;
    return true;
}

/* The head may end anywhere in the bytes. */
static bool take_head(struct sk_ws *w, const unsigned char *bytes, size_t len, size_t *at,
                      struct end *e)
{
    while (*at < len) {
        w->head[w->head_len++] = bytes[(*at)++];
        if (w->head_len == 2 && !check_start(w, e))
            return false;
        if (w->head_len > 2 && w->head_len == head_size(w)) {
            w->head_len = 0;
            return begin_frame(w, e);
        }
    }
    return true;
}

/* 5.5.1: a code of two bytes, of those that may be sent, then UTF-8. */
static bool is_valid_close(const unsigned char *p, size_t len)
{
    unsigned code = len >= 2 ? (unsigned)(p[0] << 8 | p[1]) : 0;

    if (len == 0)
        return true;
    return len >= 2 &&
           ((code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006) ||
            (code >= 3000 && code <= 4999)) &&
           sk_utf8_valid((const char *)p + 2, len - 2);
}

static bool end_control(struct sk_ws *w, struct sk_buf *answer, struct end *e)
{
    if (w->opcode == PING) {
        sk_ws_write_head(answer, SK_WS_PONG, w->control_len);
        sk_buf_add(answer, w->control, w->control_len);
    }
    if (w->opcode != SK_WS_CLOSE)
        return true;
    return is_valid_close(w->control, w->control_len)
               ? stop(e, SK_WS_NORMAL, "the client has closed the WebSocket")
               : stop(e, SK_WS_PROTOCOL, "a malformed close frame");
}

/* Unmasks n bytes to out, which may be a place before them in the same memory. */
static void unmask(struct sk_ws *w, const unsigned char *bytes, size_t n, unsigned char *out)
{
    unsigned at = w->mask_at;

    for (size_t i = 0; i < n; i++)
        out[i] = bytes[i] ^ w->mask[(at + i) & 3];
    w->mask_at = (unsigned char)((at + n) & 3);
    w->left -= n;
}

size_t sk_ws_decode(struct sk_ws *w, unsigned char *bytes, size_t len, struct sk_buf *answer,
                    enum sk_ws_code *code, const char **why)
{
    struct end e = { 0, NULL };
    size_t at = 0, out = 0;
    bool is_open = true;

    while (is_open) {
        if (!w->is_in_frame) {
            if (at == len)
                break;
            is_open = take_head(w, bytes, len, &at, &e);
            continue;
        }
        size_t n = w->left < len - at ? (size_t)w->left : len - at;
        if (w->opcode >= SK_WS_CLOSE) {
            unmask(w, bytes + at, n, w->control + w->control_len);
            w->control_len = (unsigned char)(w->control_len + n);
        } else {
            unmask(w, bytes + at, n, bytes + out);
            out += n;
        }
        at += n;
        if (w->left > 0)
            break;
        w->is_in_frame = false;
        if (w->opcode >= SK_WS_CLOSE)
            is_open = end_control(w, answer, &e);
    }
    *code = e.code;
    if (e.code)
        *why = e.why;
    return out;
}

void sk_ws_write_head(struct sk_buf *b, unsigned opcode, size_t len)
{
    unsigned char head[10] = { (unsigned char)(128 | opcode) };
    size_t n = 2;

    if (len < 126) {
        head[1] = (unsigned char)len;
    } else if (len <= UINT16_MAX) {
        head[1] = 126;
        head[2] = (unsigned char)(len >> 8);
        head[3] = (unsigned char)len;
        n = 4;
    } else {
        head[1] = 127;
        for (size_t i = 0; i < 8; i++)
            head[2 + i] = (unsigned char)((uint64_t)len >> (56 - 8 * i));
        n = 10;
    }
    sk_buf_add(b, head, n);
}

void sk_ws_write_close(struct sk_buf *b, enum sk_ws_code code)
{
    const char two[2] = { (char)(code >> 8), (char)code };

    sk_ws_write_head(b, SK_WS_CLOSE, sizeof two);
    sk_buf_add(b, two, sizeof two);
}
