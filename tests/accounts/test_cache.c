/* test_cache.c - what is kept, for how long, and what is dropped. */
#include "fixture.h"

static struct sk_token_row row_of(unsigned i)
{
    struct sk_token_row row = { .token = { .role = SK_ROLE_READER } };
    (void)snprintf(row.token.id, sizeof row.token.id, "%016x", i * 2654435761u);
    return row;
}

static void fresh_and_stale(void **state)
{
    (void)state;
    struct sk_token_cache c = { 0 };
    struct sk_token_row row = row_of(1);
    assert_null(sk_cache_find(&c, row.token.id, 0));
    sk_cache_put(&c, &row, 100);
    assert_non_null(sk_cache_find(&c, row.token.id, 100));
    assert_non_null(sk_cache_find(&c, row.token.id, 100 + SK_CACHE_FRESH_MS - 1));
    assert_null(sk_cache_find(&c, row.token.id, 100 + SK_CACHE_FRESH_MS));
    row.token.revoked_ms = 5;
    sk_cache_put(&c, &row, 5000);
    assert_int_equal(sk_cache_find(&c, row.token.id, 5000)->row.token.revoked_ms, 5);
    assert_int_equal(c.count, 1);
    sk_cache_forget(&c, row.token.id);
    sk_cache_forget(&c, row.token.id);
    assert_null(sk_cache_find(&c, row.token.id, 5000));
    assert_int_equal(c.count, 0);
    sk_cache_done(&c);
}

/* Reading a token again must not lose a time of use that is not written down yet. */
static void use_survives_a_read(void **state)
{
    (void)state;
    struct sk_token_cache c = { 0 };
    struct sk_token_row row = row_of(1);
    sk_cache_put(&c, &row, 0);
    sk_cache_used(&c, row.token.id, 77);
    sk_cache_put(&c, &row, 3000);
    assert_int_equal(sk_cache_find(&c, row.token.id, 3000)->row.token.used_ms, 77);
    /* nor one that is being written, and so no longer dirty; a later one of the database counts */
    for (size_t b = 0; b < SK_CACHE_BUCKETS; b++)
        if (c.buckets[b])
            c.buckets[b]->is_dirty = false;
    sk_cache_put(&c, &row, 3000);
    assert_int_equal(sk_cache_last_use(&c, row.token.id), 77);
    row.token.used_ms = 78;
    sk_cache_put(&c, &row, 3000);
    assert_int_equal(sk_cache_last_use(&c, row.token.id), 78);
    assert_int_equal(sk_cache_last_use(&c, "0000000000000000"), 0);
    sk_cache_used(&c, "0000000000000000", 1); /* unknown: nothing happens */
    sk_cache_done(&c);
}

static void sweep_drops_the_idle(void **state)
{
    (void)state;
    struct sk_token_cache c = { 0 };
    for (unsigned i = 0; i < 100; i++) {
        struct sk_token_row row = row_of(i);
        sk_cache_put(&c, &row, i < 50 ? 0 : 1000);
    }
    struct sk_token_row used = row_of(3);
    sk_cache_used(&c, used.token.id, 1);
    assert_int_equal(c.count, 100);
    sk_cache_sweep(&c, SK_CACHE_KEEP_MS);
    assert_int_equal(c.count, 51); /* 50 asked for lately, one not written down */
    sk_cache_done(&c);
}

static void full_is_full(void **state)
{
    (void)state;
    struct sk_token_cache c = { 0 };
    for (unsigned i = 0; i <= SK_CACHE_MAX; i++) {
        struct sk_token_row row = row_of(i);
        sk_cache_put(&c, &row, 0);
    }
    assert_int_equal(c.count, SK_CACHE_MAX);
    struct sk_token_row last = row_of(SK_CACHE_MAX), first = row_of(0);
    assert_null(sk_cache_find(&c, last.token.id, 0));
    assert_non_null(sk_cache_find(&c, first.token.id, 0));
    sk_cache_done(&c);
    assert_int_equal(c.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fresh_and_stale),
        cmocka_unit_test(use_survives_a_read),
        cmocka_unit_test(sweep_drops_the_idle),
        cmocka_unit_test(full_is_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
