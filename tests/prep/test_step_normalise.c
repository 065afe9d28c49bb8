/* test_step_normalise.c - mean and deviation, in float32. */
#include "prep_test.h"

static void test_values(void **state)
{
    const float v = 0.3F;

    const struct {
        const char *name, *config;
        unsigned channel;
        float out;
    } rows[] = {
        { "ImageNet without a class", "{}", 0, (v - 0.485F) / 0.229F },
        { "each channel its own", "{}", 2, (v - 0.406F) / 0.225F },
        { "ViT", "{\"image_processor_type\":\"ViTImageProcessor\"}", 1, (v - 0.5F) / 0.5F },
        { "given", "{\"image_mean\":[1,2,3],\"image_std\":[4,5,6]}", 1, (v - 2.0F) / 5.0F },
        { "scalars", "{\"image_mean\":0.1,\"image_std\":0.7}", 2, (v - 0.1F) / 0.7F },
        { "off", "{\"do_normalize\":false}", 0, v },
        { "twice", "{\"image_mean\":0,\"image_std\":0.7,\"include_top\":true}", 0,
          v / 0.7F / 0.7F },
        { "timm", "{\"input_size\":[3,8,8],\"mean\":[0,0,0],\"std\":[0.25,0.5,1]}", 1, v / 0.5F },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        float got = value_after(&sk_step_normalise, rows[i].config, rows[i].channel, v);
        if (got != rows[i].out)
            fail_msg("%s: got %.9g, expected %.9g", rows[i].name, (double)got, (double)rows[i].out);
    }
}

static const struct refusal refusals[] = {
    { "zero", "{\"image_std\":[1,0,1]}", SK_INVALID, "'image_std': 0 divides by zero" },
    { "zero in float32", "{\"image_std\":[1,1,1e-60]}", SK_INVALID,
      "'image_std': 0 divides by zero" },
    { "zero in timm", "{\"input_size\":[3,8,8],\"std\":[0,1,1]}", SK_INVALID,
      "'std': 0 divides by zero" },
    { "two means", "{\"image_mean\":[1,2]}", SK_INVALID,
      "'image_mean': expected 3 numbers, got 2" },
    { "overflow", "{\"image_std\":1e-40}", SK_INVALID, "too large for FP32" },
};

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_values),
                                        cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
