/* test_device_common.c - paths, connection strings, pairs, times; calls are in the tests of the
 * commands. */
#include "cli/device_priv.h"

#include "cli_test.h"

#include <stdio.h>

static void paths(void **state)
{
    static const struct {
        const char *base, *device, *module, *tail, *path;
    } table[] = {
        { "/devices/", "a", NULL, NULL, "/devices/a?" SK_IOT_API },
        { "/devices/", "a", "", "/modules", "/devices/a/modules?" SK_IOT_API },
        { "/twins/", "a", "m", NULL, "/twins/a/modules/m?" SK_IOT_API },
        { "/twins/", "a/?#", "$edgeHub", "/methods",
          "/twins/a%2F%3F%23/modules/%24edgeHub/methods?" SK_IOT_API },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        assert_int_equal(sk_device_path(table[i].base, table[i].device, table[i].module,
                                        table[i].tail, &out, &err),
                         0);
        assert_string_equal(out.data, table[i].path);
    }
    struct sk_err err = SK_ERR_INIT;
    struct sk_buf small = SK_BUF_INIT(10);
    assert_int_equal(sk_device_path("/devices/", "a", NULL, NULL, &small, &err), -1);
    sk_buf_done(&small);
}

#define KEYS "\"symmetricKey\":{\"primaryKey\":\"p=\",\"secondaryKey\":\"s=\"}"

static void connections(void **state)
{
    static const struct {
        const char *json;
        bool is_secondary;
        const char *text; /* NULL: refused */
        enum sk_code code;
    } table[] = {
        { "{\"deviceId\":\"d\",\"authentication\":{\"type\":\"sas\"," KEYS "}}", false,
          "HostName=h;DeviceId=d;SharedAccessKey=p=", SK_OK },
        { "{\"deviceId\":\"d\",\"authentication\":{\"type\":\"sas\"," KEYS "}}", true,
          "HostName=h;DeviceId=d;SharedAccessKey=s=", SK_OK },
        { "{\"deviceId\":\"d\",\"moduleId\":\"m\",\"authentication\":{\"type\":\"sas\"," KEYS "}}",
          false, "HostName=h;DeviceId=d;ModuleId=m;SharedAccessKey=p=", SK_OK },
        { "{\"deviceId\":\"d\",\"authentication\":{\"type\":\"selfSigned\"}}", false,
          "HostName=h;DeviceId=d;x509=true", SK_OK },
        { "{\"deviceId\":\"d\",\"moduleId\":\"m\",\"authentication\":{\"type\":"
          "\"certificateAuthority\"}}",
          false, "HostName=h;DeviceId=d;ModuleId=m;x509=true", SK_OK },
        { "{\"deviceId\":\"d\",\"authentication\":{\"type\":\"none\"}}", false, NULL, SK_INVALID },
        { "{\"deviceId\":\"d\",\"authentication\":{\"type\":\"sas\"}}", false, NULL, SK_DENIED },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *doc = NULL;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        assert_int_equal(sk_json_parse(table[i].json, strlen(table[i].json), NULL, &doc, &err), 0);
        int rc = sk_device_connection("h", doc, table[i].is_secondary, &out, &err);
        if (rc != (table[i].text ? 0 : -1) || err.code != table[i].code)
            fail_msg("%s: %s", table[i].json, err.text);
        if (table[i].text)
            assert_string_equal(out.data, table[i].text);
    }
}

static void pairs(void **state)
{
    static const struct {
        struct sk_opt_list list;
        const char *text; /* NULL: refused */
    } table[] = {
        { { .count = 0 }, "" },
        { { { "a=b" }, 1 }, "\"a\":\"b\"" },
        { { { "a=b", "c=" }, 2 }, "\"a\":\"b\",\"c\":\"\"" },
        { { { "a\"=b=c" }, 1 }, "\"a\\\"\":\"b=c\"" },
        { { { "a" }, 1 }, NULL },
        { { { "=b" }, 1 }, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(table); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(4096);
        int rc = sk_device_pairs(&table[i].list, "--tag", &out, &err);
        assert_int_equal(rc, table[i].text ? 0 : -1);
        if (table[i].text)
            assert_string_equal(out.data ? out.data : "", table[i].text);
        else
            assert_int_equal(err.code, SK_USAGE);
    }
}

static void texts(void **state)
{
    static const char *const times[][2] = {
        { "2026-11-29T05:00:12.345Z", "2026-11-29 05:00  " },
        { "0001-01-01T00:00:00Z", "-                 " },
        { "", "-                 " },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(times); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(64);
        sk_device_when(&out, times[i][0]);
        assert_string_equal(out.data, times[i][1]);
    }
    SK_AUTO(sk_buf_done) struct sk_buf name = SK_BUF_INIT(64);
    sk_device_name(&name, "d", NULL);
    sk_device_name(&name, "d", "m");
    assert_string_equal(name.data, "device dmodule d/m");
    assert_string_equal(sk_device_auth("selfSigned"), "x509-thumbprint");
    assert_string_equal(sk_device_auth("certificateAuthority"), "x509-ca");
    assert_string_equal(sk_device_auth("none"), "none");
}

static void documents(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    (void)state;
    assert_int_equal(sk_device_json("--x", "{\"a\":1}", NULL, &doc, &err), 0);
    assert_int_equal(sk_json_int(sk_json_get(doc, "a"), 0), 1);
    assert_int_equal(sk_device_json("--x", "{", NULL, &doc, &err), -1);
    assert_non_null(strstr(err.text, "--x: "));
    assert_int_equal(sk_device_json("--x", NULL, "/none", &doc, &err), -1);
    assert_non_null(strstr(err.text, "/none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(paths), cmocka_unit_test(connections), cmocka_unit_test(pairs),
        cmocka_unit_test(texts), cmocka_unit_test(documents),
    };
    return cmocka_run_group_tests_name("device_common", tests, NULL, NULL);
}
