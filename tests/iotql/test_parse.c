/* test_parse.c - what is refused, with its place; the limits. What is accepted is run in the tests
 * of emit.c, result.c and iotql.c. */
#include "iotql_util.h"

static const struct {
    const char *text, *says;
} refused[] = {
    { "", "query: expected SELECT, at 1: >>>" },
    { "DELETE FROM devices", "expected SELECT" },
    { "SELECT", "expected a value" },
    { "SELECT * ", "expected FROM, at 10: SELECT * >>>" },
    { "SELECT *, deviceId FROM devices", "expected FROM, at 9" },
    { "SELECT deviceId status FROM devices", "expected , or AS or FROM, at 17" },
    { "SELECT deviceId AS FROM devices", "expected , or AS or FROM" },
    { "SELECT deviceId AS = FROM devices", "expected a name behind AS" },
    { "SELECT deviceId, FROM devices", "no such field" },
    { "SELECT nothing FROM devices",
      "query: no such field; there are deviceId, moduleId, status, connectionState, "
      "lastActivityTime, statusUpdateTime, etag, version, authenticationType, capabilities, "
      "deviceScope, tags, configurations, properties.desired, .reported, at 8: SELECT >>>nothing "
      "FROM devices" },
    { "SELECT DeviceId FROM devices", "no such field" },
    { "SELECT tags.a, properties.desired.a FROM devices", "a second column 'a'; give it a name" },
    { "SELECT deviceId, status AS deviceId FROM devices", "a second column 'deviceId'" },
    { "SELECT 'x' FROM devices", "expected a value" },
    { "SELECT 1 FROM devices", "no such field" },
    { "SELECT TOP * FROM devices", "expected a number from 1 behind TOP, at 12" },
    { "SELECT TOP 0 * FROM devices", "expected a number from 1 behind TOP, at 12" },
    { "SELECT TOP 1.5 * FROM devices", "expected a number from 1" },
    { "SELECT TOP -1 * FROM devices", "expected a number from 1" },
    { "SELECT TOP 2147483648 * FROM devices", "expected a number from 1" },
    { "SELECT COUNT FROM devices", "expected ( behind the aggregate" },
    { "SELECT COUNT(deviceId) FROM devices", "expected ), at 14" },
    { "SELECT SUM() FROM devices", "expected a value" },
    { "SELECT SUM(*) FROM devices", "expected a value" },
    { "SELECT deviceId, COUNT() FROM devices", "must be in GROUP BY, at 8" },
    { "SELECT tags.a, COUNT() FROM devices GROUP BY tags.b", "must be in GROUP BY, at 8" },
    { "SELECT tags.a FROM devices GROUP BY tags.a.b", "must be in GROUP BY" },
    { "SELECT tags.a[0] AS x FROM devices GROUP BY tags.a.[[0]]", "must be in GROUP BY" },
    { "SELECT * FROM devices GROUP BY tags.a", "GROUP BY needs columns, not *" },
    { "SELECT tags.a FROM devices GROUP tags.a", "expected BY behind GROUP" },
    { "SELECT tags.a FROM devices GROUP BY", "expected a value" },
    { "SELECT tags.a FROM devices GROUP BY tags.a WHERE true", "expected , or the end" },
    { "SELECT * FROM things", "expected devices or devices.modules, at 15" },
    { "SELECT * FROM devices.jobs", "expected devices or devices.modules, at 15" },
    { "SELECT * FROM devices.", "expected devices or devices.modules" },
    { "SELECT * FROM devices d", "expected WHERE, GROUP BY or the end, at 23" },
    { "SELECT * FROM devices WHERE", "expected a value" },
    { "SELECT * FROM devices WHERE true ORDER BY deviceId", "expected an operator, GROUP BY or" },
    { "SELECT * FROM devices WHERE true; DROP TABLE twin", "expected an operator, GROUP BY or" },
    { "SELECT * FROM devices WHERE true -- x", "no such field" },
    { "SELECT * FROM devices WHERE \xff", "query: not UTF-8 text" },
};

