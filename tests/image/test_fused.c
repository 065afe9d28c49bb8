/*
 * test_fused.c - decode and resize in one go equals decode, then resize: streamed or not, windows,
 * one-axis resizes, every filter; what decoding refuses is refused.
 */
#include "harness/alloc_fail.h"
#include "resize_util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
    SEED = 5,
    PPM_HEADER = 32
};

/* A binary PPM with noise. */
struct file {
    uint8_t *bytes;
    size_t len;
};

static struct file make_ppm(uint32_t w, uint32_t h, uint32_t seed)
{
    size_t pixels = (size_t)w * h * 3;
    struct file f = { .bytes = malloc(PPM_HEADER + pixels) };
    assert_non_null(f.bytes);
    int header = snprintf((char *)f.bytes, PPM_HEADER, "P6 %u %u 255\n", w, h);
    util_fill(f.bytes + header, pixels, UTIL_NOISE, &seed);
    f.len = (size_t)header + pixels;
    return f;
}

struct plan {
    struct sk_resize to;
    uint32_t src_w, src_h; /* what the plan was told */
    bool refuses;
};

static int answer(void *ctx, uint32_t src_w, uint32_t src_h, struct sk_resize *out,
                  struct sk_err *err)
{
    struct plan *plan = ctx;
    plan->src_w = src_w;
    plan->src_h = src_h;
    if (plan->refuses)
        return sk_fail(err, SK_INVALID, "no plan for %u x %u", src_w, src_h);
    *out = plan->to;
    return 0;
}

static const struct row {
    const char *name;
    uint32_t w, h;
    struct sk_resize to;
} rows[] = {
    { "streams", 60, 40, { .out_w = 20, .out_h = 20, .filter = SK_FILTER_BICUBIC } },
    { "streams, wide", 3000, 37, { .out_w = 99, .out_h = 20, .filter = SK_FILTER_LANCZOS } },
    { "one row at a time", 22000, 9, { .out_w = 31, .out_h = 5, .filter = SK_FILTER_BOX } },
    { "streams, window",
      200,
      100,
      { .out_w = 80,
        .out_h = 40,
        .filter = SK_FILTER_BICUBIC,
        .x = 20,
        .y = 9,
        .w = 40,
        .h = 22 } },
    { "window at the end",
      90,
      90,
      { .out_w = 33,
        .out_h = 33,
        .filter = SK_FILTER_BILINEAR,
        .x = 32,
        .y = 32,
        .w = 1,
        .h = 1 } },
    { "up", 7, 5, { .out_w = 64, .out_h = 50, .filter = SK_FILTER_HAMMING } },
    { "same size", 31, 17, { .out_w = 31, .out_h = 17, .filter = SK_FILTER_BICUBIC } },
    { "same size, nearest, window",
      31,
      17,
      { .out_w = 31, .out_h = 17, .x = 3, .y = 4, .w = 5, .h = 6 } },
    { "same width", 31, 17, { .out_w = 31, .out_h = 40, .filter = SK_FILTER_BICUBIC } },
    { "same height", 31, 17, { .out_w = 12, .out_h = 17, .filter = SK_FILTER_BICUBIC } },
    { "nearest", 50, 60, { .out_w = 21, .out_h = 22 } },
    { "columns first", 20, 200, { .out_w = 11, .out_h = 12, .filter = SK_FILTER_BICUBIC } },
    { "columns first, window",
      20,
      200,
      { .out_w = 11, .out_h = 12, .filter = SK_FILTER_BICUBIC, .x = 2, .y = 3, .w = 8, .h = 9 } },
    { "one pixel", 1, 1, { .out_w = 9, .out_h = 9, .filter = SK_FILTER_LANCZOS } },
};

static void decode_then_resize(const struct file *f, const struct sk_resize *to,
                               struct sk_image *out)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_image whole = { 0 };
    if (sk_image_decode(f->bytes, f->len, NULL, &whole, NULL, &err) < 0 ||
        sk_image_resize(&whole, to, out, &err) < 0)
        fail_msg("%s", err.text);
    sk_image_done(&whole);
}

