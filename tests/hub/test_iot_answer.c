/* test_iot_answer.c - [iothub-3] [iothub-4]: IoT Hub's names of errors and their statuses. */
#include "hub/iot_priv.h"
#include "hub_util.h"

#include "base/log.h"

static struct sk_err told;

static void answer(struct sk_http_req *req, void *ctx)
{
    struct sk_hub_route route = { .style = SK_HUB_IOT };
    struct sk_hub hub = { .dir = (char[]){ "/srv/hub" } };
    struct sk_hub_call call = { .hub = &hub, .req = req, .route = &route };
    (void)ctx;
    sk_buf_str(sk_http_out(req), "what was half written");
    if (told.code == SK_OK)
        sk_hub_fail_limited(&call, &told);
    else
        sk_hub_fail(&call, &told);
}

static const struct {
    enum sk_code code;
    const char *text;
    int status;
    const char *words;
} rows[] = {
    { SK_NOT_FOUND, "DeviceNotFound: no 'x'", 404, "ErrorCode:DeviceNotFound;no 'x'\"" },
    { SK_NOT_FOUND, "DeviceNotOnline: a: b", 404, "ErrorCode:DeviceNotOnline;a: b\"" },
    { SK_LIMIT, "DeviceMaximumQueueDepthExceeded: 50", 403,
      "ErrorCode:DeviceMaximumQueueDepthExceeded;50" },
    { SK_LIMIT, "TooManyDevices: 101", 413, "ErrorCode:TooManyDevices;101" },
    { SK_DENIED, "SystemModuleModifyUnauthorizedAccess: no", 401,
      "ErrorCode:SystemModuleModifyUnauthorizedAccess;no" },
    { SK_BUSY, "ThrottlingException: too many", 429, "ErrorCode:ThrottlingException;too many" },
    { SK_TIMEOUT, "GatewayTimeout: 5 s", 504, "ErrorCode:GatewayTimeout;5 s" },
    { SK_EXISTS, "ConfigurationAlreadyExists: c", 409, "ErrorCode:ConfigurationAlreadyExists;c" },
    /* words that are no name, or no name of a whole */
    { SK_INVALID, "top: 'x' is no number", 400, "ErrorCode:ArgumentInvalid;top: 'x'" },
    { SK_INVALID, "DeviceNotFound", 400, "ErrorCode:ArgumentInvalid;DeviceNotFound\"" },
    { SK_INVALID, "DeviceNotFound:x", 400, "ErrorCode:ArgumentInvalid;DeviceNotFound:x\"" },
    { SK_INVALID, "Device: x", 400, "ErrorCode:ArgumentInvalid;Device: x" },
    { SK_INVALID, "DeviceNotFoundAtAll: x", 400, "ErrorCode:ArgumentInvalid;DeviceNotFoundAtAll" },
    /* by the code alone */
    { SK_NOT_FOUND, "there is none", 404, "ErrorCode:NotFound;there is none" },
    { SK_METHOD, "no", 405, "ErrorCode:InvalidOperation;" },
    { SK_EXISTS, "no", 409, "ErrorCode:AlreadyExists;" },
    { SK_MISMATCH, "no", 412, "ErrorCode:PreconditionFailed;" },
    { SK_DENIED, "no", 401, "ErrorCode:IotHubUnauthorizedAccess;" },
    { SK_UNAUTHENTICATED, "no", 401, "ErrorCode:IotHubUnauthorized;" },
    { SK_TOO_LARGE, "no", 413, "ErrorCode:MessageTooLarge;" },
    { SK_UNSUPPORTED_MEDIA, "no", 415, "ErrorCode:InvalidContentEncodingOrType;" },
    { SK_UNSUPPORTED, "no", 501, "ErrorCode:NotImplemented;" },
    { SK_BUSY, "no", 503, "ErrorCode:ServiceUnavailable;" },
    { SK_CANCELLED, "no", 503, "ErrorCode:ServiceUnavailable;" },
    { SK_TIMEOUT, "no", 504, "ErrorCode:GatewayTimeout;" },
    { SK_FULL, "no", 507, "the hub's folder '/srv/hub' takes no more" },
    { SK_IO, "no", 500, "ErrorCode:ServerError;" },
    { SK_CORRUPT, "no", 500, "ErrorCode:ServerError;" },
    { SK_OK, "slow down", 429, "ErrorCode:ThrottlingException;slow down" },
};

static void each_error(void **state)
{
    static const struct sk_http_route routes[] = {
        { .method = "GET", .path = "/", .handle = answer }, { .method = NULL }
    };
    const struct sk_http_options opts = { .host = "127.0.0.1", .listen_fd = -1, .routes = routes };
    struct sk_err err = SK_ERR_INIT;
    struct sk_http_server *s = NULL;
    (void)state;
    sk_log_setup(SK_ERROR + 1, SK_LOG_TEXT, 2);
    assert_int_equal(sk_http_start(&opts, &s, &err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer a;
        (void)sk_fail(&told, rows[i].code, "%s", rows[i].text);
        client_ask(sk_http_port(s), "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", &a);
        hub_expect(&a, rows[i].status, rows[i].words);
        assert_int_equal(strncmp(a.body, "{\"Message\":\"ErrorCode:", 22), 0);
        assert_non_null(strstr(a.body, "\",\"ExceptionMessage\":\"Tracking ID:"));
        assert_int_equal(answer_header(&a, "WWW-Authenticate") != NULL, a.status == 401);
        assert_int_equal(answer_header(&a, "Retry-After") != NULL,
                         a.status == 503 || a.status == 429);
        assert_string_equal(answer_header(&a, "Content-Type"), "application/json");
    }
    sk_http_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_error) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
