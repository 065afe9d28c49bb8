/*
 * resize.c - separable resampling of 8-bit RGB, in bands of rows.
 *
 * Each output pixel is a weighted sum of source pixels: one pass along rows, one across them, each
 * rounded to 8 bits once. Which pass comes first shows in the last bit, so the order is Pillow's
 * (13.0; measured, 4000 sizes):
 *
 *     rows first       source -> horizontal -> middle (only the rows needed) -> vertical -> out
 *     columns first    source -> vertical -> a band of full-width rows -> horizontal -> out
 *
 * Columns come first when out_h < src_h and src_h - out_h > 2 * (src_w - out_w): tall pictures.
 *
 * A pass whose axis keeps its size is left out; nearest picks pixels and sums nothing. Rows-first
 * streams: the source may come in bands while it is decoded (sk_resizer_begin and on). Kernels take
 * kernels->band rows at once; rows of a band that does not fill it are copied aside until the next
 * band comes.
 *
 * Invariants: every source row in first .. end - 1 meets the horizontal pass exactly once, in
 * order; no side exceeds SK_LIMIT_SIDE, so that weights and scratch stay within a few megabytes.
 */
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "image/image_priv.h"

#include <assert.h>

enum {
    TAPS_CACHED = 8,
    BAND_MAX = 16,
    LINE = 64
};

/* Memory that grows and is reused; contents are lost when it grows. 64-byte aligned. */
struct room {
    uint8_t *bytes;
    size_t cap;
};

struct sk_resizer {
    struct sk_taps taps[TAPS_CACHED];
    uint64_t used[TAPS_CACHED]; /* when last used, for replacement; 0: empty */
    uint64_t clock;

    struct room middle, staged, scratch;

    /* The resize in flight. */
    const struct sk_kernels *kernels;
    const struct sk_taps *across, *down; /* NULL: that axis keeps its size */
    struct sk_resize to;
    struct sk_image *dst;
    uint32_t src_w, first, end; /* source width; the source rows needed */
    uint32_t next;              /* first row that the horizontal pass has not seen */
    uint32_t waiting;           /* rows next .. next + waiting - 1 are in staged */
    size_t staged_stride;
    uint8_t *out; /* where the horizontal pass of row `first` goes */
    size_t out_stride;
};

static int make_room(struct room *room, size_t rows, size_t stride, struct sk_err *err)
{
    size_t bytes = 0;
    if (!sk_mul_size(rows, stride, &bytes) || !sk_add_size(bytes, SK_BAND_SLACK + LINE - 1, &bytes))
        return sk_nomem(err);
    bytes = bytes / LINE * LINE;
    if (bytes <= room->cap)
        return 0;
    uint8_t *fresh = aligned_alloc(LINE, bytes);
    if (!fresh)
        return sk_nomem(err);
    memset(fresh + bytes - SK_BAND_SLACK, 0, SK_BAND_SLACK);
    free(room->bytes);
    *room = (struct room){ fresh, bytes };
    return 0;
}

struct sk_resizer *sk_resizer_new(void)
{
    return calloc(1, sizeof(struct sk_resizer));
}

void sk_resizer_free(struct sk_resizer *r)
{
    if (!r)
        return;
    for (int i = 0; i < TAPS_CACHED; i++)
        sk_taps_done(&r->taps[i]);
    free(r->middle.bytes);
    free(r->staged.bytes);
    free(r->scratch.bytes);
    free(r);
}

static bool is_for(const struct sk_taps *t, const struct sk_axis *axis,
                   const struct sk_kernels *kernels)
{
    const struct sk_axis *a = &t->axis;
    return t->memory && t->kernels == kernels && a->in == axis->in && a->out == axis->out &&
           a->first == axis->first && a->outputs == axis->outputs && a->filter == axis->filter &&
           a->rows == axis->rows;
}

