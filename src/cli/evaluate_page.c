/*
 * evaluate_page.c - the page of `skerry evaluate`: figures, and the most certain mistakes as
 * thumbnails.
 *
 * A thumbnail is the whole picture as the model's preprocessing decodes it, made small. A file that
 * changed since it was judged may not decode any more; then the page says "no picture".
 */
#include "cli/evaluate_priv.h"

#include "base/file.h"

#include <string.h>

enum {
    WRONG_MOST = 24,
    THUMB_SIDE = 160,
    THUMB_QUALITY = 80,
    PAGE_BYTES = 256 << 20,
};

/* The longer side becomes THUMB_SIDE; smaller pictures stay. */
static int fit(void *ctx, uint32_t width, uint32_t height, struct sk_resize *out,
               struct sk_err *err)
{
    uint32_t longer = width > height ? width : height;
    uint32_t to = longer < THUMB_SIDE ? longer : THUMB_SIDE;

    (void)ctx;
    (void)err;
    *out = (struct sk_resize){
        .out_w = (uint32_t)(((uint64_t)width * to + longer - 1) / longer),
        .out_h = (uint32_t)(((uint64_t)height * to + longer - 1) / longer),
        .filter = SK_FILTER_BILINEAR,
    };
    return 0;
}

static int make_thumbnail(const struct sk_evaluation *e, const char *path, uint8_t **jpeg,
                          size_t *len, struct sk_err *err)
{
    const struct sk_bundle *bundle = sk_classifier_bundle(e->classifier);
    const struct sk_decode_options opts = { .max_pixels = e->max_pixels,
                                            .exif_orientation = bundle->exif_orientation,
                                            .grey16 = bundle->grey16 };
    SK_OWN(sk_image_work_free) struct sk_image_work *work = sk_image_work_new();
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_OWN(free) char *bytes = NULL;
    size_t size = 0;

    if (!work)
        return sk_nomem(err);
    if (sk_file_read(path, e->max_bytes, &bytes, &size, err) < 0 ||
        sk_image_decode_resized(bytes, size, &opts, fit, NULL, false, work, &img, NULL, err) < 0)
        return -1;
    return sk_image_encode_jpeg(&img, THUMB_QUALITY, jpeg, len, err);
}

/* Fills wrong; paths are those below the data's folder. */
static size_t list_wrong(const struct sk_evaluation *e, struct sk_wrong *wrong)
{
    uint32_t most[WRONG_MOST];
    size_t n = sk_report_most_wrong(e->truth, e->probabilities, e->count, e->classes, WRONG_MOST,
                                    most);

    for (size_t i = 0; i < n; i++) {
        const float *row = e->probabilities + most[i] * e->classes;
        const char *path = e->data->samples[e->which[most[i]]].path;
        size_t root = strlen(e->data->root);
        struct sk_err ignored = SK_ERR_INIT;
        uint8_t *jpeg = NULL;

        wrong[i] = (struct sk_wrong){ .path = path, .truth = e->truth[most[i]] };
        if (strncmp(path, e->data->root, root) == 0)
            wrong[i].path += root + strspn(path + root, "/");
        for (size_t k = 0; k < e->classes; k++)
            if (row[k] > row[wrong[i].predicted])
                wrong[i].predicted = (uint32_t)k;
        wrong[i].probability = (double)row[wrong[i].predicted];
        if (make_thumbnail(e, path, &jpeg, &wrong[i].jpeg_len, &ignored) == 0)
            wrong[i].jpeg = jpeg;
    }
    return n;
}

int sk_evaluation_page(const struct sk_evaluation *e, const struct sk_figures *f, const char *path,
                       const char *const *settings, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf page = SK_BUF_INIT(PAGE_BYTES), of = SK_BUF_INIT(10000);
    struct sk_wrong wrong[WRONG_MOST] = { 0 };
    const struct sk_bundle *bundle = sk_classifier_bundle(e->classifier);
    const char *note = NULL;

    for (size_t i = 0; i < e->data->count && !note; i++)
        note = sk_report_note(e->data->samples[i].path);
    sk_buf_fmt(&of, "%s (%zu pictures)", e->data->root, e->count);
    if (!sk_buf_ok(&of))
        return sk_buf_fail(&of, err);
    const struct sk_report r = {
        .title = bundle->name,
        .subtitle = bundle->description,
        .note = note,
        .figures = f,
        .figures_of = of.data,
        .wrong = wrong,
        .wrong_count = list_wrong(e, wrong),
        .settings = settings,
    };
    int rc = sk_report_html(&r, &page, err);
    for (size_t i = 0; i < r.wrong_count; i++)
        free((void *)(uintptr_t)wrong[i].jpeg);
    if (rc < 0 || sk_file_write(path, page.data, page.len, 0644, err) < 0)
        return sk_wrap(err, "report '%s'", path);
    return 0;
}
