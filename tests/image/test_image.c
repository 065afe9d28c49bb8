/* test_image.c - the memory of a picture: grows, is reused, is bounded. */
#include "decode_util.h"

static void test_alloc(void **state)
{
    (void)state;
    struct sk_image img = { 0 };
    struct sk_err err = SK_ERR_INIT;
    sk_image_done(&img);
    assert_int_equal(sk_image_alloc(&img, 10, 20, &err), 0);
    uint8_t *pixels = img.pixels;
    size_t cap = img.cap_bytes;
    assert_true(cap >= 600 + SK_BAND_SLACK);
    memset(img.pixels, 1, 600 + SK_BAND_SLACK);
    assert_int_equal(sk_image_alloc(&img, 5, 4, &err), 0); /* smaller: the same memory */
    assert_ptr_equal(img.pixels, pixels);
    assert_int_equal(img.width, 5);
    assert_int_equal(img.height, 4);
    assert_int_equal(sk_image_alloc(&img, 20, 20, &err), 0);
    assert_true(img.cap_bytes >= 1200 + SK_BAND_SLACK);
    sk_image_done(&img);
    assert_null(img.pixels);
    assert_int_equal(img.width, 0);
}

static void test_too_large(void **state)
{
    (void)state;
    struct sk_image img = { 0 };
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_alloc(&img, UINT32_MAX, UINT32_MAX, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    sk_image_done(&img);
}

static int grow(void *ctx, struct sk_err *err)
{
    (void)ctx;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    if (sk_image_alloc(&img, 1, 1, err) < 0)
        return -1;
    return sk_image_alloc(&img, 9, 9, err);
}

static void test_allocations(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("grow", grow, NULL, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_alloc),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
