/* test_decode_webp.c - WebP: lossy, lossless, animated, and what is refused. */
#include "decode_util.h"

static const char *const files[] = {
    "lossy.webp",
    "lossless.webp",
    "animation.webp",
    "turned.webp",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "cut off", "lossy.webp", 0, NULL, 0, 60, SK_CORRUPT, "truncated" },
    { "not a key frame", "lossy.webp", 20, "\xff", 1, 0, SK_CORRUPT, "webp: " },
    { "lossless data broken", "lossless.webp", 20, "\0", 1, 0, SK_CORRUPT, "webp: " },
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
