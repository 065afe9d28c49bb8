/* test_fetch.c - requests as callers know them: redirects, second tries, errors in words, sinks. */
#include "fetch/curl_priv.h"
#include "fetch/loopback.h"
#include "harness/alloc_fail.h"

#include "base/clock.h"
#include "base/file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HEAD(status) "HTTP/1.1 " status "\r\nConnection: close\r\n"
#define OK           HEAD("200 OK") "Content-Length: 2\r\n\r\nok"

enum {
    PATIENT_MS = 20000,
    SHORT_MS = 500 /* for servers that say nothing */
};

static struct sk_fetch *client_with(unsigned retries, uint64_t stall_ms)
{
    struct sk_fetch_options o = { .connect_ms = PATIENT_MS,
                                  .stall_ms = stall_ms,
                                  .retries = retries };
    struct sk_fetch *f = NULL;
    struct sk_err err = SK_ERR_INIT;

    if (sk_fetch_new(&o, &f, &err) < 0)
        fail_msg("%s", err.text);
    return f;
}

static struct sk_fetch *client(unsigned retries)
{
    return client_with(retries, PATIENT_MS);
}

/* One request to a server with these replies; the server can be read and must be freed. */
static int ask(struct sk_fetch_request r, const char *const *replies, unsigned retries,
               struct sk_loopback **s, struct sk_fetch_answer *a, struct sk_err *err)
{
    const unsigned stall_ms = strcmp(replies[0], SK_LOOPBACK_SILENCE) ? PATIENT_MS : SHORT_MS;
    SK_OWN(sk_fetch_free) struct sk_fetch *f = client_with(retries, stall_ms);
    char url[256];

    *s = sk_loopback_start(replies);
    r.url = sk_loopback_url(*s, r.url ? r.url : "/x", url);
    int rc = sk_fetch_do(f, &r, a, err);
    sk_loopback_stop(*s);
    return rc;
}

SK_DEFINE_OWN(struct sk_loopback, sk_loopback_free);

/* ---- words ---- */

static void errors_in_words(void **state)
{
    (void)state;

    static const struct {
        const char *reply;
        enum sk_code code;
        int status;
        const char *text; /* behind the address */
    } rows[] = {
        { HEAD("404 Not Found") "\r\n", SK_NOT_FOUND, 404, "the server answered 404" },
        { HEAD("401 No") "\r\n", SK_UNAUTHENTICATED, 401, "the server answered 401" },
        { HEAD("403 No") "Content-Type: text/plain\r\n\r\nnot for you\n", SK_DENIED, 403,
          "the server answered 403: not for you" },
        { HEAD("500 No") "Content-Type: application/json\r\n\r\n{\"error\":\n\"x\"}", SK_REMOTE,
          500, "the server answered 500: {\"error\": \"x\"}" },
        { HEAD("500 No") "Content-Type: text/html\r\n\r\n<html>", SK_REMOTE, 500,
          "the server answered 500" },
        { HEAD("418 No") "Content-Type: text/plain\r\n\r\n\xff\xfe", SK_REMOTE, 418,
          "the server answered 418: ??" },
        { HEAD("302 Found") "Location: ftp://a.org/\r\n\r\n", SK_INVALID, 302,
          "it redirects elsewhere: an address must begin with https:// or http://" },
        { HEAD("302 Found") "Location: https://a:b@c.org/\r\n\r\n", SK_INVALID, 302,
          "it redirects elsewhere: an address must not hold a user name or a password" },
        { HEAD("302 Found") "Location: /x\r\n\r\n", SK_REMOTE, 302, "more than 10 redirects" },
        { SK_LOOPBACK_SILENCE, SK_TIMEOUT, 0, "no byte came for 0.5 s" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].reply, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        char expected[512], url[256];
        if (ask((struct sk_fetch_request){ .url = "/x?signature" }, replies, 0, &s, &a, &err) == 0)
            fail_msg("row %zu succeeded", i);
        (void)snprintf(expected, sizeof expected, "%s: %s", sk_loopback_url(s, "/x", url),
                       rows[i].text);
        assert_string_equal(err.text, expected);
        assert_int_equal(err.code, rows[i].code);
        assert_int_equal(a.status, rows[i].status);
    }
}

