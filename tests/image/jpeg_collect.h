/*
 * jpeg_collect.h - a sink that keeps the whole picture, for the tests and the fuzzer of the
 * baseline JPEG decoder.
 */
#ifndef SK_TESTS_IMAGE_JPEG_COLLECT_H
#define SK_TESTS_IMAGE_JPEG_COLLECT_H

#include "image/image_priv.h"

#include <stdlib.h>
#include <string.h>

struct collect {
    struct sk_sink base;
    uint64_t max_pixels;
    uint32_t width, height, next_row;
    uint8_t *rgb; /* free() it */
    bool out_of_order;
    uint32_t fail_at; /* rows() fails from this row on; 0: never */
};

static inline int collect_begin(struct sk_sink *sink, uint32_t width, uint32_t height,
                                struct sk_err *err)
{
    struct collect *c = (struct collect *)(void *)sink;
    if ((uint64_t)width * height > c->max_pixels)
        return sk_fail(err, SK_LIMIT, "too large");
    c->width = width;
    c->height = height;
    c->next_row = 0;
    free(c->rgb);
    c->rgb = malloc((size_t)width * height * 3);
    return c->rgb ? 0 : sk_nomem(err);
}

static inline int collect_rows(struct sk_sink *sink, const uint8_t *rgb, size_t stride, uint32_t y,
                               uint32_t count, struct sk_err *err)
{
    struct collect *c = (struct collect *)(void *)sink;
    if (c->fail_at && y + count > c->fail_at)
        return sk_fail(err, SK_CANCELLED, "enough");
    if (y != c->next_row || count > c->height - y) {
        c->out_of_order = true;
        return 0;
    }
    c->next_row += count;
    for (uint32_t i = 0; i < count; i++)
        memcpy(c->rgb + (size_t)(y + i) * c->width * 3, rgb + i * stride, (size_t)c->width * 3);
    return 0;
}

static inline struct collect collect_init(uint64_t max_pixels)
{
    return (struct collect){ .base = { collect_begin, collect_rows }, .max_pixels = max_pixels };
}

#endif
