/* test_request.c - targets, headers, routes, keys: what is refused before a body is read, and how.
 */
#include "client.h"
#include "fixture.h"
#include "http/http_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* [http-21] */
static void targets(void **state)
{
    (void)state;

    static const struct {
        const char *target, *path, *raw, *query; /* path NULL: malformed; query "name=value|..." */
    } rows[] = {
        { "/", "/", "/", "" },
        { "/a%2Fb%20c", "/a/b c", "/a%2Fb%20c", "" },
        { "/a?", "/a", "/a", "" },
        { "/a?x=1&y=2", "/a", "/a", "x=1|y=2|" },
        { "/a?x=b+c%2B%26&&y&=z", "/a", "/a", "x=b c+&|y=|=z|" },
        { "http://h:1/a/b?c=d", "/a/b", "/a/b", "c=d|" },
        { "HTTPS://h", "/", "/", "" },
        { "http://h?q=1", "/", "/", "q=1|" },
        { "*", "*", "*", "" },
        { "/%C3%A4", "/\xc3\xa4", "/%C3%A4", "" },
        { "/%", NULL, NULL, NULL },
        { "/%4", NULL, NULL, NULL },
        { "/%zz", NULL, NULL, NULL },
        { "/a%00b", NULL, NULL, NULL },
        { "/a?x=%00", NULL, NULL, NULL },
        { "/a?x=%", NULL, NULL, NULL },
        { "/a b", NULL, NULL, NULL },
        { "/a\x7f", NULL, NULL, NULL },
        { "/a#b", NULL, NULL, NULL },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_http_req r = { .arena = SK_ARENA_INIT(1 << 20) };
        SK_AUTO(sk_buf_done) struct sk_buf query = SK_BUF_INIT(1 << 16);
        bool ok = sk_req_target(&r, rows[i].target);
        if (ok != (rows[i].path != NULL))
            fail_msg("row '%s': %d", rows[i].target, ok);
        if (ok) {
            for (size_t q = 0; q < r.query_count; q++)
                sk_buf_fmt(&query, "%s=%s|", r.query[q].name, r.query[q].value);
            sk_buf_str(&query, "");
            if (strcmp(r.path, rows[i].path) != 0 || strcmp(r.target, rows[i].raw) != 0 ||
                strcmp(query.data, rows[i].query) != 0)
                fail_msg("row '%s': path '%s' raw '%s' query '%s'", rows[i].target, r.path,
                         r.target, query.data);
        }
        sk_arena_done(&r.arena);
    }
}

/* [http-20] */
static void query_limit(void **state)
{
    (void)state;
    for (size_t n = SK_HTTP_QUERY_MAX; n <= SK_HTTP_QUERY_MAX + 1; n++) {
        struct sk_http_req r = { .arena = SK_ARENA_INIT(1 << 20) };
        SK_AUTO(sk_buf_done) struct sk_buf target = SK_BUF_INIT(1 << 16);
        sk_buf_str(&target, "/?");
        for (size_t i = 0; i < n; i++)
            sk_buf_fmt(&target, "&a%zu=1", i);
        assert_int_equal(sk_req_target(&r, target.data), n <= SK_HTTP_QUERY_MAX);
        sk_arena_done(&r.arena);
    }
}

#define H "Host: x\r\n"

