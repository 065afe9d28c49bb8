/* test_decode_gif.c - GIF: the first frame on its screen, and what is refused. */
#include "decode_util.h"

static const char *const files[] = {
    "plain.gif", "grey.gif", "interlaced.gif", "transparent.gif", "animation.gif", "moved.gif",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "header cut off", "grey.gif", 0, NULL, 0, 12, SK_CORRUPT, "truncated" },
    { "palette cut off", "grey.gif", 0, NULL, 0, 50, SK_CORRUPT, "truncated" },
    { "no frame", "grey.gif", 109, ";", 1, 0, SK_CORRUPT, "no frame" },
    { "frame cut off", "grey.gif", 0, NULL, 0, 115, SK_CORRUPT, "truncated" },
    { "frame of no width", "grey.gif", 114, "\0\0", 2, 0, SK_CORRUPT, "no pixels" },
    { "frame far away", "grey.gif", 110, "\xff\xff\xff\xff", 4, 0, SK_LIMIT, "65542 x 65540" },
    { "codes of 14 bits", "grey.gif", 119, "\x0d", 1, 0, SK_CORRUPT, "codes of 14 bits" },
    { "code in the wrong place", "grey.gif", 121, "\xff\xff\xff", 3, 0, SK_CORRUPT, "bad code" },
    { "no compressed data", "grey.gif", 120, "\0;", 2, 122, SK_CORRUPT, "truncated" },
    { "extension cut off", "grey.gif", 109, "!", 1, 110, SK_CORRUPT, "truncated" },
    { "control extension of 2 bytes", "grey.gif", 109, "!\xf9\x02\0\0\0", 6, 0, SK_CORRUPT,
      "too short" },
    { "control extension of 3 bytes", "grey.gif", 109, "!\xf9\x03\x01\0\0\0", 7, 0, SK_CORRUPT,
      "too short" },
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
