/*
 * loops_lanes_body.h - the loops over LANES neighbouring channels of TYPE; see loops_body.h.
 */
typedef float FN(vf) __attribute__((vector_size(4 * LANES)));
typedef int32_t FN(vi) __attribute__((vector_size(4 * LANES)));
typedef uint32_t FN(vu) __attribute__((vector_size(4 * LANES)));
typedef uint16_t FN(vh) __attribute__((vector_size(2 * LANES)));
typedef uint8_t FN(vb) __attribute__((vector_size(LANES)));

#define VF FN(vf)
#define VI FN(vi)
#define VU FN(vu)
#define VH FN(vh)
#define VB FN(vb)

INLINE VF FN(load)(const TYPE *p)
{
#ifdef IS_BF16
    VH h;
    memcpy(&h, p, sizeof(h));
    return (VF)(__builtin_convertvector(h, VU) << 16);
#else
    VF v;
    memcpy(&v, p, sizeof(v));
    return v;
#endif
}

INLINE VF FN(load_f32)(const float *p)
{
    VF v;
    memcpy(&v, p, sizeof(v));
    return v;
}

/* a where the mask is set, else b. */
INLINE VF FN(choose)(VI mask, VF a, VF b)
{
    return (VF)((mask & (VI)a) | (~mask & (VI)b));
}

INLINE VF FN(where)(VI mask, VF a)
{
    return (VF)(mask & (VI)a);
}

INLINE void FN(store)(TYPE *p, VF v)
{
#ifdef IS_BF16
    VU u = (VU)v;
    VU rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    VI is_nan = v != v;
    VH h = __builtin_convertvector((VU)((is_nan & 0x7fc0) | (~is_nan & (VI)rounded)), VH);
    memcpy(p, &h, sizeof(h));
#else
    memcpy(p, &v, sizeof(v));
#endif
}

INLINE VF FN(all)(float f)
{
    return (VF){ 0 } + f;
}

/* ---- activations; a NaN stays one ---- */

/* e^x as 2^n e^r with |r| <= ln 2 / 2, and a polynomial of Cephes; about 1 ulp. */
INLINE VF FN(exp)(VF x)
{
    VF lo = FN(all)(-87.3f), hi = FN(all)(88.0f);
    VF n, r, p;

    x = FN(choose)(x < lo, lo, x);
    x = FN(choose)(x > hi, hi, x);
    n = (x * 1.44269504088896341f + 12582912.0f) - 12582912.0f; /* to the nearest integer */
    r = x - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    p = FN(all)(1.9875691500e-4f);
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    return p * (VF)((__builtin_convertvector(FN(choose)(n == n, n, n - n), VI) + 127) << 23);
}

INLINE VF FN(sigmoid)(VF x)
{
    VF y = 1.0f / (1.0f + FN(exp)(-x));
    return FN(choose)(x != x, x, y);
}

INLINE VF FN(relu6)(VF x)
{
    x = FN(where)(~(x <= 0), x);
    return FN(choose)(x > 6, FN(all)(6), x);
}

INLINE VF FN(activate)(VF x, enum sk_act act)
{
    switch (act) {
    case SK_ACT_RELU:
        return FN(where)(~(x <= 0), x);
    case SK_ACT_RELU6:
        return FN(relu6)(x);
    case SK_ACT_HARD_SWISH:
        return x * FN(relu6)(x + 3) / 6;
    case SK_ACT_HARD_SIGMOID:
        return FN(relu6)(x + 3) / 6;
    case SK_ACT_SILU:
        return x * FN(sigmoid)(x);
    case SK_ACT_SIGMOID:
        return FN(sigmoid)(x);
    default:
        return x;
    }
}

/* g times the derivative, at input x. */
INLINE VF FN(derive)(VF g, VF x, enum sk_act act)
{
    VF s;

    switch (act) {
    case SK_ACT_RELU:
        return FN(where)(~(x <= 0), g);
    case SK_ACT_RELU6:
        return FN(where)(~((x <= 0) | (x >= 6)), g);
    case SK_ACT_HARD_SWISH:
        return FN(where)(~(x <= -3), FN(choose)(x < 3, g * (x / 3 + 0.5f), g));
    case SK_ACT_HARD_SIGMOID:
        return FN(where)(~((x <= -3) | (x >= 3)), g / 6);
    case SK_ACT_SILU:
        s = FN(sigmoid)(x);
        return g * (s * (1 + x * (1 - s)));
    case SK_ACT_SIGMOID:
        s = FN(sigmoid)(x);
        return g * (s * (1 - s));
    default:
        return g;
    }
}

/* The same at output y; for activations of sk_act_from_output. */
INLINE VF FN(derive_from)(VF g, VF y, enum sk_act act)
{
    if (act == SK_ACT_HARD_SIGMOID)
        return FN(where)(~((y <= 0) | (y >= 1)), g / 6);
    if (act == SK_ACT_SIGMOID)
        return g * (y * (1 - y));
    return FN(derive)(g, y, act);
}

