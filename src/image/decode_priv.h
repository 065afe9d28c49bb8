/*
 * decode_priv.h - what the decoders share: bytes in the file's order, an eye on the deadline, bands
 * of rows on their way to the sink, 16-bit grey.
 */
#ifndef SK_IMAGE_DECODE_PRIV_H
#define SK_IMAGE_DECODE_PRIV_H

#include "base/clock.h"
#include "image/image_priv.h"

static inline uint32_t sk_be16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static inline uint32_t sk_be32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint32_t sk_le16(const uint8_t *p)
{
    return (uint32_t)p[1] << 8 | p[0];
}

static inline uint32_t sk_le32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

/*
 * The deadline of a decode, for a decoder that works long before its first row reaches the sink: it
 * tells how many bytes it has made, and the clock is read at the first of them and then once in
 * SK_WATCH_BYTES.
 */
struct sk_watch {
    uint64_t deadline_ns; /* 0: none */
    size_t left;          /* bytes to go until the next look */
};

enum {
    SK_WATCH_BYTES = 64 << 10
};

static inline int SK_CHECK sk_watch_made(struct sk_watch *w, size_t bytes, struct sk_err *err)
{
    if (bytes < w->left) {
        w->left -= bytes;
        return 0;
    }
    w->left = SK_WATCH_BYTES;
    return w->deadline_ns == 0 ? 0 : sk_deadline_check(w->deadline_ns, sk_now_ns(), err);
}

/*
 * RGB rows on their way to a sink (band.c). One of two ways:
 *
 *   in order:  while rows remain: fill sk_band_row(), then sk_band_next(). Full bands go to the
 * sink. anyhow:    opened with SK_BAND_WHOLE, band->pixels holds the whole picture, black at first;
 * sk_band_push() sends it.
 */
struct sk_band {
    struct sk_sink *sink;
    uint8_t *pixels;
    size_t stride; /* width * 3 */
    uint32_t width, height;
    uint32_t rows;      /* that pixels holds */
    uint32_t y, filled; /* first row of the band, rows in it so far */
};

enum sk_band_kind {
    SK_BAND_ROWS,
    SK_BAND_WHOLE
};

/* Calls the sink's begin, then takes the memory. */
int sk_band_open(struct sk_band *band, struct sk_sink *sink, uint32_t width, uint32_t height,
                 enum sk_band_kind kind, struct sk_err *err) SK_CHECK;
void sk_band_done(struct sk_band *band); /* accepts a zeroed one */

static inline uint8_t *sk_band_row(struct sk_band *band)
{
    return band->pixels + band->filled * band->stride;
}

int sk_band_next(struct sk_band *band, struct sk_err *err) SK_CHECK;
int sk_band_push(struct sk_band *band, struct sk_err *err) SK_CHECK;

/*
 * 16-bit grey rows on their way to a band (band.c), as opts->grey16 says. sk_grey16_row() is called
 * for each row in order, sk_grey16_finish() at the end; min_max keeps the samples until then.
 */
struct sk_grey16_rows {
    struct sk_band *band;
    enum sk_grey16 how;
    uint16_t *samples; /* min_max: the whole picture */
    uint32_t y;
    uint64_t clipped;
};

int sk_grey16_open(struct sk_grey16_rows *g, struct sk_band *band, enum sk_grey16 how,
                   struct sk_err *err) SK_CHECK;
void sk_grey16_done(struct sk_grey16_rows *g);
int sk_grey16_row(struct sk_grey16_rows *g, const uint16_t *row, struct sk_err *err) SK_CHECK;
int sk_grey16_finish(struct sk_grey16_rows *g, struct sk_decode_report *report,
                     struct sk_err *err) SK_CHECK;

/* count pixels to RGB; dst must not overlap src (band.c). */
void sk_grey_to_rgb(const uint8_t *src, size_t count, uint8_t *dst);
/* As Pillow: nk = 255 - k, r = nk - c * nk / 255 rounded. */
void sk_cmyk_to_rgb(const uint8_t *src, size_t count, uint8_t *dst);

/* A sink that makes an sk_image of what it receives (formats.c). */
struct sk_collector {
    struct sk_sink sink; /* first: the decoder's pointer is ours */
    struct sk_image *img;
    uint64_t deadline_ns; /* 0 after init: none */
};

void sk_collector_init(struct sk_collector *c, struct sk_image *img);

/* What our walk over a JPEG's markers finds, with the verdict of Pillow's (jpeg_header.c). */
struct sk_jpeg_header {
    uint32_t width, height;
    unsigned components; /* 1, 3 or 4 */
    int orientation;
};

int sk_jpeg_header_read(const uint8_t *bytes, size_t len, struct sk_jpeg_header *out,
                        struct sk_err *err) SK_CHECK;

/* Orientation 1..8 from an XMP packet, where EXIF has none; 0 when absent (exif.c). */
int sk_xmp_orientation(const uint8_t *xmp, size_t len);

#endif
