/* test_processors.c - classes by all their names, their defaults, and refusals. */
#include "prep_test.h"

static void test_names(void **state)
{
    static const struct {
        const char *config, *name;
    } rows[] = {
        { "{}", "" },
        { "{\"image_processor_type\":null}", "" },
        { "{\"image_processor_type\":\"ViTImageProcessor\"}", "ViT" },
        { "{\"image_processor_type\":\"ViTImageProcessorFast\"}", "ViT" },
        { "{\"image_processor_type\":\"ViTImageProcessorPil\"}", "ViT" },
        { "{\"image_processor_type\":\"ViTFeatureExtractor\"}", "ViT" },
        { "{\"feature_extractor_type\":\"BitImageProcessor\"}", "Bit" },
        { "{\"feature_extractor_type\":\"ViTFeatureExtractor\",\"image_processor_type\":"
          "\"BeitImageProcessor\"}",
          "Beit" },
        { "{\"image_processor_type\":\"ViTHybridImageProcessor\"}", "ViTHybrid" },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        SK_OWN(sk_json_free) struct sk_json *config = parse_config(rows[i].config);
        const struct sk_processor *p = NULL;

        if (sk_processor_find(config, &p, &err) < 0)
            fail_msg("%s: %s", rows[i].config, err.text);
        if (strcmp(p->name, rows[i].name) != 0)
            fail_msg("%s: got '%s'", rows[i].config, p->name);
    }
}

/* What a plan looks like when the configuration says nothing but the class. */
static void test_defaults(void **state)
{
    static const struct {
        const char *name;
        enum sk_size_rule rule;
        uint32_t size, crop; /* crop 0: none */
        enum sk_filter filter;
        double mean; /* -1: not normalised */
    } rows[] = {
        { "ViT", SK_SIZE_EXACT, 224, 0, SK_FILTER_BILINEAR, 0.5 },
        { "DeiT", SK_SIZE_EXACT, 256, 224, SK_FILTER_BICUBIC, 0.5 },
        { "CLIP", SK_SIZE_SHORT, 224, 224, SK_FILTER_BICUBIC, 0.48145466 },
        { "ConvNext", SK_SIZE_EXACT, 384, 0, SK_FILTER_BILINEAR, 0.5 },
        { "PoolFormer", SK_SIZE_SHORT, 248, 224, SK_FILTER_BICUBIC, 0.485 },
        { "Levit", SK_SIZE_SHORT, 256, 224, SK_FILTER_BICUBIC, 0.485 },
        { "EfficientNet", SK_SIZE_EXACT, 346, 0, SK_FILTER_NEAREST, 0.5 },
        { "MobileNetV2", SK_SIZE_SHORT, 256, 224, SK_FILTER_BILINEAR, 0.5 },
        { "MobileViT", SK_SIZE_SHORT, 224, 256, SK_FILTER_BILINEAR, -1 },
        { "Segformer", SK_SIZE_EXACT, 512, 0, SK_FILTER_BILINEAR, 0.485 },
    };

    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        struct sk_err err = SK_ERR_INIT;
        char text[100];
        SK_OWN(sk_prep_free) struct sk_prep *p = NULL;

        (void)snprintf(text, sizeof(text), "{\"image_processor_type\":\"%sImageProcessor\"}",
                       rows[i].name);
        p = plan_of(text, &any_size, &err);
        if (!p)
            fail_msg("%s: %s", rows[i].name, err.text);
        else if (p->resize.rule != rows[i].rule || p->resize.a != rows[i].size ||
                 p->resize.filter != rows[i].filter || p->crop.height != rows[i].crop ||
                 (p->crop.rule != SK_CROP_NONE) != (rows[i].crop > 0) ||
                 p->normalise.is_on != (rows[i].mean >= 0) ||
                 (rows[i].mean >= 0 && p->normalise.mean[0] != rows[i].mean))
            fail_msg("%s: rule %d, size %u, crop %u, filter %d, mean %g", rows[i].name,
                     (int)p->resize.rule, p->resize.a, p->crop.height, (int)p->resize.filter,
                     p->normalise.mean[0]);
    }
}

static const struct refusal refusals[] = {
    { "does something else", "{\"image_processor_type\":\"PerceiverImageProcessor\"}",
      SK_UNSUPPORTED, "crops before it resizes" },
    { "old name of it", "{\"feature_extractor_type\":\"ImageGPTFeatureExtractor\"}", SK_UNSUPPORTED,
      "clusters" },
    { "not listed", "{\"image_processor_type\":\"DetrImageProcessor\"}", SK_UNSUPPORTED,
      "'DetrImageProcessor' is not known" },
    { "no suffix", "{\"image_processor_type\":\"ViT\"}", SK_UNSUPPORTED, "'ViT' is not known" },
    { "not a text", "{\"image_processor_type\":3}", SK_INVALID,
      "'image_processor_type': expected a string" },
};

static void test_refusals(void **state)
{
    (void)state;
    check_refusals(refusals, COUNT(refusals));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_names),
                                        cmocka_unit_test(test_defaults),
                                        cmocka_unit_test(test_refusals) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
