/* test_stream.c - frames and progress, in every split. */
#include "engine.h"

#include <string.h>

static int collect(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)err;
    sk_buf_add(ctx, bytes, len);
    return 0;
}

static const char framed[] = "\1\0\0\0\0\0\0\3one"
                             "\2\0\0\0\0\0\0\0"
                             "\2\0\0\0\0\0\0\4two\n";

/* [docker-40] */
static void test_frames_in_any_pieces(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof framed; step++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        struct sk_docker_frames f = { .is_raw = false };
        struct sk_err err = SK_ERR_INIT;
        for (size_t at = 0; at < sizeof framed - 1; at += step) {
            size_t n = sizeof framed - 1 - at < step ? sizeof framed - 1 - at : step;
            assert_int_equal(sk_docker_frames_feed(&f, framed + at, n, collect, &out, &err), 0);
        }
        assert_string_equal(out.data, "onetwo\n");
    }
}

static void test_raw(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    struct sk_docker_frames f = { .is_raw = true };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_docker_frames_feed(&f, "", 0, collect, &out, &err), 0);
    assert_int_equal(sk_docker_frames_feed(&f, "plain\n", 6, collect, &out, &err), 0);
    assert_string_equal(out.data, "plain\n");
}

static void test_no_frames(void **state)
{
    static const char *const bad[] = { "plain text", "\4\0\0\0\0\0\0\1", "\1\1\0\0\0\0\0\1" };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        struct sk_docker_frames f = { .is_raw = false };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_docker_frames_feed(&f, bad[i], 8, collect, &out, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
}

static int refuse(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    (void)ctx;
    (void)bytes;
    (void)len;
    return sk_fail(err, SK_CANCELLED, "enough");
}

static void test_sink_ends_it(void **state)
{
    struct sk_docker_frames f = { .is_raw = false };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_docker_frames_feed(&f, framed, sizeof framed - 1, refuse, NULL, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
}

/* ---- pulls ---- */

static bool note(void *ctx, const char *what)
{
    sk_buf_str(ctx, what);
    sk_buf_chr(ctx, '|');
    return !strstr(what, "stop");
}

static const struct {
    const char *name, *stream, *told;
    enum sk_code code;
    const char *words;
} pulls[] = {
    { "nothing", "", "", SK_OK, NULL },
    { "empty lines", "\r\n\n", "", SK_OK, NULL },
    { "progress",
      "{\"status\":\"Pulling from cats\",\"id\":\"v1\"}\r\n"
      "{\"status\":\"Downloading\",\"progressDetail\":{\"current\":1500000,\"total\":3000000},"
      "\"id\":\"ab\"}\r\n{\"status\":\"Done\"}",
      "v1: Pulling from cats|ab: Downloading 1.5 of 3.0 MB|Done|", SK_OK, NULL },
    { "an error inside",
      "{\"status\":\"x\"}\r\n{\"errorDetail\":{\"message\":\"toomanyrequests: slow\"},\"error\":"
      "\"e\"}\r\n",
      "x|", SK_REMOTE, "toomanyrequests: slow" },
    { "an error without detail", "{\"error\":\"manifest unknown\"}\n", "", SK_NOT_FOUND,
      "manifest unknown" },
    { "an error without words", "{\"errorDetail\":{\"message\":\"\"}}\n", "", SK_REMOTE,
      "no reason" },
    { "an error without an end", "{\"error\":\"unauthorized: authentication required\"}", "",
      SK_DENIED, "unauthorized" },
    { "a full disk", "{\"error\":\"write /x: no space left on device\"}\n", "", SK_FULL, "space" },
    { "stopped", "{\"status\":\"stop\"}\n{\"status\":\"more\"}\n", "stop|", SK_CANCELLED, NULL },
    { "no JSON", "<html>\n", "", SK_INVALID, "progress" },
    { "cut off", "{\"status\":\"x\"}\n{\"sta", "x|", SK_INVALID, "progress" },
};

/* [docker-12] */
static void test_pulls_in_any_pieces(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof pulls / sizeof pulls[0]; i++) {
        size_t len = strlen(pulls[i].stream);
        for (size_t step = 1; step <= len + 1; step++) {
            SK_AUTO(sk_buf_done) struct sk_buf told = SK_BUF_INIT(4096);
            struct sk_docker_progress p = { note, &told, SK_BUF_INIT(SK_DOCKER_LINE_MAX) };
            struct sk_err err = SK_ERR_INIT;
            int rc = 0;
            sk_buf_str(&told, "");
            for (size_t at = 0; at < len && rc == 0; at += step)
                rc = sk_docker_progress_feed(&p, pulls[i].stream + at,
                                             len - at < step ? len - at : step, &err);
            if (rc == 0)
                rc = sk_docker_progress_end(&p, &err);
            sk_buf_done(&p.line);
            if ((rc == 0) != (pulls[i].code == SK_OK) || err.code != pulls[i].code ||
                strcmp(told.data ? told.data : "", pulls[i].told) != 0 ||
                (pulls[i].words && !strstr(err.text, pulls[i].words)))
                fail_msg("%s, step %zu: %s, told '%s'", pulls[i].name, step, err.text, told.data);
        }
    }
}

/* [docker-12] */
static void test_long_line(void **state)
{
    static char piece[1024];
    struct sk_docker_progress p = { .line = SK_BUF_INIT(SK_DOCKER_LINE_MAX) };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    memset(piece, ' ', sizeof piece);
    for (size_t i = 0; i < SK_DOCKER_LINE_MAX / sizeof piece; i++)
        assert_int_equal(sk_docker_progress_feed(&p, piece, sizeof piece, &err), 0);
    assert_int_equal(sk_docker_progress_feed(&p, piece, 1, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    sk_buf_done(&p.line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_in_any_pieces),
        cmocka_unit_test(test_raw),
        cmocka_unit_test(test_no_frames),
        cmocka_unit_test(test_sink_ends_it),
        cmocka_unit_test(test_pulls_in_any_pieces),
        cmocka_unit_test(test_long_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
