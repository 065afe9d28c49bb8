/* test_iot_headers.c - a message as header fields, and as a bag. */
#include "hub/api_iot_priv.h"
#include "hub_util.h"

/* Answers with the bag, or 400 with the error. */
static void answer(struct sk_http_req *req, void *ctx)
{
    struct sk_hub_iot_headers h;
    struct sk_err err = SK_ERR_INIT;
    const char *to = sk_http_query(req, "to");
    (void)ctx;
    if (sk_hub_iot_headers_read(req, &h, &err) < 0)
        sk_http_error(req, &err);
    else
        sk_hub_iot_headers_bag(&h, to, sk_http_out(req));
    sk_hub_iot_headers_done(&h);
    sk_http_answer(req);
}

static const struct {
    const char *query, *headers;
    int status;
    const char *bag;
} rows[] = {
    { "", "", 200, "" },
    { "", "iothub-messageid: m 1\r\n", 200, "%24.mid=m%201" },
    { "", "IoTHub-MessageId: m\r\niothub-correlationid: c\r\niothub-userid: u\r\n", 200,
      "%24.mid=m&%24.cid=c&%24.uid=u" },
    { "?to=/devices/d/messages/deviceBound", "iothub-ack: full\r\niothub-to: other\r\n", 200,
      "%24.to=%2Fdevices%2Fd%2Fmessages%2FdeviceBound&iothub-ack=full" },
    { "", "iothub-to: /x\r\n", 200, "%24.to=%2Fx" },
    { "", "Content-Type: application/json\r\nContent-Encoding: utf-8\r\n", 200,
      "%24.ct=application%2Fjson&%24.ce=utf-8" },
    { "", "Content-Type: text/plain\r\niothub-contenttype: a/b\r\niothub-contentencoding: e\r\n",
      200, "%24.ct=a%2Fb&%24.ce=e" },
    { "", "iothub-expiry: 2030-01-01T00:00:00Z\r\niothub-creationtimeutc: t\r\n", 200,
      "%24.exp=2030-01-01T00%3A00%3A00Z&%24.ctime=t" },
    { "", "iothub-app-Line: 3\r\nIOTHUB-APP-a=b: c&d\r\n", 400, "malformed" },
    { "", "iothub-app-Line: 3\r\nIOTHUB-APP-a: c&d=%\r\n", 200, "Line=3&a=c%26d%3D%25" },
    { "", "iothub-messageid: m\r\niothub-app-a: \xc3\xa9\r\n", 200, "%24.mid=m&a=%C3%A9" },
    { "", "iothub-app-a: \r\n", 200, "a=" },
    { "", "iothub-messageid: \r\n", 200, "" },
    { "", "iothub-app-: x\r\n", 400, "ArgumentInvalid" },
    { "", "iothub-app-a: \xe9\r\n", 400, "no UTF-8" },
    { "", "iothub-messageid: \xe9\r\n", 400, "no UTF-8" },
};

static void each_message(void **state)
{
    static const struct sk_http_route routes[] = {
        { .method = "GET", .path = "/", .handle = answer }, { .method = NULL }
    };
    const struct sk_http_options opts = { .host = "127.0.0.1", .listen_fd = -1, .routes = routes };
    struct sk_err err = SK_ERR_INIT;
    struct sk_http_server *s = NULL;
    (void)state;
    assert_int_equal(sk_http_start(&opts, &s, &err), 0);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct answer a;
        char request[512];
        (void)snprintf(request, sizeof request,
                       "GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", rows[i].query,
                       rows[i].headers);
        client_ask(sk_http_port(s), request, &a);
        hub_expect(&a, rows[i].status, rows[i].bag);
        if (a.status == 200)
            assert_string_equal(a.body, rows[i].bag);
    }
    sk_http_stop(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_message) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
