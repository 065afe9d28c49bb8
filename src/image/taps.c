/*
 * taps.c - the weights of one axis of a resize, those of Pillow bit for bit.
 *
 * With scale = in / out, output i is centred at (i + 0.5) * scale of the source and reaches
 * `support` pixels to both sides, the filter's own support times max(scale, 1):
 *
 *     start = (int)(centre - support + 0.5)                  not below 0
 *     end   = (int)(centre + support + 0.5)                  not beyond in
 *     w[x]  = f((x + start - centre + 0.5) / max(scale, 1))  divided by their sum
 *     k[x]  = w[x] * 2^22                                    rounded half away from zero
 *
 * Every operation below is the one that Pillow does, in its order and in plain IEEE double, because
 * another order or a fused multiply-add changes last bits and with them some weights: the project
 * is compiled with -ffp-contract=off.
 *
 * Invariant: sum(|k|) <= SK_WEIGHT_SUM_MAX, a little below 2 (the weights sum up to 1, and the
 * negative ones of these filters to less than 1/3). So 255 * sum(|k|) + 2^21 < 2^31: every sum of
 * pixel * weight fits int32, in any order.
 */
#include "base/str.h"
#include "image/image_priv.h"

#include <assert.h>
#include <math.h>

enum {
    LINE = 64
};

static double box(double x)
{
    return x > -0.5 && x <= 0.5 ? 1.0 : 0.0;
}

