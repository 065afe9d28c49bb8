/* test_surface_fabric.c - cloth has yarns, moderate in all numbers, the same at any size. */
#include "synth_util.h"

static void test_scene(void **state)
{
    (void)state;
    check_surface(&sk_surface_fabric);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_scene) };
    return cmocka_run_group_tests_name("surface_fabric", tests, NULL, NULL);
}
