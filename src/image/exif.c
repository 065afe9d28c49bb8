/*
 * exif.c - which way up a picture is, and turning it.
 *
 * EXIF is a TIFF file without pictures: "II*\0" or "MM\0*", the offset of a directory, and there
 *
 *   count:2  { tag:2 type:2 count:4 value-or-offset:4 } * count
 *
 * Orientation is tag 0x0112. Reading follows Pillow: the first entry of a tag counts, entries of
 * unknown type or absurd size are passed over, one that points outside the block ends the reading.
 * Where EXIF is silent, XMP may speak.
 */
#include "image/decode_priv.h"

enum {
    TAG_ORIENTATION = 0x0112
};

enum {
    TYPE_SHORT = 3,
    TYPE_LONG = 4,
    TYPE_SSHORT = 8,
    TYPE_SLONG = 9,
    TYPE_IFD = 13
};

struct exif {
    const uint8_t *bytes;
    size_t len;
    bool is_big_endian;
};

static uint32_t get16(const struct exif *e, size_t at)
{
    return e->is_big_endian ? sk_be16(e->bytes + at) : sk_le16(e->bytes + at);
}

static uint32_t get32(const struct exif *e, size_t at)
{
    return e->is_big_endian ? sk_be32(e->bytes + at) : sk_le32(e->bytes + at);
}

static bool open_exif(struct exif *e, const uint8_t *bytes, size_t len)
{
    for (int i = 0; i < 2 && len >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0; i++) {
        bytes += 6;
        len -= 6;
    }
    if (len < 8)
        return false;
    bool is_big = memcmp(bytes, "MM\0*", 4) == 0 || memcmp(bytes, "MM*\0", 4) == 0;
    bool is_little = memcmp(bytes, "II*\0", 4) == 0 || memcmp(bytes, "II\0*", 4) == 0;
    *e = (struct exif){ bytes, len, is_big };
    return is_big || is_little;
}

static unsigned unit_bytes(uint32_t type)
{
    static const uint8_t sizes[] = { 0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4, 0, 0, 8 };
    return type < sizeof sizes ? sizes[type] : 0;
}

static int valid(uint32_t orientation)
{
    return orientation >= 1 && orientation <= 8 ? (int)orientation : 0;
}

static int value(const struct exif *e, uint32_t type, size_t at)
{
    switch (type) {
    case TYPE_SHORT:
    case TYPE_SSHORT:
        return valid(get16(e, at));
    case TYPE_LONG:
    case TYPE_SLONG:
    case TYPE_IFD:
        return valid(get32(e, at));
    default:
        return 0;
    }
}

int sk_exif_orientation(const uint8_t *exif, size_t len)
{
    struct exif e;
    if (!open_exif(&e, exif, len))
        return 0;
    size_t at = get32(&e, 4);
    if (at > e.len || e.len - at < 2)
        return 0;
    uint32_t count = get16(&e, at);
    uint64_t total = 0;
    at += 2;
    for (uint32_t i = 0; i < count && e.len - at >= 12; i++, at += 12) {
        uint32_t type = get16(&e, at + 2);
        uint64_t bytes = (uint64_t)unit_bytes(type) * get32(&e, at + 4);
        size_t data = at + 8;
        if (bytes == 0)
            continue;
        if (bytes > 4) {
            total += bytes;
            if (total > e.len)
                continue;
            data = get32(&e, at + 8);
            if (data > e.len || e.len - data < bytes)
                return 0;
        }
        if (get16(&e, at) == TAG_ORIENTATION)
            return value(&e, type, data);
    }
    return 0;
}

int sk_xmp_orientation(const uint8_t *xmp, size_t len)
{
    static const char name[] = "tiff:Orientation";
    const uint8_t *end = xmp + len;
    const uint8_t *p = xmp;
    while ((p = memmem(p, (size_t)(end - p), name, sizeof name - 1)) != NULL) {
        p += sizeof name - 1;
        size_t left = (size_t)(end - p);
        if (left >= 3 && p[0] == '=' && p[1] == '"' && p[2] >= '0' && p[2] <= '9')
            return valid((uint32_t)(p[2] - '0'));
        if (left >= 2 && p[0] == '>' && p[1] >= '0' && p[1] <= '9')
            return valid((uint32_t)(p[1] - '0'));
    }
    return 0;
}

/* ---- turning ---- */

/* Where the pixels of the turned picture come from: pixel (x, y) at start + x * step_x + y *
 * step_y, in source pixels. */
struct turn {
    ptrdiff_t start, step_x, step_y;
    bool swaps_sides;
};

static struct turn turn_for(int orientation, ptrdiff_t w, ptrdiff_t h)
{
    switch (orientation) {
    case 2: /* left and right swapped */
        return (struct turn){ w - 1, -1, w, false };
    case 3: /* half a turn */
        return (struct turn){ w * h - 1, -1, -w, false };
    case 4: /* top and bottom swapped */
        return (struct turn){ (h - 1) * w, 1, -w, false };
    case 5: /* mirrored at the main diagonal */
        return (struct turn){ 0, w, 1, true };
    case 6: /* to be turned a quarter clockwise */
        return (struct turn){ (h - 1) * w, -w, 1, true };
    case 7: /* mirrored at the other diagonal */
        return (struct turn){ w * h - 1, -w, -1, true };
    case 8: /* to be turned a quarter counterclockwise */
        return (struct turn){ w - 1, w, -1, true };
    default:
        return (struct turn){ 0, 1, w, false };
    }
}

/* In squares, so that both pictures stay in the cache when the sides swap. */
static void copy_turned(const struct sk_image *src, const struct turn *t, struct sk_image *dst)
{
    enum {
        SQUARE = 64
    };

    for (uint32_t y0 = 0; y0 < dst->height; y0 += SQUARE) {
        uint32_t y1 = dst->height - y0 < SQUARE ? dst->height : y0 + SQUARE;
        for (uint32_t x0 = 0; x0 < dst->width; x0 += SQUARE) {
            uint32_t x1 = dst->width - x0 < SQUARE ? dst->width : x0 + SQUARE;
            for (uint32_t y = y0; y < y1; y++) {
                uint8_t *out = dst->pixels + ((size_t)y * dst->width + x0) * 3;
                const uint8_t *in = src->pixels + (t->start + (ptrdiff_t)x0 * t->step_x +
                                                   (ptrdiff_t)y * t->step_y) *
                                                      3;
                for (uint32_t x = x0; x < x1; x++, out += 3, in += t->step_x * 3) {
                    out[0] = in[0];
                    out[1] = in[1];
                    out[2] = in[2];
                }
            }
        }
    }
}

int sk_image_orient(struct sk_image *img, int orientation, struct sk_image *tmp, struct sk_err *err)
{
    if (orientation < 2 || orientation > 8)
        return 0;
    struct turn t = turn_for(orientation, img->width, img->height);
    if (sk_image_alloc(tmp, t.swaps_sides ? img->height : img->width,
                       t.swaps_sides ? img->width : img->height, err) < 0)
        return -1;
    copy_turned(img, &t, tmp);
    struct sk_image turned = *tmp;
    *tmp = *img;
    *img = turned;
    return 0;
}
