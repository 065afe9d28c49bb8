/*
 * image_priv.h - how decoders, the resizer and their kernels meet. For this folder and its tests.
 *
 * A decoder pushes finished RGB rows, top to bottom, in bands, into a sink. Collecting them gives
 * sk_image_decode(); running the horizontal resize on each band gives sk_image_decode_resized(). A
 * decoder never stores more than its format demands (interlaced PNG, progressive JPEG).
 */
#ifndef SK_IMAGE_IMAGE_PRIV_H
#define SK_IMAGE_IMAGE_PRIV_H

#include "base/cleanup.h"
#include "image/image.h"

/* So many bytes behind the last row of a band, and of an sk_image, may be read; their values do not
 * matter. */
enum {
    SK_BAND_SLACK = 64
};

/* Receives a picture. begin is called before any memory for pixels is taken by the decoder, and
 * again when a decode starts over (sk_jpeg_fast); rows is called with count rows of width * 3 bytes
 * each, `stride` bytes apart, starting at row y; bands arrive in order. */
struct sk_sink {
    int (*begin)(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err);
    int (*rows)(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y, uint32_t count,
                struct sk_err *err);
};

/* One decode: what a format's decode() is given besides the sink. */
struct sk_decode {
    const uint8_t *bytes;
    size_t len;
    const struct sk_decode_options *opts; /* its limits are filled in */
    const struct sk_image_info *info;     /* what probe found; the size is within the limits */
    struct sk_decode_report *report;      /* never NULL */
    struct sk_jpeg_fast *fast;            /* of this thread; NULL: libjpeg-turbo alone */
    bool two_threads;                     /* fast may use its second thread */
};

/* One format: a row of sk_formats[] in formats.c. */
struct sk_format {
    const char *name;
    bool (*is)(const uint8_t *bytes, size_t len);
    /* Size and orientation from the headers. */
    int (*probe)(const uint8_t *bytes, size_t len, struct sk_image_info *out, struct sk_err *err);
    /* Pushes the picture, not yet turned upright, into sink. Nothing is left allocated, whatever
     * happens. */
    int (*decode)(const struct sk_decode *d, struct sk_sink *sink, struct sk_err *err);
};

extern const struct sk_format sk_format_jpeg, sk_format_png, sk_format_webp, sk_format_bmp,
    sk_format_gif, sk_format_tiff, sk_format_pnm;

/* The format of these bytes, its header read and limits checked (formats.c). opts may not be NULL;
 * max_pixels 0 means the default. */
int sk_format_find(const uint8_t *bytes, size_t len, const struct sk_decode_options *opts,
                   const struct sk_format **format, struct sk_image_info *info,
                   struct sk_err *err) SK_CHECK;
/* SK_TIMEOUT when now_ns is past the deadline (of the options; 0: none). Sinks ask once a band,
 * with the time they have read anyway (formats.c). */
int sk_deadline_check(uint64_t deadline_ns, uint64_t now_ns, struct sk_err *err) SK_CHECK;
/* The whole picture into img, turned upright when the options ask for it; tmp is scratch for that
 * (formats.c). */
int sk_format_collect(const struct sk_format *format, const struct sk_decode *d,
                      struct sk_image *img, struct sk_image *tmp, struct sk_err *err) SK_CHECK;

/* Orientation from an EXIF block, with or without its "Exif\0\0" in front (exif.c); 0 when absent
 * or broken. */
int sk_exif_orientation(const uint8_t *exif, size_t len);
/* Turns img upright (exif.c); tmp is scratch. */
int sk_image_orient(struct sk_image *img, int orientation, struct sk_image *tmp,
                    struct sk_err *err) SK_CHECK;

/*
 * jpeg_fast.c: our own decoder for the JPEGs that cameras make (baseline, Huffman, 8 bit, 1 or 3
 * components, sampling 4:4:4, 4:2:2, 4:2:0 or grey, JFIF or Adobe YCbCr), with the bytes of
 * libjpeg-turbo's islow IDCT, fancy upsampling and colour conversion. It answers SK_FAST_NO before
 * the first row for anything else, and for anything irregular (stray markers, bad codes, a short
 * end): then libjpeg-turbo decides from the start. Rows that were pushed before the irregularity
 * was seen must be thrown away by the caller (the sink's begin is called again). With two_threads a
 * helper reads the codes; the sink is always called by the calling thread. Without AVX2 the answer
 * is SK_FAST_NO: libjpeg-turbo's SIMD is faster than our C.
 */
enum sk_fast {
    SK_FAST_DONE,
    SK_FAST_NO,
    SK_FAST_ERROR
};
struct sk_jpeg_fast; /* scratch of one thread: tables and row buffers, reused; holds the second
                        thread when it is used */
struct sk_jpeg_fast *sk_jpeg_fast_new(void);
void sk_jpeg_fast_free(struct sk_jpeg_fast *f);
enum sk_fast sk_jpeg_fast_decode(struct sk_jpeg_fast *f, const uint8_t *bytes, size_t len,
                                 bool two_threads, struct sk_sink *sink, struct sk_err *err);

