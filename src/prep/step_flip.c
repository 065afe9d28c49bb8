/* step_flip.c - blue, green, red instead of red, green, blue: MobileViT. The swap itself is in
 * prep.c. */
#include "prep/prep_priv.h"

static int read_flip(const struct sk_json *config, const struct sk_processor *processor,
                     struct sk_prep *p, struct sk_err *err)
{
    p->flip.is_on = processor->flips;
    return sk_json_want_bool(config, "do_flip_channel_order", &p->flip.is_on, err);
}

static void describe_flip(const struct sk_prep *p, struct sk_buf *out)
{
    if (p->flip.is_on)
        sk_buf_str(out, "order the channels blue, green, red");
}

static void json_flip(const struct sk_prep *p, struct sk_buf *out)
{
    sk_buf_str(out, p->flip.is_on ? "\"do_flip_channel_order\":true"
                                  : "\"do_flip_channel_order\":false");
}

const struct sk_step sk_step_flip = {
    .name = "flip",
    .read = read_flip,
    .describe = describe_flip,
    .json = json_flip,
};
