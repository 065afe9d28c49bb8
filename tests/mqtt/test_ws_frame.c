/* test_ws_frame.c - WebSocket frames: each row whole, byte by byte, and cut at every place. */
#include "rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The mask 01020304 over 'abcd' is 60606060. */
#define MASK "01020304 "

static const struct {
    const char *name, *bytes, *data, *answer;
    unsigned code;
} rows[] = {
    { "a frame", "82 84 " MASK "60606060", "'abcd'", "", 0 },
    { "a mask that goes round", "82 86 " MASK "60606060 6464", "'abcdef'", "", 0 },
    { "a mask of zeros", "82 83 00000000 'xyz'", "'xyz'", "", 0 },
    { "two frames", "82 81 00000000 'x' 82 81 00000000 'y'", "'xy'", "", 0 },
    { "an empty frame", "82 80 00000000 82 81 00000000 'y'", "'y'", "", 0 },
    { "fragments", "02 81 00000000 'x' 00 81 00000000 'y' 80 81 00000000 'z'", "'xyz'", "", 0 },
    { "a ping between fragments", "02 81 00000000 'x' 89 82 " MASK "6060 80 81 00000000 'z'",
      "'xz'", "8a 02 'ab'", 0 },
    { "an empty ping", "89 80 00000000", "", "8a 00", 0 },
    { "a pong is ignored", "8a 81 00000000 'x'", "", "", 0 },
    { "close", "88 80 00000000 82 81 00000000 'y'", "", "", 1000 },
    { "close with a code", "82 81 00000000 'y' 88 82 00000000 03e8", "'y'", "", 1000 },
    { "close with a reason", "88 85 00000000 03e9 'bye'", "", "", 1000 },
    { "close of an application", "88 82 00000000 0fa0", "", "", 1000 },
    { "close with half a code", "88 81 00000000 03", "", "", 1002 },
    { "close with 1005", "88 82 00000000 03ed", "", "", 1002 },
    { "close with 999", "88 82 00000000 03e7", "", "", 1002 },
    { "close, reason not UTF-8", "88 83 00000000 03e8 ff", "", "", 1002 },
    { "text", "81 81 00000000 'x'", "", "", 1003 },
    { "no mask", "82 01 'xabcd'", "", "", 1002 },
    { "rsv1", "c2 81 00000000 'x'", "", "", 1002 },
    { "rsv3", "92 81 00000000 'x'", "", "", 1002 },
    { "opcode 3", "83 81 00000000 'x'", "", "", 1002 },
    { "opcode 11", "8b 81 00000000 'x'", "", "", 1002 },
    { "a continuation of nothing", "80 81 00000000 'x'", "", "", 1002 },
    { "a message in a message", "02 81 00000000 'x' 82 81 00000000 'y'", "'x'", "", 1002 },
    { "a ping in pieces", "09 80 00000000", "", "", 1002 },
    { "a ping of 126 bytes", "89 fe 007e 00000000", "", "", 1002 },
    { "length 125 in two bytes", "82 fe 007d 00000000", "", "", 1002 },
    { "length 126", "82 fe 007e 00000000 'x'", "'x'", "", 0 },
    { "length 65535 in eight bytes", "82 ff 000000000000ffff 00000000", "", "", 1002 },
    { "length 65536", "82 ff 0000000000010000 00000000 'x'", "'x'", "", 0 },
    { "16 MiB", "82 ff 0000000001000000 00000000 'x'", "'x'", "", 0 },
    { "16 MiB and a byte", "82 ff 0000000001000001 00000000", "", "", 1009 },
    { "length with the highest bit", "82 ff 8000000000010000 00000000", "", "", 1002 },
};

enum {
    ROWS = sizeof rows / sizeof rows[0]
};

/* Decodes in pieces that end at these places; stops when the WebSocket ends. */
static void check(size_t i, const size_t *ends, size_t count)
{
    SK_AUTO(sk_buf_done) struct sk_buf data = SK_BUF_INIT(1000);
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    unsigned char bytes[200], wanted[200];
    struct sk_ws w = { .opcode = 0 };
    enum sk_ws_code code = 0;
    const char *why = NULL;
    size_t at = 0;

    (void)rig_bytes(rows[i].bytes, bytes, sizeof bytes);
    for (size_t k = 0; k < count && !code; at = ends[k++]) {
        unsigned char *piece = malloc(ends[k] - at + 1); /* reads beyond it are seen */
        assert_non_null(piece);
        memcpy(piece, bytes + at, ends[k] - at);
        size_t n = sk_ws_decode(&w, piece, ends[k] - at, &answer, &code, &why);
        sk_buf_add(&data, piece, n);
        free(piece);
    }
    size_t data_len = rig_bytes(rows[i].data, wanted, sizeof wanted);
    if ((unsigned)code != rows[i].code || (code && !why) || data.len != data_len ||
        memcmp(data.data, wanted, data_len) != 0)
        fail_msg("row '%s': code %u, %zu bytes", rows[i].name, (unsigned)code, data.len);
    size_t answer_len = rig_bytes(rows[i].answer, wanted, sizeof wanted);
    if (answer.len != answer_len || (answer_len && memcmp(answer.data, wanted, answer_len) != 0))
        fail_msg("row '%s': answer of %zu bytes", rows[i].name, answer.len);
}

static void test_frames(void **state)
{
    (void)state;
    for (size_t i = 0; i < ROWS; i++) {
        unsigned char bytes[200];
        size_t len = rig_bytes(rows[i].bytes, bytes, sizeof bytes);
        size_t each[200];

        check(i, &len, 1);
        for (size_t k = 0; k < len; k++)
            each[k] = k + 1;
        check(i, each, len);
        for (size_t k = 0; k <= len; k++)
            check(i, (const size_t[]){ k, len }, 2);
    }
}

/* The longest control frame. */
static void test_long_ping(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf answer = SK_BUF_INIT(1000);
    unsigned char bytes[6 + 125] = { 0x89, 0x80 | 125 };
    struct sk_ws w = { .opcode = 0 };
    enum sk_ws_code code;
    const char *why;

    (void)state;
    memset(bytes + 6, 'x', 125);
    assert_int_equal(sk_ws_decode(&w, bytes, sizeof bytes, &answer, &code, &why), 0);
    assert_int_equal(code, 0);
    assert_int_equal(answer.len, 127);
    assert_int_equal((unsigned char)answer.data[1], 125);
}

static void test_heads(void **state)
{
    static const struct {
        size_t len;
        const char *bytes;
    } heads[] = {
        { 0, "82 00" },
        { 125, "82 7d" },
        { 126, "82 7e 007e" },
        { 65535, "82 7e ffff" },
        { 65536, "82 7f 0000000000010000" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(100);
        unsigned char wanted[20];
        size_t len = rig_bytes(heads[i].bytes, wanted, sizeof wanted);

        sk_ws_write_head(&b, SK_WS_BINARY, heads[i].len);
        if (b.len != len || memcmp(b.data, wanted, len) != 0)
            fail_msg("length %zu", heads[i].len);
    }
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(100);
    sk_ws_write_close(&b, SK_WS_TOO_BIG);
    assert_int_equal(b.len, 4);
    assert_memory_equal(b.data, "\x88\x02\x03\xf1", 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_long_ping),
        cmocka_unit_test(test_heads),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
