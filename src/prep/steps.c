/*
 * steps.c - the steps of preprocessing, in the order in which transformers does them.
 *
 * Order matters where it shows: a crop that is larger than the picture adds black pixels, which are
 * then rescaled and normalised like the others.
 */
#include "prep/prep_priv.h"

const struct sk_step *const sk_steps[] = {
    &sk_step_refuse,    &sk_step_resize, &sk_step_crop, &sk_step_rescale,
    &sk_step_normalise, &sk_step_flip,   NULL,
};
