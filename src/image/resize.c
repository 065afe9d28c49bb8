/*
 * resize.c - separable resampling of 8-bit RGB that takes its source in bands of rows.
 *
 * Each output pixel is a weighted sum of source pixels: one pass along rows, one across them, each
 * rounded to 8 bits once. Which pass comes first shows in the last bit, so the order is Pillow's
 * (13.0; measured, 4000 sizes). Both orders stream, the picture itself is never stored:
 *
 *     rows first       band -> horizontal -> middle (narrow rows, all) -> vertical -> result
 *     columns first    band -> held (as many rows as taps reach) -> vertical -> staged (full-width
 *                      rows, a band) -> horizontal -> result
 *
 * Columns come first when out_h < src_h and src_h - out_h > 2 * (src_w - out_w): tall pictures. A
 * pass whose axis keeps its size is left out; nearest picks pixels and sums nothing.
 *
 * Turning a picture upright costs nothing extra: the axes of the source are resized as the upright
 * picture's would be (weights mirrored, passes in the other order where the sides swap), and the
 * small result is turned.
 *
 * Kernels take kernels->band rows at once; rows that do not fill a band are copied aside (staged)
 * until the next ones come.
 *
 * Invariants: every source row in first .. end - 1 is taken exactly once, in order; no side exceeds
 * SK_LIMIT_SIDE, so weights and scratch stay within a few megabytes.
 */
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/str.h"
#include "image/image_priv.h"

#include <assert.h>

enum {
    TAPS_CACHED = 8,
    BAND_MAX = 16,
    NEARLY = 2, /* a band that lacks so few rows is better run than copied aside */
    LINE = 64
};

/* Memory that grows and is reused; contents are lost when it grows. 64-byte aligned. */
struct room {
    uint8_t *bytes;
    size_t cap;
};

struct order;

struct sk_resizer {
    struct sk_taps taps[TAPS_CACHED];
    uint64_t used[TAPS_CACHED]; /* when last used, for replacement; 0: empty */
    uint64_t clock;
    struct room middle, held, staged, scratch, picks;
    struct sk_image turned;

    /* The resize in flight. */
    const struct order *order;
    const struct sk_kernels *kernels;
    const struct sk_taps *across, *down; /* NULL: that axis keeps its size */
    struct sk_image *dst;
    int orientation;
    uint32_t src_w, x;         /* width of the source; first column kept when across is NULL */
    uint32_t w, h;             /* the result, as the source lies */
    uint32_t first, end, next; /* source rows needed; the next one to come */
    uint32_t staged_rows;      /* rows in staged, of the source or from the vertical pass */
    uint32_t done;             /* rows of the result that have been made or are staged */
    uint32_t held_first, held_rows, held_cap; /* source rows in held */
    uint32_t *row_at, *column_at;             /* in picks: nearest's source rows and columns */
    size_t stride, staged_stride;             /* of the result and middle; of staged and held */
};

/* How the passes follow each other. take is given `count` rows from row next on. */
struct order {
    int (*begin)(struct sk_resizer *r, const struct sk_axis *x, const struct sk_axis *y,
                 struct sk_err *err);
    void (*take)(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t count);
    void (*finish)(struct sk_resizer *r); /* NULL: the last take completes the result */
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
    free(r->held.bytes);
    free(r->staged.bytes);
    free(r->scratch.bytes);
    free(r->picks.bytes);
    sk_image_done(&r->turned);
    free(r);
}

