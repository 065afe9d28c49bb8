/* test_decode_tiff.c - uncompressed TIFF: bits, planes, tiles, order of strips, and what is
 * refused. */
#include "decode_util.h"

static const char *const files[] = {
    "bilevel.tiff",
    "grey4_reversed.tiff",
    "grey16_big_endian.tiff",
    "palette4.tiff",
    "rgb_tiles.tiff",
    "rgb16.tiff",
    "rgba_premultiplied.tiff",
    "cmyk.tiff",
    "planes.tiff",
    "shuffled.tiff",
    "turned.tiff",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "directory beyond the file", "rgb_tiles.tiff", 4, "\xff\xff\xff\x7f", 4, 0, SK_CORRUPT,
      "no directory" },
    { "header cut off", "rgb_tiles.tiff", 0, NULL, 0, 7, SK_CORRUPT, "truncated" },
    { "no width", "rgb_tiles.tiff", 1568, "\x01\0", 2, 0, SK_CORRUPT, "no dimensions" },
    { "width 0", "rgb_tiles.tiff", 1576, "\0", 1, 0, SK_CORRUPT, "at least one pixel" },
    { "4 G columns", "rgb_tiles.tiff", 1576, "\xff\xff\xff\xff", 4, 0, SK_LIMIT,
      "more than the limit" },
    { "compression by WebP", "rgb_tiles.tiff", 1612, "\x51\xc3", 2, 0, SK_UNSUPPORTED_MEDIA,
      "compression 50001" },
    { "transparency mask", "rgb_tiles.tiff", 1624, "\x04", 1, 0, SK_UNSUPPORTED_MEDIA,
      "photometric 4" },
    { "7 samples", "rgb_tiles.tiff", 1636, "\x07", 1, 0, SK_UNSUPPORTED_MEDIA, "7 samples" },
    { "tiles of no width", "rgb_tiles.tiff", 1648, "\0", 1, 0, SK_CORRUPT, "without pixels" },
    { "no offsets", "rgb_tiles.tiff", 1664, "\x01\0", 2, 0, SK_CORRUPT, "no StripOffsets" },
    { "tile beyond the file", "rgb_tiles.tiff", 1550, "\xff\xff\xff\0", 4, 0, SK_CORRUPT,
      "truncated" },
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
