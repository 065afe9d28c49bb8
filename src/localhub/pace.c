/*
 * pace.c - how many bytes may be on their way upstream without PUBACK.
 *
 * As many as keep the way busy and few more, in the spirit of LEDBAT (RFC 6817): a message's way up
 * and back takes base_ns when nothing is in front of it; what goes beyond that is time in a queue,
 * of the link or of the hub. What was on the way with it, for the time it took, says what the way
 * carries in base_ns and SK_LH_QUEUE_NS of queue: the limit goes there, down at once, up by
 * doubling at most and only while it is what holds us up. So a satellite's distance costs no
 * throughput, and on a line of 64 kbit/s an urgent message waits behind a fraction of a second, not
 * megabytes.
 *
 * The shortest way that was seen is the base. At FLOOR the queue cannot be ours: the base follows
 * what is seen then, so a way that has become longer does not hold the limit down.
 */
#include "localhub/pace_priv.h"

enum {
    FLOOR = 2 << 10,
    FIRST = 16 << 10,
    MOST = 2 << 20
};

void sk_lh_pace_init(struct sk_lh_pace *p)
{
    *p = (struct sk_lh_pace){ .base_ns = UINT64_MAX, .limit = FIRST };
}

bool sk_lh_pace_allows(struct sk_lh_pace *p, size_t on_the_way, size_t bytes)
{
    if (on_the_way == 0 || on_the_way + bytes <= p->limit)
        return true;
    p->is_short = true;
    return false;
}

void sk_lh_pace_acked(struct sk_lh_pace *p, size_t bytes, size_t ahead, uint64_t took_ns)
{
    if (took_ns < p->base_ns || ahead <= FLOOR)
        p->base_ns = took_ns;
    const uint64_t good_ns = p->base_ns + SK_LH_QUEUE_NS;
    const double carries = (double)ahead * ((double)good_ns / (double)(took_ns ? took_ns : 1));
    const size_t fit = carries < FLOOR ? FLOOR : carries > MOST ? MOST : (size_t)carries;
    if (took_ns > good_ns && fit < p->limit)
        p->limit = fit;
    else if (p->is_short && fit > p->limit)
        p->limit += fit - p->limit < bytes ? fit - p->limit : bytes;
}
