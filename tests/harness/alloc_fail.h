/*
 * alloc_fail.h - lets the n-th allocation of a piece of code fail, for every n.
 *
 *     static int open_it(void *ctx, struct sk_err *err)   // does the whole thing and cleans up
 *     ...
 *     sk_alloc_sweep("open", open_it, ctx, 0);
 *
 * The program must be linked with harness_alloc_dep: the linker then leads malloc, calloc, realloc,
 * reallocarray, aligned_alloc, strdup, strndup and realpath of our own code (not of shared
 * libraries) to this hook. So it works alike with the allocator of libc, AddressSanitizer's and any
 * other; leaks on the error paths are found by LeakSanitizer at exit, and use of freed memory at
 * once. Only the calling thread's allocations count and fail.
 */
#ifndef SK_HARNESS_ALLOC_FAIL_H
#define SK_HARNESS_ALLOC_FAIL_H

#include "base/err.h"

#include <stddef.h>

enum sk_alloc_flags {
    SK_ALLOC_MAY_SURVIVE = 1u << 0, /* the code may work without the memory, such as for a cache */
};

typedef int sk_alloc_case(void *ctx, struct sk_err *err);

/* Runs once unharmed (which must succeed), then fails allocation 1, 2, 3 ... until a run needs no
 * more. Each of these must return -1 with SK_NOMEM and a text. A broken promise fails the cmocka
 * test, naming `name` and n. Returns the number of allocations that were failed. */
size_t sk_alloc_sweep(const char *name, sk_alloc_case *run, void *ctx, unsigned flags);

/* The parts, for code that returns no error: the n-th allocation from now on fails (0: none). */
void sk_alloc_fail_at(size_t n);
/* Ends it; returns how many allocations were asked for since, and whether one failed. */
size_t sk_alloc_fail_end(int *did_fail);

#endif
