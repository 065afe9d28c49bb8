/*
 * jpeg_fast_scan_body.h - the loop over Huffman codes. Compiled twice, into jpeg_fast_scan.c and, with the shift
 * instructions of BMI2, into jpeg_fast_scan_bmi2.c.
 *
 * `acc` holds the next bits at its upper end; at least `bits` of them are right. A reload tops it up to 56 or more
 * without a branch: it reads eight bytes from where the known bits end and moves on by whole bytes. A symbol takes at
 * most 26 bits.
 *
 * The critical path of a symbol is: index from acc, table entry, shift acc. The rest (value, position, quantisation,
 * store) hangs off it. End of block is a step of SK_JF_EOB: it leaves the loop by the same comparison as coefficient 63
 * does and its store goes to the spare coefficient behind the block.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

struct reader {
    uint64_t acc;
    unsigned bits;
    const uint8_t *at;
};

static inline void reload(struct reader *r)
{
    uint64_t w;
    memcpy(&w, r->at, 8);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    w = __builtin_bswap64(w);
#endif
    r->acc |= w >> r->bits;
    r->at += (63 - r->bits) >> 3;
    r->bits |= 56;
}

static inline void drop(struct reader *r, unsigned n)
{
    r->acc <<= n & 63;
    r->bits -= n;
}

static inline unsigned take(struct reader *r, unsigned n)
{
    unsigned v = (unsigned)(r->acc >> (64 - n));
    drop(r, n);
    return v;
}

/* The symbol behind an entry that says "look closer"; -1: no such code. */
static inline int find_symbol(struct reader *r, const struct sk_jf_table *t, uint32_t entry)
{
    if (entry & 0xFF) {
        drop(r, entry & 0xFF);
        return (int)(entry >> 16);
    }
    unsigned window = (unsigned)(r->acc >> 48);
    for (unsigned n = SK_JF_LOOKUP_BITS + 1; n <= 16; n++) {
        if (window < t->limit[n]) {
            drop(r, n);
            return t->value[(unsigned)(t->offset[n] + (int)(window >> (16 - n)))];
        }
    }
    return -1;
}

static inline bool read_dc(struct reader *r, const struct sk_jf_table *t, int32_t *pred)
{
    uint32_t entry = t->fast[r->acc >> (64 - SK_JF_LOOKUP_BITS)];
    int32_t diff = (int32_t)entry >> 16;
    if (entry & 0xFF00) {
        drop(r, entry & 0xFF);
    } else {
        int size = find_symbol(r, t, entry);
        if (size < 0)
            return false;
        diff = size ? sk_jf_extend(take(r, (unsigned)size), (unsigned)size) : 0;
    }
    *pred = (int32_t)((uint32_t)*pred + (uint32_t)diff);
    return true;
}

/* One code that is not in the table whole. Advances *k; false: no such code. */
static inline bool read_ac_closer(struct reader *r, const struct sk_jf_table *t, uint32_t entry, unsigned *k,
                                  int32_t *value)
{
    int symbol = find_symbol(r, t, entry);
    if (symbol < 0)
        return false;
    unsigned size = (unsigned)symbol & 15;
    *value = 0;
    if (size) {
        *k += ((unsigned)symbol >> 4) + 1;
        *value = sk_jf_extend(take(r, size), size);
    } else {
        *k += symbol ? 16 : SK_JF_EOB;
    }
    return true;
}

static inline bool read_block(struct reader *r, const struct sk_jf_unit *u, int32_t *pred, int16_t *coef,
                              uint8_t *extent)
{
    memset(coef, 0, SK_JF_BLOCK * sizeof(*coef));
    reload(r);
    if (!read_dc(r, u->dc, pred))
        return false;
    coef[0] = (int16_t)((uint32_t)*pred * (uint32_t)u->quant[0]);
    const uint32_t *fast = u->ac->fast;
    const int16_t *quant = u->quant;
    unsigned k = 0, seen = 0;
    do {
        reload(r);
        uint32_t entry = fast[r->acc >> (64 - SK_JF_LOOKUP_BITS)];
        unsigned steps = (entry >> 8) & 0xFF;
        int32_t value = (int32_t)entry >> 16;
        if (__builtin_expect(steps != 0, 1)) {
            drop(r, entry & 0xFF);
            k += steps;
        } else {
            if (!read_ac_closer(r, u->ac, entry, &k, &value))
                return false;
        }
        unsigned pos = sk_jf_zigzag[k];
        coef[pos] = (int16_t)(value * quant[k]);
        seen |= value ? pos : 0;
    } while (k < 63);
    *extent = (uint8_t)(seen & 63);
    return k == 63 || k >= SK_JF_EOB;
}

static inline bool scan_body(struct sk_jf_scan *s, unsigned mcus, int16_t *coef, uint8_t *extent)
{
    struct reader r = { 0, 0, s->feed.window + (s->feed.bit >> 3) };
    reload(&r);
    drop(&r, (unsigned)(s->feed.bit & 7));
    int32_t dc[3] = { s->dc[0], s->dc[1], s->dc[2] };
    for (unsigned m = 0; m < mcus; m++) {
        for (unsigned i = 0; i < s->units; i++) {
            const struct sk_jf_unit *u = &s->unit[i];
            if (!read_block(&r, u, &dc[u->component], coef, extent))
                return false;
            coef += SK_JF_BLOCK;
            extent++;
        }
    }
    memcpy(s->dc, dc, sizeof(dc));
    s->feed.bit = 8 * (uint64_t)(r.at - s->feed.window) - r.bits;
    return true;
}
