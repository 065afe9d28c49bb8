/* test_jpeg_header.c - the walk over a JPEG's markers: what it finds, and what it refuses as Pillow
 * does. */
#include "decode_util.h"
#include "image/decode_priv.h"

#define SOI     "\xff\xd8"
#define FRAME   "\xff\xc0\0\x11\x08\0\x05\0\x07\x03\x01\x22\0\x02\x11\x01\x03\x11\x01"
#define GREY    "\xff\xc0\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0"
#define SCAN    "\xff\xda\0\x02"
#define TIFF(n) "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0" n "\0\0\0"
#define EXIF(n)                                                                                    \
    "\xff\xe1\0\x1e"                                                                               \
    "Exif\0\0" TIFF(n)
#define XMP "\xff\xe1\0\x33http://ns.adobe.com/xap/1.0/\0tiff:Orientation=\"7\""

static const struct row {
    const char *name, *bytes;
    size_t len;
    enum sk_code code; /* SK_OK: accepted */
    const char *text;
    unsigned components;
    int orientation;
} rows[] = {

#define ROW(name, bytes, code, text, components, orientation)                                      \
    {                                                                                              \
        name, bytes, sizeof(bytes) - 1, code, text, components, orientation                        \
    }
    ROW("colour", SOI FRAME SCAN, SK_OK, "", 3, 1),
    ROW("grey", SOI GREY SCAN, SK_OK, "", 1, 1),
    ROW("progressive", SOI "\xff\xc2\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0" SCAN, SK_OK, "", 1, 1),
    ROW("arithmetic", SOI "\xff\xc9\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0" SCAN, SK_OK, "", 1, 1),
    ROW("fill bytes, junk and restarts between segments",
        SOI "\xff\xff\xff\xd0junk\xff\0" GREY "\xff\xff" SCAN, SK_OK, "", 1, 1),
    ROW("segment of length 0", SOI "\xff\xfe\0\0" GREY SCAN, SK_OK, "", 1, 1),
    ROW("the last frame header counts", SOI FRAME GREY SCAN, SK_OK, "", 1, 1),
    ROW("EXIF", SOI EXIF("\x06") GREY SCAN, SK_OK, "", 1, 6),
    ROW("the first EXIF counts", SOI EXIF("\x03") EXIF("\x06") GREY SCAN, SK_OK, "", 1, 3),
    ROW("XMP", SOI XMP GREY SCAN, SK_OK, "", 1, 7),
    ROW("EXIF before XMP", SOI XMP EXIF("\x08") GREY SCAN, SK_OK, "", 1, 8),
    ROW("EXIF of no use, then XMP", SOI EXIF("\x09") XMP GREY SCAN, SK_OK, "", 1, 7),
    ROW("no scan", SOI FRAME, SK_CORRUPT, "no scan follows", 0, 0),
    ROW("no frame", SOI SCAN, SK_CORRUPT, "no frame header", 0, 0),
    ROW("length cut off", SOI "\xff\xe0\0", SK_CORRUPT, "cut off", 0, 0),
    ROW("segment cut off", SOI "\xff\xe0\0\x10JFIF", SK_CORRUPT, "cut off", 0, 0),
    ROW("JFIF too short", SOI "\xff\xe0\0\x08JFIF\0\x01" GREY SCAN, SK_CORRUPT,
        "application segment", 0, 0),
    ROW("Adobe too short",
        SOI "\xff\xee\0\x08"
            "Adobe\0" GREY SCAN,
        SK_CORRUPT, "application segment", 0, 0),
    ROW("frame too short", SOI "\xff\xc0\0\x07\x08\0\x05\0\x07" SCAN, SK_CORRUPT,
        "frame header is cut off", 0, 0),
    ROW("components cut off", SOI "\xff\xc0\0\x0a\x08\0\x05\0\x07\x01\x01\x11" SCAN, SK_CORRUPT,
        "frame header is cut off", 0, 0),
    ROW("12 bits", SOI "\xff\xc1\0\x0b\x0c\0\x05\0\x07\x01\x01\x11\0" SCAN, SK_UNSUPPORTED_MEDIA,
        "12 bits", 0, 0),
    ROW("2 components", SOI "\xff\xc0\0\x0b\x08\0\x05\0\x07\x02\x01\x11\0" SCAN,
        SK_UNSUPPORTED_MEDIA, "2 components", 0, 0),
    ROW("lossless", SOI "\xff\xc3\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0" SCAN, SK_UNSUPPORTED_MEDIA,
        "lossless", 0, 0),
    ROW("hierarchical", SOI "\xff\xde\0\x0b\x08\0\x05\0\x07\x01\x01\x11\0" SCAN,
        SK_UNSUPPORTED_MEDIA, "hierarchical", 0, 0),
    ROW("reserved marker", SOI "\xff\x01" GREY SCAN, SK_CORRUPT, "bad marker 0x01", 0, 0),
    ROW("table cut off",
        SOI "\xff\xdb\0\x10\x00"
            "0123456789abc" GREY SCAN,
        SK_CORRUPT, "quantisation table", 0, 0),
    ROW("too wide", SOI "\xff\xc0\0\x0b\x08\0\x05\xff\xdd\x01\x01\x11\0" SCAN, SK_LIMIT,
        "exceeds 65500", 0, 0),
#undef ROW
};

static void test_rows(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(rows); n++) {
        const struct row *row = &rows[n];
        SK_AUTO(free_cleanup) uint8_t *tight = malloc(row->len);
        assert_non_null(tight);
        memcpy(tight, row->bytes, row->len);
        struct sk_err err = SK_ERR_INIT;
        struct sk_jpeg_header header = { 0 };
        int rc = sk_jpeg_header_read(tight, row->len, &header, &err);
        if (rc != (row->code == SK_OK ? 0 : -1) || err.code != row->code ||
            !strstr(err.text, row->text))
            fail_msg("%s: %s: %s", row->name, sk_code_name(err.code), err.text);
        if (rc == 0 &&
            (header.width != 7 || header.height != 5 || header.components != row->components ||
             header.orientation != row->orientation))
            fail_msg("%s: %u x %u, %u components, orientation %d", row->name, header.width,
                     header.height, header.components, header.orientation);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
