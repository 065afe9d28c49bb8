/*
 * step_normalise.c - (value - mean) / std of each channel, in float32: mean and std are rounded to
 * float32 first and each of the two operations rounds once, as numpy does.
 */
#include "prep/prep_priv.h"

#include <string.h>

static int read_normalise(const struct sk_json *config, const struct sk_processor *processor,
                          struct sk_prep *p, struct sk_err *err)
{
    p->normalise.is_on = processor->normalises;
    p->normalise.twice = strcmp(processor->name, "EfficientNet") == 0;
    memcpy(p->normalise.mean, processor->mean, sizeof(p->normalise.mean));
    memcpy(p->normalise.std, processor->std, sizeof(p->normalise.std));
    if (sk_json_want_bool(config, "do_normalize", &p->normalise.is_on, err) < 0 ||
        sk_json_want_bool(config, "include_top", &p->normalise.twice, err) < 0 ||
        sk_prep_read_three(config, "image_mean", p->normalise.mean, err) < 0 ||
        sk_prep_read_three(config, "image_std", p->normalise.std, err) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if (p->normalise.is_on && (float)p->normalise.std[i] == 0)
            return sk_fail(err, SK_INVALID, "'image_std': 0 divides by zero");
    }
    return 0;
}

static float normalise(const struct sk_prep *p, unsigned channel, float v)
{
    float std = (float)p->normalise.std[channel];

    if (p->normalise.is_on)
        v = (v - (float)p->normalise.mean[channel]) / std;
    return p->normalise.twice ? v / std : v;
}

static void describe_normalise(const struct sk_prep *p, struct sk_buf *out)
{
    const double *m = p->normalise.mean, *s = p->normalise.std;

    if (p->normalise.is_on)
        sk_buf_fmt(out, "normalise with mean %g %g %g, deviation %g %g %g", m[0], m[1], m[2], s[0],
                   s[1], s[2]);
    if (p->normalise.twice)
        sk_buf_str(out, p->normalise.is_on ? ", divide by the deviation again"
                                           : "divide by the deviation");
}

static void json_normalise(const struct sk_prep *p, struct sk_buf *out)
{
    sk_buf_str(out, p->normalise.is_on ? "\"do_normalize\":true" : "\"do_normalize\":false");
    if (p->normalise.twice)
        sk_buf_str(out, ",\"include_top\":true");
    if (!p->normalise.is_on && !p->normalise.twice)
        return;
    sk_buf_str(out, ",\"image_mean\":");
    sk_prep_json_three(p->normalise.mean, out);
    sk_buf_str(out, ",\"image_std\":");
    sk_prep_json_three(p->normalise.std, out);
}

const struct sk_step sk_step_normalise = {
    .name = "normalise",
    .read = read_normalise,
    .value = normalise,
    .describe = describe_normalise,
    .json = json_normalise,
};
