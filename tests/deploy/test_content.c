/* test_content.c - kinds of contents, what is refused and what is said. */
#include "fixture.h"

static void kinds(void **state)
{
    static const struct {
        const char *json;
        enum sk_deploy_kind kind;
        const char *name; /* NULL: refused */
        bool is_layer;
        const char *says;
    } rows[] = {
        { BASE("x"), SK_DEPLOY_EDGE, "modulesContent", false, NULL },
        { LAYER("x"), SK_DEPLOY_EDGE, "modulesContent", true, NULL },
        { QUIET, SK_DEPLOY_EDGE, "modulesContent", true, NULL },
        { "{\"ModulesContent\":{\"$edgeAgent\":{}}}", SK_DEPLOY_EDGE, "modulesContent", true,
          NULL },
        { "{\"moduleContent\":{\"$edgeAgent\":{}}}", SK_DEPLOY_EDGE, "modulesContent", true, NULL },
        { "{\"modulesContent\":null,\"deviceContent\":{\"properties.desired.a\":1}}",
          SK_DEPLOY_DEVICE, "deviceContent", false, NULL },
        { "{\"modulesContent\":{},\"moduleContent\":{\"properties.desired.a\":1}}",
          SK_DEPLOY_MODULE, "moduleContent", false, NULL },
        { "{}", 0, NULL, false, "one of 'modulesContent'" },
        { "{\"modulesContent\":{},\"deviceContent\":{}}", 0, NULL, false, "one of" },
        { "{\"deviceContent\":{\"properties.desired.a\":1},\"moduleContent\":"
          "{\"properties.desired.a\":1}}",
          0, NULL, false, "only one of" },
        { "{\"deviceContent\":[1]}", 0, NULL, false, "'deviceContent': expected an object" },
        { "[]", 0, NULL, false, "one of" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_content c = { .name = NULL };
        SK_OWN(sk_json_free) struct sk_json *json = parse(rows[i].json);
        int rc = sk_content_read(json, &c, &err);
        if ((rc == 0) != (rows[i].name != NULL))
            fail_msg("%s: %s", rows[i].json, rc < 0 ? err.text : "was taken");
        if (rc < 0) {
            if (err.code != SK_INVALID || !strstr(err.text, rows[i].says))
                fail_msg("%s: %s", rows[i].json, err.text);
            continue;
        }
        if (c.kind != rows[i].kind || strcmp(c.name, rows[i].name) != 0 ||
            c.is_layer != rows[i].is_layer)
            fail_msg("%s: %s, kind %d, layer %d", rows[i].json, c.name, (int)c.kind, c.is_layer);
    }
}

static void checks(void **state)
{
    static const struct {
        const char *json;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { BASE("x"), SK_OK, "" },
        { LAYER("x"), SK_OK, "" },
        { QUIET, SK_OK, "" },
        { "{\"deviceContent\":{\"properties.desired.a.b\":1,\"properties.desired.c\":{\"d\":2}}}",
          SK_OK, "" },
        { "{\"deviceContent\":{\"properties.desired\":{\"a\":1}}}", SK_OK, "" },
        { "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired\":{}},\"$edgeHub\":{}}}",
          SK_INVALID, "InvalidConfigurationContent: modulesContent" },
        { "{\"modulesContent\":{\"m\":{\"properties.desired\":{}}}}", SK_INVALID,
          "'$edgeAgent' is missing" },
        { "{\"deviceContent\":{\"properties.desire\":1}}", SK_INVALID,
          "InvalidConfigurationContent: deviceContent: 'properties.desire'" },
        { "{\"deviceContent\":{\"properties.desired.\":1}}", SK_INVALID, "properties.desired." },
        { "{\"deviceContent\":{\"properties.desiredx\":1}}", SK_INVALID, "properties.desiredx" },
        { "{\"deviceContent\":{\"properties.desired\":1}}", SK_INVALID, "must be an object" },
        { "{\"deviceContent\":{\"properties.desired.a..b\":1}}", SK_INVALID, "empty" },
        { "{\"moduleContent\":{\"properties.desired.a\":{\"$b\":1}}}", SK_INVALID,
          "InvalidConfigurationContent: properties.desired.a" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_content c;
        SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
        SK_OWN(sk_json_free) struct sk_json *json = parse(rows[i].json);
        DONE(sk_content_read(json, &c, &err));
        int rc = sk_content_check(f->d, &c, &says, &err);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].json, err.text);
        if ((rc < 0) != (says.errors.len > 0))
            fail_msg("%s: said %s", rows[i].json, says.errors.data ? says.errors.data : "nothing");
    }
}

/* For one device $edgeHub may be left out. */
static void manifests(void **state)
{
    static const struct {
        const char *json, *says;
    } rows[] = {
        { BASE("x"), NULL },
        { "{\"content\":" BASE("x") "}", NULL },
        { LAYER("x"), NULL },
        { "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired.modules.a\":{\"type\":"
          "\"docker\","
          "\"status\":\"running\",\"settings\":{\"image\":\"a\"}}}}}",
          NULL },
        { "{\"modulesContent\":{\"m\":{\"properties.desired\":{\"a\":[null]}},\"$edgeAgent\":{}}}",
          "InvalidConfigurationContent: " },
        { "{\"modulesContnt\":{}}", "InvalidConfigurationContent: 'modulesContent' is missing" },
        { "[]", "InvalidConfigurationContent: expected an object" },
        { "{\"content\":[]}", "InvalidConfigurationContent: content: expected an object" },
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_json *modules = NULL;
        SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
        SK_OWN(sk_json_free) struct sk_json *json = parse(rows[i].json);
        int rc = sk_content_check_manifest(f->d, json, &says, &modules, &err);
        if (rc == 0 ? rows[i].says != NULL || !modules
                    : !rows[i].says || !strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].json, rc == 0 ? "was taken" : err.text);
    }
}

/* 32 KB have their own name at IoT Hub. */
static void too_large(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_json *modules;
    SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    sk_buf_str(&b, "{\"modulesContent\":{\"$edgeAgent\":{},\"m\":{\"properties.desired\":{\"a\":0");
    for (int i = 0; i < 9; i++) {
        sk_buf_fmt(&b, ",\"b%d\":\"", i);
        for (int k = 0; k < 4000; k++)
            sk_buf_chr(&b, 'x');
        sk_buf_chr(&b, '"');
    }
    sk_buf_str(&b, "}}}}");
    SK_OWN(sk_json_free) struct sk_json *json = parse(b.data);
    FAILS(sk_content_check_manifest(f->d, json, &says, &modules, &err), SK_TOO_LARGE,
          "DeviceModelMaxPropertiesExceeded: ");
}

static void lacking_images(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    struct sk_content c;
    SK_AUTO(sk_says_done) struct sk_says says = SK_SAYS_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf list = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *json = parse(BASE("x"));
    f->has_image = 0;
    DONE(sk_content_read(json, &c, &err));
    DONE(sk_content_check(f->d, &c, &says, &err));
    assert_non_null(strstr(says.warnings.data, "hub.local:8443/m/x:1"));
    sk_says_list(&says.warnings, &list);
    SK_OWN(sk_json_free) struct sk_json *all = parse(list.data);
    assert_int_equal(sk_json_count(all), 3);
    f->has_image = -1;
    fixture_reopen(f);
    SK_AUTO(sk_says_done) struct sk_says none = SK_SAYS_INIT;
    DONE(sk_content_check(f->d, &c, &none, &err));
    assert_int_equal(none.warnings.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(kinds), ROW(checks), ROW(manifests),
                                        ROW(too_large), ROW(lacking_images) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
