/*
 * test_query.c - filters and orders: each accepted one is run on a real database, each refused one
 * says where.
 */
#include "query/query.h"

#include "base/cleanup.h"
#include "harness/alloc_fail.h"
#include "harness/golden.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const migrations[] = {
    "CREATE TABLE m(id INTEGER PRIMARY KEY, name TEXT, run TEXT, at INTEGER, updated INTEGER);"
    "CREATE TABLE tag(m INTEGER, key TEXT, value TEXT);"
    "CREATE TABLE metric(m INTEGER, key TEXT, value REAL);"
    "INSERT INTO m VALUES(1, 'alpha', 'r1', 10, 3), (2, 'Beta', NULL, 20, 2),"
    "  (3, 'gamma_1', 'r3', 30, 1), (4, 'it''s 50% [*]', 'r4', 40, 0),"
    "  (5, '\xc3\xa4pfel', 'r5', 9007199254740993, 4);"
    "INSERT INTO tag VALUES(1, 'env', 'prod'), (2, 'env', 'test'), (1, 'mark', 'true'),"
    "  (3, 'site.name', 'hall 3'), (3, 'mark', 'false'), (4, 'a-b/c', '');"
    "INSERT INTO metric VALUES(1, 'acc', 0.9), (2, 'acc', 0.5), (3, 'acc', -1), (3, 'val loss', "
    "2);",
    NULL,
};

static const char *const tag_names[] = { "tag", "tags", NULL };
static const char *const metric_names[] = { "metric", "metrics", NULL };

static const struct sk_query_field fields[] = {
    { "name", "m.name", SK_QUERY_TEXT, false },        { "run_id", "m.run", SK_QUERY_TEXT, true },
    { "Run name", "m.run", SK_QUERY_TEXT, true },      { "at", "m.at", SK_QUERY_INT, false },
    { "timestamp", "m.updated", SK_QUERY_NUM, false }, { NULL, NULL, SK_QUERY_TEXT, false },
};
static const struct sk_query_group groups[] = {
    { tag_names, "m.id IN (SELECT m FROM tag WHERE key = %k AND value %c)",
      "(SELECT value FROM tag WHERE m = m.id AND key = %k)", "mark", SK_QUERY_TEXT },
    { metric_names, "m.id IN (SELECT m FROM metric WHERE key = %k AND value %c)",
      "(SELECT value FROM metric x WHERE x.m = m.id AND x.key = %k)", NULL, SK_QUERY_NUM },
    { NULL, NULL, NULL, NULL, SK_QUERY_TEXT },
};
static const struct sk_query_schema schema = { fields, groups };

