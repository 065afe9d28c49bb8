/*
 * augment.c - which changes a picture gets, and by how much.
 *
 * Each kind of change draws from a stream of its own, made of seed, epoch and picture, so switching
 * one on or off leaves the others as they were. The ranges are those of the table in
 * docs/spec/dataset.md; how boxes are drawn is torchvision's RandomResizedCrop and RandomErasing.
 */
#include "dataset/dataset_priv.h"

#include "base/str.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned flags;
} words[] = {
    { "flip", SK_AUG_FLIP },     { "crop", SK_AUG_CROP },
    { "rotate", SK_AUG_ROTATE }, { "color", SK_AUG_COLOR },
    { "erase", SK_AUG_ERASE },   { "none", 0 },
    { "light", SK_AUG_FLIP },    { "standard", SK_AUG_FLIP | SK_AUG_CROP | SK_AUG_COLOR },
};

enum {
    SINGLE_WORDS = 5 /* the first ones: each is one flag */
};

static bool find_word(struct sk_view word, unsigned *flags)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (sk_view_eq(word, words[i].name)) {
            *flags |= words[i].flags;
            return true;
        }
    }
    return false;
}

int sk_augment_parse(const char *text, unsigned *out, struct sk_err *err)
{
    unsigned flags = 0;

    for (const char *p = text;; p++) {
        const struct sk_view part = { p, strcspn(p, ",") };
        const struct sk_view word = sk_view_trim(part);
        if (!find_word(word, &flags))
            return sk_fail(err, SK_USAGE,
                           "'%.*s' is no augmentation: none, light (flip), standard (flip, crop, "
                           "color), or a list of flip, crop, rotate, color, erase",
                           (int)word.len, word.ptr);
        p += part.len;
        if (*p == '\0')
            break;
    }
    *out = flags;
    return 0;
}

void sk_augment_print(unsigned augment, struct sk_buf *out)
{
    bool is_first = true;

    for (size_t i = 0; i < SINGLE_WORDS; i++) {
        if (!(augment & words[i].flags))
            continue;
        if (!is_first)
            sk_buf_chr(out, ',');
        sk_buf_str(out, words[i].name);
        is_first = false;
    }
    if (is_first)
        sk_buf_str(out, "none");
}

/* ---- drawing ---- */

static uint32_t draw_place(struct sk_rng *r, uint32_t room)
{
    return (uint32_t)sk_rng_below(r, (uint64_t)room + 1);
}

/* A box of `least` to `most` of the area whose ratio of width to height lies between 1 / widest and
 * widest, evenly on a scale of logarithms. False: in ten draws none fitted. */
static bool draw_box(struct sk_rng *r, uint32_t width, uint32_t height, double least, double most,
                     double widest, struct sk_box *out)
{
    for (int i = 0; i < 10; i++) {
        const double area = (double)width * height * sk_rng_between(r, least, most);
        const double ratio = exp(sk_rng_between(r, -log(widest), log(widest)));
        const double w = rint(sqrt(area * ratio)), h = rint(sqrt(area / ratio));

        if (w < 1 || h < 1 || w > width || h > height)
            continue;
        out->w = (uint32_t)w;
        out->h = (uint32_t)h;
        out->y = draw_place(r, height - out->h);
        out->x = draw_place(r, width - out->w);
        return true;
    }
    return false;
}

struct sk_box sk_augment_crop_box(struct sk_rng *r, uint32_t width, uint32_t height)
{
    struct sk_box box = { 0, 0, width, height };

    (void)draw_box(r, width, height, 0.6, 1.0, 4.0 / 3.0, &box);
    return box;
}

struct sk_box sk_augment_erase_box(struct sk_rng *r, uint32_t width, uint32_t height)
{
    struct sk_box box = { 0, 0, 0, 0 };

    if (sk_rng_between(r, 0, 1) < 0.25)
        (void)draw_box(r, width, height, 0.02, 0.2, 10.0 / 3.0, &box);
    return box;
}

/* Brightness, contrast, saturation and hue, in any order: as ColorJitter(0.2, 0.2, 0.2, 0.02). */
static void jitter(struct sk_rng *r, struct sk_image *img)
{
    void (*const changes[])(struct sk_image *, double) = { sk_augment_brightness,
                                                           sk_augment_contrast,
                                                           sk_augment_saturation, sk_augment_hue };
    double amounts[4];
    uint32_t order[4] = { 0, 1, 2, 3 };

    sk_rng_shuffle(r, order, 4);
    for (size_t i = 0; i < 4; i++)
        amounts[i] = i < 3 ? sk_rng_between(r, 0.8, 1.2) : sk_rng_between(r, -0.02, 0.02);
    for (size_t i = 0; i < 4; i++)
        changes[order[i]](img, amounts[order[i]]);
}

int sk_augment_apply(unsigned augment, uint64_t seed, uint64_t epoch, uint32_t index,
                     struct sk_image *img, struct sk_image *scratch, struct sk_box *erase,
                     struct sk_err *err)
{
    *erase = (struct sk_box){ 0, 0, 0, 0 };
    if (augment & SK_AUG_CROP) {
        struct sk_rng r = sk_rng_of(seed, SK_RNG_CROP, epoch, index);
        const struct sk_box box = sk_augment_crop_box(&r, img->width, img->height);
        if (sk_augment_crop(img, box, scratch, err) < 0)
            return -1;
    }
    if (augment & SK_AUG_FLIP) {
        struct sk_rng r = sk_rng_of(seed, SK_RNG_FLIP, epoch, index);
        if (sk_rng_below(&r, 2) == 1)
            sk_augment_flip(img);
    }
    if (augment & SK_AUG_ROTATE) {
        struct sk_rng r = sk_rng_of(seed, SK_RNG_ROTATE, epoch, index);
        if (sk_augment_rotate(img, sk_rng_between(&r, -10, 10), scratch, err) < 0)
            return -1;
    }
    if (augment & SK_AUG_COLOR) {
        struct sk_rng r = sk_rng_of(seed, SK_RNG_COLOR, epoch, index);
        jitter(&r, img);
    }
    if (augment & SK_AUG_ERASE) {
        struct sk_rng r = sk_rng_of(seed, SK_RNG_ERASE, epoch, index);
        *erase = sk_augment_erase_box(&r, img->width, img->height);
    }
    return 0;
}
