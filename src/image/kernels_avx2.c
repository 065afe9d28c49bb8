/*
 * kernels_avx2.c - the pixel kernels for AVX2 (Haswell, Zen and later).
 *
 * vpmaddwd multiplies 16-bit pairs and adds the two products into 32 bits. A weight has 23 bits and
 * a sign, so it is cut in two, c = lo + 2^12 hi with 0 <= lo < 2^12, and two sums run side by side:
 *
 *     sum(p * c) = sum(p * lo) + (sum(p * hi) << 12)
 *
 * It wraps modulo 2^32, and the sum proper fits int32 (taps.c), so the result is exact.
 *
 * Horizontal: lanes are rows. A band of 8 rows is rearranged once: of four neighbouring pixels of
 * one channel, one vector holds the first and third of each row as 16-bit values, the next the
 * second and fourth (a mask and a shift make them), and weights are packed in the same order:
 *
 *     cell[x / 4][channel] = { row 0: p0 p2, row 1: p0 p2, ... row 7 }, { row 0: p1 p3, ... row 7 }
 *
 * The taps of an output then are whole cells: packed weights start at the multiple of four below
 * taps->start, with zeros around. Vertical: lanes are bytes of the row; two rows are interleaved on
 * the fly.
 */
#include "image/image_priv.h"

#include <immintrin.h>

enum {
    BAND = 8,
    CELL_PIXELS = 4,
    CELL_WORDS = 4,
    CELL_BYTES = 3 * 64,
    LOW_BITS = 12
};

static const int half = 1 << (SK_WEIGHT_BITS - 1);

/* Words per output. Horizontal: for each cell lo and hi of its first vector, lo and hi of its
 * second; a start may be up to three off a multiple of four. Vertical: lo and hi of each pair of
 * rows. */
static uint32_t pack_stride(uint32_t ksize, bool rows)
{
    return rows ? (ksize + 1) / 2 * 2 : (ksize + 3 + 3) / 4 * CELL_WORDS;
}

static void pack(const struct sk_taps *taps, int32_t *packed)
{
    memset(packed, 0, (size_t)taps->axis.outputs * taps->pack_stride * sizeof *packed);
    for (size_t i = 0; i < taps->axis.outputs; i++) {
        const int32_t *k = taps->k + i * taps->ksize;
        uint32_t *w = (uint32_t *)(packed + i * taps->pack_stride);
        for (uint32_t x = 0; x < taps->count[i]; x++) {
            uint32_t at = x + taps->start[i] % CELL_PIXELS;
            size_t pair = taps->axis.rows ? x / 2 : at / 4 * 2 + at % 2;
            uint32_t shift = 16 * (taps->axis.rows ? x % 2 : at % 4 / 2);
            w[2 * pair] |= (uint32_t)(k[x] & ((1 << LOW_BITS) - 1)) << shift;
            w[2 * pair + 1] |= (uint32_t)(uint16_t)(k[x] >> LOW_BITS) << shift;
        }
    }
}

static size_t scratch_bytes(uint32_t width)
{
    return ((size_t)width + CELL_PIXELS - 1) / CELL_PIXELS * CELL_BYTES;
}

/* 16 bytes of two rows, four rows apart. */
static inline __m256i load_rows(const uint8_t *const *row, size_t at)
{
    return _mm256_loadu2_m128i((const __m128i *)(row[4] + at), (const __m128i *)(row[0] + at));
}

static inline void store_cell(uint8_t *cell, __m256i pixels)
{
    _mm256_store_si256((__m256i *)cell, _mm256_and_si256(pixels, _mm256_set1_epi16(255)));
    _mm256_store_si256((__m256i *)(cell + 32), _mm256_srli_epi16(pixels, 8));
}

/* Cells first .. end - 1 of the band; src has 8 rows. Kept apart, like output below: inlined, both
 * lack registers. */
