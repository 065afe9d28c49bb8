/*
 * jpeg_fast.c - our decoder for the JPEGs that cameras and libraries make: baseline, Huffman, 8
 * bit, YCbCr in 4:4:4, 4:2:2 or 4:2:0, or grey.
 *
 * Written from ITU T.81 and JFIF; pixels equal those of libjpeg-turbo with its default settings,
 * which are Pillow's. A picture passes in spans of a few MCUs: Huffman codes become coefficients,
 * those become samples while they are in the L1 cache, and each completed row of MCUs becomes RGB
 * rows for the sink. Memory is a few rows of samples, whatever the picture's height.
 *
 * With two threads a helper does the Huffman codes (jpeg_fast_pair.c); the sink is always called by
 * the caller's thread.
 *
 * The C kernels are the reference for tests; where nothing better runs, all is left to libjpeg.
 *
 * The decoder decides nothing in doubt. Anything that libjpeg would warn about, repair or refuse
 * ends in SK_FAST_NO, and so does what is rare (progressive, 12 bit, 16-bit tables, odd sampling).
 * SK_FAST_DONE means: libjpeg decodes this file to the same bytes without a warning.
 * fuzz/fuzz_jpeg_fast.c holds it to that.
 */
#include "image/jpeg_fast_pair.h"

#include <stdlib.h>
#include <string.h>

/* Waking the helper costs as much as some hundred MCUs. */
enum {
    PAIR_MCUS_MIN = 600
};

struct sk_jpeg_fast {
    const struct sk_jf_kernels *fixed; /* NULL: the best */
    struct sk_jf_head head;
    struct sk_jf_scan scan;
    struct sk_jf_rows rows;
    struct sk_jf_block span[SK_JF_SPAN_BLOCKS];
    struct sk_jf_pair *pair; /* NULL until a picture asks for a second thread */
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
    sk_jf_pair_free(f->pair);
    sk_jf_rows_done(&f->rows);
    free(f);
}

void sk_jpeg_fast_use(struct sk_jpeg_fast *f, const struct sk_jf_kernels *kernels)
{
    f->fixed = kernels;
}

/* What a decode needs at hand while it runs. */
struct run {
    struct sk_jpeg_fast *f;
    struct sk_jf_pair *pair; /* NULL: alone */
    bool is_helped;          /* the pair has the scan */
    unsigned span;           /* next one from the pair */
};

static bool decode_span(struct run *run, uint32_t x, uint32_t y)
{
    struct sk_jpeg_fast *f = run->f;
    unsigned mcus = sk_jf_span_mcus(f->rows.mcus_x, x);
    if (run->pair && !run->is_helped)
        run->is_helped = sk_jf_pair_hand_over(run->pair, x, y);
    if (!run->is_helped)
        return sk_jf_scan_span(&f->scan, f->rows.kernels, mcus, f->span) &&
               sk_jf_rows_put(&f->rows, x, mcus, f->span);
    struct sk_jf_block *blocks = sk_jf_pair_next(run->pair, run->span);
    if (!blocks || !sk_jf_rows_put(&f->rows, x, mcus, blocks))
        return false;
    sk_jf_pair_give_back(run->pair, run->span++);
    return true;
}

static enum sk_fast decode_rows(struct run *run, struct sk_sink *sink, struct sk_err *err)
{
    struct sk_jf_rows *rows = &run->f->rows;
    for (uint32_t y = 0; y < rows->mcus_y; y++) {
        for (uint32_t x = 0; x < rows->mcus_x; x += SK_JF_SPAN_MCUS)
            if (!decode_span(run, x, y))
                return SK_FAST_NO;
        if (sk_jf_rows_push(rows, y, sink, err) < 0)
            return SK_FAST_ERROR;
    }
    return SK_FAST_DONE;
}

/* NULL: only the reference in C would run, and libjpeg-turbo with its SIMD is faster than that. */
static const struct sk_jf_kernels *best_kernels(void)
{
    const struct sk_jf_kernels *k = sk_jf_kernels_find(sk_kernels()->name);
    return k == &sk_jf_kernels_c ? NULL : k;
}

/* The helper, when it is worth waking and can be had. */
static struct sk_jf_pair *pair_of(struct sk_jpeg_fast *f)
{
    struct sk_err ignored = SK_ERR_INIT; /* without a helper it is slower, no more */
    if ((uint64_t)f->rows.mcus_x * f->rows.mcus_y < PAIR_MCUS_MIN)
        return NULL;
    if (!f->pair)
        f->pair = sk_jf_pair_new(&ignored);
    return f->pair;
}

enum sk_fast sk_jpeg_fast_decode(struct sk_jpeg_fast *f, const uint8_t *bytes, size_t len,
                                 bool two_threads, struct sk_sink *sink, struct sk_err *err)
{
    const struct sk_jf_kernels *kernels = f->fixed ? f->fixed : best_kernels();
    if (!kernels || !sk_jf_head_read(bytes, len, &f->head) ||
        !sk_jf_scan_start(&f->scan, &f->head, bytes, len))
        return SK_FAST_NO;
    if (sink->begin(sink, f->head.width, f->head.height, err) < 0)
        return SK_FAST_ERROR;
    if (sk_jf_rows_start(&f->rows, &f->head, kernels, err) < 0)
        return SK_FAST_ERROR;
    sk_jf_scan_prepare(&f->scan, &f->head, f->span, SK_JF_SPAN_MCUS);
    struct run run = { .f = f, .pair = two_threads ? pair_of(f) : NULL };
    if (run.pair)
        sk_jf_pair_offer(run.pair, &f->scan, &f->head, kernels, f->rows.mcus_x, f->rows.mcus_y);
    enum sk_fast result = decode_rows(&run, sink, err);
    if (run.pair)
        sk_jf_pair_end(run.pair);
    if (result == SK_FAST_DONE && !sk_jf_scan_end(&f->scan))
        result = SK_FAST_NO;
    return result;
}
