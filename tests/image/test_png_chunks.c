/* test_png_chunks.c - the walk over a PNG's chunks: checksums, order, lengths, animations,
 * orientation. */
#include "decode_util.h"
#include "image/png_priv.h"

#include <zlib.h>

enum {
    CHUNKS_MAX = 6,
    FILE_MAX = 1024
};

struct chunk {
    const char *type, *data;
    size_t len;
    bool is_wrong; /* its checksum */
};

#define CHUNK(type, data)                                                                          \
    {                                                                                              \
        type, data, sizeof(data) - 1, false                                                        \
    }
#define WRONG(type, data)                                                                          \
    {                                                                                              \
        type, data, sizeof(data) - 1, true                                                         \
    }
#define HEADER   CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x08\x02\0\0\0")
#define INDEXED  CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x08\x03\0\0\0")
#define DATA     CHUNK("IDAT", "data")
#define END      CHUNK("IEND", "")
#define COUNT(n) CHUNK("acTL", "\0\0\0" n "\0\0\0\0")
#define FRAME(number, w, h, x)                                                                     \
    CHUNK("fcTL", "\0\0\0" number "\0\0\0" w "\0\0\0" h "\0\0\0" x "\0\0\0\0"                      \
                  "123456")
#define EXIF CHUNK("eXIf", "II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0")
#define XMP  CHUNK("iTXt", "XML:com.adobe.xmp\0\0\0\0\0tiff:Orientation=\"8\"")

