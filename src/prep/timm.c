/*
 * timm.c - the config.json of timm models: pretrained_cfg with input_size, crop_pct, crop_mode,
 * interpolation, mean, std.
 *
 * timm's evaluation transform, with n = the input's side and s = floor(n / crop_pct):
 *
 *   center   short side to s, shape kept; centre crop n x n
 *   squash   s x s; centre crop n x n
 *
 * then torchvision's ToTensor (divide by 255 in float32) and Normalize. torchvision's centre crop
 * rounds differently from transformers': see step_crop.c.
 */
#include "prep/prep_priv.h"

#include "base/limits.h"

#include <math.h>
#include <string.h>

/* Old files hold the fields themselves, newer ones in pretrained_cfg. */
static const struct sk_json *settings(const struct sk_json *config)
{
    const struct sk_json *inner = sk_json_get(config, "pretrained_cfg");

    return sk_json_type(inner) == SK_JSON_OBJECT ? inner : config;
}

bool sk_prep_is_timm(const struct sk_json *config)
{
    return sk_json_type(sk_json_get(settings(config), "input_size")) == SK_JSON_ARRAY;
}

static int read_input_size(const struct sk_json *cfg, struct sk_prep *p, struct sk_err *err)
{
    const struct sk_json *v = sk_json_get(cfg, "input_size");

    if (sk_json_count(v) != 3 || sk_json_int(sk_json_at(v, 0), 0) != 3)
        return sk_fail(err, SK_INVALID, "'input_size': expected [3, height, width]");
    if (sk_prep_read_side(sk_json_at(v, 1), "height", &p->crop.height, err) < 0 ||
        sk_prep_read_side(sk_json_at(v, 2), "width", &p->crop.width, err) < 0)
        return sk_wrap(err, "input_size");
    p->crop.rule = SK_CROP_CENTRE_EVEN;
    return 0;
}

static int read_resize(const struct sk_json *cfg, struct sk_prep *p, struct sk_err *err)
{
    const char *mode = "center";
    double pct = 0.875, h, w;

    p->resize.filter = SK_FILTER_BICUBIC;
    if (sk_json_want_num(cfg, "crop_pct", 1e-3, 1e3, &pct, err) < 0 ||
        sk_json_want_text(cfg, "crop_mode", &mode, err) < 0 ||
        sk_prep_read_filter(cfg, "interpolation", &p->resize.filter, err) < 0)
        return -1;
    h = floor(p->crop.height / pct);
    w = floor(p->crop.width / pct);
    if (h < 1 || w < 1 || h > SK_LIMIT_SIDE || w > SK_LIMIT_SIDE)
        return sk_fail(err, SK_INVALID, "'crop_pct': %g gives a size of %.0f x %.0f", pct, h, w);
    p->resize.a = (uint32_t)h;
    p->resize.b = (uint32_t)w;
    if (strcmp(mode, "squash") == 0)
        p->resize.rule = SK_SIZE_EXACT;
    else if (strcmp(mode, "center") == 0 && p->crop.height == p->crop.width)
        p->resize.rule = SK_SIZE_SHORT;
    else if (strcmp(mode, "center") == 0)
        return sk_fail(err, SK_UNSUPPORTED,
                       "'input_size': %u x %u is not square, which needs crop_mode squash",
                       p->crop.height, p->crop.width);
    else
        return sk_fail(err, SK_UNSUPPORTED, "'crop_mode': '%s' is not supported", mode);
    return 0;
}

int sk_prep_read_timm(const struct sk_json *config, struct sk_prep *p, struct sk_err *err)
{
    const struct sk_json *cfg = settings(config);

    p->rescale.is_on = true;
    p->rescale.divides = true;
    p->rescale.factor = 1.0 / 255.0;
    p->normalise.is_on = true;
    memcpy(p->normalise.mean, sk_imagenet_mean, sizeof(p->normalise.mean));
    memcpy(p->normalise.std, sk_imagenet_std, sizeof(p->normalise.std));
    if (read_input_size(cfg, p, err) < 0 || read_resize(cfg, p, err) < 0)
        return -1;
    if (sk_prep_read_three(cfg, "mean", p->normalise.mean, err) < 0 ||
        sk_prep_read_three(cfg, "std", p->normalise.std, err) < 0)
        return -1;
    for (size_t i = 0; i < 3; i++) {
        if ((float)p->normalise.std[i] == 0)
            return sk_fail(err, SK_INVALID, "'std': 0 divides by zero");
    }
    return 0;
}
