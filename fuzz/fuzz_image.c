/*
 * fuzz_image.c - pictures of every format: whatever is accepted has the size that the probe told,
 * decodes again to the same bytes through the decoder for ordinary JPEGs, and keeps its pixels when
 * it is turned.
 *
 * Options come from the last byte, which the decoders mostly do not look at.
 */
#include "base/cleanup.h"
#include "image/image_priv.h"

enum {
    PIXELS_MAX = 1 << 20
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void decode_fast(const uint8_t *data, size_t size, const struct sk_decode_options *opts,
                        struct sk_image *out)
{
    struct sk_err err = SK_ERR_INIT;
    const struct sk_format *format = NULL;
    struct sk_decode_report report = { 0 };
    SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
    struct sk_jpeg_fast *fast = sk_jpeg_fast_new();
    if (!fast || sk_format_find(data, size, opts, &format, &report.info, &err) < 0)
        abort();
    const struct sk_decode d = { .bytes = data,
                                 .len = size,
                                 .opts = opts,
                                 .info = &report.info,
                                 .report = &report,
                                 .fast = fast };
    if (sk_format_collect(format, &d, out, &tmp, &err) < 0)
        abort();
    sk_jpeg_fast_free(fast);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned flags = size > 0 ? data[size - 1] : 0;
    struct sk_decode_options opts = {
        .max_pixels = PIXELS_MAX,
        .exif_orientation = (flags & 4) != 0,
        .grey16 = (enum sk_grey16)((flags & 3) % SK_GREY16_COUNT),
    };
    struct sk_err err = SK_ERR_INIT;
    struct sk_image_info info = { 0 };
    struct sk_decode_report report = { 0 };
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image again = { 0 };

    int probed = sk_image_probe(data, size, &info, &err);
    if (sk_image_decode(data, size, &opts, &img, &report, &err) < 0) {
        if (err.code == SK_OK || err.text[0] == '\0' || err.code == SK_BUG)
            abort();
        return 0;
    }
    bool is_turned = opts.exif_orientation && info.orientation >= 5;
    if (probed < 0 || img.width != (is_turned ? info.height : info.width) ||
        img.height != (is_turned ? info.width : info.height))
        abort();
    decode_fast(data, size, &opts, &again);
    if (again.width != img.width || again.height != img.height ||
        memcmp(again.pixels, img.pixels, (size_t)img.width * img.height * 3) != 0)
        abort();
    return 0;
}
