/* test_iotql.c - the queries of IoT Hub as they stand, conditions, pages, plans, memory. */
#include "harness/alloc_fail.h"
#include "iotql_util.h"

static const struct {
    const char *text, *rows;
} queries[] = {
    { "SELECT * FROM devices", "1 2 3 7" },
    { "SELECT * FROM devices.modules", "4 5 6" },
    { "select * from Devices.Modules where deviceId = 'd1'", "4 5" },
    { "select deviceId from devices where capabilities.iotEdge = true", "1:text=d1" },
    { "select deviceId from devices where capabilities.iotEdge = true and (tags.site='A')",
      "1:text=d1" },
    { "select deviceId from devices.modules where moduleId = '$edgeAgent' and "
      "configurations.[[deployment1]].status = 'Applied'",
      "4:text=d1 6:text=d2" },
    { "select deviceId from devices.modules where moduleId = '$edgeAgent' and "
      "configurations.[[deployment1]].status = 'Applied' and properties.desired.$version = "
      "properties.reported.lastDesiredVersion and properties.reported.lastDesiredStatus.code = 200",
      "4:text=d1" },
    { "select deviceId from devices.modules where moduleId = '$edgeAgent' and "
      "configurations.[[deployment1]].status = 'Applied' and properties.desired.$version = "
      "properties.reported.lastDesiredVersion and properties.reported.lastDesiredStatus.code != "
      "200",
      "6:text=d2" },
    { "select deviceId from devices where configurations.[[deployment1]].status = 'Applied'", "" },
    { "select deviceId from devices.modules where configurations.[[a.b-c]].status = 'Targeted'",
      "6:text=d2" },
    { "SELECT COUNT() AS n, tags.site FROM devices GROUP BY tags.site",
      "0:integer=1,- 0:integer=1,integer=3 0:integer=1,text=A 0:integer=1,text=B" },
    { "SELECT deviceId FROM devices WHERE tags.location.building IN ['43', '44'] AND NOT "
      "capabilities.iotEdge = true",
      "2:text=d2" },
};

static const struct {
    const char *text, *rows;
    bool is_of_modules;
} conditions[] = {
    { "*", "1", false },
    { "  * ", "1", false },
    { "", "", false },
    { " \n", "", false },
    { "tags.site='A' and deviceId='d1'", "1", false },
    { "tags.site='B'", "2", false },
    { "deviceId = 'd1' OR tags.location.building = '44'", "1 2", false },
    { "capabilities.iotEdge != true", "2 3 7", false },
    { "from devices.modules where moduleId='$edgeHub'", "5", true },
    { "FROM devices WHERE tags.site = 'A'", "1", false },
    { "properties.desired.a.b = 1", "1", false },
};

static void test_queries(void **state)
{
    for (size_t i = 0; i < COUNT(queries); i++)
        check_query(*state, queries[i].text, queries[i].rows);
}

static void test_conditions(void **state)
{
    for (size_t i = 0; i < COUNT(conditions); i++) {
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_iotql_parse_condition(conditions[i].text, &q, &err) < 0)
            fail_msg("%s: %s", conditions[i].text, err.text);
        assert_true(sk_iotql_is_star(q));
        assert_int_equal(sk_iotql_is_of_modules(q), conditions[i].is_of_modules);
        assert_int_equal(sk_iotql_columns(q), 0);
        check_rows(*state, conditions[i].text, q, conditions[i].rows);
    }
}

