/* test_index.c - the index in memory, against a plain search. */
#include "journal/journal_util.h"

#include "base/mix64.h"

enum {
    RECORDS = 9000
};

static void key_of(uint32_t i, char *out)
{
    uint64_t r = sk_mix64(i);

    (void)snprintf(out, 32, r % 5 == 0 ? "gw/%u" : "dev/%u", (unsigned)(r >> 20) % 37);
    if (r % 701 == 0)
        out[0] = 0;
}

/* rel is i * 2: every second record is missing. */
static struct sk_index *make(void)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_index *x = sk_index_new(&err);
    char key[32];

    assert_non_null(x);
    for (uint32_t i = 0; i < RECORDS; i++) {
        key_of(i, key);
        DONE(sk_index_reserve(x, 1, strlen(key), &err));
        sk_index_add(x, sk_view_of(key), 1000 + (i ^ 5), i * 10, i * 2);
    }
    return x;
}

static bool is_wanted(const struct sk_want *w, uint32_t i)
{
    char key[32];

    key_of(i, key);
    if (i * 2 < w->from || i * 2 > w->until)
        return false;
    if (w->key.len == 0)
        return true;
    return w->is_prefix ? strncmp(key, w->key.ptr, w->key.len) == 0 : sk_view_eq(w->key, key);
}

static const struct sk_want wants[] = {
    { .until = UINT32_MAX - 1 },
    { .until = UINT32_MAX - 1, .is_backwards = true },
    { .from = 17000, .until = 17999 },
    { .from = 17000, .until = 100 },
    { .from = 90000, .until = 90001 },
    { .key = { "dev/3", 5 }, .until = UINT32_MAX - 1 },
    { .key = { "dev/3", 5 }, .from = 101, .until = 9000 },
    { .key = { "dev/3", 5 }, .is_prefix = true, .until = UINT32_MAX - 1 },
    { .key = { "dev/", 4 }, .is_prefix = true, .from = 5, .until = 7777 },
    { .key = { "x", 1 }, .is_prefix = true, .until = UINT32_MAX - 1 },
    { .key = { "dev/99", 6 }, .until = UINT32_MAX - 1 },
    { .key = { "a", 1 }, .until = UINT32_MAX - 1 },
};

static void test_list(void **state)
{
    SK_OWN(sk_index_free) struct sk_index *x = make();
    struct sk_places p = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_int_equal(x->min_ms, 1000);
    assert_int_equal(x->max_ms, 1000 + ((RECORDS - 1) | 5));
    for (size_t w = 0; w < COUNT(wants); w++) {
        size_t total = 0, at = 0;
        DONE(sk_index_list(x, &wants[w], &p, &err));
        for (uint32_t i = 0; i < RECORDS; i++)
            total += is_wanted(&wants[w], i);
        if (p.is_cut != (total > p.count) || (p.is_cut && p.count != SK_PLACES_MAX))
            fail_msg("want %zu: %zu of %zu", w, p.count, total);
        size_t skip = p.is_cut && wants[w].is_backwards ? total - p.count : 0;
        for (uint32_t i = 0; i < RECORDS && at < p.count; i++) {
            if (!is_wanted(&wants[w], i))
                continue;
            if (skip > 0) {
                skip--;
                continue;
            }
            if (p.at[at].rel != i * 2 || p.at[at].offset != i * 10)
                fail_msg("want %zu: place %zu", w, at);
            at++;
        }
        assert_int_equal(at, p.count);
    }
    free(p.at);
}

static void test_empty(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_index_free) struct sk_index *x = sk_index_new(&err);
    struct sk_places p = { 0 };

    (void)state;
    for (size_t w = 0; w < COUNT(wants); w++) {
        DONE(sk_index_list(x, &wants[w], &p, &err));
        assert_int_equal(p.count, 0);
    }
    free(p.at);
    sk_index_free(NULL);
}

/* After a reservation, adding asks for no memory. */
static void test_reserve(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_index_free) struct sk_index *x = sk_index_new(&err);
    char key[32];
    int did_fail;

    (void)state;
    DONE(sk_index_reserve(x, 1000, 20000, &err));
    sk_alloc_fail_at(1);
    for (uint32_t i = 0; i < 1000; i++) {
        (void)snprintf(key, sizeof key, "%020u", i);
        sk_index_add(x, sk_view_of(key), 1, i, i);
    }
    assert_int_equal(sk_alloc_fail_end(&did_fail), 0);
    assert_int_equal(x->key_count, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_reserve),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
