/*
 * step_resize.c - the size a picture is brought to before the crop.
 *
 *   EXACT       height x width, whatever the picture's shape
 *   SHORT       short side n; long side int(n * long / short)
 *   SHORT_LONG  the same, but when long / short * n > limit, n shrinks to raw = limit * short /
 * long, the short side is raw rounded half to even, the long one int(raw * long / short) WITHIN
 * both sides times the smaller of max_height / height and max_width / width, truncated
 *
 * The formulas, their order of evaluation and their truncations are those of transformers, in
 * double: a side that is off by one moves every pixel. Products of sides stay far below 2^53, so
 * integer products are exact.
 */
#include "prep/prep_priv.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* ---- reading ---- */

static int read_object(const struct sk_json *size, struct sk_prep *p, struct sk_err *err)
{
    static const struct {
        const char *a, *b;
        enum sk_size_rule rule;
    } forms[] = {
        /* in transformers' order of precedence */
        { "shortest_edge", "longest_edge", SK_SIZE_SHORT_LONG },
        { "shortest_edge", NULL, SK_SIZE_SHORT },
        { "max_height", "max_width", SK_SIZE_WITHIN },
        { "height", "width", SK_SIZE_EXACT },
    };

    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        const struct sk_json *a = sk_json_get(size, forms[i].a);
        const struct sk_json *b = forms[i].b ? sk_json_get(size, forms[i].b) : NULL;
        uint32_t pair[2] = { 0, 0 };

        if (sk_json_type(a) == SK_JSON_NULL || (forms[i].b && sk_json_type(b) == SK_JSON_NULL))
            continue;
        if (sk_prep_read_side(a, forms[i].a, &pair[0], err) < 0 ||
            (forms[i].b && sk_prep_read_side(b, forms[i].b, &pair[1], err) < 0))
            return sk_wrap(err, "size");
        p->resize.rule = forms[i].rule;
        p->resize.a = pair[0];
        p->resize.b = pair[1];
        return 0;
    }
    return sk_fail(err, SK_INVALID,
                   "'size': expected height and width, shortest_edge, or max_height and max_width");
}

static int read_size(const struct sk_json *config, const struct sk_processor *processor,
                     struct sk_prep *p, struct sk_err *err)
{
    const struct sk_json *size = sk_json_get(config, "size");

    p->resize.rule = processor->is_square ? SK_SIZE_EXACT : SK_SIZE_SHORT;
    switch (sk_json_type(size)) {
    case SK_JSON_NULL: /* the class's default; without a class the model's size, or 224 */
        p->resize.a = processor->size > 0   ? processor->size
                      : p->input.height > 0 ? p->input.height
                                            : 224;
        p->resize.b = processor->size > 0  ? processor->size
                      : p->input.width > 0 ? p->input.width
                                           : 224;
        return 0;
    case SK_JSON_INT:
        if (sk_prep_read_side(size, "size", &p->resize.a, err) < 0)
            return -1;
        p->resize.b = p->resize.a;
        return 0;
    case SK_JSON_OBJECT:
        return read_object(size, p, err);
    default:
        p->resize.rule = SK_SIZE_EXACT;
        return sk_prep_read_sides(size, "size", &p->resize.a, &p->resize.b, err);
    }
}

static int scale_side(double side, const char *why, uint32_t *out, struct sk_err *err)
{
    if (!(side >= 1 && side <= SK_LIMIT_SIDE))
        return sk_fail(err, SK_INVALID, "'size': %s gives a side of %.0f pixels", why, side);
    *out = (uint32_t)side; /* int(): truncated */
    return 0;
}

/* What some classes make of their size. */
static int apply_style(const struct sk_json *config, enum sk_size_style style, struct sk_prep *p,
                       struct sk_err *err)
{
    double pct = style == SK_STYLE_POOLFORMER ? 0.9 : 0.875;
    uint32_t n = p->resize.a;

    if (style == SK_STYLE_PLAIN)
        return 0;
    if (p->resize.rule == SK_SIZE_SHORT_LONG) /* these classes do not look at longest_edge */
        p->resize.rule = SK_SIZE_SHORT;
    if (style == SK_STYLE_LEVIT)
        return p->resize.rule == SK_SIZE_SHORT
                   ? scale_side((256.0 / 224.0) * n, "256/224", &p->resize.a, err)
                   : 0;
    if (sk_json_want_num(config, "crop_pct", 1e-3, 1e3, &pct, err) < 0)
        return -1;
    if (style == SK_STYLE_POOLFORMER) {
        if (scale_side(n / pct, "crop_pct", &p->resize.a, err) < 0)
            return -1;
        if (p->resize.rule == SK_SIZE_EXACT && p->resize.b == n)
            p->resize.rule = SK_SIZE_SHORT;
        else if (p->resize.rule == SK_SIZE_EXACT)
            return scale_side(p->resize.b / pct, "crop_pct", &p->resize.b, err);
        return 0;
    }
    if (p->resize.rule != SK_SIZE_SHORT)
        return sk_fail(err, SK_INVALID, "'size': this image processor needs shortest_edge");
    if (n >= 384) {
        p->resize.rule = SK_SIZE_EXACT;
        p->resize.b = n;
        return 0;
    }
    p->crop.rule = SK_CROP_CENTRE;
    p->crop.height = p->crop.width = n;
    return scale_side(n / pct, "crop_pct", &p->resize.a, err);
}