/* The weights from the cache, or made in the place of those unused for longest. */
static int find_taps(struct sk_resizer *r, const struct sk_axis *axis, const struct sk_taps **found,
                     struct sk_err *err)
{
    int oldest = 0;
    for (int i = 0; i < TAPS_CACHED; i++) {
        if (is_for(&r->taps[i], axis, r->kernels)) {
            r->used[i] = ++r->clock;
            *found = &r->taps[i];
            return 0;
        }
        oldest = r->used[i] < r->used[oldest] ? i : oldest;
    }
    sk_taps_done(&r->taps[oldest]);
    r->used[oldest] = 0;
    if (sk_taps_init(&r->taps[oldest], axis, r->kernels, err) < 0)
        return -1;
    r->used[oldest] = ++r->clock;
    *found = &r->taps[oldest];
    return 0;
}

int sk_resizer_check(uint32_t src_w, uint32_t src_h, struct sk_resize *to, struct sk_err *err)
{
    struct sk_resize t = *to;
    if (t.w == 0) {
        t.x = t.y = 0;
        t.w = t.out_w;
        t.h = t.out_h;
    }
    if (src_w == 0 || src_h == 0 || t.out_w == 0 || t.out_h == 0)
        return sk_fail(err, SK_INVALID, "resize: %u x %u to %u x %u: a side is empty", src_w, src_h,
                       t.out_w, t.out_h);
    if (src_w > SK_LIMIT_SIDE || src_h > SK_LIMIT_SIDE || t.out_w > SK_LIMIT_SIDE ||
        t.out_h > SK_LIMIT_SIDE)
        return sk_fail(err, SK_LIMIT, "resize: %u x %u to %u x %u: a side exceeds %u pixels", src_w,
                       src_h, t.out_w, t.out_h, SK_LIMIT_SIDE);
    if ((unsigned)t.filter >= SK_FILTER_COUNT)
        return sk_fail(err, SK_INVALID, "resize: unknown filter %d", (int)t.filter);
    if (t.h == 0 || t.x > t.out_w || t.w > t.out_w - t.x || t.y > t.out_h || t.h > t.out_h - t.y)
        return sk_fail(err, SK_INVALID, "resize: window %u x %u at %u,%u is outside %u x %u", t.w,
                       t.h, t.x, t.y, t.out_w, t.out_h);
    if ((uint64_t)t.w * t.h > SK_LIMIT_PIXELS)
        return sk_fail(err, SK_LIMIT, "resize: %u x %u pixels exceed %u", t.w, t.h,
                       SK_LIMIT_PIXELS);
    *to = t;
    return 0;
}

/* Weights for the axes that change, scratch for the horizontal pass. */
static int prepare(struct sk_resizer *r, uint32_t src_w, uint32_t src_h, const struct sk_resize *to,
                   struct sk_err *err)
{
    r->kernels = sk_kernels();
    r->across = r->down = NULL;
    assert(r->kernels->band <= BAND_MAX);
    r->to = *to;
    if (sk_resizer_check(src_w, src_h, &r->to, err) < 0)
        return -1;
    if (r->to.filter == SK_FILTER_NEAREST)
        return 0;
    const struct sk_resize *t = &r->to;
    const struct sk_axis across = { src_w, t->out_w, t->x, t->w, t->filter, false };
    const struct sk_axis down = { src_h, t->out_h, t->y, t->h, t->filter, true };
    if (t->out_w != src_w && find_taps(r, &across, &r->across, err) < 0)
        return -1;
    if (t->out_h != src_h && find_taps(r, &down, &r->down, err) < 0)
        return -1;
    if (r->across && r->kernels->scratch_bytes)
        return make_room(&r->scratch, 1, r->kernels->scratch_bytes(src_w), err);
    return 0;
}

/* ---- rows first, streaming ---- */

static bool is_columns_first(uint32_t src_w, uint32_t src_h, const struct sk_resize *to)
{
    int64_t narrower = (int64_t)src_w - to->out_w, lower = (int64_t)src_h - to->out_h;
    return lower > 0 && lower > 2 * narrower && narrower != 0;
}

