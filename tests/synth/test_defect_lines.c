/* test_defect_lines.c - scratches and cracks are there, are thin, and cross what is brushed. */
#include "synth_util.h"

static const struct sk_defect_kind *const kinds[] = { &sk_defect_scratch, &sk_defect_crack };

static void test_size(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };

    (void)state;
    canvas_of(&c, 256);
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (uint64_t seed = 0; seed < 100; seed++) {
            struct change by = change_by(kinds[k], &c, seed);
            if (by.colour < 0.002f || by.colour > 0.08f || by.height < 0.002f || by.height > 0.12f)
                fail_msg("%s, seed %u: %g of the colour, %g of the relief", kinds[k]->name,
                         (unsigned)seed, (double)by.colour, (double)by.height);
        }
    }
}

/* The points of a scratch, and how far they spread along and across the grain. */
static void test_across_the_grain(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };

    (void)state;
    canvas_of(&c, 256);
    for (uint64_t seed = 0; seed < 100; seed++) {
        c.is_brushed = true;
        c.grain_turns = 0.0f; /* lines from left to right */
        (void)change_by(&sk_defect_scratch, &c, seed);
        uint32_t top = 256, bottom = 0;
        for (uint32_t i = 0; i < 256 * 256; i++) {
            if (c.texels[i].rgb[0] == 0.4f)
                continue;
            top = i / 256 < top ? i / 256 : top;
            bottom = i / 256 > bottom ? i / 256 : bottom;
        }
        if (bottom < top + 15) /* 63 units at 0.07 turns rise by 27, less a bow */
            fail_msg("seed %u: rows %u to %u", (unsigned)seed, top, bottom);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_size),
                                        cmocka_unit_test(test_across_the_grain) };
    return cmocka_run_group_tests_name("defect_lines", tests, NULL, NULL);
}
