/* pace_priv.h - how many bytes may be on their way upstream; pace.c says how they are counted. */
#ifndef SK_LOCALHUB_PACE_PRIV_H
#define SK_LOCALHUB_PACE_PRIV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SK_LH_QUEUE_NS UINT64_C(200000000)

struct sk_lh_pace {
    uint64_t base_ns; /* from sending to PUBACK, with nothing in front */
    size_t limit;     /* bytes without PUBACK */
    bool is_short;    /* it was refused since the last round */
};

void sk_lh_pace_init(struct sk_lh_pace *p);
/* Whether so many more may go. One message goes alone, whatever its size. */
bool sk_lh_pace_allows(struct sk_lh_pace *p, size_t on_the_way, size_t bytes);
/* One of so many bytes has its PUBACK; ahead: what was on the way when it was sent, with its own.
 */
void sk_lh_pace_acked(struct sk_lh_pace *p, size_t bytes, size_t ahead, uint64_t took_ns);

#endif
