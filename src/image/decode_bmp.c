/*
 * decode_bmp.c - Windows and OS/2 bitmaps.
 *
 *   "BM" size:4 reserved:4 offset:4 | header, 12 to 124 bytes, its size first | masks | palette |
 * rows
 *
 * Rows are padded to 4 bytes and run from the bottom up unless the height is negative. 1, 4, 8, 16,
 * 24 and 32 bits per pixel, RLE4, RLE8, and the bit-field layouts that Pillow knows; alpha is
 * dropped.
 *
 * As Pillow: a palette that is exactly the grey ramp makes the picture grey, which for fewer than
 * 256 colours changes how the samples are read; RLE data must fill the picture; an end-of-line code
 * at the start of a row does nothing.
 *
 * Invariant: rows are read only after it was checked that all of them lie within the file.
 */
#include "image/decode_priv.h"

enum {
    RAW = 0,
    RLE8 = 1,
    RLE4 = 2,
    BITFIELDS = 3
};

enum pixel_kind {
    INDEXED,
    PACKED_555,
    PACKED_565,
    BYTES
};

struct bmp {
    const uint8_t *bytes;
    size_t len;
    uint32_t width, height, bits, compression, colours;
    bool is_top_down;
    uint64_t offset;                  /* of the rows */
    size_t palette_at, palette_entry; /* where the palette begins, bytes of a colour */
    enum pixel_kind kind;
    unsigned pixel_bits; /* as the rows are read, normally bits */
    uint8_t r, g, b;     /* BYTES: where in a pixel */
    bool is_grey, is_bilevel;
    uint8_t palette[256][3];
};

static int cut_off(struct sk_err *err)
{
    return sk_fail(err, SK_CORRUPT, "the file is truncated");
}

/* ---- header ---- */

struct layout {
    uint32_t bits, r_mask, g_mask, b_mask, a_mask;
    enum pixel_kind kind;
    uint8_t r, g, b;
};

/* a_mask counts for 32 bits only. */
static const struct layout layouts[] = {
    { 32, 0xff0000, 0xff00, 0xff, 0, BYTES, 2, 1, 0 },
    { 32, 0xff000000, 0xff0000, 0xff00, 0, BYTES, 3, 2, 1 },
    { 32, 0xff000000, 0xff00, 0xff, 0, BYTES, 3, 1, 0 },
    { 32, 0xff000000, 0xff0000, 0xff00, 0xff, BYTES, 3, 2, 1 },
    { 32, 0xff, 0xff00, 0xff0000, 0xff000000, BYTES, 0, 1, 2 },
    { 32, 0xff0000, 0xff00, 0xff, 0xff000000, BYTES, 2, 1, 0 },
    { 32, 0xff000000, 0xff00, 0xff, 0xff0000, BYTES, 3, 1, 0 },
    { 32, 0, 0, 0, 0, BYTES, 2, 1, 0 },
    { 24, 0xff0000, 0xff00, 0xff, 0, BYTES, 2, 1, 0 },
    { 16, 0xf800, 0x7e0, 0x1f, 0, PACKED_565, 0, 0, 0 },
    { 16, 0x7c00, 0x3e0, 0x1f, 0, PACKED_555, 0, 0, 0 },
};

static int read_masks(struct bmp *b, size_t header_bytes, struct sk_err *err)
{
    size_t at = 14 + 40; /* within a long header, behind a short one: the same place */
    if (b->len < at + 12)
        return cut_off(err);
    if (header_bytes == 40)
        b->palette_at += 12;
    uint32_t red = sk_le32(b->bytes + at), green = sk_le32(b->bytes + at + 4),
             blue = sk_le32(b->bytes + at + 8);
    uint32_t alpha = header_bytes >= 56 ? sk_le32(b->bytes + at + 12) : 0;
    for (size_t i = 0; i < sizeof layouts / sizeof layouts[0]; i++) {
        const struct layout *l = &layouts[i];
        if (l->bits == b->bits && l->r_mask == red && l->g_mask == green && l->b_mask == blue &&
            (l->bits != 32 || l->a_mask == alpha)) {
            b->kind = l->kind;
            b->r = l->r;
            b->g = l->g;
            b->b = l->b;
            return 0;
        }
    }
    return sk_fail(err, SK_UNSUPPORTED_MEDIA, "unknown bit-field layout");
}

