/*
 * bench_resize.c - the resizer alone, with every kernel that this CPU runs: median and best of many
 * runs on one core.
 *
 *     bench_resize [WIDTH HEIGHT OUT_WIDTH OUT_HEIGHT [FILTER]]        (1920 1080 224 224 bicubic)
 */
#include "base/clock.h"
#include "image/image_priv.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNS = 201
};

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void report(const char *kernels, const char *what, uint64_t *ns)
{
    qsort(ns, RUNS, sizeof *ns, compare);
    (void)printf("%-12s %-28s median %8.1f us   best %8.1f us\n", kernels, what,
                 (double)ns[RUNS / 2] / 1e3, (double)ns[0] / 1e3);
}

static int run(const char *name, const struct sk_image *src, const struct sk_resize *to,
               struct sk_err *err)
{
    static float lut[3][256];
    uint64_t resize_ns[RUNS], chw_ns[RUNS], hwc_ns[RUNS], weights_ns[RUNS];
    struct sk_image dst = { 0 };
    if (sk_image_kernels_select(name, err) < 0)
        return -1;
    struct sk_resizer *r = sk_resizer_new();
    float *tensor = calloc((size_t)to->out_w * to->out_h, 3 * sizeof *tensor);
    int rc = r && tensor ? 0 : sk_nomem(err);
    for (int i = 0; rc == 0 && i < RUNS; i++) {
        struct sk_taps taps;
        uint64_t t0 = sk_now_ns();
        rc = sk_resizer_begin(r, src->width, src->height, 1, to, &dst, err);
        if (rc < 0)
            break;
        sk_resizer_rows(r, src->pixels, (size_t)src->width * 3, 0, src->height);
        rc = sk_resizer_finish(r, err);
        uint64_t t1 = sk_now_ns();
        sk_image_lut_chw(&dst, (const float(*)[256])lut, tensor);
        uint64_t t2 = sk_now_ns();
        sk_image_lut_hwc(&dst, (const float(*)[256])lut, tensor);
        uint64_t t3 = sk_now_ns();
        if (to->filter != SK_FILTER_NEAREST && rc == 0) {
            const struct sk_axis axis = { src->width, to->out_w, 0,    to->out_w,
                                          to->filter, false,     false };
            rc = sk_taps_init(&taps, &axis, sk_kernels(), err);
            if (rc == 0)
                sk_taps_done(&taps);
        }
        resize_ns[i] = t1 - t0, chw_ns[i] = t2 - t1, hwc_ns[i] = t3 - t2,
        weights_ns[i] = sk_now_ns() - t3;
    }
    if (rc == 0) {
        report(name, "resize", resize_ns);
        report(name, "normalise to planes (chw)", chw_ns);
        report(name, "normalise in place (hwc)", hwc_ns);
        report(name, "weights of one axis", weights_ns);
    }
    free(tensor);
    sk_image_done(&dst);
    sk_resizer_free(r);
    return rc;
}

static unsigned number(const char *text)
{
    return (unsigned)strtoul(text, NULL, 10);
}

int main(int argc, char **argv)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_image src = { 0 };
    bool given = argc >= 5;
    struct sk_resize to = {
        .out_w = given ? number(argv[3]) : 224,
        .out_h = given ? number(argv[4]) : 224,
        .filter = argc > 5 ? sk_filter_parse(argv[5]) : SK_FILTER_BICUBIC,
    };
    int rc = sk_image_alloc(&src, given ? number(argv[1]) : 1920, given ? number(argv[2]) : 1080,
                            &err);
    uint32_t state = 1;
    for (size_t i = 0; rc == 0 && i < (size_t)src.width * src.height * 3; i++) {
        state = state * 1664525u + 1013904223u;
        src.pixels[i] = (uint8_t)(state >> 24);
    }
    for (const char *const *name = sk_image_kernels_available(); rc == 0 && *name; name++)
        rc = run(*name, &src, &to, &err);
    if (rc < 0)
        (void)fprintf(stderr, "bench_resize: %s\n", err.text);
    sk_image_done(&src);
    return rc < 0;
}