static const struct {
    const char *name, *request;
    int status;
    const char *body; /* a part of the answer's body */
    bool closes;
} rows[] = {
    { "GET", "GET /items/a%2Fb?q=1 HTTP/1.1\r\n" H "\r\n", 200, "GET /items/a/b rest=a%2Fb q=1",
      false },
    { "POST without a body", "POST /items/x HTTP/1.1\r\n" H "\r\n", 200, "POST /items/x rest=x q=-",
      false },
    { "absolute form", "GET http://x/items/y HTTP/1.1\r\n" H "\r\n", 200, "rest=y", false },
    { "empty lines in front", "\r\n\r\nGET /open HTTP/1.1\r\n" H "\r\n", 200, "ok", false },
    { "HTTP/1.0", "GET /open HTTP/1.0\r\n\r\n", 200, "ok", true },
    { "HTTP/1.0, keep-alive", "GET /open HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 200, "ok",
      false },
    { "Connection: close", "GET /open HTTP/1.1\r\n" H "Connection: close\r\n\r\n", 200, "ok",
      true },
    { "unknown path", "GET /nope HTTP/1.1\r\n" H "\r\n", 404, "{\"error\":\"no such path: /nope\"}",
      false },
    { "prefix itself", "GET /items HTTP/1.1\r\n" H "\r\n", 404, "no such path", false },
    { "wrong method", "PUT /items/x HTTP/1.1\r\n" H "\r\n", 405,
      "PUT is not allowed here, only GET, HEAD, POST", false },
    { "OPTIONS", "OPTIONS /echo HTTP/1.1\r\n" H "\r\n", 405, "only POST", false },
    { "malformed target", "GET /%zz HTTP/1.1\r\n" H "\r\n", 400, "target is malformed", true },
    { "two spaces in front of the target", "GET  /open HTTP/1.1\r\n" H "\r\n", 200, "ok", false },
    { "two spaces behind the target", "GET /open  HTTP/1.1\r\n" H "\r\n", 400,
      "target is malformed", true },
    { "space in the target", "GET /a b HTTP/1.1\r\n" H "\r\n", 400, "target is malformed", true },
    { "no Host", "GET /open HTTP/1.1\r\n\r\n", 400, "Host", true },
    { "two Hosts", "GET /open HTTP/1.1\r\n" H H "\r\n", 400, "contradict", true },
    { "space in a header's name", "GET /open HTTP/1.1\r\n" H "A : b\r\n\r\n", 400, "malformed",
      true },
    { "method that is no token", "G{T /open HTTP/1.1\r\n" H "\r\n", 400, "malformed", true },
    { "two lengths", "POST /echo HTTP/1.1\r\n" H "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
      400, "contradict", true },
    { "both lengths",
      "POST /echo HTTP/1.1\r\n" H
      "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
      400, "contradict", true },
    { "unknown transfer coding",
      "POST /echo HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501,
      "only chunked", true },
    { "transfer coding in 1.0",
      "POST /echo HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "HTTP/1.0", true },
    { "gzip", "POST /echo HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc",
      415, "gzip", false },
    { "identity",
      "POST /echo HTTP/1.1\r\n" H "Content-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", 200,
      "abc", false },
    { "gzip where it may come",
      "POST /fields HTTP/1.1\r\n" H "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 200,
      "Content-Encoding=gzip;Content-Length=3;", false },
    { "fields in order, each as it came",
      "POST /fields HTTP/1.1\r\n" H "b: 1\r\nA: 2\r\nb: 3\r\nc:\r\n\r\n", 200, "b=1;A=2;b=3;c=;",
      false },
    { "unknown expectation",
      "POST /echo HTTP/1.1\r\n" H "Expect: miracles\r\nContent-Length: 3\r\n\r\nabc", 417,
      "miracles", true },
    { "small body of a refused request is read away",
      "POST /nope HTTP/1.1\r\n" H "Content-Length: 3\r\n\r\nabc", 404, "no such", false },
    { "large body of a refused request is not",
      "POST /nope HTTP/1.1\r\n" H "Content-Length: 65537\r\n\r\n", 404, "no such", true },
    { "refused before 100",
      "POST /nope HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 404,
      "no such", true },
    { "multipart without boundary",
      "POST /form HTTP/1.1\r\n" H
      "Content-Type: multipart/form-data\r\nContent-Length: 2\r\n\r\nxx",
      400, "no boundary", false },
    { "multipart",
      "POST /form HTTP/1.1\r\n" H
      "Content-Type: multipart/form-data; boundary=b\r\nContent-Length: "
      "20\r\n\r\n--b\r\n\r\nhello\r\n--b--\r\n",
      200, "=5;", false },
    { "form that is not multipart",
      "POST /form HTTP/1.1\r\n" H "Content-Type: image/png\r\nContent-Length: 3\r\n\r\nabc", 200,
      "plain=3", false },
    { "multipart elsewhere is a body",
      "POST /echo HTTP/1.1\r\n" H
      "Content-Type: multipart/form-data\r\nContent-Length: 3\r\n\r\nabc",
      200, "abc", false },
};

/* [http-1] [http-22] [http-23] [http-31] [http-32] [http-34] */
static void requests(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        client_send(&c, rows[i].request);
        client_read(&c, false, &a);
        if (a.status != rows[i].status || !strstr(a.body, rows[i].body))
            fail_msg("row '%s': %d %s", rows[i].name, a.status, a.body);
        if (!answer_header(&a, "X-Request-Id") ||
            !strstr(answer_header(&a, "Content-Type"), "json"))
            fail_msg("row '%s': %s", rows[i].name, a.head);
        if (rows[i].closes ? !client_ends(&c, HTTP_WAIT_MS) : client_ends(&c, 20))
            fail_msg("row '%s': the connection should %s", rows[i].name,
                     rows[i].closes ? "end" : "stay");
        client_close(&c);
    }
    fixture_wait_finished(sizeof rows / sizeof rows[0]);
    fixture_stop(&f);
}

