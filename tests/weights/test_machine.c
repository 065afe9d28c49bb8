/* test_machine.c - bytes, stack, marks and memo by themselves. */
#include "test_util.h"
#include "weights/machine_priv.h"

static struct sk_machine over(struct sk_pickle *p, const void *bytes, size_t len)
{
    const uint8_t *b = bytes;

    return (struct sk_machine){ .p = p, .base = b, .at = b, .end = b + len };
}

static void reading(void **state)
{
    static const uint8_t bytes[] = {
        1, 2, 3, 4, 5, 6, 7, 8, 9, 2, 'h', 'i', 'a', 'b', 'c', '\n', 7
    };
    struct sk_machine m = over(NULL, bytes, sizeof bytes);
    struct sk_err err = SK_ERR_INIT;
    struct sk_view v = { 0 };
    const uint8_t *p = NULL;
    uint64_t n = 0;

    (void)state;
    assert_int_equal(sk_machine_number(&m, 1, &n, &err), 0);
    assert_int_equal(n, 1);
    assert_int_equal(sk_machine_number(&m, 8, &n, &err), 0);
    assert_true(n == 0x0908070605040302);
    assert_int_equal(sk_machine_counted(&m, 1, &v, &err), 0);
    assert_true(sk_view_eq(v, "hi"));
    assert_int_equal(sk_machine_line(&m, &v, &err), 0);
    assert_true(sk_view_eq(v, "abc"));
    assert_int_equal(sk_machine_line(&m, &v, &err), -1);
    assert_int_equal(sk_machine_counted(&m, 1, &v, &err), -1);
    assert_string_equal(err.text, "pickle: cut off at byte 17");
    assert_int_equal(sk_machine_take(&m, 0, &p, &err), 0);
    assert_int_equal(sk_machine_take(&m, UINT64_MAX, &p, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

static void stack_and_marks(void **state)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_machine m = over(&p, "", 0);
    struct sk_err err = SK_ERR_INIT;
    uint32_t value = 0, first = 0;

    (void)state;
    assert_int_equal(sk_machine_top(&m, &value, &err), -1);
    for (uint32_t i = 0; i < 3; i++)
        assert_int_equal(sk_machine_push(&m, 10 + i, &err), 0);
    assert_int_equal(sk_machine_want(&m, 3, &err), 0);
    assert_int_equal(sk_machine_want(&m, 4, &err), -1);
    assert_int_equal(sk_machine_mark(&m, &err), 0);
    assert_int_equal(sk_machine_pop(&m, &value, &err), -1);
    assert_int_equal(sk_machine_push(&m, 13, &err), 0);
    assert_int_equal(sk_machine_want(&m, 2, &err), -1);
    assert_int_equal(sk_machine_pop_mark(&m, &first, &err), 0);
    assert_int_equal(first, 3);
    assert_int_equal(sk_machine_pop_mark(&m, &first, &err), -1);
    assert_int_equal(sk_machine_at(&m, 1), 11);
    assert_int_equal(sk_machine_top(&m, &value, &err), 0);
    assert_int_equal(value, 13);
    assert_int_equal(sk_machine_pop(&m, &value, &err), 0);
    assert_int_equal(sk_machine_pop(&m, &value, &err), 0);
    assert_int_equal(value, 12);
}

static void memo(void **state)
{
    SK_AUTO(sk_pickle_done) struct sk_pickle p = { 0 };
    struct sk_machine m = over(&p, "", 0);
    struct sk_err err = SK_ERR_INIT;
    uint32_t value = 0;

    (void)state;
    assert_int_equal(sk_machine_remember(&m, 0, &err), -1); /* nothing on the stack */
    assert_int_equal(sk_machine_push(&m, 0, &err), 0);
    assert_int_equal(sk_machine_remember(&m, 3, &err), 0);
    assert_int_equal(sk_machine_recall(&m, 2, &err), -1);
    assert_int_equal(sk_machine_recall(&m, 4, &err), -1);
    assert_int_equal(sk_machine_recall(&m, UINT64_MAX, &err), -1);
    assert_int_equal(err.code, SK_CORRUPT);
    assert_int_equal(sk_machine_recall(&m, 3, &err), 0);
    assert_int_equal(sk_machine_top(&m, &value, &err), 0);
    assert_int_equal(value, 0);
    assert_int_equal(sk_machine_remember(&m, SK_PICKLE_MAX_MEMO - 1, &err), 0);
    assert_int_equal(sk_machine_remember(&m, SK_PICKLE_MAX_MEMO, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reading),
        cmocka_unit_test(stack_and_marks),
        cmocka_unit_test(memo),
    };

    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