/* ---- resampling: taps.c, resize.c, kernels*.c, fused.c ---- */

struct sk_kernels;

/* An axis to resize: in pixels to out, of which `outputs` from `first` on are wanted. */
struct sk_axis {
    uint32_t in, out, first, outputs;
    enum sk_filter filter;
    bool is_mirrored; /* the source runs the other way: weights and outputs are in its order, last
                         wanted output first */
    bool rows;        /* taps go across rows (vertical pass) */
};

/* Weights of one axis, made once and shared by all rows. Output first + i is the sum over count[i]
 * taps from source start[i] on, weights from k[i * ksize] on (the rest of the ksize is 0), in
 * 22-bit fixed point. start and start + count never decrease. sum(|k|) <= SK_WEIGHT_SUM_MAX for
 * every output (taps.c refuses others): 255 times it, and one half, fit int32, and three signed
 * bytes hold a weight. */
struct sk_taps {
    struct sk_axis axis;
    uint32_t ksize;
    uint32_t *start, *count;
    int32_t *k;
    const struct sk_kernels *kernels; /* packed is theirs */
    uint32_t pack_stride;             /* int32 words per output in packed */
    int32_t *packed;                  /* weights as the kernel wants them; NULL: it uses k */
    void *memory;                     /* all of the arrays */
};

enum {
    SK_WEIGHT_BITS = 22,
    SK_WEIGHT_SUM_MAX = 0x7f7f7f
};

/* Kernels; every variant gives the same bytes as the C one (kernels.c picks the table). */
struct sk_kernels {
    const char *name;
    uint32_t band; /* rows that horizontal takes at once */
    /* int32 words per output that pack fills; NULL: none */
    uint32_t (*pack_stride)(uint32_t ksize, bool rows);
    void (*pack)(const struct sk_taps *taps, int32_t *packed);
    /* Scratch for horizontal, aligned to 64 bytes; width is that of the source. NULL: none. */
    size_t (*scratch_bytes)(uint32_t width);
    /* `rows` (1 .. band) source rows to all outputs of taps; row r goes to dst + r * dst_stride.
     * Writes nothing but outputs * 3 bytes of each; may read SK_BAND_SLACK bytes behind a source
     * row. */
    void (*horizontal)(const struct sk_taps *taps, const uint8_t *const *src, uint32_t rows,
                       uint8_t *dst, size_t dst_stride, void *scratch);
    /* Output i of taps: `bytes` bytes of dst from source rows `stride` bytes apart; src is row
     * taps->start[i]. Reads as far as horizontal does. */
    void (*vertical)(const struct sk_taps *taps, uint32_t i, const uint8_t *src, size_t stride,
                     size_t bytes, uint8_t *dst);
    void (*lut_chw)(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst);
    void (*lut_hwc)(const uint8_t *rgb, size_t pixels, const float lut[3][256], float *dst);
};
extern const struct sk_kernels sk_kernels_c;
#if defined(__x86_64__)
extern const struct sk_kernels sk_kernels_avx2, sk_kernels_avx512vnni;
#elif defined(__aarch64__)
extern const struct sk_kernels sk_kernels_neon;
#endif
/* Those in use, for good from the first call on unless a test selects others. */
const struct sk_kernels *sk_kernels(void);

/* The weights are those of Pillow, bit for bit. */
int sk_taps_init(struct sk_taps *t, const struct sk_axis *axis, const struct sk_kernels *kernels,
                 struct sk_err *err) SK_CHECK;
void sk_taps_done(struct sk_taps *t);

/*
 * A resizer: scratch of one thread with a small cache of taps, and one resize in flight that takes
 * its source in bands of rows:  begin, rows ..., finish. Nothing keeps it from beginning anew
 * before the end.
 */
struct sk_resizer;
struct sk_resizer *sk_resizer_new(void);
void sk_resizer_free(struct sk_resizer *r);
SK_DEFINE_OWN(struct sk_resizer, sk_resizer_free);
/* Refuses empty sides, sides beyond SK_LIMIT_SIDE, a window outside; fills in the window that means
 * everything. */
int sk_resizer_check(uint32_t src_w, uint32_t src_h, struct sk_resize *to,
                     struct sk_err *err) SK_CHECK;
/* src_w x src_h as stored; `to` is of the picture turned upright by orientation (EXIF, 1..8; 1: as
 * it is). Makes room in dst and takes its address until finish; its contents are undefined until
 * then. */
int sk_resizer_begin(struct sk_resizer *r, uint32_t src_w, uint32_t src_h, int orientation,
                     const struct sk_resize *to, struct sk_image *dst, struct sk_err *err) SK_CHECK;
/* Rows y .. y + count - 1 of the source, in order; those that the result does not need cost
 * nothing. Bands of a multiple of 16 rows are the cheapest. */
void sk_resizer_rows(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t y,
                     uint32_t count);
/* All rows have come: dst holds the result, upright. */
int sk_resizer_finish(struct sk_resizer *r, struct sk_err *err) SK_CHECK;

#endif
