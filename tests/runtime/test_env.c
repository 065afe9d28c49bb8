/* test_env.c - an environment in which later entries win. */
#include "runtime/runtime_util.h"

#include "harness/alloc_fail.h"

#include <stdio.h>
#include <stdlib.h>

static void test_put(void **state)
{
    SK_AUTO(sk_rt_env_done) struct sk_rt_env e = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    assert_null(sk_rt_env_get(&e, "A"));
    DONE(sk_rt_env_put(&e, "A=1", &err));
    DONE(sk_rt_env_put(&e, "AB=2", &err));
    DONE(sk_rt_env_put(&e, "A=3=4", &err));
    DONE(sk_rt_env_set(&e, "C", "", &err));
    assert_int_equal(e.count, 3);
    assert_null(e.items[3]);
    assert_string_equal(sk_rt_env_get(&e, "A"), "3=4");
    assert_string_equal(sk_rt_env_get(&e, "AB"), "2");
    assert_string_equal(sk_rt_env_get(&e, "C"), "");
    FAILS(sk_rt_env_put(&e, "A", &err), SK_INVALID, "NAME=value");
    FAILS(sk_rt_env_put(&e, "=A", &err), SK_INVALID, "NAME=value");
    FAILS(sk_rt_env_put(&e, "", &err), SK_INVALID, "NAME=value");
}

static void test_limits(void **state)
{
    SK_AUTO(sk_rt_env_done) struct sk_rt_env e = { .count = 0 };
    struct sk_err err = SK_ERR_INIT;
    char entry[32];
    SK_OWN(free) char *large = malloc((128 << 10) + 1);

    (void)state;
    assert_non_null(large);
    memset(large, 'x', 128 << 10);
    memcpy(large, "A=", 2);
    large[128 << 10] = '\0';
    FAILS(sk_rt_env_put(&e, large, &err), SK_LIMIT, "longer");
    large[(128 << 10) - 1] = '\0';
    DONE(sk_rt_env_put(&e, large, &err));
    for (int i = 1; i < SK_RT_ENV_MAX; i++) {
        (void)snprintf(entry, sizeof entry, "N%d=x", i);
        DONE(sk_rt_env_put(&e, entry, &err));
    }
    FAILS(sk_rt_env_put(&e, "B=1", &err), SK_LIMIT, "more than");
    DONE(sk_rt_env_put(&e, "A=1", &err)); /* one that is there has room */
}

static int fill(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_rt_env_done) struct sk_rt_env e = { .count = 0 };

    (void)ctx;
    return sk_rt_env_put(&e, "A=1", err) < 0 || sk_rt_env_set(&e, "B", "2", err) < 0 ||
                   sk_rt_env_put(&e, "A=2", err) < 0
               ? -1
               : 0;
}

static void test_allocations(void **state)
{
    (void)state;
    (void)sk_alloc_sweep("env", fill, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_allocations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
