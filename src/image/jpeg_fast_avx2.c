/*
 * jpeg_fast_avx2.c - the inner loops for AVX2 and BMI2.
 *
 * The algorithms are in jpeg_fast_idct_body.h and jpeg_fast_color_body.h; here is what depends on
 * the vector's width.
 */
#include "image/jpeg_fast_priv.h"

#include <immintrin.h>

enum {
    LANES = 2,
    BYTES = 32
};

#define VEC    __m256i
#define V(op)  _mm256_##op
#define VI(op) _mm256_##op##_si256
#define PICK_DWORDS(a, b, i)                                                                       \
    _mm256_castps_si256(_mm256_shuffle_ps(_mm256_castsi256_ps(a), _mm256_castsi256_ps(b), (i)))

static inline VEC load(const void *p)
{
    return _mm256_loadu_si256(p);
}

static inline void store(void *p, VEC v)
{
    _mm256_storeu_si256(p, v);
}

static inline VEC madd_to(VEC acc, VEC a, VEC k)
{
    return _mm256_add_epi32(acc, _mm256_madd_epi16(a, k));
}

static inline VEC load_lanes(const int16_t *const p[LANES], size_t at)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_load_si128((const void *)(p[0] + at))),
        _mm_load_si128((const void *)(p[1] + at)), 1);
}

static inline VEC load_all(const int16_t *p)
{
    return _mm256_broadcastsi128_si256(_mm_load_si128((const void *)p));
}

static inline void store_two_rows(__m128i v, uint8_t *dst, size_t stride)
{
    _mm_storel_epi64((void *)dst, v);
    _mm_storeh_pd((void *)(dst + stride), _mm_castsi128_pd(v));
}

static inline void store_lanes(VEC v, uint8_t *const dst[LANES], size_t at, size_t stride)
{
    store_two_rows(_mm256_castsi256_si128(v), dst[0] + at, stride);
    store_two_rows(_mm256_extracti128_si256(v, 1), dst[1] + at, stride);
}

static inline VEC widen(const uint8_t *p)
{
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const void *)p));
}

static inline void weigh_3_1(VEC near, VEC far, VEC *lo, VEC *hi)
{
    VEC k = _mm256_set1_epi16(0x0103);
    near = _mm256_permute4x64_epi64(near, 0xD8); /* unpacking works on lanes */
    far = _mm256_permute4x64_epi64(far, 0xD8);
    *lo = _mm256_maddubs_epi16(_mm256_unpacklo_epi8(near, far), k);
    *hi = _mm256_maddubs_epi16(_mm256_unpackhi_epi8(near, far), k);
}

/* Where byte i of 48 bytes of pixels comes from if it is of channel c, else 0x80. */
#define FROM(i, c) ((char)((i) % 3 == (c) ? ((i) / 3 % 2) * 8 + (i) / 6 : 0x80))
#define ROW(i, c)                                                                                  \
    FROM(i, c), FROM((i) + 1, c), FROM((i) + 2, c), FROM((i) + 3, c), FROM((i) + 4, c),            \
        FROM((i) + 5, c), FROM((i) + 6, c), FROM((i) + 7, c), FROM((i) + 8, c), FROM((i) + 9, c),  \
        FROM((i) + 10, c), FROM((i) + 11, c), FROM((i) + 12, c), FROM((i) + 13, c),                \
        FROM((i) + 14, c), FROM((i) + 15, c)
#define BOTH(i, c) _mm256_setr_epi8(ROW(i, c), ROW(i, c))

static inline VEC merge(VEC r, VEC g, VEC b, VEC from_r, VEC from_g, VEC from_b)
{
    return _mm256_or_si256(
        _mm256_or_si256(_mm256_shuffle_epi8(r, from_r), _mm256_shuffle_epi8(g, from_g)),
        _mm256_shuffle_epi8(b, from_b));
}

static inline void store_rgb(uint8_t *rgb, VEC r, VEC g, VEC b)
{
    VEC m[3] = { merge(r, g, b, BOTH(0, 0), BOTH(0, 1), BOTH(0, 2)),
                 merge(r, g, b, BOTH(16, 0), BOTH(16, 1), BOTH(16, 2)),
                 merge(r, g, b, BOTH(32, 0), BOTH(32, 1), BOTH(32, 2)) };
    for (size_t i = 0; i < 3; i++) {
        _mm_storeu_si128((void *)(rgb + 16 * i), _mm256_castsi256_si128(m[i]));
        _mm_storeu_si128((void *)(rgb + 48 + 16 * i), _mm256_extracti128_si256(m[i], 1));
    }
}

#include "image/jpeg_fast_color_body.h"
#include "image/jpeg_fast_idct_body.h"

const struct sk_jf_kernels sk_jf_kernels_avx2 = {
    .name = "avx2",
    .scan = sk_jf_scan_bmi2,
    .idct = idct,
    .idct_4x4 = idct_4x4,
    .rgb_420 = rgb_420,
    .rgb_422 = rgb_422,
    .rgb_444 = rgb_444,
    .rgb_grey = rgb_grey,
};
