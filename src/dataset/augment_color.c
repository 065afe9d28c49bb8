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
    const size_t pixels = (size_t)img->width * img->height;
    uint64_t sum = 0;

    for (size_t i = 0; i < pixels; i++)
        sum += (uint64_t)grey_of(img->pixels + i * 3);
    blend_all(img, (int)((double)sum / (double)pixels + 0.5), factor);
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

/*
 * A colour lies in one of six sectors of the circle, by which channel is the largest and which the
 * smallest. There its hue in sixths is start + slope * q, where q = (largest - middle) / (largest -
 * smallest):
 *
 *     largest red, smallest green   -1 + q       largest green, smallest red   3 - q
 *     largest red, smallest blue     1 - q       largest blue, smallest green  5 - q
 *     largest green, smallest blue   1 + q       largest blue, smallest red    3 + q
 *
 * Back: the largest stays, the smallest becomes p, and the middle one q or t, rounded.
 */
static const struct {
    double start, slope;
} to_hue[3][3] = { /* [largest][smallest] */
                   [0] = { [1] = { -1, 1 }, [2] = { 1, -1 } },
                   [1] = { [0] = { 3, -1 }, [2] = { 1, 1 } },
                   [2] = { [0] = { 3, 1 }, [1] = { 5, -1 } }
};

/* Which of largest, smallest, middle is red, green, blue in each sixth of the circle. */
static const uint8_t places[6][3] = { { 0, 2, 1 }, { 2, 0, 1 }, { 1, 0, 2 },
                                      { 1, 2, 0 }, { 2, 1, 0 }, { 0, 1, 2 } };

struct hsv {
    uint8_t h, s, v;
};

/* What follows from a byte of hue alone. */
struct turned {
    uint8_t sixth;
    float rest;
};

/* The pixel is not grey. */
static struct hsv to_hsv(const uint8_t *rgb)
{
    const int most = rgb[0] >= rgb[1] ? (rgb[0] >= rgb[2] ? 0 : 2) : (rgb[1] >= rgb[2] ? 1 : 2);
    const int least = rgb[2] <= rgb[1] ? (rgb[2] <= rgb[0] ? 2 : 0) : (rgb[1] <= rgb[0] ? 1 : 0);
    const float range = (float)(rgb[most] - rgb[least]);
    const float q = (float)(rgb[most] - rgb[3 - most - least]) / range;
    const float sixths = (float)(to_hue[most][least].start + to_hue[most][least].slope * (double)q);
    const double turn = (double)sixths / 6.0 + 1.0;
    const float h = (float)(turn < 1 ? turn : turn - 1);

    return (struct hsv){ (uint8_t)((double)h * 255.0),
                         (uint8_t)((double)(range / (float)rgb[most]) * 255.0), rgb[most] };
}

static uint8_t nearest(double v)
{
    return (uint8_t)(v + 0.5); /* 0..255 by construction; round() for all that can come (tested) */
}

/* s is not 0. */
static void to_rgb(struct turned h, float s, uint8_t v, uint8_t *rgb)
{
    const double falling = 1.0 - (double)(s * h.rest);
    const double rising = 1.0 - (double)s * (1.0 - (double)h.rest);
    const uint8_t values[3] = { v, nearest(v * (1.0 - (double)s)),
                                nearest(v * (h.sixth % 2 == 1 ? falling : rising)) };

    for (size_t k = 0; k < 3; k++)
        rgb[k] = values[places[h.sixth][k]];
}

void sk_augment_hue(struct sk_image *img, double turn)
{
    const size_t n = bytes_of(img);
    const uint8_t shift = (uint8_t)(int)(turn * 255);
    struct turned circle[256];

    for (unsigned i = 0; i < 256; i++) {
        const double sixths = (double)(uint8_t)(i + shift) * 6.0 / 255.0;
        const int whole = (int)sixths;
        circle[i] = (struct turned){ (uint8_t)(whole % 6), (float)(sixths - (double)(float)whole) };
    }
    for (size_t i = 0; i < n; i += 3) {
        uint8_t *rgb = img->pixels + i;
        if (rgb[0] == rgb[1] && rgb[1] == rgb[2])
            continue; /* no colour: no hue */
        const struct hsv c = to_hsv(rgb);
        if (c.s == 0)
            rgb[0] = rgb[1] = rgb[2] = c.v;
        else
            to_rgb(circle[c.h], (float)(c.s / 255.0), c.v, rgb);
    }
}
