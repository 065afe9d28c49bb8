/* test_noise.c - dice against published numbers, bounds and smoothness of the noise, the sine. */
#include "synth_util.h"

#include <math.h>

/* splitmix64 from state 0: the first numbers of Vigna's reference code. */
static void test_dice(void **state)
{
    static const uint64_t expected[] = { 0xE220A8397B1DCDAFu, 0x6E789E6AA1B965F4u,
                                         0x06C45D188009454Fu, 0xF88BB8A8724C81ECu };
    struct sk_dice d = { 0 };

    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++)
        assert_int_equal(sk_dice_next(&d), expected[i]);
}

static void test_ranges(void **state)
{
    struct sk_dice d = { 1 };
    unsigned seen[5] = { 0 }, heads = 0;

    (void)state;
    for (unsigned i = 0; i < 10000; i++) {
        float x = sk_dice_range(&d, -2.0f, 3.0f);
        assert_true(x >= -2.0f && x < 3.0f);
        seen[sk_dice_pick(&d, 5)]++;
        heads += sk_dice_chance(&d, 0.25f);
        struct sk_point p = sk_dice_point(&d, 1.0f, 2.0f);
        assert_true(p.x >= 1.0f && p.x < 2.0f && p.y >= 1.0f && p.y < 2.0f);
    }
    for (unsigned i = 0; i < 5; i++)
        assert_in_range(seen[i], 1800, 2200);
    assert_in_range(heads, 2300, 2700);
}

static void test_noise(void **state)
{
    float lowest = 1.0f, highest = -1.0f;

    (void)state;
    for (unsigned i = 0; i < 40000; i++) {
        float x = (float)i * 0.01f - 200.0f, y = (float)(i % 97) * 0.13f - 6.0f;
        float v = sk_noise(7, x, y), near = sk_noise(7, x + 0.001f, y);
        lowest = v < lowest ? v : lowest;
        highest = v > highest ? v : highest;
        if (fabsf(v - near) > 0.01f)
            fail_msg("jumps at %g %g", (double)x, (double)y);
    }
    assert_true(lowest >= -1.0f && lowest < -0.8f);
    assert_true(highest <= 1.0f && highest > 0.8f);
    assert_true(sk_noise(7, 0.5f, 0.5f) != sk_noise(8, 0.5f, 0.5f));
    assert_true(fabsf(sk_noise_sum(7, 3.3f, 1.2f, 4)) <= 1.2f);
}

static void test_sine(void **state)
{
    (void)state;
    for (int i = -4000; i <= 4000; i++) {
        float turns = (float)i / 1000.0f;
        double expected = sin((double)turns * 6.283185307179586);
        if (fabs((double)sk_sine(turns) - expected) > 0.0012)
            fail_msg("sine of %g turns", (double)turns);
    }
    assert_true(fabsf(sk_cosine(0.0f) - 1.0f) < 1e-6f);
}

static void test_shapes(void **state)
{
    static const struct {
        float x, floor, clamp, ramp;
    } rows[] = {
        { -1.5f, -2.0f, 0.0f, 0.0f }, { -1.0f, -1.0f, 0.0f, 0.0f }, { 0.0f, 0.0f, 0.0f, 0.0f },
        { 0.5f, 0.0f, 0.5f, 0.5f },   { 1.0f, 1.0f, 1.0f, 1.0f },   { 2.75f, 2.0f, 1.0f, 1.0f },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        assert_true(sk_floor(rows[i].x) == rows[i].floor);
        assert_true(sk_clamp(rows[i].x, 0.0f, 1.0f) == rows[i].clamp);
        assert_true(sk_ramp(0.0f, 1.0f, rows[i].x) == rows[i].ramp);
    }
    assert_true(sk_mix(2.0f, 4.0f, 0.25f) == 2.5f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dice), cmocka_unit_test(test_ranges), cmocka_unit_test(test_noise),
        cmocka_unit_test(test_sine), cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests_name("noise", tests, NULL, NULL);
}
