/*
 * kernels_avx512.c - the pixel kernels for AVX-512 with VNNI (Cascade Lake, Zen 4 and later).
 *
 * vpdpbusd adds to each 32-bit lane the products of four unsigned bytes with four signed bytes:
 * four pixels with four weights. A weight has 23 bits and a sign, so it is cut into three signed
 * digits, c = d0 + 2^8 d1 + 2^16 d2, and three sums run side by side:
 *
 *     sum(p * c) = sum(p * d0) + (sum(p * d1) << 8) + (sum(p * d2) << 16)
 *
 * All of it wraps modulo 2^32, and the sum proper fits int32 (taps.c), so the result is exact
 * whatever the parts do.
 *
 * Horizontal: lanes are rows. A band of 16 rows is rearranged once, so that one vector holds four
 * neighbouring pixels of one channel for all 16 rows, and a weight digit is one broadcast for all
 * of them:
 *
 *     row r: RGBRGBRGBRGB ...  ->  cell[x / 4][channel] = { 4 bytes of row 0, of row 1, ... 15 }
 *
 * The taps of an output then are whole cells: packed weights start at the multiple of four below
 * taps->start, with zeros around. Vertical: lanes are bytes of the row; four rows are interleaved
 * on the fly.
 */
#include "image/image_priv.h"

#include <immintrin.h>

enum {
    BAND = 16,
    CELL_PIXELS = 4,
    DIGITS = 3,
    CELL_BYTES = 3 * 64
};

static const int half = 1 << (SK_WEIGHT_BITS - 1);

/* Words per output: three per group of four taps; a horizontal start may be up to three off a
 * multiple of four. */
static uint32_t pack_stride(uint32_t ksize, bool rows)
{
    return ((rows ? ksize : ksize + 3) + 3) / 4 * DIGITS;
}

static void pack(const struct sk_taps *taps, int32_t *packed)
{
    memset(packed, 0, (size_t)taps->axis.outputs * taps->pack_stride * sizeof *packed);
    for (size_t i = 0; i < taps->axis.outputs; i++) {
        const int32_t *k = taps->k + i * taps->ksize;
        uint8_t *digits = (uint8_t *)(packed + i * taps->pack_stride);
        for (uint32_t x = 0; x < taps->count[i]; x++) {
            size_t at = x + (taps->axis.rows ? 0 : taps->start[i] % CELL_PIXELS);
            uint8_t *d = digits + at / 4 * 4 * DIGITS + at % 4;
            /* Each digit is the low byte of what remains, as a signed one; c1, c2: the rest. */
            int32_t c1 = (k[x] + 128) >> 8, c2 = (c1 + 128) >> 8;
            d[0] = (uint8_t)k[x];
            d[4] = (uint8_t)c1;
            d[8] = (uint8_t)c2;
        }
    }
}

static size_t scratch_bytes(uint32_t width)
{
    return ((size_t)width + CELL_PIXELS - 1) / CELL_PIXELS * CELL_BYTES;
}

/* 16 bytes of four rows, four rows apart. */
static inline __m512i load_rows(const uint8_t *const *row, size_t at)
{
    __m512i v = _mm512_castsi128_si512(_mm_loadu_si128((const __m128i *)(row[0] + at)));
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row[4] + at)), 1);
    v = _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row[8] + at)), 2);
    return _mm512_inserti32x4(v, _mm_loadu_si128((const __m128i *)(row[12] + at)), 3);
}

/* Cells first .. end - 1 of the band; src has 16 rows. Kept apart, like output below: inlined, both
 * lack registers. */
