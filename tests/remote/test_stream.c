/* test_stream.c - server-sent events: taken apart in pieces of any size, and read from a server. */
#include "harness/alloc_fail.h"
#include "hub_double.h"
#include "remote/remote_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct hub_double hub;

/* "id=data|" for each event. */
static int note(void *ctx, const char *id, struct sk_view data, struct sk_err *err)
{
    struct sk_buf *told = ctx;
    sk_buf_fmt(told, "%s=%.*s|", id, (int)data.len, data.len > 0 ? data.ptr : "");
    return sk_buf_ok(told) ? 0 : sk_buf_fail(told, err);
}

struct row {
    const char *name, *text, *told;
    size_t len; /* 0: of the text */
};

static const struct row rows[] = {
    { "nothing", "", "", 0 },
    { "one", "id: 7\ndata: a\n\n", "7=a|", 0 },
    { "no id", "data: a\n\n", "=a|", 0 },
    { "the id stays", "id: 7\ndata: a\n\ndata: b\n\n", "7=a|7=b|", 0 },
    { "an id without data is no event", "id: 8\n\ndata: b\n\n", "8=b|", 0 },
    { "an empty id takes it away", "id: 7\ndata: a\n\nid\ndata: b\n\n", "7=a|=b|", 0 },
    { "two lines", "data: a\ndata: b\n\n", "=a\nb|", 0 },
    { "CR LF", "id: 7\r\ndata: a\r\n\r\n", "7=a|", 0 },
    { "CR", "id: 7\rdata: a\r\rdata: b\r\r", "7=a|7=b|", 0 },
    { "one space goes", "data:  a \n\n", "= a |", 0 },
    { "no space", "data:a\n\n", "=a|", 0 },
    { "comments", ":\n\n: hello\ndata: a\n:\n\n", "=a|", 0 },
    { "empty data", "data\n\ndata:\n\n", "=|=|", 0 },
    { "other fields", "event: x\nretry: 5\nfoo\ndata: a\n\n", "=a|", 0 },
    { "a byte order mark",
      "\xef\xbb\xbf"
      "data: a\n\n",
      "=a|", 0 },
    { "one later",
      "data: a\n\n\xef\xbb\xbf"
      "data: b\n\n",
      "=a|", 0 },
    { "what is not complete", "data: a\n\ndata: b\n", "=a|", 0 },
    { "an id with NUL", "id: 7\nid: a\0b\ndata: a\n\n", "7=a|", 23 },
};

static void takes_apart(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);
        for (size_t piece = 1; piece <= len + 1; piece++) {
            struct sk_err err = SK_ERR_INIT;
            SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(4096);
            SK_AUTO(sk_event_reader_done) struct sk_event_reader e;
            sk_event_reader_init(&e, note, &told);
            for (size_t at = 0; at < len; at += piece)
                assert_int_equal(sk_event_reader_add(&e, rows[i].text + at,
                                                     len - at < piece ? len - at : piece, &err),
                                 0);
            if (strcmp(told.data ? told.data : "", rows[i].told) != 0)
                fail_msg("%s, by %zu: '%s'", rows[i].name, piece, told.data);
        }
    }
}

static void limits(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(16 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(16 << 20);
    (void)state;
    for (int over = 0; over < 2; over++) {
        SK_AUTO(sk_event_reader_done) struct sk_event_reader e;
        sk_event_reader_init(&e, note, &told);
        sk_buf_clear(&text);
        sk_buf_str(&text, "id: ");
        for (int i = 0; i < SK_REMOTE_EVENT_ID - 1 + over; i++)
            sk_buf_chr(&text, 'x');
        sk_buf_chr(&text, '\n');
        assert_int_equal(sk_event_reader_add(&e, text.data, text.len, &err), -over);
    }
    assert_int_equal(err.code, SK_LIMIT);
    /* A line of the most bytes, and one more. */
    for (int over = 0; over < 2; over++) {
        SK_AUTO(sk_event_reader_done) struct sk_event_reader e;
        sk_event_reader_init(&e, note, &told);
        sk_buf_clear(&text);
        sk_buf_str(&text, "data:");
        while (text.len < (size_t)SK_REMOTE_EVENT_BYTES + over)
            sk_buf_chr(&text, 'x');
        sk_buf_str(&text, "\n\n");
        assert_int_equal(sk_event_reader_add(&e, text.data, text.len, &err), -over);
    }
    assert_int_equal(err.code, SK_LIMIT);
}

static int refuse(void *ctx, const char *id, struct sk_view data, struct sk_err *err)
{
    (void)ctx;
    (void)data;
    return sk_fail(err, SK_CORRUPT, "not %s", id);
}

static bool never(void *ctx, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)done;
    (void)total;
    return false;
}

static void reads_a_stream(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(4096);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    (void)state;
    assert_int_equal(sk_remote_stream(r, "/api/v1/stream", NULL, note, &told, &err), 0);
    assert_string_equal(told.data, "1=from |2=b|");
    assert_string_equal(hub.authorization, "Bearer secret");
    sk_buf_clear(&told);
    assert_int_equal(sk_remote_stream(r, "/api/v1/stream", "41", note, &told, &err), 0);
    assert_string_equal(told.data, "1=from 41|2=b|");
    assert_int_equal(sk_remote_stream(r, "/api/v1/stream", "", refuse, NULL, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_non_null(strstr(err.text, "not 1"));
    assert_int_equal(
        sk_remote_stream(r, "/api/v1/say?status=403&form=error&text=no", NULL, note, &told, &err),
        -1);
    assert_int_equal(err.code, SK_DENIED);
    char long_id[SK_REMOTE_EVENT_ID + 1];
    memset(long_id, 'x', sizeof long_id - 1);
    long_id[sizeof long_id - 1] = '\0';
    assert_int_equal(sk_remote_stream(r, "/api/v1/stream", long_id, note, &told, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    sk_remote_ask(r, never, NULL);
    assert_int_equal(sk_remote_stream(r, "/api/v1/stream", NULL, note, &told, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
}

static int parse_all(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(4096);
    SK_AUTO(sk_event_reader_done) struct sk_event_reader e;
    const struct sk_view *text = ctx;
    sk_event_reader_init(&e, note, &told);
    return sk_event_reader_add(&e, text->ptr, text->len, err);
}

static void without_memory(void **state)
{
    struct sk_view text = SK_VIEW("id: 7\ndata: a\ndata: b\n\n");
    (void)state;
    assert_true(sk_alloc_sweep("stream", parse_all, &text, 0) > 2);
}

static int set_up(void **state)
{
    (void)state;
    hub_double_start(&hub);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    hub_double_stop(&hub);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_apart),
        cmocka_unit_test(limits),
        cmocka_unit_test(reads_a_stream),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests_name("remote_stream", tests, set_up, tear_down);
}
