/*
 * jpeg_fast_huff.c - tables that turn the next bits of a scan into a coefficient (T.81, annex C and F.2.2).
 *
 * fast[] is indexed by the next SK_JF_LOOKUP_BITS bits. When they hold a whole code and its value bits, the entry gives
 * the finished, sign-extended value:
 *
 *     bits 0..7    bits to drop: code and value bits
 *     bits 8..15   steps in zigzag order: zeros skipped + 1; SK_JF_EOB for end of block; 0: look closer
 *     bits 16..31  the value
 *
 * "Look closer" with bits to drop: the code is complete but the value is not, or it is a run of 16 zeros; the symbol is
 * in bits 16..23. Without bits to drop: the code is longer than the index; limit[] and offset[] find it.
 *
 * For DC the steps are 1 and symbols are sizes only.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

enum { DC_SIZE_MAX = 11, AC_SIZE_MAX = 10, ZRL = 0xF0 };

/* Entry for index bits whose first `length` bits are the code of `symbol`. */
static uint32_t entry_of(unsigned index, unsigned length, uint8_t symbol, bool is_dc)
{
    unsigned run = symbol >> 4, size = symbol & 15u;
    uint32_t look_closer = length | (uint32_t)symbol << 16;
    if (length + size > SK_JF_LOOKUP_BITS || (!is_dc && symbol == ZRL))
        return look_closer;
    uint32_t steps = !is_dc && symbol == 0 ? SK_JF_EOB : run + 1;
    int32_t value = 0;
    if (size) {
        unsigned bits = (index >> (SK_JF_LOOKUP_BITS - length - size)) & ((1u << size) - 1);
        value = sk_jf_extend(bits, size);
    }
    return (length + size) | steps << 8 | (uint32_t)value << 16;
}

static bool is_known(uint8_t symbol, bool is_dc)
{
    if (is_dc)
        return symbol <= DC_SIZE_MAX;
    unsigned size = symbol & 15u;
    return size <= AC_SIZE_MAX && (size != 0 || symbol == 0 || symbol == ZRL);
}

static void fill_fast(struct sk_jf_table *t, unsigned code, unsigned length, uint8_t symbol, bool is_dc)
{
    if (length > SK_JF_LOOKUP_BITS)
        return;
    unsigned shift = SK_JF_LOOKUP_BITS - length;
    for (unsigned i = 0; i < 1u << shift; i++) {
        unsigned index = code << shift | i;
        t->fast[index] = entry_of(index, length, symbol, is_dc);
    }
}

bool sk_jf_table_build(const struct sk_jf_dht *dht, bool is_dc, struct sk_jf_table *out)
{
    memset(out->fast, 0, sizeof(out->fast));
    memcpy(out->value, dht->value, sizeof(out->value));
    unsigned code = 0, k = 0;
    for (unsigned length = 1; length <= 16; length++) {
        out->offset[length] = (int32_t)k - (int32_t)code;
        for (unsigned i = 0; i < dht->count[length]; i++, code++, k++) {
            if (!is_known(dht->value[k], is_dc))
                return false;
            if (code + 1 >= 1u << length) /* all ones is no code */
                return false;
            fill_fast(out, code, length, dht->value[k], is_dc);
        }
        out->limit[length] = code << (16 - length);
        code <<= 1;
    }
    return true;
}
