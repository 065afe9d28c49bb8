/*
 * png_priv.h - a PNG as png_chunks.c reads it, for decode_png.c.
 */
#ifndef SK_IMAGE_PNG_PRIV_H
#define SK_IMAGE_PNG_PRIV_H

#include "image/decode_priv.h"

enum sk_png_colour {
    SK_PNG_GREY = 0,
    SK_PNG_RGB = 2,
    SK_PNG_PALETTE = 3,
    SK_PNG_GREY_ALPHA = 4,
    SK_PNG_RGB_ALPHA = 6,
};

#define SK_PNG_IDAT 0x49444154u
#define SK_PNG_IEND 0x49454e44u
#define SK_PNG_FCTL 0x6663544cu

struct sk_png_chunk {
    uint32_t type;
    const uint8_t *data;
    size_t len;  /* as stated */
    size_t have; /* of it in the file */
};

/* Where in the picture the data belongs: all of it, except for the first frame of some animations.
 */
struct sk_png_tile {
    uint32_t x, y, width, height;
};

struct sk_png {
    const uint8_t *bytes;
    size_t len, pos;
    uint32_t width, height;
    unsigned depth;
    enum sk_png_colour colour;
    bool is_interlaced;
    uint8_t palette[256][3]; /* black where the file names no colour */
    struct sk_png_tile tile;
    struct sk_png_chunk data;            /* the first IDAT; pos is at its data */
    const uint8_t *exif, *xmp, *profile; /* NULL: absent */
    size_t exif_len, xmp_len, profile_len;
    bool has_packed_profile;
    uint32_t frames; /* APNG: as stated, 0 for a plain picture */
    bool has_frame, is_animated;
    uint32_t frame_number;
};

bool sk_png_is(const uint8_t *bytes, size_t len);
/* Reads everything up to the first byte of picture data. */
int sk_png_open(struct sk_png *png, const uint8_t *bytes, size_t len, struct sk_err *err) SK_CHECK;
/* Reads what stands behind the picture data; pos is at the checksum of its last chunk. */
int sk_png_finish(struct sk_png *png, struct sk_err *err) SK_CHECK;
/* The next chunk; false at the end and at something that is no chunk. pos is at its data then. */
bool sk_png_next(struct sk_png *png, struct sk_png_chunk *out);
void sk_png_skip(struct sk_png *png, size_t count);
/* Of EXIF in ImageMagick's text form, behind its key; 0 when absent or broken (png_profile.c). */
int sk_png_profile_orientation(const uint8_t *text, size_t len, bool is_packed);
/* 1..8 */
int sk_png_orientation(const struct sk_png *png);

#endif
