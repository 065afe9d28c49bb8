/* test_step_refuse.c - what would change the tensor and is not implemented is refused by name. */
#include "prep_test.h"

static const struct refusal refusals[] = {
    { "pad", "{\"do_pad\":true}", SK_UNSUPPORTED, "'do_pad' is not supported" },
    { "pad size", "{\"pad_size\":{\"height\":3,\"width\":3}}", SK_UNSUPPORTED, "'pad_size'" },
    { "divisor", "{\"size_divisor\":32}", SK_UNSUPPORTED, "'size_divisor'" },
    { "shape", "{\"keep_aspect_ratio\":true}", SK_UNSUPPORTED, "'keep_aspect_ratio'" },
    { "multiple", "{\"ensure_multiple_of\":14}", SK_UNSUPPORTED, "'ensure_multiple_of'" },
    { "text where a boolean belongs", "{\"do_pad\":\"no\"}", SK_UNSUPPORTED, "'do_pad'" },
    { "clusters", "{\"do_color_quantize\":true}", SK_UNSUPPORTED, "'do_color_quantize'" },
};

static void test_refused(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

static void test_harmless(void **state)
{
    static const char *const rows[] = {
        "{\"do_pad\":false}",
        "{\"do_pad\":null}",
        "{\"size_divisor\":0}",
        "{\"ensure_multiple_of\":1}",
        "{\"keep_aspect_ratio\":false}",
        "{\"do_convert_rgb\":true}",
        "{\"do_convert_rgb\":null}",
        "{\"return_tensors\":\"pt\",\"anything\":[1,2]}",
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i], &any_size, &err);

        if (!p)
            fail_msg("%s: %s", rows[i], err.text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_harmless) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
