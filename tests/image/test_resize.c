/*
 * test_resize.c - the resizer around its kernels: order of the passes, windows, bands, errors. That
 * the bytes are Pillow's is tests/it/test_pillow_resize.py's; here a direct computation of the
 * definition stands in for it.
 */
#include "base/limits.h"
#include "harness/alloc_fail.h"
#include "resize_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEED = 11
};

static void make_image(struct sk_image *img, uint32_t w, uint32_t h, uint32_t seed)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_alloc(img, w, h, &err), 0);
    util_fill(img->pixels, (size_t)w * h * 3, seed % 2 ? UTIL_NOISE : UTIL_EXTREME, &seed);
}

static void resize(const struct sk_image *src, const struct sk_resize *to, struct sk_image *dst)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_image_resize(src, to, dst, &err) < 0)
        fail_msg("%ux%u to %ux%u: %s", src->width, src->height, to->out_w, to->out_h, err.text);
}

/* One pass by the definition: step and stride lead along the axis, lines and pitch across it. */
static void direct_pass(const uint8_t *src, uint8_t *dst, uint32_t in, uint32_t out,
                        enum sk_filter filter, size_t step, size_t lines, size_t src_pitch,
                        size_t dst_pitch)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_taps t;
    const struct sk_axis axis = { in, out, 0, out, filter, false, false };
    assert_int_equal(sk_taps_init(&t, &axis, &sk_kernels_c, &err), 0);
    for (size_t l = 0; l < lines; l++) {
        for (uint32_t i = 0; i < out; i++) {
            int64_t sum = 1 << (SK_WEIGHT_BITS - 1);
            for (uint32_t x = 0; x < t.count[i]; x++)
                sum += (int64_t)src[l * src_pitch + (t.start[i] + x) * step] *
                       t.k[(size_t)i * t.ksize + x];
            sum >>= SK_WEIGHT_BITS;
            dst[l * dst_pitch + i * step] = (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
        }
    }
    sk_taps_done(&t);
}

static void direct_rows(const struct sk_image *src, struct sk_image *dst, uint32_t out_w,
                        enum sk_filter filter)
{
    struct sk_err err = SK_ERR_INIT;
    assert_int_equal(sk_image_alloc(dst, out_w, src->height, &err), 0);
    for (size_t c = 0; c < 3; c++)
        direct_pass(src->pixels + c, dst->pixels + c, src->width, out_w, filter, 3, src->height,
                    src->width * 3, out_w * 3);
}

static void direct_columns(const struct sk_image *src, struct sk_image *dst, uint32_t out_h,
                           enum sk_filter filter)
{
    struct sk_err err = SK_ERR_INIT;
    size_t row = (size_t)src->width * 3;
    assert_int_equal(sk_image_alloc(dst, src->width, out_h, &err), 0);
    direct_pass(src->pixels, dst->pixels, src->height, out_h, filter, row, row, 1, 1);
}

static const struct order {
    const char *name;
    uint32_t w, h, out_w, out_h;
    bool columns_first;
} orders[] = {
    { "landscape to square", 40, 20, 10, 10, false },
    { "square to square", 40, 40, 10, 10, false },
    { "height shrinks by twice the width", 20, 40, 10, 20, false },
    { "and by one more", 20, 40, 10, 19, true },
    { "tall", 10, 90, 5, 5, true },
    { "wider and lower", 10, 20, 11, 19, true },
    { "wider, same height", 10, 20, 14, 20, false },
    { "narrower, same height", 10, 20, 4, 20, false },
    { "wider and higher", 10, 20, 14, 21, false },
    { "narrower and higher", 10, 20, 4, 30, false },
    { "one column", 1, 200, 3, 50, true },
    { "one row", 200, 1, 50, 3, false },
    { "one pixel", 1, 1, 5, 4, false },
    { "to one pixel", 33, 17, 1, 1, false },
};

/* [image-51] */
static void test_orders(void **state)
{
    (void)state;
    for (size_t n = 0; n < sizeof orders / sizeof orders[0]; n++) {
        const struct order *o = &orders[n];
        struct sk_image src = { 0 }, middle = { 0 }, want = { 0 }, got = { 0 };
        const struct sk_resize to = { .out_w = o->out_w,
                                      .out_h = o->out_h,
                                      .filter = SK_FILTER_LANCZOS };
        make_image(&src, o->w, o->h, SEED + (uint32_t)n);
        if (o->columns_first) {
            direct_columns(&src, &middle, o->out_h, to.filter);
            direct_rows(&middle, &want, o->out_w, to.filter);
        } else {
            direct_rows(&src, &middle, o->out_w, to.filter);
            direct_columns(&middle, &want, o->out_h, to.filter);
        }
        resize(&src, &to, &got);
        if (got.width != o->out_w || got.height != o->out_h ||
            memcmp(got.pixels, want.pixels, (size_t)o->out_w * o->out_h * 3) != 0)
            fail_msg("%s", o->name);
        sk_image_done(&src);
        sk_image_done(&middle);
        sk_image_done(&want);
        sk_image_done(&got);
    }
}

