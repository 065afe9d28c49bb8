/*
 * jpeg_fast_color_body.h - chroma upsampling and colour conversion for vectors.
 *
 * Compiled into jpeg_fast_avx2.c and jpeg_fast_avx512.c, which provide VEC, V and VI as for
 * jpeg_fast_idct_body.h, and
 *
 *     BYTES                            bytes in a vector
 *     load(p), store(p, v)             unaligned
 *     widen(p)                         BYTES / 2 bytes as 16-bit values
 *     weigh_3_1(near, far, lo, hi)     3 * near + far of BYTES bytes, as two vectors of 16-bit
 * values, in order store_rgb(rgb, r, g, b)          BYTES pixels; each lane of r, g, b has 8 even
 * pixels, then 8 odd ones
 *
 * Same results as jpeg_fast_color_c.c. BYTES pixels at a time are handled as two vectors of 16-bit
 * values, even and odd columns: that is how upsampling makes them. The products with 1.402
 * and 1.772 are x + x * 0.402 and x + x * 0.772 by pmulhrsw (x * k + 2^14) >> 15; the factors were
 * found by trying all k on all 256 values of x. Both factors of green are even, so it takes them
 * halved, in 32 bits.
 */
enum {
    K_0_402 = 13175,
    K_0_772 = 25297,
    K_0_344 = 11277,
    K_0_714 = 23401,
    CHUNK = 512
};

/* Even and odd columns. */
struct columns {
    VEC even, odd;
};

static inline struct columns split(VEC bytes)
{
    return (struct columns){ VI(and)(bytes, V(set1_epi16)(0xFF)), V(srli_epi16)(bytes, 8) };
}

struct rgb {
    VEC r, g, b;
};

/* y 0..255; cb, cr -128..127 */
static inline struct rgb convert(VEC y, VEC cb, VEC cr)
{
    VEC k = V(set1_epi32)((int)((unsigned)-K_0_344 & 0xFFFF) | (int)((unsigned)-K_0_714 << 16));
    VEC half = V(set1_epi32)(1 << 14);
    VEC g_lo = V(srai_epi32)(madd_to(half, V(unpacklo_epi16)(cb, cr), k), 15);
    VEC g_hi = V(srai_epi32)(madd_to(half, V(unpackhi_epi16)(cb, cr), k), 15);
    return (struct rgb){
        V(add_epi16)(V(add_epi16)(y, cr), V(mulhrs_epi16)(cr, V(set1_epi16)(K_0_402))),
        V(add_epi16)(y, V(packs_epi32)(g_lo, g_hi)),
        V(add_epi16)(V(add_epi16)(y, cb), V(mulhrs_epi16)(cb, V(set1_epi16)(K_0_772))),
    };
}

static inline void put_pixels(uint8_t *rgb, VEC luma, struct columns cb, struct columns cr)
{
    struct columns y = split(luma);
    struct rgb even = convert(y.even, cb.even, cr.even), odd = convert(y.odd, cb.odd, cr.odd);
    store_rgb(rgb, V(packus_epi16)(even.r, odd.r), V(packus_epi16)(even.g, odd.g),
              V(packus_epi16)(even.b, odd.b));
}

/* s[0], s[1], ...: column sums at the left neighbour of this column, this column, ... */
static inline struct columns smooth_420(const int16_t *s)
{
    VEC here = load(s + 1);
    VEC three = V(add_epi16)(V(add_epi16)(here, here), here);
    VEC even = V(add_epi16)(V(add_epi16)(three, load(s)), V(set1_epi16)(8 - 128 * 16));
    VEC odd = V(add_epi16)(V(add_epi16)(three, load(s + 2)), V(set1_epi16)(7 - 128 * 16));
    return (struct columns){ V(srai_epi16)(even, 4), V(srai_epi16)(odd, 4) };
}

static inline struct columns smooth_422(const uint8_t *c)
{
    VEC here = widen(c);
    VEC three = V(add_epi16)(V(add_epi16)(here, here), here);
    VEC even = V(add_epi16)(V(add_epi16)(three, widen(c - 1)), V(set1_epi16)(1 - 128 * 4));
    VEC odd = V(add_epi16)(V(add_epi16)(three, widen(c + 1)), V(set1_epi16)(2 - 128 * 4));
    return (struct columns){ V(srai_epi16)(even, 2), V(srai_epi16)(odd, 2) };
}

static inline void sum_columns(const uint8_t *near, const uint8_t *far, size_t count, int16_t *sums)
{
    for (size_t i = 0; i < count; i += BYTES) {
        VEC lo, hi;
        weigh_3_1(load(near + i), load(far + i), &lo, &hi);
        store(sums + i, lo);
        store(sums + i + BYTES / 2, hi);
    }
}

static void rgb_420(const uint8_t *y, const uint8_t *const cb[2], const uint8_t *const cr[2],
                    uint8_t *rgb, size_t width)
{
    _Alignas(64) int16_t b[CHUNK + 2 * BYTES], r[CHUNK + 2 * BYTES];
    for (size_t at = 0; 2 * at < width; at += CHUNK) {
        size_t left = (width + 1) / 2 - at, count = left < CHUNK ? left : CHUNK;
        sum_columns(cb[0] + at - 1, cb[1] + at - 1, count + 2, b);
        sum_columns(cr[0] + at - 1, cr[1] + at - 1, count + 2, r);
        for (size_t i = 0; i < count; i += BYTES / 2) {
            size_t x = 2 * (at + i);
            put_pixels(rgb + 3 * x, load(y + x), smooth_420(b + i), smooth_420(r + i));
        }
    }
}

static void rgb_422(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width)
{
    for (size_t x = 0; x < width; x += BYTES)
        put_pixels(rgb + 3 * x, load(y + x), smooth_422(cb + x / 2), smooth_422(cr + x / 2));
}

static inline struct columns center(const uint8_t *c)
{
    struct columns s = split(load(c));
    VEC half = V(set1_epi16)(128);
    return (struct columns){ V(sub_epi16)(s.even, half), V(sub_epi16)(s.odd, half) };
}

static void rgb_444(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width)
{
    for (size_t x = 0; x < width; x += BYTES)
        put_pixels(rgb + 3 * x, load(y + x), center(cb + x), center(cr + x));
}

static void rgb_grey(const uint8_t *y, uint8_t *rgb, size_t width)
{
    for (size_t x = 0; x < width; x += BYTES) {
        struct columns c = split(load(y + x));
        VEC v = V(packus_epi16)(c.even, c.odd);
        store_rgb(rgb + 3 * x, v, v, v);
    }
}
