/* test_apply.c - contents for one device: what is written, what is refused. */
#include "fixture.h"

static int apply(struct fixture *f, const char *device, const char *content, struct sk_buf *out,
                 struct sk_err *err)
{
    SK_OWN(sk_json_free) struct sk_json *json = parse(content);
    return sk_deploy_apply(f->d, &f->service, device, json, out, err);
}

static void writes(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    make_edge(f, "d");
    f->has_image = 0;
    DONE(apply(f, "d", "{\"content\":" BASE("a") "}", &out, &err));
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\"}");
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "configurations"), "{}");
    assert_non_null(strstr(twin_of(f, "d", "$edgeAgent", "desired"), "hub.local:8443/m/a:1"));
    assert_string_equal(text_of(f, "SELECT auth || managed_by FROM identity WHERE module = 'm'"),
                        "noneiotEdge");
    assert_string_equal(text_of(f, "SELECT warnings FROM deploy_warning WHERE device = 'd'"),
                        out.data);
    assert_non_null(strstr(out.data, "m/a"));
    assert_string_equal(text_of(f, "SELECT action || ' ' || object FROM audit ORDER BY id DESC"),
                        "deployment.apply d");
    assert_int_equal(number(f, "SELECT count(*) FROM pull WHERE device = 'd'"), 3);
    /* Again the same: nothing moves but the audit. */
    DONE(apply(f, "d", BASE("a"), NULL, &err));
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "desired_version"), "2");
    assert_int_equal(number(f, "SELECT count(*) FROM pull WHERE device = 'd'"), 3);
    f->has_image = 1;
    DONE(apply(f, "d", BASE("b"), NULL, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM pull WHERE device = 'd'"), 4);
    assert_string_equal(text_of(f, "SELECT warnings FROM deploy_warning"), "[]");
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"b\"}");
}

/* Modules that only the agent's section lists get an identity too; $edgeHub may be left out. */
static void modules(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_edge(f, "d");
    DONE(apply(f, "d", BASE("a"), NULL, &err));
    DONE(apply(f, "d",
               "{\"modulesContent\":{\"$edgeAgent\":{\"properties.desired.modules.n\":{\"type\":"
               "\"docker\",\"status\":\"running\",\"settings\":{\"image\":\"n\"}}},\"k\":{},"
               "\"m\":{\"properties.desired.more\":1}}}",
               NULL, &err));
    assert_int_equal(number(f, "SELECT count(*) FROM identity WHERE module IN ('m', 'n', 'k')"), 3);
    const char *agent = twin_of(f, "d", "$edgeAgent", "desired");
    assert_true(strstr(agent, "\"n\":{") && strstr(agent, "\"m\":{") && strstr(agent, "runtime"));
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\",\"more\":1}");
    assert_string_equal(twin_of(f, "d", "$edgeHub", "desired_version"), "2");
}

static void refused(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    make_edge(f, "d");
    make_device(f, "plain");
    SK_OWN(sk_json_free) struct sk_json *json = parse(BASE("a"));
    FAILS(apply(f, "x", BASE("a"), NULL, &err), SK_NOT_FOUND, "DeviceNotFound: ");
    FAILS(apply(f, "plain", BASE("a"), NULL, &err), SK_INVALID, "InvalidOperation: device 'plain'");
    FAILS(apply(f, "d", "{}", NULL, &err), SK_INVALID, "InvalidConfigurationContent: ");
    FAILS(sk_deploy_apply(f->d, &f->reader, "d", json, NULL, &err), SK_DENIED, "");
    put(f, "line", 1, "deviceId = 'd'", BASE("b"));
    FAILS(apply(f, "d", BASE("a"), NULL, &err), SK_EXISTS,
          "ApplyConfigurationAlreadyInProgressOnDevice: configuration 'line'");
    change(f, "line", 1, "deviceId = 'other'");
    settle(f);
    DONE(apply(f, "d", BASE("a"), NULL, &err));
    settle(f);
    assert_string_equal(twin_of(f, "d", "m", "desired"), "{\"tag\":\"a\"}");
}

/* An error in the middle leaves all as it was. */
static void all_or_nothing(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char name[16];
    make_edge(f, "d");
    for (int i = 0; i < SK_DEVICES_MODULES_MAX; i++) {
        (void)snprintf(name, sizeof name, "x%d", i);
        make_module(f, "d", name);
    }
    FAILS(apply(f, "d", BASE("a"), NULL, &err), SK_LIMIT, "TooManyModulesOnDevice: ");
    assert_string_equal(twin_of(f, "d", "$edgeAgent", "desired"), "{}");
    assert_int_equal(number(f, "SELECT count(*) FROM pull"), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM deploy_warning"), 0);
    assert_int_equal(number(f, "SELECT count(*) FROM audit WHERE action = 'deployment.apply'"), 0);
}

static void only_looks(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 16);
    SK_OWN(sk_json_free) struct sk_json *good = parse(BASE("a"));
    SK_OWN(sk_json_free) struct sk_json *bad = parse("{\"modulesContent\":{\"a b\":{},\"m\":1}}");
    DONE(sk_deploy_check(f->d, good, &out, &err));
    assert_string_equal(out.data, "{\"errors\":[],\"warnings\":[]}");
    sk_buf_clear(&out);
    DONE(sk_deploy_check(f->d, bad, &out, &err));
    SK_OWN(sk_json_free) struct sk_json *said = parse(out.data);
    assert_true(sk_json_count(sk_json_get(said, "errors")) >= 2);
    assert_non_null(sk_json_get(sk_json_at(sk_json_get(said, "errors"), 0), "place"));
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(writes), ROW(modules), ROW(refused),
                                        ROW(all_or_nothing), ROW(only_looks) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
