/* test_tiff_codec.c - compressed TIFF: LZW, JPEG, CCITT, PackBits, deflate in strips, tiles and
 * planes, and what is refused. */
#include "decode_util.h"

static const char *const files[] = {
    "lzw.tiff",        "jpeg.tiff",          "group4.tiff",          "packbits.tiff",
    "ycbcr_jpeg.tiff", "deflate_tiles.tiff", "packbits_planes.tiff",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "huge tiles", "deflate_tiles.tiff", 1152, "\0\x40\0\0\x43\x01\x04\0\x01\0\0\0\0\x40\0\0", 16,
      0, SK_LIMIT, "tiles of 16384 x 16384" },
    { "broken tile", "deflate_tiles.tiff", 8, "\xff\xff", 2, 0, SK_CORRUPT, "broken tile" },
    { "broken strip", "lzw.tiff", 8, "\xff\xff\xff\xff", 4, 0, SK_CORRUPT, "broken strip" },
    { "photometric against the tags", "ycbcr_jpeg.tiff", 8, "\0\0", 2, 0, SK_CORRUPT,
      "broken strip" },
};

static void test_refused(void **state)
{
    (void)state;
    util_refused(bad, UTIL_COUNT(bad));
}

int main(void)
{
    const struct CMUnitTest tests[] = { UTIL_COMMON_ROWS, cmocka_unit_test(test_refused) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
