/*
 * step_refuse.c - fields that would change the tensor and that no step here implements.
 *
 * They belong to detection, segmentation and text models. Ignoring one would give wrong numbers
 * without a word.
 */
#include "prep/prep_priv.h"

static const struct {
    const char *key;
    int64_t harmless; /* the integer that asks for nothing, beside null and false */
} refused[] = {
    { "do_pad", 0 },
    { "pad_size", 0 },
    { "size_divisor", 0 },
    { "keep_aspect_ratio", 0 },
    { "ensure_multiple_of", 1 },
    { "do_thumbnail", 0 },
    { "do_align_long_axis", 0 },
    { "do_crop_margin", 0 },
    { "do_color_quantize", 0 },
    { "do_grayscale", 0 },
    { "do_image_splitting", 0 },
};

static bool is_harmless(const struct sk_json *v, int64_t harmless)
{
    switch (sk_json_type(v)) {
    case SK_JSON_NULL:
        return true;
    case SK_JSON_BOOL:
        return !sk_json_bool(v, true);
    case SK_JSON_INT:
        return sk_json_int(v, -1) == harmless;
    default:
        return false;
    }
}

static int read_refuse(const struct sk_json *config, const struct sk_processor *processor,
                       struct sk_prep *p, struct sk_err *err)
{
    (void)processor;
    (void)p;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        /* A pad_size without do_pad does nothing, but then it is not there either. */
        if (!is_harmless(sk_json_get(config, refused[i].key), refused[i].harmless))
            return sk_fail(err, SK_UNSUPPORTED, "'%s' is not supported", refused[i].key);
    }
    return 0;
}

const struct sk_step sk_step_refuse = { .name = "refuse", .read = read_refuse };
