/*
 * tiff_tags.c - reads the first directory of a TIFF and decides what its pixels are.
 *
 *   "II*\0" offset:4               count:2 { tag:2 type:2 count:4 value-or-offset:4 } * count
 *   "II+\0" 8:2 0:2 offset:8       count:8 { tag:2 type:2 count:8 value-or-offset:8 } * count
 *
 * The second is BigTIFF; "MM\0*" is the first with the high bytes in front.
 *
 * Tags are read as Pillow reads them: the first entry of a tag counts, those of unknown type or
 * without a value are passed over, one whose value lies outside the file ends the reading. What the
 * tags may say together follows Pillow's table of pixel modes (TIFF 6.0, sections 3 to 6 and 16 to
 * 18); combinations that Pillow knows and we leave out (floating point, 12, 32 and signed bits,
 * L*a*b*, premultiplied grey, YCbCr outside JPEG) are answered with SK_UNSUPPORTED_MEDIA.
 */
#include "image/tiff_priv.h"

enum {
    TAG_WIDTH = 256,
    TAG_HEIGHT = 257,
    TAG_BITS = 258,
    TAG_COMPRESSION = 259,
    TAG_PHOTOMETRIC = 262,
    TAG_FILL_ORDER = 266,
    TAG_STRIP_OFFSETS = 273,
    TAG_ORIENTATION = 274,
    TAG_SAMPLES = 277,
    TAG_STRIP_ROWS = 278,
    TAG_PLANAR = 284,
    TAG_COLOUR_MAP = 320,
    TAG_TILE_WIDTH = 322,
    TAG_TILE_HEIGHT = 323,
    TAG_TILE_OFFSETS = 324,
    TAG_EXTRA_SAMPLES = 338,
    TAG_SAMPLE_FORMAT = 339,
    TAG_XMP = 700,
};

enum {
    WHITE_IS_0 = 0,
    BLACK_IS_0 = 1,
    RGB = 2,
    PALETTE = 3,
    CMYK = 5,
    YCBCR = 6
};

/* The tags we look at, by name. */
struct tags {
    struct sk_tiff_tag width, height, bits, compression, photometric, fill_order, strip_offsets,
        orientation, samples, strip_rows, planar, colour_map, tile_width, tile_height, tile_offsets,
        extra_samples, sample_format, xmp;
};

/* ---- values ---- */

static uint64_t get(const struct sk_tiff *t, const uint8_t *p, unsigned bytes)
{
    uint64_t v = 0;
    for (unsigned i = 0; i < bytes; i++)
        v = v << 8 | p[t->is_big_endian ? i : bytes - 1 - i];
    return v;
}

static unsigned unit_bytes(uint32_t type)
{
    static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8 };
    return type < sizeof sizes ? sizes[type] : 0;
}

/* SHORT, LONG, IFD, LONG8 */
static bool is_integer(const struct sk_tiff_tag *tag)
{
    return tag->at && (tag->type == 3 || tag->type == 4 || tag->type == 13 || tag->type == 16);
}

uint64_t sk_tiff_value(const struct sk_tiff *t, const struct sk_tiff_tag *tag, uint64_t i)
{
    unsigned unit = unit_bytes(tag->type);
    return get(t, tag->at + i * unit, unit);
}

/* The first value, `absent` when there is none. */
static int first_value(const struct sk_tiff *t, const struct sk_tiff_tag *tag, const char *name,
                       uint64_t absent, uint32_t *out, struct sk_err *err)
{
    uint64_t v = absent;
    if (tag->at) {
        if (!is_integer(tag))
            return sk_fail(err, SK_CORRUPT, "%s is not an integer", name);
        v = sk_tiff_value(t, tag, 0);
    }
    if (v > UINT32_MAX)
        return sk_fail(err, SK_CORRUPT, "%s is too large", name);
    *out = (uint32_t)v;
    return 0;
}

/* ---- the directory ---- */

