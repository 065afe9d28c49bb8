/* test_describe.c - configurations as JSON; what their metrics count. */
#include "fixture.h"

static struct sk_json *get(struct fixture *f, const char *id)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    DONE(sk_configuration_get(f->d, id, &b, &err));
    return parse(b.data);
}

static int64_t result(const struct sk_json *c, const char *group, const char *name)
{
    return sk_json_int(sk_json_get(sk_json_get(sk_json_get(c, group), "results"), name), -1);
}

static const char *query(const struct sk_json *c, const char *group, const char *name)
{
    return sk_json_get_text(sk_json_get(sk_json_get(c, group), "queries"), name, "(none)");
}

static void etags(void **state)
{
    static const struct {
        int64_t etag;
        const char *text;
    } rows[] = { { 1, "MQ==" }, { 12, "MTI=" }, { INT64_MAX, "OTIyMzM3MjAzNjg1NDc3NTgwNw==" } };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[SK_DEPLOY_ETAG_TEXT];
        struct sk_err err = SK_ERR_INIT;
        DONE(sk_configuration_etag(rows[i].etag, text, &err));
        assert_string_equal(text, rows[i].text);
    }
}

static void edge(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    make_edge(f, "d");
    make_edge(f, "e");
    make_device(f, "n");
    SK_OWN(sk_json_free)
    struct sk_json *body = parse(
        "{\"id\":\"c\",\"priority\":7,\"labels\":{\"line\":\"3\"},\"targetCondition\":\"*\","
        "\"metrics\":{\"queries\":{\"all\":\"SELECT deviceId FROM devices\"}},"
        "\"content\":" BASE("a") "}");
    DONE(sk_configuration_put(f->d, &f->service, "c", body, NULL, &b, &err));
    settle(f);
    report(f, "d", "$edgeAgent", "{\"lastDesiredVersion\":2,\"lastDesiredStatus\":{\"code\":200}}");
    report(f, "e", "$edgeAgent", "{\"lastDesiredVersion\":2,\"lastDesiredStatus\":{\"code\":500}}");
    SK_OWN(sk_json_free) struct sk_json *c = get(f, "c");
    assert_string_equal(sk_json_get_text(c, "id", ""), "c");
    assert_string_equal(sk_json_get_text(c, "schemaVersion", ""), "1.0");
    assert_string_equal(sk_json_get_text(c, "etag", ""), "MQ==");
    assert_string_equal(sk_json_get_text(c, "targetCondition", ""), "*");
    assert_string_equal(sk_json_get_text(sk_json_get(c, "labels"), "line", ""), "3");
    assert_int_equal(sk_json_int(sk_json_get(c, "priority"), 0), 7);
    assert_true(sk_json_equal(sk_json_get(c, "content"), sk_json_get(body, "content")));
    assert_int_equal(strlen(sk_json_get_text(c, "createdTimeUtc", "")), 24);
    assert_string_equal(sk_json_get_text(c, "createdTimeUtc", "1"),
                        sk_json_get_text(c, "lastUpdatedTimeUtc", "2"));
    assert_int_equal(result(c, "metrics", "all"), 3);
    assert_int_equal(result(c, "systemMetrics", "targetedCount"), 2);
    assert_int_equal(result(c, "systemMetrics", "appliedCount"), 2);
    assert_int_equal(result(c, "systemMetrics", "reportedSuccessfulCount"), 1);
    assert_int_equal(result(c, "systemMetrics", "reportedFailedCount"), 1);
    assert_string_equal(query(c, "systemMetrics", "targetedCount"),
                        "select deviceId from devices where capabilities.iotEdge = true");
    assert_string_equal(query(c, "systemMetrics", "appliedCount"),
                        "select deviceId from devices.modules where moduleId = '$edgeAgent' and "
                        "configurations.[[c]].status = 'Applied'");
    /* No results when it is put or listed. */
    SK_OWN(sk_json_free) struct sk_json *was = parse(b.data);
    assert_int_equal(result(was, "systemMetrics", "targetedCount"), -1);
}

static void other_kinds(void **state)
{
    struct fixture *f = *state;
    make_device(f, "d");
    make_module(f, "d", "m");
    put(f, "dev", 1, "*", "{\"deviceContent\":{\"properties.desired.a\":1}}");
    put(f, "one", 2, "deviceId='d' or tags.a > 1",
        "{\"deviceContent\":{\"properties.desired.a\":1}}");
    put(f, "mod", 1, "from devices.modules where moduleId = 'm'",
        "{\"moduleContent\":{\"properties.desired.a\":1}}");
    put(f, "none", 1, "", BASE("a"));
    put(f, "nomod", 1, "", "{\"moduleContent\":{\"properties.desired.a\":1}}");
    settle(f);

    static const struct {
        const char *id;
        int64_t targeted, applied;
        const char *query;
    } rows[] = {
        { "dev", 1, 0, "select deviceId from devices" },
        { "one", 1, 1, "select deviceId from devices where (deviceId='d' or tags.a > 1)" },
        { "mod", 1, 1, "select deviceId, moduleId from devices.modules where moduleId = 'm'" },
        { "none", 0, 0,
          "select deviceId from devices where capabilities.iotEdge = true and deviceId = ''" },
        { "nomod", 0, 0, "select deviceId, moduleId from devices.modules where deviceId = ''" },
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_OWN(sk_json_free) struct sk_json *c = get(f, rows[i].id);
        if (result(c, "systemMetrics", "targetedCount") != rows[i].targeted ||
            result(c, "systemMetrics", "appliedCount") != rows[i].applied)
            fail_msg("%s", rows[i].id);
        assert_string_equal(query(c, "systemMetrics", "targetedCount"), rows[i].query);
    }
}

static void lists(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
    DONE(sk_configuration_list(f->d, 0, &b, &err));
    assert_string_equal(b.data, "[]");
    f->has_image = 0;
    put(f, "b", 1, "*", BASE("a"));
    put(f, "a", 1, "*", QUIET);
    sk_buf_clear(&b);
    DONE(sk_configuration_list(f->d, 0, &b, &err));
    SK_OWN(sk_json_free) struct sk_json *all = parse(b.data);
    assert_int_equal(sk_json_count(all), 2);
    assert_string_equal(sk_json_get_text(sk_json_at(all, 0), "id", ""), "a");
    assert_null(sk_json_get(sk_json_at(all, 0), "warnings"));
    assert_int_equal(sk_json_count(sk_json_get(sk_json_at(all, 1), "warnings")), 3);
    sk_buf_clear(&b);
    DONE(sk_configuration_list(f->d, 1, &b, &err));
    SK_OWN(sk_json_free) struct sk_json *one = parse(b.data);
    assert_int_equal(sk_json_count(one), 1);
    FAILS(sk_configuration_get(f->d, "x", &b, &err), SK_NOT_FOUND, "ConfigurationNotFound: ");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(etags), ROW(edge), ROW(other_kinds),
                                        ROW(lists) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
