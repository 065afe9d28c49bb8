/*
 * plan.c - what follows from a plan's settings: where pixels go and which value each byte becomes.
 *
 * A tensor's value depends on one byte and its channel only, so the value steps run 3 x 256 times
 * here and never again. That is exact by construction: the table holds the very numbers that the
 * steps would give for each pixel.
 */
#include "prep/prep_priv.h"

#include "base/limits.h"

#include <math.h>

int sk_prep_place(const struct sk_prep *p, uint32_t width, uint32_t height, struct sk_frame *out,
                  struct sk_err *err)
{
    struct sk_frame f = { width, height, 0, 0, width, height, 0, 0, width, height };

    for (size_t i = 0; sk_steps[i]; i++) {
        if (sk_steps[i]->place && sk_steps[i]->place(p, &f, err) < 0)
            return -1;
    }
    *out = f;
    return 0;
}

/* The size of every tensor, when it does not depend on the picture. */
static void find_fixed(struct sk_prep *p)
{
    if (p->crop.rule != SK_CROP_NONE) {
        p->height = p->crop.height;
        p->width = p->crop.width;
    } else if (p->resize.rule == SK_SIZE_EXACT) {
        p->height = p->resize.a;
        p->width = p->resize.b;
    } else {
        return;
    }
    p->is_fixed = true;
}

static int check_size(const struct sk_prep *p, struct sk_err *err)
{
    const struct sk_prep_input *in = &p->input;

    if (!p->is_fixed && (in->height > 0 || in->width > 0))
        return sk_fail(err, SK_INVALID,
                       "preprocessing gives tensors whose size depends on the picture, but the "
                       "model takes %u x %u "
                       "(height x width; 0: any)",
                       in->height, in->width);
    if (p->is_fixed &&
        ((in->height > 0 && in->height != p->height) || (in->width > 0 && in->width != p->width)))
        return sk_fail(
            err, SK_INVALID,
            "preprocessing gives %u x %u, but the model takes %u x %u (height x width; 0: any)",
            p->height, p->width, in->height, in->width);
    return 0;
}

static int make_tables(struct sk_prep *p, struct sk_err *err)
{
    bool is_half = p->input.dtype == SK_DT_F16;

    for (unsigned c = 0; c < 3; c++) {
        /* The picture's channel, which mean and std belong to. */
        unsigned source = p->flip.is_on ? 2 - c : c;

        for (unsigned byte = 0; byte < 256; byte++) {
            float v = (float)byte;
            for (size_t i = 0; sk_steps[i]; i++) {
                if (sk_steps[i]->value)
                    v = sk_steps[i]->value(p, source, v);
            }
            p->lut[c][byte] = v;
            p->half[c][byte] = sk_float_to_half(v);
            if (!isfinite(is_half ? sk_half_to_float(p->half[c][byte]) : v))
                return sk_fail(err, SK_INVALID,
                               "preprocessing turns the value %u into %g, too large for %s", byte,
                               (double)v, sk_dtype_name(p->input.dtype));
        }
    }
    return 0;
}

int sk_prep_finish(struct sk_prep *p, struct sk_err *err)
{
    find_fixed(p);
    if (check_size(p, err) < 0)
        return -1;
    if (p->input.dtype == SK_DT_U8) { /* the model wants the bytes */
        p->rescale.is_on = p->normalise.is_on = p->normalise.twice = false;
        return 0;
    }
    return make_tables(p, err);
}