/* [http-40]: what libmicrohttpd 0.9.75 says by itself. A row that fails after an update of the
 * library is good news. */
static void answers_of_the_library(void **state)
{
    (void)state;

    static const struct {
        const char *name, *request;
        int status;      /* 0: closed without a word */
        bool is_noticed; /* finished() is called */
    } known[] = {
        { "no space in the first line", "GARBAGE\r\n\r\n", 0, false },
        { "no version", "GET /open\r\n\r\n", 400, false },
        { "unknown version", "GET /open HTTP/x\r\n\r\n", 400, false },
        { "old version", "GET /open HTTP/0.9\r\n\r\n", 505, false },
        { "new version", "GET /open HTTP/2.0\r\n\r\n", 505, false },
        { "header without colon", "GET /open HTTP/1.1\r\n" H "hello\r\n\r\n", 400, true },
        { "length that is no number", "POST /echo HTTP/1.1\r\n" H "Content-Length: x\r\n\r\n", 400,
          true },
        { "negative length", "POST /echo HTTP/1.1\r\n" H "Content-Length: -1\r\n\r\n", 400, true },
        { "space behind the length", "POST /echo HTTP/1.1\r\n" H "Content-Length: 1 \r\n\r\na", 400,
          true },
        { "length beyond 64 bits",
          "POST /echo HTTP/1.1\r\n" H "Content-Length: 18446744073709551616\r\n\r\n", 413, true },
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    unsigned noticed = 0;
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        struct client c;
        struct answer a;
        client_open(&c, f.port);
        client_send(&c, known[i].request);
        client_read(&c, false, &a);
        if (a.status != known[i].status || (a.status && !strstr(a.body, "<html>")))
            fail_msg("row '%s': %d %s", known[i].name, a.status, a.body);
        sk_buf_clear(&c.in); /* it sends its head twice when the length is wrong */
        if (!client_ends(&c, HTTP_WAIT_MS))
            fail_msg("row '%s': the connection stays", known[i].name);
        client_close(&c);
        noticed += known[i].is_noticed;
        fixture_wait_finished(noticed);
        if (known[i].is_noticed && fixture_last_status() != known[i].status)
            fail_msg("row '%s': finished with %d", known[i].name, fixture_last_status());
    }
    fixture_stop(&f);
    assert_int_equal(fixture_finished(), noticed);
}

/* [http-22] */
static void allow_header(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ 0 });
    client_ask(f.port, "DELETE /items/x HTTP/1.1\r\n" H "\r\n", &a);
    assert_string_equal(answer_header(&a, "Allow"), "GET, HEAD, POST");
    fixture_stop(&f);
}

/* [http-25] */
static void request_ids(void **state)
{
    (void)state;
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ 0 });
    char long_id[SK_LIMIT_REQUEST_ID_BYTES + 2];
    memset(long_id, 'i', sizeof long_id);
    long_id[sizeof long_id - 1] = '\0';

    const struct {
        const char *given;
        bool is_kept;
    } ids[] = {
        { "a-b_c.d:e/f+g=h@i", true },
        { long_id + 1, true },
        { long_id, false },
        { "a b", false },
        { "a\"b", false },
        { "", false },
    };

    char before[32] = "";
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        char request[512];
        struct answer a;
        (void)snprintf(request, sizeof request,
                       "GET /open HTTP/1.1\r\n" H "X-Request-Id: %s\r\n\r\n", ids[i].given);
        client_ask(f.port, request, &a);
        const char *id = answer_header(&a, "X-Request-Id");
        if (ids[i].is_kept ? strcmp(id, ids[i].given) != 0
                           : strlen(id) != 16 || strcmp(id, before) == 0)
            fail_msg("given '%s': '%s'", ids[i].given, id);
        (void)snprintf(before, sizeof before, "%.31s", id);
    }
    fixture_stop(&f);
}

