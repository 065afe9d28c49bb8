/*
 * decode_png.c - PNG: inflate, undo the row filters, turn samples into RGB.
 *
 * The IDAT chunks hold one zlib stream of rows, each with a filter byte in front (PNG
 * specification, sections 7 to 10). We read it with zlib alone: libpng refuses files that Pillow
 * takes (wrong checksums in the picture data, short streams that end on a row) and takes files that
 * Pillow refuses. As in Pillow, the stream is fed in pieces of at most 64 KiB that never span two
 * chunks, and inflate gets room for one row at a time: an error, or the Adler sum, counts only when
 * it comes to light before the last row is complete or within the same piece.
 *
 * Colour: alpha and tRNS are dropped; 16-bit RGB and grey with alpha keep the high byte; 16-bit
 * grey goes by the grey16 option; 2- and 4-bit grey spread to 0..255.
 *
 * Invariant: rows go straight to the band unless the picture is interlaced or the first frame of an
 * APNG covers a part of it; then `store` holds the whole picture until the end. What the stream
 * does not reach stays sample 0.
 */
#include "base/str.h"
#include "image/png_priv.h"

#define ZLIB_CONST /* next_in points to const */
#include <zlib.h>

enum {
    PIECE_BYTES = 64 << 10
};

struct png_run {
    struct sk_png png;
    struct sk_err *err;
    struct sk_watch watch;
    z_stream z;
    bool has_stream;
    size_t chunk_left;       /* of the current IDAT as stated */
    uint8_t *row, *previous; /* filter byte, then samples */
    unsigned row_bits;       /* bits of a pixel */
    size_t pixel_bytes;      /* bytes of a pixel for the filters, at least 1 */
    bool is_grey16;
    struct sk_band band;
    struct sk_grey16_rows grey16;
    uint16_t *samples; /* one row of 16-bit grey */
    uint8_t *store;    /* RGB or 16-bit samples of the whole picture, NULL when rows stream */
    size_t store_pixel;
};

/* ---- samples to pixels ---- */

static unsigned sample(const uint8_t *row, uint32_t x, unsigned depth)
{
    unsigned shift = 8 - depth - x * depth % 8;
    return row[(size_t)x * depth / 8] >> shift & ((1u << depth) - 1);
}

static void low_depth_to_rgb(const struct sk_png *png, const uint8_t *in, uint32_t count,
                             uint8_t *out)
{
    unsigned step = 255 / ((1u << png->depth) - 1);
    for (uint32_t x = 0; x < count; x++, out += 3) {
        unsigned v = sample(in, x, png->depth);
        if (png->colour == SK_PNG_PALETTE)
            memcpy(out, png->palette[v], 3);
        else
            out[0] = out[1] = out[2] = (uint8_t)(v * step);
    }
}

/* 8 or 16 bit; channels samples per pixel of which the first, or the first three, count; the high
 * byte comes first. */
static void bytes_to_rgb(const uint8_t *in, unsigned channels, unsigned sample_bytes,
                         uint32_t count, uint8_t *out)
{
    size_t pixel = (size_t)channels * sample_bytes;
    size_t next = channels >= 3 ? sample_bytes : 0;
    for (uint32_t x = 0; x < count; x++, in += pixel, out += 3) {
        out[0] = in[0];
        out[1] = in[next];
        out[2] = in[next * 2];
    }
}

static unsigned channels_of(enum sk_png_colour colour)
{
    static const uint8_t channels[] = { 1, 0, 3, 1, 2, 0, 4 };
    return channels[colour];
}

static void row_to_rgb(const struct sk_png *png, const uint8_t *in, uint32_t count, uint8_t *out)
{
    if (png->depth < 8) {
        low_depth_to_rgb(png, in, count, out);
    } else if (png->colour == SK_PNG_PALETTE) {
        for (uint32_t x = 0; x < count; x++)
            memcpy(out + (size_t)x * 3, png->palette[in[x]], 3);
    } else if (png->colour == SK_PNG_RGB && png->depth == 8) {
        memcpy(out, in, (size_t)count * 3);
    } else {
        bytes_to_rgb(in, channels_of(png->colour), png->depth / 8, count, out);
    }
}

static void row_to_samples(const uint8_t *in, uint32_t count, uint16_t *out)
{
    for (uint32_t x = 0; x < count; x++)
        out[x] = (uint16_t)sk_be16(in + (size_t)x * 2);
}

/* ---- filters ---- */

static uint8_t paeth(int a, int b, int c)
{
    int pa = abs(b - c), pb = abs(a - c), pc = abs(a + b - 2 * c);
    return (uint8_t)(pa <= pb && pa <= pc ? a : pb <= pc ? b : c);
}

