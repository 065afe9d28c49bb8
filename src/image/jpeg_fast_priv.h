/*
 * jpeg_fast_priv.h - the parts of the baseline JPEG decoder and how they meet (see jpeg_fast.c for
 * the whole).
 *
 *     head   markers up to the scan                      -> struct sk_jf_head
 *     feed   entropy-coded bytes without their stuffing  -> struct sk_jf_feed
 *     scan   Huffman codes to coefficients               -> struct sk_jf_block
 *     rows   inverse DCT, upsampling, colour             -> RGB rows into the sink
 *
 * The inner loops exist in C and in versions for AVX2 and AVX-512, collected in struct
 * sk_jf_kernels.
 */
#ifndef SK_IMAGE_JPEG_FAST_PRIV_H
#define SK_IMAGE_JPEG_FAST_PRIV_H

#include "image/image_priv.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_JF_BLOCK = 64,    /* coefficients of a block, natural order */
    SK_JF_UNITS_MAX = 6, /* blocks in an MCU: 4:2:0 has four of Y, one of Cb, one of Cr */
    SK_JF_PAD = 64,      /* bytes in front of each sample row; 1 is read as a neighbour */
    SK_JF_SLACK = 256,   /* bytes behind each row, of samples and of RGB, that kernels may touch */
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
    SK_JF_LOOKUP_BITS = 10,
    SK_JF_SIZE_MAX = 11,   /* bits of a value: 11 for DC, 10 for AC */
    SK_JF_STEP_END = 80,   /* ends a block: more than 63 + 16, which a run can reach */
    SK_JF_STEP_RARE = 160, /* no entry: more than 63 + 80 */
};

/*
 * What a key, the next SK_JF_LOOKUP_BITS bits of the scan, stands for: one symbol or two. In step[]
 * is what the next lookup waits for:
 *
 *     bits  0..7    bits that are used up
 *     bits  8..15   steps to the last coefficient in zigzag order: zeros skipped + 1, summed
 *     bits 16..23   bytes to the next block; 0: this one goes on
 *     bit  31       the block ends
 *
 * and the coefficients are here:
 */
struct sk_jf_rest {
    int32_t base;  /* the last value is extended[base + (acc >> shift)]: base takes the bits before
                      it away */
    int16_t value; /* of the first of two; one: anything, it is overwritten */
    uint8_t shift;
    uint8_t first; /* steps to the first coefficient; one: as many as to the last */
};

struct sk_jf_table {
    uint32_t step[1u << SK_JF_LOOKUP_BITS];
    struct sk_jf_rest rest[1u << SK_JF_LOOKUP_BITS];
    uint32_t limit[17]; /* limit[n]: first 16-bit window beyond the codes of n bits */
    int32_t offset[17]; /* symbol index = offset[n] + (window >> (16 - n)) */
    uint8_t value[256];
};

/* The value that `size` (>= 1) bits stand for: T.81, F.2.2.1, EXTEND. */
static inline int32_t sk_jf_extend(unsigned bits, unsigned size)
{
    return (int32_t)bits - (bits >> (size - 1) ? 0 : (1 << size) - 1);
}

/* A table without any code. */
void sk_jf_table_clear(struct sk_jf_table *out);
/* False: a table that libjpeg refuses, or with symbols that baseline does not have. */
bool sk_jf_table_build(const struct sk_jf_dht *dht, bool is_dc, struct sk_jf_table *out);

/* ---- entropy-coded bytes (jpeg_fast_feed.c) ---- */

enum {
    SK_JF_FEED_BYTES = 32 << 10,
    SK_JF_RELOAD = 16 /* bytes that a reload may look ahead */
};

/*
 * A window of the scan without stuffed zeros, up to the next marker. Behind the bytes that exist
 * lie zeros, so that a reader that asked for `need` bytes with sk_jf_feed_fill may run that far
 * unchecked; whether it stayed within what exists is seen afterwards.
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
/* All bytes are used up, padding bits aside, and marker FF `code` follows; then goes behind it. */
bool sk_jf_feed_marker(struct sk_jf_feed *f, uint8_t code);

/* ---- coefficients (jpeg_fast_scan.c) ---- */

enum {
    /* The most that one block can take: 16 + 11 bits of DC, 63 times 16 + 10 bits of AC; rounded
     * up. */
    SK_JF_BLOCK_BYTES_MAX = 209,
    SK_JF_SPAN_MCUS = 8, /* coefficients of a span stay in the L1 cache */
    SK_JF_SPAN_BLOCKS = SK_JF_SPAN_MCUS * SK_JF_UNITS_MAX,
    SK_JF_POSITIONS = SK_JF_STEP_RARE + 64,
    SK_JF_RARE = -1,
};

/* Natural position (8 * row + column) of each zigzag index. */
extern const uint8_t sk_jf_zigzag[SK_JF_BLOCK];

/* A block, with what the Huffman decoder needs while it is there. */
struct sk_jf_block {
    _Alignas(32) int16_t coef[SK_JF_BLOCK + 1]; /* natural order, not dequantised; and the spare
                                                   place */
    /* Union of the natural positions of nonzero AC coefficients in the lower six bits: 0 only DC, <
     * 8 only row 0, (extent & 044) == 0 only the upper left 4x4. */
    uint8_t extent;
    uint8_t component;
    bool restarts; /* DC starts from 0 here; in the first block of an MCU */
    const struct sk_jf_table *ac, *next_dc; /* tables for the rest of this block and for the start
                                               of the next */
};

