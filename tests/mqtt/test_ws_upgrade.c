/* test_ws_upgrade.c - the request that a WebSocket begins with: what is taken, what is answered. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static const char path[] = "/$iothub/websocket";

#define GET(target) "GET " target " HTTP/1.1\r\n"
#define HOST        "Host: hub\r\n"
#define UP          "Upgrade: websocket\r\nConnection: Upgrade\r\n"
#define KEY         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define V13         "Sec-WebSocket-Version: 13\r\n"
#define PROTO       "Sec-WebSocket-Protocol: mqtt\r\n"
#define TAIL        HOST UP KEY V13 PROTO "\r\n"
#define LINE        GET("/$iothub/websocket")

static const struct {
    const char *name, *request;
    int status;
} rows[] = {
    { "the example's key", LINE TAIL, 101 },
    { "a query", GET("/$iothub/websocket?iothub-no-client-cert=true") TAIL, 101 },
    { "an escaped $", GET("/%24iothub/websocket") TAIL, 101 },
    { "an absolute target", GET("https://hub:443/$iothub/websocket?x") TAIL, 101 },
    { "an absolute target of nothing", GET("https://hub") TAIL, 404 },
    { "another path", GET("/x") TAIL, 404 },
    { "a longer path", GET("/$iothub/websocket/") TAIL, 404 },
    { "a shorter path", GET("/$iothub/websocke") TAIL, 404 },
    { "a broken escape", GET("/%2") TAIL, 404 },
    { "no target", "GET  HTTP/1.1\r\n" TAIL, 404 },
    { "POST", "POST /$iothub/websocket HTTP/1.1\r\n" TAIL, 400 },
    { "HTTP/1.0", "GET /$iothub/websocket HTTP/1.0\r\n" TAIL, 400 },
    { "no version", "GET /$iothub/websocket\r\n" TAIL, 400 },
    { "no HTTP", "\x10\x0dMQTT\r\n\r\n", 400 },
    { "a bare line end", "GET /$iothub/websocket HTTP/1.1\n" TAIL, 400 },
    { "a bare line end in a header", LINE "A: b\n" TAIL, 400 },
    { "a folded line", LINE "A: b\r\n c\r\n" TAIL, 400 },
    { "no colon", LINE "A\r\n" TAIL, 400 },
    { "a space in a name", LINE "A : b\r\n" TAIL, 400 },
    { "no name", LINE ": b\r\n" TAIL, 400 },
    { "a control character", LINE "A: \001\r\n" TAIL, 400 },
    { "no Host", LINE UP KEY V13 PROTO "\r\n", 400 },
    { "two Hosts", LINE HOST TAIL, 400 },
    { "a body", LINE "Content-Length: 1\r\n" TAIL, 400 },
    { "no body", LINE "Content-Length: 0\r\n" TAIL, 101 },
    { "a chunked body", LINE "Transfer-Encoding: chunked\r\n" TAIL, 400 },
    { "no Upgrade", LINE HOST "Connection: upgrade\r\n" KEY V13 PROTO "\r\n", 426 },
    { "another Upgrade", LINE HOST "Upgrade: h2c\r\nConnection: upgrade\r\n" KEY V13 PROTO "\r\n",
      426 },
    { "no Connection", LINE HOST "Upgrade: websocket\r\n" KEY V13 PROTO "\r\n", 426 },
    { "lists of tokens",
      LINE HOST "Upgrade: h2c, WebSocket\r\nConnection: keep-alive, UPGRADE\r\n" KEY V13 PROTO
                "\r\n",
      101 },
    { "no key", LINE HOST UP V13 PROTO "\r\n", 400 },
    { "two keys", LINE KEY TAIL, 400 },
    { "a short key", LINE HOST UP "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub24=\r\n" V13 PROTO "\r\n",
      400 },
    { "a key that is no base64",
      LINE HOST UP "Sec-WebSocket-Key: dGhlIHNhbXBs?SBub25jZQ==\r\n" V13 PROTO "\r\n", 400 },
    { "no version", LINE HOST UP KEY PROTO "\r\n", 426 },
    { "version 8", LINE HOST UP KEY "Sec-WebSocket-Version: 8\r\n" PROTO "\r\n", 426 },
    { "two versions", LINE V13 TAIL, 400 },
    { "no protocol", LINE HOST UP KEY V13 "\r\n", 400 },
    { "another protocol", LINE HOST UP KEY V13 "Sec-WebSocket-Protocol: amqp\r\n\r\n", 400 },
    { "a list of protocols", LINE HOST UP KEY V13 "Sec-WebSocket-Protocol: amqp, mqtt\r\n\r\n",
      101 },
    { "two lines of protocols", LINE "Sec-WebSocket-Protocol: amqp\r\n" TAIL, 101 },
    { "header names in other case", LINE "hOST: hub\r\n" UP KEY V13 PROTO "\r\n", 101 },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t len = strlen(rows[i].request), used = 0;

        for (size_t n = 0; n <= len; n++) { /* at every byte */
            SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
            char head[32];
            int status = sk_ws_upgrade(rows[i].request, n, path, &used, &answer);

            if (status != (n < len ? 0 : rows[i].status) || (n < len && answer.len > 0))
                fail_msg("row '%s', %zu bytes: %d", rows[i].name, n, status);
            (void)snprintf(head, sizeof head, "HTTP/1.1 %d ", status);
            if (n == len && (used != len || !sk_starts_with(answer.data, head) ||
                             !sk_ends_with(answer.data, "\r\n\r\n")))
                fail_msg("row '%s': %s", rows[i].name, answer.data);
        }
    }
}

