/* test_tiff_tags.c - what the tags of a TIFF say its pixels are, and which sayings are refused. */
#include "decode_util.h"
#include "image/tiff_priv.h"

enum {
    ENTRIES_MAX = 10,
    DATA_AT = 8,
    DIRECTORY_AT = 64
};

struct entry {
    uint16_t tag, type;
    uint32_t count, value;
};

enum {
    SHORT = 3,
    LONG = 4,
    FLOAT = 11
};

/* Values that do not fit an entry: shorts at DATA_AT. */
static const uint16_t data[] = { 8, 8, 8, 8, 8, 8, 16, 16, 16, 16, 8, 4, 8, 1, 2, 1 };

enum {
    EIGHTS = DATA_AT,
    SIXTEENS = DATA_AT + 12,
    UNEQUAL = DATA_AT + 20,
    FORMATS = DATA_AT + 26
};

#define SIZE                                                                                       \
    { 256, LONG, 1, 2 },                                                                           \
    {                                                                                              \
        257, LONG, 1, 3                                                                            \
    }
#define STRIP                                                                                      \
    {                                                                                              \
        273, LONG, 1, 8                                                                            \
    }
#define PHOTO(n)                                                                                   \
    {                                                                                              \
        262, SHORT, 1, n                                                                           \
    }
#define BITS(n)                                                                                    \
    {                                                                                              \
        258, SHORT, 1, n                                                                           \
    }
#define SAMPLES(n)                                                                                 \
    {                                                                                              \
        277, SHORT, 1, n                                                                           \
    }

