/* test_exchange.c - one request and its answer: headers, bodies, and what a failure leaves open. */
#include "fetch/curl_priv.h"
#include "fetch/loopback.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"

/* Quick: for servers that say nothing. */
static const struct sk_fetch_options patient = { .connect_ms = 20000, .stall_ms = 20000 };
static const struct sk_fetch_options quick = { .connect_ms = 20000, .stall_ms = 500 };

/* One exchange with a server that gives this reply. */
static int run(const struct sk_fetch_request *r, const char *reply, struct sk_exchange *x,
               struct sk_fetch_answer *a, struct sk_err *err, char *request)
{
    const struct sk_curl_api *lib = sk_curl(err);
    const char *replies[] = { reply, NULL };
    const bool is_silent = strcmp(reply, SK_LOOPBACK_SILENCE) == 0;
    struct sk_loopback *s = sk_loopback_start(replies);
    SK_AUTO(sk_url_done) struct sk_url url = { 0 };
    char text[256];

    assert_non_null(lib);
    assert_int_equal(sk_url_parse(NULL, sk_loopback_url(s, "/x", text), &url, err), 0);
    *x = (struct sk_exchange){ .request = r,
                               .method = r->method ? r->method : "GET",
                               .url = &url,
                               .is_trusted = true,
                               .has_body = r->body != NULL,
                               .opts = is_silent ? &quick : &patient,
                               .answer = a };
    CURL *handle = lib->curl_easy_init();
    assert_non_null(handle);
    int rc = sk_exchange(lib, handle, x, err);
    lib->curl_easy_cleanup(handle);
    sk_loopback_stop(s);
    if (request)
        memcpy(request, s->requests[0], SK_LOOPBACK_REQUEST_BYTES);
    sk_loopback_free(s);
    x->url = NULL;
    return rc;
}

