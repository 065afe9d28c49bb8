/*
 * spare.c - space that is used again.
 *
 * A segment that nobody wants any more becomes the next one: its bytes were written and synced, so
 * that records may go over them without zeros before (zero.c). Its former records do no harm: they
 * have another mark, and should the header be lost, numbers below the segment's first. What was not
 * acknowledged when it was a segment was cut off before.
 *
 *     <first>.seg  --forgotten-->  spare  --header written, renamed, folder synced-->  <next>.seg
 *
 * A crash in between leaves a file `spare`, which is removed at the next opening, or a segment
 * without records, which is begun anew. No cursor may be in a segment that is used again.
 */
#include "journal/journal_priv.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char spare_name[] = "spare";

/* Out of the array, if it can be used again: whole, of the usual size, and not being read. */
static bool take_out(struct sk_journal *j, struct sk_segment *s)
{
    SK_LOCK(&j->mutex);
    bool is_usual = s->bytes <= j->opts.segment_bytes && s->bytes > j->opts.segment_bytes / 2;
    /* Counted are the array's reference and the caller's; a new one needs the mutex. */
    if (j->spare != 0 || !is_usual || !s->is_written || atomic_load(&s->refs) > 2)
        return false;
    j->spare = s->bytes;
    j->spare_mark = s->mark;
    sk_journal_drop_locked(j, s);
    return true;
}

bool sk_spare_keep(struct sk_journal *j, struct sk_segment *s)
{
    char name[SK_SEGMENT_NAME];

    if (!take_out(j, s))
        return false;
    sk_segment_name(s->first, ".seg", name);
    if (renameat(j->dir, name, j->dir, spare_name) < 0) {
        (void)unlinkat(j->dir, name, 0); /* it is out of the array; a start would find it again */
        sk_spare_drop(j);
    }
    sk_segment_name(s->first, ".idx", name);
    (void)unlinkat(j->dir, name, 0);
    return true;
}

uint64_t sk_spare_bytes(struct sk_journal *j)
{
    SK_LOCK(&j->mutex);
    return j->spare;
}

void sk_spare_drop(struct sk_journal *j)
{
    (void)unlinkat(j->dir, spare_name, 0);
    SK_LOCK(&j->mutex);
    if (!j->is_spare_used)
        j->spare = 0;
}

void sk_spare_settle(struct sk_journal *j)
{
    SK_LOCK(&j->mutex);
    if (j->is_spare_used)
        j->spare = 0;
    j->is_spare_used = false;
}

void sk_journal_drop_spare(struct sk_journal *j)
{
    SK_LOCK(&j->trim_mutex);
    sk_spare_drop(j);
}

static int open_spare(struct sk_journal *j, const char *name, uint64_t bytes, const uint8_t *header)
{
    SK_AUTO(sk_close) int fd = sk_journal_ops.open(j->dir, spare_name, O_RDWR, 0);

    if (fd < 0 || sk_journal_allocate(fd, bytes) < 0 ||
        sk_journal_pwrite(fd, header, SK_SEGMENT_HEADER, 0) < 0 ||
        renameat(j->dir, spare_name, j->dir, name) < 0 || sk_journal_ops.sync(j->dir) < 0)
        return -1;
    return sk_take_fd(&fd);
}

int sk_spare_use(struct sk_journal *j, const char *name, uint64_t bytes, uint32_t mark,
                 uint64_t *written)
{
    uint8_t header[SK_SEGMENT_HEADER];

    SK_LOCK(&j->trim_mutex);
    *written = sk_spare_bytes(j);
    if (*written == 0)
        return -1;
    sk_segment_head(header, j->next, mark, j->spare_mark);
    int fd = open_spare(j, name, bytes, header);
    if (fd < 0) {
        sk_spare_drop(j);
        return -1;
    }
    SK_LOCK(&j->mutex);
    j->is_spare_used = true;
    return fd;
}
