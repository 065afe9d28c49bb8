/*
 * synth.h - pictures of surfaces that do not exist: brushed metal, castings and fabric, whole or
 * with a scratch, a dent, a stain or a crack.
 *
 * They let a newcomer train, evaluate and serve a classifier before the own pictures are at hand,
 * and benches measure on data that everyone can make again. Everything about a picture follows from
 * its struct sk_synth: the same one gives the same pixels on every machine, for only exactly
 * rounded operations decide them (docs/spec/sample-data.md). Surface, light, scale, direction and
 * noise vary alike in whole and in defective pictures, so that no average over a picture tells them
 * apart.
 *
 * Made things must not be taken for real ones: sk_synth_jpeg() writes the fact into the file.
 * Threads: every function may be called from any number of threads.
 */
#ifndef SK_SYNTH_SYNTH_H
#define SK_SYNTH_SYNTH_H

#include "base/err.h"
#include "image/image.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- one picture ---- */

enum sk_synth_surface {
    SK_SYNTH_METAL,
    SK_SYNTH_CASTING,
    SK_SYNTH_FABRIC,
    SK_SYNTH_SURFACE_COUNT
};

enum sk_synth_defect {
    SK_SYNTH_WHOLE, /* none */
    SK_SYNTH_SCRATCH,
    SK_SYNTH_DENT,
    SK_SYNTH_STAIN,
    SK_SYNTH_CRACK,
    SK_SYNTH_DEFECT_COUNT
};

enum {
    SK_SYNTH_SIDE_MIN = 32,
    SK_SYNTH_SIDE_MAX = 4096
};

const char *sk_synth_surface_name(enum sk_synth_surface s); /* "metal" */
const char *sk_synth_defect_name(enum sk_synth_defect d);   /* "scratch"; "whole" */

struct sk_synth {
    enum sk_synth_surface surface;
    enum sk_synth_defect defect;
    uint32_t side; /* SK_SYNTH_SIDE_MIN..MAX; the scene does not depend on it */
    uint64_t seed;
};

/* side x side pixels into out, whose memory is reused. */
int sk_synth_draw(const struct sk_synth *what, struct sk_image *out, struct sk_err *err) SK_CHECK;
/* The same as a JPEG file with a comment that says what it is. *out: free() it. */
int sk_synth_jpeg(const struct sk_synth *what, uint8_t **out, size_t *len,
                  struct sk_err *err) SK_CHECK;

/* ---- a labelled set ---- */

struct sk_synth_set {
    const char *dir;
    size_t train_count, val_count; /* pictures in all, half of them defective */
    uint32_t side;
    uint64_t seed;
    bool by_kind;     /* a class per kind of defect instead of one for all */
    bool replace;     /* an earlier set in dir goes */
    unsigned threads; /* 0: sk_cpu_count() */
    /* Called by one thread at a time, in any order of pictures; false stops with SK_CANCELLED.
     * NULL: none. */
    bool (*progress)(void *ctx, size_t done, size_t total);
    void *ctx;
};

/* Writes dir/train/<class>/synthetic-*.jpg, dir/val/ alike, and dir/README.md. Classes: "defect"
 * and "no_defect"; by_kind: "crack", "dent", "no_defect", "scratch", "stain". The set is made in a
 * hidden folder of dir and moved into place when it is whole. dir must be empty, or hold nothing
 * but an earlier set and replace be given: SK_EXISTS otherwise. */
int sk_synth_write(const struct sk_synth_set *set, struct sk_err *err) SK_CHECK;

#endif
