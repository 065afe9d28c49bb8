/*
 * names.c - the order of names, and which of them are pictures: both as torchvision has them.
 *
 * torchvision sorts Python texts, which compare by code point. Bytes of UTF-8 sort alike; a byte
 * that is not UTF-8 is a lone surrogate to Python (PEP 383) and sorts there.
 */
#include "dataset/dataset_priv.h"

#include "base/str.h"

#include <string.h>

const char sk_picture_extensions[] = "jpg, jpeg, png, ppm, bmp, pgm, tif, tiff, webp, gif";

/* Takes one character off the text. */
static uint32_t take_point(const char **text, size_t *len)
{
    static const unsigned char first_bits[] = { 0, 0x7F, 0x1F, 0x0F, 0x07 };
    const char *p = *text;
    size_t n = sk_utf8_step(p, *len);
    uint32_t point = n == 0 ? 0xDC00u + (unsigned char)*p : (unsigned char)*p & first_bits[n];

    for (size_t i = 1; i < n; i++)
        point = point << 6 | ((unsigned char)p[i] & 0x3F);
    n = n > 0 ? n : 1;
    *text += n;
    *len -= n;
    return point;
}

int sk_name_compare(const char *a, const char *b)
{
    size_t a_len = strlen(a), b_len = strlen(b);

    while (a_len > 0 && b_len > 0) {
        uint32_t x = take_point(&a, &a_len), y = take_point(&b, &b_len);
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (a_len > 0) - (b_len > 0);
}

bool sk_name_is_picture(const char *name)
{
    static const char *const endings[] = { ".jpg", ".jpeg", ".png",  ".ppm",  ".bmp",
                                           ".pgm", ".tif",  ".tiff", ".webp", ".gif" };
    size_t len = strlen(name);

    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        size_t n = strlen(endings[i]);
        if (len >= n && sk_view_eq_nocase((struct sk_view){ name + len - n, n }, endings[i]))
            return true;
    }
    return false;
}
