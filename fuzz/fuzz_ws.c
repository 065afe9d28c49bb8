/*
 * fuzz_ws.c - a WebSocket's beginning and its frames: the same whatever pieces the bytes come in.
 *
 * The first byte is the seed of the pieces. What begins with "G" behind it is a request too.
 */
#include "mqtt/mqtt_priv.h"

#include <stdint.h>
#include <string.h>

static void require(bool is_true)
{
    if (!is_true)
        abort();
}

struct result {
    struct sk_buf data, answer;
    enum sk_ws_code code;
    const char *why;
};

static void decode(const uint8_t *bytes, size_t len, bool in_pieces, uint32_t seed,
                   struct result *r)
{
    struct sk_ws w = { .opcode = 0 };

    for (size_t at = 0; at < len && !r->code;) {
        seed = seed * 1664525u + 1013904223u;
        size_t n = in_pieces ? 1 + (seed >> 24) % 40 : len;
        n = n < len - at ? n : len - at;
        unsigned char *piece = malloc(n); /* reads beyond it are seen */
        require(piece != NULL);
        memcpy(piece, bytes + at, n);
        size_t got = sk_ws_decode(&w, piece, n, &r->answer, &r->code, &r->why);
        require(got <= n);
        sk_buf_add(&r->data, piece, got);
        free(piece);
        at += n;
    }
    require((r->code != 0) == (r->why != NULL));
}

static bool same(const struct sk_buf *a, const struct sk_buf *b)
{
    return a->len == b->len && (a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

static void check_frames(const uint8_t *bytes, size_t len, uint8_t seed)
{
    struct result whole = { SK_BUF_INIT(1u << 24), SK_BUF_INIT(1u << 24), 0, NULL };
    struct result pieces = { SK_BUF_INIT(1u << 24), SK_BUF_INIT(1u << 24), 0, NULL };

    decode(bytes, len, false, 0, &whole);
    decode(bytes, len, true, seed, &pieces);
    require(same(&whole.data, &pieces.data) && same(&whole.answer, &pieces.answer) &&
            whole.code == pieces.code && whole.why == pieces.why);
    sk_buf_done(&whole.data);
    sk_buf_done(&whole.answer);
    sk_buf_done(&pieces.data);
    sk_buf_done(&pieces.answer);
}

static void check_request(const char *bytes, size_t len)
{
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    SK_AUTO(sk_buf_done) struct sk_buf again = SK_BUF_INIT(1000);
    size_t used = 0, used_again = 0;
    int status = sk_ws_upgrade(bytes, len, "/$iothub/websocket", &used, &answer);

    require(sk_buf_ok(&answer));
    if (status == 0) {
        require(answer.len == 0 && len < SK_WS_REQUEST_BYTES);
        return;
    }
    require(answer.len > 4 && sk_ends_with(answer.data, "\r\n\r\n") && used <= len);
    require(memmem(answer.data, answer.len, "\r\n\r\n", 4) == answer.data + answer.len - 4);
    if (status == 431)
        return;
    /* what is behind the request does not count, and nothing less is enough */
    require(sk_ws_upgrade(bytes, used, "/$iothub/websocket", &used_again, &again) == status);
    require(used_again == used && same(&answer, &again));
    require(sk_ws_upgrade(bytes, used - 1, "/$iothub/websocket", &used_again, &again) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    check_frames(data + 1, size - 1, data[0]);
    if (size > 1 && data[1] == 'G')
        check_request((const char *)data + 1, size - 1);
    return 0;
}