static int read_resize(const struct sk_json *config, const struct sk_processor *processor,
                       struct sk_prep *p, struct sk_err *err)
{
    bool is_on = true;

    p->resize.filter = processor->filter;
    if (sk_json_want_bool(config, "do_resize", &is_on, err) < 0)
        return -1;
    if (!is_on)
        return 0;
    if (sk_prep_read_filter(config, "resample", &p->resize.filter, err) < 0 ||
        read_size(config, processor, p, err) < 0)
        return -1;
    return apply_style(config, processor->style, p, err);
}

/* ---- placing ---- */

/* round(): to the nearest, halves to even, whatever the rounding mode. */
static double round_even(double v)
{
    double down = floor(v), rest = v - down;

    if (rest < 0.5 || (rest == 0.5 && fmod(down, 2.0) == 0.0))
        return down;
    return down + 1;
}

static void fit_short(double n, double raw, double w, double h, double *out_w, double *out_h)
{
    *out_w = w;
    *out_h = h;
    if ((h <= w && h == n) || (w <= h && w == n))
        return;
    *out_w = w < h ? n : trunc(raw * w / h);
    *out_h = w < h ? trunc(raw * h / w) : n;
}

static int place_resize(const struct sk_prep *p, struct sk_frame *f, struct sk_err *err)
{
    double w = f->resized_w, h = f->resized_h, n = p->resize.a, raw = n, scale;
    double out_w = w, out_h = h;

    switch (p->resize.rule) {
    case SK_SIZE_KEEP:
        return 0;
    case SK_SIZE_EXACT:
        out_w = p->resize.b;
        out_h = p->resize.a;
        break;
    case SK_SIZE_SHORT_LONG:
        if (fmax(w, h) / fmin(w, h) * n > p->resize.b) {
            raw = p->resize.b * fmin(w, h) / fmax(w, h);
            n = round_even(raw);
        }
        fit_short(n, raw, w, h, &out_w, &out_h);
        break;
    case SK_SIZE_SHORT:
        fit_short(n, raw, w, h, &out_w, &out_h);
        break;
    case SK_SIZE_WITHIN:
        scale = fmin(p->resize.a / h, p->resize.b / w);
        out_w = trunc(w * scale);
        out_h = trunc(h * scale);
        break;
    }
    if (out_w < 1 || out_h < 1)
        return sk_fail(err, SK_INVALID, "a picture of %.0f x %.0f would be resized to %.0f x %.0f",
                       w, h, out_w, out_h);
    if (out_w > SK_LIMIT_SIDE || out_h > SK_LIMIT_SIDE)
        return sk_fail(err, SK_LIMIT,
                       "a picture of %.0f x %.0f would be resized to %.0f x %.0f; a side has at "
                       "most %u pixels",
                       w, h, out_w, out_h, SK_LIMIT_SIDE);
    f->resized_w = f->w = f->out_w = (uint32_t)out_w;
    f->resized_h = f->h = f->out_h = (uint32_t)out_h;
    return 0;
}

/* ---- telling ---- */

static void describe_resize(const struct sk_prep *p, struct sk_buf *out)
{
    const char *filter = sk_filter_name(p->resize.filter);
    unsigned a = p->resize.a, b = p->resize.b;

    switch (p->resize.rule) {
    case SK_SIZE_KEEP:
        return;
    case SK_SIZE_EXACT:
        sk_buf_fmt(out, "resize to %u x %u (height x width), %s", a, b, filter);
        return;
    case SK_SIZE_SHORT:
        sk_buf_fmt(out, "resize the short side to %u, keeping the shape, %s", a, filter);
        return;
    case SK_SIZE_SHORT_LONG:
        sk_buf_fmt(out,
                   "resize the short side to %u, the long one to at most %u, keeping the shape, %s",
                   a, b, filter);
        return;
    case SK_SIZE_WITHIN:
        sk_buf_fmt(out, "resize to fit %u x %u (height x width), keeping the shape, %s", a, b,
                   filter);
        return;
    }
}

static void json_resize(const struct sk_prep *p, struct sk_buf *out)
{
    static const char *const keys[][2] = {
        [SK_SIZE_KEEP] = { NULL, NULL },
        [SK_SIZE_EXACT] = { "height", "width" },
        [SK_SIZE_SHORT] = { "shortest_edge", NULL },
        [SK_SIZE_SHORT_LONG] = { "shortest_edge", "longest_edge" },
        [SK_SIZE_WITHIN] = { "max_height", "max_width" },
    };
    const char *const *key = keys[p->resize.rule];

    if (p->resize.rule == SK_SIZE_KEEP) {
        sk_buf_str(out, "\"do_resize\":false");
        return;
    }
    sk_buf_fmt(out, "\"do_resize\":true,\"resample\":%d,\"size\":{\"%s\":%u", (int)p->resize.filter,
               key[0], p->resize.a);
    if (key[1])
        sk_buf_fmt(out, ",\"%s\":%u", key[1], p->resize.b);
    sk_buf_chr(out, '}');
}

const struct sk_step sk_step_resize = {
    .name = "resize",
    .read = read_resize,
    .place = place_resize,
    .describe = describe_resize,
    .json = json_resize,
};
