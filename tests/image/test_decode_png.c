/* test_decode_png.c - PNG: depths, colours, interlacing, odd ends, animations, and what is refused.
 */
#include "decode_util.h"

static const char *const files[] = {
    "grey1.png",           "grey4.png",   "grey16.png",    "palette.png",
    "palette2.png",        "rgb.png",     "rgb16.png",     "rgba.png",
    "grey_alpha16.png",    "row_end.png", "animation.png", "tile.png",
    "tile_interlaced.png",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "header cut off", "rgb.png", 0, NULL, 0, 30, SK_CORRUPT, "truncated" },
    { "wrong checksum of the header", "rgb.png", 29, "\0\0\0\0", 4, 0, SK_CORRUPT, "checksum" },
    { "name of a chunk broken", "rgb.png", 37, "I\0", 2, 0, SK_CORRUPT, "broken chunk" },
    { "no picture data", "rgb.png", 37, "IEND", 4, 0, SK_CORRUPT, "no picture data" },
    { "picture data cut off", "rgb.png", 0, NULL, 0, 600, SK_CORRUPT, "truncated" },
    { "not zlib data", "rgb.png", 41, "\0\0", 2, 0, SK_CORRUPT, "compressed data" },
    { "block of a bad kind", "rgb.png", 43, "\xff", 1, 0, SK_CORRUPT, "compressed data" },
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