static struct sk_tiff_tag *find(struct tags *tags, uint64_t number)
{
    switch (number) {
    case TAG_WIDTH:
        return &tags->width;
    case TAG_HEIGHT:
        return &tags->height;
    case TAG_BITS:
        return &tags->bits;
    case TAG_COMPRESSION:
        return &tags->compression;
    case TAG_PHOTOMETRIC:
        return &tags->photometric;
    case TAG_FILL_ORDER:
        return &tags->fill_order;
    case TAG_STRIP_OFFSETS:
        return &tags->strip_offsets;
    case TAG_ORIENTATION:
        return &tags->orientation;
    case TAG_SAMPLES:
        return &tags->samples;
    case TAG_STRIP_ROWS:
        return &tags->strip_rows;
    case TAG_PLANAR:
        return &tags->planar;
    case TAG_COLOUR_MAP:
        return &tags->colour_map;
    case TAG_TILE_WIDTH:
        return &tags->tile_width;
    case TAG_TILE_HEIGHT:
        return &tags->tile_height;
    case TAG_TILE_OFFSETS:
        return &tags->tile_offsets;
    case TAG_EXTRA_SAMPLES:
        return &tags->extra_samples;
    case TAG_SAMPLE_FORMAT:
        return &tags->sample_format;
    case TAG_XMP:
        return &tags->xmp;
    default:
        return NULL;
    }
}

/* Reads the entry at p. false: its value lies outside the file. */
static bool read_entry(const struct sk_tiff *t, const uint8_t *p, struct tags *tags,
                       uint64_t *total)
{
    unsigned word = t->is_big ? 8 : 4;
    struct sk_tiff_tag tag = { .type = (uint32_t)get(t, p + 2, 2),
                               .count = get(t, p + 4, word),
                               .at = p + 4 + word };
    unsigned unit = unit_bytes(tag.type);
    struct sk_tiff_tag *slot = find(tags, get(t, p, 2));
    if ((slot && slot->at) || unit == 0 || tag.count == 0)
        return true;
    if (tag.count > word / unit) {
        uint64_t at = get(t, tag.at, word);
        /* Once the values seen so far exceed the file, none outside the directory counts. */
        *total = tag.count > t->len / unit ? UINT64_MAX / 2 : *total + tag.count * unit;
        if (*total > t->len)
            return true;
        if (at > t->len || t->len - at < tag.count * unit)
            return at >> 63 != 0;
        tag.at = t->bytes + at;
    }
    if (slot)
        *slot = tag;
    return true;
}

static int read_directory(struct sk_tiff *t, struct tags *tags, struct sk_err *err)
{
    unsigned word = t->is_big ? 8 : 4, head = t->is_big ? 16 : 8, entry = t->is_big ? 20 : 12;
    unsigned count_bytes = t->is_big ? 8 : 2;
    if (t->len < head)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    uint64_t at = get(t, t->bytes + head - word, word);
    if (at > t->len || t->len - at < count_bytes || at == 0)
        return sk_fail(err, SK_CORRUPT, "no directory");
    uint64_t count = get(t, t->bytes + at, count_bytes), total = 0;
    at += count_bytes;
    for (; count > 0 && t->len - at >= entry; count--, at += entry)
        if (!read_entry(t, t->bytes + at, tags, &total))
            break;
    return 0;
}

/* ---- what the pixels are ---- */

/* The tags in the form in which they are compared. */
struct layout {
    uint32_t photometric, format, fill_order, planar;
    unsigned samples, bits;
    unsigned extra_count;
    uint64_t extra[SK_TIFF_SAMPLES_MAX];
};

/* All bands share one number of bits, or we do not know the picture. */
static int read_bits(const struct sk_tiff *t, const struct sk_tiff_tag *tag, uint64_t dropped,
                     struct layout *l, struct sk_err *err)
{
    uint64_t count = tag->at ? tag->count : 1;
    l->bits = 1;
    if (tag->at && !is_integer(tag))
        return sk_fail(err, SK_CORRUPT, "BitsPerSample is not an integer");
    count = count > dropped ? count - dropped : 0;
    if (l->samples > SK_TIFF_SAMPLES_MAX)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "%u samples per pixel", l->samples);
    if (count != 1 && count < l->samples)
        return sk_fail(err, SK_CORRUPT, "bits of %llu samples are stated, the picture has %u",
                       (unsigned long long)count, l->samples);
    for (uint64_t i = 0; tag->at && i < count && i < l->samples; i++) {
        uint64_t bits = sk_tiff_value(t, tag, i);
        if (bits > 64 || (i > 0 && bits != l->bits))
            return sk_fail(err, SK_UNSUPPORTED_MEDIA, "samples of unequal or absurd size");
        l->bits = (unsigned)bits;
    }
    return 0;
}

