/*
 * weights.h - tensors by name from files: safetensors, and PyTorch's .pth/.pt state dicts; writes
 * safetensors.
 *
 * The file is mapped, tensors lie in the map. Everything in it is hostile until checked: offsets,
 * sizes, names, and for PyTorch a pickle, of which only the few operations that build a state dict
 * are known (dict, list, tuple, text, numbers, OrderedDict, torch._utils._rebuild_tensor_v2,
 * _rebuild_parameter, storages by name). Anything else is SK_UNSUPPORTED naming what was asked for;
 * nothing is ever called. Both of PyTorch's containers are read: the zip (stored entries) and the
 * older one of consecutive pickles. Little-endian only.
 *
 * Errors: SK_CORRUPT with the place, SK_UNSUPPORTED, SK_LIMIT (more tensors or a bigger header than
 * the limits below). Threads: a set is immutable. Cost of opening: headers and pickles are read,
 * tensors are not touched; a file must not become shorter while it is open.
 */
#ifndef SK_WEIGHTS_WEIGHTS_H
#define SK_WEIGHTS_WEIGHTS_H

#include "base/cleanup.h"
#include "base/dtype.h"
#include "base/err.h"
#include "base/limits.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    SK_WEIGHTS_MAX_TENSORS = 65536,
    SK_WEIGHTS_MAX_HEADER = 100000000, /* safetensors' own bound */
    SK_WEIGHTS_MAX_PICKLE = 64 << 20,
    SK_WEIGHTS_MAX_REPEATED = 256 << 20, /* bytes of a view that is larger than its storage */
    SK_WEIGHTS_MAX_NAME = 1024
};

struct sk_weights;

struct sk_weight {
    const char *name;
    enum sk_dtype dtype;
    unsigned rank; /* at most SK_LIMIT_RANK */
    int64_t dims[SK_LIMIT_RANK];
    size_t count;           /* elements */
    const void *data;       /* unaligned; contiguous, except: */
    const int64_t *strides; /* in elements; NULL: contiguous in C order */
};

/* The kind of file is told by its contents; a folder (a bundle) stands for model.safetensors in it.
 * A .pth whose dict has a dict of tensors under "state_dict", "model", "model_state" or
 * "model_ema", looked for in this order, gives that one; names keep their prefixes. An ONNX file is
 * SK_UNSUPPORTED with the hint that batch norm is folded there and model.safetensors beside it can
 * be trained on. Errors begin with the path. */
int sk_weights_open(const char *path, struct sk_weights **out, struct sk_err *err) SK_CHECK;
/* The same from memory, which must outlive the set. */
int sk_weights_open_bytes(const void *bytes, size_t len, struct sk_weights **out,
                          struct sk_err *err) SK_CHECK;
void sk_weights_free(struct sk_weights *w);
SK_DEFINE_OWN(struct sk_weights, sk_weights_free);

/* "safetensors", "pytorch zip" or "pytorch legacy" */
const char *sk_weights_format(const struct sk_weights *w);
size_t sk_weights_count(const struct sk_weights *w);
/* Sorted by name. */
const struct sk_weight *sk_weights_at(const struct sk_weights *w, size_t index);
const struct sk_weight *sk_weights_find(const struct sk_weights *w, const char *name);
/* __metadata__ of safetensors, NULL: none. */
const char *sk_weights_meta(const struct sk_weights *w, const char *key);

/* All elements as f32 into out[count], from any float type, strides followed. SK_UNSUPPORTED for
 * other types. */
int sk_weight_f32(const struct sk_weight *t, float *out, struct sk_err *err) SK_CHECK;
/* Elements as they are (count * size bytes), strides followed. */
void sk_weight_copy(const struct sk_weight *t, void *out);

/* ---- writing ---- */

struct sk_weight_out {
    const char *name;
    enum sk_dtype dtype;
    unsigned rank;
    int64_t dims[SK_LIMIT_RANK];
    const void *data;
};

/* Writes a safetensors file in one step (beside it, synced, renamed). The data are laid out by
 * falling element size, so that each tensor is aligned, otherwise in the order given. meta: pairs
 * key, value, NULL-terminated; may be NULL. A full disk leaves the old file and no other. */
int sk_weights_write(const char *path, const struct sk_weight_out *tensors, size_t count,
                     const char *const *meta, struct sk_err *err) SK_CHECK;

#endif