/* ids are those that fit, in their order. */
static const struct {
    const char *filter, *ids;
} accepted[] = {
    { "", "12345" },
    { "  \t\n", "12345" },
    { "name = 'alpha'", "1" },
    { "name='alpha'", "1" },
    { "name = \"alpha\"", "1" },
    { "name != 'alpha'", "2345" },
    { "attribute.name = 'alpha'", "1" },
    { "attributes.`name` = 'alpha'", "1" },
    { "attr.\"name\" = 'alpha'", "1" },
    { "`name` = 'alpha'", "1" },
    { "run.run_id = 'r3'", "3" },
    { "attributes.`Run name` = 'r3'", "3" },
    { "name LIKE 'al%'", "1" },
    { "name LIKE 'AL%'", "" },
    { "name like 'al%'", "1" },
    { "name ILIKE 'AL%'", "1" },
    { "name ilike '%A%'", "123" }, /* only ASCII folds, as in MLflow on SQLite: not 5 */
    { "name LIKE '%a%'", "123" },
    { "name LIKE 'gamma_1'", "3" }, /* _ is any character */
    { "name LIKE 'gamm__1'", "3" },
    { "name LIKE 'gamm_1'", "" },
    { "name LIKE '_pfel'", "5" }, /* a character, not a byte */
    { "name LIKE '%[*]'", "4" },  /* signs of GLOB stand for themselves */
    { "name LIKE '*'", "" },
    { "name LIKE '%?%'", "" },
    { "name LIKE '%%%%50%%%'", "4" },
    { "name = 'it''s 50% [*]'", "4" },
    { "name = \"it's 50% [*]\"", "4" },
    { "name IN ('alpha', 'Beta')", "12" },
    { "name in('alpha',)", "1" },
    { "name NOT IN ('alpha', 'Beta')", "345" },
    { "run_id IN ('r1', \"r3\")", "13" },
    { "run_id != 'r1'", "345" }, /* NULL is not unlike anything */
    { "at = 10", "1" },
    { "at = '10'", "1" },
    { "at > 10 AND at <= 30", "23" },
    { "at>=20 and at<40", "23" },
    { "at != 10", "2345" },
    { "at > -1", "12345" },
    { "at < +20", "1" },
    { "at = 9007199254740993", "5" }, /* not through a double */
    { "at IN (10, 40)", "14" },
    { "timestamp >= 1.5", "125" },
    { "timestamp > 1e0", "125" },
    { "tags.env = 'prod'", "1" },
    { "tag.env = 'prod'", "1" },
    { "tags.`env` = 'prod'", "1" },
    { "tags.\"env\" = 'prod'", "1" },
    { "`tags`.env = 'prod'", "1" },
    { "tags.env != 'prod'", "2" }, /* a missing key is not unlike anything */
    { "tags.env LIKE 'p%'", "1" },
    { "tags.env ILIKE 'P%'", "1" },
    { "tags.env IN ('prod', 'test')", "12" },
    { "tags.env NOT IN ('prod')", "2" },
    { "tags.env IS NULL", "345" },
    { "tags.env is not null", "12" },
    { "tags.mark != 'true'", "2345" }, /* but of the marked key it is */
    { "tags.`mark` != 'true'", "2345" },
    { "tags.mark NOT IN ('true', 'x')", "2345" },
    { "tags.mark = 'false'", "3" },
    { "tags.site.name = 'hall 3'", "3" },
    { "tags.`site.name` = 'hall 3'", "3" },
    { "tags.a-b/c = ''", "4" },
    { "tags.nowhere = 'x'", "" },
    { "tags.`x' OR 1 --` = 'y'", "" },
    { "name = ''' OR 1=1 --'", "" },
    { "metrics.acc > 0.4", "12" },
    { "metrics.acc>-2", "123" },
    { "metric.acc = .9", "1" },
    { "metrics.`val loss` <= 2", "3" },
    { "metrics.acc > 0.4 AND tags.env = 'test' AND name ILIKE 'b%'", "2" },
};