static void test_nearest(void **state)
{
    (void)state;
    uint8_t line[] = { 0, 0, 0, 10, 10, 10, 20, 20, 20, 30, 30, 30, 40, 40, 40 };
    const struct sk_image src = { .width = 5, .height = 1, .pixels = line };
    struct sk_image dst = { 0 };
    resize(&src, &(struct sk_resize){ .out_w = 3, .out_h = 2, .filter = SK_FILTER_NEAREST }, &dst);
    static const uint8_t want[] = { 0, 20, 40, 0, 20, 40 };
    for (size_t i = 0; i < sizeof want; i++)
        assert_int_equal(dst.pixels[i * 3], want[i]);
    resize(&src,
           &(struct sk_resize){
               .out_w = 10, .out_h = 1, .filter = SK_FILTER_NEAREST, .x = 3, .w = 4, .h = 1 },
           &dst);
    static const uint8_t window[] = { 10, 20, 20, 30 };
    assert_int_equal(dst.width, 4);
    for (size_t i = 0; i < sizeof window; i++)
        assert_int_equal(dst.pixels[i * 3], window[i]);
    sk_image_done(&dst);
}

/* [image-50] A window of the result equals the same part of the whole result: every filter, both
 * orders, sizes that stay. */
static void test_windows(void **state)
{
    (void)state;
    uint32_t seed = SEED;
    struct sk_image src = { 0 }, whole = { 0 }, part = { 0 };
    for (int n = 0; n < 300; n++) {
        uint32_t w = util_between(&seed, 1, 70), h = util_between(&seed, 1, 90);
        struct sk_resize to = { .filter = (enum sk_filter)(n % SK_FILTER_COUNT) };
        to.out_w = n % 5 == 0 ? w : util_between(&seed, 1, 60);
        to.out_h = n % 7 == 0 ? h : util_between(&seed, 1, 60);
        make_image(&src, w, h, seed);
        resize(&src, &to, &whole);
        to.x = util_between(&seed, 0, to.out_w - 1);
        to.y = util_between(&seed, 0, to.out_h - 1);
        to.w = util_between(&seed, 1, to.out_w - to.x);
        to.h = util_between(&seed, 1, to.out_h - to.y);
        resize(&src, &to, &part);
        assert_int_equal(part.width, to.w);
        assert_int_equal(part.height, to.h);
        for (uint32_t y = 0; y < to.h; y++)
            if (memcmp(part.pixels + (size_t)y * to.w * 3,
                       whole.pixels + ((size_t)(to.y + y) * to.out_w + to.x) * 3,
                       (size_t)to.w * 3) != 0)
                fail_msg("%ux%u to %ux%u %s, window %ux%u at %u,%u, row %u", w, h, to.out_w,
                         to.out_h, sk_filter_name(to.filter), to.w, to.h, to.x, to.y, y);
    }
    sk_image_done(&src);
    sk_image_done(&whole);
    sk_image_done(&part);
}

/* Runs a resize with the source in bands of random height, each gone after the call. */
static void resize_in_bands(struct sk_resizer *r, const struct sk_image *src, int orientation,
                            const struct sk_resize *to, uint32_t highest, uint32_t *seed,
                            struct sk_image *dst)
{
    struct sk_err err = SK_ERR_INIT;
    if (sk_resizer_begin(r, src->width, src->height, orientation, to, dst, &err) < 0)
        fail_msg("%s", err.text);
    for (uint32_t y = 0; y < src->height;) {
        uint32_t count = util_between(seed, 1, highest);
        count = count < src->height - y ? count : src->height - y;
        size_t row = (size_t)src->width * 3, stride = row + util_between(seed, 0, 7);
        uint8_t *band = malloc(stride * count + SK_BAND_SLACK);
        assert_non_null(band);
        memset(band, 77, stride * count + SK_BAND_SLACK);
        for (uint32_t i = 0; i < count; i++)
            memcpy(band + i * stride, src->pixels + (y + i) * row, row);
        sk_resizer_rows(r, band, stride, y, count);
        free(band);
        y += count;
    }
    if (sk_resizer_finish(r, &err) < 0)
        fail_msg("%s", err.text);
}

