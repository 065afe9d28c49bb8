/*
 * image.c - the memory of a picture.
 *
 * It grows and never shrinks, so a thread that decodes pictures of one size allocates once.
 * SK_BAND_SLACK bytes lie behind the last pixel, because the resize kernels load whole vectors.
 */
#include "image/image.h"

#include "base/str.h"
#include "image/image_priv.h"

void sk_image_done(struct sk_image *img)
{
    free(img->pixels);
    *img = (struct sk_image){ 0 };
}

int sk_image_alloc(struct sk_image *img, uint32_t width, uint32_t height, struct sk_err *err)
{
    size_t bytes = 0;
    if (!sk_mul_size(width, height, &bytes) || !sk_mul_size(bytes, 3, &bytes) ||
        !sk_add_size(bytes, SK_BAND_SLACK, &bytes))
        return sk_fail(err, SK_LIMIT, "%u x %u pixels exceed the address space", width, height);
    if (bytes > img->cap_bytes) {
        free(img->pixels);
        img->cap_bytes = 0;
        img->pixels = malloc(bytes);
        if (!img->pixels) {
            img->width = img->height = 0;
            return sk_nomem(err);
        }
        img->cap_bytes = bytes;
        memset(img->pixels + (bytes - SK_BAND_SLACK), 0, SK_BAND_SLACK);
    }
    img->width = width;
    img->height = height;
    return 0;
}
