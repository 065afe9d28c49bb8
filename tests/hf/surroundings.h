/*
 * surroundings.h - the variables that hf reads, for the time of a test.
 */
#ifndef SK_HF_SURROUNDINGS_H
#define SK_HF_SURROUNDINGS_H

/* A fresh folder is HOME and *state, none of hf's variables is set. */
int sk_hf_surround(void **state);
int sk_hf_unsurround(void **state);
/* "NAME=value", "NAME=" unsets. */
void sk_hf_set(const char *assignment);

#endif