/* [image-52] */
static void test_rows(void **state)
{
    (void)state;
    struct sk_image want = { 0 }, got = { 0 };
    struct sk_image_work *work = sk_image_work_new();
    assert_non_null(work);
    for (int round = 0; round < 2; round++) {
        for (size_t n = 0; n < sizeof rows / sizeof rows[0]; n++) {
            const struct row *row = &rows[n];
            struct sk_err err = SK_ERR_INIT;
            struct file f = make_ppm(row->w, row->h, SEED + (uint32_t)n);
            struct plan plan = { .to = row->to };
            struct sk_decode_report report = { 0 };
            decode_then_resize(&f, &row->to, &want);
            if (sk_image_decode_resized(f.bytes, f.len, NULL, answer, &plan, round == 1, work, &got,
                                        &report, &err) < 0)
                fail_msg("%s: %s", row->name, err.text);
            if (got.width != want.width || got.height != want.height ||
                memcmp(got.pixels, want.pixels, (size_t)want.width * want.height * 3) != 0)
                fail_msg("%s: not as decode, then resize", row->name);
            if (plan.src_w != row->w || plan.src_h != row->h || report.info.width != row->w ||
                strcmp(report.info.format, "pnm") != 0 || report.decode_ns == 0 ||
                report.resize_ns == 0)
                fail_msg("%s: plan told %u x %u, report %s %u", row->name, plan.src_w, plan.src_h,
                         report.info.format, report.info.width);
            free(f.bytes);
        }
    }
    sk_image_work_free(work);
    sk_image_done(&want);
    sk_image_done(&got);
}

static const struct bad {
    const char *name;
    struct plan plan;
    size_t cut;
    enum sk_code code;
} bad[] = {
    { "cut below the rows needed",
      { .to = { .out_w = 20, .out_h = 20, .filter = SK_FILTER_BOX, .w = 20, .h = 1 } },
      1,
      SK_CORRUPT },
    { "cut in the middle",
      { .to = { .out_w = 20, .out_h = 20, .filter = SK_FILTER_BOX } },
      3000,
      SK_CORRUPT },
    { "cut, collected first", { .to = { .out_w = 20, .out_h = 20 } }, 3000, SK_CORRUPT },
    { "plan refuses", { .refuses = true }, 0, SK_INVALID },
    { "plan without size",
      { .to = { .out_w = 0, .out_h = 20, .filter = SK_FILTER_BOX } },
      0,
      SK_INVALID },
    { "window outside",
      { .to = { .out_w = 20, .out_h = 20, .filter = SK_FILTER_BOX, .x = 20, .w = 1, .h = 1 } },
      0,
      SK_INVALID },
    { "window outside, nearest",
      { .to = { .out_w = 20, .out_h = 20, .x = 20, .w = 1, .h = 1 } },
      0,
      SK_INVALID },
};

/* [image-52] */
static void test_bad(void **state)
{
    (void)state;
    struct file f = make_ppm(60, 40, SEED);
    struct sk_image out = { 0 };
    struct sk_image_work *work = sk_image_work_new();
    assert_non_null(work);
    for (size_t n = 0; n < sizeof bad / sizeof bad[0]; n++) {
        struct sk_err err = SK_ERR_INIT;
        struct plan plan = bad[n].plan;
        int rc = sk_image_decode_resized(f.bytes, f.len - bad[n].cut, NULL, answer, &plan, false,
                                         work, &out, NULL, &err);
        if (rc != -1 || err.code != bad[n].code || err.text[0] == '\0')
            fail_msg("%s: rc %d, %s: '%s'", bad[n].name, rc, sk_code_name(err.code), err.text);
    }
    struct sk_err err = SK_ERR_INIT;
    struct plan plan = { .to = { .out_w = 20, .out_h = 20 } };
    const struct sk_decode_options opts = { .max_pixels = 60 * 40 - 1 };
    assert_int_equal(sk_image_decode_resized(f.bytes, f.len, &opts, answer, &plan, false, work,
                                             &out, NULL, &err),
                     -1);
    assert_int_equal(err.code, SK_LIMIT);
    assert_int_equal(plan.src_w, 0);
    const struct sk_decode_options late = { .deadline_ns = 1 }; /* [image-8] */
    assert_int_equal(sk_image_decode_resized(f.bytes, f.len, &late, answer, &plan, false, work,
                                             &out, NULL, &err),
                     -1);
    assert_int_equal(err.code, SK_TIMEOUT);
    sk_image_work_free(work);
    sk_image_work_free(NULL);
    sk_image_done(&out);
    free(f.bytes);
}

static int run_once(void *ctx, struct sk_err *err)
{
    const struct file *f = ctx;
    struct sk_image out = { 0 };
    struct sk_image_work *work = sk_image_work_new();
    if (!work)
        return sk_nomem(err);
    int rc = 0;
    for (int n = 0; rc == 0 && n < 2; n++) {
        struct plan plan = {
            .to = { .out_w = 9, .out_h = 8, .filter = n ? SK_FILTER_NEAREST : SK_FILTER_BICUBIC }
        };
        rc = sk_image_decode_resized(f->bytes, f->len, NULL, answer, &plan, false, work, &out, NULL,
                                     err);
    }
    sk_image_done(&out);
    sk_image_work_free(work);
    return rc;
}

static void test_allocations(void **state)
{
    (void)state;
    struct file f = make_ppm(21, 22, SEED);
    assert_true(sk_alloc_sweep("decode and resize", run_once, &f, 0) > 0);
    free(f.bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
