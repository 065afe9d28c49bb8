/*
 * decode_tiff.c - TIFF, first picture: what scanners, microscopes and cameras on production lines
 * write.
 *
 * tiff_tags.c says what the pixels are. Uncompressed strips and tiles are read here, as Pillow does
 * by itself: each block may run on beyond its stated length as long as the file does, blocks may
 * overlap (the one at the later offset wins), what no block covers stays 0. Compressed ones go
 * through libtiff (tiff_codec.c). Both put samples on a canvas, which then leaves as rows. Pillow
 * turns a TIFF upright whenever it loads one, so the orientation tag counts here without being
 * asked for, and size and orientation are reported as they are afterwards.
 *
 * Invariant: a block is put on the canvas only after it was clipped to the picture and found to lie
 * within the file.
 */
#include "base/cleanup.h"
#include "base/str.h"
#include "image/tiff_priv.h"

/* ---- samples to canvas ---- */

static uint8_t reversed(uint8_t b)
{
    b = (uint8_t)((b & 0xf0) >> 4 | (b & 0x0f) << 4);
    b = (uint8_t)((b & 0xcc) >> 2 | (b & 0x33) << 2);
    return (uint8_t)((b & 0xaa) >> 1 | (b & 0x55) << 1);
}

static void put_small(const struct sk_tiff *t, const struct sk_tiff_rows *from, const uint8_t *in,
                      uint32_t count, uint8_t *out)
{
    unsigned bits = t->bits, mask = (1u << bits) - 1;
    size_t pixel_bits = (size_t)bits * t->samples;
    unsigned scale = t->pixel == SK_TIFF_GREY ? 255 / mask : 1;
    for (uint32_t i = 0; i < count; i++) {
        size_t bit = i * pixel_bits;
        uint8_t byte = from->has_reversed_bits ? reversed(in[bit / 8]) : in[bit / 8];
        unsigned v = (byte >> (8 - bits - bit % 8) & mask) * scale;
        out[i] = (uint8_t)(t->is_inverted && t->pixel == SK_TIFF_GREY ? 255 - v : v);
    }
}

static void put_grey16(const struct sk_tiff_rows *from, const uint8_t *in, uint32_t count,
                       uint8_t *out)
{
    for (uint32_t i = 0; i < count; i++, in += 2) {
        uint16_t v = (uint16_t)(from->is_big_endian ? sk_be16(in) : sk_le16(in));
        memcpy(out + (size_t)i * 2, &v, sizeof v);
    }
}

/* Of each pixel the first `channels` samples, their high bytes. */
static void put_channels(const struct sk_tiff *t, const struct sk_tiff_rows *from,
                         const uint8_t *in, uint32_t count, size_t channels, uint8_t *out)
{
    size_t sample = t->bits / 8, high = sample == 2 && !from->is_big_endian ? 1 : 0;
    if (sample == 1 && t->samples == channels && !from->has_reversed_bits) {
        memcpy(out, in, count * channels);
        return;
    }
    for (uint32_t i = 0; i < count; i++, in += t->samples * sample, out += channels)
        for (size_t c = 0; c < channels; c++)
            out[c] = from->has_reversed_bits ? reversed(in[c * sample + high])
                                             : in[c * sample + high];
}

static void put_plane(const struct sk_tiff *t, const struct sk_tiff_rows *from, const uint8_t *in,
                      uint32_t count, size_t channels, uint8_t *out)
{
    size_t sample = t->bits / 8, high = sample == 2 && !from->is_big_endian ? 1 : 0;
    for (uint32_t i = 0; i < count; i++, in += sample, out += channels)
        *out = in[high];
}

void sk_tiff_put(const struct sk_tiff_canvas *c, const struct sk_tiff_rows *from, const uint8_t *in,
                 uint32_t x, uint32_t y, uint32_t count, unsigned plane)
{
    const struct sk_tiff *t = c->tiff;
    uint8_t *out = c->pixels + ((size_t)y * t->width + x) * c->pixel_bytes;
    if (t->is_planar) {
        if (plane < c->pixel_bytes)
            put_plane(t, from, in, count, c->pixel_bytes, out + plane);
        return;
    }
    switch (t->pixel) {
    case SK_TIFF_GREY:
    case SK_TIFF_PALETTE:
        put_small(t, from, in, count, out);
        break;
    case SK_TIFF_GREY16:
        put_grey16(from, in, count, out);
        break;
    default:
        put_channels(t, from, in, count, c->pixel_bytes, out);
    }
}

static size_t canvas_pixel_bytes(enum sk_tiff_pixel pixel)
{
    static const uint8_t sizes[] = {
        [SK_TIFF_GREY] = 1,
        [SK_TIFF_GREY16] = 2,
        [SK_TIFF_PALETTE] = 1,
        [SK_TIFF_RGB] = 3,
        [SK_TIFF_RGBA_PREMULTIPLIED] = 4,
        [SK_TIFF_CMYK] = 4,
        [SK_TIFF_YCBCR] = 3, /* converted by the codec */
    };
    return sizes[pixel];
}

