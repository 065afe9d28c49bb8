/* test_png_profile.c - EXIF in ImageMagick's text form. */
#include "decode_util.h"
#include "image/png_priv.h"

#include <zlib.h>

#define TIFF_6 "49492a0008000000010012010300010000000600\n0000"

static const struct row {
    const char *name, *text;
    int want;
} rows[] = {
    { "plain", "\nexif\n      22\n" TIFF_6 "\n", 6 },
    { "with its name", "\nexif\n      28\n457869660000" TIFF_6 "\n", 6 },
    { "capitals", "\nexif\n      22\n49492A0008000000010012010300010000000300\n0000\n", 3 },
    { "cut off", "\nexif\n      22\n49492a00080000000100120103000100000006\n", 0 },
    { "half a byte at the end", "\nexif\n      22\n" TIFF_6 "0", 6 },
    { "not digits", "\nexif\n      22\nzz" TIFF_6, 0 },
    { "two lines", "\nexif\n      22", 0 },
    { "nothing", "", 0 },
};

static void check(const struct row *row, bool is_packed)
{
    size_t len = strlen(row->text);
    uLong packed_len = compressBound((uLong)len);
    SK_AUTO(free_cleanup) uint8_t *bytes = malloc(packed_len > len ? packed_len : len + 1);
    assert_non_null(bytes);
    if (is_packed) {
        assert_int_equal(compress(bytes, &packed_len, (const Bytef *)row->text, (uLong)len), Z_OK);
        len = packed_len;
    } else {
        memcpy(bytes, row->text, len);
    }
    int got = sk_png_profile_orientation(bytes, len, is_packed);
    if (got != row->want)
        fail_msg("%s, packed %d: %d, not %d", row->name, is_packed, got, row->want);
}

/* [image-20] */
static void test_rows(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(rows); n++) {
        check(&rows[n], false);
        check(&rows[n], true);
    }
}

static void test_broken_stream(void **state)
{
    (void)state;
    assert_int_equal(sk_png_profile_orientation((const uint8_t *)"not zlib", 8, true), 0);
    assert_int_equal(sk_png_profile_orientation((const uint8_t *)"", 0, true), 0);
}

/* A text that inflates far beyond what is looked at. */
static void test_bomb(void **state)
{
    (void)state;

    enum {
        BYTES = 8 << 20
    };

    uLong packed_len = compressBound(BYTES);
    SK_AUTO(free_cleanup) uint8_t *text = malloc(BYTES);
    SK_AUTO(free_cleanup) uint8_t *packed = malloc(packed_len);
    assert_non_null(text);
    assert_non_null(packed);
    memset(text, '\n', BYTES);
    assert_int_equal(compress(packed, &packed_len, text, BYTES), Z_OK);
    assert_int_equal(sk_png_profile_orientation(packed, packed_len, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_broken_stream),
        cmocka_unit_test(test_bomb),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
