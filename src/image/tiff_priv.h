/*
 * tiff_priv.h - the first picture of a TIFF as its tags describe it (tiff_tags.c), for
 * decode_tiff.c.
 */
#ifndef SK_IMAGE_TIFF_PRIV_H
#define SK_IMAGE_TIFF_PRIV_H

#include "image/decode_priv.h"

#include <tiffio.h>

enum sk_tiff_compression {
    SK_TIFF_RAW = 1,
    SK_TIFF_CCITT_RLE = 2,
    SK_TIFF_CCITT_T4 = 3,
    SK_TIFF_CCITT_T6 = 4,
    SK_TIFF_LZW = 5,
    SK_TIFF_JPEG = 7,
    SK_TIFF_DEFLATE = 8,
    SK_TIFF_PACKBITS = 32773,
    SK_TIFF_DEFLATE_OLD = 32946,
};

/* What a pixel is. */
enum sk_tiff_pixel {
    SK_TIFF_GREY, /* 1, 2, 4 or 8 bits; further samples are passed over */
    SK_TIFF_GREY16,
    SK_TIFF_PALETTE, /* 1, 2, 4 or 8 bits; further samples are passed over */
    SK_TIFF_RGB,     /* 8 or 16 bits; likewise */
    SK_TIFF_RGBA_PREMULTIPLIED,
    SK_TIFF_CMYK,
    SK_TIFF_YCBCR,
};

enum {
    SK_TIFF_SAMPLES_MAX = 6
};

/* Values of a tag in the file. */
struct sk_tiff_tag {
    const uint8_t *at; /* NULL: the tag is absent */
    uint64_t count;
    uint32_t type;
};

struct sk_tiff {
    const uint8_t *bytes;
    size_t len;
    bool is_big_endian, is_big; /* big: BigTIFF */
    uint32_t width, height;     /* as stored */
    int orientation;            /* 1..8 */
    uint32_t compression, photometric;
    enum sk_tiff_pixel pixel;
    unsigned bits, samples;  /* of a sample; samples of a pixel */
    bool is_inverted;        /* grey: 0 is white */
    bool has_reversed_bits;  /* within each byte */
    bool is_split;           /* PlanarConfiguration 2 */
    bool is_planar;          /* each sample on its own: is_split and several samples */
    bool has_alpha;          /* RGB: a fourth sample that Pillow keeps */
    uint8_t palette[256][3]; /* black where the file names no colour */
    /* uncompressed pictures */
    bool is_tiled;
    uint32_t block_w, block_h; /* of a tile or strip */
    struct sk_tiff_tag offsets;
};

bool sk_tiff_is(const uint8_t *bytes, size_t len);
int sk_tiff_open(struct sk_tiff *t, const uint8_t *bytes, size_t len, struct sk_err *err) SK_CHECK;
/* Value i of a tag; the caller knows that i < count and that the type is one of integers. */
uint64_t sk_tiff_value(const struct sk_tiff *t, const struct sk_tiff_tag *tag, uint64_t i);

/*
 * The picture between blocks and rows, one pixel after the other, black at first: a grey or palette
 * byte, 16-bit grey in our byte order, RGB, RGBA or CMYK.
 */
struct sk_tiff_canvas {
    const struct sk_tiff *tiff;
    uint8_t *pixels;
    size_t pixel_bytes;
    struct sk_watch *watch;
};

/* Where rows of samples come from: the file's or our byte order, and what the codec has undone
 * already. */
struct sk_tiff_rows {
    bool is_big_endian;
    bool has_reversed_bits;
};

/* Unpacks count pixels (or, of a planar picture, samples of one plane) to (x, y). */
void sk_tiff_put(const struct sk_tiff_canvas *c, const struct sk_tiff_rows *from, const uint8_t *in,
                 uint32_t x, uint32_t y, uint32_t count, unsigned plane);

/* ---- tiff_library.c ---- */
#define SK_TIFF_TABLE(X)                                                                           \
    X(TIFFClientOpenExt)                                                                           \
    X(TIFFClose)                                                                                   \
    X(TIFFComputeStrip)                                                                            \
    X(TIFFGetField)                                                                                \
    X(TIFFGetFieldDefaulted)                                                                       \
    X(TIFFGetVersion)                                                                              \
    X(TIFFIsTiled)                                                                                 \
    X(TIFFOpenOptionsAlloc)                                                                        \
    X(TIFFOpenOptionsFree)                                                                         \
    X(TIFFOpenOptionsSetErrorHandlerExtR)                                                          \
    X(TIFFOpenOptionsSetMaxSingleMemAlloc)                                                         \
    X(TIFFOpenOptionsSetWarningHandlerExtR)                                                        \
    X(TIFFReadEncodedStrip)                                                                        \
    X(TIFFReadTile)                                                                                \
    X(TIFFScanlineSize)                                                                            \
    X(TIFFSetField)                                                                                \
    X(TIFFStripSize)                                                                               \
    X(TIFFTileRowSize)                                                                             \
    X(TIFFTileSize)

struct sk_tiff_api {
#define SK_TIFF_SLOT(name) __typeof__(name) *name;
    SK_TIFF_TABLE(SK_TIFF_SLOT)
#undef SK_TIFF_SLOT
};

/* The library, loaded by the first call of the process. NULL: err says what to install. Threads:
 * any. */
const struct sk_tiff_api *sk_tiff_library(struct sk_err *err);
/* Fills a table from the first of the names (NULL-terminated) that dlopen finds. */
int sk_tiff_load(const char *const *names, struct sk_tiff_api *out, struct sk_err *err) SK_CHECK;

/* Fills the canvas by libtiff (tiff_codec.c). */
int sk_tiff_decompress(const struct sk_tiff_canvas *c, struct sk_err *err) SK_CHECK;

#endif
