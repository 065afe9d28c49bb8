/* test_defect_areas.c - a dent changes the relief alone, a stain the colour alone; both are spots.
 */
#include "synth_util.h"

static const struct {
    const struct sk_defect_kind *kind;
    float height_min, height_max, colour_min, colour_max;
} rows[] = {
    { &sk_defect_dent, 0.01f, 0.25f, 0.0f, 0.0f },
    { &sk_defect_stain, 0.0f, 0.0f, 0.005f, 0.25f },
};

static void test_spots(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };

    (void)state;
    canvas_of(&c, 128);
    for (size_t i = 0; i < COUNT(rows); i++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct change by = change_by(rows[i].kind, &c, seed);
            if (by.height < rows[i].height_min || by.height > rows[i].height_max ||
                by.colour < rows[i].colour_min || by.colour > rows[i].colour_max)
                fail_msg("%s, seed %u: %g of the relief, %g of the colour", rows[i].kind->name,
                         (unsigned)seed, (double)by.height, (double)by.colour);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_spots) };
    return cmocka_run_group_tests_name("defect_areas", tests, NULL, NULL);
}