static __attribute__((noinline)) void rearrange(const uint8_t *const *src, uint32_t first,
                                                uint32_t end, uint8_t *cells)
{
    const __m512i by_channel = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    for (uint32_t g = first; g < end; g++) {
        size_t at = (size_t)g * CELL_PIXELS * 3;
        __m512i a = _mm512_shuffle_epi8(load_rows(src, at), by_channel);
        __m512i b = _mm512_shuffle_epi8(load_rows(src + 1, at), by_channel);
        __m512i c = _mm512_shuffle_epi8(load_rows(src + 2, at), by_channel);
        __m512i d = _mm512_shuffle_epi8(load_rows(src + 3, at), by_channel);
        __m512i ab = _mm512_unpacklo_epi32(a, b), cd = _mm512_unpacklo_epi32(c, d);
        uint8_t *cell = cells + (size_t)g * CELL_BYTES;
        _mm512_store_si512(cell, _mm512_unpacklo_epi64(ab, cd));
        _mm512_store_si512(cell + 64, _mm512_unpackhi_epi64(ab, cd));
        ab = _mm512_unpackhi_epi32(a, b);
        cd = _mm512_unpackhi_epi32(c, d);
        _mm512_store_si512(cell + 128, _mm512_unpacklo_epi64(ab, cd));
    }
}

/* The three sums put together, rounded down to pixels (still 32 bit, not clamped). */
static inline __m512i finish(__m512i s0, __m512i s1, __m512i s2)
{
    __m512i s = _mm512_add_epi32(_mm512_slli_epi32(s2, 8), s1);
    s = _mm512_add_epi32(_mm512_slli_epi32(s, 8), s0);
    return _mm512_srai_epi32(s, SK_WEIGHT_BITS);
}

/* _mm512_dpbusd_epi32 in place: GCC 12 copies the sums around the intrinsic, which costs a fifth of
 * the time. */
static inline __m512i add_dot(__m512i sum, __m512i pixels, __m512i weights)
{
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(pixels), "v"(weights));
    return sum;
}

/* One output of 16 rows: dword r is { R, G, B, 0 } of row r. */
static __attribute__((noinline)) __m512i output(const struct sk_taps *taps, uint32_t i,
                                                const uint8_t *cells)
{
    uint32_t start = taps->start[i], group = start / CELL_PIXELS;
    uint32_t groups = (start % CELL_PIXELS + taps->count[i] + CELL_PIXELS - 1) / CELL_PIXELS;
    const int32_t *w = taps->packed + (size_t)i * taps->pack_stride;
    const uint8_t *cell = cells + (size_t)group * CELL_BYTES;
    __m512i r0 = _mm512_set1_epi32(half), g0 = r0, b0 = r0;
    __m512i r1 = _mm512_setzero_si512(), g1 = r1, b1 = r1, r2 = r1, g2 = r1, b2 = r1;
    for (uint32_t n = 0; n < groups; n++, w += DIGITS, cell += CELL_BYTES) {
        __m512i w0 = _mm512_set1_epi32(w[0]), w1 = _mm512_set1_epi32(w[1]),
                w2 = _mm512_set1_epi32(w[2]);
        __m512i r = _mm512_load_si512(cell), g = _mm512_load_si512(cell + 64),
                b = _mm512_load_si512(cell + 128);
        r0 = add_dot(r0, r, w0);
        g0 = add_dot(g0, g, w0);
        b0 = add_dot(b0, b, w0);
        r1 = add_dot(r1, r, w1);
        g1 = add_dot(g1, g, w1);
        b1 = add_dot(b1, b, w1);
        r2 = add_dot(r2, r, w2);
        g2 = add_dot(g2, g, w2);
        b2 = add_dot(b2, b, w2);
    }
    const __m512i by_row = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 4, 8, -1, 1, 5, 9, -1, 2, 6, 10, -1, 3, 7, 11, -1));
    __m512i rg = _mm512_packs_epi32(finish(r0, r1, r2), finish(g0, g1, g2));
    __m512i b = _mm512_packs_epi32(finish(b0, b1, b2), _mm512_setzero_si512());
    return _mm512_shuffle_epi8(_mm512_packus_epi16(rg, b), by_row);
}