/* row and up point behind the filter byte. */
static int unfilter(unsigned filter, uint8_t *row, const uint8_t *up, size_t bytes, size_t bpp,
                    struct sk_err *err)
{
    size_t head = bpp < bytes ? bpp : bytes;
    switch (filter) {
    case 0:
        return 0;
    case 1:
        for (size_t i = bpp; i < bytes; i++)
            row[i] = (uint8_t)(row[i] + row[i - bpp]);
        return 0;
    case 2:
        for (size_t i = 0; i < bytes; i++)
            row[i] = (uint8_t)(row[i] + up[i]);
        return 0;
    case 3:
        for (size_t i = 0; i < head; i++)
            row[i] = (uint8_t)(row[i] + up[i] / 2);
        for (size_t i = bpp; i < bytes; i++)
            row[i] = (uint8_t)(row[i] + (row[i - bpp] + up[i]) / 2);
        return 0;
    case 4:
        for (size_t i = 0; i < head; i++)
            row[i] = (uint8_t)(row[i] + up[i]);
        for (size_t i = bpp; i < bytes; i++)
            row[i] = (uint8_t)(row[i] + paeth(row[i - bpp], up[i], up[i - bpp]));
        return 0;
    default:
        return sk_fail(err, SK_CORRUPT, "row filter %u does not exist", filter);
    }
}

/* ---- the stream ---- */

/* Hands inflate the next piece of picture data; -1 when there is none. */
static int next_piece(struct png_run *run)
{
    struct sk_png *png = &run->png;
    while (run->chunk_left == 0) {
        struct sk_png_chunk c;
        sk_png_skip(png, 4); /* checksum */
        if (!sk_png_next(png, &c) || c.type != SK_PNG_IDAT)
            return sk_fail(run->err, SK_CORRUPT, "the picture data is truncated");
        run->chunk_left = c.len;
    }
    size_t want = run->chunk_left < PIECE_BYTES ? run->chunk_left : PIECE_BYTES;
    size_t left = png->len - png->pos;
    if (left == 0)
        return sk_fail(run->err, SK_CORRUPT, "the file is truncated");
    size_t have = want < left ? want : left;
    run->z.next_in = png->bytes + png->pos;
    run->z.avail_in = (uInt)have;
    run->chunk_left -= want;
    png->pos += have;
    return 0;
}

/* Inflates one row of `bytes` bytes behind its filter byte and undoes the filter. */
static int read_row(struct png_run *run, size_t bytes, bool *is_end)
{
    if (sk_watch_made(&run->watch, bytes + 1, run->err) < 0)
        return -1;
    run->z.next_out = run->row;
    run->z.avail_out = (uInt)(bytes + 1);
    for (;;) {
        while (run->z.avail_in == 0)
            if (next_piece(run) < 0)
                return -1;
        int rc = inflate(&run->z, Z_NO_FLUSH);
        if (rc == Z_MEM_ERROR)
            return sk_nomem(run->err);
        if (rc < 0 || rc == Z_NEED_DICT)
            return sk_fail(run->err, SK_CORRUPT, "broken compressed data (%s)",
                           run->z.msg ? run->z.msg : "zlib");
        *is_end = rc == Z_STREAM_END;
        if (run->z.avail_out == 0)
            break;
        run->z.avail_in = 0; /* behind the end of the stream: of no use */
    }
    if (unfilter(run->row[0], run->row + 1, run->previous + 1, bytes, run->pixel_bytes, run->err) <
        0)
        return -1;
    uint8_t *done = run->row;
    run->row = run->previous;
    run->previous = done;
    return 0;
}

static size_t bytes_of(const struct png_run *run, uint32_t pixels)
{
    return ((size_t)pixels * run->row_bits + 7) / 8;
}

/* ---- rows in order ---- */

static int put_row(struct png_run *run, const uint8_t *in)
{
    uint32_t width = run->png.width;
    if (!run->is_grey16) {
        row_to_rgb(&run->png, in, width, sk_band_row(&run->band));
        return sk_band_next(&run->band, run->err);
    }
    row_to_samples(in, width, run->samples);
    return sk_grey16_row(&run->grey16, run->samples, run->err);
}

static int stream_rows(struct png_run *run)
{
    size_t bytes = bytes_of(run, run->png.width);
    bool is_end = false;
    for (uint32_t y = 0; y < run->png.height; y++) {
        if (is_end)
            memset(run->previous + 1, 0, bytes);
        else if (read_row(run, bytes, &is_end) < 0)
            return -1;
        if (put_row(run, run->previous + 1) < 0)
            return -1;
    }
    return 0;
}

/* ---- rows anyhow: interlaced pictures and partial frames ---- */

/* Puts count pixels at (x, x + step, ...) of row y of the store. */
static void scatter(struct png_run *run, const uint8_t *in, uint32_t count, uint32_t x,
                    uint32_t step, uint32_t y)
{
    uint8_t *pixels = (uint8_t *)run->samples;
    if (run->is_grey16)
        row_to_samples(in, count, run->samples);
    else
        row_to_rgb(&run->png, in, count, pixels);
    size_t size = run->store_pixel;
    uint8_t *out = run->store + ((size_t)y * run->png.width + x) * size;
    for (uint32_t i = 0; i < count; i++, out += step * size)
        memcpy(out, pixels + i * size, size);
}

