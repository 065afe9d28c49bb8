/*
 * jpeg_fast_priv.h - the parts of the baseline JPEG decoder and how they meet (see jpeg_fast.c for the whole).
 *
 *     head   markers up to the scan                      -> struct sk_jf_head
 *     feed   entropy-coded bytes without their stuffing  -> struct sk_jf_feed
 *     scan   Huffman codes to dequantised coefficients   -> struct sk_jf_span (some MCUs of one row)
 *     rows   inverse DCT, upsampling, colour             -> RGB rows into the sink
 *
 * The inner loops exist in C and in versions for AVX2 and AVX-512, collected in struct sk_jf_kernels.
 */
#ifndef SK_IMAGE_JPEG_FAST_PRIV_H
#define SK_IMAGE_JPEG_FAST_PRIV_H

#include "image/image_priv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_JF_BLOCK = 64,     /* coefficients of a block, natural order */
    SK_JF_UNITS_MAX = 6,  /* blocks in an MCU: 4:2:0 has four of Y, one of Cb, one of Cr */
    SK_JF_PAD = 64,       /* bytes in front of each sample row; 1 is read as a neighbour */
    SK_JF_SLACK = 256,    /* bytes behind each row, of samples and of RGB, that kernels may touch */
};

/* ---- markers (jpeg_fast_head.c) ---- */

/* A Huffman table as DHT carries it: how many codes of each length, and their symbols in order. */
struct sk_jf_dht {
    bool is_set;
    uint8_t count[17];
    uint8_t value[256];
};

struct sk_jf_head {
    uint32_t width, height;
    uint32_t restart_mcus; /* 0: no restart markers */
    unsigned components;   /* 1 or 3 */
    unsigned h, v;         /* sampling of Y against Cb and Cr: 1x1, 2x1, 2x2; 1x1 for grey */
    struct {
        uint8_t id, quant, dc, ac;
    } component[3];
    bool has_quant[4];
    uint8_t quant[4][SK_JF_BLOCK]; /* zigzag order */
    struct sk_jf_dht dc[4], ac[4];
    size_t scan_at; /* offset of the entropy-coded data */
};

/* False: not for us. */
bool sk_jf_head_read(const uint8_t *bytes, size_t len, struct sk_jf_head *out);

/* ---- Huffman tables (jpeg_fast_huff.c) ---- */

enum {
    SK_JF_LOOKUP_BITS = 11,
    SK_JF_EOB = 80, /* steps that end a block: more than 63 + 16, which a run can reach */
};

/* AC lookup: the symbols that the next SK_JF_LOOKUP_BITS bits hold completely, value bits included; a scan step takes
 * up to two of them. See jpeg_fast_huff.c for the layout. */
struct sk_jf_table {
    uint32_t fast[1u << SK_JF_LOOKUP_BITS];
    uint32_t limit[18];  /* limit[n]: first 16-bit window beyond the codes of n bits; limit[17] stops the search */
    int32_t offset[18];  /* symbol index = offset[n] + (window >> (16 - n)) */
    uint8_t value[256];
};

/* The value that `size` (>= 1) bits stand for: T.81, F.2.2.1, EXTEND. */
static inline int32_t sk_jf_extend(unsigned bits, unsigned size)
{
    return (int32_t)bits - (bits >> (size - 1) ? 0 : (1 << size) - 1);
}

/* False: a table that libjpeg refuses, or with symbols that baseline does not have. */
bool sk_jf_table_build(const struct sk_jf_dht *dht, bool is_dc, struct sk_jf_table *out);

/* ---- entropy-coded bytes (jpeg_fast_feed.c) ---- */

enum { SK_JF_FEED_BYTES = 32 << 10, SK_JF_RELOAD = 16 /* bytes that a reload may look ahead */ };

