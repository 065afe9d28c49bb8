/*
 * arena.h - memory of one request, released in one go.
 *
 * Bump allocation from blocks that are kept across sk_arena_clear(), so a steady request shape
 * allocates nothing after its second run. A ceiling bounds the total. Threads: one at a time.
 */
#ifndef SK_BASE_ARENA_H
#define SK_BASE_ARENA_H

#include <stddef.h>

struct sk_arena {
    struct sk_arena_block *blocks; /* newest first */
    size_t used_bytes;
    size_t ceiling_bytes;
    size_t hint_bytes; /* size of the first block, learned from what was used before a clear */
};

#define SK_ARENA_INIT(max)                                                                         \
    {                                                                                              \
        .ceiling_bytes = (max)                                                                     \
    }

void sk_arena_done(struct sk_arena *a);
/* Forgets all allocations and keeps one block; when there were several, the next one holds as much
 * as they did. */
void sk_arena_clear(struct sk_arena *a);
/* 64-byte aligned, not zeroed; NULL when memory or the ceiling is exhausted. */
void *sk_arena_alloc(struct sk_arena *a, size_t size);
char *sk_arena_strndup(struct sk_arena *a, const char *text, size_t len);

#endif