/* Four outputs of four rows: the first n of each row, n * 3 bytes. */
static inline void store_rows(uint8_t *dst, size_t stride, uint32_t rows, __m512i v,
                              __mmask16 bytes)
{
    if (rows > 0)
        _mm_mask_storeu_epi8(dst, bytes, _mm512_castsi512_si128(v));
    if (rows > 4)
        _mm_mask_storeu_epi8(dst + 4 * stride, bytes, _mm512_extracti32x4_epi32(v, 1));
    if (rows > 8)
        _mm_mask_storeu_epi8(dst + 8 * stride, bytes, _mm512_extracti32x4_epi32(v, 2));
    if (rows > 12)
        _mm_mask_storeu_epi8(dst + 12 * stride, bytes, _mm512_extracti32x4_epi32(v, 3));
}

static void horizontal(const struct sk_taps *taps, const uint8_t *const *src, uint32_t rows,
                       uint8_t *dst, size_t dst_stride, void *scratch)
{
    const uint8_t *row[BAND];
    for (uint32_t r = 0; r < BAND; r++)
        row[r] = src[r < rows ? r : rows - 1];
    uint32_t ready = taps->start[0] / CELL_PIXELS; /* cells before this one are rearranged */

    const __m512i tight = _mm512_broadcast_i32x4(
        _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    for (uint32_t i = 0; i < taps->axis.outputs; i += 4) {
        uint32_t n = taps->axis.outputs - i < 4 ? taps->axis.outputs - i : 4, last = i + n - 1;
        uint32_t needed = (taps->start[last] + taps->count[last] + CELL_PIXELS - 1) / CELL_PIXELS;
        if (needed > ready) { /* a few at a time: the sums find them in the L1 cache */
            rearrange(row, ready, needed, scratch);
            ready = needed;
        }
        __m512i v[4] = { output(taps, i, scratch) };
        for (uint32_t j = 1; j < 4; j++)
            v[j] = j < n ? output(taps, i + j, scratch) : v[0];
        __m512i ab = _mm512_unpacklo_epi32(v[0], v[1]), cd = _mm512_unpacklo_epi32(v[2], v[3]);
        __m512i ef = _mm512_unpackhi_epi32(v[0], v[1]), gh = _mm512_unpackhi_epi32(v[2], v[3]);
        uint8_t *out = dst + (size_t)i * 3;
        __mmask16 bytes = (__mmask16)((1u << (n * 3)) - 1);
        /* Lane L of these: rows 4 L, 4 L + 1, 4 L + 2, 4 L + 3. */
        store_rows(out, dst_stride, rows, _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ab, cd), tight),
                   bytes);
        store_rows(out + dst_stride, dst_stride, rows > 1 ? rows - 1 : 0,
                   _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ab, cd), tight), bytes);
        store_rows(out + 2 * dst_stride, dst_stride, rows > 2 ? rows - 2 : 0,
                   _mm512_shuffle_epi8(_mm512_unpacklo_epi64(ef, gh), tight), bytes);
        store_rows(out + 3 * dst_stride, dst_stride, rows > 3 ? rows - 3 : 0,
                   _mm512_shuffle_epi8(_mm512_unpackhi_epi64(ef, gh), tight), bytes);
    }
}

