/*
 * passed.c - which numbers of a queue need no delivery any more.
 *
 * Nearly always they pass in order, and `mark` moves. What passes before others that are still on
 * their way has a bit, and the mark moves over it when the gap is closed. Bits reach at most
 * REACH numbers beyond the mark; what passes beyond is not noted, and is sent once more.
 */
#include "spool/spool_priv.h"

#include <stdlib.h>
#include <string.h>

enum {
    BITS = 64,
    REACH = 1 << 26,
    LEAST = 16 /* words */
};

void sk_passed_init(struct sk_passed *p, uint64_t mark)
{
    *p = (struct sk_passed){ .mark = mark, .base = mark / BITS * BITS };
}

void sk_passed_done(struct sk_passed *p)
{
    free(SK_TAKE(p->bits));
    p->words = 0;
}

static uint64_t *word_of(const struct sk_passed *p, uint64_t seq)
{
    uint64_t i = (seq - p->base) / BITS;

    return i < p->words ? &p->bits[i] : NULL;
}

static uint64_t bit_of(uint64_t seq)
{
    return UINT64_C(1) << seq % BITS;
}

bool sk_passed_has(const struct sk_passed *p, uint64_t seq)
{
    if (seq < p->mark)
        return true;
    if (p->beyond == 0)
        return false;
    const uint64_t *word = word_of(p, seq);
    return word && (*word & bit_of(seq)) != 0;
}

/* Moves the mark over what has passed; bits below it are clear. */
static void advance(struct sk_passed *p)
{
    while (p->beyond > 0) {
        uint64_t *word = word_of(p, p->mark);
        if (!word || !(*word & bit_of(p->mark)))
            return;
        *word &= ~bit_of(p->mark);
        p->beyond--;
        p->mark++;
    }
}

/* Words that lie wholly below the mark are given to what lies beyond. */
static void shift(struct sk_passed *p)
{
    uint64_t gone = p->mark / BITS - p->base / BITS;

    if (p->beyond == 0 || gone >= p->words) {
        p->base = p->mark / BITS * BITS; /* all bits are clear */
        return;
    }
    memmove(p->bits, p->bits + gone, (p->words - gone) * sizeof *p->bits);
    memset(p->bits + (p->words - gone), 0, gone * sizeof *p->bits);
    p->base += gone * BITS;
}

static uint64_t *reserve(struct sk_passed *p, uint64_t seq)
{
    if (seq - p->mark >= REACH)
        return NULL;
    if (!word_of(p, seq))
        shift(p);
    size_t need = (size_t)((seq - p->base) / BITS) + 1, words = p->words ? p->words : LEAST;
    if (need > p->words) {
        while (words < need)
            words *= 2;
        uint64_t *more = reallocarray(p->bits, words, sizeof *more);
        if (!more)
            return NULL;
        memset(more + p->words, 0, (words - p->words) * sizeof *more);
        p->bits = more;
        p->words = words;
    }
    return word_of(p, seq);
}

bool sk_passed_add(struct sk_passed *p, uint64_t seq)
{
    if (sk_passed_has(p, seq))
        return false;
    if (seq == p->mark) {
        p->mark++;
        advance(p);
        return true;
    }
    uint64_t *word = reserve(p, seq);
    if (!word)
        return false;
    *word |= bit_of(seq);
    p->beyond++;
    return true;
}

/* The mark jumps; what had passed on the way is not counted again. */
static uint64_t jump(struct sk_passed *p, uint64_t until)
{
    uint64_t new = until - p->mark;

    for (size_t i = 0; i < p->words && p->beyond > 0; i++) {
        uint64_t first = p->base + i * BITS, mask = UINT64_MAX;
        if (first >= until)
            break;
        if (until - first < BITS)
            mask = bit_of(until) - 1;
        uint64_t had = (uint64_t)__builtin_popcountll(p->bits[i] & mask);
        p->bits[i] &= ~mask;
        p->beyond -= had;
        new -= had;
    }
    p->mark = until;
    advance(p);
    return new;
}

uint64_t sk_passed_add_range(struct sk_passed *p, uint64_t from, uint64_t until)
{
    uint64_t new = 0;

    if (until <= p->mark || from >= until)
        return 0;
    if (from <= p->mark)
        return jump(p, until);
    for (uint64_t seq = from; seq < until && seq - p->mark < REACH; seq++)
        new += sk_passed_add(p, seq);
    return new;
}