static const struct {
    const char *filter, *says;
    enum sk_code code;
} refused[] = {
    { "name", "expected an operator", SK_INVALID },
    { "= 'x'", "expected a key", SK_INVALID },
    { "name = ", "expected a value: a text in quotes or a number, at 8", SK_INVALID },
    { "name = alpha", "expected a value", SK_INVALID },
    { "name = 3", "expected a text in quotes, at 8", SK_INVALID },
    { "name = 'alpha", "the ' is never closed, at 8", SK_INVALID },
    { "name = `alpha`", "expected a value", SK_INVALID },
    { "tags.`env = 'x'", "the ` is never closed, at 6", SK_INVALID },
    { "tags. = 'x'", "expected a key", SK_INVALID },
    { "tags.`` = 'x'", "expected a key", SK_INVALID },
    { "nothing = 'x'",
      "no such key; there are name, run_id, Run name, at, timestamp, tag.KEY, metric.KEY, at 1",
      SK_INVALID },
    { "params.a = 'x'", "no such key", SK_INVALID },
    { "tags = 'x'", "no such key", SK_INVALID },
    { "NAME = 'x'", "no such key", SK_INVALID },
    { "'name' = 'x'", "expected a key", SK_INVALID },
    { "name > 'a'", "texts are compared by", SK_INVALID },
    { "at LIKE '1%'", "numbers are compared by", SK_INVALID },
    { "at = 1.5", "expected a whole number, at 6", SK_INVALID },
    { "at = 'x'", "expected a whole number", SK_INVALID },
    { "at = 9223372036854775808", "expected a whole number", SK_INVALID },
    { "at = -", "expected a whole number", SK_INVALID },
    { "metrics.acc = '0.5'", "expected a number, without quotes", SK_INVALID },
    { "metrics.acc = 1.2.3", "expected a number", SK_INVALID },
    { "metrics.acc = 1e999", "expected a number", SK_INVALID },
    { "metrics.acc > NaN", "expected a value", SK_INVALID },
    { "name IS NULL", "IS NULL is for keys with a prefix", SK_INVALID },
    { "tags.env IS 'x'", "expected NULL or NOT NULL", SK_INVALID },
    { "name == 'x'", "expected a value", SK_INVALID },
    { "name <> 'x'", "texts are compared by", SK_INVALID },
    { "name RLIKE 'x'", "expected an operator", SK_INVALID },
    { "name NOT LIKE 'x'", "expected an operator", SK_INVALID },
    { "name IN 'x'", "expected a list", SK_INVALID },
    { "name IN ()", "expected a value", SK_INVALID },
    { "name IN ('x'", "expected , or )", SK_INVALID },
    { "name IN ('x' 'y')", "expected , or )", SK_INVALID },
    { "name IN ('x',,)", "expected a value", SK_INVALID },
    { "name = 'x' OR name = 'y'", "expected AND or the end, at 12", SK_INVALID },
    { "name = 'x' AND", "expected a key", SK_INVALID },
    { "name = 'x' name = 'y'", "expected AND or the end", SK_INVALID },
    { "(name = 'x')", "expected a key", SK_INVALID },
    { "name = 'x';", "expected AND or the end", SK_INVALID },
    { "name = 'x' -- y", "expected AND or the end", SK_INVALID },
    { "name = 'x' ANDname = 'y'", "expected AND or the end", SK_INVALID },
    { "name = '\xff'", "not UTF-8", SK_INVALID },
    { "name LIKE '%1%2%3%4%5%6%7%8%9%10%'", "11 times %", SK_LIMIT },
};

/* by: entries of the order, apart by '|' */
static const struct {
    const char *by, *ids;
} orders[] = {
    { "name", "21345" }, /* bytes: B before a */
    { "name ASC", "21345" },
    { "name desc", "54312" },
    { "attribute.name DESC", "54312" },
    { "`timestamp`", "43215" },
    { "timestamp DESC", "51234" },
    { "run_id", "13452" }, /* what has none comes last, both ways */
    { "run_id DESC", "54312" },
    { "metrics.acc DESC|name DESC", "12354" },
    { "metrics.`acc`|name", "32145" },
    { "tags.env|at DESC", "12543" },
    { "  name  Desc  ", "54312" },
};

static const struct {
    const char *by, *says;
} bad_orders[] = {
    { "", "expected a key" },
    { "name up", "expected ASC, DESC or the end" },
    { "name ASC DESC", "expected ASC, DESC or the end" },
    { "name, at", "expected ASC, DESC or the end" },
    { "nothing", "no such key" },
    { "name|name DESC", "ordered by this twice" },
    { "tags.a|tag.`a`", "ordered by this twice" },
    { "run_id|`Run name`", "ordered by this twice" },
    { "name; DROP TABLE m", "expected ASC, DESC or the end" },
};

struct place {
    char *dir;
    struct sk_db *db;
};

static int set_up(void **state)
{
    struct place *p = calloc(1, sizeof(*p));
    struct sk_err err = SK_ERR_INIT;
    char path[512];

    p->dir = sk_test_dir();
    (void)snprintf(path, sizeof(path), "%s/x.db", p->dir);
    if (sk_db_open(&(struct sk_db_options){ .path = path,
                                            .application_id = 1,
                                            .what = "test",
                                            .migrations = migrations,
                                            .create = true },
                   &p->db, &err) < 0)
        fail_msg("%s", err.text);
    *state = p;
    return 0;
}

