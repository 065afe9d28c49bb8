/*
 * roll.c - the segment that is written to: beginning one, ending one, and mending after a failure.
 *
 * A new segment is allocated at its full size and its name synced before anything is written to it;
 * zeros follow as they are needed (zero.c), or it takes the space of one that is not wanted any
 * more (spare.c); then a sync of a group is one of data only. The one
 * before is ended when the new one is there: so a full disk leaves things as they are.
 *
 * After a failed write or sync the kernel may hold pages as clean that never reached the disk. So
 * the file is closed, opened again, cut behind its last acknowledged record, synced, and that
 * record read back; what follows goes into a new segment. Should the cut itself be lost, the new
 * segment's name bounds the numbers of the old one, and what lies beyond is not looked at.
 */
#include "journal/journal_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* ---- ending ---- */

/* The index goes into a file if it can; else it is made again when it is needed. */
static void end_active(struct sk_journal *j)
{
    struct sk_segment *s = j->active;
    struct sk_err ignored = SK_ERR_INIT;

    if (j->fd >= 0 && sk_journal_ops.truncate(j->fd, (off_t)j->end) == 0) {
        SK_LOCK(&j->mutex);
        j->bytes -= s->bytes - j->end;
        s->bytes = j->end;
        s->is_written = true;
    }
    sk_close(&j->fd);
    j->active = NULL;
    SK_LOCK(&s->lock);
    s->idx_is_good = !j->opts.has_no_index &&
                     sk_idx_write(j->dir, s->first, j->next - 1, s->index, &ignored) == 0;
    s->min_ms = s->index->min_ms;
    s->max_ms = s->index->max_ms;
    s->has_times = true;
    sk_index_free(SK_TAKE(s->index));
}

struct sk_segment *sk_journal_empty(struct sk_journal *j)
{
    SK_LOCK(&j->mutex);
    struct sk_segment *s = j->count ? j->segments[j->count - 1] : NULL;
    return s && s->first == j->next ? s : NULL;
}

/* Whether the empty segment is the only one that says where the numbers go on. */
static bool holds_number(struct sk_journal *j)
{
    SK_LOCK(&j->mutex);
    return j->count == 1 && j->next > 1 && j->segments[0]->first == j->next;
}

/* Except one that holds the number: that is begun anew in its place. */
static int drop_empty(struct sk_journal *j, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];
    struct sk_segment *s = sk_journal_empty(j);

    if (!s)
        return 0;
    sk_segment_name(s->first, ".seg", name);
    sk_close(&j->fd);
    j->active = NULL;
    if (holds_number(j))
        return 0;
    if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT)
        return sk_journal_fail(err, "removing", s->first);
    sk_journal_drop(j, s);
    return 0;
}

/* ---- mending ---- */

static void verify_last(struct sk_journal *j)
{
    const struct sk_index *x = j->active->index;
    const struct sk_index_record *last = &x->records[x->count - 1];
    size_t len = (size_t)(j->end - last->offset);
    SK_OWN(free) uint8_t *bytes = malloc(len);
    struct sk_journal_item item;
    uint64_t seq = j->active->first + last->rel;

    if (bytes &&
        (sk_journal_pread(j->fd, bytes, len, last->offset) != (ssize_t)len ||
         sk_record_shape(bytes, len) != len || !sk_record_read(bytes, &item) || item.seq != seq))
        sk_segment_damaged(j, j->active, seq, seq + 1);
}

static int mend(struct sk_journal *j, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];

    sk_close(&j->fd);
    if (j->active->first == j->next) {
        if (drop_empty(j, err) < 0)
            return -1;
    } else {
        sk_segment_name(j->active->first, ".seg", name);
        j->fd = sk_journal_ops.open(j->dir, name, O_RDWR, 0);
        if (j->fd < 0 || sk_journal_ops.truncate(j->fd, (off_t)j->end) < 0 ||
            sk_journal_ops.sync(j->fd) < 0)
            return sk_journal_fail(err, "mending", j->active->first);
        /* Read from the disk, not from the cache. */
        (void)posix_fadvise(j->fd, 0, 0, POSIX_FADV_DONTNEED);
        verify_last(j);
        end_active(j);
    }
    j->is_suspect = false;
    return 0;
}

/* ---- beginning ---- */

/* What an attempt left that failed goes: nothing acknowledged can be in it. But the name stays when
 * the number hangs on it. -1 with errno. */
