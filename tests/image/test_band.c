/* test_band.c - rows on their way to a sink: all of them once, in order; grey, deep grey and CMYK
 * on the way. */
#include "decode_util.h"
#include "image/decode_priv.h"

/* Checks what arrives: row y is filled with y % 251. */
struct checker {
    struct sk_sink sink;
    uint32_t width, height, next;
    unsigned bands;
};

static int checker_begin(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err)
{
    (void)err;
    struct checker *c = (struct checker *)sink;
    c->width = width;
    c->height = height;
    return 0;
}

static int checker_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y,
                        uint32_t count, struct sk_err *err)
{
    (void)err;
    struct checker *c = (struct checker *)sink;
    assert_int_equal(y, c->next);
    assert_true(count > 0 && count <= c->height - y);
    for (uint32_t i = 0; i < count; i++)
        for (size_t x = 0; x < (size_t)c->width * 3; x++)
            assert_int_equal(rgb[i * stride + x], (y + i) % 251);
    unsigned behind = 0;
    for (size_t i = 0; i < SK_BAND_SLACK; i++) /* may be read */
        behind += rgb[(count - 1) * stride + (size_t)c->width * 3 + i];
    assert_true(behind <= SK_BAND_SLACK * 255);
    c->next += count;
    c->bands++;
    return 0;
}

static void test_rows(void **state)
{
    (void)state;

    static const struct {
        uint32_t width, height;
        enum sk_band_kind kind;
        unsigned bands_min, bands_max;
    } rows[] = {
        { 1, 1, SK_BAND_ROWS, 1, 1 },         { 10, 10, SK_BAND_ROWS, 1, 1 },
        { 1000, 1000, SK_BAND_ROWS, 20, 60 }, { 40000, 7, SK_BAND_ROWS, 7, 7 },
        { 1000, 100, SK_BAND_WHOLE, 1, 1 },
    };

    for (size_t n = 0; n < UTIL_COUNT(rows); n++) {
        struct sk_err err = SK_ERR_INIT;
        struct checker c = { .sink = { checker_begin, checker_rows } };
        struct sk_band band;
        assert_int_equal(
            sk_band_open(&band, &c.sink, rows[n].width, rows[n].height, rows[n].kind, &err), 0);
        for (uint32_t y = 0; y < rows[n].height; y++) {
            if (rows[n].kind == SK_BAND_WHOLE) {
                memset(band.pixels + y * band.stride, (int)(y % 251), band.stride);
                continue;
            }
            memset(sk_band_row(&band), (int)(y % 251), band.stride);
            assert_int_equal(sk_band_next(&band, &err), 0);
        }
        if (rows[n].kind == SK_BAND_WHOLE)
            assert_int_equal(sk_band_push(&band, &err), 0);
        assert_int_equal(c.next, rows[n].height);
        assert_in_range(c.bands, rows[n].bands_min, rows[n].bands_max);
        sk_band_done(&band);
    }
}

static void test_grey_and_cmyk(void **state)
{
    (void)state;
    uint8_t out[6];
    sk_grey_to_rgb((const uint8_t *)"\x01\xff", 2, out);
    assert_memory_equal(out, "\x01\x01\x01\xff\xff\xff", 6);
    /* No ink is white, black is black; between them Pillow's rounding: 155 - (100 * 155 / 255
     * rounded) */
    sk_cmyk_to_rgb((const uint8_t *)"\0\0\0\0\x10\x20\x30\xff", 2, out);
    assert_memory_equal(out, "\xff\xff\xff\0\0\0", 6);
    sk_cmyk_to_rgb((const uint8_t *)"\x64\x00\xff\x64", 1, out);
    assert_int_equal(out[0], 155 - 61);
    assert_int_equal(out[1], 155);
    assert_int_equal(out[2], 0);
}

/* [image-15] */
static void test_grey16(void **state)
{
    (void)state;
    static const uint16_t samples[2][4] = { { 0, 100, 255, 256 }, { 300, 1000, 40000, 65535 } };
    static const uint8_t want[SK_GREY16_COUNT][8] = {
        [SK_GREY16_CLIP] = { 0, 100, 255, 255, 255, 255, 255, 255 },
        [SK_GREY16_HIGH_BYTE] = { 0, 0, 0, 1, 1, 3, 156, 255 },
        [SK_GREY16_MIN_MAX] = { 0, 0, 1, 1, 1, 4, 156, 255 },
    };
    for (enum sk_grey16 how = SK_GREY16_CLIP; how < SK_GREY16_COUNT; how++) {
        struct sk_err err = SK_ERR_INIT;
        SK_AUTO(sk_image_done) struct sk_image img = { 0 };
        struct sk_collector collector;
        struct sk_band band;
        struct sk_grey16_rows g;
        struct sk_decode_report report = { 0 };
        sk_collector_init(&collector, &img);
        assert_int_equal(sk_band_open(&band, &collector.sink, 4, 2, SK_BAND_ROWS, &err), 0);
        assert_int_equal(sk_grey16_open(&g, &band, how, &err), 0);
        assert_int_equal(sk_grey16_row(&g, samples[0], &err), 0);
        assert_int_equal(sk_grey16_row(&g, samples[1], &err), 0);
        assert_int_equal(sk_grey16_finish(&g, &report, &err), 0);
        for (unsigned i = 0; i < 8; i++)
            assert_int_equal(img.pixels[i * 3 + 1], want[how][i]);
        assert_int_equal(report.grey16_clipped, how == SK_GREY16_CLIP); /* 5 of 8 */
        sk_grey16_done(&g);
        sk_band_done(&band);
    }
}

/* A flat picture has no range to stretch. */
static void test_flat(void **state)
{
    (void)state;
    static const uint16_t samples[1] = { 777 };
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    struct sk_collector collector;
    struct sk_band band;
    struct sk_grey16_rows g;
    struct sk_decode_report report = { 0 };
    sk_collector_init(&collector, &img);
    assert_int_equal(sk_band_open(&band, &collector.sink, 1, 1, SK_BAND_ROWS, &err), 0);
    assert_int_equal(sk_grey16_open(&g, &band, SK_GREY16_MIN_MAX, &err), 0);
    assert_int_equal(sk_grey16_row(&g, samples, &err), 0);
    assert_int_equal(sk_grey16_finish(&g, &report, &err), 0);
    assert_int_equal(img.pixels[0], 0);
    sk_grey16_done(&g);
    sk_band_done(&band);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_grey_and_cmyk),
        cmocka_unit_test(test_grey16),
        cmocka_unit_test(test_flat),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
