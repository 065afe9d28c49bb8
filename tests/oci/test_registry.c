/* test_registry.c - one request: words of errors, redirects, stopping. */
#include "oci/server.h"

#include "harness/alloc_fail.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define JSON "Content-Type: application/json\r\n"

static int ask(const struct oci_server *o, const char *method, struct sk_fetch_answer *a,
               struct sk_err *err)
{
    char url[128];
    const struct sk_oci_request q = { .method = method, .url = url };

    (void)snprintf(url, sizeof url, "%s/v2/x", o->url);
    return sk_oci_call(o->r, &q, a, err);
}

/* [oci-35] */
static void errors(void **state)
{
    static const struct {
        const char *reply, *says;
        enum sk_code code;
    } rows[] = {
        { NO, "answered 404", SK_NOT_FOUND },
        { HEAD("404 No") JSON
          "\r\n{\"errors\":[{\"code\":\"NAME_UNKNOWN\",\"message\":\"no such\"}]}",
          "answered GET with 404 NAME_UNKNOWN: no such", SK_NOT_FOUND },
        { HEAD("403 No") JSON "\r\n{\"errors\":[{\"code\":\"DENIED\"}]}", "with 403 DENIED",
          SK_DENIED },
        { HEAD("400 No") JSON "\r\n{\"errors\":[{\"message\":\"a\\u001b[2Jb\\nc\"}]}",
          "with 400 a [2Jb c", SK_REMOTE },
        { HEAD("400 No") JSON "\r\n{\"errors\":[]}", "answered 400", SK_REMOTE },
        { HEAD("400 No") JSON "\r\n{\"errors\":{\"code\":\"x\"}}", "answered 400", SK_REMOTE },
        { HEAD("500 No") JSON "\r\n[[[[", "answered 500", SK_REMOTE },
    };

    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
        const char *replies[] = { rows[i].reply, NULL };
        struct oci_server o;
        struct sk_err err = SK_ERR_INIT;
        oci_server_start(&o, replies, NULL);
        int rc = ask(&o, NULL, &a, &err);
        oci_server_done(&o);
        if (rc == 0 || err.code != rows[i].code || !strstr(err.text, rows[i].says) ||
            strchr(err.text, '\033'))
            fail_msg("row %zu: %s: %s", i, sk_code_name(err.code), err.text);
    }
}

/* [oci-36] To another server, and on to a third: nothing of ours goes along. */
static void redirects_away(void **state)
{
    char first[512] = "", second[512] = "";
    const char *ours[] = { first, NULL };
    const char *theirs[] = { second, NULL };
    const char *last[] = { HEAD("200 OK") "Content-Length: 2\r\n\r\nhi", NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    const struct sk_oci_options opts = { .token = "secret" };
    struct oci_server o, b, c;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, ours, &opts);
    oci_server_start(&b, theirs, NULL);
    oci_server_start(&c, last, NULL);
    (void)snprintf(first, sizeof first, HEAD("307 T") "Location: %s/one?s=1\r\n\r\n", b.url);
    (void)snprintf(second, sizeof second, HEAD("302 T") "Location: %s/two\r\n\r\n", c.url);
    assert_int_equal(ask(&o, NULL, &a, &err), 0);
    assert_string_equal(a.body.data, "hi");
    oci_server_stop(&o);
    oci_server_stop(&b);
    oci_server_stop(&c);
    assert_non_null(strstr(o.s->requests[0], "Authorization: Bearer secret\r\n"));
    assert_non_null(strstr(b.s->requests[0], "GET /one?s=1 HTTP"));
    assert_null(strstr(b.s->requests[0], "secret"));
    assert_null(strstr(c.s->requests[0], "secret"));
    oci_server_done(&o);
    oci_server_done(&b);
    oci_server_done(&c);
}

/* [oci-37] A challenge from elsewhere, and one that goes round in circles. */
static void redirects_that_want_something(void **state)
{
    char first[512] = "", then[512] = "", again[512] = "";
    const char *ours[] = { first, then, NULL };
    static const char *const theirs[] = {
        HEAD("401 No") "WWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n", NULL
    };
    const char *circle[] = { again, NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    const struct sk_oci_options opts = { .username = "u", .password = "p" };
    struct oci_server o, b, c;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, ours, &opts);
    oci_server_start(&b, theirs, NULL);
    oci_server_start(&c, circle, NULL);
    (void)snprintf(first, sizeof first, HEAD("307 T") "Location: %s/x\r\n\r\n", b.url);
    (void)snprintf(then, sizeof then, HEAD("307 T") "Location: %s/x\r\n\r\n", c.url);
    (void)snprintf(again, sizeof again, HEAD("307 T") "Location: %s/x\r\n\r\n", o.url);
    assert_int_equal(ask(&o, NULL, &a, &err), -1);
    assert_int_equal(err.code, SK_UNAUTHENTICATED);
    sk_fetch_answer_done(&a);
    assert_int_equal(ask(&o, NULL, &a, &err), -1);
    assert_non_null(strstr(err.text, "redirects more than"));
    oci_server_stop(&b);
    assert_int_equal(b.s->count, 1);
    assert_null(strstr(b.s->requests[0], "Authorization"));
    oci_server_done(&o);
    oci_server_done(&b);
    oci_server_done(&c);
}

