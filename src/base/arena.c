/*
 * arena.c - bump allocation from a short list of blocks.
 *
 *     block header | padding to 64 | data ............................. cap bytes
 *                                    ^ used: where the next allocation starts, always a multiple of
 * 64
 *
 * A block that is full stays; a new one in front is at least twice as large, so a request of n
 * bytes needs O(log n) blocks. A clear that finds several blocks frees them and notes their sum:
 * the next request gets it in one piece. Invariant: used_bytes is the sum of all blocks' used and
 * never exceeds ceiling_bytes.
 */
#include "base/arena.h"

#include "base/str.h"

#include <stdint.h>

enum {
    ALIGN = 64,
    FIRST_BYTES = 4096
};

struct sk_arena_block {
    struct sk_arena_block *next;
    size_t cap;
    size_t used;
    _Alignas(ALIGN) unsigned char data[];
};

void sk_arena_done(struct sk_arena *a)
{
    if (!a)
        return;
    while (a->blocks) {
        struct sk_arena_block *b = a->blocks;
        a->blocks = b->next;
        free(b);
    }
    a->used_bytes = 0;
}

void sk_arena_clear(struct sk_arena *a)
{
    if (a->blocks && a->blocks->next) {
        size_t sum = 0;
        for (const struct sk_arena_block *b = a->blocks; b; b = b->next)
            sum += b->used;
        sk_arena_done(a);
        a->hint_bytes = sum;
    }
    if (a->blocks)
        a->blocks->used = 0;
    a->used_bytes = 0;
}

/* A new block in front with room for size bytes. */
static struct sk_arena_block *add_block(struct sk_arena *a, size_t size)
{
    size_t cap = a->blocks ? a->blocks->cap * 2 : FIRST_BYTES;
    if (cap < a->hint_bytes)
        cap = a->hint_bytes;
    if (cap > a->ceiling_bytes - a->used_bytes)
        cap = a->ceiling_bytes - a->used_bytes;
    if (cap < size)
        cap = size;
    cap = (cap + ALIGN - 1) & ~(size_t)(ALIGN - 1);

    size_t total = 0;
    if (!sk_add_size(sizeof(struct sk_arena_block), cap, &total))
        return NULL;
    struct sk_arena_block *b = aligned_alloc(ALIGN, total);
    if (!b)
        return NULL;
    b->next = a->blocks;
    b->cap = cap;
    b->used = 0;
    a->blocks = b;
    return b;
}

void *sk_arena_alloc(struct sk_arena *a, size_t size)
{
    size_t need = 0;
    if (!sk_add_size(size ? size : 1, ALIGN - 1, &need))
        return NULL;
    need &= ~(size_t)(ALIGN - 1);
    if (need > a->ceiling_bytes - a->used_bytes)
        return NULL;

    struct sk_arena_block *b = a->blocks;
    if (!b || need > b->cap - b->used)
        b = add_block(a, need);
    if (!b)
        return NULL;
    void *p = b->data + b->used;
    b->used += need;
    a->used_bytes += need;
    return p;
}

char *sk_arena_strndup(struct sk_arena *a, const char *text, size_t len)
{
    size_t size = 0;
    char *copy = sk_add_size(len, 1, &size) ? sk_arena_alloc(a, size) : NULL;

    if (!copy)
        return NULL;
    if (len > 0)
        memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}