/* [http-24] */
static void keys(void **state)
{
    (void)state;

    static const struct {
        const char *request;
        int status;
    } requests_with[] = {
        { "GET /open HTTP/1.1\r\n" H "\r\n", 200 },
        { "GET /static HTTP/1.1\r\n" H "\r\n", 401 },
        { "GET /static HTTP/1.1\r\n" H "X-API-Key: secret\r\n\r\n", 200 },
        { "GET /static HTTP/1.1\r\n" H "X-API-Key: secre\r\n\r\n", 401 },
        { "GET /static HTTP/1.1\r\n" H "X-API-Key: secrets\r\n\r\n", 401 },
        { "GET /static HTTP/1.1\r\n" H "Authorization: bearer   secret\r\n\r\n", 200 },
        { "GET /static HTTP/1.1\r\n" H "Authorization: Basic secret\r\n\r\n", 401 },
        { "GET /static HTTP/1.1\r\n" H "Authorization: Bearer\r\n\r\n", 401 },
        { "GET /nope HTTP/1.1\r\n" H "\r\n", 404 },
        { "POST /echo HTTP/1.1\r\n" H "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", 401 },
    };
    struct fixture f;
    fixture_start(&f, (struct sk_http_options){ .api_key = "secret" });
    for (size_t i = 0; i < sizeof requests_with / sizeof requests_with[0]; i++) {
        struct answer a;
        client_ask(f.port, requests_with[i].request, &a);
        if (a.status != requests_with[i].status)
            fail_msg("'%s': %d %s", requests_with[i].request, a.status, a.body);
        if (a.status == 401 && !answer_header(&a, "WWW-Authenticate"))
            fail_msg("401 without WWW-Authenticate");
    }
    fixture_stop(&f);
}

/* n header lines, the last filled up so that the whole head has `bytes` bytes (0: as it comes). */
static int ask_with_headers(uint16_t port, unsigned n, size_t bytes, struct answer *a)
{
    SK_AUTO(sk_buf_done) struct sk_buf request = SK_BUF_INIT(4 << 20);
    sk_buf_str(&request, "GET /open HTTP/1.1\r\n" H);
    for (unsigned i = 1; i < n; i++)
        sk_buf_fmt(&request, "A%u: b\r\n", i);
    if (bytes > 0) {
        sk_buf_str(&request, "F: ");
        while (request.len < bytes - 4)
            sk_buf_chr(&request, 'f');
        sk_buf_str(&request, "\r\n");
    }
    sk_buf_str(&request, "\r\n");
    client_ask(port, request.data, a);
    return a->status;
}

/* [http-20] */
static void header_limits(void **state)
{
    (void)state;
    struct fixture f;
    struct answer a;
    fixture_start(&f, (struct sk_http_options){ .max_header_bytes = 8192 });
    assert_int_equal(ask_with_headers(f.port, 1, 8192, &a), 200);
    assert_int_equal(ask_with_headers(f.port, 1, 8193, &a), 431);
    assert_non_null(strstr(a.body, "{\"error\":\"the headers have 8193 bytes, at most 8192"));
    assert_int_equal(ask_with_headers(f.port, SK_HTTP_HEADERS_MAX, 0, &a), 200);
    assert_int_equal(ask_with_headers(f.port, SK_HTTP_HEADERS_MAX + 1, 0, &a), 431);
    assert_int_equal(ask_with_headers(f.port, 1, 1 << 20, &a), 431); /* libmicrohttpd's own answer,
                                                                        HTML */
    fixture_stop(&f);

    fixture_start(&f, (struct sk_http_options){ 0 });
    assert_int_equal(ask_with_headers(f.port, 1, SK_LIMIT_HEADER_BYTES, &a), 200);
    assert_int_equal(ask_with_headers(f.port, SK_HTTP_HEADERS_MAX - 1, SK_LIMIT_HEADER_BYTES, &a),
                     200);
    assert_int_equal(ask_with_headers(f.port, 1, SK_LIMIT_HEADER_BYTES + 1, &a), 431);
    assert_non_null(strstr(a.body, "error"));
    fixture_stop(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(targets),      cmocka_unit_test(query_limit),
        cmocka_unit_test(requests),     cmocka_unit_test(answers_of_the_library),
        cmocka_unit_test(allow_header), cmocka_unit_test(request_ids),
        cmocka_unit_test(keys),         cmocka_unit_test(header_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
