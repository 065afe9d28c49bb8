/* test_connection.c - connection strings: read, refused, and never shown. */
#include "iot_test.h"

static const struct {
    const char *text, *host, *gateway, *device, *module, *policy, *key;
    bool is_x509;
} good[] = {
    { "HostName=h.x;DeviceId=d;SharedAccessKey=MTIz", "h.x", "", "d", "", "", "MTIz", false },
    { "HostName=h;DeviceId=d;ModuleId=$edgeHub;SharedAccessKey=MTI=;GatewayHostName=g", "h", "g",
      "d", "$edgeHub", "", "MTI=", false },
    { "HostName=h;SharedAccessKeyName=iothubowner;SharedAccessKey=MQ==", "h", "", "", "",
      "iothubowner", "MQ==", false },
    { "sharedaccesskey=MTIz;DEVICEID=d;hostname=h", "h", "", "d", "", "", "MTIz", false },
    { "HostName=h;DeviceId=d;x509=true", "h", "", "d", "", "", "", true },
    { "HostName=h;DeviceId=d;X509=True;", "h", "", "d", "", "", "", true },
    { "HostName=h;DeviceId=d;x509=false;SharedAccessKey=MTIz", "h", "", "d", "", "", "MTIz",
      false },
    { " HostName = h ; DeviceId=d;;SharedAccessKey=MTIz;\r\n", "h", "", "d", "", "", "MTIz",
      false },
    { "HostName=h;DeviceId=a=b;SharedAccessKey=MTIz", "h", "", "a=b", "", "", "MTIz", false },
};

static const struct {
    const char *text, *says;
} bad[] = {
    { "", "HostName is missing" },
    { "DeviceId=d;SharedAccessKey=MTIz", "HostName is missing" },
    { "HostName=h;SharedAccessKey=MTIz", "DeviceId or SharedAccessKeyName" },
    { "HostName=h;DeviceId=d", "one of them" },
    { "HostName=h;DeviceId=d;x509=false", "one of them" },
    { "HostName=h;DeviceId=d;x509=true;SharedAccessKey=MTIz", "one of them" },
    { "HostName=h;DeviceId=d;x509=yes", "x509 is true or false" },
    { "HostName=h;SharedAccessKeyName=p;ModuleId=m;SharedAccessKey=MTIz", "ModuleId needs" },
    { "HostName=h;DeviceId=a/b;SharedAccessKey=MTIz", "not valid" },
    { "HostName=h;DeviceId=d;ModuleId=a/b;SharedAccessKey=MTIz", "not valid" },
    { "HostName=h;HostName=h;DeviceId=d;SharedAccessKey=MTIz", "HostName stands there twice" },
    { "HostName=;DeviceId=d;SharedAccessKey=MTIz", "HostName is empty" },
    { "HostName=h;DeviceId=d;SharedAccessKey=secret!", "not base64" },
    { "HostName=h;DeviceId=d;SharedAccessKey==", "not base64" },
    { "HostName=h;DeviceId=d;secret", "part 3 has no '='" },
    { "HostName=h;DeviceId=d;secret=secret", "part 3 has an unknown key" },
    { "HostName=h;DeviceId=d;SharedAccessKey=sec ret", "SharedAccessKey has a space" },
    { "HostName=h\xc3\xa4;DeviceId=d;SharedAccessKey=MTIz", "HostName has a space or" },
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(good); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_iot_connection c;
        if (sk_iot_connection_parse(good[i].text, &c, &err) < 0)
            fail_msg("%s: %s", good[i].text, err.text);
        expect_text(good[i].text, c.host, good[i].host);
        expect_text(good[i].text, c.gateway, good[i].gateway);
        expect_text(good[i].text, c.device, good[i].device);
        expect_text(good[i].text, c.module, good[i].module);
        expect_text(good[i].text, c.policy, good[i].policy);
        expect_text(good[i].text, c.key, good[i].key);
        assert_int_equal(c.is_x509, good[i].is_x509);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_iot_connection c = { .host = "untouched" };
        int rc = sk_iot_connection_parse(bad[i].text, &c, &err);
        expect_refused(bad[i].text, rc, &err, SK_INVALID, bad[i].says);
        expect_text(bad[i].text, c.host, "untouched");
        if (strstr(err.text, "secret") || strstr(err.text, "sec ret"))
            fail_msg("shown: %s", err.text);
    }
}

static void test_limits(void **state)
{
    static const struct {
        const char *before, *after;
        size_t most;
        char fill;
    } rows[] = {
        { "HostName=", ";DeviceId=d;SharedAccessKey=MTIz", 255, 'h' },
        { "GatewayHostName=", ";HostName=h;DeviceId=d;SharedAccessKey=MTIz", 255, 'g' },
        { "HostName=h;DeviceId=", ";SharedAccessKey=MTIz", SK_IOT_ID_MAX, 'd' },
        { "HostName=h;DeviceId=d;ModuleId=", ";SharedAccessKey=MTIz", SK_IOT_ID_MAX, 'm' },
        { "HostName=h;SharedAccessKey=MTIz;SharedAccessKeyName=", "", 127, 'p' },
        { "HostName=h;DeviceId=d;SharedAccessKey=", "", 127, 'A' },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (size_t n = rows[i].most; n <= rows[i].most + 1; n++) {
            struct sk_err err = SK_ERR_INIT;
            struct sk_iot_connection c;
            SK_OWN(free) char *xs = many(rows[i].fill, n);
            SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1000);
            sk_buf_fmt(&text, "%s%s%s", rows[i].before, xs, rows[i].after);
            int rc = sk_iot_connection_parse(text.data, &c, &err);
            if (n == rows[i].most && rc < 0)
                fail_msg("%s: %s", rows[i].before, err.text);
            if (n > rows[i].most)
                expect_refused(rows[i].before, rc, &err, SK_LIMIT, "more than");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
