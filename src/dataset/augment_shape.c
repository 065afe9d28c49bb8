/*
 * augment_shape.c - mirrored, cut out, turned.
 *
 * Turning equals PIL.Image.rotate(degrees, BILINEAR, fillcolor=mean): each pixel of the result
 * looks up where it came from,
 *
 *     x' = cos a * x - sin a * y + ...       about the centre, x and y at pixel centres
 *
 * takes its value between the four pixels around, in double precision, and cuts off the fraction.
 */
#include "dataset/dataset_priv.h"

#include <math.h>
#include <string.h>

void sk_augment_flip(struct sk_image *img)
{
    for (uint32_t y = 0; y < img->height; y++) {
        uint8_t *left = img->pixels + (size_t)y * img->width * 3;
        uint8_t *right = left + ((size_t)img->width - 1) * 3;
        for (; left < right; left += 3, right -= 3) {
            for (int c = 0; c < 3; c++) {
                uint8_t kept = left[c];
                left[c] = right[c];
                right[c] = kept;
            }
        }
    }
}

int sk_augment_crop(struct sk_image *img, struct sk_box box, struct sk_image *scratch,
                    struct sk_err *err)
{
    const struct sk_resize to = { .out_w = img->width,
                                  .out_h = img->height,
                                  .filter = SK_FILTER_BILINEAR };

    if (box.w == img->width && box.h == img->height)
        return 0;
    if (sk_image_alloc(scratch, box.w, box.h, err) < 0)
        return -1;
    for (uint32_t y = 0; y < box.h; y++)
        memcpy(scratch->pixels + (size_t)y * box.w * 3,
               img->pixels + ((size_t)(box.y + y) * img->width + box.x) * 3, (size_t)box.w * 3);
    return sk_image_resize(scratch, &to, img, err);
}

static void mean_color(const struct sk_image *img, uint8_t *out)
{
    const size_t n = (size_t)img->width * img->height;
    uint64_t sum[3] = { n / 2, n / 2, n / 2 };

    for (size_t i = 0; i < n; i++) {
        for (size_t c = 0; c < 3; c++)
            sum[c] += img->pixels[i * 3 + c];
    }
    for (size_t c = 0; c < 3; c++)
        out[c] = (uint8_t)(sum[c] / n);
}

/* floor(v), for v above -1. */
static int whole_below(double v)
{
    return v < 0 ? -1 : (int)v;
}

static size_t clip(int v, uint32_t count)
{
    return v < 0 ? 0 : (uint32_t)v < count ? (size_t)v : count - 1;
}

/* The value of src at (x, y), which lie inside; pixel centres are at halves. */
static void look_up(const struct sk_image *src, double x, double y, uint8_t *out)
{
    const int left = whole_below(x - 0.5), top = whole_below(y - 0.5);
    const double dx = x - 0.5 - left, dy = y - 0.5 - top;
    const size_t x0 = clip(left, src->width), x1 = clip(left + 1, src->width);
    const size_t y0 = clip(top, src->height), y1 = clip(top + 1, src->height);
    const uint8_t *a = src->pixels + (y0 * src->width + x0) * 3;
    const uint8_t *b = src->pixels + (y0 * src->width + x1) * 3;
    const uint8_t *c = src->pixels + (y1 * src->width + x0) * 3;
    const uint8_t *d = src->pixels + (y1 * src->width + x1) * 3;

    for (size_t i = 0; i < 3; i++) {
        const double above = a[i] + (b[i] - a[i]) * dx, below = c[i] + (d[i] - c[i]) * dx;
        out[i] = (uint8_t)(above + (below - above) * dy);
    }
}

int sk_augment_rotate(struct sk_image *img, double degrees, struct sk_image *scratch,
                      struct sk_err *err)
{
    const double angle = -degrees * (M_PI / 180), cosine = cos(angle), sine = sin(angle);
    const double width = img->width, height = img->height;
    const double x_shift = cosine * -(width / 2) + sine * -(height / 2) + width / 2;
    const double y_shift = -sine * -(width / 2) + cosine * -(height / 2) + height / 2;
    uint8_t fill[3];

    if (degrees == 0)
        return 0;
    if (sk_image_alloc(scratch, img->width, img->height, err) < 0)
        return -1;
    memcpy(scratch->pixels, img->pixels, (size_t)img->width * img->height * 3);
    mean_color(img, fill);
    uint8_t *out = img->pixels;
    for (uint32_t row = 0; row < img->height; row++) {
        for (uint32_t column = 0; column < img->width; column++, out += 3) {
            const double x = cosine * (column + 0.5) + sine * (row + 0.5) + x_shift;
            const double y = -sine * (column + 0.5) + cosine * (row + 0.5) + y_shift;
            if (x >= 0 && x < width && y >= 0 && y < height)
                look_up(scratch, x, y, out);
            else
                memcpy(out, fill, 3);
        }
    }
    return 0;
}
