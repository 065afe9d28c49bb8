/* torch_priv.h - what both of PyTorch's containers share. For this folder and its tests. */
#ifndef SK_WEIGHTS_TORCH_PRIV_H
#define SK_WEIGHTS_TORCH_PRIV_H

#include "weights/pickle_priv.h"
#include "weights/weights_priv.h"

/* Fills w with the tensors of a pickled object: of itself, or of the dict in it that holds them.
 * data[i] is where elements of storage i begin, which are in the file as far as the storage says.
 */
int sk_torch_fill(struct sk_weights *w, const struct sk_pickle *p, uint32_t object,
                  const uint8_t *const *data, struct sk_err *err) SK_CHECK;

/* The pickle in a part of a file: at most SK_WEIGHTS_MAX_PICKLE bytes of it are run. Moves *bytes
 * behind it. */
int sk_torch_load(struct sk_pickle *p, struct sk_view *bytes, uint32_t *out,
                  struct sk_err *err) SK_CHECK;

/* torch_zip.c: archive/data.pkl, archive/data/KEY. */
int sk_torch_zip_read(struct sk_weights *w, const uint8_t *bytes, size_t len,
                      struct sk_err *err) SK_CHECK;

/* torch_legacy.c: pickles and data one after the other. */
bool sk_torch_legacy_is(const uint8_t *bytes, size_t len);
int sk_torch_legacy_read(struct sk_weights *w, const uint8_t *bytes, size_t len,
                         struct sk_err *err) SK_CHECK;

#endif