static int read_format(const struct sk_tiff *t, const struct sk_tiff_tag *tag, struct layout *l,
                       struct sk_err *err)
{
    l->format = 1;
    if (!tag->at)
        return 0;
    if (!is_integer(tag))
        return sk_fail(err, SK_CORRUPT, "SampleFormat is not an integer");
    l->format = (uint32_t)sk_tiff_value(t, tag, 0);
    for (uint64_t i = 1; i < tag->count; i++)
        if (sk_tiff_value(t, tag, i) != l->format)
            return sk_fail(err, SK_UNSUPPORTED_MEDIA, "samples of several formats");
    return 0;
}

static int read_extra(const struct sk_tiff *t, const struct sk_tiff_tag *tag, struct layout *l,
                      uint64_t *dropped, struct sk_err *err)
{
    *dropped = 0;
    if (!tag->at)
        return 0;
    if (!is_integer(tag) || tag->count > SK_TIFF_SAMPLES_MAX)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "too many extra samples");
    bool is_all_unspecified = true;
    for (uint64_t i = 0; i < tag->count; i++) {
        l->extra[i] = sk_tiff_value(t, tag, i);
        is_all_unspecified = is_all_unspecified && l->extra[i] == 0;
    }
    l->extra_count = (unsigned)tag->count;
    if (l->planar == 2 && is_all_unspecified) { /* planes at the end: not looked at */
        *dropped = tag->count;
        l->samples -= l->samples >= tag->count ? (unsigned)tag->count : l->samples;
        l->extra_count = 0;
    }
    return 0;
}

static int read_layout(struct sk_tiff *t, const struct tags *tags, struct layout *l,
                       struct sk_err *err)
{
    uint64_t dropped = 0;
    /* Pillow forgets a photometric tag with several values. */
    bool has_photometric = tags->photometric.count == 1;
    if (first_value(t, &tags->compression, "Compression", 1, &t->compression, err) < 0 ||
        first_value(t, &tags->planar, "PlanarConfiguration", 1, &l->planar, err) < 0 ||
        first_value(t, has_photometric ? &tags->photometric : &(struct sk_tiff_tag){ 0 },
                    "Photometric", 0, &l->photometric, err) < 0 ||
        first_value(t, &tags->fill_order, "FillOrder", 1, &l->fill_order, err) < 0)
        return -1;
    if (first_value(t, &tags->samples, "SamplesPerPixel", 1, &l->samples, err) < 0)
        return -1;
    if (read_extra(t, &tags->extra_samples, l, &dropped, err) < 0 ||
        read_bits(t, &tags->bits, dropped, l, err) < 0)
        return -1;
    return read_format(t, &tags->sample_format, l, err);
}

static bool extras_are_zero_from(const struct layout *l, unsigned first)
{
    for (unsigned i = first; i < l->extra_count; i++)
        if (l->extra[i] != 0)
            return false;
    return true;
}

static bool choose_grey(struct sk_tiff *t, const struct layout *l)
{
    t->is_inverted = l->photometric == WHITE_IS_0;
    t->has_reversed_bits = l->fill_order == 2;
    t->pixel = SK_TIFF_GREY;
    if (l->samples == 2)
        return l->photometric == BLACK_IS_0 && l->format == 1 && l->bits == 8 &&
               l->fill_order == 1 && l->extra_count == 1 && (l->extra[0] == 0 || l->extra[0] == 2);
    if (l->samples != 1 || l->extra_count != 0)
        return false;
    if (l->bits == 16) { /* Pillow does not invert these, and knows no inverted ones in the other
                            order */
        t->pixel = SK_TIFF_GREY16;
        return l->format == 1 && l->fill_order == 1 && !(t->is_inverted && t->is_big_endian);
    }
    if (l->bits == 8 && l->format == 2)
        return l->photometric == BLACK_IS_0 && l->fill_order == 1;
    return l->format == 1 && (l->bits == 1 || l->bits == 2 || l->bits == 4 || l->bits == 8);
}

