/* test_expr.c - expressions that are refused, and where. What is accepted is run in test_emit.c. */
#include "iotql_util.h"

static const struct {
    const char *text, *says;
} refused[] = {
    { "deviceId == 'x'", "expected a value" },
    { "deviceId = x", "no such field" },
    { "deviceId = 'x", "the ' is never closed, at 12" },
    { "deviceId = 'x' = true", "expected an operator or the end" },
    { "deviceId LIKE 'x'", "expected an operator or the end" },
    { "deviceId NOT IN ['x']", "expected an operator or the end" },
    { "deviceId IN ('x')", "expected a list: IN ['a', 'b'], at 13" },
    { "deviceId IN []", "expected a constant" },
    { "deviceId IN ['x' 'y']", "expected , or ] in the list" },
    { "deviceId IN ['x',]", "expected a constant" },
    { "deviceId IN [status]", "expected a constant" },
    { "deviceId IN [-'x']", "expected a constant" },
    { "(true", "expected an operator or )" },
    { "()", "expected a value" },
    { "true)", "expected an operator or the end" },
    { "NOT", "expected a value" },
    { "true AND", "expected a value" },
    { "AND true", "no such field" },
    { "IS_DEFINED tags.a", "expected ( behind the function" },
    { "IS_DEFINED(tags.a", "expected ) behind the arguments" },
    { "IS_DEFINED(tags.a, 1)", "expected ) behind the arguments" },
    { "STARTSWITH(tags.a)", "expected , and a second argument" },
    { "ABS(1) = 1", "no such field" },
    { "tags.a = 1 +", "expected a value" },
    { "tags.site-name = 'x'", "no such field" },
    { "tags.a = 1e999", "expected a number, at 10" },
};

static void test_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refused); i++) {
        SK_OWN(sk_iotql_free) struct sk_iotql *q = NULL;
        struct sk_err err = SK_ERR_INIT;

        if (sk_iotql_parse_condition(refused[i].text, &q, &err) == 0)
            fail_msg("%s: accepted", refused[i].text);
        if (err.code != SK_INVALID || !strstr(err.text, refused[i].says))
            fail_msg("%s: %s: %s", refused[i].text, sk_code_name(err.code), err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
