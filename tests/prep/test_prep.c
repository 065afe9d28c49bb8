/* test_prep.c - inputs of models, pictures to tensors, descriptions, memory that runs out. */
#include "prep_test.h"

#include "harness/alloc_fail.h"

static const struct {
    const char *name;
    enum sk_dtype dtype;
    unsigned rank;
    int64_t dims[5];
    bool is, is_last;
    uint32_t height, width;
} inputs[] = {
    { "NCHW", SK_DT_F32, 4, { 1, 3, 224, 200 }, true, false, 224, 200 },
    { "NHWC", SK_DT_F32, 4, { -1, 224, 200, 3 }, true, true, 224, 200 },
    { "open size", SK_DT_F16, 4, { -1, 3, -1, -1 }, true, false, 0, 0 },
    { "all open", SK_DT_F32, 4, { -1, -1, -1, -1 }, true, false, 0, 0 },
    { "open, channels last", SK_DT_U8, 4, { -1, -1, -1, 3 }, true, true, 0, 0 },
    { "CHW", SK_DT_F32, 3, { 3, 8, 9 }, true, false, 8, 9 },
    { "HWC", SK_DT_U8, 3, { 8, 9, 3 }, true, true, 8, 9 },
    { "first wins", SK_DT_F32, 4, { 1, 3, 3, 3 }, true, false, 3, 3 },
    { "three open axes", SK_DT_F32, 3, { -1, -1, -1 }, false, false, 0, 0 },
    { "grey", SK_DT_F32, 4, { 1, 1, 28, 28 }, false, false, 0, 0 },
    { "four channels", SK_DT_F32, 4, { 1, 4, 28, 28 }, false, false, 0, 0 },
    { "rank 2", SK_DT_F32, 2, { 1, 3 }, false, false, 0, 0 },
    { "rank 5", SK_DT_F32, 5, { 1, 1, 3, 8, 8 }, false, false, 0, 0 },
    { "integers", SK_DT_I64, 4, { 1, 3, 8, 8 }, false, false, 0, 0 },
    { "no rows", SK_DT_F32, 4, { 1, 3, 0, 8 }, false, false, 0, 0 },
    { "too large", SK_DT_F32, 4, { 1, 3, 65501, 8 }, false, false, 0, 0 },
};

static void test_inputs(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(inputs); i++) {
        struct sk_prep_input in = { SK_DT_COUNT, false, 0, 0 };
        bool is = sk_prep_input_of(inputs[i].dtype, inputs[i].rank, inputs[i].dims, &in);

        if (is != inputs[i].is ||
            (is && (in.dtype != inputs[i].dtype || in.channels_last != inputs[i].is_last ||
                    in.height != inputs[i].height || in.width != inputs[i].width)))
            fail_msg("%s: %d, last %d, %u x %u", inputs[i].name, is, in.channels_last, in.height,
                     in.width);
    }
}

static void fill(struct sk_image *img, uint32_t width, uint32_t height)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_image_alloc(img, width, height, &err) < 0)
        fail_msg("%s", err.text);
    for (size_t i = 0; i < (size_t)width * height * 3; i++)
        img->pixels[i] = (uint8_t)(i * 7 + 1);
}

/* Types and layouts, from the same four pixels. */
static void test_layouts(void **state)
{
    static const uint8_t first[12] = { 1, 22, 43, 64, 8, 29, 50, 71, 15, 36, 57, 78 }; /* planes of
                                                                                          red,
                                                                                          green,
                                                                                          blue */
    static const uint8_t last[12] = { 1, 8, 15, 22, 29, 36, 43, 50, 57, 64, 71, 78 };
    static const char
        config[] = "{\"do_resize\":false,\"do_rescale\":false,\"do_normalize\":false}";
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };

    (void)state;
    fill(&img, 2, 2);
    for (unsigned is_last = 0; is_last < 2; is_last++) {
        const enum sk_dtype dtypes[] = { SK_DT_U8, SK_DT_F16, SK_DT_F32 };

        const uint8_t *want = is_last ? last : first;

        for (size_t t = 0; t < COUNT(dtypes); t++) {
            const struct sk_prep_input input = { dtypes[t], is_last, 0, 0 };
            struct sk_err err = SK_ERR_INIT;
            SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(config, &input, &err);

            union {
                uint8_t u8[12];
                uint16_t f16[12];
                float f32[12];
            } out;

            assert_non_null(p);
            assert_int_equal(
                sk_prep_run_pixels(p, &img, work, &out, 12 * sk_dtype_size(dtypes[t]), NULL, &err),
                0);
            for (size_t i = 0; i < 12; i++) {
                float got = t == 0 ? out.u8[i] : t == 1 ? sk_half_to_float(out.f16[i]) : out.f32[i];
                assert_true(got == want[i]);
            }
        }
    }
}

