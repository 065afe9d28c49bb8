/*
 * prep.c - plans are made here, and pictures become tensors.
 *
 * One pass per picture: the decoder asks place_picture() for the target once it knows the size,
 * delivers the window's pixels in RGB, and a table look-up writes the tensor. What is outside the
 * window is never computed. Buffers live in the work structure and grow to the largest picture, so
 * a steady stream allocates nothing.
 */
#include "prep/prep.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/str.h"
#include "prep/prep_priv.h"

#include <string.h>

struct sk_prep_work {
    struct sk_image_work *image;
    struct sk_image window; /* pixels that the decoder delivers */
    struct sk_image canvas; /* the same with black around, when the crop is larger than the picture
                             */
    uint64_t deadline_ns;   /* of decoding; 0: none */
};

/* ---- plans ---- */

static bool is_side(int64_t dim)
{
    return dim == -1 || (dim >= 1 && dim <= SK_LIMIT_SIDE);
}

bool sk_prep_input_of(enum sk_dtype dtype, unsigned rank, const int64_t *dims,
                      struct sk_prep_input *out)
{
    const int64_t *d = rank == 4 ? dims + 1 : dims;
    int64_t height, width;
    bool is_last;

    if (dtype != SK_DT_F32 && dtype != SK_DT_F16 && dtype != SK_DT_U8)
        return false;
    if (rank != 3 && rank != 4)
        return false;
    /* Exporters leave even the channels open; then the usual order holds. Three free axes may be
     * anything. */
    if (d[0] == 3 || (rank == 4 && d[0] == -1 && d[2] != 3))
        is_last = false;
    else if (d[2] == 3)
        is_last = true;
    else
        return false;
    height = is_last ? d[0] : d[1];
    width = is_last ? d[1] : d[2];
    if (!is_side(height) || !is_side(width))
        return false;
    out->dtype = dtype;
    out->channels_last = is_last;
    out->height = height < 0 ? 0 : (uint32_t)height;
    out->width = width < 0 ? 0 : (uint32_t)width;
    return true;
}

/* Without a configuration: what most training scripts for ImageNet models do. */
static void set_defaults(struct sk_prep *p)
{
    p->resize.rule = SK_SIZE_EXACT;
    p->resize.a = p->input.height > 0 ? p->input.height : 224;
    p->resize.b = p->input.width > 0 ? p->input.width : 224;
    p->resize.filter = SK_FILTER_BICUBIC;
    p->rescale.is_on = true;
    p->rescale.factor = 1.0 / 255.0;
    p->normalise.is_on = true;
    memcpy(p->normalise.mean, sk_imagenet_mean, sizeof(p->normalise.mean));
    memcpy(p->normalise.std, sk_imagenet_std, sizeof(p->normalise.std));
}

static int read_config(const struct sk_json *config, struct sk_prep *p, struct sk_err *err)
{
    const struct sk_processor *processor;

    if (sk_json_type(config) != SK_JSON_OBJECT)
        return sk_fail(err, SK_INVALID, "expected an object, got %s",
                       sk_json_type_name(sk_json_type(config)));
    if (sk_prep_is_timm(config))
        return sk_prep_read_timm(config, p, err);
    if (sk_processor_find(config, &processor, err) < 0)
        return -1;
    for (size_t i = 0; sk_steps[i]; i++) {
        if (sk_steps[i]->read(config, processor, p, err) < 0)
            return -1;
    }
    return 0;
}

int sk_prep_new(const struct sk_json *config, const struct sk_prep_input *input,
                const struct sk_prep_extra *extra, struct sk_prep **out, struct sk_err *err)
{
    SK_OWN(sk_prep_free) struct sk_prep *p = calloc(1, sizeof(*p));

    if (!p)
        return sk_nomem(err);
    p->input = *input;
    if (extra) {
        p->decode.exif_orientation = extra->exif_orientation;
        p->decode.grey16 = extra->grey16;
    }
    if (!config)
        set_defaults(p);
    else if (read_config(config, p, err) < 0)
        return -1;
    if (sk_prep_finish(p, err) < 0)
        return -1;
    *out = SK_TAKE(p);
    return 0;
}

void sk_prep_free(struct sk_prep *p)
{
    free(p);
}

static size_t tensor_bytes(const struct sk_prep *p, uint32_t width, uint32_t height)
{
    return (size_t)width * height * 3 * sk_dtype_size(p->input.dtype); /* sides are at most 65500:
                                                                          no overflow */
}

