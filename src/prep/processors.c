/*
 * processors.c - the image processor classes of transformers: their defaults and peculiarities.
 *
 * A preprocessor_config.json leaves out what equals its class's default, and old ones leave out
 * what was added later, so the class decides. Rows follow transformers 4.57 (slow classes; 5.x
 * calls them the PIL backend). Classes that do something else with pixels are listed with the
 * reason why they are refused; so is every class that is not listed: a guess would give a running
 * model with wrong answers.
 */
#include "prep/prep_priv.h"

#include "base/str.h"

#include <string.h>

const double sk_imagenet_mean[3] = { 0.485, 0.456, 0.406 };
const double sk_imagenet_std[3] = { 0.229, 0.224, 0.225 };
static const double half[3] = { 0.5, 0.5, 0.5 };
static const double clip_mean[3] = { 0.48145466, 0.4578275, 0.40821073 };
static const double clip_std[3] = { 0.26862954, 0.26130258, 0.27577711 };

#define IMAGENET  .normalises = true, .mean = sk_imagenet_mean, .std = sk_imagenet_std
#define HALF      .normalises = true, .mean = half, .std = half
#define CLIP      .normalises = true, .mean = clip_mean, .std = clip_std
#define SQUARE(n) .is_square = true, .size = (n)
#define SHORT(n)  .is_square = false, .size = (n)
#define CROP(n)   .crops = true, .crop_size = (n)

/* A configuration without a class: what most of the old ones are. No default size: the model's own.
 */
static const struct sk_processor nameless = { "", .is_square = true, .filter = SK_FILTER_BILINEAR,
                                              IMAGENET };

static const struct sk_processor processors[] = {
    { "ViT", SQUARE(224), .filter = SK_FILTER_BILINEAR, HALF },
    { "DeiT", SQUARE(256), CROP(224), .filter = SK_FILTER_BICUBIC, HALF },
    { "Beit", SQUARE(256), CROP(224), .filter = SK_FILTER_BICUBIC, HALF },
    { "Bit", SHORT(224), CROP(224), .filter = SK_FILTER_BICUBIC, CLIP },
    { "CLIP", SHORT(224), CROP(224), .filter = SK_FILTER_BICUBIC, CLIP },
    { "ViTHybrid", SHORT(224), CROP(224), .filter = SK_FILTER_BICUBIC, CLIP },
    { "ConvNext", SK_STYLE_CONVNEXT, SHORT(384), .filter = SK_FILTER_BILINEAR, HALF },
    { "PoolFormer", SK_STYLE_POOLFORMER, SHORT(224), CROP(224), .filter = SK_FILTER_BICUBIC,
      IMAGENET },
    { "Levit", SK_STYLE_LEVIT, SHORT(224), CROP(224), .filter = SK_FILTER_BICUBIC, IMAGENET },
    { "EfficientNet", SQUARE(346), .crop_size = 289, .filter = SK_FILTER_NEAREST, HALF },
    { "EfficientFormer", SQUARE(224), CROP(224), .filter = SK_FILTER_BICUBIC, IMAGENET },
    { "MobileNetV1", SHORT(256), CROP(224), .filter = SK_FILTER_BILINEAR, HALF },
    { "MobileNetV2", SHORT(256), CROP(224), .filter = SK_FILTER_BILINEAR, HALF },
    { "MobileViT", SHORT(224), CROP(256), .filter = SK_FILTER_BILINEAR, .mean = half, .std = half,
      .flips = true },
    { "Pvt", SQUARE(224), .filter = SK_FILTER_BILINEAR, IMAGENET },
    { "Segformer", SQUARE(512), .filter = SK_FILTER_BILINEAR, IMAGENET },
    { "Siglip", SQUARE(224), .filter = SK_FILTER_BICUBIC, HALF },
    { "DPT", SQUARE(384), .filter = SK_FILTER_BICUBIC, HALF },
    { "Blip", SQUARE(384), .filter = SK_FILTER_BICUBIC, CLIP },
    { "Perceiver", .refusal = "it crops before it resizes" },
    { "ImageGPT", .refusal = "it turns colours into clusters" },
    { "DINOv3ViT", .refusal = "it resizes pictures of floats" },
    { "VideoMAE", .refusal = "it takes videos" },
};

static const char *const suffixes[] = { "ImageProcessor", "ImageProcessorFast", "ImageProcessorPil",
                                        "FeatureExtractor" };

static bool is_class(const char *text, const char *name)
{
    size_t len = strlen(name);

    if (strncmp(text, name, len) != 0)
        return false;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++) {
        if (strcmp(text + len, suffixes[i]) == 0)
            return true;
    }
    return false;
}

int sk_processor_find(const struct sk_json *config, const struct sk_processor **out,
                      struct sk_err *err)
{
    const char *field = "image_processor_type";
    const char *text = NULL;

    if (sk_json_want_text(config, field, &text, err) < 0)
        return -1;
    if (!text) {
        field = "feature_extractor_type";
        if (sk_json_want_text(config, field, &text, err) < 0)
            return -1;
    }
    if (!text) {
        *out = &nameless;
        return 0;
    }
    for (size_t i = 0; i < sizeof(processors) / sizeof(processors[0]); i++) {
        if (!is_class(text, processors[i].name))
            continue;
        if (processors[i].refusal)
            return sk_fail(err, SK_UNSUPPORTED, "'%s': '%s' is not supported: %s", field, text,
                           processors[i].refusal);
        *out = &processors[i];
        return 0;
    }
    return sk_fail(
        err, SK_UNSUPPORTED,
        "'%s': '%s' is not known here; without the field the others are used as they stand", field,
        text);
}
