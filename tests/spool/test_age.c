/* test_age.c - what is expired, with clocks that are right, wrong, and stepped. */
#include "spool/spool_util.h"

#include "base/clock.h"

enum {
    HOUR = 3600 * 1000
};

static const int64_t t2026 = INT64_C(1767225600000), t1976 = INT64_C(189302400000),
                     t2036 = INT64_C(2082758400000), year = INT64_C(31536000000);

static void test_rules(void **state)
{
    const struct {
        const char *name;
        int64_t put_ms, ttl_ms, now_ms;
        uint32_t boot, boot_now; /* 0: unknown */
        uint64_t boot_ms, boot_ms_now;
        bool was_synced, is_synced, is_expired;
    } rows[] = {
        { "fresh", t2026, HOUR, t2026, 1, 1, 100, 100, true, true, false },
        { "just before", t2026, HOUR, t2026 + HOUR, 1, 1, 100, 99 + HOUR, true, true, false },
        { "just now", t2026, HOUR, t2026 + HOUR, 1, 1, 100, 100 + HOUR, true, true, true },
        { "put 50 years ago by a clock that was set since", t1976, HOUR, t2026, 1, 1, 100, 5000,
          false, true, false },
        { "the same, an hour later", t1976, HOUR, t2026, 1, 1, 100, 100 + HOUR, false, true, true },
        { "clock 10 years ahead now", t2026, HOUR, t2036, 1, 1, 100, 5000, true, true, false },
        { "clock an hour back, expired", t2026, HOUR, t2026 - HOUR, 1, 1, 100, 100 + HOUR, true,
          true, true },
        { "boot time runs backwards", t2026, HOUR, t2026 + 2 * HOUR, 1, 1, 5000, 100, true, true,
          false },
        { "other boot, both synchronised", t2026, HOUR, t2026 + HOUR, 1, 2, 5000, 100, true, true,
          true },
        { "other boot, both synchronised, in time", t2026, HOUR, t2026 + HOUR - 1, 1, 2, 5000, 100,
          true, true, false },
        { "other boot, not synchronised when put", t2026, HOUR, t2036, 1, 2, 5000, 100, false, true,
          false },
        { "other boot, not synchronised now", t2026, HOUR, t2036, 1, 2, 5000, 100, true, false,
          false },
        { "other boot, up for as long", t2026, HOUR, t1976, 1, 2, 5000, HOUR, false, false, true },
        { "other boot, put by a clock of 1976", t1976, HOUR, t2026, 1, 2, 5000, 100, true, true,
          false },
        { "other boot, now 2200", t2026, HOUR, t2026 + 174 * year, 1, 2, 5000, 100, true, true,
          false },
        { "boots unknown, dates decide", t2026, HOUR, t2026 + HOUR, 0, 0, 5000, 9 * HOUR, true,
          true, true },
        { "boots unknown, not synchronised", t2026, HOUR, t2026 + HOUR, 0, 0, 5000, 9 * HOUR, false,
          true, false },
        { "boot known now only", t2026, HOUR, t2026, 0, 2, 5000, 9 * HOUR, false, true, false },
        { "no time to live", t2026, 0, t2026, 1, 1, 100, 100, true, true, true },
        { "expired when it was put", t2026, -5, t2026, 1, 2, 100, 100, false, false, true },
        { "for ever", t2026, INT64_MAX - t2026, t2036, 1, 2, 100, 9 * HOUR, true, true, false },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct sk_spool_record r = { .has_expiry = true,
                                           .was_synced = rows[i].was_synced,
                                           .expires_ms = rows[i].put_ms + rows[i].ttl_ms,
                                           .boot = rows[i].boot,
                                           .boot_ms = rows[i].boot_ms };
        const struct sk_spool_now now = { rows[i].now_ms, rows[i].boot_ms_now, rows[i].boot_now,
                                          rows[i].is_synced };
        if (sk_spool_is_expired(&r, rows[i].put_ms, &now) != rows[i].is_expired)
            fail_msg("%s", rows[i].name);
    }
}

static void test_extremes(void **state)
{
    struct sk_spool_record r = { .has_expiry = true, .boot = 1, .expires_ms = INT64_MIN };
    const struct sk_spool_now now = { t2026, HOUR, 1, true };

    (void)state;
    assert_true(sk_spool_is_expired(&r, INT64_MAX, &now));
    r.expires_ms = INT64_MAX;
    assert_false(sk_spool_is_expired(&r, INT64_MIN, &now));
    r.has_expiry = false;
    assert_false(sk_spool_is_expired(&r, 0, &now));
}

/* When an unexpired one is to be looked at again. */
static void test_again(void **state)
{
    const struct sk_spool_now now = { t2026, 700, 1, true };
    struct sk_spool_record r = { .boot = 1, .boot_ms = 500, .expires_ms = t2026 + HOUR };

    (void)state;
    assert_true(sk_spool_look_again(&r, t2026, &now) == UINT64_MAX);
    r.has_expiry = true;
    assert_int_equal(sk_spool_look_again(&r, t2026, &now), 500 + HOUR);
    r.boot = 2;
    assert_int_equal(sk_spool_look_again(&r, t2026, &now), 60700);
}

/* The real ones. */
static void test_clocks(void **state)
{
    struct sk_spool_now a = sk_spool_now(5), b = sk_spool_now(6);

    (void)state;
    assert_int_equal(a.wall_ms, 5);
    assert_true(b.boot_ms >= a.boot_ms && a.boot_ms > 0);
    assert_int_equal(a.boot, b.boot);
    assert_in_range(a.boot, 0, 0xffffff);
    assert_int_equal(sk_spool_clocks.is_synced(), sk_spool_clocks.is_synced());
    assert_in_range(sk_wall_ms() - sk_spool_clocks.wall_ms() + 1000, 0, 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rules),
        cmocka_unit_test(test_extremes),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_clocks),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
