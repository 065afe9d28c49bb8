/* test_light.c - a grey plane comes out grey, a black one black, and a slope towards the lamp
 * brighter than one away from it. */
#include "synth_util.h"

enum {
    SIDE = 64
};

static double mean_of(const uint8_t *pixels, uint32_t x0, uint32_t x1)
{
    double sum = 0.0;

    for (uint32_t y = 0; y < SIDE; y++)
        for (uint32_t x = x0; x < x1; x++)
            sum += pixels[(y * SIDE + x) * 3 + 1];
    return sum / SIDE / (x1 - x0);
}

static void test_planes(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    uint8_t pixels[SIDE * SIDE * 3];

    (void)state;
    canvas_of(&c, SIDE);
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct sk_dice d = { seed };
        make_flat(&c);
        sk_light_up(&c, &d, pixels);
        double mean = mean_of(pixels, 0, SIDE);
        if (mean < 40.0 || mean > 170.0)
            fail_msg("seed %u: grey became %g", (unsigned)seed, mean);
        memset(c.texels, 0, sizeof *c.texels * SIDE * SIDE);
        sk_light_up(&c, &d, pixels);
        if (mean_of(pixels, 0, SIDE) > 5.0) /* noise */
            fail_msg("seed %u: black became %g", (unsigned)seed, mean_of(pixels, 0, SIDE));
    }
}

/* A ridge from top to bottom: the two sides differ, and which is brighter depends on the lamp. */
static void test_ridge(void **state)
{
    SK_AUTO(sk_canvas_done) struct sk_canvas c = { 0 };
    uint8_t pixels[SIDE * SIDE * 3];
    unsigned left = 0, right = 0;

    (void)state;
    canvas_of(&c, SIDE);
    make_flat(&c);
    for (uint32_t i = 0; i < SIDE * SIDE; i++) {
        uint32_t x = i % SIDE;
        c.texels[i].height = 2.0f * (float)(x < SIDE / 2 ? x : SIDE - x);
    }
    for (uint64_t seed = 0; seed < 40; seed++) {
        struct sk_dice d = { seed };
        sk_light_up(&c, &d, pixels);
        double difference = mean_of(pixels, 20, 30) - mean_of(pixels, 34, 44);
        left += difference > 8.0;
        right += difference < -8.0;
    }
    assert_in_range(left, 8, 32);
    assert_in_range(right, 8, 32);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_planes),
                                        cmocka_unit_test(test_ridge) };
    return cmocka_run_group_tests_name("light", tests, NULL, NULL);
}