static void answers(void **state)
{
    (void)state;

    static const struct {
        const char *name, *reply, *headers, *body;
        int status;
    } rows[] = {
        { "plain", HEAD("200 OK") "Content-Length: 2\r\nETag: \"x\"\r\n\r\nhi",
          "connection: close\ncontent-length: 2\netag: \"x\"\n", "hi", 200 },
        { "no reason", HEAD("204") "\r\n", "connection: close\n", "", 204 },
        { "interim", "HTTP/1.1 100 Continue\r\nOne: 1\r\n\r\n" HEAD("200 OK") "Two: 2\r\n\r\nend",
          "connection: close\ntwo: 2\n", "end", 200 },
        { "odd headers", HEAD("200 OK") "A:\r\nB:  b \t\r\nA: 2\r\n\r\n",
          "connection: close\na: \nb: b\na: 2\n", "", 200 },
        { "chunks and a trailer",
          HEAD("200 OK") "Transfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\nT: t\r\n\r\n",
          "connection: close\ntransfer-encoding: chunked\n", "abc", 200 },
        { "an error's words", HEAD("500 No") "\r\nwhy", "connection: close\n", "why", 500 },
        { "a redirect is an answer", HEAD("302 Found") "Location: /y\r\n\r\n",
          "connection: close\nlocation: /y\n", "", 302 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_fetch_request r = { 0 };
        struct sk_exchange x;
        struct sk_err err = SK_ERR_INIT;
        if (run(&r, rows[i].reply, &x, &a, &err, NULL) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_int_equal(a.status, rows[i].status);
        assert_string_equal(a.headers, rows[i].headers);
        assert_string_equal(a.body.data ? a.body.data : "", rows[i].body);
    }
}

static void failures(void **state)
{
    (void)state;

    static const struct {
        const char *name, *reply;
        enum sk_code code;
        bool is_repeatable;
        int status;
    } rows[] = {
        { "hung up", "", SK_IO, true, 0 },
        { "hung up in the headers", "HTTP/1.1 200 OK\r\nA: b\r\n", SK_IO, true, 200 },
        { "hung up before the body", HEAD("200 OK") "Content-Length: 5\r\n\r\n", SK_IO, true, 200 },
        { "hung up in the body", HEAD("200 OK") "Content-Length: 5\r\n\r\nabc", SK_IO, false, 200 },
        { "silent", SK_LOOPBACK_SILENCE, SK_TIMEOUT, true, 0 },
        { "not HTTP", "SSH-2.0-OpenSSH\r\n", SK_IO, true, 0 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_fetch_request r = { 0 };
        struct sk_exchange x;
        struct sk_err err = SK_ERR_INIT;
        if (run(&r, rows[i].reply, &x, &a, &err, NULL) == 0)
            fail_msg("%s: succeeded", rows[i].name);
        if (err.code != rows[i].code || x.is_repeatable != rows[i].is_repeatable || !x.was_sent)
            fail_msg("%s: %s: %s, %d %d", rows[i].name, sk_code_name(err.code), err.text,
                     x.is_repeatable, x.was_sent);
        assert_int_equal(a.status, rows[i].status);
    }
}

static void endless_headers(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf reply = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_fetch_request r = { 0 };
    struct sk_exchange x;
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(&reply, "HTTP/1.1 200 OK\r\n");
    while (reply.len < SK_FETCH_HEAD_BYTES + (16 << 10))
        sk_buf_str(&reply, "X-Padding: 0123456789012345678901234567890123456789\r\n");
    sk_buf_str(&reply, "\r\n");
    assert_int_equal(run(&r, reply.data, &x, &a, &err, NULL), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_false(x.is_repeatable);
}

/* Of an error's body the beginning is kept, and no more is read than needed. */
static void endless_error(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf reply = SK_BUF_INIT(4 << 20);
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_fetch_request r = { 0 };
    struct sk_exchange x;
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(&reply, HEAD("500 No") "\r\n");
    while (reply.len < 2 << 20)
        sk_buf_str(&reply, "again and again and again and again and again and again ");
    assert_int_equal(run(&r, reply.data, &x, &a, &err, NULL), 0);
    assert_int_equal(a.status, 500);
    assert_in_range(a.body.len, 1, SK_FETCH_ERROR_BYTES);
}

static void what_is_sent(void **state)
{
    (void)state;
    static const char *const headers[] = { "Content-Type: text/x", "Cookie: c", "X-Own: o", NULL };

    static const struct {
        const char *name;
        struct sk_fetch_request r;
        const char *lines[6], *absent;
    } rows[] = {
        { "get", { 0 }, { "GET /x HTTP/1.1\r\n", "\r\nUser-Agent: skerry/" }, "Range" },
        { "head", { .method = "HEAD" }, { "HEAD /x HTTP/1.1\r\n" }, "Content-" },
        { "delete", { .method = "DELETE" }, { "DELETE /x HTTP/1.1\r\n" }, "Content-" },
        { "range", { .range_from = 7 }, { "\r\nRange: bytes=7-\r\n" }, "Content-" },
        { "bearer", { .bearer = "tok" }, { "\r\nAuthorization: Bearer tok\r\n" }, "Content-" },
        { "post",
          { .method = "POST", .body = "abc", .body_len = 3 },
          { "POST /x HTTP/1.1\r\n", "\r\nContent-Length: 3\r\n", "\r\n\r\nabc" },
          "Content-Type" },
        { "put",
          { .method = "PUT", .body = "", .body_len = 0, .headers = headers },
          { "PUT /x HTTP/1.1\r\n", "\r\nContent-Length: 0\r\n", "\r\nContent-Type: text/x\r\n",
            "\r\nCookie: c\r\n", "\r\nX-Own: o\r\n" },
          "Expect" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        char request[SK_LOOPBACK_REQUEST_BYTES];
        struct sk_exchange x;
        struct sk_err err = SK_ERR_INIT;
        if (run(&rows[i].r, HEAD("200 OK") "\r\n", &x, &a, &err, request) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        for (size_t k = 0; k < 6 && rows[i].lines[k]; k++)
            if (!strstr(request, rows[i].lines[k]))
                fail_msg("%s: no '%s' in %s", rows[i].name, rows[i].lines[k], request);
        if (strstr(request, rows[i].absent))
            fail_msg("%s: '%s' in %s", rows[i].name, rows[i].absent, request);
    }
}

static void line_breaks_are_refused(void **state)
{
    (void)state;
    static const char *const headers[] = { "X: 1\r\nHost: evil", NULL };
    static const struct sk_fetch_request rows[] = {
        { .bearer = "secret\r\nX: y" },
        { .bearer = "secret\n" },
        { .headers = headers },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_exchange x;
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(run(&rows[i], HEAD("200 OK") "\r\n", &x, &a, &err, NULL), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_null(strstr(err.text, "secret"));
    }
}

/* A request may say how long its server may be silent. */
static void own_patience(void **state)
{
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_fetch_request r = { .stall_ms = 40 };
    struct sk_exchange x;
    struct sk_err err = SK_ERR_INIT;
    (void)state;
    assert_int_equal(run(&r, SK_LOOPBACK_SILENCE, &x, &a, &err, NULL), -1);
    assert_int_equal(err.code, SK_TIMEOUT);
    assert_non_null(strstr(err.text, "0.04 s"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers),
        cmocka_unit_test(failures),
        cmocka_unit_test(own_patience),
        cmocka_unit_test(endless_headers),
        cmocka_unit_test(endless_error),
        cmocka_unit_test(what_is_sent),
        cmocka_unit_test(line_breaks_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
