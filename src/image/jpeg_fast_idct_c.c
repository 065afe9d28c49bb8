/*
 * jpeg_fast_idct_c.c - the inverse DCT, reference version.
 *
 * Loeffler, Ligtenberg and Moschytz (ICASSP 1989) with 12 multiplications per 8 points, in 13-bit
 * fixed point: columns first, keeping 2 extra bits, then rows; both sqrt(8) factors go into the
 * last shift. This is the "islow" of the IJG code, in the form that SIMD gives it: sums of two
 * inputs wrap at 16 bits, results of a pass saturate at 16 bits, and a block without any
 * coefficient below row 0 takes its columns as input << 2. Within the range of real pictures all
 * forms agree; with extreme quantisation tables this one is what libjpeg-turbo computes on x86.
 *
 *     b  = even part (in0, in2, in4, in6)     out[i] = b[i] + a[i]     i = 0..3
 *     a  = odd part (in1, in3, in5, in7)      out[7 - i] = b[i] - a[i]
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

/* round(x * 2^13) */
enum {
    F_0_298 = 2446,
    F_0_390 = 3196,
    F_0_541 = 4433,
    F_0_765 = 6270,
    F_0_899 = 7373,
    F_1_175 = 9633,
    F_1_501 = 12299,
    F_1_847 = 15137,
    F_1_961 = 16069,
    F_2_053 = 16819,
    F_2_562 = 20995,
    F_3_072 = 25172,
    CONST_BITS = 13,
    EXTRA_BITS = 2,
};

static int32_t wrap16(int32_t v)
{
    return (int16_t)(uint16_t)v;
}

static int16_t saturate16(int32_t v)
{
    return (int16_t)(v > INT16_MAX ? INT16_MAX : v < INT16_MIN ? INT16_MIN : v);
}

/* Rounds and shifts, modulo 2^32 as vector lanes do. */
static int16_t descale(uint32_t sum, unsigned shift)
{
    return saturate16((int32_t)(sum + (1u << (shift - 1))) >> shift);
}

/* One pass over eight values, `step` apart, in place. */
static void transform(int16_t *p, size_t step, unsigned shift)
{
    int32_t in[8];
    for (size_t i = 0; i < 8; i++)
        in[i] = p[i * step];

    uint32_t c2 = (uint32_t)(in[2] * F_0_541 + in[6] * (F_0_541 - F_1_847));
    uint32_t c3 = (uint32_t)(in[2] * (F_0_541 + F_0_765) + in[6] * F_0_541);
    uint32_t c0 = (uint32_t)wrap16(in[0] + in[4]) << CONST_BITS;
    uint32_t c1 = (uint32_t)wrap16(in[0] - in[4]) << CONST_BITS;
    uint32_t b[4] = { c0 + c3, c1 + c2, c1 - c2, c0 - c3 };

    int32_t s37 = wrap16(in[7] + in[3]), s15 = wrap16(in[5] + in[1]);
    uint32_t z3 = (uint32_t)(s37 * (F_1_175 - F_1_961)) + (uint32_t)(s15 * F_1_175);
    uint32_t z4 = (uint32_t)(s37 * F_1_175) + (uint32_t)(s15 * (F_1_175 - F_0_390));
    uint32_t a[4] = {
        (uint32_t)(in[1] * (F_1_501 - F_0_899)) - (uint32_t)(in[7] * F_0_899) + z4,
        (uint32_t)(in[3] * (F_3_072 - F_2_562)) - (uint32_t)(in[5] * F_2_562) + z3,
        (uint32_t)(in[5] * (F_2_053 - F_2_562)) - (uint32_t)(in[3] * F_2_562) + z4,
        (uint32_t)(in[7] * (F_0_298 - F_0_899)) - (uint32_t)(in[1] * F_0_899) + z3,
    };

    for (size_t i = 0; i < 4; i++) {
        p[i * step] = descale(b[i] + a[i], shift);
        p[(7 - i) * step] = descale(b[i] - a[i], shift);
    }
}

/* Dequantises, modulo 2^16. */
static int16_t scale(int16_t coef, int16_t quant, unsigned extra)
{
    return (int16_t)(uint16_t)((unsigned)(coef * quant) << extra);
}

static uint8_t sample(int16_t v)
{
    return (uint8_t)((v > 127 ? 127 : v < -128 ? -128 : v) + 128);
}

void sk_jf_idct_c(const struct sk_jf_job *jobs, size_t count, size_t stride, const int16_t *quant)
{
    for (const struct sk_jf_job *j = jobs; j < jobs + count; j++) {
        int16_t t[SK_JF_BLOCK];
        for (size_t i = 0; i < SK_JF_BLOCK; i++)
            t[i] = scale(j->block->coef[i], quant[i], 0);
        for (size_t x = 0; x < 8; x++)
            transform(t + x, 8, CONST_BITS - EXTRA_BITS);
        for (size_t y = 0; y < 8; y++) {
            transform(t + 8 * y, 1, CONST_BITS + EXTRA_BITS + 3);
            for (size_t x = 0; x < 8; x++)
                j->dst[y * stride + x] = sample(t[8 * y + x]);
        }
    }
}

void sk_jf_idct_row0(const struct sk_jf_job *jobs, size_t count, size_t stride,
                     const int16_t *quant)
{
    for (const struct sk_jf_job *j = jobs; j < jobs + count; j++) {
        int16_t t[8];
        uint8_t row[8];
        for (size_t x = 0; x < 8; x++)
            t[x] = scale(j->block->coef[x], quant[x], EXTRA_BITS);
        transform(t, 1, CONST_BITS + EXTRA_BITS + 3);
        for (size_t x = 0; x < 8; x++)
            row[x] = sample(t[x]);
        for (size_t y = 0; y < 8; y++)
            memcpy(j->dst + y * stride, row, 8);
    }
}

void sk_jf_idct_dc(const struct sk_jf_job *jobs, size_t count, size_t stride, const int16_t *quant)
{
    for (const struct sk_jf_job *j = jobs; j < jobs + count; j++) {
        int16_t dc = scale(j->block->coef[0], quant[0], EXTRA_BITS);
        uint64_t row = sample((int16_t)((dc + 16) >> 5)) * 0x0101010101010101u;
        for (size_t y = 0; y < 8; y++)
            memcpy(j->dst + y * stride, &row, 8);
    }
}