static const struct {
    const char *text;
    int64_t after;
    unsigned max;
    int64_t only;
    const char *rows;
} pages[] = {
    { "SELECT * FROM devices", 0, 2, 0, "1 2" },
    { "SELECT * FROM devices", 2, 2, 0, "3 7" },
    { "SELECT * FROM devices", 7, 2, 0, "" },
    { "SELECT * FROM devices", 0, 0, 0, "" },
    { "SELECT * FROM devices", 0, 9, 2, "2" },
    { "SELECT * FROM devices", 2, 9, 2, "" },
    { "SELECT * FROM devices", 0, 9, 4, "" },
    { "SELECT * FROM devices.modules", 0, 9, 4, "4" },
    { "SELECT * FROM devices WHERE tags.site = 'A'", 0, 9, 1, "1" },
    { "SELECT * FROM devices WHERE tags.site = 'A'", 0, 9, 2, "" },
    { "SELECT * FROM devices WHERE deviceId = 'd1'", 1, 9, 0, "" },
    { "SELECT * FROM devices WHERE deviceId IN ['d3', 'd2', 'd1']", 1, 1, 0, "2" },
    { "SELECT TOP 3 * FROM devices", 0, 2, 0, "1 2" },
    { "SELECT TOP 3 * FROM devices", 2, 2, 0, "3" },
    { "SELECT TOP 3 * FROM devices", 3, 2, 0, "" },
    { "SELECT TOP 3 * FROM devices", 0, 9, 3, "3" },
    { "SELECT TOP 3 * FROM devices", 0, 9, 7, "" },
    { "SELECT TOP 1 deviceId FROM devices WHERE deviceId > 'd1'", 0, 9, 0, "2:text=d2" },
    { "SELECT COUNT() FROM devices", 3, 1, 0, "0:integer=4" },
    { "SELECT COUNT() FROM devices", 0, 0, 2, "0:integer=1" },
    { "SELECT status FROM devices GROUP BY status", 3, 1, 0, "0:text=disabled 0:text=enabled" },
};

static void test_pages(void **state)
{
    for (size_t i = 0; i < COUNT(pages); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 12);
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_iotql_parse(pages[i].text, &q, &err) < 0 ||
            run_query(*state, q, pages[i].after, pages[i].max, pages[i].only, &out, &err) < 0)
            fail_msg("%s: %s", pages[i].text, err.text);
        sk_buf_chr(&out, 0);
        if (strcmp(out.data, pages[i].rows) != 0)
            fail_msg("%s after %d: '%s' instead of '%s'", pages[i].text, (int)pages[i].after,
                     out.data, pages[i].rows);
    }
}

/* A query may be used again and again, also while it runs. */
static void test_twice(void **state)
{
    struct place *p = *state;
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *a = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *b = NULL;
    struct sk_err err = SK_ERR_INIT;
    char text[] = "SELECT deviceId FROM devices WHERE tags.[[site]] = 'A'";

    assert_int_equal(sk_iotql_parse(text, &q, &err), 0);
    memset(text, 'x', sizeof(text) - 1); /* the text is the caller's */
    assert_int_equal(sk_db_begin(p->db, SK_DB_READ, &tx, &err), 0);
    assert_int_equal(sk_iotql_run(q, tx, 0, 1, 0, &a, &err), 0);
    assert_int_equal(sk_iotql_run(q, tx, 0, 1, 1, &b, &err), 0);
    assert_int_equal(sk_stmt_next(a, &err), 1);
    assert_int_equal(sk_stmt_next(b, &err), 1);
    assert_string_equal(sk_stmt_text(a, 2), "d1");
    assert_string_equal(sk_stmt_text(b, 2), "d1");
}

static int sweep(void *ctx, struct sk_err *err)
{
    static const char text[] =
        "SELECT TOP 5 deviceId, tags.a AS x, tags.b, COUNT() FROM devices WHERE tags.[[a\"b]].c = "
        "tags.d AND deviceId IN ['a', 'b', 1, true] AND etag = 'x' AND STARTSWITH(tags.e, 'f') OR "
        "lastActivityTime > '2026-01-01' GROUP BY deviceId, tags.a, tags.b";
    SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
    SK_OWN(sk_iotql_free) struct sk_iotql *star = NULL;
    SK_AUTO(sk_buf_done) struct sk_buf out = SK_BUF_INIT(1 << 12);

    if (sk_iotql_parse(text, &q, err) < 0 || sk_iotql_parse_condition("*", &star, err) < 0 ||
        run_query(ctx, q, 0, 9, 0, &out, err) < 0)
        return -1;
    return sk_buf_ok(&out) ? 0 : sk_buf_fail(&out, err);
}

static void test_memory(void **state)
{
    assert_true(sk_alloc_sweep("iotql", sweep, *state, 0) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_queries, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_conditions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_pages, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_twice, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
