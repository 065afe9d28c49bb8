/* test_decode_bmp.c - bitmaps: depths, masks, run lengths, palettes, and what is refused. */
#include "decode_util.h"

static const char *const files[] = {
    "bits1.bmp",  "bits4.bmp",  "bits8.bmp",  "black_white8.bmp", "rle4.bmp", "rle8.bmp",
    "bits15.bmp", "bits16.bmp", "bits24.bmp", "bits32.bmp",       "os2.bmp",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "header cut off", "bits24.bmp", 0, NULL, 0, 17, SK_CORRUPT, "truncated" },
    { "last byte missing", "bits8.bmp", 0, NULL, 0, 1116, SK_CORRUPT, "truncated" },
    { "unknown header", "bits24.bmp", 14, "\x29\0\0\0", 4, 0, SK_UNSUPPORTED_MEDIA,
      "header of 41 bytes" },
    { "header of 4 GiB", "bits24.bmp", 14, "\xff\xff\xff\xff", 4, 0, SK_CORRUPT, "truncated" },
    { "width 0", "bits24.bmp", 18, "\0\0\0\0", 4, 0, SK_CORRUPT, "at least one pixel" },
    { "width of 4 G", "bits24.bmp", 18, "\xff\xff\xff\xff", 4, 0, SK_LIMIT, "4294967295 x 5" },
    { "height of 2 G", "bits24.bmp", 22, "\0\0\0\x80", 4, 0, SK_LIMIT, "more than the limit" },
    { "7 bits", "bits24.bmp", 28, "\x07\0", 2, 0, SK_UNSUPPORTED_MEDIA, "7 bits per pixel" },
    { "JPEG inside", "bits24.bmp", 30, "\x04\0\0\0", 4, 0, SK_UNSUPPORTED_MEDIA, "compression 4" },
    { "RLE with 24 bits", "bits24.bmp", 30, "\x01\0\0\0", 4, 0, SK_UNSUPPORTED_MEDIA,
      "compression 1 with 24" },
    { "unknown masks", "bits16.bmp", 54, "\x01\x02\x03\x04", 4, 0, SK_UNSUPPORTED_MEDIA, "layout" },
    { "rows beyond the file", "bits24.bmp", 10, "\xf0\xff\xff\xff", 4, 0, SK_CORRUPT, "truncated" },
    { "palette of 300 colours", "bits8.bmp", 46, "\x2c\x01\0\0", 4, 0, SK_CORRUPT,
      "more than 256" },
    { "palette of 70000 colours", "bits8.bmp", 46, "\x70\x11\x01\0", 4, 0, SK_CORRUPT,
      "palette of 70000" },
    { "RLE ends early", "rle4.bmp", 118, "\0\x01", 2, 0, SK_CORRUPT, "ends early" },
    { "RLE cut off", "rle4.bmp", 0, NULL, 0, 140, SK_CORRUPT, "truncated" },
    { "RLE jump cut off", "rle4.bmp", 118, "\0\x02", 2, 121, SK_CORRUPT, "truncated" },
    { "RLE literal cut off", "rle4.bmp", 118, "\0\x20", 2, 124, SK_CORRUPT, "truncated" },
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