static void test_answers(void **state)
{
    static const struct {
        const char *request, *answer;
    } answers[] = {
        /* the key and the accept are those of RFC 6455, 1.3; bytes of a frame follow */
        { LINE TAIL "\x82", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                            "Connection: Upgrade\r\n"
                            "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
                            "Sec-WebSocket-Protocol: mqtt\r\n\r\n" },
        { LINE HOST UP KEY V13 "Sec-WebSocket-Protocol: MQTT\r\n\r\n",
          "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
          "Connection: Upgrade\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
          "Sec-WebSocket-Protocol: MQTT\r\n\r\n" },
        { LINE HOST UP KEY PROTO "\r\n",
          "HTTP/1.1 426 Upgrade Required\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
          "Connection: Upgrade, close\r\nContent-Length: 0\r\n\r\n" },
        { GET("/") TAIL,
          "HTTP/1.1 404 Not Found\r\nConnection: close\r\nContent-Length: 0\r\n\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
        size_t used = 0;

        (void)sk_ws_upgrade(answers[i].request, strlen(answers[i].request), path, &used, &answer);
        assert_string_equal(answer.data, answers[i].answer);
        if (i == 0)
            assert_int_equal(used, strlen(answers[i].request) - 1);
    }
}

static int with_headers(unsigned more)
{
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1u << 20);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    size_t used;

    sk_buf_str(&b, LINE HOST UP KEY V13 PROTO); /* 6 of them */
    for (unsigned i = 0; i < more; i++)
        sk_buf_str(&b, "A:\r\n");
    sk_buf_str(&b, "\r\n");
    return sk_ws_upgrade(b.data, b.len, path, &used, &answer);
}

static int of_size(size_t len)
{
    static char text[SK_WS_REQUEST_BYTES + 2];
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    static const char start[] = LINE "A: ";
    size_t used;

    memset(text, 'x', sizeof text);
    memcpy(text, start, sizeof start - 1);
    memcpy(text + len - strlen("\r\n" TAIL), "\r\n" TAIL, strlen("\r\n" TAIL));
    return sk_ws_upgrade(text, len, path, &used, &answer);
}

static void test_bounds(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    static char text[SK_WS_REQUEST_BYTES];
    size_t used;

    (void)state;
    assert_int_equal(with_headers(SK_WS_REQUEST_HEADERS - 6), 101);
    assert_int_equal(with_headers(SK_WS_REQUEST_HEADERS - 5), 400);
    assert_int_equal(of_size(SK_WS_REQUEST_BYTES), 101);
    assert_int_equal(of_size(SK_WS_REQUEST_BYTES + 1), 431);
    memset(text, 'x', sizeof text);
    assert_int_equal(sk_ws_upgrade(text, sizeof text - 1, path, &used, &answer), 0);
    assert_int_equal(sk_ws_upgrade(text, sizeof text, path, &used, &answer), 431);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
