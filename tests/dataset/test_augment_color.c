/* test_augment_color.c - single pixels with known answers (from torchvision 0.29 on Pillow 13).
 * tests/it/test_dataset.py compares whole pictures with Pillow. */
#include "dataset_test.h"

typedef void change(struct sk_image *, double);

struct row {
    change *change;
    double amount;
    uint8_t in[6], out[6]; /* two pixels */
};

static const struct row rows[] = {
    { sk_augment_brightness, 1.0, { 0, 1, 2, 253, 254, 255 }, { 0, 1, 2, 253, 254, 255 } },
    { sk_augment_brightness,
      0.8,
      { 185, 241, 225, 130, 240, 249 },
      { 148, 192, 180, 104, 192, 199 } },
    { sk_augment_brightness, 1.2, { 248, 20, 116, 155, 72, 96 }, { 255, 24, 139, 186, 86, 115 } },
    { sk_augment_brightness,
      0.937,
      { 160, 205, 148, 44, 173, 223 },
      { 149, 192, 138, 41, 162, 208 } },
    { sk_augment_brightness, 1.111, { 56, 139, 86, 230, 15, 122 }, { 62, 154, 95, 255, 16, 135 } },
    { sk_augment_contrast, 0.8, { 229, 110, 35, 201, 246, 251 }, { 220, 125, 65, 197, 233, 237 } },
    { sk_augment_contrast, 1.2, { 238, 94, 187, 248, 146, 237 }, { 252, 79, 190, 255, 141, 250 } },
    { sk_augment_contrast, 0.937, { 150, 45, 118, 155, 77, 180 }, { 146, 48, 116, 151, 78, 174 } },
    { sk_augment_contrast, 1.111, { 104, 241, 53, 170, 23, 34 }, { 101, 253, 45, 175, 11, 24 } },
    { sk_augment_saturation,
      0.8,
      { 133, 127, 127, 126, 219, 128 },
      { 132, 127, 127, 137, 211, 138 } },
    { sk_augment_saturation, 1.2, { 93, 245, 226, 89, 51, 57 }, { 72, 254, 231, 94, 48, 55 } },
    { sk_augment_saturation,
      0.937,
      { 42, 133, 147, 164, 230, 240 },
      { 46, 131, 144, 166, 228, 238 } },
    { sk_augment_saturation, 1.111, { 136, 148, 20, 68, 255, 238 }, { 136, 149, 7, 53, 255, 242 } },
    { sk_augment_hue, 0.0, { 6, 125, 127, 173, 29, 121 }, { 6, 126, 127, 173, 29, 124 } },
    { sk_augment_hue, 0.02, { 94, 55, 207, 177, 46, 197 }, { 109, 55, 207, 192, 46, 197 } },
    { sk_augment_hue, -0.02, { 137, 48, 169, 117, 122, 92 }, { 122, 48, 169, 121, 122, 92 } },
    { sk_augment_hue, 0.013, { 249, 43, 254, 56, 205, 246 }, { 254, 44, 247, 57, 195, 246 } },
    { sk_augment_hue, -0.3, { 32, 226, 8, 97, 136, 189 }, { 226, 29, 9, 119, 189, 97 } },
    { sk_augment_hue, 0.5, { 43, 10, 75, 234, 84, 137 }, { 45, 75, 10, 84, 234, 172 } },
};

static void test_pixels(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint8_t pixels[6];
        struct sk_image img = { .width = 2, .height = 1, .pixels = pixels };
        memcpy(pixels, rows[i].in, 6);
        rows[i].change(&img, rows[i].amount);
        if (memcmp(pixels, rows[i].out, 6) != 0)
            fail_msg("row %zu: %d %d %d %d %d %d", i, pixels[0], pixels[1], pixels[2], pixels[3],
                     pixels[4], pixels[5]);
    }
}

/* Black is no colour, white neither; every byte goes through every change. */
static void test_greys(void **state)
{
    static change *const changes[] = { sk_augment_saturation, sk_augment_hue };

    (void)state;
    for (size_t k = 0; k < COUNT(changes); k++) {
        for (unsigned v = 0; v < 256; v++) {
            uint8_t pixels[3] = { (uint8_t)v, (uint8_t)v, (uint8_t)v };
            struct sk_image img = { .width = 1, .height = 1, .pixels = pixels };
            changes[k](&img, 0.3);
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(pixels[c], v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_pixels),
                                        cmocka_unit_test(test_greys) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
