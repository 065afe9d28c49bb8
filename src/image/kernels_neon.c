/*
 * kernels_neon.c - the pixel kernels for 64-bit ARM, where every CPU has NEON.
 *
 * Sums are 32-bit multiply-adds of widened pixels with whole weights; int32 holds every partial sum
 * (taps.c), so their order does not matter.
 *
 * Horizontal: lanes are rows. A band of four rows is widened once, so that one vector holds a
 * channel of a pixel for all four rows, and a tap is one multiply-add for each channel:
 *
 *     cell[x][channel] = { row 0, row 1, row 2, row 3 }, 32 bits each
 *
 * Vertical: lanes are bytes of the row.
 */
#include "image/image_priv.h"

#include <arm_neon.h>

enum {
    BAND = 4,
    CELL_WORDS = 3 * BAND
};

static const int half = 1 << (SK_WEIGHT_BITS - 1);

static size_t scratch_bytes(uint32_t width)
{
    return (size_t)width * CELL_WORDS * sizeof(int32_t);
}

/* Cells of pixels first .. end - 1. */
static void widen(const uint8_t *const *src, uint32_t first, uint32_t end, int32_t *cells)
{
    for (size_t at = (size_t)first * 3; at < (size_t)end * 3; at++) {
        int32_t *cell = cells + at * BAND;
        for (size_t r = 0; r < BAND; r++)
            cell[r] = src[r][at];
    }
}

/* Four sums to four pixels, clamped, in the low half. */
static inline uint8x8_t finish(int32x4_t sum)
{
    uint16x4_t narrow = vqmovun_s32(vshrq_n_s32(sum, SK_WEIGHT_BITS));
    return vqmovn_u16(vcombine_u16(narrow, narrow));
}

static inline void output(const struct sk_taps *taps, uint32_t i, const int32_t *cells,
                          uint8x8_t out[3])
{
    const int32_t *k = taps->k + (size_t)i * taps->ksize;
    const int32_t *cell = cells + (size_t)taps->start[i] * CELL_WORDS;
    int32x4_t r = vdupq_n_s32(half), g = r, b = r;
    for (uint32_t x = 0; x < taps->count[i]; x++, cell += CELL_WORDS) {
        r = vmlaq_n_s32(r, vld1q_s32(cell), k[x]);
        g = vmlaq_n_s32(g, vld1q_s32(cell + BAND), k[x]);
        b = vmlaq_n_s32(b, vld1q_s32(cell + 2 * BAND), k[x]);
    }
    out[0] = finish(r);
    out[1] = finish(g);
    out[2] = finish(b);
}

static void horizontal(const struct sk_taps *taps, const uint8_t *const *src, uint32_t rows,
                       uint8_t *dst, size_t dst_stride, void *scratch)
{
    const uint8_t *row[BAND];
    for (uint32_t r = 0; r < BAND; r++)
        row[r] = src[r < rows ? r : rows - 1];
    uint32_t ready = taps->start[0]; /* pixels before this one are widened */
    for (uint32_t i = 0; i < taps->axis.outputs; i++) {
        uint32_t needed = taps->start[i] + taps->count[i];
        if (needed > ready) { /* a few at a time: the sums find them in the L1 cache */
            widen(row, ready, needed, scratch);
            ready = needed;
        }
        uint8x8_t channel[3];
        uint8_t pixel[3][8];
        output(taps, i, scratch, channel);
        for (int c = 0; c < 3; c++)
            vst1_u8(pixel[c], channel[c]);
        for (uint32_t r = 0; r < rows; r++)
            for (int c = 0; c < 3; c++)
                dst[r * dst_stride + (size_t)i * 3 + (size_t)c] = pixel[c][r];
    }
}

/* 16 bytes of the output row. */
static inline uint8x16_t column(const int32_t *k, uint32_t count, const uint8_t *src, size_t stride)
{
    int32x4_t sum[4];
    for (int q = 0; q < 4; q++)
        sum[q] = vdupq_n_s32(half);
    for (uint32_t y = 0; y < count; y++, src += stride) {
        uint8x16_t p = vld1q_u8(src);
        uint16x8_t lo = vmovl_u8(vget_low_u8(p)), hi = vmovl_u8(vget_high_u8(p));
        const uint16x4_t part[4] = { vget_low_u16(lo), vget_high_u16(lo), vget_low_u16(hi),
                                     vget_high_u16(hi) };
        for (int q = 0; q < 4; q++)
            sum[q] = vmlaq_n_s32(sum[q], vreinterpretq_s32_u32(vmovl_u16(part[q])), k[y]);
    }
    uint16x4_t v[4];
    for (int q = 0; q < 4; q++)
        v[q] = vqmovun_s32(vshrq_n_s32(sum[q], SK_WEIGHT_BITS));
    return vcombine_u8(vqmovn_u16(vcombine_u16(v[0], v[1])), vqmovn_u16(vcombine_u16(v[2], v[3])));
}

static void vertical(const struct sk_taps *taps, uint32_t i, const uint8_t *src, size_t stride,
                     size_t bytes, uint8_t *dst)
{
    const int32_t *k = taps->k + (size_t)i * taps->ksize;
    size_t x = 0;
    for (; x + 16 <= bytes; x += 16)
        vst1q_u8(dst + x, column(k, taps->count[i], src + x, stride));
    if (x < bytes) {
        uint8_t tail[16];
        vst1q_u8(tail, column(k, taps->count[i], src + x, stride));
        memcpy(dst + x, tail, bytes - x);
    }
}

static void lut_chw(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    sk_kernels_c.lut_chw(rgb, pixels, lut, dst);
}

static void lut_hwc(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    sk_kernels_c.lut_hwc(rgb, pixels, lut, dst);
}

const struct sk_kernels sk_kernels_neon = {
    .name = "neon",
    .band = BAND,
    .scratch_bytes = scratch_bytes,
    .horizontal = horizontal,
    .vertical = vertical,
    .lut_chw = lut_chw,
    .lut_hwc = lut_hwc,
};