/* ---- batch norm ---- */

INLINE void FN(carry)(double *sum, VF v)
{
    for (int l = 0; l < LANES; l++)
        sum[l] += (double)v[l];
}

/* Sum of x - from, or of its square, over rows. */
INLINE void FN(sum_rows)(const TYPE *x, size_t rows, size_t stride, VF from, bool is_square,
                         double *sum)
{
    for (size_t begin = 0; begin < rows; begin += SUM_ROWS) {
        size_t end = rows - begin < SUM_ROWS ? rows : begin + SUM_ROWS, r = begin;
        VF s[4] = { { 0 } };

        for (; r + 4 <= end; r += 4) {
            for (int k = 0; k < 4; k++) {
                VF v = FN(load)(x + (r + (size_t)k) * stride) - from;
                s[k] += is_square ? v * v : v;
            }
        }
        for (; r < end; r++) {
            VF v = FN(load)(x + r * stride) - from;
            s[0] += is_square ? v * v : v;
        }
        FN(carry)(sum, (s[0] + s[1]) + (s[2] + s[3]));
    }
}

static void FN(stats)(const TYPE *x, size_t rows, size_t stride, double *mean, double *m2)
{
    double sum[LANES] = { 0 }, squares[LANES] = { 0 };
    VF from;

    FN(sum_rows)(x, rows, stride, (VF){ 0 }, false, sum);
    for (int l = 0; l < LANES; l++) {
        mean[l] = sum[l] / (double)rows;
        from[l] = (float)mean[l];
    }
    FN(sum_rows)(x, rows, stride, from, true, squares);
    for (int l = 0; l < LANES; l++) {
        double off = mean[l] - (double)from[l];
        m2[l] = squares[l] - (double)rows * off * off;
    }
}

/* at: first channel of the lanes, in all of these. */
INLINE void FN(norm_act)(const struct sk_norm_unit *u, size_t at, enum sk_act act)
{
    const TYPE *x = (const TYPE *)u->x + at, *res = u->r ? (const TYPE *)u->r + at : NULL;
    TYPE *y = (TYPE *)u->y + at;
    VF scale = FN(load_f32)(u->scale + at), shift = FN(load_f32)(u->shift + at);

    if (res) {
        for (size_t i = 0; i < u->rows * u->block; i += u->block)
            FN(store)
        (y + i, FN(activate)(FN(load)(x + i) * scale + shift + FN(load)(res + i), act));
    } else {
        for (size_t i = 0; i < u->rows * u->block; i += u->block)
            FN(store)(y + i, FN(activate)(FN(load)(x + i) * scale + shift, act));
    }
}

static void FN(norm)(const struct sk_norm_unit *u, size_t at){
#define CALL(a) FN(norm_act)(u, at, a)
    FOR_ACT(u->act, CALL)
#undef CALL
}

INLINE void FN(norm_sums_act)(const struct sk_norm_unit *u, size_t at, enum sk_act act, double *sum,
                              double *dot)
{
    const TYPE *xs = (const TYPE *)u->x + at, *ys = u->y ? (const TYPE *)u->y + at : NULL;
    const TYPE *g2 = u->g2 ? (const TYPE *)u->g2 + at : NULL;
    TYPE *gs = (TYPE *)u->g + at;
    VF scale = FN(load_f32)(u->scale + at), shift = FN(load_f32)(u->shift + at);
    VF mean = FN(load_f32)(u->mean + at);
    bool keep = u->keep;

    for (size_t begin = 0; begin < u->rows; begin += SUM_ROWS) {
        size_t end = u->rows - begin < SUM_ROWS ? u->rows : begin + SUM_ROWS;
        VF s = { 0 }, d = { 0 };

        for (size_t r = begin; r < end; r++) {
            size_t i = r * u->block;
            VF x = FN(load)(xs + i), g = FN(load)(gs + i);

            if (g2)
                g += FN(load)(g2 + i);
            if (act != SK_ACT_NONE && ys)
                g = FN(derive_from)(g, FN(load)(ys + i), act);
            else if (act != SK_ACT_NONE)
                g = FN(derive)(g, x * scale + shift, act);
            if (keep)
                FN(store)(gs + i, g);
            s += g;
            d += g * (x - mean);
        }
        FN(carry)(sum, s);
        FN(carry)(dot, d);
    }
}

static void FN(norm_sums)(const struct sk_norm_unit *u, size_t at, double *sum, double *dot)
{
    memset(sum, 0, LANES * sizeof(*sum));
    memset(dot, 0, LANES * sizeof(*dot));
#define CALL(a) FN(norm_sums_act)(u, at, a, sum, dot)
    FOR_ACT(u->act, CALL)
#undef CALL
}

