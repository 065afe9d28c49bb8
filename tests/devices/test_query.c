/* test_query.c - pages of twins and of projections, aggregates, counts, what is refused. */
#include "fixture.h"

static void make_some(struct fixture *f)
{
    make_device(f, "a");
    make_edge(f, "b");
    make_device(f, "c");
    change_twin(f, "a", NULL,
                "{\"tags\":{\"plant\":\"x\",\"n\":1},\"properties\":{\"desired\":"
                "{\"o\":{\"p\":[1,2.5]},\"on\":true}}}");
    change_twin(f, "b", NULL, "{\"tags\":{\"plant\":\"x\",\"n\":2.5}}");
    change_twin(f, "c", NULL, "{\"tags\":{\"plant\":\"y\\\"\",\"n\":4}}");
}

static void projections(void **state)
{
    static const struct {
        const char *query, *rows;
    } rows[] = {
        { "SELECT deviceId, tags.plant AS p FROM devices",
          "[{\"deviceId\":\"a\",\"p\":\"x\"},{\"deviceId\":\"b\",\"p\":\"x\"},"
          "{\"deviceId\":\"c\",\"p\":\"y\\\"\"}]" },
        { "SELECT deviceId, tags.none AS q FROM devices WHERE tags.plant = 'x'",
          "[{\"deviceId\":\"a\"},{\"deviceId\":\"b\"}]" },
        { "SELECT tags.n AS n, properties.desired.o AS o, properties.desired.on AS e FROM devices "
          "WHERE deviceId IN ['a', 'b']",
          "[{\"n\":1,\"o\":{\"p\":[1,2.5]},\"e\":true},{\"n\":2.5}]" },
        { "SELECT moduleId FROM devices.modules",
          "[{\"moduleId\":\"$edgeAgent\"},{\"moduleId\":\"$edgeHub\"}]" },
        { "SELECT COUNT() AS n, SUM(tags.n) AS s FROM devices", "[{\"n\":3,\"s\":7.5}]" },
        { "SELECT deviceId FROM devices WHERE deviceId = 'zz'", "[]" },
        { "SELECT * FROM devices WHERE deviceId = 'zz'", "[]" },
    };
    struct fixture *f = *state;
    make_some(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
        char next[32] = "x";
        const char *type = NULL;
        if (sk_devices_query(f->d, rows[i].query, NULL, 0, &b, next, &type, &err) < 0)
            fail_msg("%s: %s", rows[i].query, err.text);
        if (strcmp(b.data, rows[i].rows) != 0)
            fail_msg("%s: %s", rows[i].query, b.data);
        assert_string_equal(next, "");
        assert_string_equal(type, strchr(rows[i].query, '*') ? "Twin" : "Raw");
    }
}

/* Beyond 4 MiB a page ends, so that a thousand large twins are not one answer. */
static void pages_of_large_twins(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    char next[32] = "";
    make_some(f);
    run_sql(f, "UPDATE twin SET tags = json_object('x', hex(zeroblob(1200000)))");
    static const char *const queries[] = { "SELECT * FROM devices", "SELECT tags FROM devices" };
    for (size_t i = 0; i < COUNT(queries); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(64 << 20);
        const char *type = NULL;
        DONE(sk_devices_query(f->d, queries[i], NULL, 100, &b, next, &type, &err));
        assert_true(b.len > 4 << 20 && b.len < 7 << 20);
        assert_string_not_equal(next, "");
        sk_buf_clear(&b);
        DONE(sk_devices_query(f->d, queries[i], next, 100, &b, next, &type, &err));
        assert_true(b.len > 2 << 20 && b.len < 4 << 20);
        assert_string_equal(next, "");
    }
}

/* The device ids of all pages, with '|' behind each page. */
static void pages(void **state)
{
    static const struct {
        const char *query;
        unsigned max;
        const char *ids;
    } rows[] = {
        { "SELECT * FROM devices", 1, "a|b|c|" },
        { "SELECT * FROM devices", 2, "ab|c|" },
        { "SELECT * FROM devices", 3, "abc|" },
        { "SELECT * FROM devices", 5000, "abc|" },
        { "SELECT deviceId FROM devices", 2, "ab|c|" },
        { "SELECT TOP 2 * FROM devices", 1, "a|b|" },
        { "SELECT * FROM devices WHERE tags.plant = 'x'", 1, "a|b|" },
    };
    struct fixture *f = *state;
    make_some(f);
    for (size_t i = 0; i < COUNT(rows); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf ids = SK_BUF_INIT(4096);
        char next[32] = "";
        do {
            struct sk_err err = SK_ERR_INIT;
            SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(1 << 20);
            const char *type;
            DONE(sk_devices_query(f->d, rows[i].query, next, rows[i].max, &b, next, &type, &err));
            SK_OWN(sk_json_free) struct sk_json *page = parse(b.data);
            for (size_t n = 0; n < sk_json_count(page); n++)
                sk_buf_str(&ids, sk_json_get_text(sk_json_at(page, n), "deviceId", "?"));
            sk_buf_chr(&ids, '|');
        } while (next[0] && ids.len < 100);
        if (strcmp(ids.data, rows[i].ids) != 0)
            fail_msg("%s by %u: %s", rows[i].query, rows[i].max, ids.data);
    }
}

static void counts_and_refusals(void **state)
{
    struct fixture *f = *state;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(100);
    char next[32];
    const char *type;
    int64_t count = 0;
    make_some(f);
    DONE(
        sk_devices_query_count(f->d, "SELECT * FROM devices WHERE tags.plant = 'x'", &count, &err));
    assert_int_equal(count, 2);
    DONE(sk_devices_query_count(f->d, "SELECT deviceId FROM devices.modules", &count, &err));
    assert_int_equal(count, 2);
    FAILS(sk_devices_query_count(f->d, "SELECT", &count, &err), SK_INVALID, "IotHubFormatError: ");
    FAILS(sk_devices_query(f->d, "SELECT * FROM nowhere", NULL, 1, &b, next, &type, &err),
          SK_INVALID, "IotHubFormatError: ");
    FAILS(sk_devices_query(f->d, "SELECT * FROM devices", "x", 1, &b, next, &type, &err),
          SK_INVALID, "ArgumentInvalid: ");
    FAILS(sk_devices_query(f->d, "SELECT * FROM devices", "-1", 1, &b, next, &type, &err),
          SK_INVALID, "ArgumentInvalid: ");
    FAILS(sk_devices_query(f->d, "SELECT * FROM devices", "", 5, &b, next, &type, &err), SK_LIMIT,
          "");
}

int main(void)
{
    const struct CMUnitTest tests[] = { ROW(projections), ROW(pages), ROW(pages_of_large_twins),
                                        ROW(counts_and_refusals) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