static bool is_for(const struct sk_taps *t, const struct sk_axis *axis,
                   const struct sk_kernels *kernels)
{
    const struct sk_axis *a = &t->axis;
    return t->memory && t->kernels == kernels && a->in == axis->in && a->out == axis->out &&
           a->first == axis->first && a->outputs == axis->outputs && a->filter == axis->filter &&
           a->is_mirrored == axis->is_mirrored && a->rows == axis->rows;
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

/* ---- rows first ---- */

static int rows_first_begin(struct sk_resizer *r, const struct sk_axis *x, const struct sk_axis *y,
                            struct sk_err *err)
{
    (void)x, (void)y;
    if (r->down && make_room(&r->middle, r->end - r->first, r->stride, err) < 0)
        return -1;
    return r->across ? make_room(&r->staged, r->kernels->band, r->staged_stride, err) : 0;
}

/* The horizontal pass, or the copy in its place, for the staged rows and those after them. */
static void pass_rows(struct sk_resizer *r, const uint8_t *const *src, uint32_t count)
{
    uint8_t *out = r->down ? r->middle.bytes : r->dst->pixels;
    out += (size_t)(r->next - r->staged_rows - r->first) * r->stride;
    if (r->across)
        r->kernels->horizontal(r->across, src, count, out, r->stride, r->scratch.bytes);
    else
        for (uint32_t i = 0; i < count; i++)
            memcpy(out + i * r->stride, src[i] + (size_t)r->x * 3, r->stride);
}

static void rows_first_take(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t count)
{
    while (count > 0) {
        const uint8_t *src[BAND_MAX];
        uint32_t space = r->kernels->band - r->staged_rows, fresh = count < space ? count : space;
        for (uint32_t i = 0; i < r->staged_rows; i++)
            src[i] = r->staged.bytes + i * r->staged_stride;
        for (uint32_t i = 0; i < fresh; i++)
            src[r->staged_rows + i] = rgb + i * stride;
        if (fresh + NEARLY >= space || r->next + fresh == r->end || !r->across) {
            pass_rows(r, src, r->staged_rows + fresh);
            r->staged_rows = 0;
        } else {
            for (uint32_t i = 0; i < fresh; i++)
                memcpy(r->staged.bytes + (r->staged_rows + i) * r->staged_stride, rgb + i * stride,
                       (size_t)r->src_w * 3);
            r->staged_rows += fresh;
        }
        r->next += fresh;
        rgb += fresh * stride;
        count -= fresh;
    }
}

static void rows_first_finish(struct sk_resizer *r)
{
    for (uint32_t i = 0; r->down && i < r->h; i++)
        r->kernels->vertical(r->down, i,
                             r->middle.bytes + (r->down->start[i] - r->first) * r->stride,
                             r->stride, r->stride, r->dst->pixels + i * r->stride);
}

static const struct order rows_first = { rows_first_begin, rows_first_take, rows_first_finish };

/* ---- columns first ---- */

static int columns_first_begin(struct sk_resizer *r, const struct sk_axis *x,
                               const struct sk_axis *y, struct sk_err *err)
{
    (void)x, (void)y;
    r->held_first = r->first;
    r->held_rows = 0;
    r->held_cap = 2 * r->down->ksize + BAND_MAX; /* at least half is free after a slide */
    if (make_room(&r->held, r->held_cap, r->staged_stride, err) < 0)
        return -1;
    return make_room(&r->staged, r->kernels->band, r->staged_stride, err);
}

/* The columns that the taps of the window reach. */
static size_t reach(const struct sk_taps *across, size_t *bytes)
{
    uint32_t last = across->axis.outputs - 1;
    *bytes = (size_t)(across->start[last] + across->count[last] - across->start[0]) * 3;
    return (size_t)across->start[0] * 3;
}

/* All that can be done with source rows from .. until - 1, which lie at rgb. */
static void pass_columns(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t from,
                         uint32_t until)
{
    const struct sk_taps *down = r->down;
    size_t bytes = 0, skip = reach(r->across, &bytes);
    while (r->done < r->h && down->start[r->done] + down->count[r->done] <= until) {
        r->kernels->vertical(down, r->done, rgb + (down->start[r->done] - from) * stride + skip,
                             stride, bytes,
                             r->staged.bytes + r->staged_rows * r->staged_stride + skip);
        r->done++;
        r->staged_rows++;
        if (r->staged_rows < r->kernels->band && r->done < r->h)
            continue;
        const uint8_t *rows[BAND_MAX];
        for (uint32_t i = 0; i < r->staged_rows; i++)
            rows[i] = r->staged.bytes + i * r->staged_stride;
        r->kernels->horizontal(r->across, rows, r->staged_rows,
                               r->dst->pixels + (r->done - r->staged_rows) * r->stride, r->stride,
                               r->scratch.bytes);
        r->staged_rows = 0;
    }
}

/* Moves the held rows that are still needed to the front. */
static void slide(struct sk_resizer *r)
{
    uint32_t needed = r->done < r->h ? r->down->start[r->done] : r->next;
    uint32_t gone = needed < r->next ? needed - r->held_first : r->held_rows;
    r->held_first += gone;
    r->held_rows -= gone;
    memmove(r->held.bytes, r->held.bytes + gone * r->staged_stride,
            r->held_rows * r->staged_stride);
}

static void columns_first_take(struct sk_resizer *r, const uint8_t *rgb, size_t stride,
                               uint32_t count)
{
    if (r->next == r->first && r->next + count == r->end) { /* the whole picture: nothing to hold */
        pass_columns(r, rgb, stride, r->first, r->end);
        r->next = r->end;
        return;
    }
    while (count > 0) {
        if (r->held_rows == r->held_cap)
            slide(r);
        uint32_t space = r->held_cap - r->held_rows, fresh = count < space ? count : space;
        for (uint32_t i = 0; i < fresh; i++)
            memcpy(r->held.bytes + (r->held_rows + i) * r->staged_stride, rgb + i * stride,
                   (size_t)r->src_w * 3);
        r->held_rows += fresh;
        r->next += fresh;
        rgb += fresh * stride;
        count -= fresh;
        pass_columns(r, r->held.bytes, r->staged_stride, r->held_first, r->next);
    }
}

static const struct order columns_first = { columns_first_begin, columns_first_take, NULL };

/* ---- nearest ---- */

/* Pillow steps through the source by adding the scale, so rounding errors add up the same way. */
static void pick(const struct sk_axis *axis, uint32_t *at)
{
    double scale = (double)(float)axis->in / axis->out;
    double position = 0.0f + scale * 0.5;
    for (uint32_t i = 0; i < axis->first + axis->outputs; i++, position += scale) {
        if (i < axis->first)
            continue;
        uint32_t n = i - axis->first, p = (uint32_t)position;
        p = p < axis->in ? p : axis->in - 1;
        at[axis->is_mirrored ? axis->outputs - 1 - n : n] = axis->is_mirrored ? axis->in - 1 - p
                                                                              : p;
    }
}

static int nearest_begin(struct sk_resizer *r, const struct sk_axis *x, const struct sk_axis *y,
                         struct sk_err *err)
{
    if (make_room(&r->picks, (size_t)r->w + r->h, sizeof(uint32_t), err) < 0)
        return -1;
    assert(r->picks.bytes);
    r->row_at = (uint32_t *)(void *)r->picks.bytes;
    r->column_at = r->row_at + r->h;
    pick(x, r->column_at);
    pick(y, r->row_at);
    r->first = r->row_at[0];
    r->end = r->row_at[r->h - 1] + 1;
    return 0;
}

static void nearest_take(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t count)
{
    for (; count > 0; count--, r->next++, rgb += stride) {
        for (; r->done < r->h && r->row_at[r->done] == r->next; r->done++) {
            uint8_t *out = r->dst->pixels + r->done * r->stride;
            for (uint32_t x = 0; x < r->w; x++)
                memcpy(out + (size_t)x * 3, rgb + (size_t)r->column_at[x] * 3, 3);
        }
    }
}

static const struct order nearest = { nearest_begin, nearest_take, NULL };

/* ---- any order ---- */

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

/* Pillow's choice, of the upright picture. */
static bool is_columns_first(uint32_t w, uint32_t h, const struct sk_resize *to)
{
    int64_t narrower = (int64_t)w - to->out_w, lower = (int64_t)h - to->out_h;
    return lower > 0 && lower > 2 * narrower;
}

/* Where the sides of the source lie in the upright picture (EXIF orientation 1..8). */
struct turn {
    bool swaps, mirrors_x, mirrors_y;
};

static struct turn turn_of(int orientation)
{
    return (struct turn){
        .swaps = orientation >= 5,
        .mirrors_x = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8,
        .mirrors_y = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7,
    };
}

/* The axes of the source, with what the upright picture wants of them. */
static void find_axes(const struct turn *turn, uint32_t src_w, uint32_t src_h,
                      const struct sk_resize *to, struct sk_axis *x, struct sk_axis *y)
{
    *x = (struct sk_axis){ src_w, to->out_w, to->x, to->w, to->filter, turn->mirrors_x, false };
    *y = (struct sk_axis){ src_h, to->out_h, to->y, to->h, to->filter, turn->mirrors_y, true };
    if (turn->swaps) {
        *x = (struct sk_axis){ src_w, to->out_h, to->y, to->h, to->filter, turn->mirrors_x, false };
        *y = (struct sk_axis){ src_h, to->out_w, to->x, to->w, to->filter, turn->mirrors_y, true };
    }
}

/* Where an axis that keeps its size begins. */
static uint32_t kept_first(const struct sk_axis *axis)
{
    return axis->is_mirrored ? axis->in - axis->first - axis->outputs : axis->first;
}

/* Weights for the axes that change, and the rows that they need. */
static int prepare(struct sk_resizer *r, const struct sk_axis *x, const struct sk_axis *y,
                   struct sk_err *err)
{
    r->across = r->down = NULL;
    if (x->in != x->out && find_taps(r, x, &r->across, err) < 0)
        return -1;
    if (y->in != y->out && find_taps(r, y, &r->down, err) < 0)
        return -1;
    if (r->across && r->kernels->scratch_bytes &&
        make_room(&r->scratch, 1, r->kernels->scratch_bytes(x->in), err) < 0)
        return -1;
    uint32_t last = y->outputs - 1;
    r->x = kept_first(x);
    r->first = r->down ? r->down->start[0] : kept_first(y);
    r->end = r->down ? r->down->start[last] + r->down->count[last] : r->first + y->outputs;
    return 0;
}

int sk_resizer_begin(struct sk_resizer *r, uint32_t src_w, uint32_t src_h, int orientation,
                     const struct sk_resize *resize, struct sk_image *dst, struct sk_err *err)
{
    const struct turn turn = turn_of(orientation);
    uint32_t up_w = turn.swaps ? src_h : src_w, up_h = turn.swaps ? src_w : src_h;
    struct sk_resize to = *resize;
    struct sk_axis x, y;
    if (sk_resizer_check(up_w, up_h, &to, err) < 0)
        return -1;
    find_axes(&turn, src_w, src_h, &to, &x, &y);
    r->kernels = sk_kernels();
    assert(r->kernels->band <= BAND_MAX);
    r->dst = dst;
    r->orientation = orientation;
    r->src_w = src_w;
    r->w = x.outputs;
    r->h = y.outputs;
    r->stride = (size_t)r->w * 3;
    r->staged_stride = ((size_t)src_w * 3 + LINE - 1) / LINE * LINE;
    r->staged_rows = r->done = 0;
    if (to.filter == SK_FILTER_NEAREST && (x.in != x.out || y.in != y.out)) {
        r->order = &nearest;
    } else if (prepare(r, &x, &y, err) < 0) {
        return -1;
    } else {
        /* With one pass there is no order. */
        bool columns = is_columns_first(up_w, up_h, &to) != turn.swaps;
        r->order = columns && r->across && r->down ? &columns_first : &rows_first;
    }
    if (r->order->begin(r, &x, &y, err) < 0 || sk_image_alloc(dst, r->w, r->h, err) < 0)
        return -1;
    r->next = r->first;
    return 0;
}

void sk_resizer_rows(struct sk_resizer *r, const uint8_t *rgb, size_t stride, uint32_t y,
                     uint32_t count)
{
    uint32_t end = y + count < r->end ? y + count : r->end;
    assert(y <= r->next || r->next == r->end);
    if (r->next < end)
        r->order->take(r, rgb + (r->next - y) * stride, stride, end - r->next);
}

int sk_resizer_finish(struct sk_resizer *r, struct sk_err *err)
{
    assert(r->next == r->end);
    if (r->order->finish)
        r->order->finish(r);
    return sk_image_orient(r->dst, r->orientation, &r->turned, err);
}

int sk_image_resize(const struct sk_image *src, const struct sk_resize *to, struct sk_image *dst,
                    struct sk_err *err)
{
    SK_OWN(sk_resizer_free) struct sk_resizer *r = sk_resizer_new();
    if (!r)
        return sk_nomem(err);
    if (sk_resizer_begin(r, src->width, src->height, 1, to, dst, err) < 0)
        return -1;
    sk_resizer_rows(r, src->pixels, (size_t)src->width * 3, 0, src->height);
    return sk_resizer_finish(r, err);
}