static __attribute__((noinline)) void rearrange(const uint8_t *const *src, uint32_t first,
                                                uint32_t end, uint8_t *cells)
{
    const __m256i by_channel = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11, -1, -1, -1, -1));
    for (uint32_t g = first; g < end; g++) {
        size_t at = (size_t)g * CELL_PIXELS * 3;
        __m256i a = _mm256_shuffle_epi8(load_rows(src, at), by_channel);
        __m256i b = _mm256_shuffle_epi8(load_rows(src + 1, at), by_channel);
        __m256i c = _mm256_shuffle_epi8(load_rows(src + 2, at), by_channel);
        __m256i d = _mm256_shuffle_epi8(load_rows(src + 3, at), by_channel);
        __m256i ab = _mm256_unpacklo_epi32(a, b), cd = _mm256_unpacklo_epi32(c, d);
        uint8_t *cell = cells + (size_t)g * CELL_BYTES;
        store_cell(cell, _mm256_unpacklo_epi64(ab, cd));
        store_cell(cell + 64, _mm256_unpackhi_epi64(ab, cd));
        ab = _mm256_unpackhi_epi32(a, b);
        cd = _mm256_unpackhi_epi32(c, d);
        store_cell(cell + 128, _mm256_unpacklo_epi64(ab, cd));
    }
}

/* The two sums put together, rounded down to pixels (still 32 bit, not clamped). */
static inline __m256i finish(__m256i lo, __m256i hi)
{
    return _mm256_srai_epi32(_mm256_add_epi32(_mm256_slli_epi32(hi, LOW_BITS), lo), SK_WEIGHT_BITS);
}

static inline __m256i add_dot(__m256i sum, __m256i pixels, __m256i weights)
{
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pixels, weights));
}

/* One output of 8 rows: dword r is { R, G, B, 0 } of row r. */
static __attribute__((noinline)) __m256i output(const struct sk_taps *taps, uint32_t i,
                                                const uint8_t *cells)
{
    uint32_t start = taps->start[i], group = start / CELL_PIXELS;
    uint32_t groups = (start % CELL_PIXELS + taps->count[i] + CELL_PIXELS - 1) / CELL_PIXELS;
    const int32_t *w = taps->packed + (size_t)i * taps->pack_stride;
    const __m256i *cell = (const __m256i *)(cells + (size_t)group * CELL_BYTES);
    __m256i r0 = _mm256_set1_epi32(half), g0 = r0, b0 = r0;
    __m256i r1 = _mm256_setzero_si256(), g1 = r1, b1 = r1;
    for (uint32_t n = 0; n < 2 * groups; n++, w += 2, cell += n % 2 == 0 ? 5 : 1) {
        __m256i lo = _mm256_set1_epi32(w[0]), hi = _mm256_set1_epi32(w[1]);
        __m256i r = _mm256_load_si256(cell), g = _mm256_load_si256(cell + 2),
                b = _mm256_load_si256(cell + 4);
        r0 = add_dot(r0, r, lo);
        g0 = add_dot(g0, g, lo);
        b0 = add_dot(b0, b, lo);
        r1 = add_dot(r1, r, hi);
        g1 = add_dot(g1, g, hi);
        b1 = add_dot(b1, b, hi);
    }
    const __m256i by_row = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 4, 8, -1, 1, 5, 9, -1, 2, 6, 10, -1, 3, 7, 11, -1));
    __m256i rg = _mm256_packs_epi32(finish(r0, r1), finish(g0, g1));
    __m256i b = _mm256_packs_epi32(finish(b0, b1), _mm256_setzero_si256());
    return _mm256_shuffle_epi8(_mm256_packus_epi16(rg, b), by_row);
}

/* Four outputs of one row, { R, G, B, 0 } each: the first n of them, n * 3 bytes. */
static inline void store_row(uint8_t *dst, __m128i v, uint32_t n)
{
    v = _mm_shuffle_epi8(v, _mm_setr_epi8(0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, -1, -1, -1, -1));
    if (n == 4) {
        int tail = _mm_extract_epi32(v, 2);
        _mm_storel_epi64((__m128i *)dst, v);
        memcpy(dst + 8, &tail, sizeof tail);
        return;
    }
    uint8_t bytes[16];
    _mm_storeu_si128((__m128i *)bytes, v);
    memcpy(dst, bytes, (size_t)n * 3);
}

/* Four outputs, dword r of each being row r: the first n of them for `rows` rows. */
static inline void store_rows(uint8_t *dst, size_t stride, uint32_t rows, const __m256i v[4],
                              uint32_t n)
{
    __m256i ab = _mm256_unpacklo_epi32(v[0], v[1]), cd = _mm256_unpacklo_epi32(v[2], v[3]);
    __m256i ef = _mm256_unpackhi_epi32(v[0], v[1]), gh = _mm256_unpackhi_epi32(v[2], v[3]);
    /* Row r in the lower half, row 4 + r in the upper. */
    const __m256i row[4] = { _mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd),
                             _mm256_unpacklo_epi64(ef, gh), _mm256_unpackhi_epi64(ef, gh) };
    for (uint32_t r = 0; r < 4; r++) {
        if (r < rows)
            store_row(dst + r * stride, _mm256_castsi256_si128(row[r]), n);
        if (r + 4 < rows)
            store_row(dst + (r + 4) * stride, _mm256_extracti128_si256(row[r], 1), n);
    }
}

