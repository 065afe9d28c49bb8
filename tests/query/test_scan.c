/* test_scan.c - keys and values of a filter. */
#include "query/query_priv.h"

#include "base/cleanup.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_keys(void **state)
{
    static const struct {
        const char *text, *prefix, *name; /* prefix NULL: an error, and name is in it */
        size_t rest;
    } rows[] = {
        { " name = 'x'", "", "name", 6 },
        { "tags.`site.name`", "tags", "site.name", 0 },
        { "metrics.a-b/c.d", "metrics", "a-b/c.d", 0 },
        { "a-b", "", "a", 2 },
        { "\"tags\".\"x\"\"y\"", "tags", "x\"y", 0 },
        { "= x", NULL, "expected a key", 0 },
        { "tags.", NULL, "expected a key", 0 },
        { "`a", NULL, "is never closed", 0 },
    };

    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_scan s = { .text = sk_view_of(rows[i].text), .what = "filter", .arena = &arena };
        struct sk_err err = SK_ERR_INIT;
        struct sk_query_key key;
        int rc = sk_query_read_key(&s, &key, &err);

        if (!rows[i].prefix
                ? rc == 0 || !strstr(err.text, rows[i].name)
                : rc < 0 || !sk_view_eq(key.prefix, rows[i].prefix) ||
                      !sk_view_eq(key.name, rows[i].name) || s.text.len - s.pos != rows[i].rest)
            fail_msg("%s: %d %s", rows[i].text, rc, err.text);
    }
}

static void test_values(void **state)
{
    static const struct {
        const char *text, *value; /* NULL: an error */
        bool is_quoted;
    } rows[] = {
        { " 'a''b' ", "a'b", true }, { "\"x\"", "x", true }, { "-1.5e+3)", "-1.5e+3", false },
        { "12", "12", false },       { "x", NULL, false },   { "", NULL, false },
    };

    SK_AUTO(sk_arena_done) struct sk_arena arena = SK_ARENA_INIT(1 << 16);
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_scan s = { .text = sk_view_of(rows[i].text), .what = "filter", .arena = &arena };
        struct sk_err err = SK_ERR_INIT;
        struct sk_view value;
        bool is_quoted = false;
        int rc = sk_query_read_value(&s, &value, &is_quoted, &err);

        if (!rows[i].value
                ? rc == 0 || !strstr(err.text, "expected a value")
                : rc < 0 || !sk_view_eq(value, rows[i].value) || is_quoted != rows[i].is_quoted)
            fail_msg("%s: %d %s", rows[i].text, rc, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
