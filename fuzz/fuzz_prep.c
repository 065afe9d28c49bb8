/*
 * fuzz_prep.c - preprocessor_config.json and timm configurations: whatever is accepted describes
 * itself in JSON, and gives tensors of the size it promised, for models of several inputs and
 * pictures of several shapes.
 */
#include "prep/prep.h"
#include "json/json.h"

#include <string.h>

enum {
    SIDE_MAX = 600,
    CAP_BYTES = SIDE_MAX * SIDE_MAX * 3 * 4
};

static const struct sk_prep_input inputs[] = {
    { SK_DT_F32, false, 0, 0 },
    { SK_DT_F16, true, 0, 0 },
    { SK_DT_U8, false, 224, 224 },
};

static const struct {
    uint32_t width, height;
} pictures[] = { { 1, 1 }, { 40, 31 }, { 3, 200 } };

static void check_json(const struct sk_prep *p)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1u << 16);
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;

    sk_prep_json(p, &text);
    if (!sk_buf_ok(&text) || sk_json_parse(text.data, text.len, NULL, &doc, &err) < 0)
        abort();
    sk_buf_clear(&text);
    sk_prep_describe(p, &text);
    if (!sk_buf_ok(&text))
        abort();
}

static void run_pictures(const struct sk_prep *p, struct sk_prep_work *work, void *tensor)
{
    for (size_t i = 0; i < sizeof(pictures) / sizeof(pictures[0]); i++) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_image img = { 0 };
        struct sk_prep_report report;
        uint32_t height, width;
        size_t bytes = 0;
        bool is_fixed = sk_prep_is_fixed(p, &height, &width, &bytes);

        if (bytes > CAP_BYTES)
            return; /* correct but slow */
        if (sk_image_alloc(&img, pictures[i].width, pictures[i].height, &err) < 0)
            abort();
        memset(img.pixels, 200, (size_t)img.width * img.height * 3);
        if (sk_prep_run_pixels(p, &img, work, tensor, CAP_BYTES, &report, &err) == 0 && is_fixed &&
            (report.height != height || report.width != width))
            abort();
        sk_image_done(&img);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sk_prep_work *work;
    static void *tensor;
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *config = NULL;

    if (!work)
        work = sk_prep_work_new();
    if (!tensor)
        tensor = malloc(CAP_BYTES);
    if (!work || !tensor || sk_json_parse((const char *)data, size, NULL, &config, &err) < 0)
        return 0;
    for (size_t i = 0; i < sizeof(inputs) / sizeof(inputs[0]); i++) {
        SK_OWN(sk_prep_free) struct sk_prep *p = NULL;

        if (sk_prep_new(config, &inputs[i], NULL, &p, &err) < 0)
            continue;
        check_json(p);
        run_pictures(p, work, tensor);
    }
    return 0;
}
