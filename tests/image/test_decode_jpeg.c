/* test_decode_jpeg.c - JPEG: sampling, progressive, CMYK, restarts, arithmetic codes, and what is
 * refused. */
#include "decode_util.h"

#include <jpeglib.h>

static const char *const files[] = {
    "rgb420.jpeg", "rgb422.jpeg", "progressive.jpeg", "grey.jpeg", "cmyk.jpeg", "restarts.jpeg",
};

UTIL_COMMON_TESTS(files);

static const struct util_bad bad[] = {
    { "header cut off", "rgb420.jpeg", 0, NULL, 0, 100, SK_CORRUPT, "cut off" },
    { "12 bits", "rgb420.jpeg", 162, "\x0c", 1, 0, SK_UNSUPPORTED_MEDIA, "12 bits" },
    { "2 components", "rgb420.jpeg", 167, "\x02", 1, 0, SK_UNSUPPORTED_MEDIA, "2 components" },
    { "lossless", "rgb420.jpeg", 159, "\xc3", 1, 0, SK_UNSUPPORTED_MEDIA, "lossless" },
    { "width 0", "rgb420.jpeg", 165, "\0\0", 2, 0, SK_CORRUPT, "at least one pixel" },
    { "65501 rows", "rgb420.jpeg", 163, "\xff\xdd", 2, 0, SK_LIMIT, "exceeds 65500" },
    { "65500 x 65500", "rgb420.jpeg", 163, "\xff\xdc\xff\xdc", 4, 0, SK_LIMIT, "max-pixels" },
    { "16-bit table of 64 bytes", "rgb420.jpeg", 24, "\x10", 1, 0, SK_CORRUPT,
      "quantisation table" },
    { "marker that does not exist", "rgb420.jpeg", 177, "\xff\x02", 2, 0, SK_CORRUPT,
      "bad marker" },
    { "impossible Huffman table", "rgb420.jpeg", 182, "\xff", 1, 0, SK_CORRUPT,
      "Bogus Huffman table" },
    { "scan cut off", "rgb420.jpeg", 0, NULL, 0, 700, SK_CORRUPT, "truncated" },
    { "progressive, cut off", "progressive.jpeg", 0, NULL, 0, 500, SK_CORRUPT, "truncated" },
};

static void test_refused(void **state)
{
    (void)state;
    util_refused(bad, UTIL_COUNT(bad));
}

/* The same picture coded arithmetically, and with Huffman codes: the same pixels. */
static int encode(bool is_arithmetic, uint8_t **out, unsigned long *len)
{
    struct jpeg_compress_struct cinfo;
    struct jpeg_error_mgr errors;
    uint8_t row[32 * 3];
    cinfo.err = jpeg_std_error(&errors);
    jpeg_create_compress(&cinfo);
    jpeg_mem_dest(&cinfo, out, len);
    cinfo.image_width = 32;
    cinfo.image_height = 40;
    cinfo.input_components = 3;
    cinfo.in_color_space = JCS_RGB;
    jpeg_set_defaults(&cinfo);
    cinfo.arith_code = is_arithmetic;
    jpeg_start_compress(&cinfo, TRUE);
    while (cinfo.next_scanline < cinfo.image_height) {
        for (unsigned i = 0; i < sizeof row; i++)
            row[i] = (uint8_t)(i * 7 + cinfo.next_scanline * cinfo.next_scanline);
        JSAMPROW rows[1] = { row };
        (void)jpeg_write_scanlines(&cinfo, rows, 1);
    }
    jpeg_finish_compress(&cinfo);
    jpeg_destroy_compress(&cinfo);
    return 0;
}

static void test_arithmetic(void **state)
{
    (void)state;
    struct sk_image imgs[2] = { { 0 }, { 0 } };
    for (int i = 0; i < 2; i++) {
        struct sk_err err = SK_ERR_INIT;
        uint8_t *bytes = NULL;
        unsigned long len = 0;
        assert_int_equal(encode(i == 1, &bytes, &len), 0);
        if (sk_image_decode(bytes, len, NULL, &imgs[i], NULL, &err) < 0)
            fail_msg("arithmetic %d: %s", i, err.text);
        free(bytes);
    }
    assert_memory_equal(imgs[0].pixels, imgs[1].pixels, 32 * 40 * 3);
    sk_image_done(&imgs[0]);
    sk_image_done(&imgs[1]);
}

/* [image-10] By way of jpeg_fast.c as well. */
static void test_fast(void **state)
{
    (void)state;
    struct sk_jpeg_fast *fast = sk_jpeg_fast_new();
    assert_non_null(fast);
    for (size_t n = 0; n < UTIL_COUNT(files); n++) {
        SK_AUTO(util_file_done) struct util_file f = util_open(files[n]);
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
        struct sk_err err = SK_ERR_INIT;
        struct sk_decode_report report = { 0 };
        const struct sk_decode_options opts = { 0 };
        const struct sk_format *format = NULL;
        const uint8_t *bytes = (const uint8_t *)f.bytes;
        assert_int_equal(sk_format_find(bytes, f.len, &opts, &format, &report.info, &err), 0);
        const struct sk_decode d = { .bytes = bytes,
                                     .len = f.len,
                                     .opts = &opts,
                                     .info = &report.info,
                                     .report = &report,
                                     .fast = fast };
        if (sk_format_collect(format, &d, &img, &tmp, &err) < 0)
            fail_msg("%s: %s", files[n], err.text);
        util_check_pixels(files[n], &img);
    }
    sk_jpeg_fast_free(fast);
}

/* [image-11] */
static void test_scans(void **state)
{
    (void)state;
    SK_AUTO(util_file_done) struct util_file f = util_open("progressive.jpeg");
    size_t scan = f.len;
    while (memcmp(f.bytes + scan - 2, "\xff\xda", 2) != 0)
        scan--;
    scan -= 2;
    size_t scan_len = f.len - 2 - scan;
    for (unsigned repeats = 80; repeats <= 120; repeats += 40) {
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        struct sk_err err = SK_ERR_INIT;
        size_t len = f.len + repeats * scan_len;
        SK_AUTO(free_cleanup) char *bytes = malloc(len);
        assert_non_null(bytes);
        memcpy(bytes, f.bytes, f.len - 2);
        for (unsigned i = 0; i < repeats; i++)
            memcpy(bytes + f.len - 2 + i * scan_len, f.bytes + scan, scan_len);
        memcpy(bytes + len - 2, "\xff\xd9", 2);
        int rc = sk_image_decode(bytes, len, NULL, &img, NULL, &err);
        assert_int_equal(rc, repeats == 80 ? 0 : -1);
        if (rc < 0)
            assert_int_equal(err.code, SK_LIMIT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { UTIL_COMMON_ROWS, cmocka_unit_test(test_refused),
                                        cmocka_unit_test(test_arithmetic),
                                        cmocka_unit_test(test_fast), cmocka_unit_test(test_scans) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
