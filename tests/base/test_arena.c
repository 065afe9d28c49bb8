/* test_arena.c - alignment, the ceiling, a steady load that allocates nothing. */
#include "base/arena.h"

#include "base/cleanup.h"
#include "harness/alloc_fail.h"
#include "test_util.h"

static void test_alloc(void **state)
{
    SK_AUTO(sk_arena_done) struct sk_arena a = SK_ARENA_INIT(1 << 20);
    unsigned char *last = NULL;

    (void)state;
    for (size_t size = 0; size < 300; size++) {
        unsigned char *p = sk_arena_alloc(&a, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        assert_ptr_not_equal(p, last);
        memset(p, 0xaa, size);
        last = p;
    }
    char *text = sk_arena_strndup(&a, "abcdef", 3);
    assert_string_equal(text, "abc");
    assert_string_equal(sk_arena_strndup(&a, NULL, 0), "");
}

static void test_ceiling(void **state)
{
    SK_AUTO(sk_arena_done) struct sk_arena a = SK_ARENA_INIT(1024);

    (void)state;
    assert_non_null(sk_arena_alloc(&a, 1024));
    assert_null(sk_arena_alloc(&a, 1));
    sk_arena_clear(&a);
    assert_null(sk_arena_alloc(&a, 1025));
    assert_null(sk_arena_alloc(&a, SIZE_MAX));
    assert_null(sk_arena_alloc(&a, SIZE_MAX - 70));
    assert_null(sk_arena_strndup(&a, "", SIZE_MAX));
    for (int i = 0; i < 16; i++)
        assert_non_null(sk_arena_alloc(&a, 64));
    assert_null(sk_arena_alloc(&a, 0));
}

static bool use(struct sk_arena *a)
{
    for (size_t i = 0; i < 50; i++)
        if (!sk_arena_alloc(a, i * 97))
            return false;
    return sk_arena_alloc(a, 100000) != NULL;
}

static void test_steady(void **state)
{
    SK_AUTO(sk_arena_done) struct sk_arena a = SK_ARENA_INIT(1 << 20);
    int failed = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        assert_true(use(&a));
        sk_arena_clear(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    sk_alloc_fail_at(0);
    assert_true(use(&a));
    assert_int_equal(sk_alloc_fail_end(&failed), 0);
}

static int use_fresh(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_arena_done) struct sk_arena a = SK_ARENA_INIT(1 << 20);

    (void)ctx;
    return use(&a) ? 0 : sk_nomem(err);
}

static void test_no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("arena", use_fresh, NULL, 0) > 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_ceiling),
        cmocka_unit_test(test_steady),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
