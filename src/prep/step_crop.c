/*
 * step_crop.c - the middle of the resized picture.
 *
 * On each axis: a picture that is at least as long as the crop loses (size - crop) / 2 in front, a
 * shorter one gets (crop - size) / 2 black pixels in front. transformers rounds the former down and
 * the latter up, torchvision the former half to even and the latter down. The axes do not depend on
 * each other.
 */
#include "prep/prep_priv.h"

static int read_crop(const struct sk_json *config, const struct sk_processor *processor,
                     struct sk_prep *p, struct sk_err *err)
{
    const struct sk_json *size = sk_json_get(config, "crop_size");
    bool is_on = processor->crops;

    if (sk_json_want_bool(config, "do_center_crop", &is_on, err) < 0)
        return -1;
    if (!is_on || processor->style == SK_STYLE_CONVNEXT) /* there the crop belongs to the resize */
        return 0;
    if (sk_json_type(size) == SK_JSON_NULL) {
        if (processor->crop_size == 0)
            return sk_fail(err, SK_INVALID, "'do_center_crop' without 'crop_size'");
        p->crop.height = p->crop.width = processor->crop_size;
    } else if (sk_prep_read_sides(size, "crop_size", &p->crop.height, &p->crop.width, err) < 0) {
        return -1;
    }
    p->crop.rule = SK_CROP_CENTRE;
    return 0;
}

/* Cuts or fills one axis: the window's start and length, and where it lies in the output. */
static void place_axis(enum sk_crop_rule rule, uint32_t size, uint32_t crop, uint32_t *start,
                       uint32_t *len, uint32_t *offset)
{
    bool is_even_rule = rule == SK_CROP_CENTRE_EVEN;

    if (size >= crop) {
        uint32_t rest = size - crop;
        *start = rest / 2 + (is_even_rule && rest % 4 == 3); /* x.5 goes up when x is odd */
        *len = crop;
        *offset = 0;
    } else {
        uint32_t rest = crop - size;
        *start = 0;
        *len = size;
        *offset = is_even_rule ? rest / 2 : rest - rest / 2;
    }
}

static int place_crop(const struct sk_prep *p, struct sk_frame *f, struct sk_err *err)
{
    (void)err;
    if (p->crop.rule == SK_CROP_NONE)
        return 0;
    place_axis(p->crop.rule, f->resized_w, p->crop.width, &f->x, &f->w, &f->left);
    place_axis(p->crop.rule, f->resized_h, p->crop.height, &f->y, &f->h, &f->top);
    f->out_w = p->crop.width;
    f->out_h = p->crop.height;
    return 0;
}

static void describe_crop(const struct sk_prep *p, struct sk_buf *out)
{
    if (p->crop.rule != SK_CROP_NONE)
        sk_buf_fmt(out, "crop the centre %u x %u (height x width)", p->crop.height, p->crop.width);
}

static void json_crop(const struct sk_prep *p, struct sk_buf *out)
{
    if (p->crop.rule == SK_CROP_NONE)
        sk_buf_str(out, "\"do_center_crop\":false");
    else
        sk_buf_fmt(out, "\"do_center_crop\":true,\"crop_size\":{\"height\":%u,\"width\":%u}",
                   p->crop.height, p->crop.width);
}

const struct sk_step sk_step_crop = {
    .name = "crop",
    .read = read_crop,
    .place = place_crop,
    .describe = describe_crop,
    .json = json_crop,
};
