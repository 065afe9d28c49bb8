/*
 * fused.c - decode and resize in one go, with the scratch of one thread.
 *
 * The headers give the size, the caller's plan the target, and the decoder's bands of rows go
 * through the resizer while they are in the cache; the picture itself is never stored:
 *
 *     decoder -> rows -> sk_resizer_rows -> sk_resizer_finish -> result
 *
 * Invariant: the result equals sk_image_decode followed by sk_image_resize, and a picture that the
 * former refuses is refused: rows below the last one needed are still decoded, they may be broken.
 */
#include "base/clock.h"
#include "image/image_priv.h"

struct sk_image_work {
    struct sk_resizer *resizer;
    struct sk_jpeg_fast *fast;
};

struct sk_image_work *sk_image_work_new(void)
{
    struct sk_image_work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    work->resizer = sk_resizer_new();
    work->fast = sk_jpeg_fast_new();
    if (work->resizer && work->fast)
        return work;
    sk_image_work_free(work);
    return NULL;
}

void sk_image_work_free(struct sk_image_work *work)
{
    if (!work)
        return;
    sk_resizer_free(work->resizer);
    sk_jpeg_fast_free(work->fast);
    free(work);
}

/* The sink that resizes. */
struct fused {
    struct sk_sink sink; /* first: the decoder's pointer is ours */
    const struct sk_resize *to;
    const struct sk_image_info *info; /* the size that the plan was told */
    int orientation;
    struct sk_resizer *resizer;
    struct sk_image *dst;
    uint64_t deadline_ns;
    uint64_t resize_ns;
};

/* A decode that starts over begins again: the resizer forgets what it had. */
static int fused_begin(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err)
{
    struct fused *f = (struct fused *)sink;
    uint64_t start = sk_now_ns();
    if (sk_deadline_check(f->deadline_ns, start, err) < 0)
        return -1;
    if (width != f->info->width || height != f->info->height)
        return sk_fail(err, SK_CORRUPT, "%u x %u pixels where the header says %u x %u", width,
                       height, f->info->width, f->info->height);
    if (sk_resizer_begin(f->resizer, width, height, f->orientation, f->to, f->dst, err) < 0)
        return -1;
    f->resize_ns += sk_now_ns() - start;
    return 0;
}

static int fused_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y,
                      uint32_t count, struct sk_err *err)
{
    struct fused *f = (struct fused *)sink;
    uint64_t start = sk_now_ns();
    if (sk_deadline_check(f->deadline_ns, start, err) < 0)
        return -1;
    sk_resizer_rows(f->resizer, rgb, stride, y, count);
    f->resize_ns += sk_now_ns() - start;
    return 0;
}

static int run(const struct sk_format *format, const struct sk_decode *d, struct fused *f,
               struct sk_err *err)
{
    uint64_t start = sk_now_ns();
    if (format->decode(d, &f->sink, err) < 0)
        return sk_wrap(err, "%s", format->name);
    uint64_t decoded = sk_now_ns();
    if (sk_resizer_finish(f->resizer, err) < 0)
        return -1;
    d->report->decode_ns += decoded - start - f->resize_ns;
    d->report->resize_ns = f->resize_ns + (sk_now_ns() - decoded);
    return 0;
}

int sk_image_decode_resized(const void *bytes, size_t len, const struct sk_decode_options *opts,
                            sk_resize_plan *plan, void *ctx, bool two_threads,
                            struct sk_image_work *work, struct sk_image *dst,
                            struct sk_decode_report *report, struct sk_err *err)
{
    const struct sk_decode_options o = opts ? *opts : (struct sk_decode_options){ 0 };
    const struct sk_format *format = NULL;
    struct sk_decode_report r = { 0 };
    uint64_t start = sk_now_ns();
    if (sk_format_find(bytes, len, &o, &format, &r.info, err) < 0)
        return -1;
    r.decode_ns = sk_now_ns() - start;
    int orientation = o.exif_orientation ? r.info.orientation : 1;
    bool is_swapped = orientation >= 5; /* width becomes height */
    uint32_t width = is_swapped ? r.info.height : r.info.width;
    uint32_t height = is_swapped ? r.info.width : r.info.height;
    struct sk_resize to = { 0 };
    if (plan(ctx, width, height, &to, err) < 0 || sk_resizer_check(width, height, &to, err) < 0)
        return -1;

    const struct sk_decode d = {
        .bytes = bytes,
        .len = len,
        .opts = &o,
        .info = &r.info,
        .report = &r,
        .fast = work->fast,
        .two_threads = two_threads,
    };
    struct fused f = {
        .sink = { fused_begin, fused_rows },
        .to = &to,
        .info = &r.info,
        .orientation = orientation,
        .resizer = work->resizer,
        .dst = dst,
        .deadline_ns = o.deadline_ns,
    };
    if (run(format, &d, &f, err) < 0)
        return -1;
    if (report)
        *report = r;
    return 0;
}
