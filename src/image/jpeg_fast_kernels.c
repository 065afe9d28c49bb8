/*
 * jpeg_fast_kernels.c - which version of the inner loops runs.
 *
 * The names are those of sk_kernels(). A set may ask for more than that table does (AVX2 here comes
 * with BMI2, AVX-512 with VBMI and VNNI), so the CPU is asked again. Invariant: what is returned
 * runs on this CPU.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

#if defined(__x86_64__)

static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2");
}

static bool has_avx512(void)
{
    return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("avx512vnni");
}

const struct sk_jf_kernels *sk_jf_kernels_find(const char *name)
{
    if (strcmp(name, "avx512") == 0 && has_avx512())
        return &sk_jf_kernels_avx512;
    if (strcmp(name, "c") != 0 && has_avx2())
        return &sk_jf_kernels_avx2;
    return &sk_jf_kernels_c;
}

#else

const struct sk_jf_kernels *sk_jf_kernels_find(const char *name)
{
    (void)name;
    return &sk_jf_kernels_c;
}

#endif