bool sk_prep_is_fixed(const struct sk_prep *p, uint32_t *height, uint32_t *width, size_t *bytes)
{
    if (!p->is_fixed)
        return false;
    *height = p->height;
    *width = p->width;
    *bytes = tensor_bytes(p, p->width, p->height);
    return true;
}

int sk_prep_measure_pixels(const struct sk_prep *p, uint32_t width, uint32_t height, size_t *out,
                           struct sk_err *err)
{
    struct sk_frame f;

    if (sk_prep_place(p, width, height, &f, err) < 0)
        return -1;
    *out = tensor_bytes(p, f.out_w, f.out_h);
    return 0;
}

int sk_prep_measure(const struct sk_prep *p, const void *bytes, size_t len, uint64_t max_pixels,
                    size_t *out, struct sk_err *err)
{
    struct sk_image_info info;
    bool is_turned;

    if (p->is_fixed) {
        *out = tensor_bytes(p, p->width, p->height);
        return 0;
    }
    if (sk_image_probe(bytes, len, &info, err) < 0)
        return -1;
    if ((uint64_t)info.width * info.height > (max_pixels > 0 ? max_pixels : SK_LIMIT_PIXELS))
        return sk_fail(err, SK_LIMIT, "%u x %u pixels exceed the limit", info.width, info.height);
    is_turned = p->decode.exif_orientation && info.orientation >= 5; /* 5..8 swap the sides */
    return sk_prep_measure_pixels(p, is_turned ? info.height : info.width,
                                  is_turned ? info.width : info.height, out, err);
}

/* ---- scratch ---- */

struct sk_prep_work *sk_prep_work_new(void)
{
    struct sk_prep_work *w = calloc(1, sizeof(*w));

    if (!w)
        return NULL;
    w->image = sk_image_work_new();
    if (!w->image) {
        sk_prep_work_free(w);
        return NULL;
    }
    return w;
}

void sk_prep_work_free(struct sk_prep_work *w)
{
    if (!w)
        return;
    sk_image_work_free(w->image);
    sk_image_done(&w->window);
    sk_image_done(&w->canvas);
    free(w);
}

void sk_prep_work_deadline(struct sk_prep_work *w, uint64_t deadline_ns)
{
    w->deadline_ns = deadline_ns;
}

/* ---- pictures ---- */

struct target {
    const struct sk_prep *p;
    struct sk_frame frame;
    size_t cap_bytes;
};

/* The decoder calls this before it takes memory, so that a tensor that does not fit costs nothing.
 */
static int place_picture(void *ctx, uint32_t src_w, uint32_t src_h, struct sk_resize *out,
                         struct sk_err *err)
{
    struct target *t = ctx;
    const struct sk_frame *f = &t->frame;

    if (sk_prep_place(t->p, src_w, src_h, &t->frame, err) < 0)
        return -1;
    if (tensor_bytes(t->p, f->out_w, f->out_h) > t->cap_bytes)
        return sk_fail(err, SK_LIMIT, "a tensor of %u x %u does not fit into %zu bytes", f->out_h,
                       f->out_w, t->cap_bytes);
    *out = (struct sk_resize){ f->resized_w, f->resized_h, t->p->resize.filter, f->x, f->y,
                               f->w,         f->h };
    return 0;
}

/* Puts the window onto black. */
static int fill_canvas(const struct sk_frame *f, const struct sk_image *window,
                       struct sk_image *canvas, struct sk_err *err)
{
    size_t row = (size_t)f->w * 3;

    if (sk_image_alloc(canvas, f->out_w, f->out_h, err) < 0)
        return -1;
    memset(canvas->pixels, 0, (size_t)f->out_w * f->out_h * 3);
    for (uint32_t y = 0; y < f->h; y++)
        memcpy(canvas->pixels + ((size_t)(f->top + y) * f->out_w + f->left) * 3,
               window->pixels + y * row, row);
    return 0;
}

static void swap_channels(struct sk_image *img)
{
    uint8_t *px = img->pixels;

    for (size_t i = (size_t)img->width * img->height; i > 0; i--, px += 3) {
        uint8_t first = px[0];
        px[0] = px[2];
        px[2] = first;
    }
}

static void write_bytes(const struct sk_prep *p, const struct sk_image *img, uint8_t *dst)
{
    size_t n = (size_t)img->width * img->height;

    if (p->input.channels_last) {
        memcpy(dst, img->pixels, n * 3);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++)
            dst[c * n + i] = img->pixels[i * 3 + c];
    }
}

