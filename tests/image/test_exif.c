/* test_exif.c - orientation in EXIF and XMP, and turning. */
#include "decode_util.h"
#include "image/decode_priv.h"

static const struct row {
    const char *name, *bytes;
    size_t len;
    int want;
} exifs[] = {
    { "little", "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0", 26, 6 },
    { "big", "MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x08\0\0\0\0\0\0", 26, 8 },
    { "with its name in front", "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x03\0\0\0", 28, 3 },
    { "with its name twice", "Exif\0\0Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x02\0\0\0", 34, 2 },
    { "as LONG", "II*\0\x08\0\0\0\x01\0\x12\x01\x04\0\x01\0\0\0\x05\0\0\0", 22, 5 },
    { "as BYTE, which Pillow keeps as bytes", "II*\0\x08\0\0\0\x01\0\x12\x01\x01\0\x01\0\0\0\x05\0\0\0", 22, 0 },
    { "the first of two", "II*\0\x08\0\0\0\x02\0\x12\x01\x03\0\x01\0\0\0\x04\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 34, 4 },
    { "behind a value outside", "II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\x08\0\0\0\xf0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 34, 0 },
    { "behind an absurd value", "II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\xff\xff\xff\xff\0\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 34, 6 },
    { "9", "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x09\0\0\0", 22, 0 },
    { "other tags only", "II*\0\x08\0\0\0\x01\0\x13\x01\x03\0\x01\0\0\0\x06\0\0\0", 22, 0 },
    { "entry cut off", "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0", 21, 0 },
    { "directory outside", "II*\0\xff\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0", 22, 0 },
    { "directory at the end", "II*\0\x08\0\0\0", 8, 0 },
    { "not TIFF", "PK\x03\x04\x08\0\0\0\x01\0", 10, 0 },
    { "empty", "", 0, 0 },
    { "name only", "Exif\0\0", 6, 0 },
}, xmps[] = {
    { "attribute", "<x tiff:Orientation=\"6\"/>", 25, 6 },
    { "element", "<tiff:Orientation>8</tiff:Orientation>", 38, 8 },
    { "the first that is one", "tiff:Orientation='3' tiff:Orientation=\"3\"", 41, 3 },
    { "0", "tiff:Orientation=\"0\"", 20, 0 },
    { "cut off", "tiff:Orientation=\"", 18, 0 },
    { "absent", "<x/>", 4, 0 },
};

static void test_exif(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(exifs); n++) {
        SK_AUTO(free_cleanup) uint8_t *tight = malloc(exifs[n].len + 1);
        assert_non_null(tight);
        memcpy(tight + 1, exifs[n].bytes, exifs[n].len); /* odd addresses too */
        int got = sk_exif_orientation(tight + 1, exifs[n].len);
        if (got != exifs[n].want)
            fail_msg("%s: %d, not %d", exifs[n].name, got, exifs[n].want);
    }
}

static void test_xmp(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(xmps); n++) {
        SK_AUTO(free_cleanup) uint8_t *tight = malloc(xmps[n].len);
        assert_non_null(tight);
        memcpy(tight, xmps[n].bytes, xmps[n].len);
        int got = sk_xmp_orientation(tight, xmps[n].len);
        if (got != xmps[n].want)
            fail_msg("%s: %d, not %d", xmps[n].name, got, xmps[n].want);
    }
}

/* The picture "ab / cd / ef" after each turn, row by row. */
static const struct {
    uint32_t width;
    const char *pixels;
} turned[9] = {
    [0] = { 2, "abcdef" }, [1] = { 2, "abcdef" }, [2] = { 2, "badcfe" },
    [3] = { 2, "fedcba" }, [4] = { 2, "efcdab" }, [5] = { 3, "acebdf" },
    [6] = { 3, "ecafdb" }, [7] = { 3, "fdbeca" }, [8] = { 3, "bdface" },
};

/* [image-21] */
static void test_orient(void **state)
{
    (void)state;
    struct sk_image img = { 0 }, tmp = { 0 };
    for (int orientation = 0; orientation <= 8; orientation++) {
        struct sk_err err = SK_ERR_INIT;
        char got[7] = "";
        assert_int_equal(sk_image_alloc(&img, 2, 3, &err), 0);
        for (unsigned i = 0; i < 6; i++)
            memset(img.pixels + i * 3, "abcdef"[i], 3);
        assert_int_equal(sk_image_orient(&img, orientation, &tmp, &err), 0);
        for (unsigned i = 0; i < 6; i++) {
            assert_memory_equal(
                img.pixels + i * 3,
                ((uint8_t[3]){ img.pixels[i * 3], img.pixels[i * 3], img.pixels[i * 3] }), 3);
            got[i] = (char)img.pixels[i * 3];
        }
        if (img.width != turned[orientation].width || strcmp(got, turned[orientation].pixels) != 0)
            fail_msg("%d: %u wide, %s", orientation, img.width, got);
    }
    sk_image_done(&img);
    sk_image_done(&tmp);
}

/* Larger than the squares in which pixels are moved: four quarter turns are none. */
static void test_quarters(void **state)
{
    (void)state;
    struct sk_image img = { 0 }, tmp = { 0 };
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_alloc(&img, 200, 131, &err), 0);
    for (uint32_t i = 0; i < 200 * 131 * 3; i++)
        img.pixels[i] = (uint8_t)(i * 31 + i / 600);
    for (int i = 0; i < 4; i++)
        assert_int_equal(sk_image_orient(&img, 6, &tmp, &err), 0);
    for (uint32_t i = 0; i < 200 * 131 * 3; i++)
        assert_int_equal(img.pixels[i], (uint8_t)(i * 31 + i / 600));
    sk_image_done(&img);
    sk_image_done(&tmp);
}

static int turn(void *ctx, struct sk_err *err)
{
    (void)ctx;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
    if (sk_image_alloc(&img, 3, 4, err) < 0)
        return -1;
    memset(img.pixels, 0, 36);
    return sk_image_orient(&img, 5, &tmp, err);
}

static void test_allocations(void **state)
{
    (void)state;
    assert_int_equal(sk_alloc_sweep("turn", turn, NULL, 0), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exif),        cmocka_unit_test(test_xmp),
        cmocka_unit_test(test_orient),      cmocka_unit_test(test_quarters),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