static const struct row {
    const char *name;
    struct entry entries[ENTRIES_MAX];
    enum sk_code code; /* SK_OK: known */
    const char *text;
    enum sk_tiff_pixel pixel;
    unsigned bits;
} rows[] = {
    { "bilevel by default", { SIZE, STRIP }, SK_OK, "", SK_TIFF_GREY, 1 },
    { "grey", { SIZE, STRIP, PHOTO(1), BITS(8) }, SK_OK, "", SK_TIFF_GREY, 8 },
    { "signed grey",
      { SIZE, STRIP, PHOTO(1), BITS(8), { 339, SHORT, 1, 2 } },
      SK_OK,
      "",
      SK_TIFF_GREY,
      8 },
    { "deep grey", { SIZE, STRIP, PHOTO(1), BITS(16) }, SK_OK, "", SK_TIFF_GREY16, 16 },
    { "grey and alpha",
      { SIZE, STRIP, PHOTO(1), BITS(8), SAMPLES(2), { 338, SHORT, 1, 2 } },
      SK_OK,
      "",
      SK_TIFF_GREY,
      8 },
    { "RGB",
      { SIZE, STRIP, PHOTO(2), { 258, SHORT, 3, EIGHTS }, SAMPLES(3) },
      SK_OK,
      "",
      SK_TIFF_RGB,
      8 },
    { "RGB, bits said once",
      { SIZE, STRIP, PHOTO(2), BITS(8), SAMPLES(3) },
      SK_OK,
      "",
      SK_TIFF_RGB,
      8 },
    { "deep RGB",
      { SIZE, STRIP, PHOTO(2), { 258, SHORT, 3, SIXTEENS }, SAMPLES(3) },
      SK_OK,
      "",
      SK_TIFF_RGB,
      16 },
    { "RGBA",
      { SIZE, STRIP, PHOTO(2), BITS(8), SAMPLES(4), { 338, SHORT, 1, 2 } },
      SK_OK,
      "",
      SK_TIFF_RGB,
      8 },
    { "premultiplied",
      { SIZE, STRIP, PHOTO(2), BITS(8), SAMPLES(4), { 338, SHORT, 1, 1 } },
      SK_OK,
      "",
      SK_TIFF_RGBA_PREMULTIPLIED,
      8 },
    { "CMYK", { SIZE, STRIP, PHOTO(5), BITS(8), SAMPLES(4) }, SK_OK, "", SK_TIFF_CMYK, 8 },
    { "YCbCr in JPEG",
      { SIZE, STRIP, PHOTO(6), BITS(8), SAMPLES(3), { 259, SHORT, 1, 7 } },
      SK_OK,
      "",
      SK_TIFF_YCBCR,
      8 },
    { "the first entry of a tag counts",
      { SIZE, STRIP, PHOTO(1), PHOTO(5), BITS(8), BITS(3) },
      SK_OK,
      "",
      SK_TIFF_GREY,
      8 },
    { "a type that does not exist is passed over",
      { SIZE, STRIP, { 262, 99, 1, 5 }, PHOTO(1), BITS(8) },
      SK_OK,
      "",
      SK_TIFF_GREY,
      8 },
    { "no height", { { 256, LONG, 1, 2 }, STRIP }, SK_CORRUPT, "no dimensions", 0, 0 },
    { "width as a fraction",
      { { 256, FLOAT, 1, 2 }, { 257, LONG, 1, 3 }, STRIP },
      SK_CORRUPT,
      "not an integer",
      0,
      0 },
    { "nothing to read from", { SIZE, PHOTO(1), BITS(8) }, SK_CORRUPT, "no StripOffsets", 0, 0 },
    { "floating point",
      { SIZE, STRIP, PHOTO(1), BITS(32), { 339, SHORT, 1, 3 } },
      SK_UNSUPPORTED_MEDIA,
      "32 bits, sample format 3",
      0,
      0 },
    { "12 bits", { SIZE, STRIP, PHOTO(1), BITS(12) }, SK_UNSUPPORTED_MEDIA, "of 12 bits", 0, 0 },
    { "signed 16 bits",
      { SIZE, STRIP, PHOTO(1), BITS(16), { 339, SHORT, 1, 2 } },
      SK_UNSUPPORTED_MEDIA,
      "sample format 2",
      0,
      0 },
    { "L*a*b*",
      { SIZE, STRIP, PHOTO(8), BITS(8), SAMPLES(3) },
      SK_UNSUPPORTED_MEDIA,
      "photometric 8",
      0,
      0 },
    { "YCbCr outside JPEG",
      { SIZE, STRIP, PHOTO(6), BITS(8), SAMPLES(3) },
      SK_UNSUPPORTED_MEDIA,
      "photometric 6",
      0,
      0 },
    { "old JPEG",
      { SIZE, STRIP, PHOTO(6), BITS(8), SAMPLES(3), { 259, SHORT, 1, 6 } },
      SK_UNSUPPORTED_MEDIA,
      "compression 6",
      0,
      0 },
    { "bits unequal",
      { SIZE, STRIP, PHOTO(2), { 258, SHORT, 3, UNEQUAL }, SAMPLES(3) },
      SK_UNSUPPORTED_MEDIA,
      "unequal",
      0,
      0 },
    { "formats unequal",
      { SIZE, STRIP, PHOTO(2), BITS(8), SAMPLES(3), { 339, SHORT, 3, FORMATS } },
      SK_UNSUPPORTED_MEDIA,
      "several formats",
      0,
      0 },
    { "bits of two of three",
      { SIZE, STRIP, PHOTO(2), { 258, SHORT, 2, 0x00080008 }, SAMPLES(3) },
      SK_CORRUPT,
      "2 samples are stated",
      0,
      0 },
    { "60000 samples",
      { SIZE, STRIP, PHOTO(2), BITS(8), SAMPLES(60000) },
      SK_UNSUPPORTED_MEDIA,
      "60000 samples",
      0,
      0 },
    { "palette missing", { SIZE, STRIP, PHOTO(3), BITS(8) }, SK_CORRUPT, "ColorMap", 0, 0 },
    { "strips of no height",
      { SIZE, STRIP, PHOTO(1), BITS(8), { 278, LONG, 1, 0 } },
      SK_CORRUPT,
      "without pixels",
      0,
      0 },
    { "fill order 3",
      { SIZE, STRIP, PHOTO(1), BITS(8), { 266, SHORT, 1, 3 } },
      SK_UNSUPPORTED_MEDIA,
      "fill order 3",
      0,
      0 },
    { "value beyond the file ends the reading",
      { SIZE, STRIP, { 258, SHORT, 3, 60000 }, PHOTO(2), SAMPLES(3) },
      SK_OK,
      "",
      SK_TIFF_GREY,
      1 },
    { "value larger than the file is passed over",
      { SIZE, STRIP, { 258, SHORT, 60000, 8 }, PHOTO(1) },
      SK_OK,
      "",
      SK_TIFF_GREY,
      1 },
};

