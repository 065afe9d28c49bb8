/* test_timm.c - timm's config.json. */
#include "prep_test.h"

static void test_sizes(void **state)
{
    static const struct {
        const char *name, *config;
        uint32_t width, height, resized_w, resized_h, x, y;
    } rows[] = {
        { "0.95", "{\"pretrained_cfg\":{\"input_size\":[3,224,224],\"crop_pct\":0.95}}", 640, 427,
          352, 235, 64, 6 },
        { "fields at the top", "{\"input_size\":[3,224,224],\"crop_pct\":0.95}", 427, 640, 235, 352,
          6, 64 },
        { "default crop_pct", "{\"input_size\":[3,224,224]}", 300, 300, 256, 256, 16, 16 },
        { "whole", "{\"input_size\":[3,64,64],\"crop_pct\":1.0}", 128, 64, 128, 64, 32, 0 },
        { "squash", "{\"input_size\":[3,60,84],\"crop_pct\":0.9,\"crop_mode\":\"squash\"}", 500,
          100, 93, 66, 4, 3 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);
        struct sk_frame f;

        if (!p || sk_prep_place(p, rows[i].width, rows[i].height, &f, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        if (f.resized_w != rows[i].resized_w || f.resized_h != rows[i].resized_h ||
            f.x != rows[i].x || f.y != rows[i].y)
            fail_msg("%s: %u x %u, window at %u,%u", rows[i].name, f.resized_w, f.resized_h, f.x,
                     f.y);
    }
}

static void test_fields(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free)
    struct sk_prep *p = plan_of(
        "{\"input_size\":[3,8,8],\"interpolation\":\"bilinear\",\"mean\":[1,2,3],\"std\":[4,5,6]}",
        &any_size, &err);

    (void)state;
    assert_true(p && p->resize.filter == SK_FILTER_BILINEAR);
    assert_true(p && p->normalise.mean[1] == 2 && p->normalise.std[2] == 6);
    assert_true(p && p->rescale.divides);
}

static const struct refusal refusals[] = {
    { "grey", "{\"input_size\":[1,8,8]}", SK_INVALID, "'input_size': expected [3, height, width]" },
    { "two numbers", "{\"input_size\":[3,8]}", SK_INVALID, "'input_size': expected" },
    { "zero", "{\"input_size\":[3,0,8]}", SK_INVALID, "input_size: 'height': 0" },
    { "border", "{\"input_size\":[3,8,8],\"crop_mode\":\"border\"}", SK_UNSUPPORTED,
      "'crop_mode': 'border'" },
    { "not square", "{\"input_size\":[3,8,9]}", SK_UNSUPPORTED, "8 x 9 is not square" },
    { "random filter", "{\"input_size\":[3,8,8],\"interpolation\":\"random\"}", SK_INVALID,
      "'random' is not a filter" },
    { "enormous", "{\"input_size\":[3,65500,65500],\"crop_pct\":0.5}", SK_INVALID,
      "'crop_pct': 0.5 gives a size" },
};

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sizes), cmocka_unit_test(test_fields),
                                        cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