bool sk_resizer_streams(uint32_t src_w, uint32_t src_h, const struct sk_resize *to)
{
    bool same = to->out_w == src_w && to->out_h == src_h;
    return same || (to->filter != SK_FILTER_NEAREST && !is_columns_first(src_w, src_h, to));
}

int sk_resizer_begin(struct sk_resizer *r, uint32_t src_w, uint32_t src_h,
                     const struct sk_resize *to, struct sk_image *dst, uint32_t *first,
                     uint32_t *end, struct sk_err *err)
{
    assert(sk_resizer_streams(src_w, src_h, to));
    if (prepare(r, src_w, src_h, to, err) < 0 || sk_image_alloc(dst, r->to.w, r->to.h, err) < 0)
        return -1;
    const struct sk_taps *down = r->down;
    uint32_t last = r->to.h - 1;
    r->first = down ? down->start[0] : r->to.y;
    r->end = down ? down->start[last] + down->count[last] : r->to.y + r->to.h;
    r->out_stride = (size_t)r->to.w * 3;
    r->out = dst->pixels;
    if (down) {
        if (make_room(&r->middle, r->end - r->first, r->out_stride, err) < 0)
            return -1;
        r->out = r->middle.bytes;
    }
    r->staged_stride = ((size_t)src_w * 3 + LINE - 1) / LINE * LINE;
    if (r->across && make_room(&r->staged, r->kernels->band, r->staged_stride, err) < 0)
        return -1;
    r->dst = dst;
    r->src_w = src_w;
    r->next = r->first;
    r->waiting = 0;
    *first = r->first;
    *end = r->end;
    return 0;
}

/* The horizontal pass, or the copy in its place, for count <= band rows from row next on. */
static void pass_rows(struct sk_resizer *r, const uint8_t *const *src, uint32_t count)
{
    uint8_t *out = r->out + (size_t)(r->next - r->first) * r->out_stride;
    if (r->across)
        r->kernels->horizontal(r->across, src, count, out, r->out_stride, r->scratch.bytes);
    else
        for (uint32_t i = 0; i < count; i++)
            memcpy(out + i * r->out_stride, src[i] + (size_t)r->to.x * 3, r->out_stride);
    r->next += count;
}

void sk_resizer_rows(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t y,
                     uint32_t count)
{
    uint32_t from = r->next + r->waiting;
    uint32_t stop = y + count < r->end ? y + count : r->end;
    assert(y <= from);
    while (from < stop) {
        const uint8_t *src[BAND_MAX];
        uint32_t band = r->kernels->band;
        uint32_t fresh = stop - from < band - r->waiting ? stop - from : band - r->waiting;
        bool full = r->waiting + fresh == band || from + fresh == r->end || !r->across;
        for (uint32_t i = 0; i < r->waiting; i++)
            src[i] = r->staged.bytes + i * r->staged_stride;
        for (uint32_t i = 0; i < fresh; i++)
            src[r->waiting + i] = rgb + (from - y + i) * stride;
        from += fresh;
        if (full) {
            pass_rows(r, src, r->waiting + fresh);
            r->waiting = 0;
            continue;
        }
        for (uint32_t i = 0; i < fresh; i++)
            memcpy(r->staged.bytes + (r->waiting + i) * r->staged_stride, src[r->waiting + i],
                   (size_t)r->src_w * 3);
        r->waiting += fresh;
    }
}

void sk_resizer_finish(struct sk_resizer *r)
{
    assert(r->next == r->end);
    for (uint32_t i = 0; r->down && i < r->to.h; i++) {
        uint32_t row = r->down->start[i] - r->first;
        r->kernels->vertical(r->down, i, r->middle.bytes + row * r->out_stride, r->out_stride,
                             r->out_stride, r->dst->pixels + i * r->out_stride);
    }
}

/* ---- whole pictures ---- */

/* Pillow steps through the source by adding the scale, so that rounding errors add up the same way
 * here. */
