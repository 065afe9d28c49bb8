/*
 * image.h - pictures as bytes from outside into RGB pixels, with Pillow's exact results.
 *
 * Decoding equals PIL.Image.open(f).convert("RGB"), resizing equals PIL.Image.resize, orientation
 * equals PIL.ImageOps.exif_transpose, byte for byte (reference: Pillow 13.0.0; proven by
 * tests/it/test_pillow_decode.py and test_pillow_resize.py, stated in docs/spec/image.md). SIMD
 * kernels are chosen at run time and give the same bytes as the C reference.
 *
 * Errors: SK_CORRUPT for a broken picture, SK_UNSUPPORTED_MEDIA for an unknown format (with the
 * list of known ones), SK_LIMIT for one that is too large (before any memory is taken for pixels),
 * SK_TIMEOUT past the deadline of the options, SK_NOMEM. Threads: every function may be called from
 * any number of threads; an sk_image belongs to one.
 */
#ifndef SK_IMAGE_IMAGE_H
#define SK_IMAGE_IMAGE_H

#include "base/cleanup.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 8-bit RGB, interleaved, rows without padding: pixels[(y * width + x) * 3 + channel]. */
struct sk_image {
    uint32_t width, height;
    uint8_t *pixels;  /* NULL when empty */
    size_t cap_bytes; /* memory behind pixels, kept and reused across decodes into the same image */
};

void sk_image_done(struct sk_image *img); /* frees; accepts a zeroed one */
/* Sets the size and makes room; contents undefined. */
int sk_image_alloc(struct sk_image *img, uint32_t width, uint32_t height,
                   struct sk_err *err) SK_CHECK;

enum sk_filter { /* Pillow's numbers, which are those of preprocessor_config.json */
    SK_FILTER_NEAREST = 0,
    SK_FILTER_LANCZOS = 1,
    SK_FILTER_BILINEAR = 2,
    SK_FILTER_BICUBIC = 3,
    SK_FILTER_BOX = 4,
    SK_FILTER_HAMMING = 5,
    SK_FILTER_COUNT
};

const char *sk_filter_name(enum sk_filter f);     /* "bicubic" */
enum sk_filter sk_filter_parse(const char *name); /* SK_FILTER_COUNT: unknown */

enum sk_grey16 {
    SK_GREY16_CLIP,
    SK_GREY16_HIGH_BYTE,
    SK_GREY16_MIN_MAX,
    SK_GREY16_COUNT
};

struct sk_decode_options {
    uint64_t max_pixels;   /* 0: SK_LIMIT_PIXELS */
    bool exif_orientation; /* turn upright as ImageOps.exif_transpose does */
    enum sk_grey16 grey16; /* how 16-bit grey becomes 8 bit; clip is Pillow's way */
    uint64_t deadline_ns;  /* monotonic (base/clock.h); 0: none. Later than that: SK_TIMEOUT */
};

struct sk_image_info {
    const char *format;     /* "jpeg", "png", ...: static */
    uint32_t width, height; /* as stored, before orientation; a TIFF counts as stored upright */
    int orientation;        /* EXIF 1..8; 1 when absent */
};

/* What the decode noticed. */
struct sk_decode_report {
    struct sk_image_info info;
    /* 16-bit grey, more than half of the pixels clipped: name the grey16 option */
    bool grey16_clipped;
    /* time spent; with a fused decode the parts are measured per band */
    uint64_t decode_ns, resize_ns;
};

/* Reads headers only. */
int sk_image_probe(const void *bytes, size_t len, struct sk_image_info *out,
                   struct sk_err *err) SK_CHECK;

/* opts, report may be NULL. img is reused: its memory grows but does not shrink. After a failure
 * its size and pixels are undefined, its memory remains. */
int sk_image_decode(const void *bytes, size_t len, const struct sk_decode_options *opts,
                    struct sk_image *img, struct sk_decode_report *report,
                    struct sk_err *err) SK_CHECK;

/* Resizes to out_w x out_h and keeps the window (x, y, w, h) of the result: the same bytes as
 * resize followed by crop, without computing the rest. dst must not be src. No side may exceed
 * SK_LIMIT_SIDE. */
struct sk_resize {
    uint32_t out_w, out_h;
    enum sk_filter filter;
    uint32_t x, y, w, h; /* w == 0: everything */
};

int sk_image_resize(const struct sk_image *src, const struct sk_resize *to, struct sk_image *dst,
                    struct sk_err *err) SK_CHECK;

/* Decodes and resizes in one go: the horizontal pass runs on each band of rows while it is in the
 * cache, and the full-size picture is never stored where the format allows it. Equals decode, then
 * resize, byte for byte. plan is asked for the target once the upright source size is known; 0 or
 * -1 with err. two_threads allows a second thread (kept in work) to share the labour of a lone
 * request. Scratch memory is kept in `work`. */
typedef int sk_resize_plan(void *ctx, uint32_t src_w, uint32_t src_h, struct sk_resize *out,
                           struct sk_err *err);
/* scratch of one thread: temporaries of decoder and resizer, coefficient cache */
struct sk_image_work;
struct sk_image_work *sk_image_work_new(void);
void sk_image_work_free(struct sk_image_work *work);
SK_DEFINE_OWN(struct sk_image_work, sk_image_work_free);
int sk_image_decode_resized(const void *bytes, size_t len, const struct sk_decode_options *opts,
                            sk_resize_plan *plan, void *ctx, bool two_threads,
                            struct sk_image_work *work, struct sk_image *dst,
                            struct sk_decode_report *report, struct sk_err *err) SK_CHECK;

/* "jpeg, png, webp, bmp, gif, tiff, pnm": for messages and --version. */
const char *sk_image_formats(void);
/* Appends "libjpeg-turbo 2.1.5, zlib 1.2.13, ...": the libraries behind them. */
struct sk_buf;
void sk_image_codecs(struct sk_buf *out);
/* The library that the first compressed TIFF opens. */
#define SK_IMAGE_LIBTIFF "libtiff.so.6"

/* Kernels: "c", "avx2", "avx512vnni", "neon". Chosen once; a name that this CPU lacks is
 * SK_UNSUPPORTED. For tests, benches and SKERRY_KERNELS. */
int sk_image_kernels_select(const char *name, struct sk_err *err) SK_CHECK;
const char *sk_image_kernels_name(void);
/* Names that this CPU can run, NULL-terminated. */
const char *const *sk_image_kernels_available(void);

/* 8-bit RGB to planar or interleaved floats: (x * scale - mean[c]) / std[c] computed as Hugging
 * Face's slow path does (see prep.h); lives here because it is a pixel kernel. lut[c][v] holds the
 * 256 results of each channel. */
void sk_image_lut_chw(const struct sk_image *img, const float lut[3][256], float *dst);
void sk_image_lut_hwc(const struct sk_image *img, const float lut[3][256], float *dst);

/* Encoders for tests, the demo and warm-up pictures. quality 1..100. *out: free() it. */
int sk_image_encode_jpeg(const struct sk_image *img, int quality, uint8_t **out, size_t *len,
                         struct sk_err *err) SK_CHECK;
int sk_image_encode_png(const struct sk_image *img, uint8_t **out, size_t *len,
                        struct sk_err *err) SK_CHECK;

#endif