static bool no(void *ctx, const char *what, uint64_t done, uint64_t total)
{
    (void)ctx;
    (void)what;
    (void)done;
    (void)total;
    return false;
}

static void stopping(void **state)
{
    static const char *const replies[] = { SK_LOOPBACK_SILENCE, NULL };
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    const struct sk_oci_options opts = { .progress = no };
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, &opts);
    assert_int_equal(ask(&o, NULL, &a, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    assert_int_equal(sk_oci_pause(o.r, "x", 60000, &err), -1);
    assert_int_equal(err.code, SK_CANCELLED);
    oci_server_done(&o);
}

static void hosts(void **state)
{
    static const char *const bad[] = { "", "a/b", "u@h", "h:0", "https://h" };
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const struct sk_oci_options opts = { .host = bad[i] };
        assert_int_equal(sk_oci_registry_new(&opts, &r, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
    const struct sk_oci_options docker = { .host = "docker.io" };
    assert_int_equal(sk_oci_registry_new(&docker, &r, &err), 0);
    assert_string_equal(r->base, "https://registry-1.docker.io");
    sk_oci_registry_free(r);
    const struct sk_oci_options plain = { .host = "h.example:1", .plain_http = true };
    assert_int_equal(sk_oci_registry_new(&plain, &r, &err), 0);
    assert_string_equal(r->base, "http://h.example:1");
}

/* [oci-31] Nothing listens: the error is that of https. */
static void nothing_there(void **state)
{
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    const struct sk_oci_options opts = { .host = "127.0.0.1:1" };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(sk_oci_registry_new(&opts, &r, &err), -1);
    assert_int_equal(err.code, SK_IO);
    assert_non_null(strstr(err.text, "https://127.0.0.1:1/v2/"));
}

static int whole_request(void *ctx, struct sk_err *err)
{
    struct oci_server *o = ctx;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    const struct sk_oci_options opts = {
        .host = o->host, .plain_http = true, .token = "t", .mount_from = "x"
    };
    SK_OWN(free) char *url = NULL;

    if (sk_oci_registry_new(&opts, &r, err) < 0 || sk_oci_url(r, "a", "x", &url, err) < 0)
        return -1;
    const struct sk_oci_request q = { .url = url };
    return sk_oci_call(r, &q, &a, err);
}

/* A token of the caller's is for https unless plain_http says otherwise: who listens on this
 * machine while the hub is away must not be given it. */
static void token_stays_secret(void **state)
{
    static const char *const replies[] = { OK, OK, OK, NULL };
    SK_OWN(sk_oci_registry_free) struct sk_oci_registry *r = NULL;
    SK_AUTO(sk_fetch_answer_done) struct sk_fetch_answer a = { 0 };
    SK_OWN(free) char *url = NULL;
    struct oci_server o;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    oci_server_start(&o, replies, NULL);
    const struct sk_oci_options opts = { .host = o.host, .token = "secret" };
    assert_int_equal(sk_oci_registry_new(&opts, &r, &err), 0);
    assert_int_equal(sk_oci_url(r, "a", "x", &url, &err), 0);
    const struct sk_oci_request q = { .url = url };
    assert_int_equal(sk_oci_call(r, &q, &a, &err), -1);
    oci_server_stop(&o);
    for (unsigned i = 0; i < o.s->count; i++)
        assert_null(strstr(o.s->requests[i], "secret"));
    oci_server_done(&o);
}

static void out_of_memory(void **state)
{
    static const char *const replies[] = { OK, NULL };
    struct oci_server o;

    (void)state;
    oci_server_start(&o, replies, NULL);
    assert_true(sk_alloc_sweep("request", whole_request, &o, 0) > 5);
    oci_server_done(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(errors, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(redirects_away, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(redirects_that_want_something, oci_surround,
                                        oci_unsurround),
        cmocka_unit_test_setup_teardown(stopping, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(hosts, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(nothing_there, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(token_stays_secret, oci_surround, oci_unsurround),
        cmocka_unit_test_setup_teardown(out_of_memory, oci_surround, oci_unsurround),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
