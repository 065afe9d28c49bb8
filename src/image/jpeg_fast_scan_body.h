/*
 * jpeg_fast_scan_body.h - the loop over Huffman codes. Compiled twice, into jpeg_fast_scan.c and,
 * with the shift instructions of BMI2, into jpeg_fast_scan_bmi2.c.
 *
 * Where a block ends cannot be predicted; a branch on it costs as much as half of the block's
 * codes. So there is none: one loop runs over table lookups, of DC and AC alike, through all blocks
 * of a span. Each takes what the table says (struct sk_jf_table), stores two coefficients (a lone
 * one twice, an end of block to the block's spare place) and chooses the next table and block by
 * what the table holds for that. DC differences are summed up afterwards.
 *
 * The critical path is: index from acc, load from the table, shift acc or choose the next table.
 * Fields of an entry are loaded one by one, because loads are cheaper here than shifts. One branch
 * catches all that is rare, before anything is stored: the position SK_JF_RARE stands for indexes
 * at which a block ends without an end of block or runs over, and keys of long codes, bad codes and
 * runs of 16 zeros lead there by their steps, as do those of the table behind the last block.
 *
 * `acc` holds the next bits at its upper end; at least `bits` of them are right. A reload tops it
 * up to 56 or more without a branch: it reads eight bytes from where the known bits end and moves
 * on by whole bytes. Two lookups take at most 2 * (SK_JF_LOOKUP_BITS + SK_JF_SIZE_MAX) of them; a
 * symbol taken slowly, at most 27, has as many left after one lookup. A key needs only
 * SK_JF_LOOKUP_BITS, so it can be had before the reload.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

/* State of the loop. In the loop itself it is in locals, for the sake of registers; take_slowly
 * gets it in here. */
struct loop {
    uint64_t acc;
    const uint8_t *at;               /* of the first bit behind those that are known */
    unsigned bits;                   /* known in acc */
    uint64_t index;                  /* 1 + zigzag index of the last coefficient; 0: DC is next */
    const struct sk_jf_table *table; /* for the next lookup */
    struct sk_jf_block *block;
};

static inline uint64_t load_be64(const uint8_t *at)
{
    uint64_t w;
    memcpy(&w, at, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    return w;
}

/* Tops acc up to 56 or more known bits. */
static inline void reload(uint64_t *acc, const uint8_t **at, uint64_t *bits)
{
    *acc |= load_be64(*at) >> (*bits & 63);
    *at += (~*bits & 63) >> 3;
    *bits |= 56;
}

/* One symbol without the help of the table. False: no such code, or a run beyond the block. */
static __attribute__((noinline, cold)) bool take_slowly(struct loop *l)
{
    const struct sk_jf_table *t = l->table;
    bool is_dc = l->index == 0;
    unsigned window = (unsigned)(l->acc >> 48), n = 1;
    while (n <= 16 && window >= t->limit[n])
        n++;
    if (n > 16)
        return false;
    unsigned symbol = t->value[(unsigned)(t->offset[n] + (int)(window >> (16 - n)))];
    unsigned size = symbol & 15;
    l->acc <<= n;
    l->bits -= n + size;
    l->table = l->block->ac;
    bool ends = symbol == 0 && !is_dc;
    if (!ends) {
        l->index += (symbol >> 4) + 1;
        if (l->index > SK_JF_BLOCK)
            return false;
        ends = l->index == SK_JF_BLOCK;
    }
    if (size > 0) {
        unsigned pos = sk_jf_zigzag[l->index - 1];
        l->block->coef[pos] = (int16_t)sk_jf_extend((unsigned)(l->acc >> (64 - size)), size);
        l->block->extent |= (uint8_t)pos;
        l->acc <<= size;
    }
    if (ends) {
        l->table = l->block->next_dc;
        l->block++;
        l->index = 0;
    }
    return true;
}

static inline bool scan_body(struct sk_jf_scan *s, struct sk_jf_block *block)
{
    const uint8_t *at = s->feed.window + (s->feed.bit >> 3) + 7;
    uint64_t acc = load_be64(at - 7) << (s->feed.bit & 7);
    uint64_t bits = 56 - (s->feed.bit & 7); /* only the lower six bits count */
    uint64_t index = 0;
    const struct sk_jf_table *table = s->first_dc;
    for (;;) {
        uint64_t key = acc >> (64 - SK_JF_LOOKUP_BITS);
        reload(&acc, &at, &bits); /* after key, which does not wait for it */
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
            uint32_t step = table->step[key];
            const struct sk_jf_rest *rest = &table->rest[key];
            uint64_t last = index + (uint8_t)(step >> 8);
            int64_t pos1 = s->position[index + rest->first], pos = s->position[last];
            if (__builtin_expect((pos1 | pos) < 0, 0)) {
                if (table == &s->stop)
                    goto stop;
                struct loop l = { acc, at, bits & 63, index, table, block };
                if (!take_slowly(&l))
                    return false;
                acc = l.acc;
                at = l.at;
                bits = l.bits;
                index = l.index;
                table = l.table;
                block = l.block;
                reload(&acc, &at, &bits);
                break;
            }
            uint64_t was = acc;
            acc <<= step & 63;
            bits -= step;
            table = (int32_t)step < 0 ? block->next_dc : block->ac;
            index = (int32_t)step < 0 ? 0 : last;
            block->coef[pos1] = rest->value;
            block->coef[pos] = s->extended[(int64_t)(was >> rest->shift) + rest->base];
            block->extent |= (uint8_t)(pos1 | pos);
            block = (struct sk_jf_block *)((char *)block + (uint8_t)(step >> 16));
            key = acc >> (64 - SK_JF_LOOKUP_BITS);
        }
    }
stop:
    s->feed.bit = 8 * (uint64_t)(at - s->feed.window) - (bits & 63);
    return true;
}
