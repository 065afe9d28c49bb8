/* test_parse.c - answers fed in any split give the same; what is left over stays. */
#include "base/buf.h"
#include "base/cleanup.h"
#include "unixhttp/unixhttp_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const answers[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhel\r\n02;x=y\r\nlo\r\n0\r\nT: "
     "x\r\n\r\n"),
    "HTTP/1.1 102 Wait\r\nX: y\r\n\r\nHTTP/1.1 200\r\n\r\nhello",
};

/* The whole body; false: an error. */
static bool parse(const char *text, size_t len, size_t step, struct sk_unixhttp_parser *p,
                  struct sk_buf *body, size_t *left, struct sk_err *err)
{
    *p = (struct sk_unixhttp_parser){ .state = SK_UNIXHTTP_STATUS };
    for (size_t at = 0; at < len;) {
        struct sk_view in = { text + at, step < len - at ? step : len - at };
        struct sk_view piece;
        const size_t given = in.len;
        if (sk_unixhttp_feed(p, &in, &piece, err) < 0)
            return false;
        sk_buf_add(body, piece.ptr, piece.len);
        at += given - in.len;
        *left = len - at;
        if (p->state == SK_UNIXHTTP_DONE)
            break;
    }
    return true;
}

static void any_split(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof answers / sizeof *answers; i++)
        for (size_t step = 1; step <= strlen(answers[i]); step++) {
            SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(100);
            struct sk_unixhttp_parser p;
            struct sk_err err = SK_ERR_INIT;
            size_t left = 0;
            if (!parse(answers[i], strlen(answers[i]), step, &p, &body, &left, &err))
                fail_msg("answer %zu by %zu: %s", i, step, err.text);
            assert_int_equal(p.status, 200);
            assert_int_equal(sk_unixhttp_end(&p, &err), 0);
            assert_string_equal(body.data, "hello");
        }
}

static void what_follows_is_left(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhiHTTP/1.1 200";
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(100);
    struct sk_unixhttp_parser p;
    struct sk_err err = SK_ERR_INIT;
    size_t left = 0;
    (void)state;
    assert_true(parse(text, sizeof text - 1, 100, &p, &body, &left, &err));
    assert_int_equal(p.state, SK_UNIXHTTP_DONE);
    assert_string_equal(body.data, "hi");
    assert_int_equal(left, strlen("HTTP/1.1 200"));
}

static void malformed(void **state)
{
    static const struct {
        const char *name, *text;
        size_t len;
    } rows[] = {
        { "version", "HTTP/2.0 200 OK\r\n", 17 },
        { "no space", "HTTP/1.1_200 OK\r\n", 17 },
        { "two digits", "HTTP/1.1 20 OK\r\n", 16 },
        { "below 100", "HTTP/1.1 099 OK\r\n", 17 },
        { "beyond 599", "HTTP/1.1 600 OK\r\n", 17 },
        { "NUL", "HTTP/1.1 200 O\0\r\n", 17 },
        { "folded", "HTTP/1.1 200 OK\r\n a: b\r\n", 24 },
        { "no name", "HTTP/1.1 200 OK\r\n: b\r\n", 22 },
        { "length of 19 digits", "HTTP/1.1 200 OK\r\nContent-Length: 1000000000000000000\r\n", 54 },
        { "chunked twice",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", 73 },
        { "no size", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n;x\r\n", 51 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(100);
        struct sk_unixhttp_parser p;
        struct sk_err err = SK_ERR_INIT;
        size_t left = 0;
        if (parse(rows[i].text, rows[i].len, 100, &p, &body, &left, &err) || err.code != SK_INVALID)
            fail_msg("%s: code %d, %s", rows[i].name, err.code, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_split),
        cmocka_unit_test(what_follows_is_left),
        cmocka_unit_test(malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
