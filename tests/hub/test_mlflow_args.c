/* test_mlflow_args.c - arguments from JSON bodies; those of a query are in tests/it. */
#include "hub/mlflow_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static const struct {
    const char *body;
    bool ok;
} bodies[] = {
    { "", true },      { "{}", true },          { " {\"a\":1}\n", true }, { "[]", false },
    { "null", false }, { "1", false },          { "\"x\"", false },       { "{", false },
    { "{}x", false },  { "{\"a\":1,}", false }, { "{\"a\":NaN}", false }, { "{a:1}", false },
};

static void test_bodies(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(bodies); i++) {
        SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_mlflow_args_body(bodies[i].body, strlen(bodies[i].body), &a, &err);

        if ((rc == 0) != bodies[i].ok || (rc < 0 && !sk_starts_with(err.text, "the body")))
            fail_msg("'%s': %d %s", bodies[i].body, rc, err.text);
    }
}

/* v: the value of "x"; out: as text, NULL when it is absent, "!" when it is refused. */
static const struct {
    const char *v, *text, *whole, *truth;
} values[] = {
    { "null", NULL, NULL, NULL },
    { "\"abc\"", "abc", "!", "!" },
    { "\"\"", "", "!", "!" },
    { "3", "3", "3", "!" },
    { "-3", "-3", "-3", "!" },
    { "\"17\"", "17", "17", "!" },
    { "\"-17\"", "-17", "-17", "!" },
    { "\"17x\"", "17x", "!", "!" },
    { "\"-\"", "-", "!", "!" },
    { "9223372036854775807", "9223372036854775807", "9223372036854775807", "!" },
    { "\"9223372036854775807\"", "9223372036854775807", "!", "!" },
    { "5.0", "!", "5", "!" },
    { "5.5", "!", "!", "!" },
    { "1e300", "!", "!", "!" },
    { "true", "!", "!", "true" },
    { "false", "!", "!", "false" },
    { "\"TRUE\"", "TRUE", "!", "true" },
    { "\"False\"", "False", "!", "false" },
    { "\"yes\"", "yes", "!", "!" },
    { "[]", "!", "!", "!" },
    { "{}", "!", "!", "!" },
};

static void check(const char *v, const char *what, int rc, const char *got, const char *wanted,
                  const struct sk_err *err)
{
    if (rc < 0) {
        if (!wanted || strcmp(wanted, "!") != 0 || err->code != SK_INVALID ||
            !strstr(err->text, "'x'"))
            fail_msg("%s as %s: %s", v, what, err->text);
        return;
    }
    if (!got != !wanted || (got && strcmp(got, wanted) != 0))
        fail_msg("%s as %s: %s", v, what, got ? got : "(none)");
}

static void test_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(values); i++) {
        SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
        struct sk_err err = SK_ERR_INIT;
        const char *text = NULL;
        char body[100], number[32];
        int64_t whole = 123456;
        int truth = -1, rc;
        bool value = true, other = false;

        (void)snprintf(body, sizeof(body), "{\"x\":%s}", values[i].v);
        assert_int_equal(sk_mlflow_args_body(body, strlen(body), &a, &err), 0);
        rc = sk_mlflow_text(&a, "x", &text, &err);
        check(values[i].v, "text", rc, text, values[i].text, &err);
        rc = sk_mlflow_int(&a, "x", INT64_MIN, INT64_MAX, &whole, &err);
        (void)snprintf(number, sizeof(number), "%lld", (long long)whole);
        check(values[i].v, "whole", rc, whole == 123456 ? NULL : number, values[i].whole, &err);
        /* once from each side, so that "untouched" shows */
        rc = sk_mlflow_bool(&a, "x", &value, &err);
        if (rc == 0 && sk_mlflow_bool(&a, "x", &other, &err) == 0 && value == other)
            truth = value;
        check(values[i].v, "truth", rc,
              truth < 0 ? NULL
              : truth   ? "true"
                        : "false",
              values[i].truth, &err);
    }
}

static void test_ranges(void **state)
{
    static const char body[] = "{\"n\":5,\"name\":\"\"}";
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
    struct sk_err err = SK_ERR_INIT;
    const char *text = NULL;
    int64_t n = 0;

    (void)state;
    assert_int_equal(sk_mlflow_args_body(body, sizeof(body) - 1, &a, &err), 0);
    assert_int_equal(sk_mlflow_int(&a, "n", 5, 5, &n, &err), 0);
    assert_int_equal(n, 5);
    assert_int_equal(sk_mlflow_int(&a, "n", 6, 9, &n, &err), -1);
    assert_string_equal(err.text, "Invalid value for request parameter n. It must be at least 6, "
                                  "but got value 5");
    assert_int_equal(sk_mlflow_int(&a, "n", 1, 4, &n, &err), -1);
    assert_string_equal(err.text, "Invalid value for request parameter n. It must be at most 4, "
                                  "but got value 5");
    assert_int_equal(sk_mlflow_need(&a, "name", &text, &err), -1);
    assert_string_equal(err.text, "Missing value for required parameter 'name'.");
    assert_int_equal(sk_mlflow_need(&a, "none", &text, &err), -1);
}

