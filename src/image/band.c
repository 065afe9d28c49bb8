/*
 * band.c - rows on their way from a decoder to a sink.
 *
 * A band holds about 64 KiB, so that what the sink does with it finds it in the cache. Invariant:
 * rows reach the sink once each, in order, and none before the sink has agreed to the size.
 */
#include "base/str.h"
#include "image/decode_priv.h"

enum {
    BAND_BYTES = 64 << 10
};

int sk_band_open(struct sk_band *band, struct sk_sink *sink, uint32_t width, uint32_t height,
                 enum sk_band_kind kind, struct sk_err *err)
{
    size_t stride = 0, bytes = 0;
    if (sink->begin(sink, width, height, err) < 0)
        return -1;
    if (!sk_mul_size(width, 3, &stride))
        return sk_nomem(err);
    uint32_t rows = height;
    if (kind == SK_BAND_ROWS) {
        size_t fitting = stride > 0 ? BAND_BYTES / stride : 1;
        rows = fitting < 1 ? 1 : fitting < height ? (uint32_t)fitting : height;
    }
    if (!sk_mul_size(stride, rows, &bytes) || !sk_add_size(bytes, SK_BAND_SLACK, &bytes))
        return sk_nomem(err);
    uint8_t *pixels = calloc(bytes, 1);
    if (!pixels)
        return sk_nomem(err);
    *band = (struct sk_band){
        .sink = sink,
        .pixels = pixels,
        .stride = stride,
        .width = width,
        .height = height,
        .rows = rows,
    };
    return 0;
}

void sk_band_done(struct sk_band *band)
{
    free(band->pixels);
    band->pixels = NULL;
}

int sk_band_next(struct sk_band *band, struct sk_err *err)
{
    band->filled++;
    if (band->filled < band->rows && band->y + band->filled < band->height)
        return 0;
    if (band->sink->rows(band->sink, band->pixels, band->stride, band->y, band->filled, err) < 0)
        return -1;
    band->y += band->filled;
    band->filled = 0;
    return 0;
}

int sk_band_push(struct sk_band *band, struct sk_err *err)
{
    return band->sink->rows(band->sink, band->pixels, band->stride, 0, band->height, err);
}

int sk_grey16_open(struct sk_grey16_rows *g, struct sk_band *band, enum sk_grey16 how,
                   struct sk_err *err)
{
    *g = (struct sk_grey16_rows){ .band = band, .how = how };
    if (how != SK_GREY16_MIN_MAX)
        return 0;
    size_t count = 0;
    if (sk_mul_size(band->width, band->height, &count))
        g->samples = calloc(count > 0 ? count : 1, sizeof *g->samples);
    return g->samples ? 0 : sk_nomem(err);
}

void sk_grey16_done(struct sk_grey16_rows *g)
{
    free(g->samples);
    g->samples = NULL;
}

int sk_grey16_row(struct sk_grey16_rows *g, const uint16_t *row, struct sk_err *err)
{
    uint32_t width = g->band->width;
    if (g->how == SK_GREY16_MIN_MAX) {
        memcpy(g->samples + (size_t)g->y++ * width, row, width * sizeof *row);
        return 0;
    }
    uint8_t *out = sk_band_row(g->band);
    for (size_t x = 0; x < width; x++) {
        unsigned v = row[x];
        g->clipped += v > 255;
        uint8_t grey = (uint8_t)(g->how == SK_GREY16_HIGH_BYTE ? v >> 8 : v > 255 ? 255 : v);
        out[x * 3] = out[x * 3 + 1] = out[x * 3 + 2] = grey;
    }
    return sk_band_next(g->band, err);
}

/* The darkest sample becomes 0, the brightest 255, those between in proportion, rounded; a flat
 * picture is black. */
static int stretch(struct sk_grey16_rows *g, struct sk_err *err)
{
    size_t count = (size_t)g->band->width * g->band->height;
    uint32_t lo = 65535, hi = 0;
    for (size_t i = 0; i < count; i++) {
        lo = g->samples[i] < lo ? g->samples[i] : lo;
        hi = g->samples[i] > hi ? g->samples[i] : hi;
    }
    uint32_t range = hi > lo ? hi - lo : 1;
    for (uint32_t y = 0; y < g->band->height; y++) {
        const uint16_t *row = g->samples + (size_t)y * g->band->width;
        uint8_t *out = sk_band_row(g->band);
        for (size_t x = 0; x < g->band->width; x++) {
            uint8_t grey = (uint8_t)(((row[x] - lo) * 255 + range / 2) / range);
            out[x * 3] = out[x * 3 + 1] = out[x * 3 + 2] = grey;
        }
        if (sk_band_next(g->band, err) < 0)
            return -1;
    }
    return 0;
}

int sk_grey16_finish(struct sk_grey16_rows *g, struct sk_decode_report *report, struct sk_err *err)
{
    if (g->how == SK_GREY16_MIN_MAX)
        return stretch(g, err);
    if (g->how == SK_GREY16_CLIP)
        report->grey16_clipped = g->clipped > (uint64_t)g->band->width * g->band->height / 2;
    return 0;
}

void sk_grey_to_rgb(const uint8_t *src, size_t count, uint8_t *dst)
{
    for (size_t i = 0; i < count; i++)
        dst[i * 3] = dst[i * 3 + 1] = dst[i * 3 + 2] = src[i];
}

/* nk - c * nk / 255, the quotient rounded; c * nk is at most 255 * 255, so the result is within
 * 0..255. */
static uint8_t ink(unsigned c, unsigned nk)
{
    unsigned t = c * nk + 128;
    return (uint8_t)(nk - ((t >> 8) + t) / 256);
}

void sk_cmyk_to_rgb(const uint8_t *src, size_t count, uint8_t *dst)
{
    for (size_t i = 0; i < count; i++, src += 4, dst += 3) {
        unsigned nk = 255u - src[3];
        dst[0] = ink(src[0], nk);
        dst[1] = ink(src[1], nk);
        dst[2] = ink(src[2], nk);
    }
}