/*
 * A window of the scan without stuffed zeros, up to the next marker. Behind the bytes that exist lie zeros, so that a
 * reader that asked for `need` bytes with sk_jf_feed_fill may run that far unchecked; whether it stayed within what
 * exists is seen afterwards.
 */
struct sk_jf_feed {
    const uint8_t *at, *end; /* next source byte, behind the last one */
    bool at_marker;          /* at points to FF and something that is not 0 */
    size_t bytes;            /* in window[] */
    size_t zeros_to;         /* window[bytes .. zeros_to) is zero when the source has ended */
    uint64_t bit;            /* read position in window[] */
    uint8_t window[SK_JF_FEED_BYTES + SK_JF_RELOAD];
};

void sk_jf_feed_start(struct sk_jf_feed *f, const uint8_t *at, const uint8_t *end);
/* Makes at least need bytes (need <= SK_JF_FEED_BYTES) readable from f->bit on. */
void sk_jf_feed_fill(struct sk_jf_feed *f, size_t need);
/* The reader has stayed within the bytes that exist. */
bool sk_jf_feed_ok(const struct sk_jf_feed *f);
/* All bytes are used up, padding bits aside, and the marker FF `code` follows; then goes behind it. */
bool sk_jf_feed_marker(struct sk_jf_feed *f, uint8_t code);

/* ---- coefficients (jpeg_fast_scan.c) ---- */

/* One block position within an MCU. */
struct sk_jf_unit {
    const struct sk_jf_table *dc, *ac;
    const int16_t *quant; /* zigzag order, followed by the zeros that an end of block touches */
    unsigned component;
};

enum {
    SK_JF_STEPS = 64 + SK_JF_EOB + 16, /* zigzag tables reach behind an end of block */
    /* The most that one block can take: 16 + 11 bits of DC, 63 times 16 + 10 bits of AC; rounded up. */
    SK_JF_BLOCK_BYTES_MAX = 209,
    SK_JF_SPAN_MCUS = 8, /* coefficients of a span stay in the L1 cache */
};

/* Natural position of each zigzag index, SK_JF_BLOCK for all from 64 on. */
extern const uint8_t sk_jf_zigzag[SK_JF_STEPS];

struct sk_jf_scan {
    struct sk_jf_unit unit[SK_JF_UNITS_MAX];
    unsigned units;
    int32_t dc[3]; /* predictors */
    unsigned restart_mcus, until_restart, next_restart;
    struct sk_jf_feed feed;
    struct sk_jf_table dc_table[4], ac_table[4];
    int16_t quant[3][SK_JF_STEPS];
};

/*
 * Decodes `mcus` MCUs. coef gets SK_JF_BLOCK dequantised (mod 2^16) coefficients per block, and one more is touched;
 * extent gets, per block, the union of the natural positions of its nonzero AC coefficients: extent < 8 means only
 * row 0, (extent & 044) == 0 only the upper left 4x4, 0 only DC. False: broken.
 */
typedef bool sk_jf_scan_fn(struct sk_jf_scan *scan, unsigned mcus, int16_t *coef, uint8_t *extent);
sk_jf_scan_fn sk_jf_scan_c, sk_jf_scan_bmi2;

struct sk_jf_kernels;
/* False: a table that is not for us. bytes are read until the scan is over. */
bool sk_jf_scan_start(struct sk_jf_scan *scan, const struct sk_jf_head *head, const uint8_t *bytes, size_t len);
/* Decodes `mcus` (<= SK_JF_SPAN_MCUS) MCUs, with the restart markers between them. False: irregular. */
bool sk_jf_scan_span(struct sk_jf_scan *scan, const struct sk_jf_kernels *kernels, unsigned mcus, int16_t *coef,
                     uint8_t *extent);
/* After the last MCU: the end of image follows. */
bool sk_jf_scan_end(struct sk_jf_scan *scan);

/* ---- kernels ---- */

/* A block to transform: 8x8 samples go to dst, rows `stride` bytes apart. */
struct sk_jf_job {
    const int16_t *coef;
    uint8_t *dst;
};

