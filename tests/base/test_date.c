/* test_date.c - dates as numbers. */
#include "base/clock.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    { "1970-01-01", 0 },
    { "1970-01-01T00:00:00.001Z", 1 },
    { "1970-01-01 00:00", 0 },
    { "1969-12-31T23:59:59.999Z", -1 },
    { "0001-01-01T00:00:00Z", -62135596800000 },
    { "2000-02-29", 951782400000 },
    { "2000-03-01", 951868800000 },
    { "2026-11-29T05:00:00.000Z", 1795928400000 },
    { "2026-11-29T05:00:00.1Z", 1795928400100 },
    { "2026-11-29T05:00:00.0019999z", 1795928400001 },
    { "2026-11-29T06:30:00+01:30", 1795928400000 },
    { "2026-11-28T23:00:00-06:00", 1795928400000 },
    { "2026-11-29T05:00:00", 1795928400000 },
    { "9999-12-31T23:59:59.999Z", 253402300799999 },
};

static const char *const bad[] = {
    "",
    "2026",
    "2026-11",
    "2026-13-01",
    "2026-00-01",
    "2026-02-29",
    "1900-02-29",
    "2026-04-31",
    "2026-11-29T",
    "2026-11-29T5:00",
    "2026-11-29T24:00",
    "2026-11-29T05:60",
    "2026-11-29T05:00:60",
    "2026-11-29T05:00:00.",
    "2026-11-29x",
    "2026-11-29T05:00ZZ",
    "2026-11-29T05:00+1",
    "2026-11-29T05:00+01:60",
    "2026-11-29T05:00*01:00",
    " 2026-11-29",
    "26-11-29",
    "0000-01-01",
};

static void test_good(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        int64_t ms = 7;

        if (!sk_time_parse(sk_view_of(good[i].text), &ms) || ms != good[i].ms)
            fail_msg("%s: %lld", good[i].text, (long long)ms);
    }
}

static void test_bad(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        int64_t ms = 7;

        if (sk_time_parse(sk_view_of(bad[i]), &ms) || ms != 7)
            fail_msg("'%s': %lld", bad[i], (long long)ms);
    }
}

/* Every day of four centuries and what base writes of it. */
static void test_days(void **state)
{
    char text[SK_TIME_TEXT];
    int64_t ms;

    (void)state;
    for (int64_t day = 0; day < 146097 + 1; day++) {
        sk_time_text((uint64_t)(day * 86400000 + 12345678), text);
        if (!sk_time_parse(sk_view_of(text), &ms) || ms != day * 86400000 + 12345678)
            fail_msg("%s: %lld", text, (long long)ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_days),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