static void random_target(uint32_t w, uint32_t h, int n, uint32_t *seed, struct sk_resize *to)
{
    *to = (struct sk_resize){ .filter = (enum sk_filter)(n % SK_FILTER_COUNT) };
    to->out_w = n % 7 == 0 ? w : util_between(seed, 1, 50);
    to->out_h = n % 5 == 0 ? h : util_between(seed, h > 40 ? h - 40 : 1, h + 9);
    if (n % 3 != 0)
        return;
    to->x = util_between(seed, 0, to->out_w - 1);
    to->y = util_between(seed, 0, to->out_h - 1);
    to->w = util_between(seed, 1, to->out_w - to->x);
    to->h = util_between(seed, 1, to->out_h - to->y);
}

/* Any orientation, the source in bands: as turning the picture upright, then resizing it. Both
 * orders of passes, every filter, windows, sides that stay; all kernels. */
static void check_streams(struct sk_resizer *r, const char *kernels)
{
    uint32_t seed = SEED;
    struct sk_image src = { 0 }, upright = { 0 }, tmp = { 0 }, want = { 0 }, got = { 0 };
    for (int n = 0; n < 1200; n++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_resize to;
        uint32_t w = util_between(&seed, 1, n % 4 ? 90 : 9),
                 h = util_between(&seed, 1, n % 4 ? 90 : 300);
        int orientation = 1 + n / 3 % 8;
        make_image(&src, w, h, seed);
        assert_int_equal(sk_image_alloc(&upright, w, h, &err), 0);
        memcpy(upright.pixels, src.pixels, (size_t)w * h * 3);
        assert_int_equal(sk_image_orient(&upright, orientation, &tmp, &err), 0);
        random_target(upright.width, upright.height, n, &seed, &to);
        resize(&upright, &to, &want);
        resize_in_bands(r, &src, orientation, &to, n % 2 ? 40 : 5, &seed, &got);
        if (got.width != want.width || got.height != want.height ||
            memcmp(got.pixels, want.pixels, (size_t)got.width * got.height * 3) != 0)
            fail_msg("%s: %ux%u, orientation %d, to %ux%u %s, window %ux%u at %u,%u, case %d",
                     kernels, w, h, orientation, to.out_w, to.out_h, sk_filter_name(to.filter),
                     to.w, to.h, to.x, to.y, n);
    }
    sk_image_done(&src);
    sk_image_done(&upright);
    sk_image_done(&tmp);
    sk_image_done(&want);
    sk_image_done(&got);
}

static void test_streams(void **state)
{
    (void)state;
    struct sk_resizer *r = sk_resizer_new();
    assert_non_null(r);
    for (const char *const *name = sk_image_kernels_available(); *name; name++) {
        struct sk_err err = SK_ERR_INIT;
        assert_int_equal(sk_image_kernels_select(*name, &err), 0);
        check_streams(r, *name);
    }
    sk_resizer_free(r);
}

/* A resize that is begun anew in the middle, as a decode that starts over does. */
static void test_begin_again(void **state)
{
    (void)state;
    uint32_t seed = SEED;
    struct sk_image src = { 0 }, want = { 0 }, got = { 0 };
    struct sk_resizer *r = sk_resizer_new();
    assert_non_null(r);
    make_image(&src, 40, 300, SEED);
    for (int n = 0; n < 3; n++) {
        struct sk_err err = SK_ERR_INIT;
        const struct sk_resize to = { .out_w = 30,
                                      .out_h = n == 1 ? 280 : 20,
                                      .filter = n == 2 ? SK_FILTER_NEAREST : SK_FILTER_BICUBIC };
        assert_int_equal(sk_resizer_begin(r, 40, 300, 1, &to, &got, &err), 0);
        sk_resizer_rows(r, src.pixels, 120, 0, 100);
        resize(&src, &to, &want);
        resize_in_bands(r, &src, 1, &to, 16, &seed, &got);
        assert_memory_equal(got.pixels, want.pixels, (size_t)to.out_w * to.out_h * 3);
    }
    sk_resizer_free(r);
    sk_image_done(&src);
    sk_image_done(&want);
    sk_image_done(&got);
}