static const struct {
    const char *text, *says;
} bad_conditions[] = {
    { "* x", "target condition: expected nothing behind *, at 3: * >>>x" },
    { "SELECT * FROM devices", "no such field" },
    { "from devices.modules", "target condition: expected WHERE" },
    { "from things where true", "expected devices or devices.modules" },
    { "from devices.modules where", "expected a value" },
    { "tags.environment='prod' and", "expected a value" },
    { "tags.environment='prod' group by tags.a", "expected an operator or the end, at 25" },
    { "tags.environment=prod", "no such field" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused) + COUNT(bad_conditions); i++) {
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;
        bool is_query = i < COUNT(refused);
        size_t k = is_query ? i : i - COUNT(refused);
        const char *text = is_query ? refused[k].text : bad_conditions[k].text;
        const char *says = is_query ? refused[k].says : bad_conditions[k].says;

        if ((is_query ? sk_iotql_parse(text, &q, &err)
                      : sk_iotql_parse_condition(text, &q, &err)) == 0)
            fail_msg("%s: accepted", text);
        if (err.code != SK_INVALID || !strstr(err.text, says))
            fail_msg("%s: %s: %s", text, sk_code_name(err.code), err.text);
    }
}

/* `unit` n times between `before` and `after`; the limit is taken, one beyond it is not. */
static const struct {
    const char *what, *before, *unit, *after, *end;
    unsigned most;
} limits[] = {
    { "bytes", "SELECT * FROM devices WHERE tags.a='", "x", "'", "", SK_IOTQL_TEXT_MAX - 37 },
    { "terms", "SELECT * FROM devices WHERE true", " OR true", "", "",
      (SK_IOTQL_TERMS_MAX - 1) / 2 },
    { "parentheses", "SELECT * FROM devices WHERE ", "(", "true", ")", SK_IOTQL_DEPTH_MAX },
    { "not", "SELECT * FROM devices WHERE ", "NOT ", "true", "", SK_IOTQL_DEPTH_MAX },
    { "minus", "SELECT * FROM devices WHERE ", "-", "1", "", SK_IOTQL_DEPTH_MAX },
    { "operators", "SELECT * FROM devices WHERE ", "1 + (", "1", ")", SK_IOTQL_DEPTH_MAX / 2 },
    { "functions", "SELECT * FROM devices WHERE ", "IS_BOOL(", "true", ")", SK_IOTQL_DEPTH_MAX },
    { "groups", "SELECT COUNT() FROM devices GROUP BY tags.a", ", tags.a", "", "",
      SK_IOTQL_COLUMNS_MAX - 1 },
    { "hard names", "SELECT * FROM devices WHERE tags", ".[[\"]]", " = 1", "", SK_IOTQL_HARD_MAX },
    { "names", "SELECT * FROM devices WHERE tags", ".a", " = 1", "", SK_IOTQL_SEGMENTS_MAX - 1 },
};

static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(limits); i++)
        for (unsigned n = limits[i].most; n <= limits[i].most + 1; n++) {
            SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
            SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
            struct sk_err err = SK_ERR_INIT;
            int rc;

            sk_buf_str(&text, limits[i].before);
            for (unsigned k = 0; k < n; k++)
                sk_buf_str(&text, limits[i].unit);
            sk_buf_str(&text, limits[i].after);
            for (unsigned k = 0; k < n; k++)
                sk_buf_str(&text, limits[i].end);
            rc = sk_iotql_parse(text.data, &q, &err);
            if (n == limits[i].most ? rc < 0 : rc == 0 || err.code != SK_LIMIT)
                fail_msg("%s: %u: %d %s", limits[i].what, n, rc, err.text);
        }
}

static void test_columns(void **state)
{
    (void)state;
    for (unsigned n = SK_IOTQL_COLUMNS_MAX; n <= SK_IOTQL_COLUMNS_MAX + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1 << 16);
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        sk_buf_str(&text, "SELECT tags.a0");
        for (unsigned i = 1; i < n; i++)
            sk_buf_fmt(&text, ", tags.a%u", i);
        sk_buf_str(&text, " FROM devices");
        assert_int_equal(sk_iotql_parse(text.data, &q, &err), n > SK_IOTQL_COLUMNS_MAX ? -1 : 0);
        assert_int_equal(err.code, n > SK_IOTQL_COLUMNS_MAX ? SK_LIMIT : SK_OK);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_columns),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
