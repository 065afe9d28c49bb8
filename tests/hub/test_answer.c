/* test_answer.c - one error in three styles, with the headers that tell clients what to do. */
#include "hub_util.h"

struct row {
    enum sk_code code;
    int plain, mlflow;
    const char *mlflow_code, *oci_code;
};

static const struct row rows[] = {
    { SK_INVALID, 400, 400, "INVALID_PARAMETER_VALUE", "UNSUPPORTED" },
    { SK_NOT_FOUND, 404, 404, "RESOURCE_DOES_NOT_EXIST", "NAME_UNKNOWN" },
    { SK_EXISTS, 409, 400, "RESOURCE_ALREADY_EXISTS", "DENIED" },
    { SK_DENIED, 403, 403, "PERMISSION_DENIED", "DENIED" },
    { SK_UNAUTHENTICATED, 401, 401, "UNAUTHENTICATED", "UNAUTHORIZED" },
    { SK_TOO_LARGE, 413, 413, "INVALID_PARAMETER_VALUE", "SIZE_INVALID" },
    { SK_BUSY, 503, 503, "TEMPORARILY_UNAVAILABLE", "TOOMANYREQUESTS" },
    { SK_FULL, 507, 507, "RESOURCE_EXHAUSTED", "DENIED" },
    { SK_IO, 500, 500, "INTERNAL_ERROR", "UNKNOWN" },
    { SK_CORRUPT, 500, 500, "INTERNAL_ERROR", "UNKNOWN" },
};

/* The server of one route, whose handler fails as the test says. */
static enum sk_hub_style style;
static enum sk_code code;

static void answer(struct sk_http_req *req, void *ctx)
{
    struct sk_hub_route route = { .style = style };
    struct sk_hub hub = { .dir = (char[]){ "/srv/hub" } };
    struct sk_hub_call call = { .hub = &hub, .req = req, .route = &route };
    struct sk_err err = SK_ERR_INIT;
    (void)ctx;
    (void)sk_fail(&err, code, "a \"reason\"");
    sk_buf_str(sk_http_out(req), "what was half written");
    if (code == SK_CODE_COUNT)
        sk_hub_fail_limited(&call, &err);
    else if (code == SK_OK)
        sk_hub_fail_as(&call, 409, "OWN_CODE", "own text");
    else
        sk_hub_fail(&call, &err);
}

static void each_style(void **state)
{
    static const struct sk_http_route routes[] = {
        { .method = "GET", .path = "/", .handle = answer }, { .method = NULL }
    };
    const struct sk_http_options opts = { .host = "127.0.0.1", .listen_fd = -1, .routes = routes };
    struct sk_err err = SK_ERR_INIT;
    struct sk_http_server *s = NULL;
    struct answer a;
    char want[512];
    (void)state;
    assert_int_equal(sk_http_start(&opts, &s, &err), 0);
    for (size_t i = 0; i < 3 * COUNT(rows); i++) {
        const struct row *r = &rows[i / 3];
        style = (enum sk_hub_style)(i % 3);
        code = r->code;
        client_ask(sk_http_port(s), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &a);
        const char *text = "a \\\"reason\\\"";
        if (code == SK_FULL) /* [hub-23] where, and what to do */
            text =
                "a \\\"reason\\\": the hub's folder '/srv/hub' takes no more: delete what is not "
                "needed and run `skerry hub gc` there, keep fewer messages (hub run "
                "--telemetry-size), or make room on its disk";
        if (style == SK_HUB_PLAIN)
            (void)snprintf(want, sizeof want, "{\"error\":\"%s\"}", text);
        else if (style == SK_HUB_MLFLOW)
            (void)snprintf(want, sizeof want, "{\"error_code\":\"%s\",\"message\":\"%s\"}",
                           r->mlflow_code, text);
        else
            (void)snprintf(want, sizeof want, "{\"errors\":[{\"code\":\"%s\",\"message\":\"%s\"}]}",
                           r->oci_code, text);
        assert_string_equal(a.body, want);
        assert_int_equal(a.status, style == SK_HUB_MLFLOW ? r->mlflow : r->plain);
        const char *login = answer_header(&a, "WWW-Authenticate");
        assert_int_equal(login != NULL, a.status == 401);
        if (login)
            assert_string_equal(login, "Basic realm=\"skerry\"");
        assert_int_equal(answer_header(&a, "Retry-After") != NULL, a.status == 503);
    }

    static const char *const limited[] = { "{\"error\":", "REQUEST_LIMIT_EXCEEDED",
                                           "TOOMANYREQUESTS" };
    for (style = SK_HUB_PLAIN; style <= SK_HUB_OCI; style++) {
        code = SK_CODE_COUNT;
        client_ask(sk_http_port(s), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &a);
        hub_expect(&a, 429, limited[style]);
        assert_string_equal(answer_header(&a, "Retry-After"), "3");
        code = SK_OK;
        client_ask(sk_http_port(s), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &a);
        hub_expect(&a, 409, "own text");
        assert_int_equal(strstr(a.body, "OWN_CODE") != NULL, style != SK_HUB_PLAIN);
    }
    sk_http_stop(s);
}

/* Bodies that should be JSON objects. */
static void bodies(void **state)
{
    struct hub_fixture *f = *state;

    static const struct {
        const char *body;
        int status;
        const char *words;
    } bad[] = {
        { "{\"user\":", 400, "the body" },
        { "[1]", 400, "must be a JSON object, not an array" },
        { "\"text\"", 400, "must be a JSON object" },
        { "{\"user\":1,\"role\":\"reader\"}", 400, "'user'" },
        { "{\"user\":\"a\",\"user\":\"b\"}", 400, "the body" },
        { "{}", 400, "'user' and 'role' are needed" },
        { NULL, 400, "'user' and 'role' are needed" },
    };

    for (size_t i = 0; i < COUNT(bad); i++) {
        struct answer a;
        hub_ask(f, "POST", "/api/v1/tokens", f->made.owner_token, bad[i].body, &a);
        hub_expect(&a, bad[i].status, bad[i].words);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_style),
        cmocka_unit_test_setup_teardown(bodies, hub_running, hub_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