static const struct bad {
    const char *name;
    struct sk_resize to;
    const char *text; /* NULL: it works */
} bad[] = {
    { "no width", { .out_w = 0, .out_h = 4 }, "resize: 8 x 8 to 0 x 4: a side is empty" },
    { "no height",
      { .out_w = 4, .out_h = 0, .filter = SK_FILTER_BOX },
      "resize: 8 x 8 to 4 x 0: a side is empty" },
    { "filter", { .out_w = 4, .out_h = 4, .filter = SK_FILTER_COUNT }, "resize: unknown filter 6" },
    { "window too wide",
      { .out_w = 4, .out_h = 4, .x = 1, .w = 4, .h = 4 },
      "resize: window 4 x 4 at 1,0 is outside 4 x 4" },
    { "window too low down",
      { .out_w = 4, .out_h = 4, .y = 5, .w = 1, .h = 1 },
      "resize: window 1 x 1 at 0,5 is outside 4 x 4" },
    { "window without height",
      { .out_w = 4, .out_h = 4, .w = 1 },
      "resize: window 1 x 0 at 0,0 is outside 4 x 4" },
    { "window that overflows",
      { .out_w = 4, .out_h = 4, .x = 2, .w = UINT32_MAX, .h = 1 },
      "resize: window 4294967295 x 1 at 2,0 is outside 4 x 4" },
    { "target at the limit",
      { .out_w = SK_LIMIT_SIDE, .out_h = 1, .filter = SK_FILTER_BOX },
      NULL },
    { "target beyond the limit",
      { .out_w = 1, .out_h = SK_LIMIT_SIDE + 1, .filter = SK_FILTER_BOX },
      "resize: 8 x 8 to 1 x 65501: a side exceeds 65500 pixels" },
    { "too many pixels",
      { .out_w = 60000, .out_h = 60000, .filter = SK_FILTER_BOX },
      "resize: 60000 x 60000 pixels exceed 178956970" },
    { "a window of so many",
      { .out_w = 60000, .out_h = 60000, .filter = SK_FILTER_BOX, .x = 50000, .w = 9, .h = 1 },
      NULL },
};

/* [image-53] */
static void test_bad(void **state)
{
    (void)state;
    struct sk_image src = { 0 }, dst = { 0 };
    make_image(&src, 8, 8, SEED);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        struct sk_err err = SK_ERR_INIT;
        int rc = sk_image_resize(&src, &bad[n].to, &dst, &err);
        if (bad[n].text ? rc != -1 || strcmp(err.text, bad[n].text) != 0 : rc != 0)
            fail_msg("%s: rc %d, '%s'", bad[n].name, rc, err.text);
        if (rc == -1 && err.code != (strstr(err.text, "exceed") ? SK_LIMIT : SK_INVALID))
            fail_msg("%s: code %s", bad[n].name, sk_code_name(err.code));
    }
    static const struct sk_resize to = { .out_w = 1, .out_h = 1, .filter = SK_FILTER_BOX };
    struct sk_err err = SK_ERR_INIT;
    make_image(&src, 1, SK_LIMIT_SIDE, SEED);
    assert_int_equal(sk_image_resize(&src, &to, &dst, &err), 0);
    make_image(&src, SK_LIMIT_SIDE + 1, 1, SEED);
    assert_int_equal(sk_image_resize(&src, &to, &dst, &err), -1);
    assert_int_equal(err.code, SK_LIMIT);
    sk_image_done(&src);
    sk_image_done(&dst);
}

/* More pairs of sizes than the cache holds, twice over: replacement gives no stale weights. */
static void test_cache(void **state)
{
    (void)state;
    struct sk_image src = { 0 }, want = { 0 }, got = { 0 };
    struct sk_resizer *r = sk_resizer_new();
    assert_non_null(r);
    for (uint32_t n = 0; n < 40; n++) {
        uint32_t side = 20 + n * 7 % 11, seed = SEED;
        const struct sk_resize to = { .out_w = 9,
                                      .out_h = 12,
                                      .filter = n % 2 ? SK_FILTER_BOX : SK_FILTER_BICUBIC };
        make_image(&src, side, side, n);
        resize(&src, &to, &want);
        resize_in_bands(r, &src, 1, &to, 99, &seed, &got);
        assert_memory_equal(got.pixels, want.pixels, 9 * 12 * 3);
    }
    sk_resizer_free(r);
    sk_image_done(&src);
    sk_image_done(&want);
    sk_image_done(&got);
}

static int run_once(void *ctx, struct sk_err *err)
{
    const struct sk_image *src = ctx;
    struct sk_image dst = { 0 };
    int rc = 0;
    for (int n = 0; rc == 0 && n < 3; n++) {
        const struct sk_resize to = { .out_w = 5,
                                      .out_h = n == 1 ? 2 : 14,
                                      .filter = n == 2 ? SK_FILTER_NEAREST : SK_FILTER_BOX };
        rc = sk_image_resize(src, &to, &dst, err);
    }
    sk_image_done(&dst);
    return rc;
}

static void test_allocations(void **state)
{
    (void)state;
    struct sk_image src = { 0 };
    make_image(&src, 8, 21, SEED);
    assert_true(sk_alloc_sweep("resize", run_once, &src, 0) > 0);
    sk_image_done(&src);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_orders),      cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_windows),     cmocka_unit_test(test_streams),
        cmocka_unit_test(test_begin_again), cmocka_unit_test(test_bad),
        cmocka_unit_test(test_cache),       cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
