/* test_formats.c - the choice of a format, the limits, probing, turning upright on the way. */
#include "decode_util.h"

#include "base/clock.h"

static const char *const formats[] = { "jpeg", "png", "webp", "bmp", "gif", "tiff", "pnm" };

static const char *const one_of_each[] = {
    "rgb420.jpeg", "rgb.png", "lossy.webp", "bits24.bmp", "plain.gif", "lzw.tiff", "p6.pnm",
};

/* [image-1] */
static void test_list(void **state)
{
    (void)state;
    const char *list = sk_image_formats();
    for (size_t n = 0; n < UTIL_COUNT(formats); n++)
        assert_non_null(strstr(list, formats[n]));
}

static void test_unknown(void **state)
{
    (void)state;

    static const struct {
        const char *bytes;
        size_t len;
        enum sk_code code;
    } rows[] = {
        { "", 0, SK_CORRUPT },
        { "x", 1, SK_UNSUPPORTED_MEDIA },
        { "%PDF-1.7", 8, SK_UNSUPPORTED_MEDIA },
        { "\0\0\0\x1c"
          "ftypavif",
          12, SK_UNSUPPORTED_MEDIA },
        { "P", 1, SK_UNSUPPORTED_MEDIA },
        { "\xff\xd8", 2, SK_UNSUPPORTED_MEDIA },
        { "RIFF\0\0\0\0WAVEfmt ", 16, SK_UNSUPPORTED_MEDIA },
    };

    for (size_t n = 0; n < UTIL_COUNT(rows); n++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_image img = { 0 };
        struct sk_image_info info;
        assert_int_equal(sk_image_decode(rows[n].bytes, rows[n].len, NULL, &img, NULL, &err), -1);
        assert_int_equal(err.code, rows[n].code);
        assert_int_equal(sk_image_probe(rows[n].bytes, rows[n].len, &info, &err), -1);
        if (rows[n].code == SK_UNSUPPORTED_MEDIA)
            assert_non_null(strstr(err.text, sk_image_formats()));
        assert_null(img.pixels);
    }
}

static void test_probe(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(one_of_each); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(one_of_each[n]);
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_image_info info = { 0 };
        if (sk_image_probe(f.bytes, f.len, &info, &err) < 0 ||
            sk_image_decode(f.bytes, f.len, NULL, &img, NULL, &err) < 0)
            fail_msg("%s: %s", one_of_each[n], err.text);
        assert_string_equal(info.format, formats[n]);
        assert_int_equal(info.width, img.width);
        assert_int_equal(info.height, img.height);
        assert_int_equal(info.orientation, 1);
    }
}

/* [image-3] At the limit, and one pixel beyond: then nothing is allocated. */
static void test_limit(void **state)
{
    (void)state;
    for (size_t n = 0; n < UTIL_COUNT(one_of_each); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(one_of_each[n]);
        struct sk_err err = SK_ERR_INIT;
        struct sk_image_info info = { 0 };
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        assert_int_equal(sk_image_probe(f.bytes, f.len, &info, &err), 0);
        struct sk_decode_options opts = { .max_pixels = (uint64_t)info.width * info.height - 1 };
        assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, NULL, &err), -1);
        assert_int_equal(err.code, SK_LIMIT);
        assert_non_null(strstr(err.text, "max-pixels"));
        assert_null(img.pixels);
        opts.max_pixels++;
        assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, NULL, &err), 0);
    }
}

/* [image-8] Past the deadline nothing is decoded, and what was in the picture stays; with one to
 * come, or none, all is as before. */
static void test_deadline(void **state)
{
    (void)state;
    static const char *const names[] = {
        "progressive.jpeg",    "rgb420.jpeg", "rgb.png",
        "tile_interlaced.png", "lossy.webp",  "bits24.bmp",
        "plain.gif",           "lzw.tiff",    "p6.pnm",
    };
    for (size_t n = 0; n < UTIL_COUNT(names); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_decode_options opts = { .deadline_ns = 0 };
        assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, NULL, &err), 0);
        util_check_pixels(names[n], &img);
        opts.deadline_ns = 1;
        if (sk_image_decode(f.bytes, f.len, &opts, &img, NULL, &err) != -1 ||
            err.code != SK_TIMEOUT ||
            !strstr(err.text, ": the deadline passed while the picture was decoded"))
            fail_msg("%s: %s: '%s'", names[n], sk_code_name(err.code), err.text);
        util_check_pixels(names[n], &img);
        opts.deadline_ns = sk_now_ns() + 3600ull * 1000000000;
        assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, NULL, &err), 0);
        util_check_pixels(names[n], &img);
    }
}

/* [image-8] Decoders that work long before their first row look for themselves: here the sink does
 * not. */
