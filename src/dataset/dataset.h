/*
 * dataset.h - labelled pictures in folders, and the loader that turns them into batches ahead of
 * time.
 *
 * sk_dataset: torchvision's ImageFolder: one folder per class, classes and files ordered by code
 * point, subfolders and links followed, loops cut. sk_loader: decodes and resizes on its own
 * threads (bilinear, Pillow's numbers, as torchvision's Resize((side, side))), keeps decoded 8-bit
 * pixels within a memory budget, augments, normalises with the arithmetic of prep, and has batches
 * ready before they are asked for. Order and augmentation depend on seed, epoch and picture only,
 * never on threads or timing.
 */
#ifndef SK_DATASET_DATASET_H
#define SK_DATASET_DATASET_H

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/err.h"
#include "crypto/crypto.h"
#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- dataset ---- */

struct sk_sample {
    char *path; /* as it is opened */
    uint32_t label;
};

struct sk_dataset {
    char *root;
    char **classes; /* folder names, by code point */
    size_t class_count;
    struct sk_sample *samples; /* by class, then path */
    size_t count;
    char **others; /* files that are no pictures by their extension: counted and named */
    size_t other_count;
};

/* Extensions as torchvision's (jpg jpeg png ppm bmp pgm tif tiff webp, and gif) in any case.
 * classes: those of another dataset that this one must fit (validation): labels are theirs, a class
 * only here is SK_INVALID naming it, a missing one is fine; NULL: the folders' own, where an empty
 * class, no class folder, or fewer than two classes are SK_INVALID saying what the folder should
 * look like. */
int sk_dataset_open(const char *root, const struct sk_dataset *classes, struct sk_dataset **out,
                    struct sk_err *err) SK_CHECK;
void sk_dataset_free(struct sk_dataset *d);
SK_DEFINE_OWN(struct sk_dataset, sk_dataset_free);

/* Indices into samples, sorted; *out: free(). */
struct sk_indices {
    uint32_t *items;
    size_t count;
};

void sk_indices_done(struct sk_indices *i);
int sk_dataset_all(const struct sk_dataset *d, struct sk_indices *out, struct sk_err *err) SK_CHECK;
/* Stratified: of each class round(fraction * n) pictures, at least 1 and at most n - 1, go to
 * `val`, chosen by seed. A class with one picture stays in train. */
int sk_dataset_split(const struct sk_dataset *d, double fraction, uint64_t seed,
                     struct sk_indices *train, struct sk_indices *val, struct sk_err *err) SK_CHECK;

/* ---- augmentation ---- */

enum sk_augment {
    SK_AUG_FLIP = 1u << 0,   /* left-right, p 0.5 */
    SK_AUG_CROP = 1u << 1,   /* random resized crop: area 0.6..1, ratio 3/4..4/3 */
    SK_AUG_ROTATE = 1u << 2, /* -10..10 degrees, bilinear, edge filled with the mean colour */
    SK_AUG_COLOR = 1u << 3,  /* brightness, contrast, saturation 0.8..1.2, hue 0.02, in random order
                              */
    SK_AUG_ERASE = 1u << 4   /* p 0.25, area 0.02..0.2: the normalised value 0 */
};

/* "none", "light" (flip), "standard" (flip, crop, color), or a list "flip,rotate". SK_USAGE names
 * the wrong word and all known ones. */
int sk_augment_parse(const char *text, unsigned *out, struct sk_err *err) SK_CHECK;
void sk_augment_print(unsigned augment, struct sk_buf *out); /* "flip,crop,color" or "none" */

/* One picture; img is size x size, changed in place through work. The result depends on the
 * arguments only. ERASE is done on the normalised tensor by the loader: *erase gets the box (w 0:
 * none). */
struct sk_box {
    uint32_t x, y, w, h;
};

int sk_augment_apply(unsigned augment, uint64_t seed, uint64_t epoch, uint32_t index,
                     struct sk_image *img, struct sk_image *scratch, struct sk_box *erase,
                     struct sk_err *err) SK_CHECK;

/* ---- loader ---- */

struct sk_source; /* the pictures of a dataset at one size: checks, digest, cache; shared by loaders
                   */