/* Around a picture that is smaller than the crop there is black, which is normalised like the rest.
 */
static void test_padding(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free)
    struct sk_prep *p = plan_of("{\"do_resize\":false,\"do_rescale\":false,\"image_mean\":1,"
                                "\"image_std\":1,\"do_center_crop\":true,"
                                "\"crop_size\":{\"height\":4,\"width\":3}}",
                                &any_size, &err);
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    static const float red[12] = { -1, -1, -1, -1, 0, 21, -1, 42, 63, -1, -1, -1 };
    float out[36];

    (void)state;
    assert_non_null(p);
    fill(&img, 2, 2);
    assert_int_equal(sk_prep_run_pixels(p, &img, work, out, sizeof(out), NULL, &err), 0);
    assert_memory_equal(out, red, sizeof(red));
}

static void test_too_small(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free) struct sk_prep *p = plan_of("{\"do_resize\":false}", &any_size, &err);
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    uint32_t height, width;
    size_t bytes;
    float out[12];

    (void)state;
    assert_non_null(p);
    assert_false(sk_prep_is_fixed(p, &height, &width, &bytes));
    fill(&img, 2, 2);
    assert_int_equal(sk_prep_measure_pixels(p, 2, 2, &bytes, &err), 0);
    assert_int_equal(bytes, sizeof(out));
    assert_int_equal(sk_prep_run_pixels(p, &img, work, out, bytes - 1, NULL, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(sk_prep_run_pixels(p, &img, work, out, bytes, NULL, &err), 0);
}

/* A picture as a file: a BMP of 24 bits, rows from the bottom, blue first. Free it. */
static uint8_t *bmp_of(uint32_t width, uint32_t height, size_t *len)
{
    const size_t row = (width * 3 + 3) / 4 * 4;
    const uint32_t head[13] = {
        0, 0, 54, 40, width, height, 1u | 24u << 16, 0, (uint32_t)row * height, 0, 0, 0, 0
    };
    uint8_t *bytes = calloc(1, 54 + row * height);

    assert_non_null(bytes);
    memcpy(bytes + 2, head, sizeof(head));
    memcpy(bytes, "BM", 2);
    for (size_t i = 54; i < 54 + row * height; i++)
        bytes[i] = (uint8_t)(i * 7);
    *len = 54 + row * height;
    return bytes;
}

/* Encoded pictures, and what is said about them. */
static void test_files(void **state)
{
    enum {
        W = 40,
        H = 30
    };
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free)
    struct sk_prep *open_size = plan_of("{\"do_resize\":false}", &any_size, &err);
    SK_OWN(sk_prep_free) struct sk_prep *fixed = plan_of("{\"size\":[5,6]}", &any_size, &err);
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    SK_OWN(free) float *out = malloc(W * H * 3 * sizeof(float));
    struct sk_prep_report report;
    size_t len, bytes;
    SK_OWN(free) uint8_t *bmp = bmp_of(W, H, &len);

    (void)state;
    assert_int_equal(sk_prep_measure(open_size, bmp, len, 0, &bytes, &err), 0);
    assert_int_equal(bytes, W * H * 3 * sizeof(float));
    assert_int_equal(sk_prep_run(open_size, bmp, len, 0, false, work, out, bytes, &report, &err),
                     0);
    assert_int_equal(report.width, W);
    assert_int_equal(report.height, H);
    assert_int_equal(report.decode.info.width, W);
    assert_string_equal(report.decode.info.format, "bmp");
    assert_int_equal(sk_prep_measure(fixed, "", 0, 0, &bytes, &err), 0); /* needs no picture */
    assert_int_equal(bytes, 5 * 6 * 3 * sizeof(float));
    assert_int_equal(sk_prep_run(fixed, bmp, len, 0, false, work, out, bytes, &report, &err), 0);
    assert_int_equal(report.width, 6);
    assert_int_equal(report.height, 5);

    assert_int_equal(sk_prep_measure(open_size, bmp, len, W * H - 1, &bytes, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(
        sk_prep_run(fixed, bmp, len, W * H - 1, false, work, out, bytes, &report, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(sk_prep_run(fixed, bmp, len / 2, 0, false, work, out, bytes, &report, &err),
                     -1);
    assert_int_equal(err.code, SK_CORRUPT);
}

static void test_texts(void **state)
{
    static const struct {
        const char *config, *text, *json;
    } rows[] = {
        { "{\"image_processor_type\":\"CLIPImageProcessor\",\"image_mean\":0.5,\"image_std\":0.25}",
          "resize the short side to 224, keeping the shape, bicubic\n"
          "crop the centre 224 x 224 (height x width)\n"
          "multiply by 0.00392156863\n"
          "normalise with mean 0.5 0.5 0.5, deviation 0.25 0.25 0.25\n"
          "lay out as FP32, channels first\n",
          "{\"do_resize\":true,\"resample\":3,\"size\":{\"shortest_edge\":224},\"do_center_crop\":"
          "true,"
          "\"crop_size\":{\"height\":224,\"width\":224},\"do_rescale\":true,\"rescale_factor\":0."
          "00392156862745098,"
          "\"do_normalize\":true,\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.25,0.25,0.25],"
          "\"do_flip_channel_order\":false,\"exif_orientation\":false,\"data_format\":\"channels_"
          "first\","
          "\"dtype\":\"FP32\"}" },
        { "{\"do_resize\":false,\"do_rescale\":false,\"do_normalize\":false,\"do_flip_channel_"
          "order\":true}",
          "order the channels blue, green, red\nlay out as FP32, channels first\n",
          "{\"do_resize\":false,\"do_center_crop\":false,\"do_rescale\":false,\"do_normalize\":"
          "false,"
          "\"do_flip_channel_order\":true,\"exif_orientation\":false,\"data_format\":\"channels_"
          "first\","
          "\"dtype\":\"FP32\"}" },
        { "{\"size\":{\"shortest_edge\":5,\"longest_edge\":9},\"do_normalize\":false,\"rescale_"
          "offset\":true}",
          "resize the short side to 5, the long one to at most 9, keeping the shape, bilinear\n"
          "multiply by 0.00392156863, subtract 1\nlay out as FP32, channels first\n",
          "{\"do_resize\":true,\"resample\":2,\"size\":{\"shortest_edge\":5,\"longest_edge\":9},"
          "\"do_center_crop\":false,\"do_rescale\":true,\"rescale_factor\":0.00392156862745098,"
          "\"rescale_offset\":true,\"do_normalize\":false,\"do_flip_channel_order\":false,"
          "\"exif_orientation\":false,\"data_format\":\"channels_first\",\"dtype\":\"FP32\"}" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_prep_free) struct sk_prep *p = plan_of(rows[i].config, &any_size, &err);
        SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(10000);
        SK_AUTO(sk_buf_done) struct sk_buf json = SK_BUF_INIT(10000);

        assert_non_null(p);
        sk_prep_describe(p, &text);
        sk_prep_json(p, &json);
        assert_string_equal(text.data, rows[i].text);
        assert_string_equal(json.data, rows[i].json);
    }
}

static void test_not_an_object(void **state)
{
    static const struct refusal rows[] = {
        { "list", "[]", SK_INVALID, "expected an object, got an array" },
        { "number", "1", SK_INVALID, "expected an object, got an integer" }
    };

    (void)state;
    check_refusals(rows, COUNT(rows));
}

/* Everything once, for the allocation sweep. */
static int prepare_once(void *ctx, struct sk_err *err)
{
    const struct sk_json *config = ctx;
    SK_OWN(sk_prep_free) struct sk_prep *p = NULL;
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = NULL;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    float out[6 * 6 * 3];

    if (sk_prep_new(config, &any_size, NULL, &p, err) < 0)
        return -1;
    work = sk_prep_work_new();
    if (!work)
        return sk_nomem(err);
    if (sk_image_alloc(&img, 4, 4, err) < 0)
        return -1;
    memset(img.pixels, 9, 48);
    return sk_prep_run_pixels(p, &img, work, out, sizeof(out), NULL, err);
}

static void test_allocations(void **state)
{
    SK_OWN(sk_json_free)
    struct sk_json *config = parse_config("{\"size\":5,\"do_center_crop\":true,\"crop_size\":6}");

    (void)state;
    assert_true(sk_alloc_sweep("prep", prepare_once, config, 0) >= 4);
}

/* A second picture of the same shape takes no memory but the decoder's. */
static void test_steady(void **state)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_prep_free)
    struct sk_prep *p = plan_of(
        "{\"size\":{\"shortest_edge\":16},\"do_center_crop\":true,\"crop_size\":20}", &any_size,
        &err);
    SK_OWN(sk_prep_work_free) struct sk_prep_work *work = sk_prep_work_new();
    float out[20 * 20 * 3];
    size_t len;
    SK_OWN(free) uint8_t *bmp = bmp_of(64, 48, &len);
    int did_fail;

    (void)state;
    assert_int_equal(sk_prep_run(p, bmp, len, 0, false, work, out, sizeof(out), NULL, &err), 0);
    sk_alloc_fail_at(0);
    assert_int_equal(sk_prep_run(p, bmp, len, 0, false, work, out, sizeof(out), NULL, &err), 0);
    assert_true(sk_alloc_fail_end(&did_fail) <= 1); /* the BMP decoder's row */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_inputs),        cmocka_unit_test(test_layouts),
        cmocka_unit_test(test_padding),       cmocka_unit_test(test_too_small),
        cmocka_unit_test(test_files),         cmocka_unit_test(test_texts),
        cmocka_unit_test(test_not_an_object), cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_steady),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
