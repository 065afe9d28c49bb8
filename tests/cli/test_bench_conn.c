/* test_bench_conn.c - answers whole and in pieces, kept and closed connections, everything a server
 * can do wrong. */
#include "cli/bench_priv.h"

#include "cli_test.h"

static struct sk_bench_target target_of(const struct fake_server *s)
{
    struct sk_bench_target t = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char url[64];

    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d", s->port);
    assert_int_equal(
        sk_bench_target_open(url, &(struct sk_bench_child_options){ 0 }, NULL, &t, &err), 0);
    return t;
}

static const struct {
    const char *name, *answer;
    unsigned flags;
    int status; /* 0: an error that contains `body` */
    const char *body;
} rows[] = {
    { "plain", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 0, 200, "hello" },
    { "byte by byte", "HTTP/1.1 200 OK\r\ncontent-length:5\r\n\r\nhello", FAKE_BYTEWISE, 200,
      "hello" },
    { "empty body", "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n", 0, 503, "" },
    { "says close", "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
      FAKE_CLOSE_AFTER, 200, "ok" },
    { "too few bytes", "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello", FAKE_CLOSE_AFTER, 0,
      "closed the connection" },
    { "too many bytes", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhello", 0, 0,
      "more bytes than" },
    { "no length", "HTTP/1.1 200 OK\r\n\r\nhello", 0, 0, "no usable Content-Length" },
    { "odd length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", 0, 0,
      "Content-Length: '-1' is not" },
    { "chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 0,
      "Transfer-Encoding" },
    { "no HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, 0, "not HTTP/1.1" },
    { "closes at once", "", FAKE_CLOSE_AFTER, 0, "closed the connection" },
};

static void test_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct fake_server s;
        SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1000);
        struct sk_err err = SK_ERR_INIT;
        int status = 0;
        static const char request[] = "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";

        fake_start(&s, rows[i].answer, rows[i].flags);
        struct sk_bench_target t = target_of(&s);
        int rc = sk_bench_exchange(&t, request, sizeof request - 1, 5000, &status, &body, &err);
        fake_stop(&s);
        if ((rc == 0) != (rows[i].status != 0) || status != rows[i].status)
            fail_msg("%s: returned %d, status %d, %s", rows[i].name, rc, status, err.text);
        if (rc == 0)
            assert_string_equal(body.data ? body.data : "", rows[i].body);
        else if (!strstr(err.text, rows[i].body))
            fail_msg("%s: %s", rows[i].name, err.text);
    }
}

static void test_long_head(void **state)
{
    char *answer = malloc(20000);
    struct fake_server s;
    struct sk_err err = SK_ERR_INIT;
    int status = 0;

    (void)state;
    assert_non_null(answer);
    int n = snprintf(answer, 20000, "HTTP/1.1 200 OK\r\nX: ");
    memset(answer + n, 'a', (size_t)(19999 - n));
    answer[19999] = '\0';
    fake_start(&s, answer, 0);
    struct sk_bench_target t = target_of(&s);
    assert_int_equal(sk_bench_exchange(&t, "GET / HTTP/1.1\r\n\r\n", 18, 5000, &status, NULL, &err),
                     -1);
    assert_non_null(strstr(err.text, "too long"));
    fake_stop(&s);
    free(answer);
}

static void test_timeout_and_refusal(void **state)
{
    struct fake_server s;
    struct sk_err err = SK_ERR_INIT;
    int status = 0;

    (void)state;
    fake_start(&s, "", FAKE_SILENT);
    struct sk_bench_target t = target_of(&s);
    assert_int_equal(sk_bench_exchange(&t, "GET / HTTP/1.1\r\n\r\n", 18, 50, &status, NULL, &err),
                     -1);
    assert_int_equal(err.code, SK_TIMEOUT);
    fake_stop(&s);
    assert_int_equal(sk_bench_exchange(&t, "GET / HTTP/1.1\r\n\r\n", 18, 5000, &status, NULL, &err),
                     -1);
    assert_non_null(strstr(err.text, "refused"));
}

static void test_get(void **state)
{
    struct fake_server s;
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1000);
    struct sk_err err = SK_ERR_INIT;
    char key[] = "secret";

    (void)state;
    fake_start(&s, "HTTP/1.1 401 No\r\nContent-Length: 3\r\n\r\nkey", 0);
    struct sk_bench_target t = target_of(&s);
    t.api_key = key;
    assert_int_equal(sk_bench_get(&t, "POST", "/x", &body, &err), -1);
    fake_stop(&s);
    assert_string_equal(err.text, "POST /x: status 401: key");
    assert_memory_equal(s.last, "POST /x HTTP/1.1\r\n", 18);
    assert_non_null(strstr(s.last, "\r\nAuthorization: Bearer secret\r\n"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_long_head),
        cmocka_unit_test(test_timeout_and_refusal),
        cmocka_unit_test(test_get),
    };
    return cmocka_run_group_tests_name("bench_conn", tests, NULL, NULL);
}
