/* test_augment_shape.c - exact mirrors and crops; turns where the answer is known. All else is
 * compared with Pillow by tests/it/test_dataset.py. */
#include "dataset_test.h"

static void copy(const struct sk_image *from, struct sk_image *to)
{
    struct sk_err err = SK_ERR_INIT;

    assert_int_equal(sk_image_alloc(to, from->width, from->height, &err), 0);
    memcpy(to->pixels, from->pixels, (size_t)from->width * from->height * 3);
}

static void test_flip(void **state)
{
    static const uint32_t sizes[][2] = { { 1, 1 }, { 1, 3 },  { 2, 1 },
                                         { 5, 2 }, { 64, 3 }, { 65, 2 } };

    (void)state;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        SK_AUTO(sk_image_done) struct sk_image before = { 0 };
        SK_AUTO(sk_image_done) struct sk_image after = { 0 };
        fill(&before, sizes[i][0], sizes[i][1], i);
        copy(&before, &after);
        sk_augment_flip(&after);
        for (uint32_t y = 0; y < before.height; y++) {
            for (uint32_t x = 0; x < before.width; x++)
                assert_memory_equal(after.pixels + (y * before.width + x) * 3,
                                    before.pixels + (y * before.width + before.width - 1 - x) * 3,
                                    3);
        }
    }
}

static void test_crop(void **state)
{
    static const struct sk_box boxes[] = {
        { 0, 0, 16, 12 }, { 3, 2, 10, 9 }, { 15, 11, 1, 1 }, { 0, 0, 16, 1 }, { 4, 0, 8, 12 }
    };

    (void)state;
    for (size_t i = 0; i < COUNT(boxes); i++) {
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        SK_AUTO(sk_image_done) struct sk_image scratch = { 0 };
        SK_AUTO(sk_image_done) struct sk_image part = { 0 };
        SK_AUTO(sk_image_done) struct sk_image want = { 0 };
        const struct sk_box b = boxes[i];
        const struct sk_resize to = { .out_w = 16, .out_h = 12, .filter = SK_FILTER_BILINEAR };
        struct sk_err err = SK_ERR_INIT;
        fill(&img, 16, 12, i);
        assert_int_equal(sk_image_alloc(&part, b.w, b.h, &err), 0);
        for (uint32_t k = 0; k < b.w * b.h; k++)
            memcpy(part.pixels + k * 3, img.pixels + ((b.y + k / b.w) * 16 + b.x + k % b.w) * 3, 3);
        assert_int_equal(sk_image_resize(&part, &to, &want, &err), 0);
        assert_int_equal(sk_augment_crop(&img, b, &scratch, &err), 0);
        assert_int_equal(img.width, 16);
        assert_int_equal(img.height, 12);
        assert_memory_equal(img.pixels, want.pixels, (size_t)16 * 12 * 3);
    }
}

static void test_rotate(void **state)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image before = { 0 };
    SK_AUTO(sk_image_done) struct sk_image scratch = { 0 };
    struct sk_err err = SK_ERR_INIT;

    (void)state;
    fill(&before, 11, 11, 1);
    copy(&before, &img);
    assert_int_equal(sk_augment_rotate(&img, 0, &scratch, &err), 0);
    assert_memory_equal(img.pixels, before.pixels, (size_t)11 * 11 * 3);
    /* One colour stays one colour, corners included: they are its mean. */
    for (size_t i = 0; i < (size_t)11 * 11; i++)
        memcpy(img.pixels + i * 3, "\x0A\x80\xFF", 3);
    assert_int_equal(sk_augment_rotate(&img, 33, &scratch, &err), 0);
    for (size_t i = 0; i < (size_t)11 * 11; i++)
        assert_memory_equal(img.pixels + i * 3, "\x0A\x80\xFF", 3);
    /* A half turn is both mirrors, but for the fraction that is cut off. */
    copy(&before, &img);
    assert_int_equal(sk_augment_rotate(&img, 180, &scratch, &err), 0);
    for (size_t i = 0; i < (size_t)11 * 11 * 3; i++) {
        const size_t pixel = i / 3, other = 11 * 11 - 1 - pixel;
        assert_in_range(img.pixels[i] + 1, before.pixels[other * 3 + i % 3],
                        before.pixels[other * 3 + i % 3] + 2);
    }
    /* The top goes to the left: counter-clockwise. */
    memset(img.pixels, 0, (size_t)11 * 11 * 3);
    memset(img.pixels, 200, (size_t)11 * 3);
    assert_int_equal(sk_augment_rotate(&img, 90, &scratch, &err), 0);
    assert_true(img.pixels[(size_t)5 * 11 * 3] >= 199);
    assert_true(img.pixels[((size_t)5 * 11 + 10) * 3] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_flip), cmocka_unit_test(test_crop),
                                        cmocka_unit_test(test_rotate) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
