/*
 * jpeg_fast_huff.c - tables that turn the next bits of a scan into coefficients (T.81, annex C and
 * F.2.2).
 *
 * An entry takes one symbol or, where the bits of its key hold the first one with its value and the
 * code of a second, two. The value of the last symbol is cut out of the bit stream by the reader,
 * so its bits need not lie within the key. Codes longer than the key, keys that start no code, and
 * the run of 16 zeros, which is no coefficient, are left to the slow way.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

enum {
    DC_SIZE_MAX = 11,
    AC_SIZE_MAX = 10,
    ZRL = 0xF0,
    KEYS = 1 << SK_JF_LOOKUP_BITS
};

/* The code that a key starts with; length 0: none that is complete. */
struct start {
    uint8_t length, symbol;
};

static bool is_known(uint8_t symbol, bool is_dc)
{
    if (is_dc)
        return symbol <= DC_SIZE_MAX;
    unsigned size = symbol & 15u;
    return size <= AC_SIZE_MAX && (size != 0 || symbol == 0 || symbol == ZRL);
}

static void set_starts(struct start *at, unsigned code, unsigned length, uint8_t symbol)
{
    if (length > SK_JF_LOOKUP_BITS)
        return;
    unsigned shift = SK_JF_LOOKUP_BITS - length;
    for (unsigned i = 0; i < 1u << shift; i++)
        at[code << shift | i] = (struct start){ (uint8_t)length, symbol };
}

static unsigned steps_of(uint8_t symbol, bool is_dc)
{
    return symbol == 0 && !is_dc ? SK_JF_STEP_END : (symbol >> 4) + 1u;
}

static void set_entry(struct sk_jf_table *t, unsigned key, const struct start *at, bool is_dc)
{
    struct start a = at[key], last = a;
    struct sk_jf_rest rest = { 0 };
    if (a.length == 0 || a.symbol == ZRL)
        return;
    unsigned size = a.symbol & 15u, bits = a.length + size, before = 0, steps = 0;
    rest.first = (uint8_t)steps_of(a.symbol, is_dc);
    if (!is_dc && size > 0 && bits < SK_JF_LOOKUP_BITS) {
        struct start b = at[(key << bits) & (KEYS - 1)]; /* the bits shifted in are not known */
        if (b.length != 0 && bits + b.length <= SK_JF_LOOKUP_BITS && b.symbol != ZRL) {
            rest.value = (int16_t)sk_jf_extend(
                (key >> (SK_JF_LOOKUP_BITS - bits)) & ((1u << size) - 1), size);
            last = b;
            before = bits;
            steps = rest.first;
        }
    }
    before += last.length;
    size = last.symbol & 15u;
    bits = before + size;
    t->step[key] = bits | (steps + steps_of(last.symbol, is_dc)) << 8;
    if (last.symbol == 0 && !is_dc)
        t->step[key] |= (uint32_t)sizeof(struct sk_jf_block) << 16 | 1u << 31;
    rest.base = (int32_t)(1u << size) - (int32_t)(key >> (SK_JF_LOOKUP_BITS - before) << size);
    rest.shift = (uint8_t)(64 - bits);
    t->rest[key] = rest;
}

void sk_jf_table_clear(struct sk_jf_table *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned key = 0; key < KEYS; key++) {
        out->step[key] = SK_JF_STEP_RARE << 8;
        out->rest[key].first = SK_JF_STEP_RARE;
    }
}

bool sk_jf_table_build(const struct sk_jf_dht *dht, bool is_dc, struct sk_jf_table *out)
{
    struct start at[KEYS] = { { 0, 0 } };
    sk_jf_table_clear(out);
    memcpy(out->value, dht->value, sizeof(out->value));
    unsigned code = 0, k = 0;
    for (unsigned length = 1; length <= 16; length++) {
        out->offset[length] = (int32_t)k - (int32_t)code;
        for (unsigned i = 0; i < dht->count[length]; i++, code++, k++) {
            if (!is_known(dht->value[k], is_dc))
                return false;
            if (code + 1 >= 1u << length) /* all ones is no code */
                return false;
            set_starts(at, code, length, dht->value[k]);
        }
        out->limit[length] = code << (16 - length);
        code <<= 1;
    }
    for (unsigned key = 0; key < KEYS; key++)
        set_entry(out, key, at, is_dc);
    return true;
}
