/* test_pattern.c - which paths fit which patterns, and what the ids are. */
#include "hub_util.h"

static const struct {
    const char *pattern, *path;
    bool fits;
    const char *parts[SK_HUB_PARTS];
} rows[] = {
    { "*", "d1", true, { "d1" } },
    { "*", "", false, { NULL } },
    { "*", "/", false, { NULL } },
    { "*", "d1/", false, { NULL } },
    { "*", "d1/x", false, { NULL } },
    { "*/modules", "d1/modules", true, { "d1" } },
    { "*/modules", "d1/MODULES", true, { "d1" } },
    { "*/modules", "d1/module", false, { NULL } },
    { "*/modules", "d1/modules2", false, { NULL } },
    { "*/modules", "d1/modules/", false, { NULL } },
    { "*/modules", "/modules", false, { NULL } },
    { "*/modules", "d1//modules", false, { NULL } },
    { "*/modules/*", "d1/modules/m%2F1", true, { "d1", "m%2F1" } },
    { "*/modules/*", "d1/modules", false, { NULL } },
    { "*/modules/*/inputs/*", "d/modules/m/inputs/*", true, { "d", "m", "*" } },
    { "*/modules/*/inputs/*", "*/modules/*/inputs/i", true, { "*", "*", "i" } },
    { "*/modules/*/inputs/*", "d/modules/m/inputs/i/j", false, { NULL } },
    { "*/*/*/*", "a/b/c/d", false, { NULL } }, /* more than there is room for */
    { "*/*/*", "a/b/c", true, { "a", "b", "c" } },
    { "", "", true, { NULL } },
    { "", "x", false, { NULL } },
};

static void each_pattern(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_view parts[SK_HUB_PARTS] = { SK_VIEW("old"), SK_VIEW("old"), SK_VIEW("old") };
        if (sk_hub_pattern_fits(rows[i].pattern, rows[i].path, parts) != rows[i].fits)
            fail_msg("'%s' of '%s'", rows[i].path, rows[i].pattern);
        for (size_t k = 0; rows[i].fits && k < SK_HUB_PARTS; k++) {
            const char *part = rows[i].parts[k] ? rows[i].parts[k] : "";
            if (!sk_view_eq(parts[k], part))
                fail_msg("'%s' of '%s': part %zu", rows[i].path, rows[i].pattern, k);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(each_pattern) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
