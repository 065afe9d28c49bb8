/*
 * jpeg_fast_color_c.c - chroma upsampling and YCbCr to RGB, reference version.
 *
 * Upsampling is a triangle filter: each new sample is 3/4 of the nearer and 1/4 of the farther
 * source sample, in 4:2:0 in both directions at once. Halves are rounded up in even and down in odd
 * columns, so that no bias builds up. At the edges the neighbour is the edge sample itself.
 * Conversion is that of JFIF with 16-bit fixed point factors:
 *
 *     R = Y + 1.402 Cr        G = Y - 0.34414 Cb - 0.71414 Cr        B = Y + 1.772 Cb        (Cb,
 * Cr less 128)
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

enum {
    F_1_402 = 91881,
    F_1_772 = 116130,
    F_0_344 = 22554,
    F_0_714 = 46802,
    HALF = 1 << 15
};

static uint8_t clamp(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void put_rgb(uint8_t *rgb, int y, int cb, int cr)
{
    cb -= 128;
    cr -= 128;
    rgb[0] = clamp(y + ((F_1_402 * cr + HALF) >> 16));
    rgb[1] = clamp(y + ((-F_0_344 * cb - F_0_714 * cr + HALF) >> 16));
    rgb[2] = clamp(y + ((F_1_772 * cb + HALF) >> 16));
}

static int column_sum(const uint8_t *const rows[2], ptrdiff_t x)
{
    return 3 * rows[0][x] + rows[1][x];
}

/* Sample x of a row that is twice as wide and high; rows: near and far. */
static int smooth_420(const uint8_t *const rows[2], ptrdiff_t x)
{
    int here = 3 * column_sum(rows, x >> 1);
    return x & 1 ? (here + column_sum(rows, (x >> 1) + 1) + 7) >> 4
                 : (here + column_sum(rows, (x >> 1) - 1) + 8) >> 4;
}

static int smooth_422(const uint8_t *row, ptrdiff_t x)
{
    int here = 3 * row[x >> 1];
    return x & 1 ? (here + row[(x >> 1) + 1] + 2) >> 2 : (here + row[(x >> 1) - 1] + 1) >> 2;
}

static void rgb_420(const uint8_t *y, const uint8_t *const cb[2], const uint8_t *const cr[2],
                    uint8_t *rgb, size_t width)
{
    for (size_t x = 0; x < width; x++)
        put_rgb(rgb + 3 * x, y[x], smooth_420(cb, (ptrdiff_t)x), smooth_420(cr, (ptrdiff_t)x));
}

static void rgb_422(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width)
{
    for (size_t x = 0; x < width; x++)
        put_rgb(rgb + 3 * x, y[x], smooth_422(cb, (ptrdiff_t)x), smooth_422(cr, (ptrdiff_t)x));
}

static void rgb_444(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width)
{
    for (size_t x = 0; x < width; x++)
        put_rgb(rgb + 3 * x, y[x], cb[x], cr[x]);
}

void sk_jf_rgb_grey(const uint8_t *y, uint8_t *rgb, size_t width)
{
    for (size_t x = 0; x < width; x++)
        memset(rgb + 3 * x, y[x], 3);
}

const struct sk_jf_kernels sk_jf_kernels_c = {
    .name = "c",
    .scan = sk_jf_scan_c,
    .idct = sk_jf_idct_c,
    .idct_4x4 = sk_jf_idct_c,
    .rgb_420 = rgb_420,
    .rgb_422 = rgb_422,
    .rgb_444 = rgb_444,
    .rgb_grey = sk_jf_rgb_grey,
};