static void test_deadline_before_rows(void **state)
{
    (void)state;
    static const char *const names[] = {
        "progressive.jpeg", "tile_interlaced.png", "interlaced.gif", "rle8.bmp",
        "lzw.tiff",         "deflate_tiles.tiff",  "rgb_tiles.tiff",
    };
    for (size_t n = 0; n < UTIL_COUNT(names); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        struct sk_err err = SK_ERR_INIT;
        const struct sk_format *format = NULL;
        const struct sk_decode_options opts = { .deadline_ns = 1 };
        struct sk_decode_report report = { 0 };
        const uint8_t *bytes = (const uint8_t *)f.bytes;
        assert_int_equal(sk_format_find(bytes, f.len, &opts, &format, &report.info, &err), 0);
        const struct sk_decode d = {
            .bytes = bytes, .len = f.len, .opts = &opts, .info = &report.info, .report = &report
        };
        struct util_sink s = { { util_sink_begin, util_sink_rows }, 1 }; /* begin, but no rows */
        if (format->decode(&d, &s.sink, &err) != -1 || err.code != SK_TIMEOUT)
            fail_msg("%s: %s: '%s'", names[n], sk_code_name(err.code), err.text);
    }
}

/* [image-20] [image-22] */
static void test_upright(void **state)
{
    (void)state;
    SK_AUTO(util_file_done) struct util_file f = util_open("turned.webp");
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image plain = { 0 };
    struct sk_err err = SK_ERR_INIT;
    struct sk_decode_report report = { 0 };
    const struct sk_decode_options opts = { .exif_orientation = true };
    assert_int_equal(sk_image_decode(f.bytes, f.len, NULL, &plain, NULL, &err), 0);
    assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, &report, &err), 0);
    assert_int_equal(report.info.orientation, 6);
    assert_int_equal(report.info.width, plain.width); /* as stored */
    assert_int_equal(img.width, plain.height);
    assert_int_equal(img.height, plain.width);
    /* The first pixel of the stored picture is the last of the first row now. */
    assert_memory_equal(img.pixels + (size_t)(img.width - 1) * 3, plain.pixels, 3);
}

static int decode_upright(void *ctx, struct sk_err *err)
{
    const struct util_file *f = ctx;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    const struct sk_decode_options opts = { .exif_orientation = true };
    return sk_image_decode(f->bytes, f->len, &opts, &img, NULL, err);
}

static void test_allocations(void **state)
{
    (void)state;
    SK_AUTO(util_file_done) struct util_file f = util_open("turned.webp");
    assert_true(sk_alloc_sweep("upright", decode_upright, &f, 0) >= 3);
}

/* [image-15] Each way, and the report, by way of a deep grey PNG. */
static void test_grey16(void **state)
{
    (void)state;
    static const char *const names[] = { "grey16.png", "grey16_big_endian.tiff", "p5_16.pnm" };
    for (size_t n = 0; n < UTIL_COUNT(names); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(names[n]);
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        for (enum sk_grey16 how = SK_GREY16_CLIP; how < SK_GREY16_COUNT; how++) {
            struct sk_err err = SK_ERR_INIT;
            struct sk_decode_report report = { 0 };
            const struct sk_decode_options opts = { .grey16 = how };
            unsigned lo = 255, hi = 0, clipped = 0;
            assert_int_equal(sk_image_decode(f.bytes, f.len, &opts, &img, &report, &err), 0);
            for (size_t i = 0; i < (size_t)img.width * img.height * 3; i++) {
                lo = img.pixels[i] < lo ? img.pixels[i] : lo;
                hi = img.pixels[i] > hi ? img.pixels[i] : hi;
                clipped += img.pixels[i] == 255;
            }
            if (how == SK_GREY16_MIN_MAX && (lo != 0 || hi != 255))
                fail_msg("%s: min_max gives %u to %u", names[n], lo, hi);
            assert_int_equal(report.grey16_clipped,
                             how == SK_GREY16_CLIP && clipped > img.width * img.height * 3 / 2);
        }
    }
}

static int decode_min_max(void *ctx, struct sk_err *err)
{
    const struct util_file *f = ctx;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    const struct sk_decode_options opts = { .grey16 = SK_GREY16_MIN_MAX };
    return sk_image_decode(f->bytes, f->len, &opts, &img, NULL, err);
}

static void test_grey16_allocations(void **state)
{
    (void)state;
    SK_AUTO(util_file_done) struct util_file f = util_open("grey16.png");
    assert_true(sk_alloc_sweep("min_max", decode_min_max, &f, 0) >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),     cmocka_unit_test(test_unknown),
        cmocka_unit_test(test_probe),    cmocka_unit_test(test_limit),
        cmocka_unit_test(test_upright),  cmocka_unit_test(test_allocations),
        cmocka_unit_test(test_grey16),   cmocka_unit_test(test_grey16_allocations),
        cmocka_unit_test(test_deadline), cmocka_unit_test(test_deadline_before_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