static double bilinear(double x)
{
    x = x < 0.0 ? -x : x;
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double hamming(double x)
{
    x = x < 0.0 ? -x : x;
    if (x == 0.0)
        return 1.0;
    if (x >= 1.0)
        return 0.0;
    x = x * M_PI;
    return sin(x) / x * (0.54f + 0.46f * cos(x)); /* float constants: Pillow's */
}

/* Keys, a = -0.5 */
static double bicubic(double x)
{
    const double a = -0.5;
    x = x < 0.0 ? -x : x;
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double sinc(double x)
{
    if (x == 0.0)
        return 1.0;
    x = x * M_PI;
    return sin(x) / x;
}

static double lanczos(double x)
{
    return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

static const struct filter {
    const char *name;
    double (*weight)(double x); /* NULL: no weights (nearest) */
    double support;
} filters[SK_FILTER_COUNT] = {
    [SK_FILTER_NEAREST] = { "nearest", NULL, 0.0 },
    [SK_FILTER_LANCZOS] = { "lanczos", lanczos, 3.0 },
    [SK_FILTER_BILINEAR] = { "bilinear", bilinear, 1.0 },
    [SK_FILTER_BICUBIC] = { "bicubic", bicubic, 2.0 },
    [SK_FILTER_BOX] = { "box", box, 0.5 },
    [SK_FILTER_HAMMING] = { "hamming", hamming, 1.0 },
};

const char *sk_filter_name(enum sk_filter f)
{
    return (unsigned)f < SK_FILTER_COUNT ? filters[f].name : "unknown";
}

enum sk_filter sk_filter_parse(const char *name)
{
    int f = 0;
    while (f < SK_FILTER_COUNT && strcmp(name, filters[f].name) != 0)
        f++;
    return (enum sk_filter)f;
}

/* One block for start, count, k and packed; packed first, on a cache line of its own. */
static int take_memory(struct sk_taps *t, struct sk_err *err)
{
    size_t weights = 0, packed = 0, bounds = 0, bytes = 0;
    if (!sk_mul_size(t->axis.outputs, t->ksize, &weights) ||
        !sk_mul_size(weights, sizeof *t->k, &weights) ||
        !sk_mul_size(t->axis.outputs, t->pack_stride, &packed) ||
        !sk_mul_size(packed, sizeof *t->packed, &packed) ||
        !sk_mul_size(t->axis.outputs, 2 * sizeof *t->start, &bounds) ||
        !sk_add_size(weights, packed, &bytes) || !sk_add_size(bytes, bounds, &bytes) ||
        !sk_add_size(bytes, LINE - 1, &bytes))
        return sk_nomem(err);
    t->memory = aligned_alloc(LINE, bytes / LINE * LINE);
    if (!t->memory)
        return sk_nomem(err);
    t->packed = t->pack_stride > 0 ? t->memory : NULL;
    t->k = (int32_t *)t->memory + packed / sizeof *t->k;
    t->start = (uint32_t *)(t->k + weights / sizeof *t->k);
    t->count = t->start + t->axis.outputs;
    return 0;
}

/* The weights of output n, in order of the source; w has room for ksize. Returns the sum of their
 * absolute values, fixed point. */
static uint64_t fill_output(const struct sk_taps *t, uint32_t n, double *w)
{
    const struct sk_axis *axis = &t->axis;
    const struct filter *f = &filters[axis->filter];
    uint32_t i = axis->first + (axis->is_mirrored ? axis->outputs - 1 - n : n);
    double scale = (double)(float)axis->in / axis->out;
    double filterscale = scale < 1.0 ? 1.0 : scale;
    double support = f->support * filterscale;
    double centre = 0.0f + (i + 0.5) * scale;
    double ss = 1.0 / filterscale;
    int start = (int)(centre - support + 0.5);
    start = start < 0 ? 0 : start;
    int end = (int)(centre + support + 0.5);
    end = end > (int)axis->in ? (int)axis->in : end;
    int count = end - start;

    double sum = 0.0;
    for (int x = 0; x < count; x++) {
        w[x] = f->weight((x + start - centre + 0.5) * ss);
        sum += w[x];
    }
    uint64_t magnitude = 0;
    int32_t *k = t->k + (size_t)n * t->ksize;
    memset(k, 0, t->ksize * sizeof *k);
    for (int x = 0; x < count; x++) {
        double v = (sum != 0.0 ? w[x] / sum : w[x]) * (1 << SK_WEIGHT_BITS);
        int32_t c = v < 0 ? (int)(-0.5 + v) : (int)(0.5 + v);
        k[axis->is_mirrored ? count - 1 - x : x] = c;
        magnitude += (uint64_t)(c < 0 ? -(int64_t)c : c);
    }
    t->start[n] = axis->is_mirrored ? axis->in - (uint32_t)end : (uint32_t)start;
    t->count[n] = (uint32_t)count;
    return magnitude;
}

int sk_taps_init(struct sk_taps *taps, const struct sk_axis *axis, const struct sk_kernels *kernels,
                 struct sk_err *err)
{
    assert(axis->in > 0 && axis->outputs > 0 && filters[axis->filter].weight);
    assert(axis->first < axis->out && axis->outputs <= axis->out - axis->first);
    struct sk_taps t = { .axis = *axis, .kernels = kernels };
    double scale = (double)(float)axis->in / axis->out;
    double reach = ceil(filters[axis->filter].support * (scale < 1.0 ? 1.0 : scale)) * 2 + 1;
    if (axis->in > INT32_MAX / 2 || axis->out > INT32_MAX / 2 || reach > INT32_MAX / 8)
        return sk_fail(err, SK_LIMIT, "resize: %u pixels to %u is out of range", axis->in,
                       axis->out);
    t.ksize = (uint32_t)reach;
    t.pack_stride = kernels->pack ? kernels->pack_stride(t.ksize, axis->rows) : 0;
    double *w = malloc(t.ksize * sizeof *w);
    if (!w || take_memory(&t, err) < 0) {
        free(w);
        return sk_nomem(err);
    }
    assert(t.k);
    bool fits = true;
    for (uint32_t i = 0; i < axis->outputs; i++)
        fits = fill_output(&t, i, w) <= SK_WEIGHT_SUM_MAX && fits;
    free(w);
    if (!fits) {
        sk_taps_done(&t);
        return sk_fail(err, SK_BUG, "resize: weights of %u to %u do not fit", axis->in, axis->out);
    }
    if (t.packed)
        kernels->pack(&t, t.packed);
    *taps = t;
    return 0;
}

void sk_taps_done(struct sk_taps *t)
{
    free(t->memory);
    *t = (struct sk_taps){ 0 };
}