struct sk_source_options {
    uint32_t side;        /* pictures become side x side */
    unsigned threads;     /* that decode; 0: sk_cpu_count() */
    uint64_t cache_bytes; /* for decoded pixels; 0: none. Pictures beyond it are decoded each time
                           */
    uint64_t max_pixels;  /* 0: SK_LIMIT_PIXELS */
    float mean[3], std[3];
    /* pictures checked so far and in total; false stops with SK_CANCELLED. NULL: none */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
};

struct sk_bad {
    uint32_t index;
    char *text; /* "photos/defect/3.jpg: jpeg: premature end" */
};

/* Reads and decodes every picture once, in threads: fills the cache, finds broken ones, and takes
 * the data digest (SHA-256 over class names, relative paths and contents). Broken pictures are no
 * failure here: see sk_source_bad. Keeps size and time of change of each file; a picture that later
 * changed, vanished or broke makes the loader fail with SK_CORRUPT naming it. Borrows the dataset.
 */
int sk_source_open(const struct sk_dataset *d, const struct sk_source_options *opts,
                   struct sk_source **out, struct sk_err *err) SK_CHECK;
void sk_source_free(struct sk_source *s);
SK_DEFINE_OWN(struct sk_source, sk_source_free);
const struct sk_bad *sk_source_bad(const struct sk_source *s, size_t *count); /* by index */
const char *sk_source_digest(const struct sk_source *s);                      /* hex */
size_t sk_source_cached(const struct sk_source *s);                           /* pictures */
/* Digest without decoding, for "unchanged?" questions. out: SK_SHA256_HEX. */
int sk_dataset_digest(const struct sk_dataset *d, char *out, struct sk_err *err) SK_CHECK;

struct sk_loader;

struct sk_loader_options {
    unsigned batch; /* over all processes */
    bool shuffle;   /* by seed and epoch */
    uint64_t seed;
    unsigned augment;     /* sk_augment flags */
    unsigned threads;     /* 0: sk_cpu_count() */
    unsigned ahead;       /* batches ready in advance; 0: 3 */
    uint64_t epochs;      /* the last one's successor is not prepared; 0: always the next one is */
    unsigned rank, ranks; /* of each batch of n this process gets the samples [n * rank / ranks, n *
                             (rank + 1) / ranks); ranks 0: 1 */
};

struct sk_batch {
    const float *pictures; /* [count, 3, side, side] */
    const uint32_t *labels;
    const uint32_t *indices; /* into the dataset */
    unsigned count;          /* of this process; may be 0 when ranks > 1 */
    unsigned total;          /* over all processes; the last one may be smaller */
    bool last;               /* of the epoch */
};

/* Of a batch of `total` pictures, where this process's begin; rank + 1: where they end. */
static inline unsigned sk_batch_first(unsigned total, unsigned rank, unsigned ranks)
{
    return (unsigned)((uint64_t)total * rank / ranks);
}

/* which: the samples that take part; borrowed. */
int sk_loader_new(struct sk_source *s, const struct sk_indices *which,
                  const struct sk_loader_options *opts, struct sk_loader **out,
                  struct sk_err *err) SK_CHECK;
void sk_loader_free(struct sk_loader *l);
SK_DEFINE_OWN(struct sk_loader, sk_loader_free);
size_t sk_loader_batches(const struct sk_loader *l); /* per epoch */
/* Starts an epoch at its batch `first` (0-based; for resuming). What was under way is dropped.
 * While the last batches of an epoch are used the threads already prepare epoch + 1. */
int sk_loader_start(struct sk_loader *l, uint64_t epoch, size_t first, struct sk_err *err) SK_CHECK;
/* Waits for the next batch; it is valid until the next call. 0 and count = total = 0 behind the
 * last one. */
int sk_loader_next(struct sk_loader *l, struct sk_batch *out, struct sk_err *err) SK_CHECK;
/* Time the caller has waited in sk_loader_next since the last sk_loader_start. */
uint64_t sk_loader_waited_ns(const struct sk_loader *l);

/* Pixels of one sample as the network sees them without augmentation (from the cache or decoded);
 * for thumbnails. */
int sk_source_pixels(struct sk_source *s, uint32_t index, struct sk_image *out,
                     struct sk_err *err) SK_CHECK;

#endif
