/*
 * jpeg_fast.c - our decoder for the JPEGs that cameras and libraries make: baseline, Huffman, 8 bit, YCbCr in 4:4:4, 4:2:2
 * or 4:2:0, or grey.
 *
 * Written from ITU T.81 and JFIF; pixels equal those of libjpeg-turbo with its default settings, which are Pillow's. A
 * picture passes in spans of a few MCUs: Huffman codes become dequantised coefficients, those become samples while they
 * are in the L1 cache, and each completed row of MCUs becomes RGB rows for the sink. Memory is a few rows of
 * samples, whatever the picture's height.
 *
 * The decoder decides nothing in doubt. Anything that libjpeg would warn about, repair or refuse ends in SK_FAST_NO, and
 * so does what is rare (progressive, 12 bit, 16-bit tables, odd sampling). SK_FAST_DONE means: libjpeg decodes this
 * file to the same bytes without a warning. fuzz/fuzz_jpeg_fast.c holds it to that.
 */
#include "image/jpeg_fast_priv.h"

#include "base/cleanup.h"

#include <stdlib.h>
#include <string.h>

struct sk_jpeg_fast {
    const struct sk_jf_kernels *fixed; /* NULL: the best */
    struct sk_jf_head head;
    struct sk_jf_scan scan;
    struct sk_jf_rows rows;
    struct sk_jf_block span[SK_JF_SPAN_BLOCKS];
};

struct sk_jpeg_fast *sk_jpeg_fast_new(void)
{
    struct sk_jpeg_fast *f = aligned_alloc(_Alignof(struct sk_jpeg_fast), sizeof(*f));
    if (f)
        memset(f, 0, sizeof(*f));
    return f;
}

void sk_jpeg_fast_free(struct sk_jpeg_fast *f)
{
    if (!f)
        return;
    sk_jf_rows_done(&f->rows);
    free(f);
}

void sk_jpeg_fast_use(struct sk_jpeg_fast *f, const struct sk_jf_kernels *kernels)
{
    f->fixed = kernels;
}

/* One row of MCUs, from codes to samples. */
static bool decode_row(struct sk_jpeg_fast *f)
{
    for (uint32_t x = 0; x < f->rows.mcus_x; x += SK_JF_SPAN_MCUS) {
        uint32_t left = f->rows.mcus_x - x;
        unsigned mcus = left < SK_JF_SPAN_MCUS ? left : SK_JF_SPAN_MCUS;
        if (!sk_jf_scan_span(&f->scan, f->rows.kernels, mcus, f->span))
            return false;
        sk_jf_rows_put(&f->rows, x, mcus, f->span);
    }
    return true;
}

static enum sk_fast decode_alone(struct sk_jpeg_fast *f, struct sk_sink *sink, struct sk_err *err)
{
    for (uint32_t row = 0; row < f->rows.mcus_y; row++) {
        if (!decode_row(f))
            return SK_FAST_NO;
        if (sk_jf_rows_push(&f->rows, row, sink, err) < 0)
            return SK_FAST_ERROR;
    }
    return sk_jf_scan_end(&f->scan) ? SK_FAST_DONE : SK_FAST_NO;
}

enum sk_fast sk_jpeg_fast_decode(struct sk_jpeg_fast *f, const uint8_t *bytes, size_t len, bool two_threads,
                                 struct sk_sink *sink, struct sk_err *err)
{
    (void)two_threads;
    if (!sk_jf_head_read(bytes, len, &f->head) || !sk_jf_scan_start(&f->scan, &f->head, bytes, len))
        return SK_FAST_NO;
    if (sink->begin(sink, f->head.width, f->head.height, err) < 0)
        return SK_FAST_ERROR;
    const struct sk_jf_kernels *kernels = f->fixed ? f->fixed : sk_jf_kernels_find(sk_kernels()->name);
    if (sk_jf_rows_start(&f->rows, &f->head, kernels, err) < 0)
        return SK_FAST_ERROR;
    sk_jf_scan_prepare(&f->scan, &f->head, f->span, SK_JF_SPAN_MCUS);
    return decode_alone(f, sink, err);
}
