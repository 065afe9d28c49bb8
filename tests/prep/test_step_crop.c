/* test_step_crop.c - where the window lies, for all four roundings. */
#include "prep_test.h"

#define HF(h, w)                                                                                   \
    "{\"do_resize\":false,\"do_center_crop\":true,\"crop_size\":{\"height\":" #h ",\"width\":" #w  \
    "}}"

static const struct {
    const char *name, *config;
    uint32_t width, height;
    struct sk_frame want; /* resized_w, resized_h, x, y, w, h, left, top, out_w, out_h */
} rows[] = {
    { "even", HF(4, 6), 10, 10, { 10, 10, 2, 3, 6, 4, 0, 0, 6, 4 } },
    { "odd rests round down", HF(7, 5), 10, 10, { 10, 10, 2, 1, 5, 7, 0, 0, 5, 7 } },
    { "same size", HF(10, 10), 10, 10, { 10, 10, 0, 0, 10, 10, 0, 0, 10, 10 } },
    { "larger: odd rests round up", HF(13, 15), 10, 10, { 10, 10, 0, 0, 10, 10, 3, 2, 15, 13 } },
    { "one axis larger, one smaller", HF(13, 4), 10, 10, { 10, 10, 3, 0, 4, 10, 0, 2, 4, 13 } },
    { "one pixel", HF(2, 2), 1, 1, { 1, 1, 0, 0, 1, 1, 1, 1, 2, 2 } },
};

static void test_windows(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);
        struct sk_frame f;

        if (!p || sk_prep_place(p, rows[i].width, rows[i].height, &f, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        if (memcmp(&f, &rows[i].want, sizeof(f)) != 0)
            fail_msg("%s: window %u,%u %u x %u at %u,%u of %u x %u", rows[i].name, f.x, f.y, f.w,
                     f.h, f.left, f.top, f.out_w, f.out_h);
    }
}

/* torchvision: int(round(rest / 2.0)), halves to even; padding rounds down. */
static void test_even_rule(void **state)
{
    static const struct {
        uint32_t size, crop, start, offset;
    } cases[] = {
        { 10, 9, 0, 0 },  /* 0.5 -> 0 */
        { 10, 7, 2, 0 },  /* 1.5 -> 2 */
        { 10, 5, 2, 0 },  /* 2.5 -> 2 */
        { 10, 3, 4, 0 },  /* 3.5 -> 4 */
        { 10, 4, 3, 0 },  /* 3 */
        { 10, 13, 0, 1 }, /* 1.5 -> 1 */
    };

    (void)state;
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_prep p = { .crop = { SK_CROP_CENTRE_EVEN, cases[i].crop, cases[i].crop } };
        struct sk_frame f;

        assert_int_equal(sk_prep_place(&p, cases[i].size, cases[i].size, &f, &err), 0);
        assert_int_equal(f.x, cases[i].start);
        assert_int_equal(f.y, cases[i].start);
        assert_int_equal(f.left, cases[i].offset);
        assert_int_equal(f.top, cases[i].offset);
    }
}

static const struct refusal refusals[] = {
    { "no size", "{\"do_center_crop\":true}", SK_INVALID, "'do_center_crop' without 'crop_size'" },
    { "text", "{\"do_center_crop\":true,\"crop_size\":\"x\"}", SK_INVALID,
      "'crop_size': expected an object" },
    { "shortest edge", "{\"do_center_crop\":true,\"crop_size\":{\"shortest_edge\":5}}", SK_INVALID,
      "'crop_size': expected height and width" },
    { "do_center_crop is a number", "{\"do_center_crop\":1}", SK_INVALID,
      "'do_center_crop': expected a boolean" },
};

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_windows),
                                        cmocka_unit_test(test_even_rule),
                                        cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