struct sk_jf_scan {
    unsigned units;
    uint8_t component[SK_JF_UNITS_MAX]; /* of each block of an MCU */
    const struct sk_jf_table *first_dc;
    struct sk_jf_table stop; /* without any entry: stands behind the last block of a span */
    unsigned restart_mcus, until_restart, next_restart;
    struct sk_jf_feed feed;
    struct sk_jf_table dc_table[4], ac_table[4];
    /* [(1 << size) + bits]: the value that these bits stand for; [1] for size 0. */
    int16_t extended[2 << SK_JF_SIZE_MAX];
    /* [i]: natural position of zigzag index i - 1; SK_JF_BLOCK, the spare place, behind an end of
     * block; SK_JF_RARE where the fast way ends. */
    int8_t position[SK_JF_POSITIONS];
};

/* Decodes the blocks from `block` on, up to the one whose next_dc is scan->stop. DC values are
 * still differences. False: broken. */
typedef bool sk_jf_scan_fn(struct sk_jf_scan *scan, struct sk_jf_block *block);
sk_jf_scan_fn sk_jf_scan_c, sk_jf_scan_bmi2;

struct sk_jf_kernels;
/* False: a table that is not for us. bytes are read until the scan is over. */
bool sk_jf_scan_start(struct sk_jf_scan *scan, const struct sk_jf_head *head, const uint8_t *bytes,
                      size_t len);
/* Prepares `mcus` MCUs of blocks for sk_jf_scan_span; once per picture. */
void sk_jf_scan_prepare(const struct sk_jf_scan *scan, const struct sk_jf_head *head,
                        struct sk_jf_block *blocks, size_t mcus);

/* MCUs of the span that starts at x in a row of mcus_x. */
static inline unsigned sk_jf_span_mcus(uint32_t mcus_x, uint32_t x)
{
    return mcus_x - x < SK_JF_SPAN_MCUS ? mcus_x - x : SK_JF_SPAN_MCUS;
}

/* Decodes `mcus` (<= SK_JF_SPAN_MCUS) MCUs, with the restart markers between them; DC values are
 * differences. False: irregular. */
bool sk_jf_scan_span(struct sk_jf_scan *scan, const struct sk_jf_kernels *kernels, unsigned mcus,
                     struct sk_jf_block *blocks);
/* After the last MCU: the end of image follows. */
bool sk_jf_scan_end(struct sk_jf_scan *scan);

/* ---- kernels ---- */

/* A block to transform: 8x8 samples go to dst, rows `stride` bytes apart. */
struct sk_jf_job {
    const struct sk_jf_block *block;
    uint8_t *dst;
};

/* quant: natural order, 64-byte aligned. Products are taken modulo 2^16. */
typedef void sk_jf_idct_fn(const struct sk_jf_job *jobs, size_t count, size_t stride,
                           const int16_t *quant);

/*
 * RGB rows from sample rows. Each writes width * 3 bytes to rgb and may touch SK_JF_SLACK more; may
 * read SK_JF_SLACK samples beyond. 420: near and far chroma rows, with their neighbours left and
 * right of the row (index -1 and the chroma width) set; 422: the same with one row.
 */
struct sk_jf_kernels {
    const char *name;
    sk_jf_scan_fn *scan;
    sk_jf_idct_fn *idct;     /* any block with a nonzero coefficient below row 0 */
    sk_jf_idct_fn *idct_4x4; /* same result where only the upper left 4x4 is nonzero */
    void (*rgb_420)(const uint8_t *y, const uint8_t *const cb[2], const uint8_t *const cr[2],
                    uint8_t *rgb, size_t width);
    void (*rgb_422)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width);
    void (*rgb_444)(const uint8_t *y, const uint8_t *cb, const uint8_t *cr, uint8_t *rgb,
                    size_t width);
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
sk_jf_idct_fn sk_jf_idct_dc, sk_jf_idct_row0, sk_jf_idct_c;

/* ---- samples to RGB rows (jpeg_fast_rows.c) ---- */

/*
 * Samples of one row of MCUs, per component, below one row kept from the MCU row before it: the
 * smoothing of chroma needs a neighbour above and one below.
 */
struct sk_jf_rows {
    const struct sk_jf_kernels *kernels;
    uint32_t width, height;
    unsigned components, h, v;
    unsigned units;
    _Alignas(64) int16_t quant[3][SK_JF_BLOCK];
    uint32_t mcus_x, mcus_y;
    uint32_t chroma_width, chroma_height;
    size_t stride; /* of all sample planes */

    struct {
        size_t at, step; /* of a unit's first block in memory; from one MCU to the next */
    } place[SK_JF_UNITS_MAX];

    int32_t dc[3];     /* of the last block of each component: DC is coded as a difference to it */
    uint8_t *plane[3]; /* sample 0 of the kept row */
    uint8_t *band;     /* RGB rows on their way to the sink */
    size_t band_stride;
    uint8_t *memory;
    size_t cap_bytes;
};

/* Lays out memory for this picture; memory that is large enough is kept. -1: no memory. */
int sk_jf_rows_start(struct sk_jf_rows *r, const struct sk_jf_head *head,
                     const struct sk_jf_kernels *kernels, struct sk_err *err) SK_CHECK;
void sk_jf_rows_done(struct sk_jf_rows *r);
/* Transforms the blocks of MCUs x .. x + mcus - 1 of the current row. False: DC beyond what is
 * regular. */
bool sk_jf_rows_put(struct sk_jf_rows *r, uint32_t x, unsigned mcus, struct sk_jf_block *blocks);
/* MCU row `row` is complete: pushes the RGB rows that are now known. -1: the sink failed. */
int sk_jf_rows_push(struct sk_jf_rows *r, uint32_t row, struct sk_sink *sink,
                    struct sk_err *err) SK_CHECK;

#endif
