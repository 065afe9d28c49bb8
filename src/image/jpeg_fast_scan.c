/*
 * jpeg_fast_scan.c - the scan from its first MCU to the end of image: tables, restart markers,
 * spans of MCUs.
 *
 * The loop over codes is in jpeg_fast_scan_body.h. A span asks the feed for the most that its MCUs
 * can take, decodes unchecked, and looks afterwards whether it stayed within the data; what it
 * decoded from beyond is thrown away.
 */
#include "image/jpeg_fast_scan_body.h"

/* T.81, figure A.6. */
const uint8_t sk_jf_zigzag[SK_JF_BLOCK] = { 0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18,
                                            11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
                                            13, 6,  7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43,
                                            36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45,
                                            38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63 };

/* Of the indexes in the loop, 1 + zigzag index. */
static void set_positions(int8_t *position)
{
    for (int i = 0; i < SK_JF_POSITIONS; i++) {
        position[i] = SK_JF_RARE;
        if (i > 0 && i < SK_JF_BLOCK) /* the 64th ends a block, though nothing says so */
            position[i] = (int8_t)sk_jf_zigzag[i - 1];
        else if (i > SK_JF_STEP_END && i < SK_JF_STEP_RARE)
            position[i] = SK_JF_BLOCK;
    }
}

bool sk_jf_scan_c(struct sk_jf_scan *scan, struct sk_jf_block *block)
{
    return scan_body(scan, block);
}

enum {
    RST0 = 0xD0,
    EOI = 0xD9
};

static void set_extended(int16_t *extended)
{
    extended[1] = 0;
    for (unsigned size = 1; size <= SK_JF_SIZE_MAX; size++)
        for (unsigned bits = 0; bits < 1u << size; bits++)
            extended[(1u << size) + bits] = (int16_t)sk_jf_extend(bits, size);
}

bool sk_jf_scan_start(struct sk_jf_scan *scan, const struct sk_jf_head *head, const uint8_t *bytes,
                      size_t len)
{
    bool has_dc[4] = { false }, has_ac[4] = { false };
    scan->units = 0;
    for (unsigned c = 0; c < head->components; c++) {
        unsigned dc = head->component[c].dc, ac = head->component[c].ac;
        if (!has_dc[dc] && !sk_jf_table_build(&head->dc[dc], true, &scan->dc_table[dc]))
            return false;
        if (!has_ac[ac] && !sk_jf_table_build(&head->ac[ac], false, &scan->ac_table[ac]))
            return false;
        has_dc[dc] = has_ac[ac] = true;
        unsigned blocks = c == 0 ? head->h * head->v : 1;
        for (unsigned i = 0; i < blocks; i++)
            scan->component[scan->units++] = (uint8_t)c;
    }
    scan->first_dc = &scan->dc_table[head->component[0].dc];
    sk_jf_table_clear(&scan->stop);
    set_extended(scan->extended);
    set_positions(scan->position);
    scan->restart_mcus = scan->until_restart = head->restart_mcus;
    scan->next_restart = 0;
    sk_jf_feed_start(&scan->feed, bytes + head->scan_at, bytes + len);
    return true;
}

void sk_jf_scan_prepare(const struct sk_jf_scan *scan, const struct sk_jf_head *head,
                        struct sk_jf_block *blocks, size_t mcus)
{
    for (size_t i = 0; i < mcus * scan->units; i++) {
        unsigned c = scan->component[i % scan->units],
                 next = scan->component[(i + 1) % scan->units];
        blocks[i].component = (uint8_t)c;
        blocks[i].ac = &scan->ac_table[head->component[c].ac];
        blocks[i].next_dc = &scan->dc_table[head->component[next].dc];
    }
}

/* Written out: for memset GCC makes a string instruction, which is slow to start. */
static void clear_blocks(struct sk_jf_block *b, const struct sk_jf_block *end)
{
    typedef int16_t vector __attribute__((vector_size(16), aligned(16), may_alias));
    for (; b < end; b++) {
        vector *v = (vector *)(void *)b->coef;
        v[0] = v[1] = v[2] = v[3] = v[4] = v[5] = v[6] = v[7] = (vector){ 0 };
        b->extent = 0;
        b->restarts = false;
    }
}

static bool pass_restart(struct sk_jf_scan *scan)
{
    if (!sk_jf_feed_marker(&scan->feed, (uint8_t)(RST0 + scan->next_restart)))
        return false;
    scan->next_restart = (scan->next_restart + 1) & 7;
    scan->until_restart = scan->restart_mcus;
    return true;
}

bool sk_jf_scan_span(struct sk_jf_scan *scan, const struct sk_jf_kernels *kernels, unsigned mcus,
                     struct sk_jf_block *blocks)
{
    while (mcus > 0) {
        unsigned n = mcus;
        bool restarts = scan->restart_mcus && scan->until_restart == 0;
        if (restarts && !pass_restart(scan))
            return false;
        if (scan->restart_mcus) {
            if (n > scan->until_restart)
                n = scan->until_restart;
            scan->until_restart -= n;
        }
        struct sk_jf_block *end = blocks + (size_t)n * scan->units;
        sk_jf_feed_fill(&scan->feed, (size_t)n * scan->units * SK_JF_BLOCK_BYTES_MAX);
        clear_blocks(blocks, end);
        blocks->restarts = restarts;
        const struct sk_jf_table *next_dc = end[-1].next_dc;
        end[-1].next_dc = &scan->stop;
        bool is_ok = kernels->scan(scan, blocks);
        end[-1].next_dc = next_dc;
        if (!is_ok || !sk_jf_feed_ok(&scan->feed))
            return false;
        blocks = end;
        mcus -= n;
    }
    return true;
}

bool sk_jf_scan_end(struct sk_jf_scan *scan)
{
    return sk_jf_feed_marker(&scan->feed, EOI);
}
