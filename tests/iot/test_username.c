/* test_username.c - user names as the SDKs send them, and what is refused. */
#include "iot_test.h"

static const struct {
    const char *name, *text, *host, *device, *module, *version, *product, *model, *chain;
} good[] = {
    { "documentation", "hub.x/cam/?api-version=2021-04-12", "hub.x", "cam", "", "2021-04-12", "",
      "", "" },
    { "Python",
      "hub.x/cam/?api-version=2019-10-01&DeviceClientType=azure-iot-device-iothub-py%2F2.14.0%28"
      "3.11.2%3BLinux%29",
      "hub.x", "cam", "", "2019-10-01", "azure-iot-device-iothub-py/2.14.0(3.11.2;Linux)", "", "" },
    { "Python with a model",
      "hub.x/cam/m/?api-version=2020-09-30&DeviceClientType=ua&model-id=dtmi%3Acom%3Ax%3B1",
      "hub.x", "cam", "m", "2020-09-30", "ua", "dtmi:com:x;1", "" },
    { "Node leaves the model raw, and in front",
      "hub.x/cam/?api-version=2021-04-12&model-id=dtmi:com:x;1&DeviceClientType=ua%20b", "hub.x",
      "cam", "", "2021-04-12", "ua b", "dtmi:com:x;1", "" },
    { "C", "hub.x/cam/mod/?api-version=2020-09-30&DeviceClientType=iothubclient%2f1.14%20(native)",
      "hub.x", "cam", "mod", "2020-09-30", "iothubclient/1.14 (native)", "", "" },
    { "without the question mark", "h/d/api-version=1", "h", "d", "", "1", "", "", "" },
    { "a module without it", "h/d/m/api-version=1", "h", "d", "m", "1", "", "", "" },
    { "edge", "h/e/$edgeHub/?api-version=1&auth-chain=leaf%3Be1%3Be2", "h", "e", "$edgeHub", "1",
      "", "", "leaf;e1;e2" },
    { "ids are raw", "h/a%20b?c=d/?api-version=1", "h", "a%20b?c=d", "", "1", "", "", "" },
    { "the first of duplicates", "h/d/?api-version=1&api-version=2&model-id=&model-id=x", "h", "d",
      "", "1", "", "", "" },
    { "unknown keys", "h/d/?x=1&api-version=1&y&&Api-Version=3&=z", "h", "d", "", "1", "", "", "" },
    { "names are encoded too", "h/d/?api%2Dversion=1", "h", "d", "", "1", "", "", "" },
    { "plus is no space", "h/d/?api-version=1&DeviceClientType=a+b", "h", "d", "", "1", "a+b", "",
      "" },
    { "a host with a port", "h:8883/d/?api-version=1", "h:8883", "d", "", "1", "", "", "" },
};

static const struct {
    const char *name, *text, *says;
} bad[] = {
    { "empty", "", "expected HOST" },
    { "host only", "h", "expected HOST" },
    { "no query", "h/d", "expected HOST" },
    { "empty query", "h/d/", "expected HOST" },
    { "only the sign", "h/d/?", "no api-version" },
    { "no version", "h/d/?DeviceClientType=x", "no api-version" },
    { "an empty version", "h/d/?api-version=", "no api-version" },
    { "no value", "h/d/?api-version", "no api-version" },
    { "no host", "/d/?api-version=1", "host name" },
    { "a space in the host", "h x/d/?api-version=1", "host name" },
    { "no device", "h//?api-version=1", "device id" },
    { "no module", "h/d//?api-version=1", "module id" },
    { "a device that is none", "h/a b/?api-version=1", "device id" },
    { "five parts", "h/d/m/x/?api-version=1", "expected HOST" },
    { "a slash at the end", "h/d/?api-version=1/", "expected HOST" },
    { "a broken escape", "h/d/?api-version=1&DeviceClientType=100%", "DeviceClientType is malf" },
    { "a broken name", "h/d/?api-version=1&%zz=1", "a name in the query" },
    { "a NUL", "h/d/?api-version=1%00", "api-version is malformed" },
    { "no UTF-8", "h/d/?api-version=1&model-id=%ff", "model-id is malformed" },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_iot_username u;
        if (sk_iot_username_parse(sk_view_of(good[i].text), &u, &err) < 0)
            fail_msg("%s: %s", good[i].name, err.text);
        expect_text(good[i].name, u.host, good[i].host);
        expect_text(good[i].name, u.device, good[i].device);
        expect_text(good[i].name, u.module, good[i].module);
        expect_text(good[i].name, u.api_version, good[i].version);
        expect_text(good[i].name, u.product, good[i].product);
        expect_text(good[i].name, u.model_id, good[i].model);
        expect_text(good[i].name, u.auth_chain, good[i].chain);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_iot_username u = { .host = "untouched" };
        int rc = sk_iot_username_parse(sk_view_of(bad[i].text), &u, &err);
        expect_refused(bad[i].name, rc, &err, SK_INVALID, bad[i].says);
        expect_text(bad[i].name, u.host, "untouched");
    }
}

/* before, n times x, after */
static int parse_long(const char *before, size_t n, const char *after, struct sk_iot_username *u,
                      struct sk_err *err)
{
    SK_OWN(free) char *xs = many('x', n);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
    sk_buf_fmt(&text, "%s%s%s", before, xs, after);
    return sk_iot_username_parse((struct sk_view){ text.data, text.len }, u, err);
}

static void test_limits(void **state)
{
    static const struct {
        const char *name, *before, *after;
        size_t most;
        enum sk_code code;
    } rows[] = {
        { "host", "", "/d/?api-version=1", 255, SK_LIMIT },
        { "device", "h/", "/?api-version=1", SK_IOT_ID_MAX, SK_INVALID },
        { "module", "h/d/", "/?api-version=1", SK_IOT_ID_MAX, SK_INVALID },
        { "version", "h/d/?api-version=", "", 31, SK_LIMIT },
        { "model", "h/d/?api-version=1&model-id=", "", 255, SK_LIMIT },
        { "chain", "h/d/?api-version=1&auth-chain=", "", 511, SK_LIMIT },
        { "all", "h/d/?api-version=1&x=", "", 4096 - 21, SK_LIMIT },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_iot_username u;
        if (parse_long(rows[i].before, rows[i].most, rows[i].after, &u, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        int rc = parse_long(rows[i].before, rows[i].most + 1, rows[i].after, &u, &err);
        expect_refused(rows[i].name, rc, &err, rows[i].code, "user name: ");
    }
}

/* The product is cut between two characters. */
static void test_product(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_iot_username u;
    (void)state;
    assert_int_equal(parse_long("h/d/?api-version=1&DeviceClientType=", 1000, "", &u, &err), 0);
    assert_int_equal(strlen(u.product), 255);
    assert_int_equal(parse_long("h/d/?api-version=1&DeviceClientType=", 254, "%C3%A4yy", &u, &err),
                     0);
    assert_int_equal(strlen(u.product), 254);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_product),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
