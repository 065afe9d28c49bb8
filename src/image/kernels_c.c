/*
 * kernels_c.c - the pixel kernels in plain C: what they compute. The others give the same bytes.
 *
 * A sum starts at one half (in 22-bit fixed point) and takes pixel * weight for each tap; the shift
 * rounds down, and what lies outside 0..255 is clamped. int32 holds every partial sum (see taps.c).
 */
#include "image/image_priv.h"

static uint8_t clamp8(int32_t sum)
{
    int32_t v = sum >> SK_WEIGHT_BITS;
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static void horizontal(const struct sk_taps *taps, const uint8_t *const *src, uint32_t rows,
                       uint8_t *dst, size_t dst_stride, void *scratch)
{
    (void)scratch;
    for (uint32_t r = 0; r < rows; r++) {
        uint8_t *out = dst + r * dst_stride;
        for (uint32_t i = 0; i < taps->axis.outputs; i++, out += 3) {
            const int32_t *k = taps->k + (size_t)i * taps->ksize;
            const uint8_t *p = src[r] + (size_t)taps->start[i] * 3;
            int32_t s0 = 1 << (SK_WEIGHT_BITS - 1), s1 = s0, s2 = s0;
            for (uint32_t x = 0; x < taps->count[i]; x++, p += 3) {
                s0 += p[0] * k[x];
                s1 += p[1] * k[x];
                s2 += p[2] * k[x];
            }
            out[0] = clamp8(s0);
            out[1] = clamp8(s1);
            out[2] = clamp8(s2);
        }
    }
}

/* In blocks of bytes whose sums stay in the L1 cache, row by row. */
static void vertical(const struct sk_taps *taps, uint32_t i, const uint8_t *src, size_t stride,
                     size_t bytes, uint8_t *dst)
{
    enum {
        BLOCK = 256
    };

    const int32_t *k = taps->k + (size_t)i * taps->ksize;
    for (size_t done = 0; done < bytes; done += BLOCK) {
        int32_t sum[BLOCK];
        size_t n = bytes - done < BLOCK ? bytes - done : BLOCK;
        for (size_t x = 0; x < n; x++)
            sum[x] = 1 << (SK_WEIGHT_BITS - 1);
        for (uint32_t y = 0; y < taps->count[i]; y++) {
            const uint8_t *row = src + y * stride + done;
            for (size_t x = 0; x < n; x++)
                sum[x] += row[x] * k[y];
        }
        for (size_t x = 0; x < n; x++)
            dst[done + x] = clamp8(sum[x]);
    }
}

static void lut_chw(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    float *r = dst, *g = dst + pixels, *b = dst + 2 * pixels;
    for (size_t i = 0; i < pixels; i++, rgb += 3) {
        r[i] = lut[0][rgb[0]];
        g[i] = lut[1][rgb[1]];
        b[i] = lut[2][rgb[2]];
    }
}

static void lut_hwc(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    for (size_t i = 0; i < pixels; i++, rgb += 3, dst += 3) {
        dst[0] = lut[0][rgb[0]];
        dst[1] = lut[1][rgb[1]];
        dst[2] = lut[2][rgb[2]];
    }
}

const struct sk_kernels sk_kernels_c = {
    .name = "c",
    .band = 1,
    .horizontal = horizontal,
    .vertical = vertical,
    .lut_chw = lut_chw,
    .lut_hwc = lut_hwc,
};
