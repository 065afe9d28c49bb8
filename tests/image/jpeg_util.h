/*
 * jpeg_util.h - pictures to code, and the question that all tests of the baseline decoder ask: does
 * libjpeg agree?
 */
#ifndef SK_TESTS_IMAGE_JPEG_UTIL_H
#define SK_TESTS_IMAGE_JPEG_UTIL_H

#include "image/jpeg_fast_priv.h"
#include "jpeg_collect.h"
#include "jpeg_ref.h"

enum {
    JPEG_PIXELS_MAX = 1 << 22
};

static inline uint32_t jpeg_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    return *state ^= *state << 5;
}

enum jpeg_kind {
    JPEG_NOISE,
    JPEG_RAMP,
    JPEG_TILES,
    JPEG_EXTREMES,
    JPEG_CALM,
    JPEG_CURVES,
    JPEG_KINDS
};

static inline uint8_t jpeg_pixel(enum jpeg_kind kind, unsigned x, unsigned y, unsigned c,
                                 uint32_t *state)
{
    switch (kind) {
    case JPEG_NOISE:
        return (uint8_t)jpeg_random(state);
    case JPEG_RAMP:
        return (uint8_t)(x * 3 + y * 2 + c * 70);
    case JPEG_TILES:
        return (x / 3 + y / 5 + c) & 1 ? 255 : 0;
    case JPEG_EXTREMES:
        return jpeg_random(state) & 1 ? 255 : 0;
    case JPEG_CALM:
        return (uint8_t)(128 + jpeg_random(state) % 9);
    default:
        return (uint8_t)((x * x + y * y * 3 + c * x * y) / 16 + (jpeg_random(state) & 7));
    }
}

static inline void jpeg_fill(uint8_t *pixels, unsigned width, unsigned height, unsigned components,
                             enum jpeg_kind kind, uint32_t *state)
{
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x < width; x++)
            for (unsigned c = 0; c < components; c++)
                *pixels++ = jpeg_pixel(kind, x, y, c, state);
}

/* An encoded picture; free(bytes). */
struct jpeg {
    uint8_t *bytes;
    size_t len;
};

static inline struct jpeg jpeg_make(const struct ref_encode *o, enum jpeg_kind kind,
                                    uint32_t *state)
{
    struct jpeg j = { NULL, 0 };
    uint8_t *pixels = malloc((size_t)o->width * o->height * o->components);
    if (!pixels)
        abort();
    jpeg_fill(pixels, o->width, o->height, o->components, kind, state);
    if (!ref_encode(o, pixels, &j.bytes, &j.len))
        abort();
    free(pixels);
    return j;
}

/* NULL: libjpeg gives the same picture and has nothing to remark, or we said that it is not for us.
 */
static inline const char *jpeg_disagree(struct sk_jpeg_fast *f, const uint8_t *bytes, size_t len,
                                        bool two_threads, enum sk_fast *result)
{
    struct sk_err err = SK_ERR_INIT;
    struct collect c = collect_init(JPEG_PIXELS_MAX);
    const char *complaint = NULL;
    *result = sk_jpeg_fast_decode(f, bytes, len, two_threads, &c.base, &err);
    if (*result == SK_FAST_DONE) {
        struct ref_picture p = ref_decode(bytes, len, JPEG_PIXELS_MAX);
        if (!p.rgb)
            complaint = "libjpeg refuses it";
        else if (p.warnings)
            complaint = "libjpeg warns";
        else if (p.width != c.width || p.height != c.height || c.next_row != c.height ||
                 c.out_of_order)
            complaint = "the size or the rows differ";
        else if (memcmp(p.rgb, c.rgb, (size_t)p.width * p.height * 3) != 0)
            complaint = "the pixels differ";
        free(p.rgb);
    }
    free(c.rgb);
    return complaint;
}

/* Names of the kernel sets that this CPU has; sk_jf_kernels_find maps others to lesser ones. */
static inline size_t jpeg_kernels(const struct sk_jf_kernels *out[3])
{
    static const char *const names[] = { "c", "avx2", "avx512" };
    size_t count = 0;
    for (size_t i = 0; i < 3; i++) {
        const struct sk_jf_kernels *k = sk_jf_kernels_find(names[i]);
        if (strcmp(k->name, names[i]) == 0)
            out[count++] = k;
    }
    return count;
}

#endif