static int tear_down(void **state)
{
    struct place *p = *state;

    sk_db_close(p->db);
    sk_test_dir_free(p->dir);
    free(p);
    return 0;
}

static int parse(const char *filter, const char *by, struct sk_buf *sql, struct sk_query **q,
                 struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf where = SK_BUF_INIT(1 << 20);
    SK_AUTO(sk_buf_done) struct sk_buf order = SK_BUF_INIT(1 << 20);
    struct sk_view list[SK_QUERY_ORDERS_MAX + 1];
    size_t count = 0;

    for (const char *p = by; p && count <= SK_QUERY_ORDERS_MAX; count++) {
        list[count] = (struct sk_view){ p, strcspn(p, "|") };
        p = p[list[count].len] ? p + list[count].len + 1 : NULL;
    }
    if (sk_query_parse(&schema, sk_view_of(filter), list, count, &where, &order, q, err) < 0)
        return -1;
    sk_buf_fmt(sql, "SELECT m.id FROM m WHERE %s ORDER BY %s", where.data,
               order.len ? order.data : "id");
    return 0;
}

/* The ids that fit, as digits. */
static int run(struct sk_db *db, const char *filter, const char *by, char *out, size_t cap,
               struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_query_free) struct sk_query *q = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    int next = 0, rc;
    size_t n = 0;

    if (parse(filter, by, &sql, &q, err) < 0 || sk_db_begin(db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_prepare(tx, sql.data, sql.len, &s, err) < 0 || sk_query_bind(q, s, &next, err) < 0)
        return -1;
    while ((rc = sk_stmt_next(s, err)) == 1 && n + 1 < cap)
        out[n++] = (char)('0' + sk_stmt_int(s, 0));
    out[n] = 0;
    return rc;
}

static void test_accepted(void **state)
{
    struct place *p = *state;
    char ids[16];

    for (size_t i = 0; i < sizeof(accepted) / sizeof(accepted[0]); i++) {
        struct sk_err err = SK_ERR_INIT;

        if (run(p->db, accepted[i].filter, NULL, ids, sizeof(ids), &err) < 0)
            fail_msg("%s: %s", accepted[i].filter, err.text);
        if (strcmp(ids, accepted[i].ids) != 0)
            fail_msg("%s: '%s' instead of '%s'", accepted[i].filter, ids, accepted[i].ids);
    }
}

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
        SK_OWN(sk_query_free) struct sk_query *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (parse(refused[i].filter, NULL, &sql, &q, &err) == 0)
            fail_msg("%s: accepted as %s", refused[i].filter, sql.data);
        if (err.code != refused[i].code || !strstr(err.text, refused[i].says))
            fail_msg("%s: %s: %s", refused[i].filter, sk_code_name(err.code), err.text);
        if (sql.len > 0)
            fail_msg("%s: wrote %s", refused[i].filter, sql.data);
    }
}

static void test_orders(void **state)
{
    struct place *p = *state;
    char ids[16];

    for (size_t i = 0; i < sizeof(orders) / sizeof(orders[0]); i++) {
        struct sk_err err = SK_ERR_INIT;

        if (run(p->db, "", orders[i].by, ids, sizeof(ids), &err) < 0)
            fail_msg("%s: %s", orders[i].by, err.text);
        if (strcmp(ids, orders[i].ids) != 0)
            fail_msg("%s: '%s' instead of '%s'", orders[i].by, ids, orders[i].ids);
    }
    for (size_t i = 0; i < sizeof(bad_orders) / sizeof(bad_orders[0]); i++) {
        SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
        SK_OWN(sk_query_free) struct sk_query *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (parse("", bad_orders[i].by, &sql, &q, &err) == 0)
            fail_msg("%s: accepted", bad_orders[i].by);
        if (err.code != SK_INVALID || !strstr(err.text, bad_orders[i].says) ||
            !sk_starts_with(err.text, "order_by: "))
            fail_msg("%s: %s", bad_orders[i].by, err.text);
    }
}