static int open_new(struct sk_journal *j, const char *name, bool stays)
{
    const int flags = O_RDWR | O_CREAT | O_EXCL;
    SK_AUTO(sk_close) int fd = sk_journal_ops.open(j->dir, name, stays ? O_RDWR : flags, 0600);

    if (stays && fd >= 0 && sk_journal_ops.truncate(fd, 0) < 0)
        return -1;
    if (!stays && fd < 0 && errno == EEXIST && unlinkat(j->dir, name, 0) == 0)
        fd = sk_journal_ops.open(j->dir, name, flags, 0600);
    return sk_take_fd(&fd);
}

int sk_journal_allocate(int fd, uint64_t bytes)
{
    int rc = sk_journal_ops.allocate(fd, 0, (off_t)bytes);

    if (rc == EOPNOTSUPP || rc == EINVAL) /* a file system that cannot */
        return sk_journal_ops.truncate(fd, (off_t)bytes);
    if (rc != 0)
        errno = rc;
    return rc != 0 ? -1 : 0;
}

static int create(struct sk_journal *j, const char *name, uint64_t bytes, uint32_t mark, int *out,
                  struct sk_err *err)
{
    uint8_t header[SK_SEGMENT_HEADER];
    bool stays = holds_number(j);
    SK_AUTO(sk_close) int fd = open_new(j, name, stays);

    if (fd < 0)
        return sk_journal_fail(err, "beginning", j->next);
    sk_segment_head(header, j->next, mark, 0);
    if (sk_journal_allocate(fd, bytes) < 0 || sk_journal_pwrite(fd, header, sizeof header, 0) < 0 ||
        sk_journal_ops.sync(j->dir) < 0) {
        (void)sk_journal_fail(err, "beginning", j->next);
        if (!stays)
            (void)unlinkat(j->dir, name, 0);
        else if (sk_journal_ops.truncate(fd, 0) < 0) {
            /* Its space is given back by the next attempt. */
        }
        return -1;
    }
    *out = sk_take_fd(&fd);
    return 0;
}

static int ask_room(struct sk_journal *j, uint64_t bytes, struct sk_err *err)
{
    return j->opts.room ? j->opts.room(j->opts.room_ctx, bytes, err) : 0;
}

/* The file of the next segment, with its header; *written: up to where it was written before. */
static int open_next(struct sk_journal *j, uint64_t bytes, uint32_t mark, int *out,
                     uint64_t *written, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];
    uint64_t spare = bytes == j->opts.segment_bytes ? sk_spare_bytes(j) : 0;

    sk_segment_name(j->next, ".seg", name);
    if (ask_room(j, bytes - spare, err) < 0)
        return -1;
    *out = spare ? sk_spare_use(j, name, bytes, mark, written) : -1;
    if (*out >= 0)
        return 0;
    /* What was to be used again is gone: all must be new. */
    *written = SK_SEGMENT_HEADER;
    if (spare && ask_room(j, bytes, err) < 0)
        return -1;
    return create(j, name, bytes, mark, out, err);
}

static int begin(struct sk_journal *j, uint64_t bytes, struct sk_err *err)
{
    SK_OWN(sk_segment_unref) struct sk_segment *s = NULL;
    SK_AUTO(sk_close) int fd = -1;
    char name[SK_SEGMENT_NAME];
    uint64_t written = 0;
    uint32_t mark = sk_segment_new_mark();

    if (drop_empty(j, err) < 0 || sk_segment_new(j->next, bytes, &s, err) < 0)
        return -1;
    s->mark = mark;
    s->index = sk_index_new(err);
    if (!s->index || open_next(j, bytes, mark, &fd, &written, err) < 0)
        return -1;
    struct sk_segment *before = sk_journal_empty(j);
    if (before) /* what held the number; its place in the array is free now */
        sk_journal_drop(j, before);
    int rc = sk_journal_add(j, s, err);
    sk_spare_settle(j);
    if (rc < 0) {
        sk_segment_name(j->next, ".seg", name);
        (void)unlinkat(j->dir, name, 0);
        return -1;
    }
    if (j->active)
        end_active(j);
    j->active = s; /* counted by the array */
    j->fd = sk_take_fd(&fd);
    j->mark = mark;
    j->end = SK_SEGMENT_HEADER;
    j->zeroed = written;
    j->room = bytes;
    return 0;
}

int sk_journal_make_room(struct sk_journal *j, size_t size, struct sk_err *err)
{
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t bytes = SK_SEGMENT_HEADER + (uint64_t)size;

    if (j->is_suspect && mend(j, err) < 0)
        return -1;
    if (j->active && j->end + size <= j->room)
        return 0;
    if (bytes < j->opts.segment_bytes)
        bytes = j->opts.segment_bytes;
    if (sk_journal_trim_for(j, bytes, &ignored) < 0) {
        /* What could not be removed now is tried again at the next segment. */
    }
    return begin(j, bytes, err);
}