static const struct row {
    const char *name;
    struct chunk chunks[CHUNKS_MAX];
    const char *open, *finish; /* in the error; NULL: none */
    int orientation;
} rows[] = {
    { "plain", { HEADER, DATA, END }, NULL, NULL, 1 },
    { "palette", { INDEXED, CHUNK("PLTE", "abcdef"), DATA, END }, NULL, NULL, 1 },
    { "no end", { HEADER, DATA }, NULL, NULL, 1 },
    { "no header", { DATA, END }, "no header", NULL, 0 },
    { "no data", { HEADER, END }, "no picture data", NULL, 0 },
    { "nothing", { { NULL, NULL, 0, false } }, "broken chunk", NULL, 0 },
    { "header too short",
      { CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x08\x02\0\0"), DATA },
      "IHDR is too short",
      NULL,
      0 },
    { "width 0", { CHUNK("IHDR", "\0\0\0\0\0\0\0\x05\x08\x02\0\0\0"), DATA }, "0 pixels", NULL, 0 },
    { "colour type 5",
      { CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x08\x05\0\0\0"), DATA },
      "colour type 5 with 8",
      NULL,
      0 },
    { "palette of 16 bits",
      { CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x10\x03\0\0\0"), DATA },
      "colour type 3 with 16",
      NULL,
      0 },
    { "filter method 1",
      { CHUNK("IHDR", "\0\0\0\x07\0\0\0\x05\x08\x02\0\x01\0"), DATA },
      "filter method 1",
      NULL,
      0 },
    { "wrong checksum before the data",
      { HEADER, WRONG("tEXt", "a\0b"), DATA },
      "checksum",
      NULL,
      0 },
    { "wrong checksum behind the data",
      { HEADER, DATA, WRONG("tEXt", "a\0b"), END },
      NULL,
      NULL,
      1 },
    { "wrong checksum of the data", { HEADER, WRONG("IDAT", "data"), END }, NULL, NULL, 1 },
    { "unknown chunks",
      { HEADER, CHUNK("abCd", "xyz"), DATA, CHUNK("efGh", "xyz"), END },
      NULL,
      NULL,
      1 },
    { "name of a chunk broken", { HEADER, CHUNK("ab?d", "xyz"), DATA }, "broken chunk", NULL, 0 },
    { "gAMA too short", { HEADER, CHUNK("gAMA", "xyz"), DATA }, "gAMA is too short", NULL, 0 },
    { "tRNS too short", { HEADER, CHUNK("tRNS", "12345"), DATA }, "tRNS is too short", NULL, 0 },
    { "pHYs behind the data too short",
      { HEADER, DATA, CHUNK("pHYs", "xyz"), END },
      NULL,
      "pHYs is too short",
      1 },
    { "profile packed in an unknown way",
      { HEADER, CHUNK("iCCP", "name\0\x01xyz"), DATA },
      "iCCP",
      NULL,
      0 },
    { "text packed in an unknown way",
      { HEADER, CHUNK("zTXt", "name\0\x01xyz"), DATA },
      "zTXt",
      NULL,
      0 },
    { "EXIF before the data", { HEADER, EXIF, DATA, END }, NULL, NULL, 6 },
    { "EXIF behind the data", { HEADER, DATA, EXIF, END }, NULL, NULL, 6 },
    { "XMP", { HEADER, XMP, DATA, END }, NULL, NULL, 8 },
    { "EXIF and XMP", { HEADER, XMP, EXIF, DATA, END }, NULL, NULL, 6 },
    { "animation",
      { HEADER, COUNT("\x02"), FRAME("\0", "\x07", "\x05", "\0"), DATA,
        FRAME("\x05", "\x07", "\x05", "\0") },
      NULL,
      NULL,
      1 },
    { "one frame, then one out of order",
      { HEADER, FRAME("\0", "\x07", "\x05", "\0"), DATA, FRAME("\x05", "\x07", "\x05", "\0") },
      NULL,
      "out of order",
      1 },
    { "first frame is number 1",
      { HEADER, COUNT("\x02"), FRAME("\x01", "\x07", "\x05", "\0"), DATA },
      "out of order",
      NULL,
      0 },
    { "frame outside",
      { HEADER, FRAME("\0", "\x07", "\x05", "\x01"), DATA },
      "outside the picture",
      NULL,
      0 },
    { "frame of no width",
      { HEADER, FRAME("\0", "\0", "\x05", "\0"), DATA },
      "without pixels",
      NULL,
      0 },
    { "frame data without a frame",
      { HEADER, CHUNK("fdAT", "\0\0\0\x01xyz"), DATA },
      "out of order",
      NULL,
      0 },
};

static uint8_t *build(const struct row *row, size_t *len)
{
    uint8_t *out = malloc(FILE_MAX), *p = out;
    assert_non_null(out);
    memcpy(p, "\x89PNG\r\n\x1a\n", 8);
    p += 8;
    for (const struct chunk *c = row->chunks; c < row->chunks + CHUNKS_MAX && c->type; c++) {
        uint32_t n = (uint32_t)c->len;
        memcpy(p, ((uint8_t[4]){ 0, 0, (uint8_t)(n >> 8), (uint8_t)n }), 4);
        memcpy(p + 4, c->type, 4);
        memcpy(p + 8, c->data, n);
        uint32_t crc = (uint32_t)crc32(0, p + 4, n + 4) ^ (c->is_wrong ? 1 : 0);
        p += 8 + n;
        for (int i = 0; i < 4; i++)
            *p++ = (uint8_t)(crc >> (24 - 8 * i));
    }
    *len = (size_t)(p - out);
    uint8_t *tight = realloc(out, *len);
    assert_non_null(tight);
    return tight;
}

static void test_rows(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(rows); n++) {
        const struct row *row = &rows[n];
        size_t len = 0;
        SK_AUTO(free_cleanup) uint8_t *bytes = build(row, &len);
        struct sk_err err = SK_ERR_INIT;
        struct sk_png png;
        assert_true(sk_png_is(bytes, len));
        int rc = sk_png_open(&png, bytes, len, &err);
        if (rc != (row->open ? -1 : 0) || (row->open && !strstr(err.text, row->open)))
            fail_msg("%s: opened %d: %s", row->name, rc, err.text);
        if (rc < 0)
            continue;
        assert_int_equal(png.width, 7);
        assert_int_equal(png.height, 5);
        assert_int_equal(sk_png_orientation(&png), row->orientation);
        sk_png_skip(&png, png.data.len);
        rc = sk_png_finish(&png, &err);
        if (rc != (row->finish ? -1 : 0) || (row->finish && !strstr(err.text, row->finish)))
            fail_msg("%s: finished %d: %s", row->name, rc, err.text);
    }
}

/* Chunks behind the data must be complete, their checksums and the end need not be there. */
static void test_cut_behind(void **state)
{
    (void)state;
    const struct row row = { .chunks = { HEADER, DATA, CHUNK("tEXt", "a\0bc"), END } };
    size_t len = 0;
    SK_AUTO(free_cleanup) uint8_t *bytes = build(&row, &len);
    size_t text_at = 8 + 25 + 16;
    for (size_t cut = text_at - 4; cut <= len; cut++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_png png;
        assert_int_equal(sk_png_open(&png, bytes, cut, &err), 0);
        sk_png_skip(&png, png.data.len);
        bool is_within = cut >= text_at + 8 && cut < text_at + 12;
        assert_int_equal(sk_png_finish(&png, &err), is_within ? -1 : 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_rows),
                                        cmocka_unit_test(test_cut_behind) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
