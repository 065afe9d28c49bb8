/* test_clock.c - dates as text, clocks that go forward. */
#include "base/clock.h"

#include "test_util.h"

static const struct {
    uint64_t wall_ms;
    const char *text;
} dates[] = {
    { 0, "1970-01-01T00:00:00.000Z" },
    { 951827696789u, "2000-02-29T12:34:56.789Z" },
    { 1795521600123u, "2026-11-24T12:00:00.123Z" },
    { 4102444800000u, "2100-01-01T00:00:00.000Z" },
    { 253402300799999u, "9999-12-31T23:59:59.999Z" },
    { 253402300800000u, "9999-12-31T23:59:59.999Z" }, /* later: the last that has four digits */
    { UINT64_MAX, "9999-12-31T23:59:59.999Z" },
};

static void test_dates(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(dates); i++) {
        char text[SK_TIME_TEXT];
        sk_time_text(dates[i].wall_ms, text);
        assert_string_equal(text, dates[i].text);
    }
}

static void test_forward(void **state)
{
    uint64_t a = sk_now_ns();
    uint64_t b = sk_now_ns();

    (void)state;
    assert_true(b >= a);
    assert_true(sk_now_ms() >= a / 1000000);
    assert_true(sk_wall_ms() > 1600000000000u);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_forward),
    };
    return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
