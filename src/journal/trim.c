/*
 * trim.c - removal of whole segments, the oldest first.
 *
 * It needs no space: files are unlinked, nothing is written. The newest segment that has a record
 * stays: it says where the numbers go on, also while an empty one behind it is begun anew. A cursor
 * that reads a segment keeps it open; one that comes too late goes on with the oldest there is.
 *
 * What is forgotten goes the same way. When nothing is left that anybody wants, the newest goes
 * too, on the journal's thread: first an empty file that is named by the next number is made and
 * the folder synced. Until a record is in it, that file is begun in its place, never removed.
 */
#include "journal/journal_priv.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <unistd.h>

/* Its newest record decides. */
static int is_too_old(struct sk_journal *j, struct sk_segment *s, uint64_t last, bool *out,
                      struct sk_err *err)
{
    uint64_t now = sk_wall_ms();
    int64_t min_ms, max_ms;

    *out = false;
    if (!j->opts.max_age_ms || j->opts.max_age_ms > now)
        return 0;
    if (sk_segment_times(j, s, last, &min_ms, &max_ms, err) < 0)
        return -1;
    *out = max_ms < (int64_t)(now - j->opts.max_age_ms);
    return 0;
}

static int remove_files(struct sk_journal *j, uint64_t first, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];

    sk_segment_name(first, ".seg", name);
    if (unlinkat(j->dir, name, 0) < 0 && errno != ENOENT)
        return sk_journal_fail(err, "removing", first);
    sk_segment_name(first, ".idx", name);
    (void)unlinkat(j->dir, name, 0); /* without its segment it is removed at the next opening */
    return 0;
}

/* The oldest, unless it is the newest with a record; its last number and the bytes of all. */
static struct sk_segment *oldest(struct sk_journal *j, uint64_t *last, uint64_t *bytes)
{
    SK_LOCK(&j->mutex);
    if (j->count < 2 || j->segments[1]->first == j->next)
        return NULL;
    *last = sk_journal_last(j, 0);
    *bytes = j->bytes;
    return sk_segment_ref(j->segments[0]);
}

int sk_journal_trim_for(struct sk_journal *j, uint64_t more, struct sk_err *err)
{
    uint64_t last = 0, bytes = 0;
    bool is_old;

    SK_LOCK(&j->trim_mutex);
    for (;;) {
        SK_OWN(sk_segment_unref) struct sk_segment *s = oldest(j, &last, &bytes);
        if (!s)
            return 0;
        bool is_much = j->opts.max_bytes && bytes + more > j->opts.max_bytes;
        if (!is_much && is_too_old(j, s, last, &is_old, err) < 0)
            return -1;
        if (!is_much && !is_old)
            return 0;
        if (remove_files(j, s->first, err) < 0)
            return -1;
        sk_journal_drop(j, s);
    }
}

int sk_journal_trim(struct sk_journal *j, struct sk_err *err)
{
    return sk_journal_trim_for(j, 0, err);
}

/* ---- forgetting ---- */

/* A cursor is in it: it stays until the next time, so that it can be used again when the cursor has
 * gone on. */
static bool is_read(struct sk_journal *j, struct sk_segment *s)
{
    SK_LOCK(&j->mutex);
    bool is_first_time = !s->was_spared;
    s->was_spared = true;
    return is_first_time && s->is_written && j->spare == 0 && atomic_load(&s->refs) > 2;
}

int sk_journal_forget(struct sk_journal *j, uint64_t seq, bool newest_too, struct sk_err *err)
{
    uint64_t last = 0, bytes = 0;

    SK_LOCK(&j->trim_mutex);
    for (;;) {
        SK_OWN(sk_segment_unref) struct sk_segment *s = oldest(j, &last, &bytes);
        if (!s || last >= seq)
            break;
        if (j->opts.reuses_space && is_read(j, s))
            break;
        if (j->opts.reuses_space && sk_spare_keep(j, s))
            continue;
        if (remove_files(j, s->first, err) < 0)
            return -1;
        sk_journal_drop(j, s);
    }
    SK_LOCK(&j->mutex);
    if (!newest_too || seq < j->next || j->bytes == 0)
        return 0;
    j->forgotten = seq;
    (void)pthread_cond_signal(&j->wake);
    return 0;
}

/* An empty file whose name is the next number, on the disk. */
static int hold_number(struct sk_journal *j, struct sk_err *err)
{
    SK_OWN(sk_segment_unref) struct sk_segment *s = NULL;
    SK_AUTO(sk_close) int fd = -1;
    char name[SK_SEGMENT_NAME];

    if (sk_journal_empty(j))
        return sk_journal_ops.sync(j->dir) < 0 ? sk_journal_fail(err, "beginning", j->next) : 0;
    if (sk_segment_new(j->next, 0, &s, err) < 0)
        return -1;
    sk_segment_name(j->next, ".seg", name);
    fd = sk_journal_ops.open(j->dir, name, O_RDWR | O_CREAT | O_TRUNC, 0600);
    if (fd < 0)
        return sk_journal_fail(err, "beginning", j->next);
    if (sk_journal_ops.sync(j->dir) == 0 && sk_journal_add(j, s, err) == 0)
        return 0;
    (void)unlinkat(j->dir, name, 0);
    return sk_fail(err, SK_IO, "journal: nothing holds number %" PRIu64, j->next);
}

/* One that was allocated before its first record failed, or was cut by a crash. */
static void empty_last(struct sk_journal *j)
{
    char name[SK_SEGMENT_NAME];
    struct sk_segment *s = sk_journal_empty(j);

    sk_segment_name(j->next, ".seg", name);
    SK_AUTO(sk_close) int fd = s->bytes ? sk_journal_ops.open(j->dir, name, O_RDWR, 0) : -1;
    if (fd < 0 || sk_journal_ops.truncate(fd, 0) < 0)
        return;
    SK_LOCK(&j->mutex);
    j->bytes -= s->bytes;
    s->bytes = 0;
}

/* The oldest, when it is below j->next. */
static struct sk_segment *oldest_with_records(struct sk_journal *j)
{
    SK_LOCK(&j->mutex);
    if (j->count < 2 || j->segments[0]->first >= j->next)
        return NULL;
    return sk_segment_ref(j->segments[0]);
}

void sk_journal_retire(struct sk_journal *j, uint64_t below)
{
    struct sk_err ignored = SK_ERR_INIT;

    if (below < j->next || j->is_suspect || hold_number(j, &ignored) < 0)
        return;
    sk_close(&j->fd);
    j->active = NULL;
    empty_last(j);
    SK_LOCK(&j->trim_mutex);
    sk_spare_drop(j);
    for (;;) {
        SK_OWN(sk_segment_unref) struct sk_segment *s = oldest_with_records(j);
        if (!s || remove_files(j, s->first, &ignored) < 0)
            return;
        sk_journal_drop(j, s);
    }
}
