/* dataset_priv.h - what the files of this folder share. For this folder and its tests. */
#ifndef SK_DATASET_DATASET_PRIV_H
#define SK_DATASET_DATASET_PRIV_H

#include "dataset/dataset.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- rng.c: numbers that are the same on every machine ---- */

struct sk_rng {
    uint64_t state;
};

/* What a stream of numbers is for: streams with different purposes share nothing. */
enum sk_rng_use {
    SK_RNG_SPLIT = 1,
    SK_RNG_ORDER,
    SK_RNG_FLIP,
    SK_RNG_CROP,
    SK_RNG_ROTATE,
    SK_RNG_COLOR,
    SK_RNG_ERASE
};

struct sk_rng sk_rng_of(uint64_t seed, enum sk_rng_use use, uint64_t a, uint64_t b);
uint64_t sk_rng_next(struct sk_rng *r);
uint64_t sk_rng_below(struct sk_rng *r, uint64_t n);              /* 0..n-1, unbiased; n > 0 */
double sk_rng_between(struct sk_rng *r, double low, double high); /* low <= x < high */
void sk_rng_shuffle(struct sk_rng *r, uint32_t *items, size_t count);

/* ---- names.c: the order of names ---- */

/* <0, 0, >0 as Python compares the two as str: by code point, where a byte that is not UTF-8 counts
 * as the code point 0xDC00 + byte. */
int sk_name_compare(const char *a, const char *b);
/* Has the name one of the extensions of pictures? */
bool sk_name_is_picture(const char *name);
/* "jpg, jpeg, ...": for messages. */
extern const char sk_picture_extensions[];

/* ---- folders.c: the files below a folder ---- */

struct sk_folder {
    char *path;
    char **names; /* its files, sorted */
    size_t count;
};

struct sk_folders {
    struct sk_folder *items; /* sorted by path */
    size_t count;
};

/* All folders at and below path, links followed; one that is its own ancestor is left out. */
int sk_folders_walk(const char *path, struct sk_folders *out, struct sk_err *err) SK_CHECK;
void sk_folders_done(struct sk_folders *f);

/* ---- read.c: the bytes of a picture's file ---- */

/* Tells whether a file is still the one that was checked. */
struct sk_stamp {
    uint64_t device, inode, size;
    int64_t changed_s, changed_ns;
};

/* Reads a regular file into `into` (emptied first). want: it must be this one, else SK_CORRUPT;
 * NULL: any. got: the stamp of what was read; may be NULL. Messages do not have the path. */
int sk_picture_read(const char *path, const struct sk_stamp *want, struct sk_buf *into,
                    struct sk_stamp *got, struct sk_err *err) SK_CHECK;

/* ---- digest.c ---- */

/* The digest of a dataset from those of its files; an empty text stands for an unreadable file. */
struct sk_hex {
    char text[SK_SHA256_HEX];
};

int sk_dataset_digest_of(const struct sk_dataset *d, const struct sk_hex *files, char *out,
                         struct sk_err *err) SK_CHECK;

/* ---- source.c ---- */

struct sk_source_entry {
    struct sk_stamp stamp;
    char *bad;             /* why it is broken, with its path; NULL: it is not */
    const uint8_t *pixels; /* in the cache, NULL: not */
};

struct sk_source {
    const struct sk_dataset *dataset;
    uint32_t side;
    uint64_t max_pixels;
    struct sk_source_entry *entries; /* one for each sample */
    size_t count;
    struct sk_bad *bad;
    size_t bad_count, cached;
    uint8_t *cache; /* pictures of side * side * 3 bytes */
    size_t cache_count;
    float table[3][256]; /* what each byte becomes */
    struct sk_hex digest;
};

/* What one thread needs to turn files into pixels. */
struct sk_reader {
    struct sk_buf bytes;
    struct sk_image_work *work;
};

int sk_reader_init(struct sk_reader *r, struct sk_err *err) SK_CHECK;
void sk_reader_done(struct sk_reader *r);
/* The pixels of one sample from its file. SK_CORRUPT naming it when it is not the checked one any
 * more or broken. */
int sk_source_decode(const struct sk_source *s, uint32_t index, struct sk_reader *r,
                     struct sk_image *out, struct sk_err *err) SK_CHECK;
size_t sk_source_picture_bytes(const struct sk_source *s);

/* ---- augment.c, augment_shape.c, augment_color.c ---- */

struct sk_box sk_augment_crop_box(struct sk_rng *r, uint32_t width, uint32_t height);
struct sk_box sk_augment_erase_box(struct sk_rng *r, uint32_t width, uint32_t height);

void sk_augment_flip(struct sk_image *img);
/* The box, resized (bilinear) to the picture's size. */
int sk_augment_crop(struct sk_image *img, struct sk_box box, struct sk_image *scratch,
                    struct sk_err *err) SK_CHECK;
/* Counter-clockwise about the centre, bilinear; what comes from outside is the mean colour. */
int sk_augment_rotate(struct sk_image *img, double degrees, struct sk_image *scratch,
                      struct sk_err *err) SK_CHECK;

/* As torchvision's on PIL pictures; a factor of 1 keeps the picture. */
void sk_augment_brightness(struct sk_image *img, double factor);
void sk_augment_contrast(struct sk_image *img, double factor);
void sk_augment_saturation(struct sk_image *img, double factor);
void sk_augment_hue(struct sk_image *img, double turn); /* -0.5..0.5 of the circle; 0 still rounds
                                                         */

#endif
