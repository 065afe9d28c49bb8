/*
 * image_priv.h - how decoders, the resizer and their kernels meet. For this folder and its tests.
 *
 * A decoder pushes finished RGB rows, top to bottom, in bands, into a sink. Collecting them gives sk_image_decode();
 * running the horizontal resize on each band gives sk_image_decode_resized(). A decoder never stores more than
 * its format demands (interlaced PNG, progressive JPEG).
 */
#ifndef SK_IMAGE_IMAGE_PRIV_H
#define SK_IMAGE_IMAGE_PRIV_H

#include "image/image.h"

/* Receives a picture. begin is called once, before any memory for pixels is taken by the decoder; rows is called with
 * count rows of width * 3 bytes each, `stride` bytes apart, starting at row y; bands arrive in order. */
struct sk_sink {
    int (*begin)(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err);
    int (*rows)(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y, uint32_t count, struct sk_err *err);
};

/* One format: a row of sk_formats[] in formats.c. */
struct sk_format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t len);
    /* Size and orientation from the headers. */
    int (*probe)(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err);
    /* opts has its limits filled in; info is what probe found (the size is within the limits). */
    int (*decode)(const uint8_t *bytes, size_t len, const struct sk_decode_options *opts, const struct sk_image_info *info,
                  struct sk_sink *sink, struct sk_decode_report *report, struct sk_err *err);
};

extern const struct sk_format sk_format_jpeg, sk_format_png, sk_format_webp, sk_format_bmp, sk_format_gif,
    sk_format_tiff, sk_format_pnm;

/* The format of these bytes, its header read and limits checked (formats.c). */
int sk_format_find(const uint8_t *bytes, size_t len, const struct sk_decode_options *opts, const struct sk_format **format,
                   struct sk_image_info *info, struct sk_err *err) SK_CHECK;

/* EXIF orientation 1..8 from a TIFF-structured EXIF block (exif.c); 1 when absent or broken, as Pillow. */
int sk_exif_orientation(const uint8_t *exif, size_t len);
/* Turns img upright (exif.c); tmp is scratch. */
int sk_image_orient(struct sk_image *img, int orientation, struct sk_image *tmp, struct sk_err *err) SK_CHECK;

/*
 * jpeg_fast.c: our own decoder for the JPEGs that cameras make (baseline, Huffman, 8 bit, 1 or 3 components, sampling 4:4:4, 4:2:2,
 * 4:2:0 or grey, JFIF or Adobe YCbCr), with the bytes of libjpeg-turbo's islow IDCT, fancy upsampling and colour conversion.
 * It answers SK_FAST_NO before the first row for anything else, and for anything irregular (stray markers, bad codes,
 * a short end): then libjpeg-turbo decides from the start. Rows that were pushed before the irregularity was seen must
 * be thrown away by the caller (the sink's begin is called again).
 */
enum sk_fast { SK_FAST_DONE, SK_FAST_NO, SK_FAST_ERROR };
struct sk_jpeg_fast; /* scratch of one thread: tables and row buffers, reused; holds the second thread when it is used */
struct sk_jpeg_fast *sk_jpeg_fast_new(void);
void sk_jpeg_fast_free(struct sk_jpeg_fast *f);
enum sk_fast sk_jpeg_fast_decode(struct sk_jpeg_fast *f, const uint8_t *bytes, size_t len, bool two_threads,
                                 struct sk_sink *sink, struct sk_err *err);

/* ---- resampling (resize.c) ---- */

/* Weights of one axis: for output i, taps start[i] .. start[i] + count[i] - 1, weights at k[i * ksize]. 22-bit fixed point. */
struct sk_taps {
    uint32_t out, ksize;
    uint32_t *start, *count;
    int32_t *k;
};

/* Kernels; every variant gives the same bytes as the C one (kernels.c picks the table). */
struct sk_kernels {
    const char *name;
    /* One row: dst[out * 3] from src[in * 3]. May read up to 16 bytes beyond the last source pixel. */
    void (*resize_row)(uint8_t *dst, const uint8_t *src, const struct sk_taps *taps, uint32_t first, uint32_t count);
    /* One output row of `bytes` bytes from count source rows `stride` bytes apart. */
    void (*resize_column)(uint8_t *dst, const uint8_t *src, size_t stride, size_t bytes, const int32_t *k, uint32_t count);
    void (*lut_chw)(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst);
    void (*lut_hwc)(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst);
};
extern const struct sk_kernels sk_kernels_c;
#if defined(__x86_64__)
extern const struct sk_kernels sk_kernels_avx2, sk_kernels_avx512;
#endif
const struct sk_kernels *sk_kernels(void);

#endif
