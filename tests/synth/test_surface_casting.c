/* test_surface_casting.c - a casting is rough in every direction, moderate in all numbers, the same
 * at any size. */
#include "synth_util.h"

static void test_scene(void **state)
{
    (void)state;
    check_surface(&sk_surface_casting);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scene) };
    return cmocka_run_group_tests_name("surface_casting", tests, NULL, NULL);
}