static void test_lists(void **state)
{
    static const char body[] = "{\"t\":[\"a\",\"\",\"b\"],\"e\":[],\"w\":[1],\"o\":{},"
                               "\"p\":[{\"key\":\"k\",\"value\":\"v\"},{\"key\":\"l\"}],"
                               "\"q\":[{\"value\":\"v\"}],\"r\":[\"k\"],\"s\":[{\"key\":1}]}";
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_pair *pairs = NULL;
    const char *const *texts = NULL;
    size_t count = 9;

    (void)state;
    assert_int_equal(sk_mlflow_args_body(body, sizeof(body) - 1, &a, &err), 0);
    assert_int_equal(sk_mlflow_texts(&a, "t", &texts, &count, &err), 0);
    assert_int_equal(count, 3);
    assert_string_equal(texts[0], "a");
    assert_string_equal(texts[2], "b");
    assert_int_equal(sk_mlflow_texts(&a, "e", &texts, &count, &err), 0);
    assert_int_equal(count, 0);
    assert_int_equal(sk_mlflow_texts(&a, "none", &texts, &count, &err), 0);
    assert_null(texts);
    assert_int_equal(sk_mlflow_texts(&a, "w", &texts, &count, &err), -1);
    assert_int_equal(sk_mlflow_texts(&a, "o", &texts, &count, &err), -1);
    assert_int_equal(sk_mlflow_pairs(&a, "p", &pairs, &count, &err), 0);
    assert_int_equal(count, 2);
    assert_string_equal(pairs[0].value, "v");
    assert_string_equal(pairs[1].key, "l");
    assert_string_equal(pairs[1].value, ""); /* as protobuf has it */
    for (const char *name = "qrso"; *name; name++) {
        const char one[2] = { *name, 0 };

        assert_int_equal(sk_mlflow_pairs(&a, one, &pairs, &count, &err), -1);
        assert_int_equal(err.code, SK_INVALID);
    }
}

static void test_list_limit(void **state)
{
    (void)state;
    for (int more = 0; more < 2; more++) {
        SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
        SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(1 << 20);
        struct sk_err err = SK_ERR_INIT;
        const struct sk_pair *pairs = NULL;
        const char *const *texts = NULL;
        size_t count = 0;
        int rc;

        sk_buf_str(&body, "{\"t\":[\"a\"");
        for (int i = 1; i < SK_MLFLOW_LIST_MAX + more; i++)
            sk_buf_str(&body, ",\"a\"");
        sk_buf_str(&body, "],\"p\":[{\"key\":\"k\"}");
        for (int i = 1; i < SK_MLFLOW_LIST_MAX + more; i++)
            sk_buf_str(&body, ",{\"key\":\"k\"}");
        sk_buf_str(&body, "]}");
        assert_int_equal(sk_mlflow_args_body(body.data, body.len, &a, &err), 0);
        rc = sk_mlflow_texts(&a, "t", &texts, &count, &err);
        assert_int_equal(rc, more ? -1 : 0);
        rc = sk_mlflow_pairs(&a, "p", &pairs, &count, &err);
        assert_int_equal(rc, more ? -1 : 0);
        assert_int_equal(err.code, more ? SK_LIMIT : SK_OK);
    }
}

static void test_search(void **state)
{
    static const char body[] = "{\"filter\":\"name = 'x'\",\"order_by\":[\"a\",\"b DESC\"],"
                               "\"max_results\":\"7\",\"page_token\":\"t\"}";
    static const char old[] = "{\"filter_string\":\"y\",\"max_results\":11}";
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args a = SK_MLFLOW_ARGS_INIT;
    SK_AUTO(sk_mlflow_args_done) struct sk_mlflow_args b = SK_MLFLOW_ARGS_INIT;
    struct sk_err err = SK_ERR_INIT;
    struct sk_search q;

    (void)state;
    assert_int_equal(sk_mlflow_args_body(body, sizeof(body) - 1, &a, &err), 0);
    assert_int_equal(sk_mlflow_search(&a, 100, 1000, &q, &err), 0);
    assert_string_equal(q.filter, "name = 'x'");
    assert_int_equal(q.max, 7);
    assert_int_equal(q.order_count, 2);
    assert_true(sk_view_eq(q.orders[1], "b DESC"));
    assert_string_equal(q.page_token, "t");
    assert_int_equal(sk_mlflow_args_body(old, sizeof(old) - 1, &b, &err), 0);
    assert_int_equal(sk_mlflow_search(&b, 100, 11, &q, &err), 0);
    assert_string_equal(q.filter, "y");
    assert_null(q.page_token);
    assert_int_equal(sk_mlflow_search(&b, 100, 10, &q, &err), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),     cmocka_unit_test(test_values),
        cmocka_unit_test(test_ranges),     cmocka_unit_test(test_lists),
        cmocka_unit_test(test_list_limit), cmocka_unit_test(test_search),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
