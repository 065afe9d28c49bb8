/*
 * dtype.c - element types and half precision.
 *
 * binary16 (IEEE 754-2008): 1 sign bit, 5 exponent bits (bias 15), 10 fraction bits. The
 * conversions work on the bits, so that they are the same on every machine; NaN stays NaN (quiet),
 * infinities stay.
 */
#include "base/dtype.h"

struct dtype_row {
    const char *name;
    size_t size;
};

static const struct dtype_row types[] = {
#define ROW(type, name, size) [type] = { name, size },
    SK_DTYPE_TABLE(ROW)
#undef ROW
};

const char *sk_dtype_name(enum sk_dtype t)
{
    return (unsigned)t < SK_DT_COUNT ? types[t].name : "unknown";
}

size_t sk_dtype_size(enum sk_dtype t)
{
    return (unsigned)t < SK_DT_COUNT ? types[t].size : 0;
}

enum sk_dtype sk_dtype_parse(const char *name, size_t len)
{
    for (unsigned t = 0; t < SK_DT_COUNT; t++)
        if (strlen(types[t].name) == len && memcmp(types[t].name, name, len) == 0)
            return (enum sk_dtype)t;
    return SK_DT_COUNT;
}

float sk_half_to_float(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    uint32_t exponent = (h >> 10) & 0x1fu;
    uint32_t fraction = h & 0x3ffu;
    uint32_t bits = 0;
    float f = 0;

    if (exponent == 0x1f) {
        bits = sign | 0x7f800000u | (fraction << 13);
    } else if (exponent != 0) {
        bits = sign | ((exponent + 127 - 15) << 23) | (fraction << 13);
    } else if (fraction == 0) {
        bits = sign;
    } else { /* subnormal: shift the leading one into its place */
        unsigned shift = (unsigned)__builtin_clz(fraction) - 21;
        bits = sign | ((127 - 14 - shift) << 23) | (((fraction << shift) & 0x3ffu) << 13);
    }
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* value >> shift, rounded to nearest, ties to even. */
static uint32_t shift_even(uint32_t value, unsigned shift)
{
    uint32_t half = 1u << (shift - 1);
    uint32_t rest = value & ((1u << shift) - 1);
    uint32_t result = value >> shift;
    return result + (rest > half || (rest == half && (result & 1)));
}

uint16_t sk_float_to_half(float f)
{
    uint32_t bits = 0;
    memcpy(&bits, &f, sizeof bits);
    uint32_t sign = (bits >> 16) & 0x8000u;
    int exponent = (int)((bits >> 23) & 0xffu) - 127;
    uint32_t fraction = bits & 0x7fffffu;

    if (exponent == 128)
        return (uint16_t)(sign | 0x7c00u | (fraction ? 0x200u | (fraction >> 13) : 0));
    if (exponent > 15)
        return (uint16_t)(sign | 0x7c00u);
    if (exponent >= -14) /* a carry out of the fraction moves into the exponent, as it should */
        return (uint16_t)(sign | shift_even(((uint32_t)(exponent + 15) << 23) | fraction, 13));
    if (exponent >= -25)
        return (uint16_t)(sign | shift_even(fraction | 0x800000u, (unsigned)(-1 - exponent)));
    return (uint16_t)sign;
}