/* 64 bytes of the output row. */
static inline __m512i column(const int32_t *w, uint32_t count, const uint8_t *src, size_t stride)
{
    __m512i s0[4], s1[4], s2[4];
    for (int q = 0; q < 4; q++) {
        s0[q] = _mm512_set1_epi32(half);
        s1[q] = s2[q] = _mm512_setzero_si512();
    }
    for (uint32_t y = 0; y < count; y += 4, w += DIGITS) {
        /* Beyond the last tap the weights are 0: any row will do. */
        const uint8_t *p = src + y * stride;
        __m512i a = _mm512_loadu_si512(p);
        __m512i b = _mm512_loadu_si512(y + 1 < count ? p + stride : p);
        __m512i c = _mm512_loadu_si512(y + 2 < count ? p + 2 * stride : p);
        __m512i d = _mm512_loadu_si512(y + 3 < count ? p + 3 * stride : p);
        __m512i w0 = _mm512_set1_epi32(w[0]), w1 = _mm512_set1_epi32(w[1]),
                w2 = _mm512_set1_epi32(w[2]);
        __m512i ab = _mm512_unpacklo_epi8(a, b), cd = _mm512_unpacklo_epi8(c, d);
        __m512i ef = _mm512_unpackhi_epi8(a, b), gh = _mm512_unpackhi_epi8(c, d);
        const __m512i p4[4] = { _mm512_unpacklo_epi16(ab, cd), _mm512_unpackhi_epi16(ab, cd),
                                _mm512_unpacklo_epi16(ef, gh), _mm512_unpackhi_epi16(ef, gh) };
        for (int q = 0; q < 4; q++) {
            s0[q] = add_dot(s0[q], p4[q], w0);
            s1[q] = add_dot(s1[q], p4[q], w1);
            s2[q] = add_dot(s2[q], p4[q], w2);
        }
    }
    __m512i lo = _mm512_packs_epi32(finish(s0[0], s1[0], s2[0]), finish(s0[1], s1[1], s2[1]));
    __m512i hi = _mm512_packs_epi32(finish(s0[2], s1[2], s2[2]), finish(s0[3], s1[3], s2[3]));
    return _mm512_packus_epi16(lo, hi);
}

static void vertical(const struct sk_taps *taps, uint32_t i, const uint8_t *src, size_t stride,
                     size_t bytes, uint8_t *dst)
{
    const int32_t *w = taps->packed + (size_t)i * taps->pack_stride;
    size_t x = 0;
    for (; x + 64 <= bytes; x += 64)
        _mm512_storeu_si512(dst + x, column(w, taps->count[i], src + x, stride));
    if (x < bytes)
        _mm512_mask_storeu_epi8(dst + x, (1ull << (bytes - x)) - 1,
                                column(w, taps->count[i], src + x, stride));
}

/* The 16 pixels at rgb as one vector of table positions per channel; reads 52 bytes. */
static inline void channels(const uint8_t *rgb, __m512i out[3])
{
    const __m128i pick = _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1);
    __m128i p[4];
    for (size_t q = 0; q < 4; q++)
        p[q] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(rgb + q * 12)), pick);
    __m128i ab = _mm_unpacklo_epi32(p[0], p[1]), cd = _mm_unpacklo_epi32(p[2], p[3]);
    __m128i ef = _mm_unpackhi_epi32(p[0], p[1]), gh = _mm_unpackhi_epi32(p[2], p[3]);
    out[0] = _mm512_cvtepu8_epi32(_mm_unpacklo_epi64(ab, cd));
    out[1] = _mm512_cvtepu8_epi32(_mm_unpackhi_epi64(ab, cd));
    out[2] = _mm512_cvtepu8_epi32(_mm_unpacklo_epi64(ef, gh));
}

static void lut_chw(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    size_t i = 0;
    for (; i + 18 <= pixels; i += 16) { /* 18: the fourth load reads into the next two */
        __m512i at[3];
        channels(rgb + i * 3, at);
        for (size_t c = 0; c < 3; c++)
            _mm512_storeu_ps(dst + c * pixels + i, _mm512_i32gather_ps(at[c], lut[c], 4));
    }
    for (; i < pixels; i++)
        for (size_t c = 0; c < 3; c++)
            dst[c * pixels + i] = lut[c][rgb[i * 3 + c]];
}

static void lut_hwc(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    sk_kernels_c.lut_hwc(rgb, pixels, lut, dst);
}

const struct sk_kernels sk_kernels_avx512vnni = {
    .name = "avx512vnni",
    .band = BAND,
    .pack_stride = pack_stride,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .horizontal = horizontal,
    .vertical = vertical,
    .lut_chw = lut_chw,
    .lut_hwc = lut_hwc,
};