/* `unit` n times, with `before` and `after`; at the limit it is taken, one beyond it is not. */
static void check_limit(const char *what, const char *before, const char *unit, const char *after,
                        size_t most, enum sk_code code)
{
    for (size_t n = most; n <= most + 1; n++) {
        SK_AUTO(sk_buf_done) struct sk_buf filter = SK_BUF_INIT(1 << 20);
        SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
        SK_OWN(sk_query_free) struct sk_query *q = NULL;
        struct sk_err err = SK_ERR_INIT;
        int rc;

        sk_buf_str(&filter, before);
        for (size_t i = 0; i < n; i++)
            sk_buf_str(&filter, unit);
        sk_buf_str(&filter, after);
        rc = parse(filter.data, NULL, &sql, &q, &err);
        if (n == most && rc < 0)
            fail_msg("%s: %zu: %s", what, n, err.text);
        if (n > most && (rc == 0 || err.code != code))
            fail_msg("%s: %zu: %d %s", what, n, rc, err.text);
    }
}

static void test_limits(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf by = SK_BUF_INIT(1 << 12);
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_query_free) struct sk_query *q = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    check_limit("bytes", "name = '", "x", "'", SK_QUERY_FILTER_MAX - 9, SK_LIMIT);
    check_limit("comparisons", "name = 'a'", " AND name = 'a'", "", SK_QUERY_TERMS_MAX - 1,
                SK_LIMIT);
    check_limit("values", "name IN ('a'", ", 'a'", ")", SK_QUERY_VALUES_MAX - 1, SK_LIMIT);
    check_limit("pattern", "name LIKE '", "x", "'", SK_QUERY_PATTERN_MAX, SK_LIMIT);
    check_limit("wildcards", "name LIKE 'x", "%x", "'", SK_QUERY_WILDCARDS_MAX, SK_LIMIT);
    check_limit("wildcards of ILIKE", "name ILIKE 'x", "%x", "'", SK_QUERY_WILDCARDS_MAX, SK_LIMIT);
    check_limit("digits", "at = ", "9", "", 18, SK_INVALID);
    for (int i = 0; i < SK_QUERY_ORDERS_MAX; i++)
        sk_buf_fmt(&by, "%stags.a%d", i ? "|" : "", i);
    assert_int_equal(parse("", by.data, &sql, &q, &err), 0);
    sk_query_free(SK_TAKE(q));
    sk_buf_str(&by, "|name");
    assert_int_equal(parse("", by.data, &sql, &q, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

static void test_asks(void **state)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_query_free) struct sk_query *q = NULL;
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(
        parse("name = 'c' AND tags.`a.b` = 'x' AND metrics.d > 1", NULL, &sql, &q, &err), 0);
    assert_true(sk_query_asks(q, "a.b"));
    assert_true(sk_query_asks(q, "d"));
    assert_false(sk_query_asks(q, "name"));
    assert_false(sk_query_asks(q, "c"));
}

static int sweep(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf sql = SK_BUF_INIT(1 << 20);
    SK_OWN(sk_query_free) struct sk_query *q = NULL;

    (void)ctx;
    if (parse("name = 'it''s' AND tags.a != 'b' AND name LIKE '%x%' AND at IN (1, 2)",
              "metrics.a|name", &sql, &q, err) < 0)
        return -1;
    return sk_buf_ok(&sql) ? 0 : sk_buf_fail(&sql, err);
}

static void test_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("query", sweep, NULL, 0) > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_accepted, set_up, tear_down),
        cmocka_unit_test(test_refused),
        cmocka_unit_test_setup_teardown(test_orders, set_up, tear_down),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_asks),
        cmocka_unit_test(test_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
