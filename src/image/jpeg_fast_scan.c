/*
 * jpeg_fast_scan.c - the scan from its first MCU to the end of image: tables, restart markers, spans of MCUs.
 *
 * The loop over codes is in jpeg_fast_scan_body.h. A span asks the feed for the most that its MCUs can take, decodes
 * unchecked, and looks afterwards whether it stayed within the data; what it decoded from beyond is thrown away.
 */
#include "image/jpeg_fast_scan_body.h"

/* T.81, figure A.6; natural position (row * 8 + column) of each index. */
const uint8_t sk_jf_zigzag[SK_JF_STEPS] = {
    0,  1,  8,  16, 9,  2,  3,  10, 17, 24, 32, 25, 18, 11, 4,  5,  12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6,
    7,  14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46,
    53, 60, 61, 54, 47, 55, 62, 63,
    /* 64 to 159: the spare place behind the block */
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64,
    64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64
};

bool sk_jf_scan_c(struct sk_jf_scan *scan, unsigned mcus, int16_t *coef, uint8_t *extent)
{
    return scan_body(scan, mcus, coef, extent);
}

enum { RST0 = 0xD0, EOI = 0xD9, DC_MAX = 32767 };

bool sk_jf_scan_start(struct sk_jf_scan *scan, const struct sk_jf_head *head, const uint8_t *bytes, size_t len)
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
        memset(scan->quant[c], 0, sizeof(scan->quant[c]));
        for (unsigned k = 0; k < SK_JF_BLOCK; k++)
            scan->quant[c][k] = head->quant[head->component[c].quant][k];
        unsigned blocks = c == 0 ? head->h * head->v : 1;
        for (unsigned i = 0; i < blocks; i++)
            scan->unit[scan->units++] = (struct sk_jf_unit){ &scan->dc_table[dc], &scan->ac_table[ac],
                                                             scan->quant[c], c };
    }
    memset(scan->dc, 0, sizeof(scan->dc));
    scan->restart_mcus = scan->until_restart = head->restart_mcus;
    scan->next_restart = 0;
    sk_jf_feed_start(&scan->feed, bytes + head->scan_at, bytes + len);
    return true;
}

static bool pass_restart(struct sk_jf_scan *scan)
{
    if (!sk_jf_feed_marker(&scan->feed, (uint8_t)(RST0 + scan->next_restart)))
        return false;
    scan->next_restart = (scan->next_restart + 1) & 7;
    scan->until_restart = scan->restart_mcus;
    memset(scan->dc, 0, sizeof(scan->dc));
    return true;
}

/* libjpeg keeps DC in 16 bits; beyond lies nothing that an encoder makes. */
static bool is_dc_sane(const struct sk_jf_scan *scan)
{
    for (unsigned c = 0; c < 3; c++)
        if (scan->dc[c] > DC_MAX || scan->dc[c] < -DC_MAX)
            return false;
    return true;
}

bool sk_jf_scan_span(struct sk_jf_scan *scan, const struct sk_jf_kernels *kernels, unsigned mcus, int16_t *coef,
                     uint8_t *extent)
{
    while (mcus > 0) {
        unsigned n = mcus;
        if (scan->restart_mcus) {
            if (scan->until_restart == 0 && !pass_restart(scan))
                return false;
            if (n > scan->until_restart)
                n = scan->until_restart;
            scan->until_restart -= n;
        }
        size_t blocks = (size_t)n * scan->units;
        sk_jf_feed_fill(&scan->feed, blocks * SK_JF_BLOCK_BYTES_MAX);
        if (!kernels->scan(scan, n, coef, extent) || !sk_jf_feed_ok(&scan->feed) || !is_dc_sane(scan))
            return false;
        coef += blocks * SK_JF_BLOCK;
        extent += blocks;
        mcus -= n;
    }
    return true;
}

bool sk_jf_scan_end(struct sk_jf_scan *scan)
{
    return sk_jf_feed_marker(&scan->feed, EOI);
}