/* ---- uncompressed blocks ---- */

struct block {
    uint64_t offset;
    size_t number; /* in the file's list */
    uint32_t x, y, w, h;
    unsigned plane;
    bool is_edge; /* a tile that sticks out to the right: its rows are longer than w */
};

static int by_offset(const void *a, const void *b)
{
    const struct block *p = a, *q = b;
    if (p->offset != q->offset)
        return p->offset < q->offset ? -1 : 1;
    return p->number < q->number ? -1 : 1;
}

static bool is_same_place(const struct block *a, const struct block *b)
{
    return a->x == b->x && a->y == b->y && a->w == b->w && a->h == b->h && a->plane == b->plane &&
           a->is_edge == b->is_edge;
}

/* The blocks in the order in which they are drawn. */
static int list_blocks(const struct sk_tiff *t, struct block **out, size_t *out_count,
                       struct sk_err *err)
{
    uint64_t first = 0, count = t->offsets.count;
    if (t->block_w == t->width && t->block_h == t->height && !t->is_split)
        first = count - 1; /* each covers the picture: the last one counts */
    uint64_t across = ((uint64_t)t->width + t->block_w - 1) / t->block_w;
    uint64_t down = ((uint64_t)t->height + t->block_h - 1) / t->block_h;
    uint64_t planes = t->is_planar ? t->samples : 1;
    if ((t->is_split && count > across * down * planes) ||
        count - first > 2 * across * down * planes + 16)
        return sk_fail(err, SK_CORRUPT, "more strips or tiles than the picture has room for");
    struct block *blocks = calloc((size_t)(count - first), sizeof *blocks);
    if (!blocks)
        return sk_nomem(err);
    struct block at = { 0 };
    for (uint64_t i = first; i < count; i++) {
        at.number = (size_t)(i - first);
        at.offset = sk_tiff_value(t, &t->offsets, i);
        at.w = t->width - at.x < t->block_w ? t->width - at.x : t->block_w;
        at.h = t->height - at.y < t->block_h ? t->height - at.y : t->block_h;
        at.is_edge = at.w < t->block_w;
        blocks[at.number] = at;
        if ((at.x += at.w) < t->width)
            continue;
        at.x = 0;
        if ((at.y += at.h) < t->height)
            continue;
        at.y = 0;
        at.plane++;
    }
    *out = blocks;
    *out_count = (size_t)(count - first);
    qsort(blocks, *out_count, sizeof *blocks, by_offset);
    return 0;
}

static int draw_block(const struct sk_tiff_canvas *c, const struct block *b, struct sk_err *err)
{
    const struct sk_tiff *t = c->tiff;
    const struct sk_tiff_rows from = { t->is_big_endian, t->has_reversed_bits };
    uint64_t pixel_bits = t->is_planar ? t->bits : (uint64_t)t->bits * t->samples;
    uint64_t row = (b->w * pixel_bits + 7) / 8;
    uint64_t stride = b->is_edge ? t->block_w * pixel_bits / 8 : row;
    if (stride < row)
        return sk_fail(err, SK_CORRUPT, "tiles do not end on a byte");
    uint64_t need = stride * (b->h - 1) + row;
    if (b->offset > t->len || need > t->len - b->offset)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    for (uint32_t y = 0; y < b->h; y++)
        sk_tiff_put(c, &from, t->bytes + b->offset + y * stride, b->x, b->y + y, b->w, b->plane);
    return 0;
}

/* Pillow reads planes by the first letters of its mode's name: what works is a byte per sample, or
 * one bit of grey, which is then not inverted. */
static int check_split(struct sk_tiff *t, struct sk_err *err)
{
    bool is_byte = t->bits == 8 && t->pixel != SK_TIFF_RGBA_PREMULTIPLIED && t->samples <= 4 &&
                   t->samples != 2 && (t->samples != 4 || t->pixel == SK_TIFF_CMYK || !t->is_tiled);
    bool is_bit = t->bits == 1 && t->pixel == SK_TIFF_GREY;
    if (!is_byte && !is_bit)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "uncompressed planes of %u bits", t->bits);
    t->is_inverted = t->has_reversed_bits = false;
    return 0;
}

static int draw_blocks(struct sk_tiff *t, const struct sk_tiff_canvas *c, struct sk_err *err)
{
    SK_AUTO(free_cleanup) struct block *blocks = NULL;
    size_t count = 0;
    if (t->is_split && check_split(t, err) < 0)
        return -1;
    if (t->has_reversed_bits && t->bits < 8 && t->pixel == SK_TIFF_PALETTE)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "reversed bits in a palette picture");
    if (t->has_reversed_bits && t->bits == 8 && t->is_inverted)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "reversed bits in inverted grey");
    if (list_blocks(t, &blocks, &count, err) < 0)
        return -1;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && is_same_place(&blocks[i], &blocks[i + 1]))
            continue;
        if (sk_watch_made(c->watch, (size_t)blocks[i].w * blocks[i].h * c->pixel_bytes, err) < 0 ||
            draw_block(c, &blocks[i], err) < 0)
            return -1;
    }
    return 0;
}

