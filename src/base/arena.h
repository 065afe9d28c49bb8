/*
 * arena.h - memory of one request, released in one go.
 *
 * Bump allocation from blocks that are kept across sk_arena_clear(), so a steady request shape allocates
 * nothing after its first run. A ceiling bounds the total. Threads: one at a time.
 */
#ifndef SK_BASE_ARENA_H
#define SK_BASE_ARENA_H

#include <stddef.h>

struct sk_arena {
    struct sk_arena_block *blocks; /* newest first */
    size_t used_bytes;
    size_t ceiling_bytes;
};

#define SK_ARENA_INIT(max) { .ceiling_bytes = (max) }

void sk_arena_done(struct sk_arena *a);
/* Forgets all allocations, keeps the largest block. */
void sk_arena_clear(struct sk_arena *a);
/* 64-byte aligned, not zeroed; NULL when memory or the ceiling is exhausted. */
void *sk_arena_alloc(struct sk_arena *a, size_t size);
char *sk_arena_strndup(struct sk_arena *a, const char *text, size_t len);

#endif
