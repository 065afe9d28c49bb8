/*
 * formats.c - the picture formats, and the way from bytes to pixels.
 *
 * The first bytes choose the format; its probe reads the size from the headers; the limits are
 * checked; only then does its decode run. Invariant: no memory in proportion to the picture is
 * taken before the limits are checked.
 */
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/limits.h"
#include "image/decode_priv.h"

#include <assert.h>

static const struct sk_format *const sk_formats[] = {
    &sk_format_jpeg, &sk_format_png,  &sk_format_webp, &sk_format_bmp,
    &sk_format_gif,  &sk_format_tiff, &sk_format_pnm,
};

enum {
    FORMAT_COUNT = sizeof sk_formats / sizeof sk_formats[0]
};

const char *sk_image_formats(void)
{
    return "jpeg, png, webp, bmp, gif, tiff, pnm";
}

static int check_size(const struct sk_image_info *info, uint64_t max_pixels, struct sk_err *err)
{
    if (info->width == 0 || info->height == 0)
        return sk_fail(err, SK_CORRUPT, "%s: %u x %u: a picture has at least one pixel",
                       info->format, info->width, info->height);
    uint64_t limit = max_pixels > 0 ? max_pixels : SK_LIMIT_PIXELS;
    uint64_t pixels = (uint64_t)info->width * info->height;
    if (pixels > limit)
        return sk_fail(err, SK_LIMIT,
                       "%s: %u x %u is %llu pixels, more than the limit of %llu (max-pixels)",
                       info->format, info->width, info->height, (unsigned long long)pixels,
                       (unsigned long long)limit);
    return 0;
}

int sk_format_find(const uint8_t *bytes, size_t len, const struct sk_decode_options *opts,
                   const struct sk_format **format, struct sk_image_info *info, struct sk_err *err)
{
    if (len == 0)
        return sk_fail(err, SK_CORRUPT, "the picture is empty (0 bytes)");
    for (size_t i = 0; i < FORMAT_COUNT; i++) {
        const struct sk_format *f = sk_formats[i];
        if (!f->is(bytes, len))
            continue;
        struct sk_image_info found = { .format = f->name, .orientation = 1 };
        if (f->probe(bytes, len, &found, err) < 0)
            return sk_wrap(err, "%s", f->name);
        if (check_size(&found, opts->max_pixels, err) < 0)
            return -1;
        *format = f;
        *info = found;
        return 0;
    }
    return sk_fail(err, SK_UNSUPPORTED_MEDIA, "not a picture in a known format (%s)",
                   sk_image_formats());
}

int sk_image_probe(const void *bytes, size_t len, struct sk_image_info *out, struct sk_err *err)
{
    const struct sk_format *format = NULL;
    const struct sk_decode_options opts = { .max_pixels = UINT64_MAX };
    return sk_format_find(bytes, len, &opts, &format, out, err);
}

int sk_deadline_check(uint64_t deadline_ns, uint64_t now_ns, struct sk_err *err)
{
    if (deadline_ns != 0 && now_ns > deadline_ns)
        return sk_fail(err, SK_TIMEOUT, "the deadline passed while the picture was decoded");
    return 0;
}

/* ---- collecting a whole picture ---- */

static int check_collector(const struct sk_collector *c, struct sk_err *err)
{
    return c->deadline_ns == 0 ? 0 : sk_deadline_check(c->deadline_ns, sk_now_ns(), err);
}

static int collect_begin(struct sk_sink *sink, uint32_t width, uint32_t height, struct sk_err *err)
{
    struct sk_collector *c = (struct sk_collector *)sink;
    if (check_collector(c, err) < 0)
        return -1;
    return sk_image_alloc(c->img, width, height, err);
}

static int collect_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y,
                        uint32_t count, struct sk_err *err)
{
    struct sk_collector *c = (struct sk_collector *)sink;
    if (check_collector(c, err) < 0)
        return -1;
    size_t row = (size_t)c->img->width * 3;
    uint8_t *to = c->img->pixels + y * row;
    if (stride == row) {
        memcpy(to, rgb, row * count);
        return 0;
    }
    for (uint32_t i = 0; i < count; i++)
        memcpy(to + i * row, rgb + i * stride, row);
    return 0;
}

void sk_collector_init(struct sk_collector *c, struct sk_image *img)
{
    *c = (struct sk_collector){ .sink = { collect_begin, collect_rows }, .img = img };
}

int sk_format_collect(const struct sk_format *format, const struct sk_decode *d,
                      struct sk_image *img, struct sk_image *tmp, struct sk_err *err)
{
    struct sk_collector c;
    sk_collector_init(&c, img);
    c.deadline_ns = d->opts->deadline_ns;
    if (format->decode(d, &c.sink, err) < 0)
        return sk_wrap(err, "%s", format->name);
    if (d->opts->exif_orientation && d->info->orientation > 1)
        return sk_image_orient(img, d->info->orientation, tmp, err);
    return 0;
}

int sk_image_decode(const void *bytes, size_t len, const struct sk_decode_options *opts,
                    struct sk_image *img, struct sk_decode_report *report, struct sk_err *err)
{
    const struct sk_decode_options o = opts ? *opts : (struct sk_decode_options){ 0 };
    const struct sk_format *format = NULL;
    struct sk_decode_report r = { 0 };
    uint64_t start = sk_now_ns();
    if (sk_format_find(bytes, len, &o, &format, &r.info, err) < 0)
        return -1;
    assert(format);
    const struct sk_decode d = {
        .bytes = bytes, .len = len, .opts = &o, .info = &r.info, .report = &r
    };
    SK_AUTO(sk_image_done) struct sk_image tmp = { 0 };
    if (sk_format_collect(format, &d, img, &tmp, err) < 0)
        return -1;
    r.decode_ns = sk_now_ns() - start;
    if (report)
        *report = r;
    return 0;
}