static void put(uint8_t *p, uint32_t v, unsigned bytes, bool is_big_endian)
{
    for (unsigned i = 0; i < bytes; i++)
        p[i] = (uint8_t)(v >> 8 * (is_big_endian ? bytes - 1 - i : i));
}

/* The file of exactly its size. */
static uint8_t *build(const struct row *row, bool is_big_endian, size_t *len)
{
    size_t count = 0;
    while (count < ENTRIES_MAX && row->entries[count].tag != 0)
        count++;
    *len = DIRECTORY_AT + 2 + count * 12 + 4;
    uint8_t *out = calloc(*len, 1);
    assert_non_null(out);
    memcpy(out, is_big_endian ? "MM\0*" : "II*\0", 4);
    put(out + 4, DIRECTORY_AT, 4, is_big_endian);
    for (size_t i = 0; i < UTIL_COUNT(data); i++)
        put(out + DATA_AT + i * 2, data[i], 2, is_big_endian);
    put(out + DIRECTORY_AT, (uint32_t)count, 2, is_big_endian);
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &row->entries[i];
        uint8_t *p = out + DIRECTORY_AT + 2 + i * 12;
        put(p, e->tag, 2, is_big_endian);
        put(p + 2, e->type, 2, is_big_endian);
        put(p + 4, e->count, 4, is_big_endian);
        bool is_short = e->type == SHORT && e->count <= 2;
        put(p + 8, e->value & (is_short ? 0xffff : 0xffffffff), is_short ? 2 : 4, is_big_endian);
        if (is_short)
            put(p + 10, e->value >> 16, 2, is_big_endian);
    }
    return out;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(rows) * 2; n++) {
        const struct row *row = &rows[n / 2];
        size_t len = 0;
        SK_AUTO(free_cleanup) uint8_t *bytes = build(row, n % 2 == 1, &len);
        struct sk_err err = SK_ERR_INIT;
        struct sk_tiff t;
        assert_true(sk_tiff_is(bytes, len));
        int rc = sk_tiff_open(&t, bytes, len, &err);
        if (rc != (row->code == SK_OK ? 0 : -1) || err.code != row->code ||
            !strstr(err.text, row->text))
            fail_msg("%s: %s: %s", row->name, sk_code_name(err.code), err.text);
        if (rc == 0 &&
            (t.pixel != row->pixel || t.bits != row->bits || t.width != 2 || t.height != 3))
            fail_msg("%s: pixel %d of %u bits, %u x %u", row->name, (int)t.pixel, t.bits, t.width,
                     t.height);
    }
}

/* [image-20] The tag, else XMP. */
static void test_orientation(void **state)
{
    (void)state;
    for (uint32_t value = 0; value < 10; value++) {
        const struct row row = { .entries = {
                                     SIZE, STRIP, PHOTO(1), BITS(8), { 274, SHORT, 1, value } } };
        size_t len = 0;
        SK_AUTO(free_cleanup) uint8_t *bytes = build(&row, false, &len);
        struct sk_err err = SK_ERR_INIT;
        struct sk_tiff t;
        assert_int_equal(sk_tiff_open(&t, bytes, len, &err), 0);
        assert_int_equal(t.orientation, value >= 1 && value <= 8 ? (int)value : 1);
    }
}

static void test_is(void **state)
{
    (void)state;

    static const struct {
        const char bytes[5];
        bool is;
    } magics[] = { { "II*", true },   { "MM\0*", true }, { "II+", true },    { "MM*", true },
                   { "II\0*", true }, { "IM*", false },  { "II\0+", false }, { "MM\0\0", false } };

    for (size_t n = 0; n < UTIL_COUNT(magics); n++)
        assert_int_equal(sk_tiff_is((const uint8_t *)magics[n].bytes, 4), magics[n].is);
    assert_false(sk_tiff_is((const uint8_t *)"II*", 3));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_orientation),
        cmocka_unit_test(test_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
