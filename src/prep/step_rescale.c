/*
 * step_rescale.c - bytes to numbers around one.
 *
 * transformers: float32(float64(byte) * rescale_factor). torchvision: float32(byte) / 255. The two
 * differ in the last bit for some bytes when the factor is 1/255.
 */
#include "prep/prep_priv.h"

#include <float.h>

static int read_rescale(const struct sk_json *config, const struct sk_processor *processor,
                        struct sk_prep *p, struct sk_err *err)
{
    (void)processor;
    p->rescale.is_on = true;
    p->rescale.factor = 1.0 / 255.0;
    if (sk_json_want_bool(config, "do_rescale", &p->rescale.is_on, err) < 0 ||
        sk_json_want_bool(config, "rescale_offset", &p->rescale.minus_one, err) < 0)
        return -1;
    return sk_json_want_num(config, "rescale_factor", -DBL_MAX, DBL_MAX, &p->rescale.factor, err);
}

static float rescale(const struct sk_prep *p, unsigned channel, float v)
{
    (void)channel;
    if (!p->rescale.is_on)
        return v;
    v = p->rescale.divides ? v / 255.0F : (float)((double)v * p->rescale.factor);
    return p->rescale.minus_one ? v - 1.0F : v;
}

static void describe_rescale(const struct sk_prep *p, struct sk_buf *out)
{
    if (!p->rescale.is_on)
        return;
    if (p->rescale.divides)
        sk_buf_str(out, "divide by 255");
    else
        sk_buf_fmt(out, "multiply by %.9g", p->rescale.factor);
    if (p->rescale.minus_one)
        sk_buf_str(out, ", subtract 1");
}

static void json_rescale(const struct sk_prep *p, struct sk_buf *out)
{
    if (!p->rescale.is_on) {
        sk_buf_str(out, "\"do_rescale\":false");
        return;
    }
    sk_buf_str(out, "\"do_rescale\":true,\"rescale_factor\":");
    sk_buf_num(out, p->rescale.factor, 17);
    if (p->rescale.minus_one)
        sk_buf_str(out, ",\"rescale_offset\":true");
}

const struct sk_step sk_step_rescale = {
    .name = "rescale",
    .read = read_rescale,
    .value = rescale,
    .describe = describe_rescale,
    .json = json_rescale,
};
