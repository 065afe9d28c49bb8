/*
 * zero.c - zeros ahead of the records.
 *
 * Space that was only allocated is noted as unwritten by the file system, and a write to it has to
 * change this note. On ext4 a sync that was under way when the power went could succeed without
 * that: the record reads as zeros afterwards. So records go only over bytes that were written and
 * synced before. A piece of zeros is written ahead together with a group, and shares its sync; only
 * the first group of a segment, and one beyond all that is there, wait for a sync of their own.
 */
#include "journal/journal_priv.h"

enum {
    AT_ONCE = 64 << 10
};

static int write_zeros(const struct sk_journal *j, uint64_t from, uint64_t until)
{
    static const uint8_t zeros[AT_ONCE];

    for (uint64_t len; from < until; from += len) {
        len = until - from < AT_ONCE ? until - from : AT_ONCE;
        if (sk_journal_pwrite(j->fd, zeros, (size_t)len, from) < 0)
            return -1;
    }
    return 0;
}

/* The end of the piece that has byte at - 1; not beyond the file. */
static uint64_t piece_end(const struct sk_journal *j, uint64_t at)
{
    uint64_t piece = j->opts.zero_bytes, end = (at + piece - 1) / piece * piece;

    return end < j->room ? end : j->room;
}

int sk_journal_zero_for(struct sk_journal *j, uint64_t until, struct sk_err *err)
{
    uint64_t end = piece_end(j, until);

    if (until <= j->zeroed)
        return 0;
    if (write_zeros(j, j->zeroed, end) < 0 || sk_journal_ops.datasync(j->fd) < 0) {
        j->is_suspect = true;
        return sk_journal_fail(err, "preparing", j->active->first);
    }
    j->zeroed = end;
    return 0;
}

int sk_journal_zero_ahead(const struct sk_journal *j, uint64_t end, uint64_t *zeroed)
{
    *zeroed = j->zeroed;
    if (j->zeroed - end >= j->opts.zero_bytes / 2)
        return 0;
    *zeroed = piece_end(j, j->zeroed + 1);
    return write_zeros(j, j->zeroed, *zeroed);
}