static void horizontal(const struct sk_taps *taps, const uint8_t *const *src, uint32_t rows,
                       uint8_t *dst, size_t dst_stride, void *scratch)
{
    const uint8_t *row[BAND];
    for (uint32_t r = 0; r < BAND; r++)
        row[r] = src[r < rows ? r : rows - 1];
    uint32_t ready = taps->start[0] / CELL_PIXELS; /* cells before this one are rearranged */
    for (uint32_t i = 0; i < taps->axis.outputs; i += 4) {
        uint32_t n = taps->axis.outputs - i < 4 ? taps->axis.outputs - i : 4, last = i + n - 1;
        uint32_t needed = (taps->start[last] + taps->count[last] + CELL_PIXELS - 1) / CELL_PIXELS;
        if (needed > ready) { /* a few at a time: the sums find them in the L1 cache */
            rearrange(row, ready, needed, scratch);
            ready = needed;
        }
        __m256i v[4] = { output(taps, i, scratch) };
        for (uint32_t j = 1; j < 4; j++)
            v[j] = j < n ? output(taps, i + j, scratch) : v[0];
        store_rows(dst + (size_t)i * 3, dst_stride, rows, v, n);
    }
}

/* 32 bytes of the output row. */
static inline __m256i column(const int32_t *w, uint32_t count, const uint8_t *src, size_t stride)
{
    const __m256i zero = _mm256_setzero_si256();
    __m256i s0[4], s1[4];
    for (int q = 0; q < 4; q++) {
        s0[q] = _mm256_set1_epi32(half);
        s1[q] = zero;
    }
    for (uint32_t y = 0; y < count; y += 2, w += 2) {
        /* Beyond the last tap the weight is 0: any row will do. */
        const uint8_t *p = src + y * stride;
        __m256i a = _mm256_loadu_si256((const __m256i *)p);
        __m256i b = _mm256_loadu_si256((const __m256i *)(y + 1 < count ? p + stride : p));
        __m256i lo = _mm256_set1_epi32(w[0]), hi = _mm256_set1_epi32(w[1]);
        __m256i ab = _mm256_unpacklo_epi8(a, b), cd = _mm256_unpackhi_epi8(a, b);
        const __m256i p2[4] = { _mm256_unpacklo_epi8(ab, zero), _mm256_unpackhi_epi8(ab, zero),
                                _mm256_unpacklo_epi8(cd, zero), _mm256_unpackhi_epi8(cd, zero) };
        for (int q = 0; q < 4; q++) {
            s0[q] = add_dot(s0[q], p2[q], lo);
            s1[q] = add_dot(s1[q], p2[q], hi);
        }
    }
    __m256i lo = _mm256_packs_epi32(finish(s0[0], s1[0]), finish(s0[1], s1[1]));
    __m256i hi = _mm256_packs_epi32(finish(s0[2], s1[2]), finish(s0[3], s1[3]));
    return _mm256_packus_epi16(lo, hi);
}

static void vertical(const struct sk_taps *taps, uint32_t i, const uint8_t *src, size_t stride,
                     size_t bytes, uint8_t *dst)
{
    const int32_t *w = taps->packed + (size_t)i * taps->pack_stride;
    size_t x = 0;
    for (; x + 32 <= bytes; x += 32)
        _mm256_storeu_si256((__m256i *)(dst + x), column(w, taps->count[i], src + x, stride));
    if (x < bytes) {
        uint8_t tail[32];
        _mm256_storeu_si256((__m256i *)tail, column(w, taps->count[i], src + x, stride));
        memcpy(dst + x, tail, bytes - x);
    }
}

static void lut_chw(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    sk_kernels_c.lut_chw(rgb, pixels, lut, dst); /* gathers are no faster here */
}

static void lut_hwc(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst)
{
    sk_kernels_c.lut_hwc(rgb, pixels, lut, dst);
}

const struct sk_kernels sk_kernels_avx2 = {
    .name = "avx2",
    .band = BAND,
    .pack_stride = pack_stride,
    .pack = pack,
    .scratch_bytes = scratch_bytes,
    .horizontal = horizontal,
    .vertical = vertical,
    .lut_chw = lut_chw,
    .lut_hwc = lut_hwc,
};
