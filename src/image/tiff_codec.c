/*
 * tiff_codec.c - compressed TIFFs by libtiff.
 *
 * The file stays in memory and is lent to libtiff as a map. Strips and tiles are decoded whole, one
 * after the other, and put on the canvas; of YCbCr in JPEG libtiff makes RGB. The checks between
 * what the tags say and what libtiff makes of them are those of Pillow. libtiff's messages go to
 * the error of this decode.
 *
 * Invariant: buffers are bounded by the picture: a strip is not higher than it, a tile not larger
 * than TILE_PIXELS or four times its area.
 */
#include "base/cleanup.h"
#include "image/tiff_priv.h"

#include <stdarg.h>

enum {
    TILE_PIXELS = 4 << 20,
    SPARE_BYTES = 64 << 20
};

struct codec {
    const struct sk_tiff_canvas *canvas;
    const struct sk_tiff_api *lib;
    TIFF *tiff;
    uint64_t pos;
    char message[200]; /* the first that libtiff had */
    unsigned planes;
    uint64_t pixel_bits; /* within one plane */
};

/* ---- what libtiff calls ---- */

static tmsize_t read_file(thandle_t handle, void *out, tmsize_t count)
{
    struct codec *c = handle;
    const struct sk_tiff *t = c->canvas->tiff;
    if (c->pos >= t->len || count <= 0)
        return 0;
    size_t left = t->len - (size_t)c->pos, n = (size_t)count < left ? (size_t)count : left;
    memcpy(out, t->bytes + c->pos, n);
    c->pos += n;
    return (tmsize_t)n;
}

static tmsize_t write_file(thandle_t handle, void *bytes, tmsize_t count)
{
    (void)handle;
    (void)bytes;
    (void)count;
    return 0;
}

static toff_t seek_file(thandle_t handle, toff_t offset, int whence)
{
    struct codec *c = handle;
    c->pos = whence == SEEK_SET   ? offset
             : whence == SEEK_CUR ? c->pos + offset
                                  : c->canvas->tiff->len + offset;
    return c->pos;
}

static int close_file(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t file_size(thandle_t handle)
{
    const struct codec *c = handle;
    return c->canvas->tiff->len;
}

static int map_file(thandle_t handle, void **base, toff_t *size)
{
    const struct codec *c = handle;

    union {
        const uint8_t *lent;
        void *taken; /* libtiff's type; a file opened for reading is not written to */
    } map = { .lent = c->canvas->tiff->bytes };

    *base = map.taken;
    *size = c->canvas->tiff->len;
    return 1;
}

static void unmap_file(thandle_t handle, void *base, toff_t size)
{
    (void)handle;
    (void)base;
    (void)size;
}

__attribute__((format(printf, 4, 0))) static int
keep_message(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff;
    (void)module;
    struct codec *c = user;
    if (c->message[0] == '\0')
        (void)vsnprintf(c->message, sizeof c->message, format, args);
    return 1;
}

__attribute__((format(printf, 4, 0))) static int
drop_message(TIFF *tiff, void *user, const char *module, const char *format, va_list args)
{
    (void)tiff;
    (void)user;
    (void)module;
    (void)format;
    (void)args;
    return 1;
}

static int broken(const struct codec *c, const char *what, struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "%s%s%s", what, c->message[0] != '\0' ? ": " : "", c->message);
}

/* ---- strips and tiles ---- */

/* Bytes of a row of this many pixels. */
static uint64_t row_bytes(const struct codec *c, uint64_t pixels)
{
    return (pixels * c->pixel_bits + 7) / 8;
}

static struct sk_tiff_rows our_order(void)
{
    const uint16_t one = 1;
    uint8_t first;
    memcpy(&first, &one, 1);
    return (struct sk_tiff_rows){ .is_big_endian = first == 0 };
}

static void put_rows(const struct codec *c, const uint8_t *in, size_t stride, uint32_t x,
                     uint32_t y, uint32_t w, uint32_t h, unsigned plane)
{
    const struct sk_tiff_rows from = our_order();
    for (uint32_t i = 0; i < h; i++)
        sk_tiff_put(c->canvas, &from, in + i * stride, x, y + i, w, plane);
}

static int read_strips(struct codec *c, struct sk_err *err)
{
    const struct sk_tiff *t = c->canvas->tiff;
    uint32_t rows = 0;
    if (c->lib->TIFFGetField(c->tiff, TIFFTAG_ROWSPERSTRIP, &rows) != 1 || rows > t->height)
        rows = t->height;
    tmsize_t bytes = c->lib->TIFFStripSize(c->tiff), stride = c->lib->TIFFScanlineSize(c->tiff);
    uint64_t want = row_bytes(c, t->width);
    if (rows == 0 || bytes <= 0 || stride <= 0 || (uint64_t)bytes > want * rows ||
        want > (uint64_t)stride || (uint64_t)stride * rows > (uint64_t)bytes)
        return broken(c, "strips of an unexpected size", err);
    SK_AUTO(free_cleanup) uint8_t *strip = calloc((size_t)bytes, 1);
    if (!strip)
        return sk_nomem(err);
    for (uint32_t y = 0; y < t->height; y += rows) {
        uint32_t h = t->height - y < rows ? t->height - y : rows;
        for (unsigned plane = 0; plane < c->planes; plane++) {
            if (sk_watch_made(c->canvas->watch, (size_t)bytes, err) < 0)
                return -1;
            uint32_t number = c->lib->TIFFComputeStrip(c->tiff, y, (uint16_t)plane);
            if (c->lib->TIFFReadEncodedStrip(c->tiff, number, strip, bytes) < 0)
                return broken(c, "broken strip", err);
            put_rows(c, strip, (size_t)stride, 0, y, t->width, h, plane);
        }
    }
    return 0;
}

