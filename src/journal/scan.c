/*
 * scan.c - the records in the bytes of a segment, whatever happened to some of them.
 *
 * Where a record should be and is not, the next one is looked for: first where this one's length
 * says, then at every multiple of 8. It is one when its mark is the segment's, its CRC fits, and
 * its number is possible: not more numbers may be missing than records fit into the gap. So one
 * damaged record never costs another.
 */
#include "journal/journal_priv.h"

#include <string.h>

enum {
    BUDGET = 64 /* times the segment: what looking for records may cost when all looks like one */
};

void sk_scan_init(struct sk_scan *s, const uint8_t *bytes, size_t len, uint64_t first,
                  uint64_t bound, uint32_t mark)
{
    *s = (struct sk_scan){ .bytes = bytes,
                           .len = len,
                           .bound = bound,
                           .mark = mark,
                           .at = SK_SEGMENT_HEADER,
                           .seq = first,
                           .budget = (uint64_t)len * BUDGET };
}

static bool is_possible(const struct sk_scan *s, size_t at, uint64_t seq)
{
    return seq >= s->seq && seq - s->seq <= (at - s->at) / SK_RECORD_HEADER &&
           (!s->bound || seq < s->bound);
}

static bool accept(struct sk_scan *s, size_t at, struct sk_scan_record *out)
{
    const uint8_t *p = s->bytes + at;
    size_t size = at < s->len ? sk_record_shape(p, s->len - at) : 0;

    if (!size || sk_record_mark(p) == 0 || (s->mark && sk_record_mark(p) != s->mark) ||
        !is_possible(s, at, sk_record_seq(p)) || s->budget < size)
        return false;
    if (!sk_record_read(p, &out->item)) {
        s->budget -= size;
        return false;
    }
    s->mark = sk_record_mark(p);
    out->offset = at;
    out->lost = out->item.seq - s->seq;
    s->at = at + size;
    s->seq = out->item.seq + 1;
    return true;
}

bool sk_scan_next(struct sk_scan *s, struct sk_scan_record *out)
{
    if (s->at >= s->len || (s->bound && s->seq >= s->bound))
        return false;
    if (accept(s, s->at, out))
        return true;
    size_t size = sk_record_shape(s->bytes + s->at, s->len - s->at);
    if (size && accept(s, s->at + size, out))
        return true;
    for (size_t at = s->at + 8; at + SK_RECORD_HEADER <= s->len; at += 8) {
        if (sk_record_mark(s->bytes + at) != 0 && accept(s, at, out))
            return true;
    }
    return false;
}

bool sk_scan_is_dirty(const struct sk_scan *s)
{
    for (size_t at = s->at; at < s->len; at++) {
        if (s->bytes[at] != 0)
            return true;
    }
    return false;
}
