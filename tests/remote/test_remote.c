/* test_remote.c - calls: documents, and what a hub says when it refuses. */
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

static void calls(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    SK_OWN(sk_json_free) struct sk_json *empty = NULL;
    SK_OWN(sk_json_free) struct sk_json *none = NULL;
    assert_int_equal(
        sk_remote_call(r, "POST", "/api/v1/say?status=200&form=error&text=a", "{}", &doc, &err), 0);
    assert_string_equal(sk_json_get_text(doc, "error", ""), "a");
    assert_string_equal(hub.authorization, "Bearer secret");
    assert_int_equal(
        sk_remote_call(r, "GET", "/api/v1/say?status=200&form=none", NULL, &empty, &err), 0);
    assert_int_equal(sk_json_type(empty), SK_JSON_OBJECT);
    assert_int_equal(sk_remote_call(r, "GET", "/api/v1/say?status=200&form=none", NULL, NULL, &err),
                     0);
    assert_int_equal(
        sk_remote_call(r, "GET", "/api/v1/say?status=200&form=garbage", NULL, &none, &err), -1);
    assert_non_null(strstr(err.text, "its answer"));
    assert_string_equal(sk_remote_context(r)->url, hub.url);
}

static void without_a_token(void **state)
{
    (void)state;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, NULL);
    assert_int_equal(sk_remote_call(r, "GET", "/api/v1/say?status=200&form=none", NULL, NULL, &err),
                     0);
    assert_string_equal(hub.authorization, "");
}

static void refusals(void **state)
{
    (void)state;

    static const struct {
        int status;
        const char *form;
        enum sk_code code;
        const char *text; /* behind the host */
    } rows[] = {
        { 400, "error", SK_INVALID, ": why not" },
        { 403, "error", SK_DENIED, ": why not" },
        { 404, "errors", SK_NOT_FOUND, ": why not" },
        { 409, "error", SK_EXISTS, ": why not" },
        { 400, "message", SK_EXISTS, ": why not" },
        { 413, "error", SK_TOO_LARGE, ": why not" },
        { 500, "error", SK_REMOTE, ": why not" },
        { 401, "error", SK_UNAUTHENTICATED, ": why not; 'skerry login " },
        { 401, "none", SK_UNAUTHENTICATED, ": the token is not accepted; 'skerry login " },
        { 404, "iot", SK_NOT_FOUND, ": why not" },
        { 412, "error", SK_MISMATCH, ": why not" },
        { 504, "error", SK_TIMEOUT, ": why not" },
        { 409, "none", SK_EXISTS, "/api/v1/say: the server answered 409" },
        { 404, "garbage", SK_NOT_FOUND, "/api/v1/say: the server answered 404: <html>" },
    };

    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_err err = SK_ERR_INIT;
        char path[128], expected[400];
        (void)snprintf(path, sizeof path, "/api/v1/say?status=%d&form=%s&text=%swhy+not",
                       rows[i].status, rows[i].form,
                       strcmp(rows[i].form, "iot") == 0 ? "DeviceNotFound;" : "");
        (void)snprintf(expected, sizeof expected, "%s%s", sk_remote_context(r)->host, rows[i].text);
        if (sk_remote_call(r, "POST", path, "{}", NULL, &err) == 0)
            fail_msg("row %zu succeeded", i);
        if (err.code != rows[i].code || !strstr(err.text, expected))
            fail_msg("row %zu: %d '%s'", i, err.code, err.text);
        assert_null(strstr(err.text, "secret"));
    }
}

/* IoT Hub's 401 for somebody who is known. */
static void denied(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    (void)state;
    assert_int_equal(sk_remote_call(r, "GET",
                                    "/api/v1/say?status=401&form=iot&text="
                                    "IotHubUnauthorizedAccess;needs+more",
                                    NULL, NULL, &err),
                     -1);
    assert_int_equal(err.code, SK_DENIED);
    assert_non_null(strstr(err.text, ": needs more"));
}

static void sends(void **state)
{
    static const char *const headers[] = { "X-Test: a b", NULL };
    const char *many[64] = { NULL };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
    SK_OWN(sk_remote_free) struct sk_remote *r = hub_double_remote(&hub, "secret");
    char value[16] = "?";
    struct sk_remote_request q = { .method = "POST",
                                   .path = "/api/v1/echo",
                                   .headers = headers,
                                   .body = "x",
                                   .body_len = 1,
                                   .type = "text/plain",
                                   .patience_ms = 5000,
                                   .wanted = "x-answer",
                                   .value = value,
                                   .value_cap = sizeof value };
    (void)state;
    assert_int_equal(sk_remote_send(r, &q, &out, &err), 0);
    assert_string_equal(out.data, "text/plain,a b,x");
    assert_string_equal(value, "yes");
    sk_buf_clear(&out);
    q.type = NULL;
    q.headers = NULL;
    q.wanted = "x-other";
    assert_int_equal(sk_remote_send(r, &q, &out, &err), 0);
    assert_string_equal(out.data, "application/json,,x");
    assert_string_equal(value, "");
    q.method = "GET";
    q.body = NULL;
    q.wanted = NULL;
    assert_int_equal(sk_remote_send(r, &q, NULL, &err), 0);
    /* The most fields, and one more. */
    for (int i = 0; i < 38; i++)
        many[i] = "X-Test: 1";
    q.headers = many;
    q.body = "";
    assert_int_equal(sk_remote_send(r, &q, NULL, &err), 0);
    many[38] = "X-Test: 1";
    assert_int_equal(sk_remote_send(r, &q, NULL, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static int make_one(void *ctx, struct sk_err *err)
{
    SK_OWN(sk_remote_free) struct sk_remote *r = NULL;
    return sk_remote_new(ctx, &r, err);
}

static void without_memory(void **state)
{
    (void)state;
    char token[] = "secret", ca[] = "/ca";
    struct sk_context c = { .name = "x", .token = token, .ca_file = ca };
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_context_set_url(&c, hub.url, &err), 0);
    assert_true(sk_alloc_sweep("remote", make_one, &c, 0) > 3);
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
        cmocka_unit_test(calls),    cmocka_unit_test(denied),
        cmocka_unit_test(sends),    cmocka_unit_test(without_a_token),
        cmocka_unit_test(refusals), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
