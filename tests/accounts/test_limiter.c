/* test_limiter.c - the burst at its limit and past it, how it is paid off, whose addresses are one,
 * and a table that is full. */
#include "fixture.h"

enum {
    NOW = 1000000
};

static void burst_then_wait(void **state)
{
    (void)state;
    struct sk_limiter *l = test_calloc(1, sizeof *l);
    const char *peer = "192.0.2.1:5000";
    for (unsigned i = 0; i < SK_AUTH_BURST; i++) {
        assert_int_equal(sk_limiter_wait(l, peer, NOW), 0);
        if (sk_limiter_fail(l, peer, NOW) != 0)
            fail_msg("failure %u had to wait", i + 1);
    }
    unsigned wait = sk_limiter_fail(l, peer, NOW);
    assert_int_equal(wait, SK_AUTH_REFILL_MS / 1000);
    assert_int_equal(sk_limiter_wait(l, peer, NOW), wait);
    /* refused ones are not counted: the time to wait does not grow */
    for (int i = 0; i < 100; i++)
        assert_int_equal(sk_limiter_fail(l, peer, NOW), wait);
    /* another port is the same peer, another address is not */
    assert_int_equal(sk_limiter_wait(l, "192.0.2.1:6000", NOW), wait);
    assert_int_equal(sk_limiter_wait(l, "192.0.2.2:5000", NOW), 0);
    test_free(l);
}

static void time_pays(void **state)
{
    (void)state;
    struct sk_limiter *l = test_calloc(1, sizeof *l);
    const char *peer = "192.0.2.1:5000";
    for (unsigned i = 0; i < SK_AUTH_BURST; i++)
        assert_int_equal(sk_limiter_fail(l, peer, NOW), 0);
    assert_int_not_equal(sk_limiter_wait(l, peer, NOW + SK_AUTH_REFILL_MS - 1), 0);
    assert_int_equal(sk_limiter_wait(l, peer, NOW + SK_AUTH_REFILL_MS), 0);
    assert_int_equal(sk_limiter_fail(l, peer, NOW + SK_AUTH_REFILL_MS), 0);
    assert_int_not_equal(sk_limiter_fail(l, peer, NOW + SK_AUTH_REFILL_MS), 0);
    /* after a long time there is a whole burst again, not more */
    uint64_t later = NOW + 1000ull * SK_AUTH_REFILL_MS;
    for (unsigned i = 0; i < SK_AUTH_BURST; i++)
        assert_int_equal(sk_limiter_fail(l, peer, later), 0);
    assert_int_not_equal(sk_limiter_fail(l, peer, later), 0);
    test_free(l);
}

static void same_peers(void **state)
{
    (void)state;

    static const struct {
        const char *a, *b;
        bool is_same;
    } rows[] = {
        { "192.0.2.1:1", "192.0.2.1:2", true },
        { "192.0.2.1:1", "192.0.2.3:1", false },
        { "[2001:db8::1]:1", "[2001:db8::ffff]:1", true }, /* one /64 */
        { "[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false },
        { "[::ffff:192.0.2.1]:1", "192.0.2.1:9", true },
        { "[::ffff:192.0.2.1]:1", "[::ffff:192.0.2.2]:1", false },
        { "", "@", true }, /* no address at all: one peer */
    };

    for (size_t i = 0; i < COUNT(rows); i++) {
        unsigned char a[16], b[16];
        sk_limiter_key(rows[i].a, a);
        sk_limiter_key(rows[i].b, b);
        if ((memcmp(a, b, 16) == 0) != rows[i].is_same)
            fail_msg("%s and %s", rows[i].a, rows[i].b);
    }
}

/* A hundred times more peers than places: nobody fails to be counted, and who fails on and on is
 * remembered as long as it is the one that owes most. */
static void many_peers(void **state)
{
    (void)state;
    struct sk_limiter *l = test_calloc(1, sizeof *l);
    char peer[64];
    l->seed = 7;
    for (unsigned i = 0; i < SK_AUTH_BURST; i++)
        assert_int_equal(sk_limiter_fail(l, "198.51.100.1:1", NOW), 0);
    for (unsigned i = 0; i < 100 * SK_AUTH_PEERS; i++) {
        (void)snprintf(peer, sizeof peer, "10.%u.%u.%u:1", i >> 16, i >> 8 & 255, i & 255);
        assert_int_equal(sk_limiter_fail(l, peer, NOW), 0);
    }
    assert_int_not_equal(sk_limiter_wait(l, "198.51.100.1:1", NOW), 0);
    test_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(burst_then_wait),
        cmocka_unit_test(time_pays),
        cmocka_unit_test(same_peers),
        cmocka_unit_test(many_peers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