static void write_halves(const struct sk_prep *p, const struct sk_image *img, uint16_t *dst)
{
    size_t n = (size_t)img->width * img->height;
    size_t plane = p->input.channels_last ? 1 : n, step = p->input.channels_last ? 3 : 1;

    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++)
            dst[c * plane + i * step] = p->half[c][img->pixels[i * 3 + c]];
    }
}

static void write_tensor(const struct sk_prep *p, const struct sk_image *img, void *dst)
{
    if (p->input.dtype == SK_DT_U8)
        write_bytes(p, img, dst);
    else if (p->input.dtype == SK_DT_F16)
        write_halves(p, img, dst);
    else if (p->input.channels_last)
        sk_image_lut_hwc(img, p->lut, dst);
    else
        sk_image_lut_chw(img, p->lut, dst);
}

/* The window lies in work->window. */
static int finish_picture(const struct target *t, struct sk_prep_work *work, void *dst,
                          struct sk_prep_report *report, struct sk_err *err)
{
    const struct sk_frame *f = &t->frame;
    struct sk_image *img = &work->window;
    uint64_t start = sk_now_ns();

    if (f->w != f->out_w || f->h != f->out_h) {
        if (fill_canvas(f, img, &work->canvas, err) < 0)
            return -1;
        img = &work->canvas;
    }
    if (t->p->flip.is_on)
        swap_channels(img);
    write_tensor(t->p, img, dst);
    report->normalise_ns = sk_now_ns() - start;
    report->height = f->out_h;
    report->width = f->out_w;
    return 0;
}

int sk_prep_run(const struct sk_prep *p, const void *bytes, size_t len, uint64_t max_pixels,
                bool two_threads, struct sk_prep_work *work, void *dst, size_t cap_bytes,
                struct sk_prep_report *report, struct sk_err *err)
{
    struct target t = { .p = p, .cap_bytes = cap_bytes };
    struct sk_decode_options opts = p->decode;
    struct sk_prep_report unused;

    if (!report)
        report = &unused;
    memset(report, 0, sizeof(*report));
    opts.max_pixels = max_pixels;
    opts.deadline_ns = work->deadline_ns;
    if (sk_image_decode_resized(bytes, len, &opts, place_picture, &t, two_threads, work->image,
                                &work->window, &report->decode, err) < 0)
        return -1;
    return finish_picture(&t, work, dst, report, err);
}

int sk_prep_run_pixels(const struct sk_prep *p, const struct sk_image *rgb,
                       struct sk_prep_work *work, void *dst, size_t cap_bytes,
                       struct sk_prep_report *report, struct sk_err *err)
{
    struct target t = { .p = p, .cap_bytes = cap_bytes };
    struct sk_prep_report unused;
    struct sk_resize to;
    uint64_t start = sk_now_ns();

    if (!report)
        report = &unused;
    memset(report, 0, sizeof(*report));
    if (place_picture(&t, rgb->width, rgb->height, &to, err) < 0 ||
        sk_image_resize(rgb, &to, &work->window, err) < 0)
        return -1;
    report->decode.resize_ns = sk_now_ns() - start;
    return finish_picture(&t, work, dst, report, err);
}

/* ---- telling ---- */

void sk_prep_describe(const struct sk_prep *p, struct sk_buf *out)
{
    if (p->decode.exif_orientation)
        sk_buf_str(out, "turn upright by the EXIF orientation\n");
    for (size_t i = 0; sk_steps[i]; i++) {
        size_t before = out->len;
        if (sk_steps[i]->describe)
            sk_steps[i]->describe(p, out);
        if (out->len > before)
            sk_buf_chr(out, '\n');
    }
    sk_buf_fmt(out, "lay out as %s, channels %s\n", sk_dtype_name(p->input.dtype),
               p->input.channels_last ? "last" : "first");
}

void sk_prep_json(const struct sk_prep *p, struct sk_buf *out)
{
    sk_buf_chr(out, '{');
    for (size_t i = 0; sk_steps[i]; i++) {
        if (sk_steps[i]->json) {
            sk_steps[i]->json(p, out);
            sk_buf_chr(out, ',');
        }
    }
    sk_buf_fmt(out, "\"exif_orientation\":%s,\"data_format\":\"%s\",\"dtype\":\"%s\"}",
               p->decode.exif_orientation ? "true" : "false",
               p->input.channels_last ? "channels_last" : "channels_first",
               sk_dtype_name(p->input.dtype));
}
