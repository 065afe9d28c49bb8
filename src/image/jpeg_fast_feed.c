/*
 * jpeg_fast_feed.c - the entropy-coded bytes of a scan, with the stuffed zeros taken out (T.81,
 * B.1.1.5).
 *
 * FF occurs once in about 256 bytes, so whole stretches are copied between two finds of memchr. The
 * Huffman decoder then reads plain memory: it asks once per span for the most that the span can
 * take and needs no check inside. Invariant: where the source ends, zeros follow as far as the
 * reader may run, so what it reads is always defined.
 */
#include "image/jpeg_fast_priv.h"

#include <string.h>

void sk_jf_feed_start(struct sk_jf_feed *f, const uint8_t *at, const uint8_t *end)
{
    f->at = at;
    f->end = end;
    f->at_marker = false;
    f->bytes = 0;
    f->zeros_to = 0;
    f->bit = 0;
}

/* Copies up to the next marker, the end of the source or the end of the window. */
static void copy_unstuffed(struct sk_jf_feed *f)
{
    if (f->at_marker)
        return;
    while (f->bytes < SK_JF_FEED_BYTES && f->at < f->end) {
        size_t room = SK_JF_FEED_BYTES - f->bytes, left = (size_t)(f->end - f->at);
        size_t n = room < left ? room : left;
        const uint8_t *ff = memchr(f->at, 0xFF, n);
        if (ff)
            n = (size_t)(ff - f->at);
        memcpy(f->window + f->bytes, f->at, n);
        f->bytes += n;
        f->at += n;
        if (!ff)
            continue;
        if (f->end - f->at < 2 || f->at[1] != 0) {
            f->at_marker = true;
            return;
        }
        f->window[f->bytes++] = 0xFF; /* ff lies within the room, so there is space for it */
        f->at += 2;
    }
}

/* Zeros as far as a reader may get that starts within the bytes there are. */
static void put_zeros(struct sk_jf_feed *f, size_t need)
{
    size_t to = f->bytes + need + SK_JF_RELOAD;
    if (to > sizeof(f->window))
        to = sizeof(f->window);
    if (to > f->zeros_to)
        memset(f->window + f->bytes, 0, to - f->bytes);
    f->zeros_to = to;
}

void sk_jf_feed_fill(struct sk_jf_feed *f, size_t need)
{
    size_t used = (size_t)(f->bit >> 3);
    if (used + need <= f->bytes)
        return;
    bool ended = f->at_marker || f->at == f->end;
    if (!ended || used + need > SK_JF_FEED_BYTES) {
        f->bytes -= used;
        memmove(f->window, f->window + used, f->bytes);
        f->bit &= 7;
        f->zeros_to = 0;
        copy_unstuffed(f);
        ended = f->at_marker || f->at == f->end;
    }
    if (ended)
        put_zeros(f, need);
}

bool sk_jf_feed_ok(const struct sk_jf_feed *f)
{
    return f->bit <= 8 * (uint64_t)f->bytes;
}

bool sk_jf_feed_marker(struct sk_jf_feed *f, uint8_t code)
{
    if (!f->at_marker || (f->bit + 7) >> 3 != f->bytes || f->end - f->at < 2 || f->at[1] != code)
        return false;
    sk_jf_feed_start(f, f->at + 2, f->end);
    return true;
}