static bool choose_rgb(struct sk_tiff *t, const struct layout *l)
{
    t->pixel = SK_TIFF_RGB;
    t->has_reversed_bits = l->fill_order == 2;
    if (l->format != 1 || (l->bits != 8 && l->bits != 16))
        return false;
    if (l->samples == 3)
        return l->extra_count == 0 && (l->fill_order == 1 || l->bits == 8);
    if (l->fill_order != 1 || l->samples > (l->bits == 8 ? 6 : 4))
        return false;
    t->has_alpha = true;
    if (l->extra_count == 0) {
        /* In planes libtiff calls the unnamed sample unspecified, and Pillow divides by those. */
        if (l->planar == 2 && t->compression != SK_TIFF_RAW)
            t->pixel = SK_TIFF_RGBA_PREMULTIPLIED;
        return l->samples == 4;
    }
    if (l->samples != 3 + l->extra_count || !extras_are_zero_from(l, 1))
        return false;
    if (l->extra[0] == 1)
        t->pixel = SK_TIFF_RGBA_PREMULTIPLIED;
    t->has_alpha = l->extra[0] != 0;
    return l->extra[0] <= 2 || (l->extra[0] == 999 && l->samples == 4 && l->bits == 8);
}

static bool choose_palette(struct sk_tiff *t, const struct layout *l)
{
    t->pixel = SK_TIFF_PALETTE;
    t->has_reversed_bits = l->fill_order == 2;
    if (l->format != 1)
        return false;
    if (l->samples == 2)
        return l->bits == 8 && l->fill_order == 1 && l->extra_count == 1 &&
               (l->extra[0] == 0 || l->extra[0] == 2);
    if (l->samples != 1 || l->extra_count != 0)
        return false;
    if (l->bits == 8)
        return l->fill_order == 1 || !t->is_big_endian;
    return l->bits == 1 || l->bits == 2 || l->bits == 4;
}

static bool choose_cmyk(struct sk_tiff *t, const struct layout *l)
{
    t->pixel = SK_TIFF_CMYK;
    return l->format == 1 && l->fill_order == 1 && l->samples == 4 + l->extra_count &&
           extras_are_zero_from(l, 0) &&
           (l->bits == 8 ? l->samples <= 6 : l->bits == 16 && l->samples == 4);
}

static bool choose_ycbcr(struct sk_tiff *t, const struct layout *l)
{
    t->pixel = SK_TIFF_YCBCR;
    return l->format == 1 && l->fill_order == 1 && l->bits == 8 && l->samples == 3 &&
           l->extra_count == 0 && t->compression == SK_TIFF_JPEG;
}

static int choose_pixel(struct sk_tiff *t, const struct layout *l, struct sk_err *err)
{
    bool is_known = (l->fill_order == 1 || l->fill_order == 2) &&
                    (l->photometric == WHITE_IS_0 || l->photometric == BLACK_IS_0
                         ? choose_grey(t, l)
                     : l->photometric == RGB     ? choose_rgb(t, l)
                     : l->photometric == PALETTE ? choose_palette(t, l)
                     : l->photometric == CMYK    ? choose_cmyk(t, l)
                     : l->photometric == YCBCR   ? choose_ycbcr(t, l)
                                                 : false);
    if (!is_known)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA,
                       "unsupported pixels: photometric %u, %u samples of %u bits, sample format "
                       "%u, fill order %u, "
                       "%u extra samples",
                       l->photometric, l->samples, l->bits, l->format, l->fill_order,
                       l->extra_count);
    t->photometric = l->photometric;
    t->bits = l->bits;
    t->samples = l->samples;
    t->is_split = l->planar == 2;
    t->is_planar = t->is_split && l->samples > 1;
    return 0;
}

/* ---- palette, blocks, orientation ---- */

static int read_palette(struct sk_tiff *t, const struct sk_tiff_tag *map, struct sk_err *err)
{
    if (!is_integer(map) || map->type != 3 || map->count / 3 > 256)
        return sk_fail(err, SK_CORRUPT, "no usable ColorMap");
    uint64_t colours = map->count / 3;
    for (uint64_t i = 0; i < colours; i++)
        for (unsigned c = 0; c < 3; c++)
            t->palette[i][c] = (uint8_t)(sk_tiff_value(t, map, c * colours + i) >> 8);
    return 0;
}

