/*
 * trim.c - removal of whole segments, the oldest first.
 *
 * It needs no space: files are unlinked, nothing is written. The newest segment that has a record
 * stays: it says where the numbers go on, also while an empty one behind it is begun anew. A cursor
 * that reads a segment keeps it open; one that comes too late goes on with the oldest there is.
 */
#include "journal/journal_priv.h"

#include "base/clock.h"

#include <errno.h>
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
