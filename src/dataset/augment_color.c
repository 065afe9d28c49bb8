/*
 * augment_color.c - brightness, contrast, saturation and hue, with the bytes that torchvision's
 * adjust_* give on PIL pictures.
 *
 * The first three blend the picture with another, out = other + factor * (in - other) in float32
 * with the fraction cut off: black, the mean grey, and the grey of each pixel. The first two depend
 * on the byte alone, so they are tables. Hue turns the circle in 255 steps of Pillow's HSV, whose
 * numbers are all bytes.
 */
#include "dataset/dataset_priv.h"

#include <math.h>

static size_t bytes_of(const struct sk_image *img)
{
    return (size_t)img->width * img->height * 3;
}

static uint8_t blend(int other, int value, float factor)
{
    const float v = (float)other + factor * (float)(value - other);

    return v <= 0 ? 0 : v >= 255 ? 255 : (uint8_t)v;
}

/* ITU-R 601 luma in 16 bits, rounded. */
static int grey_of(const uint8_t *rgb)
{
    return (rgb[0] * 19595 + rgb[1] * 38470 + rgb[2] * 7471 + 0x8000) >> 16;
}

/* Blends all with one value. */
static void blend_all(struct sk_image *img, int other, double factor)
{
    const size_t n = bytes_of(img);
    uint8_t table[256];

    for (int v = 0; v < 256; v++)
        table[v] = blend(other, v, (float)factor);
    for (size_t i = 0; i < n; i++)
        img->pixels[i] = table[img->pixels[i]];
}

void sk_augment_brightness(struct sk_image *img, double factor)
{
    blend_all(img, 0, factor);
}

void sk_augment_contrast(struct sk_image *img, double factor)
{
    const size_t n = bytes_of(img);
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i += 3)
        sum += (uint64_t)grey_of(img->pixels + i);
    blend_all(img, (int)((double)sum / (double)(n / 3) + 0.5), factor);
}

void sk_augment_saturation(struct sk_image *img, double factor)
{
    const size_t n = bytes_of(img);

    for (size_t i = 0; i < n; i += 3) {
        uint8_t *rgb = img->pixels + i;
        const int grey = grey_of(rgb);
        for (size_t c = 0; c < 3; c++)
            rgb[c] = blend(grey, rgb[c], (float)factor);
    }
}

/* ---- hue ---- */

struct hsv {
    uint8_t h, s, v;
};

static uint8_t largest(const uint8_t *rgb)
{
    const uint8_t v = rgb[0] > rgb[1] ? rgb[0] : rgb[1];
    return v > rgb[2] ? v : rgb[2];
}

static uint8_t smallest(const uint8_t *rgb)
{
    const uint8_t v = rgb[0] < rgb[1] ? rgb[0] : rgb[1];
    return v < rgb[2] ? v : rgb[2];
}

static struct hsv to_hsv(const uint8_t *rgb)
{
    const uint8_t most = largest(rgb), least = smallest(rgb);
    const float range = (float)(most - least);
    const float r = (float)(most - rgb[0]) / range, g = (float)(most - rgb[1]) / range,
                b = (float)(most - rgb[2]) / range;
    float h;

    if (rgb[0] == most)
        h = b - g;
    else if (rgb[1] == most)
        h = (float)(2.0 + (double)r - (double)b);
    else
        h = (float)(4.0 + (double)g - (double)r);
    h = (float)fmod((double)h / 6.0 + 1.0, 1.0);
    return (struct hsv){ (uint8_t)((double)h * 255.0), (uint8_t)((double)(range / most) * 255.0),
                         most };
}

static uint8_t nearest(double v)
{
    return (uint8_t)round(v); /* 0..255 by construction */
}

static void to_rgb(struct hsv c, uint8_t *rgb)
{
    const double sixth = (float)c.h * 6.0 / 255.0;
    const int i = (int)sixth;
    const float f = (float)(sixth - (float)i), s = (float)((float)c.s / 255.0);
    const uint8_t p = nearest(c.v * (1.0 - (double)s));
    const uint8_t q = nearest(c.v * (1.0 - (double)(s * f)));
    const uint8_t t = nearest(c.v * (1.0 - (double)s * (1.0 - (double)f)));
    const uint8_t sectors[6][3] = { { c.v, t, p }, { q, c.v, p }, { p, c.v, t },
                                    { p, q, c.v }, { t, p, c.v }, { c.v, p, q } };

    for (size_t k = 0; k < 3; k++)
        rgb[k] = sectors[i % 6][k];
}

void sk_augment_hue(struct sk_image *img, double turn)
{
    const size_t n = bytes_of(img);
    const uint8_t shift = (uint8_t)(int)(turn * 255);

    for (size_t i = 0; i < n; i += 3) {
        uint8_t *rgb = img->pixels + i;
        if (rgb[0] == rgb[1] && rgb[1] == rgb[2])
            continue; /* no colour: no hue */
        struct hsv c = to_hsv(rgb);
        c.h = (uint8_t)(c.h + shift);
        if (c.s == 0)
            rgb[0] = rgb[1] = rgb[2] = c.v;
        else
            to_rgb(c, rgb);
    }
}