static int read_passes(struct png_run *run)
{
    static const uint8_t first_x[7] = { 0, 4, 0, 2, 0, 1, 0 }, first_y[7] = { 0, 0, 4, 0, 2, 0, 1 };
    static const uint8_t step_x[7] = { 8, 8, 4, 4, 2, 2, 1 }, step_y[7] = { 8, 8, 8, 4, 4, 2, 2 };
    const struct sk_png_tile *t = &run->png.tile;
    bool is_end = false;
    for (int pass = 0; pass < 7 && !is_end; pass++) {
        if (t->width <= first_x[pass])
            continue;
        uint32_t count = (t->width - first_x[pass] + step_x[pass] - 1) / step_x[pass];
        memset(run->previous, 0, bytes_of(run, count) + 1);
        for (uint32_t y = first_y[pass]; y < t->height && !is_end; y += step_y[pass]) {
            if (read_row(run, bytes_of(run, count), &is_end) < 0)
                return -1;
            scatter(run, run->previous + 1, count, first_x[pass], step_x[pass], y);
        }
    }
    return 0;
}

static int read_tile(struct png_run *run)
{
    const struct sk_png_tile *t = &run->png.tile;
    bool is_end = false;
    for (uint32_t y = 0; y < t->height && !is_end; y++) {
        if (read_row(run, bytes_of(run, t->width), &is_end) < 0)
            return -1;
        scatter(run, run->previous + 1, t->width, t->x, 1, t->y + y);
    }
    return 0;
}

static int emit_store(struct png_run *run)
{
    size_t stride = (size_t)run->png.width * run->store_pixel;
    for (uint32_t y = 0; y < run->png.height; y++) {
        const uint8_t *in = run->store + y * stride;
        if (run->is_grey16) {
            memcpy(run->samples, in, stride);
            if (sk_grey16_row(&run->grey16, run->samples, run->err) < 0)
                return -1;
            continue;
        }
        memcpy(sk_band_row(&run->band), in, stride);
        if (sk_band_next(&run->band, run->err) < 0)
            return -1;
    }
    return 0;
}

static int store_rows(struct png_run *run)
{
    size_t pixels = (size_t)run->png.width * run->png.height;
    run->store_pixel = run->is_grey16 ? sizeof(uint16_t) : 3;
    run->store = calloc(pixels, run->store_pixel);
    if (!run->store)
        return sk_nomem(run->err);
    if (run->png.colour == SK_PNG_PALETTE)
        for (size_t i = 0; i < pixels; i++)
            memcpy(run->store + i * 3, run->png.palette[0], 3);
    if ((run->png.is_interlaced ? read_passes(run) : read_tile(run)) < 0)
        return -1;
    return emit_store(run);
}

/* ---- the whole ---- */

static int prepare(struct png_run *run, const struct sk_decode *d, struct sk_sink *sink)
{
    struct sk_png *png = &run->png;
    run->row_bits = channels_of(png->colour) * png->depth;
    run->pixel_bytes = (run->row_bits + 7) / 8;
    run->is_grey16 = png->colour == SK_PNG_GREY && png->depth == 16;
    run->chunk_left = png->data.len;
    if (sk_band_open(&run->band, sink, png->width, png->height, SK_BAND_ROWS, run->err) < 0)
        return -1;
    if (run->is_grey16 && sk_grey16_open(&run->grey16, &run->band, d->opts->grey16, run->err) < 0)
        return -1;
    size_t bytes = bytes_of(run, png->width) + 1;
    run->row = calloc(bytes, 1);
    run->previous = calloc(bytes, 1);
    run->samples = calloc(png->width, 2 * sizeof(uint16_t)); /* one row, of samples or of RGB */
    if (!run->row || !run->previous || !run->samples || inflateInit(&run->z) != Z_OK)
        return sk_nomem(run->err);
    run->has_stream = true;
    return 0;
}

static int run_decode(struct png_run *run, const struct sk_decode *d, struct sk_sink *sink)
{
    if (sk_png_open(&run->png, d->bytes, d->len, run->err) < 0 || prepare(run, d, sink) < 0)
        return -1;
    const struct sk_png_tile *t = &run->png.tile;
    bool is_whole = t->width == run->png.width && t->height == run->png.height;
    if ((run->png.is_interlaced || !is_whole ? store_rows(run) : stream_rows(run)) < 0)
        return -1;
    sk_png_skip(&run->png, run->chunk_left);
    if (sk_png_finish(&run->png, run->err) < 0)
        return -1;
    return run->is_grey16 ? sk_grey16_finish(&run->grey16, d->report, run->err) : 0;
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct png_run run = { .err = err, .watch = { .deadline_ns = d->opts->deadline_ns } };
    int result = run_decode(&run, d, sink);
    if (run.has_stream)
        (void)inflateEnd(&run.z);
    sk_grey16_done(&run.grey16);
    sk_band_done(&run.band);
    free(run.store);
    free(run.samples);
    free(run.previous);
    free(run.row);
    return result;
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct sk_png png;
    if (sk_png_open(&png, bytes, len, err) < 0)
        return -1;
    out->width = png.width;
    out->height = png.height;
    out->orientation = sk_png_orientation(&png);
    return 0;
}

const struct sk_format sk_format_png = { "png", sk_png_is, probe, decode };
