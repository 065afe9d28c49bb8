/* test_heap.c - values, containers and their limits. */
#include "harness/alloc_fail.h"
#include "test_util.h"
#include "weights/pickle_priv.h"

static uint32_t number(struct sk_pickle *p, int64_t n)
{
    struct sk_pickle_value v = { .kind = SK_PICKLE_INT };
    struct sk_err err = SK_ERR_INIT;
    uint32_t out = 0;

    v.integer = n;
    assert_int_equal(sk_pickle_new(p, &v, &out, &err), 0);
    return out;
}

static void grows_to_a_limit(void **state)
{
    struct sk_pickle_array a = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(sk_pickle_grow(&a, sizeof i, 100, "things", &err), 0);
        ((uint32_t *)a.ptr)[i] = i;
    }
    assert_int_equal(a.count, 100);
    assert_int_equal(((const uint32_t *)a.ptr)[70], 70);
    assert_int_equal(sk_pickle_grow(&a, sizeof(uint32_t), 100, "things", &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_string_equal(err.text, "pickle: more than 100 things");
    free(a.ptr);
}

static void lists(void **state)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    const struct sk_pickle_value *items[200];
    struct sk_err err = SK_ERR_INIT;
    uint32_t a = 0, b = 0;

    (void)state;
    assert_int_equal(sk_pickle_new_container(&p, SK_PICKLE_LIST, &a, &err), 0);
    assert_int_equal(sk_pickle_new_container(&p, SK_PICKLE_TUPLE, &b, &err), 0);
    assert_int_equal(sk_pickle_items(&p, sk_pickle_at(&p, a), 200, items), 0);
    for (int64_t i = 0; i < 100; i++) { /* two at a time: their items are mixed */
        assert_int_equal(sk_pickle_append(&p, a, number(&p, i), &err), 0);
        assert_int_equal(sk_pickle_append(&p, b, number(&p, -i), &err), 0);
    }
    assert_int_equal(sk_pickle_items(&p, sk_pickle_at(&p, a), 200, items), 100);
    assert_int_equal(items[99]->integer, 99);
    assert_int_equal(sk_pickle_items(&p, sk_pickle_at(&p, b), 7, items), 7);
    assert_int_equal(items[6]->integer, -6);
    assert_int_equal(sk_pickle_items(&p, items[0], 7, items), 0); /* a number has none */
}

static void dicts(void **state)
{
    static const char *const keys[] = { "a", "b", "a" };
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_err err = SK_ERR_INIT;
    uint32_t dict = 0, key = 0;

    (void)state;
    assert_int_equal(sk_pickle_new_container(&p, SK_PICKLE_DICT, &dict, &err), 0);
    assert_null(sk_pickle_get(&p, sk_pickle_at(&p, dict), "a"));
    assert_int_equal(sk_pickle_append(&p, dict, number(&p, 1), &err), 0);
    assert_int_equal(sk_pickle_append(&p, dict, number(&p, 2), &err), 0);
    for (int64_t i = 0; i < 3; i++) {
        struct sk_pickle_value v = { .kind = SK_PICKLE_TEXT, .count = 1 };
        v.ptr = keys[i];
        assert_int_equal(sk_pickle_new(&p, &v, &key, &err), 0);
        assert_int_equal(sk_pickle_append(&p, dict, key, &err), 0);
        assert_int_equal(sk_pickle_append(&p, dict, number(&p, i), &err), 0);
    }
    assert_int_equal(sk_pickle_get(&p, sk_pickle_at(&p, dict), "a")->integer, 2);
    assert_int_equal(sk_pickle_get(&p, sk_pickle_at(&p, dict), "b")->integer, 1);
    assert_null(sk_pickle_get(&p, sk_pickle_at(&p, dict), "c"));
    assert_null(sk_pickle_get(&p, sk_pickle_at(&p, key), "a"));
    assert_int_equal(sk_pickle_text(sk_pickle_at(&p, dict)).len, 0);
}

static int load(void *ctx, struct sk_err *err)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_view rest = B("\x80\2](}q\0(K\1K\2h\0Nue.");
    uint32_t value = 0;

    (void)ctx;
    return sk_pickle_load(&p, &rest, &value, err);
}

static void no_memory(void **state)
{
    (void)state;
    assert_true(sk_alloc_sweep("pickle", load, NULL, 0) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_to_a_limit),
        cmocka_unit_test(lists),
        cmocka_unit_test(dicts),
        cmocka_unit_test(no_memory),
    };

    return cmocka_run_group_tests_name("heap", tests, NULL, NULL);
}