static int read_info(struct bmp *b, size_t header_bytes, struct sk_err *err)
{
    const uint8_t *h = b->bytes + 14;
    if (header_bytes == 12) {
        b->width = sk_le16(h + 4);
        b->height = sk_le16(h + 6);
        b->bits = sk_le16(h + 10);
        b->palette_entry = 3;
        return 0;
    }
    if (header_bytes != 40 && header_bytes != 52 && header_bytes != 56 && header_bytes != 64 &&
        header_bytes != 108 && header_bytes != 124)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "unknown header of %zu bytes", header_bytes);
    b->is_top_down = h[11] == 0xff;
    b->width = sk_le32(h + 4);
    b->height = b->is_top_down ? -sk_le32(h + 8) : sk_le32(h + 8);
    b->bits = sk_le16(h + 14);
    b->compression = sk_le32(h + 16);
    b->colours = sk_le32(h + 32);
    b->palette_entry = 4;
    return 0;
}

/* How the pixels of this depth look without bit-fields; read_masks() may change it. */
static int choose_kind(struct bmp *b, struct sk_err *err)
{
    b->pixel_bits = b->bits;
    switch (b->bits) {
    case 1:
    case 4:
    case 8:
        b->kind = INDEXED;
        return 0;
    case 16:
        b->kind = PACKED_555;
        return 0;
    case 24:
    case 32:
        b->kind = BYTES;
        b->r = 2;
        b->g = 1;
        b->b = 0;
        return 0;
    default:
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "%u bits per pixel", b->bits);
    }
}

static int open_bmp(struct bmp *b, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    *b = (struct bmp){ .bytes = bytes, .len = len };
    if (len < 18)
        return cut_off(err);
    size_t header_bytes = sk_le32(bytes + 14);
    if (header_bytes < 12 || len - 14 < header_bytes)
        return cut_off(err);
    b->palette_at = 14 + header_bytes;
    if (read_info(b, header_bytes, err) < 0 || choose_kind(b, err) < 0)
        return -1;
    if (b->colours == 0)
        b->colours = b->bits < 32 ? 1u << b->bits : 0;
    b->offset = sk_le32(bytes + 10);
    if (b->offset == 14 + header_bytes && b->bits <= 8)
        b->offset += (uint64_t)b->palette_entry * b->colours;
    if (b->compression == BITFIELDS)
        return read_masks(b, header_bytes, err);
    if (b->compression > BITFIELDS || (b->compression != RAW && b->bits > 8))
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "compression %u with %u bits per pixel",
                       b->compression, b->bits);
    return 0;
}

/* ---- palette ---- */

static bool is_grey_ramp(const struct bmp *b, const uint8_t *p, size_t have)
{
    for (uint32_t i = 0; i < b->colours; i++) {
        uint8_t want = b->colours == 2 ? (uint8_t)(i * 255) : (uint8_t)i;
        size_t at = i * b->palette_entry;
        if (have < at + 3 || p[at] != want || p[at + 1] != want || p[at + 2] != want)
            return false;
    }
    return true;
}

static void read_grey(struct bmp *b)
{
    b->is_grey = true;
    b->is_bilevel = b->colours <= 2;
    b->pixel_bits = b->is_bilevel ? 1 : 8;
    for (unsigned i = 0; i < 256; i++)
        memset(b->palette[i], b->is_bilevel ? (int)(i * 255 & 255) : (int)i, 3);
}

