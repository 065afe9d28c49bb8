/* test_plan.c - sizes against the model's, and the tables. */
#include "prep_test.h"

static void test_model_size(void **state)
{
    static const struct {
        const char *name, *config;
        uint32_t height, width; /* the model's */
        const char *part;       /* NULL: accepted */
    } rows[] = {
        { "same", "{\"size\":224}", 224, 224, NULL },
        { "the model takes any", "{\"size\":224}", 0, 0, NULL },
        { "one side is open", "{\"size\":[224,100]}", 224, 0, NULL },
        { "other size", "{\"size\":224}", 256, 256,
          "gives 224 x 224, but the model takes 256 x 256" },
        { "other width", "{\"size\":224}", 0, 256, "gives 224 x 224, but the model takes 0 x 256" },
        { "the crop decides", "{\"size\":256,\"do_center_crop\":true,\"crop_size\":224}", 224, 224,
          NULL },
        { "open size", "{\"size\":{\"shortest_edge\":224}}", 224, 224,
          "size depends on the picture" },
        { "open size for any", "{\"size\":{\"shortest_edge\":224}}", 0, 0, NULL },
        { "the model's own", "{\"do_normalize\":false}", 31, 33, NULL },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_prep_input input = { SK_DT_F32, false, rows[i].height, rows[i].width };
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &input, &err);

        if (rows[i].part ? p || err.code != SK_INVALID || !strstr(err.text, rows[i].part) : !p)
            fail_msg("%s: '%s'", rows[i].name, err.text);
    }
}

static void test_half(void **state)
{
    const struct sk_prep_input input = { SK_DT_F16, false, 8, 8 };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free) struct sk_prep *p = plan_of("{\"do_normalize\":false}", &input, &err);
    SK_OWN(sk_prep_free) struct sk_prep *large = NULL;

    (void)state;
    assert_true(p && p->half[0][0] == 0);
    assert_true(p && p->half[0][255] == 0x3C00); /* 1.0 */
    large = plan_of("{\"do_normalize\":false,\"rescale_factor\":300}", &input, &err);
    assert_null(large);
    assert_non_null(strstr(err.text, "too large for FP16"));
}

static void test_bytes(void **state)
{
    const struct sk_prep_input input = { SK_DT_U8, true, 8, 8 };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free) struct sk_prep *p = plan_of("{}", &input, &err);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1000);

    (void)state;
    assert_non_null(p);
    sk_prep_describe(p, &text);
    assert_string_equal(
        text.data, "resize to 8 x 8 (height x width), bilinear\nlay out as UINT8, channels last\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_model_size),
                                        cmocka_unit_test(test_half), cmocka_unit_test(test_bytes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
