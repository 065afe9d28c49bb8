/* test_step_rescale.c - bytes to numbers. */
#include "prep_test.h"

static void test_values(void **state)
{
    static const struct {
        const char *name, *config;
        float in, out;
    } rows[] = {
        { "default", "{}", 255, 1 },
        { "through double", "{}", 7, (float)(7 * (1.0 / 255.0)) },
        { "factor", "{\"rescale_factor\":0.5}", 7, 3.5F },
        { "integer factor", "{\"rescale_factor\":2}", 7, 14 },
        { "off", "{\"do_rescale\":false}", 7, 7 },
        { "offset", "{\"rescale_factor\":0.5,\"rescale_offset\":true}", 7, 2.5F },
        { "timm divides", "{\"input_size\":[3,8,8]}", 7, 7.0F / 255.0F },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        float got = value_after(&sk_step_rescale, rows[i].config, 1, rows[i].in);
        if (got != rows[i].out)
            fail_msg("%s: got %.9g", rows[i].name, (double)got);
    }
}

static const struct refusal refusals[] = {
    { "factor is text", "{\"rescale_factor\":\"x\"}", SK_INVALID,
      "'rescale_factor': expected a number" },
    { "factor is enormous", "{\"rescale_factor\":1e308}", SK_INVALID, "too large for FP32" },
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
