/* test_step_resize.c - sizes as transformers computes them; expected values were computed with
 * transformers 4.57.6. */
#include "prep_test.h"

static const struct {
    const char *name, *config;
    uint32_t width, height, out_w, out_h;
} rows[] = {
    { "exact", "{\"size\":{\"height\":10,\"width\":20}}", 300, 200, 20, 10 },
    { "short, landscape", "{\"size\":{\"shortest_edge\":224}}", 640, 427, 335, 224 },
    { "short, portrait", "{\"size\":{\"shortest_edge\":224}}", 427, 640, 224, 335 },
    { "short, square", "{\"size\":{\"shortest_edge\":224}}", 99, 99, 224, 224 },
    { "short, already", "{\"size\":{\"shortest_edge\":224}}", 224, 300, 224, 300 },
    { "short, one pixel", "{\"size\":{\"shortest_edge\":224}}", 9, 1, 2016, 224 },
    { "short is an integer for CLIP",
      "{\"image_processor_type\":\"CLIPImageProcessor\",\"size\":32,\"do_center_crop\":false}", 640,
      427, 47, 32 },
    { "long edge not reached", "{\"size\":{\"shortest_edge\":64,\"longest_edge\":96}}", 100, 80, 80,
      64 },
    { "long edge reached", "{\"size\":{\"shortest_edge\":64,\"longest_edge\":96}}", 640, 427, 95,
      64 },
    { "long edge far beyond", "{\"size\":{\"shortest_edge\":64,\"longest_edge\":96}}", 1000, 100,
      96, 10 },
    { "long edge, portrait", "{\"size\":{\"shortest_edge\":64,\"longest_edge\":96}}", 100, 1000, 10,
      96 },
    { "half rounds to even", "{\"size\":{\"shortest_edge\":50,\"longest_edge\":51}}", 102, 5, 51,
      2 },
    { "within, by height", "{\"size\":{\"max_height\":50,\"max_width\":500}}", 200, 100, 100, 50 },
    { "within, by width", "{\"size\":{\"max_height\":50,\"max_width\":50}}", 200, 100, 50, 25 },
    { "within, grows", "{\"size\":{\"max_height\":200,\"max_width\":500}}", 200, 100, 400, 200 },
    { "shortest edge wins over height",
      "{\"size\":{\"height\":1,\"width\":1,\"shortest_edge\":10}}", 20, 20, 10, 10 },
    { "null is absent", "{\"size\":{\"shortest_edge\":null,\"height\":7,\"width\":8}}", 20, 20, 8,
      7 },
    { "off", "{\"do_resize\":false,\"size\":7}", 20, 30, 20, 30 },
    { "Levit",
      "{\"feature_extractor_type\":\"LevitFeatureExtractor\",\"size\":224,\"do_center_crop\":"
      "false}",
      300, 300, 256, 256 },
    { "PoolFormer",
      "{\"image_processor_type\":\"PoolFormerImageProcessor\",\"size\":224,\"do_center_crop\":"
      "false}",
      300, 600, 248, 496 },
    { "PoolFormer, pair",
      "{\"image_processor_type\":\"PoolFormerImageProcessor\",\"size\":[90,45],\"do_center_crop\":"
      "false}",
      300, 600, 50, 100 },
    { "ConvNext, 384", "{\"image_processor_type\":\"ConvNextImageProcessor\",\"size\":384}", 300,
      600, 384, 384 },
};

static void test_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);
        struct sk_frame f;

        if (!p || sk_prep_place(p, rows[i].width, rows[i].height, &f, &err) < 0)
            fail_msg("%s: %s", rows[i].name, err.text);
        else if (f.out_w != rows[i].out_w || f.out_h != rows[i].out_h || f.resized_w != f.out_w ||
                 f.resized_h != f.out_h)
            fail_msg("%s: got %u x %u", rows[i].name, f.out_w, f.out_h);
    }
}

/* ConvNeXT below 384: the short side grows by 1 / crop_pct and the crop undoes it. */
static void test_convnext_crop(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free)
    struct sk_prep *p = plan_of(
        "{\"feature_extractor_type\":\"ConvNextFeatureExtractor\",\"size\":224,\"crop_pct\":0.875}",
        &any_size, &err);
    struct sk_frame f;

    (void)state;
    assert_non_null(p);
    assert_int_equal(sk_prep_place(p, 640, 427, &f, &err), 0);
    assert_int_equal(f.resized_h, 256);
    assert_int_equal(f.resized_w, 383);
    assert_int_equal(f.out_w, 224);
    assert_int_equal(f.x, 79);
    assert_int_equal(f.y, 16);
}

static const struct {
    const char *name, *config;
    uint32_t width, height;
    enum sk_code code;
} impossible[] = {
    { "a side vanishes", "{\"size\":{\"max_height\":4,\"max_width\":4}}", 1000, 10, SK_INVALID },
    { "a side explodes", "{\"size\":{\"shortest_edge\":224}}", 1, 65500, SK_LIMIT },
};

static void test_impossible(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(impossible); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(impossible[i].config, &any_size, &err);
        struct sk_frame f;

        assert_non_null(p);
        if (sk_prep_place(p, impossible[i].width, impossible[i].height, &f, &err) == 0 ||
            err.code != impossible[i].code)
            fail_msg("%s: code %d, '%s'", impossible[i].name, err.code, err.text);
    }
}

static const struct refusal refusals[] = {
    { "empty object", "{\"size\":{}}", SK_INVALID,
      "'size': expected height and width, shortest_edge" },
    { "longest edge alone", "{\"size\":{\"longest_edge\":5}}", SK_INVALID, "'size': expected" },
    { "text", "{\"size\":\"x\"}", SK_INVALID, "'size': expected an object, got a string" },
    { "zero", "{\"size\":{\"shortest_edge\":0}}", SK_INVALID,
      "size: 'shortest_edge': 0 is not between" },
    { "do_resize is text", "{\"do_resize\":\"yes\"}", SK_INVALID,
      "'do_resize': expected a boolean" },
    { "ConvNext with a pair",
      "{\"image_processor_type\":\"ConvNextImageProcessor\",\"size\":{\"height\":2,\"width\":2}}",
      SK_INVALID, "needs shortest_edge" },
    { "crop_pct of zero",
      "{\"image_processor_type\":\"ConvNextImageProcessor\",\"size\":224,\"crop_pct\":0}",
      SK_INVALID, "'crop_pct': 0 is not between" },
    { "crop_pct too small",
      "{\"image_processor_type\":\"ConvNextImageProcessor\",\"size\":224,\"crop_pct\":0.001}",
      SK_INVALID, "crop_pct gives a side of 224000" },
};

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_sizes),
                                        cmocka_unit_test(test_convnext_crop),
                                        cmocka_unit_test(test_impossible),
                                        cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
