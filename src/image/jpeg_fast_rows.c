/*
 * jpeg_fast_rows.c - from coefficients to RGB rows, one row of MCUs at a time.
 *
 * Memory of a component, P being padding (SK_JF_PAD in front, SK_JF_SLACK behind):
 *
 *     row 0          P . last row of the MCU row before . P
 *     rows 1 .. 8v   P . samples of this MCU row        . P
 *
 * In 4:2:0 an RGB row needs the nearer and the farther chroma row: after MCU row i those of lines
 * 16i - 1 to 16i + 14 are known; the last MCU row adds its last line. Beyond the picture's edges
 * the edge sample repeats: rows by choosing the row again, columns by writing the sample into the
 * padding.
 */
#include "image/jpeg_fast_priv.h"

#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum {
    BAND_ROWS = 8,
    ALIGN = 64,
    KIND_COUNT = 4,
    DC_MAX = 32767
};

static size_t round_up(size_t n)
{
    return (n + ALIGN - 1) / ALIGN * ALIGN;
}

static void set_places(struct sk_jf_rows *r)
{
    unsigned n = 0;
    for (unsigned c = 0; c < r->components; c++) {
        unsigned h = c == 0 ? r->h : 1, v = c == 0 ? r->v : 1;
        size_t base = (size_t)(r->plane[c] - r->memory) + r->stride;
        for (unsigned y = 0; y < v; y++) {
            for (unsigned x = 0; x < h; x++, n++) {
                r->place[n].at = base + 8 * y * r->stride + 8 * x;
                r->place[n].step = 8 * (size_t)h;
            }
        }
    }
    r->units = n;
}

int sk_jf_rows_start(struct sk_jf_rows *r, const struct sk_jf_head *head,
                     const struct sk_jf_kernels *kernels, struct sk_err *err)
{
    r->kernels = kernels;
    memset(r->dc, 0, sizeof(r->dc));
    r->width = head->width;
    r->height = head->height;
    r->components = head->components;
    r->h = head->h;
    r->v = head->v;
    r->mcus_x = (head->width + 8 * head->h - 1) / (8 * head->h);
    r->mcus_y = (head->height + 8 * head->v - 1) / (8 * head->v);
    r->chroma_width = (head->width + head->h - 1) / head->h;
    r->chroma_height = (head->height + head->v - 1) / head->v;
    r->stride = SK_JF_PAD + round_up((size_t)r->mcus_x * 8 * r->h) + SK_JF_SLACK;
    r->band_stride = round_up((size_t)r->width * 3 + SK_JF_SLACK);

    size_t luma_rows = 8 * r->v + 1, chroma_rows = r->components == 3 ? 9 : 0;
    size_t band_at = r->stride * (luma_rows + 2 * chroma_rows);
    size_t need = band_at + BAND_ROWS * r->band_stride;
    if (need > r->cap_bytes) {
        free(r->memory);
        r->cap_bytes = 0;
        r->memory = aligned_alloc(ALIGN, need);
        if (!r->memory)
            return sk_nomem(err);
        r->cap_bytes = need;
        memset(r->memory, 0, need); /* kernels read padding, though nothing depends on it */
    }
    r->plane[0] = r->memory + SK_JF_PAD;
    r->plane[1] = r->plane[0] + luma_rows * r->stride;
    r->plane[2] = r->plane[1] + chroma_rows * r->stride;
    r->band = r->memory + band_at;
    for (unsigned c = 0; c < r->components; c++)
        for (unsigned i = 0; i < SK_JF_BLOCK; i++)
            r->quant[c][sk_jf_zigzag[i]] = head->quant[head->component[c].quant][i];
    set_places(r);
    return 0;
}

void sk_jf_rows_done(struct sk_jf_rows *r)
{
    free(r->memory);
    r->memory = NULL;
    r->cap_bytes = 0;
}

/* Turns the DC difference into the value. False: beyond the 16 bits that libjpeg keeps, which no
 * encoder makes. */
static inline bool sum_dc(struct sk_jf_rows *r, struct sk_jf_block *block)
{
    int32_t dc = r->dc[block->component] += block->coef[0];
    block->coef[0] = (int16_t)dc;
    return dc >= -DC_MAX && dc <= DC_MAX;
}

