/* test_spec.c - ids and bodies of configurations. */
#include "fixture.h"

static void ids(void **state)
{
    char longest[SK_DEPLOY_ID_MAX + 2];

    const struct {
        const char *id;
        bool is_good;
    } rows[] = { { "a", true },         { "line-1_%+*!':.x", true },
                 { "0", true },         { "", false },
                 { "A", false },        { "aB", false },
                 { "a b", false },      { "a\x7f", false },
                 { "\xc3\xa4", false }, { "a&", false },
                 { "a^", false },       { "[a", false },
                 { "a]", false },       { "{", false },
                 { "}", false },        { "\\", false },
                 { "|", false },        { "\"", false },
                 { "<", false },        { ">", false },
                 { "a/b", false },      { longest + 1, true },
                 { longest, false } };

    (void)state;
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        if ((sk_configuration_id_check(rows[i].id, &err) == 0) != rows[i].is_good)
            fail_msg("'%s' %s", rows[i].id, err.text);
    }
}

static void bodies(void **state)
{
    static const struct {
        const char *json;
        enum sk_code code;
        const char *says;
    } rows[] = {
        { "{}", SK_OK, "" },
        { "{\"id\":\"c\",\"schemaVersion\":null,\"labels\":{\"a\":\"b\"},\"priority\":0,"
          "\"targetCondition\":\"*\",\"metrics\":{\"queries\":{\"m\":\"SELECT * FROM devices\"},"
          "\"results\":{}},\"etag\":\"MQ==\",\"content\":{\"deviceContent\":"
          "{\"properties.desired.a\":1}}}",
          SK_OK, "" },
        { "{\"labels\":null,\"metrics\":null,\"priority\":2147483647}", SK_OK, "" },
        { "[]", SK_INVALID, "ArgumentInvalid: a configuration is an object" },
        { "{\"id\":\"d\"}", SK_INVALID, "ArgumentInvalid: 'id' is 'd'" },
        { "{\"id\":1}", SK_INVALID, "ArgumentInvalid: 'id'" },
        { "{\"priority\":-1}", SK_INVALID, "ArgumentInvalid: 'priority'" },
        { "{\"priority\":2147483648}", SK_INVALID, "ArgumentInvalid: 'priority'" },
        { "{\"priority\":\"1\"}", SK_INVALID, "ArgumentInvalid: 'priority'" },
        { "{\"labels\":{\"a\":1}}", SK_INVALID, "ArgumentInvalid: 'labels': 'a'" },
        { "{\"targetCondition\":1}", SK_INVALID, "ArgumentInvalid: 'targetCondition'" },
        { "{\"metrics\":{\"queries\":[]}}", SK_INVALID, "ArgumentInvalid: 'queries'" },
        { "{\"metrics\":{\"queries\":{\"m\":1}}}", SK_INVALID,
          "InvalidConfigurationCustomMetricsQuery: 'm' is no text" },
        { "{\"metrics\":{\"queries\":{\"m\":\"SELECT\"}}}", SK_INVALID,
          "InvalidConfigurationCustomMetricsQuery: 'm': " },
        { "{\"content\":[]}", SK_INVALID, "InvalidConfigurationContent: 'content'" },
        { "{\"content\":{}}", SK_INVALID, "InvalidConfigurationContent: one of" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_configuration c;
        SK_OWN(sk_json_free) struct sk_json *json = parse(rows[i].json);
        (void)!sk_configuration_read("c", json, &c, &err);
        if (err.code != rows[i].code || !strstr(err.text, rows[i].says))
            fail_msg("%s: %s", rows[i].json, err.text);
    }
}

/* At the limit, and one beyond. */
static void limits(void **state)
{
    (void)state;
    for (int extra = 0; extra < 2; extra++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_configuration c;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        sk_buf_str(&b, "{\"metrics\":{\"queries\":{");
        for (int i = 0; i < SK_DEPLOY_METRICS_MAX + extra; i++)
            sk_buf_fmt(&b, "%s\"m%d\":\"SELECT * FROM devices\"", i ? "," : "", i);
        sk_buf_str(&b, "}}}");
        SK_OWN(sk_json_free) struct sk_json *metrics = parse(b.data);
        assert_int_equal(sk_configuration_read("c", metrics, &c, &err), -extra);
        sk_buf_clear(&b);
        sk_buf_str(&b, "{\"targetCondition\":\"");
        for (int i = 0; i < SK_DEPLOY_TARGET_MAX + extra; i++)
            sk_buf_chr(&b, 'x');
        sk_buf_str(&b, "\"}");
        SK_OWN(sk_json_free) struct sk_json *target = parse(b.data);
        assert_int_equal(sk_configuration_read("c", target, &c, &err), -extra);
        sk_buf_clear(&b);
        sk_buf_str(&b, "{\"labels\":{\"a\":\"");
        for (int i = 0; i < SK_DEPLOY_LABELS_MAX - 8 + extra; i++)
            sk_buf_chr(&b, 'x');
        sk_buf_str(&b, "\"}}");
        SK_OWN(sk_json_free) struct sk_json *labels = parse(b.data);
        assert_int_equal(sk_configuration_read("c", labels, &c, &err), -extra);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(ids), cmocka_unit_test(bodies),
                                        cmocka_unit_test(limits) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
