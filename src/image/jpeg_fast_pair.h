/*
 * jpeg_fast_pair.h - a second thread that reads Huffman codes for the first one.
 *
 * For one picture: offer; hand_over between spans until it says true; next and give_back for each
 * span from there on; end, whatever happened. Threads: all calls by the thread that owns the
 * decoder; the helper is inside.
 */
#ifndef SK_IMAGE_JPEG_FAST_PAIR_H
#define SK_IMAGE_JPEG_FAST_PAIR_H

#include "image/jpeg_fast_priv.h"

struct sk_jf_pair;
/* Starts the thread. NULL with err. */
struct sk_jf_pair *sk_jf_pair_new(struct sk_err *err);
void sk_jf_pair_free(struct sk_jf_pair *p);

/* All arguments are borrowed until sk_jf_pair_end. */
void sk_jf_pair_offer(struct sk_jf_pair *p, struct sk_jf_scan *scan, const struct sk_jf_head *head,
                      const struct sk_jf_kernels *kernels, uint32_t mcus_x, uint32_t mcus_y);
/* True: the helper is awake and decodes from MCU x of row y on; the scan is its own now. */
bool sk_jf_pair_hand_over(struct sk_jf_pair *p, uint32_t x, uint32_t y);
/* The blocks of span n, counted from where the helper started; NULL: irregular. */
struct sk_jf_block *sk_jf_pair_next(struct sk_jf_pair *p, unsigned n);
/* The blocks of span n are not needed any more. */
void sk_jf_pair_give_back(struct sk_jf_pair *p, unsigned n);
/* The helper has let go of everything; the scan is the caller's again. */
void sk_jf_pair_end(struct sk_jf_pair *p);

#endif