/* Sorts the blocks by what they need, so that each transform runs over several without branches. */
bool sk_jf_rows_put(struct sk_jf_rows *r, uint32_t x, unsigned mcus, struct sk_jf_block *blocks)
{
    enum {
        DC,
        ROW0,
        SMALL,
        FULL
    };

    /* By union of natural positions: none; 1..7; bits 2 and 5 clear; else. */
    static const uint8_t kind_of[SK_JF_BLOCK] = {
        DC,    ROW0,  ROW0, ROW0,  ROW0,  ROW0,  ROW0,  ROW0, SMALL, SMALL, SMALL, SMALL, FULL,
        FULL,  FULL,  FULL, SMALL, SMALL, SMALL, SMALL, FULL, FULL,  FULL,  FULL,  SMALL, SMALL,
        SMALL, SMALL, FULL, FULL,  FULL,  FULL,  FULL,  FULL, FULL,  FULL,  FULL,  FULL,  FULL,
        FULL,  FULL,  FULL, FULL,  FULL,  FULL,  FULL,  FULL, FULL,  FULL,  FULL,  FULL,  FULL,
        FULL,  FULL,  FULL, FULL,  FULL,  FULL,  FULL,  FULL, FULL,  FULL,  FULL,  FULL,
    };
    struct sk_jf_job jobs[3][KIND_COUNT][SK_JF_SPAN_MCUS * 4];
    size_t count[3][KIND_COUNT] = { { 0 } };
    bool is_sane = true;
    for (unsigned m = 0; m < mcus; m++) {
        if (blocks->restarts)
            memset(r->dc, 0, sizeof(r->dc));
        for (unsigned i = 0; i < r->units; i++, blocks++) {
            is_sane &= sum_dc(r, blocks);
            unsigned c = blocks->component, kind = kind_of[blocks->extent & (SK_JF_BLOCK - 1)];
            jobs[c][kind][count[c][kind]++] = (struct sk_jf_job){
                blocks, r->memory + r->place[i].at + (x + m) * r->place[i].step
            };
        }
    }
    for (unsigned c = 0; c < r->components; c++) {
        sk_jf_idct_dc(jobs[c][DC], count[c][DC], r->stride, r->quant[c]);
        sk_jf_idct_row0(jobs[c][ROW0], count[c][ROW0], r->stride, r->quant[c]);
        r->kernels->idct_4x4(jobs[c][SMALL], count[c][SMALL], r->stride, r->quant[c]);
        r->kernels->idct(jobs[c][FULL], count[c][FULL], r->stride, r->quant[c]);
    }
    return is_sane;
}

/* Repeats the first and last chroma sample of each new row in the padding. */
static void extend_chroma(struct sk_jf_rows *r)
{
    for (unsigned c = 1; c < 3; c++) {
        for (size_t y = 1; y <= 8; y++) {
            uint8_t *row = r->plane[c] + y * r->stride;
            row[-1] = row[0];
            row[r->chroma_width] = row[r->chroma_width - 1];
        }
    }
}

/* Makes RGB of line y; memory holds MCU row `row`. */
static void make_line(struct sk_jf_rows *r, uint32_t row, uint32_t y, uint8_t *rgb)
{
    const struct sk_jf_kernels *k = r->kernels;
    const uint8_t *luma = r->plane[0] + (y + 1 - row * 8 * r->v) * r->stride;
    if (r->components == 1) {
        k->rgb_grey(luma, rgb, r->width);
        return;
    }
    uint32_t near = y / r->v, far = near;
    if (y & 1 ? near + 1 < r->chroma_height : near > 0)
        far = y & 1 ? near + 1 : near - 1;
    size_t n = (near + 1 - row * 8) * r->stride, f = (far + 1 - row * 8) * r->stride;
    if (r->v == 2)
        k->rgb_420(luma, (const uint8_t *[2]){ r->plane[1] + n, r->plane[1] + f },
                   (const uint8_t *[2]){ r->plane[2] + n, r->plane[2] + f }, rgb, r->width);
    else if (r->h == 2)
        k->rgb_422(luma, r->plane[1] + n, r->plane[2] + n, rgb, r->width);
    else
        k->rgb_444(luma, r->plane[1] + n, r->plane[2] + n, rgb, r->width);
}

/* Keeps the last row of each component for the next MCU row, with the padding that counts. */
static void keep_last(struct sk_jf_rows *r)
{
    for (unsigned c = 0; c < r->components; c++) {
        uint8_t *kept = r->plane[c] - SK_JF_PAD;
        size_t rows = c == 0 ? 8 * r->v : 8;
        memcpy(kept, kept + rows * r->stride, r->stride);
    }
}

int sk_jf_rows_push(struct sk_jf_rows *r, uint32_t row, struct sk_sink *sink, struct sk_err *err)
{
    uint32_t lines = 8 * r->v, from = row * lines, to = from + lines;
    bool has_context = r->v == 2;
    if (r->h == 2)
        extend_chroma(r);
    if (has_context) {
        from -= row > 0;
        to -= 1;
    }
    if (row + 1 == r->mcus_y)
        to = r->height;
    while (from < to) {
        uint32_t count = to - from < BAND_ROWS ? to - from : BAND_ROWS;
        for (uint32_t i = 0; i < count; i++)
            make_line(r, row, from + i, r->band + i * r->band_stride);
        if (sink->rows(sink, r->band, r->band_stride, from, count, err) < 0)
            return -1;
        from += count;
    }
    if (has_context)
        keep_last(r);
    return 0;
}
