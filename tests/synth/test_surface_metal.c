/* test_surface_metal.c - brushed metal has lines of one direction, moderate in all numbers, the
 * same at any size. */
#include "synth_util.h"

static void test_scene(void **state)
{
    (void)state;
    check_surface(&sk_surface_metal);
}

/* Scratches must be able to cross the lines. */
static void test_grain(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    struct sk_dice d = { 5 };

    (void)state;
    canvas_of(&c, 32);
    sk_surface_metal.paint(&c, &d);
    assert_true(c.is_brushed);
    assert_true(c.grain_turns >= 0.0f && c.grain_turns < 0.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scene),
                                        cmocka_unit_test(test_grain) };
    return cmocka_run_group_tests_name("surface_metal", tests, NULL, NULL);
}