INLINE void FN(norm_apply_act)(const struct sk_norm_unit *u, size_t at, enum sk_act act)
{
    const TYPE *xs = (const TYPE *)u->x + at, *ys = u->y ? (const TYPE *)u->y + at : NULL;
    const TYPE *gs = (const TYPE *)u->g + at;
    TYPE *dx = (TYPE *)u->dx + at;
    VF scale = FN(load_f32)(u->scale + at), shift = FN(load_f32)(u->shift + at);
    VF mean = FN(load_f32)(u->mean + at);
    VF g_mean = FN(load_f32)(u->g_mean + at), g_dot = FN(load_f32)(u->g_dot + at);

    for (size_t i = 0; i < u->rows * u->block; i += u->block) {
        VF x = FN(load)(xs + i), g = FN(load)(gs + i);

        if (act != SK_ACT_NONE && ys)
            g = FN(derive_from)(g, FN(load)(ys + i), act);
        else if (act != SK_ACT_NONE)
            g = FN(derive)(g, x * scale + shift, act);
        FN(store)(dx + i, (g - g_mean - (x - mean) * g_dot) * scale);
    }
}

static void FN(norm_apply)(const struct sk_norm_unit *u, size_t at)
{
    enum sk_act act = u->keep ? SK_ACT_NONE : u->act;

#define CALL(a) FN(norm_apply_act)(u, at, a)
    FOR_ACT(act, CALL)
#undef CALL
}

/* ---- element by element: count is a multiple of LANES ---- */

INLINE void FN(put)(TYPE *p, VF v, bool add)
{
    FN(store)(p, add ? FN(load)(p) + v : v);
}

static void FN(act)(const TYPE *x, TYPE *y, size_t count, enum sk_act act)
{
#define CALL(a)                                                                                    \
    for (size_t i = 0; i < count; i += LANES)                                                      \
    FN(store)(y + i, FN(activate)(FN(load)(x + i), a))
    FOR_ACT(act, CALL)
#undef CALL
}

static void FN(act_back)(const TYPE *v, bool from_output, const TYPE *g, TYPE *d, size_t count,
                         enum sk_act act, bool add)
{
#define CALL(a)                                                                                    \
    for (size_t i = 0; i < count; i += LANES) {                                                    \
        VF at = FN(load)(v + i), in = FN(load)(g + i);                                             \
        FN(put)(d + i, from_output ? FN(derive_from)(in, at, a) : FN(derive)(in, at, a), add);     \
    }
    FOR_ACT(act, CALL)
#undef CALL
}

static void FN(add)(const TYPE *a, const TYPE *b, TYPE *y, size_t count)
{
    for (size_t i = 0; i < count; i += LANES)
        FN(store)(y + i, FN(load)(a + i) + FN(load)(b + i));
}

static void FN(mul)(const TYPE *a, const TYPE *b, TYPE *y, size_t count, bool add)
{
    for (size_t i = 0; i < count; i += LANES)
        FN(put)(y + i, FN(load)(a + i) * FN(load)(b + i), add);
}

static void FN(scale)(const TYPE *x, float factor, TYPE *y, size_t count, bool add)
{
    for (size_t i = 0; i < count; i += LANES)
        FN(put)(y + i, FN(load)(x + i) * factor, add);
}

/* ---- one value per channel ---- */

static void FN(mul_rows)(const TYPE *x, const TYPE *s, TYPE *y, size_t rows, size_t stride,
                         bool add)
{
    VF factor = FN(load)(s);

    for (size_t i = 0; i < rows * stride; i += stride)
        FN(put)(y + i, FN(load)(x + i) * factor, add);
}

static void FN(dot_rows)(const TYPE *a, const TYPE *b, TYPE *s, size_t rows, size_t stride,
                         bool add)
{
    double sum[LANES] = { 0 };
    VF total;

    for (size_t begin = 0; begin < rows; begin += SUM_ROWS) {
        size_t end = rows - begin < SUM_ROWS ? rows : begin + SUM_ROWS;
        VF part = { 0 };

        for (size_t i = begin * stride; i < end * stride; i += stride)
            part += FN(load)(a + i) * FN(load)(b + i);
        FN(carry)(sum, part);
    }
    for (int l = 0; l < LANES; l++)
        total[l] = (float)sum[l];
    FN(put)(s, total, add);
}

static void FN(mean_rows)(const TYPE *x, TYPE *y, size_t rows, size_t stride)
{
    double sum[LANES] = { 0 };
    VF mean;

    FN(sum_rows)(x, rows, stride, (VF){ 0 }, false, sum);
    for (int l = 0; l < LANES; l++)
        mean[l] = (float)(sum[l] / (double)rows);
    FN(store)(y, mean);
}

static void FN(spread_rows)(const TYPE *g, TYPE *d, size_t rows, size_t stride, bool add)
{
    VF v = FN(load)(g) / (float)rows;

    for (size_t i = 0; i < rows * stride; i += stride)
        FN(put)(d + i, v, add);
}

#include "nn/loops_window_body.h"

#undef VF
#undef VI
#undef VU
#undef VH
#undef VB
