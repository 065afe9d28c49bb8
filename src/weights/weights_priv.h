/*
 * weights_priv.h - the set that the readers of formats fill, and the readers. For this folder and
 * its tests.
 */
#ifndef SK_WEIGHTS_WEIGHTS_PRIV_H
#define SK_WEIGHTS_WEIGHTS_PRIV_H

#include "base/arena.h"
#include "base/file.h"
#include "base/str.h"
#include "weights/weights.h"

struct sk_weights_pair {
    const char *key, *value;
};

struct sk_weights {
    struct sk_map map; /* zero when the bytes are the caller's */
    const char *format;
    struct sk_arena arena; /* names, strides, metadata */
    struct sk_weight *tensors;
    size_t count, capacity;
    struct sk_weights_pair *meta;
    size_t meta_count;
};

/* ---- weights.c: filling a set ---- */

/* Room for count tensors; SK_LIMIT beyond SK_WEIGHTS_MAX_TENSORS. Once per set. */
int sk_weights_reserve(struct sk_weights *w, size_t count, struct sk_err *err) SK_CHECK;
/* Adds a tensor within the room; its name and strides are copied, t->name is not looked at. */
int sk_weights_add(struct sk_weights *w, struct sk_view name, const struct sk_weight *t,
                   struct sk_err *err) SK_CHECK;
/* Sorts by name; a name that occurs twice is SK_CORRUPT. */
int sk_weights_seal(struct sk_weights *w, struct sk_err *err) SK_CHECK;

/* ---- tensor.c ---- */

/* Elements of a shape and their bytes; SK_CORRUPT when a dimension is negative or a product
 * overflows. The text is about "a shape": the caller puts the name in front. */
int sk_weights_shape(const int64_t *dims, unsigned rank, enum sk_dtype dtype, size_t *count,
                     size_t *size_bytes, struct sk_err *err) SK_CHECK;

/* ---- readers: fill an empty set, which does not outlive the bytes ---- */

bool sk_safetensors_is(const uint8_t *bytes, size_t len);
int sk_safetensors_read(struct sk_weights *w, const uint8_t *bytes, size_t len,
                        struct sk_err *err) SK_CHECK;

#endif
