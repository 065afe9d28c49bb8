/*
 * jpeg_fast_avx512.c - the inner loops for AVX-512 with BW, VBMI and VNNI (Ice Lake, Zen 4 and
 * later).
 *
 * The algorithms are in jpeg_fast_idct_body.h and jpeg_fast_color_body.h; here is what depends on
 * the vector's width.
 */
#include "image/jpeg_fast_priv.h"

#include <immintrin.h>

enum {
    LANES = 4,
    BYTES = 64
};

#define VEC    __m512i
#define V(op)  _mm512_##op
#define VI(op) _mm512_##op##_si512
#define PICK_DWORDS(a, b, i)                                                                       \
    _mm512_castps_si512(_mm512_shuffle_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), (i)))

static inline VEC load(const void *p)
{
    return _mm512_loadu_si512(p);
}

static inline void store(void *p, VEC v)
{
    _mm512_storeu_si512(p, v);
}

static inline VEC madd_to(VEC acc, VEC a, VEC k)
{
    return _mm512_dpwssd_epi32(acc, a, k);
}

static inline VEC load_lanes(const int16_t *const p[LANES], size_t at)
{
    VEC v = _mm512_castsi128_si512(_mm_load_si128((const void *)(p[0] + at)));
    v = _mm512_inserti32x4(v, _mm_load_si128((const void *)(p[1] + at)), 1);
    v = _mm512_inserti32x4(v, _mm_load_si128((const void *)(p[2] + at)), 2);
    return _mm512_inserti32x4(v, _mm_load_si128((const void *)(p[3] + at)), 3);
}

static inline VEC load_all(const int16_t *p)
{
    return _mm512_broadcast_i32x4(_mm_load_si128((const void *)p));
}

static inline void store_two_rows(__m128i v, uint8_t *dst, size_t stride)
{
    _mm_storel_epi64((void *)dst, v);
    _mm_storeh_pd((void *)(dst + stride), _mm_castsi128_pd(v));
}

static inline void store_lanes(VEC v, uint8_t *const dst[LANES], size_t at, size_t stride)
{
    store_two_rows(_mm512_castsi512_si128(v), dst[0] + at, stride);
    store_two_rows(_mm512_extracti32x4_epi32(v, 1), dst[1] + at, stride);
    store_two_rows(_mm512_extracti32x4_epi32(v, 2), dst[2] + at, stride);
    store_two_rows(_mm512_extracti32x4_epi32(v, 3), dst[3] + at, stride);
}

static inline VEC widen(const uint8_t *p)
{
    return _mm512_cvtepu8_epi16(_mm256_loadu_si256((const void *)p));
}

static inline void weigh_3_1(VEC near, VEC far, VEC *lo, VEC *hi)
{
    VEC k = _mm512_set1_epi16(0x0103), order = _mm512_setr_epi64(0, 4, 1, 5, 2, 6, 3, 7);
    near = _mm512_permutexvar_epi64(order, near); /* unpacking works on lanes */
    far = _mm512_permutexvar_epi64(order, far);
    *lo = _mm512_maddubs_epi16(_mm512_unpacklo_epi8(near, far), k);
    *hi = _mm512_maddubs_epi16(_mm512_unpackhi_epi8(near, far), k);
}

/* Where byte i of 192 bytes of pixels comes from, in its channel's vector. */
#define FROM(i)   (uint8_t)((i) / 48 * 16 + (i) / 3 % 2 * 8 + (i) / 6 % 8)
#define FROM4(i)  FROM(i), FROM((i) + 1), FROM((i) + 2), FROM((i) + 3)
#define FROM16(i) FROM4(i), FROM4((i) + 4), FROM4((i) + 8), FROM4((i) + 12)
#define FROM64(i) FROM16(i), FROM16((i) + 16), FROM16((i) + 32), FROM16((i) + 48)

static inline void store_rgb(uint8_t *rgb, VEC r, VEC g, VEC b)
{
    static const _Alignas(64) uint8_t from[3 * BYTES] = { FROM64(0), FROM64(64), FROM64(128) };
    const uint64_t every_third = 0x9249249249249249u; /* bits 0, 3, ..., 63 */
    /* Byte 64 is green (64 % 3 == 1), byte 128 blue. */
    const uint64_t is_g[3] = { every_third << 1, every_third, every_third << 2 };
    const uint64_t is_b[3] = { every_third << 2, every_third << 1, every_third };
    for (size_t i = 0; i < 3; i++) {
        VEC at = load(from + BYTES * i);
        VEC m = _mm512_permutexvar_epi8(at, r);
        m = _mm512_mask_permutexvar_epi8(m, is_g[i], at, g);
        m = _mm512_mask_permutexvar_epi8(m, is_b[i], at, b);
        store(rgb + BYTES * i, m);
    }
}

#include "image/jpeg_fast_color_body.h"
#include "image/jpeg_fast_idct_body.h"

const struct sk_jf_kernels sk_jf_kernels_avx512 = {
    .name = "avx512",
    .scan = sk_jf_scan_bmi2,
    .idct = idct,
    .idct_4x4 = idct_4x4,
    .rgb_420 = rgb_420,
    .rgb_422 = rgb_422,
    .rgb_444 = rgb_444,
    .rgb_grey = rgb_grey,
};
