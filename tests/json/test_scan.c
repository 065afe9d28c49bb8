/* test_scan.c - the limits that are checked before the parser runs. */
#include "json/json_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

struct row {
    const char *name, *text;
    size_t max_values;
    unsigned max_depth;
    enum sk_code code;
};

static const struct row rows[] = {
    { "number at the limit", "1", 1, 1, SK_OK },
    { "numbers at the limit", "[1,2,3]", 7, 1, SK_OK },
    { "numbers beyond", "[1,2,3]", 6, 1, SK_LIMIT },
    { "keys count", "{\"a\":1}", 6, 1, SK_OK },
    { "keys beyond", "{\"a\":1}", 5, 1, SK_LIMIT },
    { "literals count", "[true,false,null]", 6, 1, SK_LIMIT },
    { "empty arrays count", "[[],[]]", 11, 2, SK_LIMIT },
    { "depth at the limit", "[[[]]]", 100, 3, SK_OK },
    { "depth beyond", "[[[[]]]]", 100, 3, SK_LIMIT },
    { "mixed depth beyond", "[{\"a\":[{}]}]", 100, 3, SK_LIMIT },
    { "siblings are not depth", "[[],[],[],[]]", 100, 2, SK_OK },
    { "brackets in texts", "\"[[[[[[\"", 1, 1, SK_OK },
    { "escaped quote", "\"\\\"[[[[\"", 1, 1, SK_OK },
    { "escaped backslash ends", "[\"\\\\\",[[]]]", 100, 2, SK_LIMIT },
    { "text without end", "\"abc", 1, 1, SK_OK },
    { "escape without end", "\"abc\\", 1, 1, SK_OK },
    { "closing more than was opened", "]]][", 100, 1, SK_OK },
    { "words touch", "1\"a\"2", 3, 1, SK_OK },
    { "words touch, beyond", "1\"a\"2", 2, 1, SK_LIMIT },
    { "spaces only", " \t\r\n", 1, 1, SK_OK },
    { "not UTF-8", "\"\xC3\x28\"", 10, 1, SK_INVALID },
    { "overlong", "\"\xC0\xAF\"", 10, 1, SK_INVALID },
    { "surrogate", "\"\xED\xA0\x80\"", 10, 1, SK_INVALID },
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_json_limits limits = { rows[i].max_values, rows[i].max_depth };
        int rc = sk_json_scan(rows[i].text, strlen(rows[i].text), &limits, &err);

        if (rc != (rows[i].code == SK_OK ? 0 : -1) || err.code != rows[i].code)
            fail_msg("%s: rc %d, code %d, '%s'", rows[i].name, rc, err.code, err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