static void nobody_there(void **state)
{
    (void)state;
    const char *replies[] = { OK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = sk_loopback_start(replies);
    SK_OWN(sk_fetch_free) struct sk_fetch *f = client(0);
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_err err = SK_ERR_INIT;
    char url[256];
    struct sk_fetch_request r = { .url = sk_loopback_url(s, "/", url) };

    sk_loopback_stop(s);
    assert_int_equal(sk_fetch_do(f, &r, &a, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "Failed to connect"));
}

/* The second try finds the handle as a failed search for a host leaves it: with its buffer. */
static void no_such_host(void **state)
{
    (void)state;
    char host[128] = "http://"; /* a label of 64 is too long for DNS: nobody is asked */

    memset(host + 7, 'a', 64);
    for (unsigned retries = 0; retries < 2; retries++) {
        SK_OWN(sk_fetch_free) struct sk_fetch *f = client(retries);
        for (int i = 0; i < 2; i++) {
            SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
            struct sk_err err = SK_ERR_INIT;
            struct sk_fetch_request r = { .url = host };
            assert_int_equal(sk_fetch_do(f, &r, &a, &err), -1);
            if (err.code != SK_IO || !strstr(err.text, "Could not resolve host"))
                fail_msg("%u retries, request %d: %s", retries, i, err.text);
        }
    }
}

static void bad_requests(void **state)
{
    (void)state;
    static const struct sk_fetch_request rows[] = {
        { .url = "hub.org" },
        { .url = "https://me:secret@hub.org/" },
        { .url = "http://127.0.0.1/", .method = "get" },
        { .url = "http://127.0.0.1/", .method = "GET / HTTP/1.1\r\nX:" },
        { .url = "http://127.0.0.1/", .method = "" },
        { .url = "http://127.0.0.1/", .basic_user = "me:x", .basic_password = "secret" },
        { .url = "http://127.0.0.1/", .basic_user = "me", .basic_password = "secret\n" },
    };
    SK_OWN(sk_fetch_free) struct sk_fetch *f = client(0);

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_fetch_do(f, &rows[i], &a, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
        assert_null(strstr(err.text, "secret"));
    }
}

/* ---- redirects ---- */

static void redirects(void **state)
{
    (void)state;

    static const struct {
        const char *status, *method, *then;
        bool keeps_body;
    } rows[] = {
        { "301 M", "GET", "GET /y ", false },    { "302 F", "HEAD", "HEAD /y ", false },
        { "303 S", "HEAD", "HEAD /y ", false },  { "303 S", "PUT", "GET /y ", false },
        { "301 M", "POST", "GET /y ", false },   { "302 F", "POST", "GET /y ", false },
        { "302 F", "PUT", "PUT /y ", true },     { "307 T", "POST", "POST /y ", true },
        { "308 P", "PATCH", "PATCH /y ", true },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        bool has_body = rows[i].method[0] == 'P';
        char first[256];
        (void)snprintf(first, sizeof first,
                       "HTTP/1.1 %s\r\nConnection: close\r\nLocation: /y\r\n\r\nignored",
                       rows[i].status);
        const char *replies[] = { first, strstr(rows[i].then, "HEAD") ? HEAD("200 OK") "\r\n" : OK,
                                  NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_fetch_request r = { .method = rows[i].method,
                                      .bearer = "token",
                                      .body = has_body ? "body!" : NULL,
                                      .body_len = has_body ? 5 : 0 };
        if (ask(r, replies, 0, &s, &a, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(s->count, 2);
        assert_memory_equal(s->requests[1], rows[i].then, strlen(rows[i].then));
        assert_int_equal(strstr(s->requests[1], "body!") != NULL, rows[i].keeps_body);
        assert_non_null(strstr(s->requests[1], "Authorization: Bearer token"));
        assert_null(a.body.data ? strstr(a.body.data, "ignored") : NULL);
    }
}

/* What is secret stays with the first origin, also when the other sends us back. */
static void secrets_stay(void **state)
{
    (void)state;
    static const char *const headers[] = { "cookie: secret", "Authorization: secret", "X-Own: o",
                                           NULL };
    char there[256], back[256], url[256];
    const char *first_replies[] = { there, OK, NULL }, *second_replies[] = { back, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *first = sk_loopback_start(first_replies);
    SK_OWN(sk_loopback_free) struct sk_loopback *second = sk_loopback_start(second_replies);
    SK_OWN(sk_fetch_free) struct sk_fetch *f = client(0);
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(there, sizeof there, HEAD("302 Found") "Location: http://127.0.0.1:%d/\r\n\r\n",
                   second->port);
    (void)snprintf(back, sizeof back, HEAD("302 Found") "Location: http://127.0.0.1:%d/b\r\n\r\n",
                   first->port);
    struct sk_fetch_request r = { .url = sk_loopback_url(first, "/a", url),
                                  .bearer = "secret",
                                  .headers = headers };
    assert_int_equal(sk_fetch_do(f, &r, &a, &err), 0);
    sk_loopback_stop(first);
    sk_loopback_stop(second);
    assert_int_equal(first->count, 2);
    assert_int_equal(second->count, 1);
    assert_non_null(strstr(first->requests[0], "Authorization: Bearer secret"));
    assert_non_null(strstr(first->requests[0], "cookie: secret"));
    assert_null(strstr(second->requests[0], "secret"));
    assert_null(strstr(first->requests[1], "secret"));
    assert_non_null(strstr(second->requests[0], "X-Own: o"));
}

/* Likewise a user and a password. */
static void logins_stay(void **state)
{
    (void)state;
    char there[256], url[256];
    const char *first_replies[] = { there, OK, NULL }, *second_replies[] = { OK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *first = sk_loopback_start(first_replies);
    SK_OWN(sk_loopback_free) struct sk_loopback *second = sk_loopback_start(second_replies);
    SK_OWN(sk_fetch_free) struct sk_fetch *f = client(0);
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 }, b = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)snprintf(there, sizeof there, HEAD("307 T") "Location: http://127.0.0.1:%d/\r\n\r\n",
                   second->port);
    struct sk_fetch_request r = { .url = sk_loopback_url(first, "/a", url),
                                  .basic_user = "user",
                                  .basic_password = "pass:word" };
    assert_int_equal(sk_fetch_do(f, &r, &a, &err), 0);
    r = (struct sk_fetch_request){ .url = url };
    assert_int_equal(sk_fetch_do(f, &r, &b, &err), 0);
    sk_loopback_stop(first);
    sk_loopback_stop(second);
    assert_non_null(
        strstr(first->requests[0], "\r\nAuthorization: Basic dXNlcjpwYXNzOndvcmQ=\r\n"));
    assert_null(strstr(second->requests[0], "Authorization"));
    assert_null(strstr(first->requests[1], "Authorization")); /* the next request has its own */
}

static void staying(void **state)
{
    (void)state;

    static const struct {
        const char *location;
        int status;
        unsigned requests;
    } rows[] = {
        { "/y", 200, 2 },
        { "http://127.0.0.1:1/y", 302, 1 },
        { "https://127.0.0.1/", 302, 1 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char first[256], location[64];
        (void)snprintf(first, sizeof first, HEAD("302 Found") "Location: %s\r\n\r\n",
                       rows[i].location);
        const char *replies[] = { first, OK, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(ask((struct sk_fetch_request){ .stay = true }, replies, 0, &s, &a, &err),
                         0);
        assert_int_equal(a.status, rows[i].status);
        assert_int_equal(s->count, rows[i].requests);
        if (a.status == 302)
            assert_string_equal(sk_fetch_header(&a, "location", location, sizeof location),
                                rows[i].location);
    }
}

/* ---- second tries ---- */

static void second_tries(void **state)
{
    (void)state;

    static const struct {
        const char *name, *method, *first;
        unsigned retries, requests;
        bool is_ok;
    } rows[] = {
        { "busy", "GET", HEAD("503 Busy") "\r\n", 1, 2, true },
        { "busy, POST", "POST", HEAD("503 Busy") "\r\n", 1, 2, true },
        { "too many", "GET", HEAD("429 Slow") "Retry-After: 0\r\n\r\n", 1, 2, true },
        { "bad gateway", "PUT", HEAD("502 Bad") "\r\n", 1, 2, true },
        { "bad gateway, POST", "POST", HEAD("502 Bad") "\r\n", 1, 1, false },
        { "late gateway", "GET", HEAD("504 Late") "\r\n", 1, 2, true },
        { "broken", "GET", HEAD("500 No") "\r\n", 3, 2, true },
        { "broken, PUT", "PUT", HEAD("500 No") "\r\n", 1, 1, false },
        { "never", "GET", HEAD("503 Busy") "\r\n", 0, 1, false },
        { "in an hour", "GET", HEAD("503 Busy") "Retry-After: 3600\r\n\r\n", 1, 1, false },
        { "in the past", "GET",
          HEAD("503 Busy") "Retry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\n\r\n", 1, 2, true },
        { "far in the future", "GET",
          HEAD("503 Busy") "Retry-After: Sat, 06 Nov 2100 08:49:37 GMT\r\n\r\n", 1, 1, false },
        { "hung up", "GET", "", 1, 2, true },
        { "hung up, POST", "POST", "", 1, 1, false },
        { "hung up in the body", "GET", HEAD("200 OK") "Content-Length: 9\r\n\r\nabc", 1, 1,
          false },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].first, OK, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_fetch_request r = { .method = rows[i].method };
        int rc = ask(r, replies, rows[i].retries, &s, &a, &err);
        if ((rc == 0) != rows[i].is_ok || s->count != rows[i].requests)
            fail_msg("%s: %d (%s), %u requests", rows[i].name, rc, err.text, s->count);
        if (rows[i].is_ok)
            assert_string_equal(a.body.data, "ok");
    }
}

static void as_long_as_asked(void **state)
{
    (void)state;
    const char *replies[] = { HEAD("503 Busy") "Retry-After: 1\r\n\r\n", OK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_err err = SK_ERR_INIT;
    uint64_t start = sk_now_ms();

    assert_int_equal(ask((struct sk_fetch_request){ 0 }, replies, 1, &s, &a, &err), 0);
    assert_in_range(sk_now_ms() - start, 990, 30000);
}

/* ---- sinks ---- */

struct taken {
    const struct sk_fetch_answer *answer;
    char bytes[64];
    size_t len;
    int status; /* of the answer, when the first byte came */
    char etag[16];
    bool refuses;
    uint64_t done, total;
    unsigned asked, stop_after; /* progress calls; 0: never */
};

static int take(void *ctx, const void *bytes, size_t len, struct sk_err *err)
{
    struct taken *t = ctx;

    if (t->refuses)
        return sk_fail(err, SK_LIMIT, "no room");
    if (t->len == 0) {
        t->status = t->answer->status;
        (void)sk_fetch_header(t->answer, "etag", t->etag, sizeof t->etag);
    }
    assert_true(t->len + len < sizeof t->bytes);
    memcpy(t->bytes + t->len, bytes, len);
    t->len += len;
    return 0;
}

static bool tell(void *ctx, uint64_t done, uint64_t total)
{
    struct taken *t = ctx;

    t->done = done;
    t->total = total;
    return t->stop_after == 0 || ++t->asked < t->stop_after;
}

static void sinks(void **state)
{
    (void)state;

    static const struct {
        const char *name, *reply;
        int rc, status;
        const char *bytes;
    } rows[] = {
        { "all", HEAD("200 OK") "ETag: e\r\nContent-Length: 3\r\n\r\nabc", 0, 200, "abc" },
        { "a part", HEAD("206 Part") "ETag: e\r\n\r\nbc", 0, 206, "bc" },
        { "cut", HEAD("200 OK") "ETag: e\r\nContent-Length: 9\r\n\r\nabc", -1, 200, "abc" },
        { "an error's body", HEAD("404 No") "Content-Length: 3\r\n\r\nabc", -1, 0, "" },
        { "nothing", HEAD("200 OK") "Content-Length: 0\r\n\r\n", 0, 0, "" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].reply, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct taken t = { .answer = &a };
        struct sk_fetch_request r = { .sink = take, .ctx = &t, .progress = tell };
        if (ask(r, replies, 0, &s, &a, &err) != rows[i].rc)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_string_equal(t.bytes, rows[i].bytes);
        assert_int_equal(t.status, rows[i].status);
        assert_string_equal(t.etag, rows[i].status ? "e" : "");
    }
}

static void sink_that_refuses(void **state)
{
    (void)state;
    const char *replies[] = { OK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct taken t = { .answer = &a, .refuses = true };

    assert_int_equal(
        ask((struct sk_fetch_request){ .sink = take, .ctx = &t }, replies, 3, &s, &a, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_non_null(strstr(err.text, ": no room"));
    assert_int_equal(s->count, 1);
}

static void stopping(void **state)
{
    (void)state;

    static const struct {
        const char *name, *reply;
    } rows[] = {
        { "while it is silent", SK_LOOPBACK_SILENCE },
        { "during the pause", HEAD("503 Busy") "Retry-After: 50\r\n\r\n" },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].reply, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct taken t = { .stop_after = 12 };
        struct sk_fetch_request r = { .ctx = &t, .progress = tell };
        uint64_t start = sk_now_ms();
        SK_OWN(sk_fetch_free) struct sk_fetch *f = NULL;
        struct sk_fetch_options patient = { .retries = 1 };
        char url[256];
        assert_int_equal(sk_fetch_new(&patient, &f, &err), 0);
        s = sk_loopback_start(replies);
        r.url = sk_loopback_url(s, "/", url);
        assert_int_equal(sk_fetch_do(f, &r, &a, &err), -1);
        if (err.code != SK_CANCELLED)
            fail_msg("%s: %s", rows[i].name, err.text);
        assert_in_range(sk_now_ms() - start, 0, 20000);
    }
}

static void large_answers_need_a_sink(void **state)
{
    (void)state;
    SK_AUTO(sk_buf_done) struct sk_buf reply = SK_BUF_INIT(SK_FETCH_BODY_BYTES + 4096);
    SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    struct sk_err err = SK_ERR_INIT;

    sk_buf_str(&reply, HEAD("200 OK") "\r\n");
    size_t head = reply.len;
    char *room = sk_buf_reserve(&reply, SK_FETCH_BODY_BYTES + 1);
    assert_non_null(room);
    memset(room, 'x', SK_FETCH_BODY_BYTES + 1);
    sk_buf_commit(&reply, SK_FETCH_BODY_BYTES + 1);
    reply.data[reply.len] = '\0';
    const char *replies[] = { reply.data, NULL };
    assert_int_equal(ask((struct sk_fetch_request){ 0 }, replies, 0, &s, &a, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);

    SK_OWN(sk_loopback_free) struct sk_loopback *again = NULL;
    sk_fetch_answer_done(&a);
    reply.data[head + SK_FETCH_BODY_BYTES] = '\0';
    assert_int_equal(ask((struct sk_fetch_request){ 0 }, replies, 0, &again, &a, &err), 0);
    assert_int_equal(a.body.len, SK_FETCH_BODY_BYTES);
}

/* ---- small things ---- */

static void headers_by_name(void **state)
{
    (void)state;
    char text[] = "etag: \"x\"\nempty: \nx-a: 1\nx-a: 2\n";
    const struct sk_fetch_answer a = { .headers = text }, none = { 0 };

    static const struct {
        const char *name, *value;
    } rows[] = {
        { "etag", "\"x\"" }, { "empty", "" }, { "x-a", "1" }, { "x", NULL }, { "eta", NULL },
    };

    char out[8];

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *found = sk_fetch_header(&a, rows[i].name, out, sizeof out);
        if (!found != !rows[i].value)
            fail_msg("%s: %s", rows[i].name, found ? found : "none");
        if (found)
            assert_string_equal(found, rows[i].value);
    }
    assert_string_equal(sk_fetch_header(&a, "etag", out, 3), "\"x");
    assert_null(sk_fetch_header(&none, "etag", out, sizeof out));
}

/* ---- bodies from files ---- */

static void make_file(char *path, size_t len)
{
    struct sk_err err = SK_ERR_INIT;
    char bytes[6000];

    assert_true(len <= sizeof bytes);
    for (size_t i = 0; i < len; i++)
        bytes[i] = (char)('a' + i % 26);
    (void)snprintf(path, 64, "/tmp/skerry-fetch-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    (void)close(fd);
    if (sk_file_write(path, bytes, len, 0600, &err) < 0)
        fail_msg("%s", err.text);
}

static void bodies_from_files(void **state)
{
    (void)state;

    static const struct {
        const char *method, *reply;
        uint64_t offset;
        size_t len;
        unsigned requests;
    } rows[] = {
        { "PUT", OK, 0, 6000, 1 },
        { "PATCH", OK, 26, 5000, 1 },
        { "POST", OK, 6000, 0, 1 },
        { "PUT", HEAD("307 T") "Location: /y\r\n\r\n", 52, 100, 2 }, /* sent again, from its start
                                                                      */
        { "PUT", HEAD("503 B") "Retry-After: 0\r\n\r\n", 52, 100, 2 },
    };

    char path[64];

    make_file(path, 6000);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { rows[i].reply, OK, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_fetch_request r = { .method = rows[i].method,
                                      .body_path = path,
                                      .body_offset = rows[i].offset,
                                      .body_len = rows[i].len };
        if (ask(r, replies, 1, &s, &a, &err) < 0)
            fail_msg("row %zu: %s", i, err.text);
        assert_int_equal(s->count, rows[i].requests);
        for (unsigned k = 0; k < s->count; k++) {
            char length[64];
            (void)snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", rows[i].len);
            const char *body = strstr(s->requests[k], "\r\n\r\n");
            if (!body || !strstr(s->requests[k], length) || strlen(body + 4) != rows[i].len ||
                strstr(s->requests[k], "Expect") || strstr(s->requests[k], "chunked"))
                fail_msg("row %zu: %s", i, s->requests[k]);
            assert_int_equal(strncmp(s->requests[k], rows[i].method, strlen(rows[i].method)), 0);
            for (size_t at = 0; at < rows[i].len; at++)
                if (body[4 + at] != (char)('a' + (rows[i].offset + at) % 26))
                    fail_msg("row %zu: byte %zu", i, at);
        }
    }
    (void)unlink(path);
}

static void files_that_fail(void **state)
{
    (void)state;
    char path[64];

    make_file(path, 100);

    const struct {
        const char *path, *text;
        size_t len;
    } rows[] = {
        { "/nonexistent/file", "'/nonexistent/file': No such file or directory", 5 },
        { path, "has become shorter than 101 bytes", 101 },
        { "/tmp", "Is a directory", 5 },
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *replies[] = { OK, NULL };
        SK_OWN(sk_loopback_free) struct sk_loopback *s = NULL;
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_fetch_request r = { .method = "PUT",
                                      .body_path = rows[i].path,
                                      .body_len = rows[i].len };
        assert_int_equal(ask(r, replies, 1, &s, &a, &err), -1);
        if (!strstr(err.text, rows[i].text))
            fail_msg("row %zu: %s", i, err.text);
    }
    (void)unlink(path);
}

static int whole_request(void *ctx, struct sk_err *err)
{
    static const char *const headers[] = { "X: y", NULL };
    SK_OWN(sk_fetch_free) struct sk_fetch *f = NULL;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    const struct sk_fetch_options o = { .ca_file = "/nonexistent" };
    struct sk_fetch_request r = { .url = ctx, .bearer = "token", .headers = headers };

    if (sk_fetch_new(&o, &f, err) < 0)
        return -1;
    return sk_fetch_do(f, &r, &a, err);
}

static void allocations(void **state)
{
    (void)state;
    char redirect[256], url[256];
    const char *first_replies[] = { redirect, NULL }, *second_replies[] = { OK, NULL };
    SK_OWN(sk_loopback_free) struct sk_loopback *first = sk_loopback_start(first_replies);
    SK_OWN(sk_loopback_free) struct sk_loopback *second = sk_loopback_start(second_replies);

    (void)snprintf(redirect, sizeof redirect,
                   HEAD("302 Found") "Location: http://127.0.0.1:%d/\r\n\r\n", second->port);
    assert_true(sk_alloc_sweep("request", whole_request,
                               (void *)(uintptr_t)sk_loopback_url(first, "/a", url), 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_in_words),
        cmocka_unit_test(nobody_there),
        cmocka_unit_test(no_such_host),
        cmocka_unit_test(logins_stay),
        cmocka_unit_test(bodies_from_files),
        cmocka_unit_test(files_that_fail),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(redirects),
        cmocka_unit_test(secrets_stay),
        cmocka_unit_test(staying),
        cmocka_unit_test(second_tries),
        cmocka_unit_test(as_long_as_asked),
        cmocka_unit_test(sinks),
        cmocka_unit_test(sink_that_refuses),
        cmocka_unit_test(stopping),
        cmocka_unit_test(large_answers_need_a_sink),
        cmocka_unit_test(headers_by_name),
        cmocka_unit_test(allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
