/*
 * kernels.c - chooses the pixel kernels: the best that this CPU runs, once, or those that a test
 * names.
 *
 * SKERRY_KERNELS in the environment names them too; a name that the CPU lacks is passed over.
 * Invariant: sk_kernels() never gives a table that the CPU cannot run.
 */
#include "image/image_priv.h"

#include <pthread.h>
#include <stdatomic.h>

static bool always(void)
{
    return true;
}

#if defined(__x86_64__)
static bool has_avx2(void)
{
    return __builtin_cpu_supports("avx2");
}

static bool has_avx512vnni(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni");
}
#endif

/* The worst first. */
static const struct candidate {
    const struct sk_kernels *kernels;
    bool (*runs)(void);
} candidates[] = {
    { &sk_kernels_c, always },
#if defined(__x86_64__)
    { &sk_kernels_avx2, has_avx2 },
    { &sk_kernels_avx512vnni, has_avx512vnni },
#elif defined(__aarch64__)
    { &sk_kernels_neon, always },
#endif
};

enum {
    CANDIDATES = sizeof candidates / sizeof candidates[0]
};

static _Atomic(const struct sk_kernels *) chosen;

/* NULL: this CPU does not run them. */
static const struct sk_kernels *find(const char *name)
{
    for (int i = 0; i < CANDIDATES; i++)
        if (candidates[i].runs() && strcmp(name, candidates[i].kernels->name) == 0)
            return candidates[i].kernels;
    return NULL;
}

static const struct sk_kernels *best(void)
{
    const struct sk_kernels *k = &sk_kernels_c;
    for (int i = 0; i < CANDIDATES; i++)
        if (candidates[i].runs())
            k = candidates[i].kernels;
    return k;
}

const struct sk_kernels *sk_kernels(void)
{
    const struct sk_kernels *k = atomic_load_explicit(&chosen, memory_order_relaxed);
    if (k)
        return k;
    const char *name = getenv("SKERRY_KERNELS");
    k = name ? find(name) : NULL;
    k = k ? k : best();
    atomic_store_explicit(&chosen, k, memory_order_relaxed); /* every thread finds the same one */
    return k;
}

int sk_image_kernels_select(const char *name, struct sk_err *err)
{
    const struct sk_kernels *k = find(name);
    if (!k)
        return sk_fail(err, SK_UNSUPPORTED, "kernels '%s' do not run on this CPU", name);
    atomic_store_explicit(&chosen, k, memory_order_relaxed);
    return 0;
}

const char *sk_image_kernels_name(void)
{
    return sk_kernels()->name;
}

static const char *names[CANDIDATES + 1];

static void list_names(void)
{
    size_t n = 0;
    for (int i = 0; i < CANDIDATES; i++)
        if (candidates[i].runs())
            names[n++] = candidates[i].kernels->name;
}

const char *const *sk_image_kernels_available(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, list_names);
    return names;
}

void sk_image_lut_chw(const struct sk_image *img, const float lut[3][256], float *dst)
{
    sk_kernels()->lut_chw(img->pixels, (size_t)img->width * img->height, lut, dst);
}

void sk_image_lut_hwc(const struct sk_image *img, const float lut[3][256], float *dst)
{
    sk_kernels()->lut_hwc(img->pixels, (size_t)img->width * img->height, lut, dst);
}
