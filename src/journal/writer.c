/*
 * writer.c - the thread that writes what waits, syncs it, and tells.
 *
 * While it writes one group, the next one gathers: the slower the disk, the more share a sync; a
 * least time between two (min_sync_ms) does the same for a disk that is fast or wears. A
 * group is written in runs, as much at once as fits the segment and the bound. Numbers are given
 * here, when it is known that all before are on the disk; so a failure leaves no gap. Records go
 * over zeros that are on the disk (zero.c).
 */
#include "journal/journal_priv.h"

#include "base/clock.h"

#include <string.h>

/* Records from `at` on: at least one, up to what a run may have. */
static size_t run_length(const struct sk_journal *j, const struct sk_pending *p, size_t count,
                         uint64_t room, size_t *len)
{
    size_t n = 0, total = 0;

    while (n < count &&
           (n == 0 || (total + p[n].size <= j->opts.max_group_bytes && total + p[n].size <= room)))
        total += p[n++].size;
    *len = total;
    return n;
}

static void seal_run(const struct sk_journal *j, const struct sk_pending *p, size_t count,
                     uint8_t *bytes)
{
    for (size_t i = 0; i < count; bytes += p[i++].size)
        sk_record_seal(bytes, j->mark, j->next + i);
}

static int reserve_run(struct sk_journal *j, const struct sk_pending *p, size_t count,
                       struct sk_err *err)
{
    size_t text = 0;

    for (size_t i = 0; i < count; i++)
        text += p[i].key_len;
    SK_LOCK(&j->active->lock);
    return sk_index_reserve(j->active->index, count, text, err);
}

static void index_run(struct sk_journal *j, const struct sk_pending *p, size_t count,
                      const uint8_t *bytes)
{
    uint64_t offset = j->end, rel = j->next - j->active->first;

    SK_LOCK(&j->active->lock);
    for (size_t i = 0; i < count; i++) {
        struct sk_view key = { (const char *)bytes + SK_RECORD_HEADER, p[i].key_len };
        sk_index_add(j->active->index, key, (int64_t)sk_journal_get64(bytes + 24), (uint32_t)offset,
                     (uint32_t)(rel + i));
        bytes += p[i].size;
        offset += p[i].size;
    }
}

static int write_run(struct sk_journal *j, const struct sk_pending *p, size_t count, uint8_t *bytes,
                     size_t len, struct sk_err *err)
{
    uint64_t zeroed;

    if (reserve_run(j, p, count, err) < 0 || sk_journal_zero_for(j, j->end + len, err) < 0)
        return -1;
    seal_run(j, p, count, bytes);
    if (sk_journal_pwrite(j->fd, bytes, len, j->end) < 0 ||
        sk_journal_zero_ahead(j, j->end + len, &zeroed) < 0 || sk_journal_ops.datasync(j->fd) < 0) {
        (void)sk_journal_fail(err, "writing", j->active->first);
        j->is_suspect = true;
        return -1;
    }
    index_run(j, p, count, bytes);
    j->end += len;
    j->zeroed = zeroed;
    return 0;
}

static void tell_failed(struct sk_journal *j, const struct sk_pending *p, size_t count, size_t len,
                        const struct sk_err *failed)
{
    (void)pthread_mutex_lock(&j->mutex);
    j->is_failing = true;
    j->queued_bytes -= len;
    (void)pthread_mutex_unlock(&j->mutex);
    for (size_t i = 0; i < count; i++) {
        if (p[i].done)
            p[i].done(p[i].ctx, 0, failed);
    }
}

static void tell_done(struct sk_journal *j, const struct sk_pending *p, size_t count, size_t len)
{
    uint64_t first = j->next;

    (void)pthread_mutex_lock(&j->mutex);
    j->is_failing = false;
    j->queued_bytes -= len;
    j->next += count;
    j->groups++;
    j->records += count;
    (void)pthread_mutex_unlock(&j->mutex);
    if (j->opts.committed)
        j->opts.committed(j->opts.ctx, first, first + count - 1);
    for (size_t i = 0; i < count; i++) {
        if (p[i].done)
            p[i].done(p[i].ctx, first + i, NULL);
    }
}

static void write_group(struct sk_journal *j, struct sk_group *g)
{
    size_t at = 0, len = 0, count;
    struct sk_err err = SK_ERR_INIT;

    for (size_t i = 0; i < g->count; i += count, at += len) {
        const struct sk_pending *p = g->pending + i;
        int rc = sk_journal_make_room(j, p->size, &err);
        count = run_length(j, p, g->count - i, rc < 0 ? UINT64_MAX : j->room - j->end, &len);
        if (rc == 0)
            rc = write_run(j, p, count, g->bytes + at, len, &err);
        if (rc < 0)
            tell_failed(j, p, count, len, &err);
        else
            tell_done(j, p, count, len);
    }
    /* What a burst took is given back. */
    if (g->cap > 4 * j->opts.max_group_bytes) {
        free(SK_TAKE(g->bytes));
        g->cap = 0;
    }
    g->len = g->count = 0;
}

/* Until there is something to do, and so long that a sync is worth it. Under mutex. */
static void wait_for_work(struct sk_journal *j)
{
    uint64_t gap_ns = j->opts.min_sync_ms * UINT64_C(1000000);
    uint64_t from_ns = j->began_ns ? j->began_ns + gap_ns : 0;

    j->wake_at = 1;
    while (j->waiting.count == 0 && !j->is_closing && j->forgotten == 0)
        (void)sk_cond_wait_until(&j->wake, &j->mutex, UINT64_MAX);
    j->wake_at = j->opts.worth_records;
    while (j->waiting.count > 0 && j->waiting.count < j->opts.worth_records &&
           j->waiting.len < j->opts.max_group_bytes && !j->is_closing && gap_ns > 0 &&
           sk_now_ns() < from_ns)
        (void)sk_cond_wait_until(&j->wake, &j->mutex, from_ns);
    j->wake_at = SIZE_MAX;
}

void *sk_journal_run(void *journal)
{
    struct sk_journal *j = journal;

    for (;;) {
        (void)pthread_mutex_lock(&j->mutex);
        wait_for_work(j);
        uint64_t forgotten = j->forgotten;
        j->forgotten = 0;
        bool is_idle = j->waiting.count == 0;
        struct sk_group next = j->waiting;
        j->waiting = j->taken;
        j->taken = next;
        (void)pthread_mutex_unlock(&j->mutex);
        if (is_idle && forgotten) {
            sk_journal_retire(j, forgotten);
            continue;
        }
        if (is_idle)
            return NULL;
        j->began_ns = sk_now_ns();
        write_group(j, &j->taken);
    }
}