static int read_palette(struct bmp *b, struct sk_err *err)
{
    if (b->colours == 0 || b->colours > 65536)
        return sk_fail(err, SK_CORRUPT, "palette of %u colours", b->colours);
    size_t left = b->len - b->palette_at, want = b->colours * b->palette_entry;
    size_t have = want < left ? want : left;
    const uint8_t *p = b->bytes + b->palette_at;
    if (b->offset == 0)
        b->offset = b->palette_at + have;
    if (is_grey_ramp(b, p, have)) {
        read_grey(b);
        return 0;
    }
    if (have / b->palette_entry > 256)
        return sk_fail(err, SK_CORRUPT, "palette of more than 256 colours");
    for (size_t i = 0; i < have / b->palette_entry; i++, p += b->palette_entry) {
        b->palette[i][0] = p[2];
        b->palette[i][1] = p[1];
        b->palette[i][2] = p[0];
    }
    return 0;
}

/* ---- rows ---- */

static void indexed_row(const struct bmp *b, const uint8_t *in, uint8_t *out)
{
    unsigned depth = b->pixel_bits, mask = (1u << depth) - 1;
    for (uint32_t x = 0; x < b->width; x++, out += 3) {
        size_t bit = (size_t)x * depth;
        memcpy(out, b->palette[in[bit / 8] >> (8 - depth - bit % 8) & mask], 3);
    }
}

static void packed_row(const struct bmp *b, const uint8_t *in, uint8_t *out)
{
    unsigned green_bits = b->kind == PACKED_565 ? 6 : 5;
    unsigned green_max = (1u << green_bits) - 1;
    for (uint32_t x = 0; x < b->width; x++, in += 2, out += 3) {
        unsigned v = sk_le16(in);
        out[0] = (uint8_t)((v >> (5 + green_bits) & 31) * 255 / 31);
        out[1] = (uint8_t)((v >> 5 & green_max) * 255 / green_max);
        out[2] = (uint8_t)((v & 31) * 255 / 31);
    }
}

static void bytes_row(const struct bmp *b, const uint8_t *in, uint8_t *out)
{
    size_t pixel = b->bits / 8;
    for (uint32_t x = 0; x < b->width; x++, in += pixel, out += 3) {
        out[0] = in[b->r];
        out[1] = in[b->g];
        out[2] = in[b->b];
    }
}

/* rows: the first in the file's order, stride bytes apart. */
static int emit(const struct bmp *b, const uint8_t *rows, size_t stride, struct sk_band *band,
                struct sk_err *err)
{
    for (uint32_t y = 0; y < b->height; y++) {
        const uint8_t *in = rows + (b->is_top_down ? y : b->height - 1 - y) * stride;
        uint8_t *out = sk_band_row(band);
        if (b->kind == INDEXED)
            indexed_row(b, in, out);
        else if (b->kind == BYTES)
            bytes_row(b, in, out);
        else
            packed_row(b, in, out);
        if (sk_band_next(band, err) < 0)
            return -1;
    }
    return 0;
}

static int emit_raw(const struct bmp *b, struct sk_band *band, struct sk_err *err)
{
    uint64_t stride = ((uint64_t)b->width * b->bits + 31) / 32 * 4;
    uint64_t row = ((uint64_t)b->width * b->pixel_bits + 7) / 8;
    if (row > stride)
        return sk_fail(err, SK_CORRUPT, "a grey palette needs 8 bits per pixel");
    uint64_t need = b->offset + stride * (b->height - 1) + row; /* sizes are within the limits: no
                                                                   overflow */
    if (need > b->len)
        return cut_off(err);
    return emit(b, b->bytes + b->offset, (size_t)stride, band, err);
}

/* ---- run lengths ---- */

enum {
    RUN_MAX = 255
};

struct rle {
    const struct bmp *b;
    size_t pos;
    uint8_t *out; /* indices, one byte each, in the file's order of rows */
    size_t done, total;
    size_t x; /* what the coder thinks its column is */
    struct sk_watch watch;
};

static void put_run(struct rle *r, unsigned count, unsigned value)
{
    size_t room = r->x < r->b->width ? r->b->width - r->x : 0;
    size_t n = count < room ? count : room;
    n = n < r->total - r->done ? n : r->total - r->done;
    unsigned even = r->b->compression == RLE4 ? value >> 4 : value;
    unsigned odd = r->b->compression == RLE4 ? value & 15 : value;
    for (size_t i = 0; i < n; i++)
        r->out[r->done++] = (uint8_t)(i % 2 == 0 ? even : odd);
    r->x += n;
}

