/*
 * png_chunks.c - the chunks of a PNG (PNG specification, third edition, section 5).
 *
 *   89 "PNG" 0D 0A 1A 0A  { length:4 type:4 data crc:4 } * n
 *
 * The walk gives the verdicts of Pillow's: checksums count up to the picture data and not after,
 * known chunks must be long enough, APNG frame numbers must follow each other, chunks behind the
 * picture must be complete, and a file that simply ends behind the picture is whole.
 */
#include "image/png_priv.h"

#include <zlib.h>

static const uint8_t signature[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

bool sk_png_is(const uint8_t *bytes, size_t len)
{
    return len >= sizeof signature && memcmp(bytes, signature, sizeof signature) == 0;
}

bool sk_png_next(struct sk_png *png, struct sk_png_chunk *out)
{
    if (png->len - png->pos < 8)
        return false;
    const uint8_t *p = png->bytes + png->pos;
    for (int i = 4; i < 8; i++) {
        uint8_t c = p[i];
        if (!(c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
              (c >= 'a' && c <= 'z')))
            return false;
    }
    png->pos += 8;
    size_t left = png->len - png->pos;
    uint32_t len = sk_be32(p);
    *out = (struct sk_png_chunk){
        .type = sk_be32(p + 4), .data = p + 8, .len = len, .have = len < left ? len : left
    };
    return true;
}

void sk_png_skip(struct sk_png *png, size_t count)
{
    size_t left = png->len - png->pos;
    png->pos += count < left ? count : left;
}

/* ---- chunks that matter to the picture ---- */

static int read_header(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    if (c->len < 13)
        return sk_fail(err, SK_CORRUPT, "IHDR is too short");
    unsigned depth = c->data[8], colour = c->data[9];
    bool is_byte = depth == 8 || depth == 16;
    bool is_known = colour == SK_PNG_GREY ? is_byte || depth == 1 || depth == 2 || depth == 4
                    : colour == SK_PNG_PALETTE
                        ? depth == 1 || depth == 2 || depth == 4 || depth == 8
                    : colour == SK_PNG_RGB        ? is_byte
                    : colour == SK_PNG_GREY_ALPHA ? is_byte
                    : colour == SK_PNG_RGB_ALPHA  ? is_byte
                                                  : false;
    if (!is_known)
        return sk_fail(err, SK_CORRUPT, "colour type %u with %u bits does not exist", colour,
                       depth);
    if (c->data[11] != 0)
        return sk_fail(err, SK_CORRUPT, "filter method %u does not exist", c->data[11]);
    png->width = sk_be32(c->data);
    png->height = sk_be32(c->data + 4);
    png->depth = depth;
    png->colour = (enum sk_png_colour)colour;
    png->is_interlaced |= c->data[12] != 0;
    return 0;
}

static int read_palette(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    if (png->colour != SK_PNG_PALETTE)
        return 0;
    if (c->len / 3 > 256)
        return sk_fail(err, SK_CORRUPT, "PLTE holds more than 256 colours");
    memset(png->palette, 0, sizeof png->palette);
    memcpy(png->palette, c->data, c->len / 3 * 3);
    return 0;
}

static int read_frame(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    uint32_t number = sk_be32(c->data);
    if (number != (png->has_frame ? png->frame_number + 1 : 0))
        return sk_fail(err, SK_CORRUPT, "APNG frames are out of order");
    struct sk_png_tile t = { sk_be32(c->data + 12), sk_be32(c->data + 16), sk_be32(c->data + 4),
                             sk_be32(c->data + 8) };
    if ((uint64_t)t.x + t.width > png->width || (uint64_t)t.y + t.height > png->height)
        return sk_fail(err, SK_CORRUPT, "APNG frame lies outside the picture");
    png->has_frame = true;
    png->frame_number = number;
    png->tile = t;
    return 0;
}

static int read_frame_data(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    uint32_t number = sk_be32(c->data);
    if (!png->has_frame || number != png->frame_number + 1)
        return sk_fail(err, SK_CORRUPT, "APNG frames are out of order");
    png->frame_number = number;
    return 0;
}

static int read_count(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    (void)err;
    uint32_t frames = sk_be32(c->data);
    if (png->frames > 0)
        png->frames = 0;
    else if (frames > 0 && frames <= 0x80000000u)
        png->frames = frames;
    return 0;
}

/* An integer in 16 bits for grey, three of them for RGB; transparency itself is dropped. */
static int read_transparency(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    size_t need = png->width == 0              ? 0
                  : png->colour == SK_PNG_GREY ? 2
                  : png->colour == SK_PNG_RGB  ? 6
                                               : 0;
    return c->len < need ? sk_fail(err, SK_CORRUPT, "tRNS is too short") : 0;
}

static int read_exif(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    (void)err;
    png->exif = c->data;
    png->exif_len = c->len;
    return 0;
}

static int read_text(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    static const char key[] = "XML:com.adobe.xmp\0\0"; /* NUL of the key, not compressed */
    (void)err;
    if (c->len >= sizeof key - 1 && memcmp(c->data, key, sizeof key - 1) == 0) {
        png->xmp = c->data + sizeof key - 1;
        png->xmp_len = c->len - (sizeof key - 1);
    }
    return 0;
}

/* A name that ends with NUL, then the compression method, which must be 0. */
static int check_profile(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    (void)png;
    const uint8_t *nul = memchr(c->data, 0, c->len);
    size_t at = nul ? (size_t)(nul - c->data) + 1 : 0;
    if (at >= c->len || c->data[at] != 0)
        return sk_fail(err, SK_CORRUPT, "iCCP is not compressed in the known way");
    return 0;
}

/* A key, NUL, and for zTXt the compression method, which must be 0. */
static int read_key(struct sk_png *png, const struct sk_png_chunk *c, bool is_packed,
                    struct sk_err *err)
{
    static const char profile[] = "Raw profile type exif"; /* with its NUL */
    const uint8_t *nul = memchr(c->data, 0, c->len);
    size_t at = nul ? (size_t)(nul - c->data) + 1 : c->len;
    if (is_packed && at < c->len && c->data[at] != 0)
        return sk_fail(err, SK_CORRUPT, "zTXt is not compressed in the known way");
    if (at != sizeof profile || memcmp(c->data, profile, sizeof profile) != 0)
        return 0;
    at += is_packed && at < c->len ? 1 : 0;
    png->profile = c->data + at;
    png->profile_len = c->len - at;
    png->has_packed_profile = is_packed;
    return 0;
}

static int read_plain_text(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    return read_key(png, c, false, err);
}

static int read_packed_text(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    return read_key(png, c, true, err);
}

struct chunk_kind {
    char type[5];
    uint32_t least_bytes;
    int (*read)(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err); /* NULL: the
                                                                                          length is
                                                                                          all */
};

static const struct chunk_kind kinds[] = {
    { "IHDR", 13, read_header },
    { "PLTE", 0, read_palette },
    { "tRNS", 0, read_transparency },
    { "eXIf", 0, read_exif },
    { "iTXt", 0, read_text },
    { "iCCP", 0, check_profile },
    { "zTXt", 0, read_packed_text },
    { "tEXt", 0, read_plain_text },
    { "gAMA", 4, NULL },
    { "cHRM", 32, NULL },
    { "sRGB", 1, NULL },
    { "pHYs", 9, NULL },
    { "acTL", 8, read_count },
    { "fcTL", 26, read_frame },
    { "fdAT", 4, read_frame_data },
};

static int read_chunk(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    if (c->have < c->len)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (c->type != sk_be32((const uint8_t *)kinds[i].type))
            continue;
        if (c->len < kinds[i].least_bytes)
            return sk_fail(err, SK_CORRUPT, "%s is too short", kinds[i].type);
        return kinds[i].read ? kinds[i].read(png, c, err) : 0;
    }
    return 0;
}