/* ---- canvas to rows ---- */

static uint8_t unmultiplied(unsigned v, unsigned alpha)
{
    unsigned u = alpha == 0 ? 0 : v * 255 / alpha;
    return (uint8_t)(u > 255 ? 255 : u);
}

static void premultiplied_to_rgb(const uint8_t *in, uint32_t count, uint8_t *out)
{
    for (uint32_t i = 0; i < count; i++, in += 4, out += 3)
        for (int c = 0; c < 3; c++)
            out[c] = unmultiplied(in[c], in[3]);
}

static void row_to_rgb(const struct sk_tiff *t, const uint8_t *in, uint8_t *out)
{
    switch (t->pixel) {
    case SK_TIFF_GREY:
        sk_grey_to_rgb(in, t->width, out);
        break;
    case SK_TIFF_PALETTE:
        for (uint32_t x = 0; x < t->width; x++)
            memcpy(out + (size_t)x * 3, t->palette[in[x]], 3);
        break;
    case SK_TIFF_RGBA_PREMULTIPLIED:
        premultiplied_to_rgb(in, t->width, out);
        break;
    case SK_TIFF_CMYK:
        sk_cmyk_to_rgb(in, t->width, out);
        break;
    default:
        memcpy(out, in, (size_t)t->width * 3);
    }
}

static int emit_rows(const struct sk_tiff_canvas *c, struct sk_band *band,
                     struct sk_grey16_rows *grey16, struct sk_err *err)
{
    const struct sk_tiff *t = c->tiff;
    size_t stride = (size_t)t->width * c->pixel_bytes;
    for (uint32_t y = 0; y < t->height; y++) {
        const uint8_t *in = c->pixels + y * stride;
        if (t->pixel == SK_TIFF_GREY16) {
            if (sk_grey16_row(grey16, (const uint16_t *)(const void *)in, err) < 0)
                return -1;
            continue;
        }
        row_to_rgb(t, in, sk_band_row(band));
        if (sk_band_next(band, err) < 0)
            return -1;
    }
    return 0;
}

static int emit(const struct sk_tiff_canvas *c, const struct sk_decode *d, struct sk_sink *sink,
                struct sk_err *err)
{
    const struct sk_tiff *t = c->tiff;
    SK_AUTO(sk_band_done) struct sk_band band = { 0 };
    SK_AUTO(sk_grey16_done) struct sk_grey16_rows grey16 = { 0 };
    if (sk_band_open(&band, sink, t->width, t->height, SK_BAND_ROWS, err) < 0)
        return -1;
    if (t->pixel == SK_TIFF_GREY16 && sk_grey16_open(&grey16, &band, d->opts->grey16, err) < 0)
        return -1;
    if (emit_rows(c, &band, &grey16, err) < 0)
        return -1;
    return t->pixel == SK_TIFF_GREY16 ? sk_grey16_finish(&grey16, d->report, err) : 0;
}

static int emit_upright(const struct sk_tiff_canvas *c, const struct sk_decode *d,
                        struct sk_sink *sink, struct sk_err *err)
{
    SK_AUTO(sk_image_done) struct sk_image img = { 0 };
    SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
    struct sk_collector collector;
    sk_collector_init(&collector, &img);
    collector.deadline_ns = d->opts->deadline_ns;
    if (emit(c, d, &collector.sink, err) < 0 ||
        sk_image_orient(&img, c->tiff->orientation, &tmp, err) < 0 ||
        sink->begin(sink, img.width, img.height, err) < 0)
        return -1;
    return sink->rows(sink, img.pixels, (size_t)img.width * 3, 0, img.height, err);
}

/* ---- the format ---- */

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct sk_tiff t;
    if (sk_tiff_open(&t, d->bytes, d->len, err) < 0)
        return -1;
    SK_AUTO(free_cleanup) uint8_t *pixels = NULL;
    struct sk_watch watch = { .deadline_ns = d->opts->deadline_ns };
    struct sk_tiff_canvas canvas = { .tiff = &t,
                                     .pixel_bytes = canvas_pixel_bytes(t.pixel),
                                     .watch = &watch };
    pixels = calloc((size_t)t.width * t.height, canvas.pixel_bytes);
    if (!pixels)
        return sk_nomem(err);
    canvas.pixels = pixels;
    if ((t.compression == SK_TIFF_RAW ? draw_blocks(&t, &canvas, err)
                                      : sk_tiff_decompress(&canvas, err)) < 0)
        return -1;
    return t.orientation > 1 ? emit_upright(&canvas, d, sink, err) : emit(&canvas, d, sink, err);
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct sk_tiff t;
    if (sk_tiff_open(&t, bytes, len, err) < 0)
        return -1;
    bool is_turned = t.orientation >= 5;
    out->width = is_turned ? t.height : t.width;
    out->height = is_turned ? t.width : t.height;
    return 0;
}

const struct sk_format sk_format_tiff = { "tiff", sk_tiff_is, probe, decode };
