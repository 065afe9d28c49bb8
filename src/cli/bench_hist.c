/*
 * bench_hist.c - counts values of any size with a bounded relative error.
 *
 * After Gil Tene's HdrHistogram: values below 128 have a cell each; above, each power of two is cut
 * into 128 cells of the same width. So a cell is at most 1/128 of its value wide, and adding is a
 * shift and an increment.
 *
 *     cell    0 .. 127      128 .. 255      256 .. 383      ...
 *     value   0 .. 127      128 .. 255      256 .. 511 step 2
 */
#include "cli/bench_priv.h"

static unsigned shift_of(uint64_t value)
{
    return value < SK_HIST_SUB ? 0 : (unsigned)(63 - __builtin_clzll(value)) - 7;
}

static size_t cell_of(uint64_t value)
{
    unsigned shift = shift_of(value);
    return value < SK_HIST_SUB ? (size_t)value
                               : (size_t)shift * SK_HIST_SUB + (size_t)(value >> shift);
}

/* The largest value that falls into a cell. */
static uint64_t top_of(size_t cell)
{
    if (cell < 2 * SK_HIST_SUB)
        return cell;
    unsigned shift = (unsigned)(cell / SK_HIST_SUB) - 1;
    uint64_t first = (uint64_t)(cell - (size_t)shift * SK_HIST_SUB) << shift;
    return first + ((1ull << shift) - 1);
}

void sk_bench_hist_add(struct sk_bench_hist *h, uint64_t value)
{
    h->n++;
    h->sum += (double)value;
    h->max = value > h->max ? value : h->max;
    h->cells[cell_of(value)]++;
}

uint64_t sk_bench_hist_quantile(const struct sk_bench_hist *h, double q)
{
    double wanted = q * (double)h->n;
    uint64_t seen = 0;

    for (size_t i = 0; i < SK_HIST_CELLS; i++) {
        seen += h->cells[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t top = top_of(i);
            return top < h->max ? top : h->max;
        }
    }
    return h->max;
}