static int tile_size(struct codec *c, uint32_t *w, uint32_t *h, struct sk_err *err)
{
    const struct sk_tiff *t = c->canvas->tiff;
    if (c->lib->TIFFGetField(c->tiff, TIFFTAG_TILEWIDTH, w) != 1 ||
        c->lib->TIFFGetField(c->tiff, TIFFTAG_TILELENGTH, h) != 1 || *w == 0 || *h == 0)
        return broken(c, "tiles without a size", err);
    uint64_t area = (uint64_t)*w * *h, picture = (uint64_t)t->width * t->height;
    if (area > TILE_PIXELS && area / 4 > picture)
        return sk_fail(err, SK_LIMIT, "tiles of %u x %u in a picture of %u x %u", *w, *h, t->width,
                       t->height);
    return 0;
}

static int read_tiles(struct codec *c, struct sk_err *err)
{
    const struct sk_tiff *t = c->canvas->tiff;
    uint32_t w = 0, h = 0;
    if (tile_size(c, &w, &h, err) < 0)
        return -1;
    tmsize_t bytes = c->lib->TIFFTileSize(c->tiff), stride = c->lib->TIFFTileRowSize(c->tiff);
    if (bytes <= 0 || stride <= 0 || (uint64_t)bytes > row_bytes(c, h) * w ||
        row_bytes(c, w) > (uint64_t)stride || (uint64_t)stride * h > (uint64_t)bytes)
        return broken(c, "tiles of an unexpected size", err);
    SK_AUTO(free_cleanup) uint8_t *tile = calloc((size_t)bytes, 1);
    if (!tile)
        return sk_nomem(err);
    for (uint32_t y = 0; y < t->height; y += h)
        for (unsigned plane = 0; plane < c->planes; plane++)
            for (uint32_t x = 0; x < t->width; x += w) {
                if (sk_watch_made(c->canvas->watch, (size_t)bytes, err) < 0)
                    return -1;
                if (c->lib->TIFFReadTile(c->tiff, tile, x, y, 0, (uint16_t)plane) < 0)
                    return broken(c, "broken tile", err);
                put_rows(c, tile, (size_t)stride, x, y, t->width - x < w ? t->width - x : w,
                         t->height - y < h ? t->height - y : h, plane);
            }
    return 0;
}

/* ---- the whole ---- */

static int read_picture(struct codec *c, struct sk_err *err)
{
    const struct sk_tiff *t = c->canvas->tiff;
    uint32_t width = 0, height = 0;
    /* zlib sees errors that libdeflate passes over, and is what Pillow's libtiff uses. */
    if (t->compression == SK_TIFF_DEFLATE || t->compression == SK_TIFF_DEFLATE_OLD)
        (void)c->lib->TIFFSetField(c->tiff, TIFFTAG_DEFLATE_SUBCODEC, DEFLATE_SUBCODEC_ZLIB);
    uint16_t photometric = 0, planar = 0;
    (void)c->lib->TIFFGetField(c->tiff, TIFFTAG_IMAGEWIDTH, &width);
    (void)c->lib->TIFFGetField(c->tiff, TIFFTAG_IMAGELENGTH, &height);
    if (width != t->width || height != t->height)
        return broken(c, "the directory contradicts itself", err);
    (void)c->lib->TIFFGetField(c->tiff, TIFFTAG_PHOTOMETRIC, &photometric);
    (void)c->lib->TIFFGetFieldDefaulted(c->tiff, TIFFTAG_PLANARCONFIG, &planar);
    c->planes = t->is_planar ? (t->pixel == SK_TIFF_RGB && !t->has_alpha ? 3 : t->samples) : 1;
    c->pixel_bits = t->is_planar ? t->bits : (uint64_t)t->bits * t->samples;
    if (t->is_planar && ((t->bits != 8 && t->bits != 16) || t->samples > 4))
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "%u planes of %u bits", t->samples, t->bits);
    if ((t->pixel == SK_TIFF_YCBCR) != (photometric == PHOTOMETRIC_YCBCR))
        return broken(c, "the directory contradicts itself", err);
    if (t->pixel == SK_TIFF_YCBCR) {
        if (planar != PLANARCONFIG_CONTIG)
            return sk_fail(err, SK_UNSUPPORTED_MEDIA, "YCbCr in planes");
        (void)c->lib->TIFFSetField(c->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    }
    return c->lib->TIFFIsTiled(c->tiff) ? read_tiles(c, err) : read_strips(c, err);
}

int sk_tiff_decompress(const struct sk_tiff_canvas *canvas, struct sk_err *err)
{
    const struct sk_tiff *t = canvas->tiff;
    const struct sk_tiff_api *lib = sk_tiff_library(err);
    struct codec c = { .canvas = canvas, .lib = lib };
    if (!lib)
        return -1;
    TIFFOpenOptions *options = lib->TIFFOpenOptionsAlloc();
    if (!options)
        return sk_nomem(err);
    lib->TIFFOpenOptionsSetErrorHandlerExtR(options, keep_message, &c);
    lib->TIFFOpenOptionsSetWarningHandlerExtR(options, drop_message, &c);
    uint64_t most = (uint64_t)t->width * t->height * 16 + t->len + SPARE_BYTES;
    lib->TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)most);
    c.tiff = lib->TIFFClientOpenExt("picture", "rC", &c, read_file, write_file, seek_file,
                                    close_file, file_size, map_file, unmap_file, options);
    lib->TIFFOpenOptionsFree(options);
    if (!c.tiff)
        return broken(&c, "broken directory", err);
    int result = read_picture(&c, err);
    lib->TIFFClose(c.tiff);
    return result;
}