typedef void sk_jf_idct_fn(const struct sk_jf_job *jobs, size_t count, size_t stride);

/*
 * RGB rows from sample rows. Each writes width * 3 bytes to rgb and may touch SK_JF_SLACK more; may read SK_JF_SLACK
 * samples beyond. 420: near and far chroma rows, with their neighbours left and right of the row (index -1 and
 * the chroma width) set; 422: the same with one row.
 */
struct sk_jf_kernels {
    const char *name;
    sk_jf_scan_fn *scan;
    sk_jf_idct_fn *idct;     /* any block with a nonzero coefficient below row 0 */
    sk_jf_idct_fn *idct_4x4; /* same result where only the upper left 4x4 is nonzero */
    void (*rgb_420)(const uint8_t *y, const uint8_t *const cb[2], const uint8_t *const cr[2], uint8_t *rgb, size_t width);
    void (*rgb_422)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb, size_t width);
    void (*rgb_444)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb, size_t width);
    void (*rgb_grey)(const uint8_t *y, uint8_t *rgb, size_t width);
};

extern const struct sk_jf_kernels sk_jf_kernels_c;
#if defined(__x86_64__)
extern const struct sk_jf_kernels sk_jf_kernels_avx2, sk_jf_kernels_avx512;
#endif
/* The kernels for a name that sk_kernels() uses: those that come nearest to it on this CPU. */
const struct sk_jf_kernels *sk_jf_kernels_find(const char *name);

void sk_jf_rgb_grey(const uint8_t *y, uint8_t *rgb, size_t width);
/* Tests and benches: decode with these instead of the best; NULL undoes it. */
void sk_jpeg_fast_use(struct sk_jpeg_fast *f, const struct sk_jf_kernels *kernels);
/* Blocks with DC only and with row 0 only need no SIMD: eight equal rows. */
void sk_jf_idct_dc(const struct sk_jf_job *jobs, size_t count, size_t stride);
void sk_jf_idct_row0(const struct sk_jf_job *jobs, size_t count, size_t stride);
void sk_jf_idct_c(const struct sk_jf_job *jobs, size_t count, size_t stride);

/* ---- samples to RGB rows (jpeg_fast_rows.c) ---- */

/*
 * Samples of one row of MCUs, per component, below one row kept from the MCU row before it: the smoothing of chroma
 * needs a neighbour above and one below.
 */
struct sk_jf_rows {
    const struct sk_jf_kernels *kernels;
    uint32_t width, height;
    unsigned components, h, v;
    unsigned units;
    uint32_t mcus_x, mcus_y;
    uint32_t chroma_width, chroma_height;
    size_t stride; /* of all sample planes */
    struct {
        size_t at, step; /* of a unit's first block in memory; from one MCU to the next */
    } place[SK_JF_UNITS_MAX];
    uint8_t *plane[3]; /* sample 0 of the kept row */
    uint8_t *band;     /* RGB rows on their way to the sink */
    size_t band_stride;
    uint8_t *memory;
    size_t cap_bytes;
};

/* Lays out memory for this picture; memory that is large enough is kept. -1: no memory. */
int sk_jf_rows_start(struct sk_jf_rows *r, const struct sk_jf_head *head, const struct sk_jf_kernels *kernels,
                     struct sk_err *err) SK_CHECK;
void sk_jf_rows_done(struct sk_jf_rows *r);
/* Transforms the blocks of MCUs x .. x + mcus - 1 of the current row. */
void sk_jf_rows_put(struct sk_jf_rows *r, uint32_t x, unsigned mcus, const int16_t *coef, const uint8_t *extent);
/* MCU row `row` is complete: pushes the RGB rows that are now known. -1: the sink failed. */
int sk_jf_rows_push(struct sk_jf_rows *r, uint32_t row, struct sk_sink *sink, struct sk_err *err) SK_CHECK;

#endif