static void put_zeros(struct rle *r, size_t count)
{
    size_t room = r->total - r->done;
    r->done += count < room ? count : room; /* the memory is zeroed */
}

/* false: the data is cut off. */
static bool put_literal(struct rle *r, unsigned count)
{
    const struct bmp *b = r->b;
    size_t n = count < r->total - r->done ? count : r->total - r->done;
    bool is_rle4 = b->compression == RLE4;
    size_t bytes = is_rle4 ? (n + 1) / 2 : n;
    if (b->len - r->pos < bytes)
        return false;
    const uint8_t *p = b->bytes + r->pos;
    for (size_t i = 0; i < n; i++)
        r->out[r->done++] = is_rle4 ? (uint8_t)(i % 2 == 0 ? p[i / 2] >> 4 : p[i / 2] & 15) : p[i];
    r->pos += bytes;
    r->x += count;
    r->pos += r->pos % 2; /* to a 16-bit boundary of the file */
    return true;
}

static int expand(struct rle *r, struct sk_err *err)
{
    const struct bmp *b = r->b;
    while (r->done < r->total) {
        if (sk_watch_made(&r->watch, RUN_MAX, err) < 0)
            return -1;
        if (r->pos > b->len || b->len - r->pos < 2)
            return cut_off(err);
        unsigned count = b->bytes[r->pos], value = b->bytes[r->pos + 1];
        r->pos += 2;
        if (count > 0) {
            put_run(r, count, value);
        } else if (value == 0) {
            put_zeros(r, (b->width - r->done % b->width) % b->width);
            r->x = 0;
        } else if (value == 1) {
            return sk_fail(err, SK_CORRUPT, "the picture data ends early");
        } else if (value == 2) {
            if (b->len - r->pos < 2)
                return cut_off(err);
            put_zeros(r, b->bytes[r->pos] + (size_t)b->bytes[r->pos + 1] * b->width);
            r->pos += 2;
            r->x = r->done % b->width;
        } else if (!put_literal(r, value)) {
            return cut_off(err);
        }
    }
    return 0;
}

static int emit_rle(struct bmp *b, uint64_t deadline_ns, struct sk_band *band, struct sk_err *err)
{
    size_t total = (size_t)b->width * b->height;
    struct rle r = { .b = b,
                     .pos = b->offset < b->len ? (size_t)b->offset : b->len,
                     .total = total,
                     .watch = { .deadline_ns = deadline_ns } };
    r.out = calloc(total, 1);
    if (!r.out)
        return sk_nomem(err);
    int result = expand(&r, err);
    if (result == 0) {
        b->pixel_bits = 8;
        if (b->is_bilevel) /* whatever is not black is white */
            memset(b->palette[1], 255, sizeof b->palette - sizeof b->palette[0]);
        result = emit(b, r.out, b->width, band, err);
    }
    free(r.out);
    return result;
}

/* ---- the format ---- */

static bool is_bmp(const uint8_t *bytes, size_t len)
{
    return len >= 2 && bytes[0] == 'B' && bytes[1] == 'M';
}

static int probe(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    struct bmp b;
    if (open_bmp(&b, bytes, len, err) < 0)
        return -1;
    out->width = b.width;
    out->height = b.height;
    return 0;
}

static int decode(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err)
{
    struct bmp b;
    if (open_bmp(&b, d->bytes, d->len, err) < 0)
        return -1;
    if (b.kind == INDEXED && read_palette(&b, err) < 0)
        return -1;
    if (b.offset == 0)
        b.offset = b.palette_at;
    struct sk_band band = { 0 };
    int result = sk_band_open(&band, sink, b.width, b.height, SK_BAND_ROWS, err);
    if (result == 0)
        result = b.compression == RLE8 || b.compression == RLE4
                     ? emit_rle(&b, d->opts->deadline_ns, &band, err)
                     : emit_raw(&b, &band, err);
    sk_band_done(&band);
    return result;
}

const struct sk_format sk_format_bmp = { "bmp", is_bmp, probe, decode };
