/* test_encode.c - what is encoded decodes to the same (PNG) or nearly the same (JPEG) picture. */
#include "decode_util.h"

static void fill(struct sk_image *img, uint32_t width, uint32_t height)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_alloc(img, width, height, &err), 0);
    for (uint32_t y = 0; y < height; y++)
        for (uint32_t x = 0; x < width; x++)
            memcpy(img->pixels + ((size_t)y * width + x) * 3,
                   ((uint8_t[3]){ (uint8_t)(x * 255 / width), (uint8_t)(y * 255 / height), 90 }),
                   3);
}

/* [image-30] */
static void test_round_trip(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = { { 1, 1 }, { 17, 1 }, { 1, 40 }, { 64, 48 }, { 300, 200 } };
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image back = { 0 };
    for (size_t n = 0; n < UTIL_COUNT(sizes) * 2; n++) {
        bool is_png = n % 2 == 0;
        uint8_t *bytes = NULL;
        size_t len = 0;
        struct sk_err err = SK_ERR_INIT;
        fill(&img, sizes[n / 2][0], sizes[n / 2][1]);
        int rc = is_png ? sk_image_encode_png(&img, &bytes, &len, &err)
                        : sk_image_encode_jpeg(&img, 95, &bytes, &len, &err);
        if (rc < 0 || sk_image_decode(bytes, len, NULL, &back, NULL, &err) < 0)
            fail_msg("%u x %u: %s", img.width, img.height, err.text);
        free(bytes);
        assert_int_equal(back.width, img.width);
        assert_int_equal(back.height, img.height);
        for (size_t i = 0; i < (size_t)img.width * img.height * 3; i++)
            if (abs(back.pixels[i] - img.pixels[i]) > (is_png ? 0 : 12))
                fail_msg("%u x %u, byte %zu: %u became %u", img.width, img.height, i, img.pixels[i],
                         back.pixels[i]);
    }
}

static void test_empty(void **state)
{
    (void)state;
    const struct sk_image none = { 0 };
    uint8_t *bytes = NULL;
    size_t len = 0;
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_encode_png(&none, &bytes, &len, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_int_equal(sk_image_encode_jpeg(&none, 90, &bytes, &len, &err), -1);
    assert_int_equal(err.code, SK_INVALID);
    assert_null(bytes);
}

static int encode_png(void *ctx, struct sk_err *err)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    int rc = sk_image_encode_png(ctx, &bytes, &len, err);
    free(bytes);
    return rc;
}

static void test_allocations(void **state)
{
    (void)state;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    fill(&img, 9, 9);
    assert_true(sk_alloc_sweep("png", encode_png, &img, 0) >= 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