/* ---- before, and behind, the picture data ---- */

static int check_crc(struct sk_png *png, const struct sk_png_chunk *c, struct sk_err *err)
{
    if (png->len - png->pos < 4)
        return sk_fail(err, SK_CORRUPT, "the file is truncated");
    uint32_t want = sk_be32(png->bytes + png->pos);
    png->pos += 4;
    if ((uint32_t)crc32_z(0, c->data - 4, c->len + 4) != want)
        return sk_fail(err, SK_CORRUPT, "wrong checksum of a chunk before the picture data");
    return 0;
}

int sk_png_open(struct sk_png *png, const uint8_t *bytes, size_t len, struct sk_err *err)
{
    *png = (struct sk_png){ .bytes = bytes, .len = len, .pos = sizeof signature };
    for (;;) {
        struct sk_png_chunk c;
        if (!sk_png_next(png, &c))
            return sk_fail(err, SK_CORRUPT, "broken chunk, or no picture data");
        if (c.type == SK_PNG_IDAT) {
            png->data = c;
            break;
        }
        if (c.type == SK_PNG_IEND)
            return sk_fail(err, SK_CORRUPT, "no picture data");
        if (read_chunk(png, &c, err) < 0)
            return -1;
        sk_png_skip(png, c.len);
        if (check_crc(png, &c, err) < 0)
            return -1;
    }
    if (png->width == 0 || png->height == 0)
        return sk_fail(err, SK_CORRUPT, "no header, or a side of 0 pixels");
    if (!png->has_frame)
        png->tile = (struct sk_png_tile){ 0, 0, png->width, png->height };
    if (png->tile.width == 0 || png->tile.height == 0)
        return sk_fail(err, SK_CORRUPT, "APNG frame without pixels");
    bool is_default_apart = png->frames > 0 && !png->has_frame;
    png->is_animated = png->frames + is_default_apart > 1;
    return 0;
}

int sk_png_finish(struct sk_png *png, struct sk_err *err)
{
    for (;;) {
        struct sk_png_chunk c;
        sk_png_skip(png, 4); /* checksum of the chunk before */
        if (!sk_png_next(png, &c) || c.type == SK_PNG_IEND ||
            (c.type == SK_PNG_FCTL && png->is_animated))
            return 0;
        if (read_chunk(png, &c, err) < 0)
            return -1;
        sk_png_skip(png, c.len);
    }
}

int sk_png_orientation(const struct sk_png *png)
{
    struct sk_png walk = *png;
    struct sk_err ignored = SK_ERR_INIT;
    sk_png_skip(&walk, walk.data.len);
    int end = sk_png_finish(&walk, &ignored); /* eXIf may stand behind the picture */
    (void)end;                                /* a broken end shows when decoding */
    int o = 0;
    if (walk.exif)
        o = sk_exif_orientation(walk.exif, walk.exif_len);
    else if (walk.profile)
        o = sk_png_profile_orientation(walk.profile, walk.profile_len, walk.has_packed_profile);
    if (o == 0 && walk.xmp)
        o = sk_xmp_orientation(walk.xmp, walk.xmp_len);
    return o == 0 ? 1 : o;
}