static int read_blocks(struct sk_tiff *t, const struct tags *tags, struct sk_err *err)
{
    t->is_tiled = !tags->strip_offsets.at;
    t->offsets = t->is_tiled ? tags->tile_offsets : tags->strip_offsets;
    if (!is_integer(&t->offsets))
        return sk_fail(err, SK_CORRUPT, "no StripOffsets, no TileOffsets");
    t->block_w = t->width;
    if (t->is_tiled) {
        if (first_value(t, &tags->tile_width, "TileWidth", 0, &t->block_w, err) < 0 ||
            first_value(t, &tags->tile_height, "TileLength", 0, &t->block_h, err) < 0)
            return -1;
    } else if (first_value(t, &tags->strip_rows, "RowsPerStrip", t->height, &t->block_h, err) < 0) {
        return -1;
    }
    if (t->block_w == 0 || t->block_h == 0)
        return sk_fail(err, SK_CORRUPT, "strips or tiles without pixels");
    return 0;
}

static int check_compression(uint32_t compression, struct sk_err *err)
{
    switch (compression) {
    case SK_TIFF_RAW:
    case SK_TIFF_CCITT_RLE:
    case SK_TIFF_CCITT_T4:
    case SK_TIFF_CCITT_T6:
    case SK_TIFF_LZW:
    case SK_TIFF_JPEG:
    case SK_TIFF_DEFLATE:
    case SK_TIFF_PACKBITS:
    case SK_TIFF_DEFLATE_OLD:
        return 0;
    default:
        return sk_fail(err, SK_UNSUPPORTED_MEDIA,
                       "compression %u; none, CCITT, LZW, JPEG, deflate and PackBits are supported",
                       compression);
    }
}

/* As for the other formats, but Pillow turns every TIFF while it loads it. */
static int orientation(const struct sk_tiff *t, const struct tags *tags)
{
    uint64_t o = is_integer(&tags->orientation) ? sk_tiff_value(t, &tags->orientation, 0) : 0;
    if (!tags->orientation.at && tags->xmp.at)
        o = (uint64_t)sk_xmp_orientation(tags->xmp.at,
                                         (size_t)tags->xmp.count * unit_bytes(tags->xmp.type));
    return o >= 1 && o <= 8 ? (int)o : 1;
}

bool sk_tiff_is(const uint8_t *bytes, size_t len)
{
    static const char magics[][4] = { "II*", { 'M', 'M', 0, '*' }, { 'I', 'I', 0, '*' }, "MM*",
                                      "II+", { 'M', 'M', 0, '+' } };
    for (size_t i = 0; len >= 4 && i < sizeof magics / sizeof magics[0]; i++)
        if (memcmp(bytes, magics[i], 4) == 0)
            return true;
    return false;
}

int sk_tiff_open(struct sk_tiff *t, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    /* Pillow takes byte 2 for the version, whatever the byte order: MM BigTIFF (MM 00 2B) is read
     * as a plain one. */
    *t = (struct sk_tiff){
        .bytes = bytes, .len = len, .is_big_endian = bytes[0] == 'M', .is_big = bytes[2] == 43
    };
    struct tags tags = { 0 };
    struct layout layout = { 0 };
    if (read_directory(t, &tags, err) < 0)
        return -1;
    if (!tags.width.at || !tags.height.at)
        return sk_fail(err, SK_CORRUPT, "no dimensions");
    if (first_value(t, &tags.width, "ImageWidth", 0, &t->width, err) < 0 ||
        first_value(t, &tags.height, "ImageLength", 0, &t->height, err) < 0 ||
        read_layout(t, &tags, &layout, err) < 0 || check_compression(t->compression, err) < 0 ||
        choose_pixel(t, &layout, err) < 0)
        return -1;
    if (t->compression == SK_TIFF_RAW && read_blocks(t, &tags, err) < 0)
        return -1;
    if (t->pixel == SK_TIFF_PALETTE && read_palette(t, &tags.colour_map, err) < 0)
        return -1;
    t->orientation = orientation(t, &tags);
    return 0;
}