static void nearest_positions(uint32_t in, uint32_t out, uint32_t first, uint32_t count,
                              uint32_t *at)
{
    double scale = (double)(float)in / out;
    double position = 0.0f + scale * 0.5;
    for (uint32_t i = 0; i < first + count; i++) {
        uint32_t p = (uint32_t)position;
        if (i >= first)
            at[i - first] = p < in ? p : in - 1;
        position += scale;
    }
}

static int nearest(const struct sk_image *src, const struct sk_resize *to, struct sk_image *dst,
                   struct sk_err *err)
{
    SK_AUTO(free_cleanup) uint32_t *at = calloc((size_t)to->w + to->h, sizeof *at);
    if (!at)
        return sk_nomem(err);
    uint32_t *row_at = at + to->w;
    nearest_positions(src->width, to->out_w, to->x, to->w, at);
    nearest_positions(src->height, to->out_h, to->y, to->h, row_at);
    uint8_t *out = dst->pixels;
    for (uint32_t y = 0; y < to->h; y++) {
        const uint8_t *row = src->pixels + (size_t)row_at[y] * src->width * 3;
        for (uint32_t x = 0; x < to->w; x++, out += 3)
            memcpy(out, row + (size_t)at[x] * 3, 3);
    }
    return 0;
}

/* Vertical pass into a band of rows as wide as the taps of the window reach, then the horizontal
 * pass. */
static int columns_first(struct sk_resizer *r, const struct sk_image *src, struct sk_image *dst,
                         struct sk_err *err)
{
    size_t src_stride = (size_t)src->width * 3, out_stride = (size_t)r->to.w * 3;
    size_t stride = (src_stride + LINE - 1) / LINE * LINE;
    uint32_t band = r->kernels->band, last = r->to.w - 1;
    uint32_t left = r->across->start[0], right = r->across->start[last] + r->across->count[last];
    size_t skip = (size_t)left * 3, bytes = (size_t)(right - left) * 3;
    if (make_room(&r->staged, band, stride, err) < 0)
        return -1;
    for (uint32_t y = 0; y < r->to.h; y += band) {
        const uint8_t *rows[BAND_MAX];
        uint32_t count = r->to.h - y < band ? r->to.h - y : band;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t from = r->down->start[y + i];
            uint8_t *row = r->staged.bytes + i * stride;
            r->kernels->vertical(r->down, y + i, src->pixels + from * src_stride + skip, src_stride,
                                 bytes, row + skip);
            rows[i] = row;
        }
        r->kernels->horizontal(r->across, rows, count, dst->pixels + y * out_stride, out_stride,
                               r->scratch.bytes);
    }
    return 0;
}

int sk_resizer_image(struct sk_resizer *r, const struct sk_image *src, const struct sk_resize *to,
                     struct sk_image *dst, struct sk_err *err)
{
    if (sk_resizer_streams(src->width, src->height, to)) {
        uint32_t first = 0, end = 0;
        if (sk_resizer_begin(r, src->width, src->height, to, dst, &first, &end, err) < 0)
            return -1;
        size_t stride = (size_t)src->width * 3;
        sk_resizer_rows(r, src->pixels + first * stride, stride, first, end - first);
        sk_resizer_finish(r);
        return 0;
    }
    if (prepare(r, src->width, src->height, to, err) < 0 ||
        sk_image_alloc(dst, r->to.w, r->to.h, err) < 0)
        return -1;
    return to->filter == SK_FILTER_NEAREST ? nearest(src, &r->to, dst, err)
                                           : columns_first(r, src, dst, err);
}

int sk_image_resize(const struct sk_image *src, const struct sk_resize *to, struct sk_image *dst,
                    struct sk_err *err)
{
    struct sk_resizer *r = sk_resizer_new();
    if (!r)
        return sk_nomem(err);
    int rc = sk_resizer_image(r, src, to, dst, err);
    sk_resizer_free(r);
    return rc;
}
