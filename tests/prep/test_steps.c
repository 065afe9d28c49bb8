/* test_steps.c - the order of the steps, and that each is whole. */
#include "prep_test.h"

static void test_order(void **state)
{
    static const char *const names[] = {
        "refuse", "resize", "crop", "rescale", "normalise", "flip"
    };
    size_t n = 0;

    (void)state;
    for (; sk_steps[n]; n++) {
        assert_true(n < COUNT(names));
        assert_string_equal(sk_steps[n]->name, names[n]);
        assert_non_null(sk_steps[n]->read);
        assert_int_equal(sk_steps[n]->describe == NULL, sk_steps[n]->json == NULL);
    }
    assert_int_equal(n, COUNT(names));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_order) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
