/*
 * bench_prep.c - from the bytes of a picture to a normalised tensor, 224x224 bicubic, on one core:
 * what bench_prep.py sets beside Pillow and numpy.
 *
 *     bench_prep FILE RUNS THREADS     THREADS 1 or 2; prints one line of JSON, medians in
 * microseconds
 */
#include "base/clock.h"
#include "image/image.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    SIDE = 224,
    BYTES_MAX = 64 << 20
};

struct times {
    uint64_t *total, *decode, *resize, *normalise;
};

static int to_side(void *ctx, uint32_t src_w, uint32_t src_h, struct sk_resize *out,
                   struct sk_err *err)
{
    (void)ctx, (void)src_w, (void)src_h, (void)err;
    *out = (struct sk_resize){ .out_w = SIDE, .out_h = SIDE, .filter = SK_FILTER_BICUBIC };
    return 0;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static double median_us(uint64_t *ns, size_t runs)
{
    qsort(ns, runs, sizeof *ns, compare);
    return (double)ns[runs / 2] / 1e3;
}

static int run(const uint8_t *bytes, size_t len, size_t runs, bool two_threads, struct times *t,
               struct sk_err *err)
{
    static float lut[3][256], tensor[3 * SIDE * SIDE];
    static const float mean[3] = { 0.485f, 0.456f, 0.406f }, std[3] = { 0.229f, 0.224f, 0.225f };
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            lut[c][v] = ((float)(v * (1.0 / 255)) - mean[c]) / std[c];
    struct sk_image_work *work = sk_image_work_new();
    struct sk_image img = { 0 };
    int rc = work ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < runs; i++) {
        struct sk_decode_report report = { 0 };
        uint64_t start = sk_now_ns();
        rc = sk_image_decode_resized(bytes, len, NULL, to_side, NULL, two_threads, work, &img,
                                     &report, err);
        if (rc < 0)
            break;
        uint64_t resized = sk_now_ns();
        sk_image_lut_chw(&img, (const float(*)[256])lut, tensor);
        t->normalise[i] = sk_now_ns() - resized;
        t->total[i] = sk_now_ns() - start;
        t->decode[i] = report.decode_ns;
        t->resize[i] = report.resize_ns;
    }
    sk_image_done(&img);
    sk_image_work_free(work);
    return rc;
}

static uint8_t *read_all(const char *name, size_t *len)
{
    uint8_t *bytes = malloc(BYTES_MAX);
    FILE *f = fopen(name, "rb");
    *len = bytes && f ? fread(bytes, 1, BYTES_MAX, f) : 0;
    if (f)
        (void)fclose(f);
    return bytes;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        (void)fprintf(stderr, "usage: bench_prep FILE RUNS THREADS\n");
        return 2;
    }
    struct sk_err err = SK_ERR_INIT;
    size_t len = 0, runs = strtoul(argv[2], NULL, 10);
    uint8_t *bytes = read_all(argv[1], &len);
    uint64_t *ns = calloc(runs > 0 ? runs : 1, 4 * sizeof *ns);
    int rc = -1;
    if (bytes && ns && runs > 0) {
        struct times t = { ns, ns + runs, ns + 2 * runs, ns + 3 * runs };
        rc = run(bytes, len, runs, argv[3][0] == '2', &t, &err);
        if (rc == 0)
            (void)printf("{\"total\": %.1f, \"decode\": %.1f, \"resize\": %.1f, \"normalise\": "
                         "%.1f, \"kernels\": \"%s\"}\n",
                         median_us(t.total, runs), median_us(t.decode, runs),
                         median_us(t.resize, runs), median_us(t.normalise, runs),
                         sk_image_kernels_name());
    }
    if (rc < 0)
        (void)fprintf(stderr, "bench_prep: %s: %s\n", argv[1], err.text);
    free(bytes);
    free(ns);
    return rc < 0;
}
