/*
 * test_jpeg_fast_huff.c - Huffman tables: which are taken, and that each entry says what its bits
 * say.
 */
#include "jpeg_util.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum {
    KEYS = 1 << SK_JF_LOOKUP_BITS
};

/* Counts of codes of lengths 1 to 16, then symbols. */
struct row {
    const char *name;
    uint8_t count[16];
    const char *symbols;
    bool is_dc, is_ours;
};

static const struct row rows[] = {
    { "one code", { 0, 1 }, "\x01", false, true },
    { "DC sizes", { 0, 3, 1 }, "\x00\x05\x0B\x01", true, true },
    { "long codes",
      { 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2 },
      "\x01\x00\xF0",
      false,
      true },
    { "empty", { 0 }, "", false, true },
    { "all ones as a code", { 2 }, "\x01\x00", false, false },
    { "all ones at length 3", { 1, 1, 2 }, "\x01\x00\x02\x03", false, false },
    { "too many codes", { 0, 5 }, "\x01\x00\x02\x03\x04", false, false },
    { "DC size 12", { 0, 1 }, "\x0C", true, false },
    { "DC with a run", { 0, 1 }, "\x11", true, false },
    { "AC size 11", { 0, 1 }, "\x0B", false, false },
    { "AC run without a value", { 0, 1 }, "\x50", false, false },
};

static struct sk_jf_dht dht_of(const struct row *row)
{
    struct sk_jf_dht dht = { .is_set = true };
    size_t codes = 0;
    for (int i = 0; i < 16; i++)
        codes += dht.count[i + 1] = row->count[i];
    memcpy(dht.value, row->symbols, codes);
    return dht;
}

static void which_tables(void **unused)
{
    (void)unused;
    static struct sk_jf_table table;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sk_jf_dht dht = dht_of(&rows[i]);
        if (sk_jf_table_build(&dht, rows[i].is_dc, &table) != rows[i].is_ours)
            fail_msg("%s: expected %d", rows[i].name, rows[i].is_ours);
    }
}

/* The symbol at the top of `bits` by the definition; its length, 0: none. */
static unsigned naive_symbol(const struct sk_jf_dht *dht, uint32_t bits, uint8_t *symbol)
{
    unsigned code = 0, k = 0;
    for (unsigned length = 1; length <= 16; length++) {
        for (unsigned i = 0; i < dht->count[length]; i++, code++, k++) {
            if (bits >> (32 - length) == code) {
                *symbol = dht->value[k];
                return length;
            }
        }
        code <<= 1;
    }
    return 0;
}

/* What one symbol does to the bits, the index and the value. */
static bool naive_step(const struct sk_jf_dht *dht, bool is_dc, uint64_t acc, unsigned *used,
                       unsigned *index, int *value, bool *ends)
{
    uint8_t symbol = 0;
    unsigned length = naive_symbol(dht, (uint32_t)(acc << *used >> 32), &symbol),
             size = symbol & 15u;
    if (length == 0 || symbol == 0xF0)
        return false;
    *used += length;
    *ends = symbol == 0 && !is_dc;
    if (!*ends)
        *index += (symbol >> 4) + 1u;
    *value = size ? sk_jf_extend((unsigned)(acc << *used >> (64 - size)), size) : 0;
    *used += size;
    return true;
}

/* Plays an entry as the loop does and compares with symbols one by one. */
static void check_entry(const struct sk_jf_table *t, const struct sk_jf_dht *dht, bool is_dc,
                        uint64_t acc)
{
    unsigned key = (unsigned)(acc >> (64 - SK_JF_LOOKUP_BITS)), used = 0, index = 0;
    unsigned bits = t->step[key] & 0xFF, steps = t->step[key] >> 8 & 0xFF;
    const struct sk_jf_rest *rest = &t->rest[key];
    int value = 0;
    bool ends = false;
    if (bits == 0) {
        assert_int_equal(steps, SK_JF_STEP_RARE);
        assert_int_equal(rest->first, SK_JF_STEP_RARE);
        return;
    }
    assert_true(naive_step(dht, is_dc, acc, &used, &index, &value, &ends));
    if (used < bits) { /* a pair */
        assert_int_equal(rest->first, index);
        assert_int_equal(rest->value, value);
        assert_true(naive_step(dht, is_dc, acc, &used, &index, &value, &ends));
    } else if (!ends) {
        assert_int_equal(rest->first, steps);
    }
    assert_int_equal(bits, used);
    assert_int_equal(steps, ends ? index + SK_JF_STEP_END : index);
    assert_int_equal(t->step[key] >> 31, ends);
    assert_int_equal(t->step[key] >> 16 & 0xFF, ends ? sizeof(struct sk_jf_block) : 0);
    int64_t at = (int64_t)(acc >> rest->shift) + rest->base;
    unsigned size = 0;
    while ((int64_t)2 << size <= at)
        size++;
    assert_int_equal(size ? sk_jf_extend((unsigned)(at - ((int64_t)1 << size)), size) : 0, value);
}

/* The tables that libjpeg writes, standard and optimised. */
static void entries(void **unused)
{
    (void)unused;
    static struct sk_jf_table table;
    static struct sk_jf_head head;
    uint32_t state = 1;
    for (int optimised = 0; optimised < 2; optimised++) {
        struct ref_encode o = { 64, 64, 3, 2, 2, 97, optimised, false, 0, 0 };
        struct jpeg j = jpeg_make(&o, JPEG_CURVES, &state);
        assert_true(sk_jf_head_read(j.bytes, j.len, &head));
        for (unsigned slot = 0; slot < 4; slot++) {
            bool is_dc = slot < 2;
            const struct sk_jf_dht *dht = is_dc ? &head.dc[slot] : &head.ac[slot - 2];
            assert_true(sk_jf_table_build(dht, is_dc, &table));
            for (unsigned key = 0; key < KEYS; key++) {
                uint64_t rest = (uint64_t)jpeg_random(&state) << 22 ^ (uint64_t)jpeg_random(&state);
                check_entry(&table, dht, is_dc,
                            (uint64_t)key << (64 - SK_JF_LOOKUP_BITS) |
                                (rest & (UINT64_MAX >> SK_JF_LOOKUP_BITS)));
            }
        }
        free(j.bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(which_tables), cmocka_unit_test(entries) };
    return cmocka_run_group_tests_name("image/jpeg_fast_huff", tests, NULL, NULL);
}
