/*
 * jpeg_header.c - walks the markers of a JPEG up to its first scan: size, components, orientation.
 *
 *   FFD8  { FFxx length payload }*  FFDA ...      length counts itself; bytes between segments that
 * are not FF are skipped
 *
 * Pillow reads the header with its own walk before libjpeg sees the file, and refuses what that
 * walk dislikes. This one gives the same verdicts: 8 bits, 1, 3 or 4 components, well-formed
 * quantisation tables and JFIF headers. Like Pillow's, it takes the size from the last frame header
 * before the scan; libjpeg then refuses a second one.
 */
#include "base/limits.h"
#include "image/decode_priv.h"

struct walk {
    const uint8_t *p, *end;
    struct sk_jpeg_header header;
    bool has_frame;
    const uint8_t *exif; /* payload of the first Exif segment */
    size_t exif_len;
    const uint8_t *xmp; /* payload of the last XMP segment */
    size_t xmp_len;
};

static bool starts(const uint8_t *p, size_t len, const char *text, size_t text_len)
{
    return len >= text_len && memcmp(p, text, text_len) == 0;
}

/* Baseline, extended and progressive, Huffman or arithmetic; libjpeg-turbo 2 decodes no other kind.
 */
static bool is_decodable(unsigned marker)
{
    return marker <= 0xc2 || marker == 0xc9 || marker == 0xca;
}

static int read_frame(struct walk *w, unsigned marker, const uint8_t *p, size_t len,
                      struct sk_err *err)
{
    if (!is_decodable(marker))
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "lossless or hierarchical (frame type 0x%02x)",
                       marker);
    if (len < 6)
        return sk_fail(err, SK_CORRUPT, "frame header is cut off");
    if (p[0] != 8)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "%u bits per sample; 8 is supported", p[0]);
    if (p[5] != 1 && p[5] != 3 && p[5] != 4)
        return sk_fail(err, SK_UNSUPPORTED_MEDIA, "%u components; 1, 3 and 4 are supported", p[5]);
    if ((len - 6) % 3 != 0)
        return sk_fail(err, SK_CORRUPT, "frame header is cut off");
    w->header.height = sk_be16(p + 1);
    w->header.width = sk_be16(p + 3);
    w->header.components = p[5];
    w->has_frame = true;
    return 0;
}

static int check_tables(const uint8_t *p, size_t len, struct sk_err *err)
{
    while (len > 0) {
        size_t table = p[0] >> 4 == 0 ? 1 + 64 : 1 + 128;
        if (len < table)
            return sk_fail(err, SK_CORRUPT, "quantisation table is cut off");
        p += table;
        len -= table;
    }
    return 0;
}

static int read_app(struct walk *w, unsigned marker, const uint8_t *p, size_t len,
                    struct sk_err *err)
{
    if ((marker == 0xe0 && starts(p, len, "JFIF", 4) && len < 7) ||
        (marker == 0xee && starts(p, len, "Adobe", 5) && len < 7))
        return sk_fail(err, SK_CORRUPT, "application segment is cut off");
    if (marker != 0xe1)
        return 0;
    if (!w->exif && starts(p, len, "Exif\0\0", 6)) {
        w->exif = p;
        w->exif_len = len;
    } else if (starts(p, len, "http://ns.adobe.com/xap/1.0/\0", 29)) {
        w->xmp = p + 29;
        w->xmp_len = len - 29;
    }
    return 0;
}

static bool is_frame(unsigned marker)
{
    return (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 &&
            marker != 0xcc) ||
           marker == 0xde;
}

/* Restart, start, end and reserved markers stand alone. */
static bool has_payload(unsigned marker)
{
    return marker != 0xc8 && !(marker >= 0xd0 && marker <= 0xd9) &&
           !(marker >= 0xf0 && marker <= 0xfd);
}

static int read_segment(struct walk *w, unsigned marker, struct sk_err *err)
{
    if (w->end - w->p < 2)
        return sk_fail(err, SK_CORRUPT, "header is cut off");
    size_t len = sk_be16(w->p);
    w->p += 2;
    len = len > 2 ? len - 2 : 0;
    if ((size_t)(w->end - w->p) < len)
        return sk_fail(err, SK_CORRUPT, "header is cut off");
    const uint8_t *payload = w->p;
    w->p += len;
    if (is_frame(marker))
        return read_frame(w, marker, payload, len, err);
    if (marker == 0xdb)
        return check_tables(payload, len, err);
    if (marker >= 0xe0 && marker <= 0xef)
        return read_app(w, marker, payload, len, err);
    return 0;
}

/* The marker of the next segment, 0 at the end of the file. */
static int next_marker(struct walk *w, unsigned *marker, struct sk_err *err)
{
    *marker = 0;
    while (w->p < w->end) {
        if (*w->p++ != 0xff)
            continue;
        while (w->p < w->end && *w->p == 0xff)
            w->p++;
        if (w->p == w->end)
            return 0;
        unsigned code = *w->p++;
        if (code == 0)
            continue;
        if (code < 0xc0 || code == 0xff)
            return sk_fail(err, SK_CORRUPT, "bad marker 0x%02x in the header", code);
        *marker = code;
        return 0;
    }
    return 0;
}

static int orientation(const struct walk *w)
{
    int o = w->exif ? sk_exif_orientation(w->exif, w->exif_len) : 0;
    if (o == 0 && w->xmp)
        o = sk_xmp_orientation(w->xmp, w->xmp_len);
    return o == 0 ? 1 : o;
}

int sk_jpeg_header_read(const uint8_t *bytes, size_t len, struct sk_jpeg_header *out,
                        struct sk_err *err)
{
    struct walk w = { .p = bytes + 2, .end = bytes + len };
    for (;;) {
        unsigned marker = 0;
        if (next_marker(&w, &marker, err) < 0)
            return -1;
        if (marker == 0)
            return sk_fail(err, SK_CORRUPT, "header is cut off: no scan follows");
        if (has_payload(marker) && read_segment(&w, marker, err) < 0)
            return -1;
        if (marker == 0xda)
            break;
    }
    if (!w.has_frame)
        return sk_fail(err, SK_CORRUPT, "no frame header before the first scan");
    if (w.header.width > SK_LIMIT_SIDE || w.header.height > SK_LIMIT_SIDE)
        return sk_fail(err, SK_LIMIT, "%u x %u: a side exceeds %u pixels", w.header.width,
                       w.header.height, SK_LIMIT_SIDE);
    w.header.orientation = orientation(&w);
    *out = w.header;
    return 0;
}
