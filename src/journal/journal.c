/*
 * journal.c - opening, closing, appending.
 *
 * Opening reads names and sizes, and the last segment: all others are full, and what is known of
 * them is in their .idx, looked at when it is needed. In the last one the records end where a crash
 * left them; what lies behind is cut. All is synced once, since what a killed process wrote may
 * still be only in memory.
 */
#include "journal/journal_priv.h"

#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SEGMENT_BYTES = 8 << 20,
    QUEUE_BYTES = 16 << 20,
    GROUP_BYTES = 1 << 20,
    WORTH_A_SYNC = 16, /* records */
    LEAST = 64
};

/* ---- the segments ---- */

uint64_t sk_journal_last(const struct sk_journal *j, size_t i)
{
    return (i + 1 < j->count ? j->segments[i + 1]->first : j->next) - 1;
}

int sk_journal_add(struct sk_journal *j, struct sk_segment *s, struct sk_err *err)
{
    SK_LOCK(&j->mutex);
    if (j->count == j->cap) {
        size_t cap = j->cap ? j->cap * 2 : LEAST;
        struct sk_segment **more = reallocarray(j->segments, cap, sizeof *more);
        if (!more)
            return sk_nomem(err);
        j->segments = more;
        j->cap = cap;
    }
    j->segments[j->count++] = sk_segment_ref(s);
    j->bytes += s->bytes;
    return 0;
}

void sk_journal_drop_locked(struct sk_journal *j, struct sk_segment *s)
{
    for (size_t i = 0; i < j->count; i++) {
        if (j->segments[i] != s)
            continue;
        j->bytes -= s->bytes;
        j->count--;
        memmove(j->segments + i, j->segments + i + 1, (j->count - i) * sizeof(struct sk_segment *));
        sk_segment_unref(s);
        return;
    }
}

void sk_journal_drop(struct sk_journal *j, struct sk_segment *s)
{
    SK_LOCK(&j->mutex);
    sk_journal_drop_locked(j, s);
}

/* ---- opening ---- */

static int list_segments(struct sk_journal *j, const struct sk_dir *names, struct sk_err *err)
{
    for (size_t i = 0; i < names->count; i++) {
        SK_OWN(sk_segment_unref) struct sk_segment *s = NULL;
        uint64_t first = sk_segment_name_read(names->names[i], ".seg");
        struct stat st;
        if (first == 0)
            continue;
        if (fstatat(j->dir, names->names[i], &st, 0) < 0)
            return sk_journal_fail(err, "opening", first);
        if (sk_segment_new(first, (uint64_t)st.st_size, &s, err) < 0 ||
            sk_journal_add(j, s, err) < 0)
            return -1;
    }
    return 0;
}

static bool has_segment(const struct sk_journal *j, uint64_t first)
{
    size_t low = 0, high = j->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (j->segments[middle]->first < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low < j->count && j->segments[low]->first == first;
}

/* What a crash left beside the segments. The last one's index goes too: it will be added to. */
static void remove_leftovers(struct sk_journal *j, const struct sk_dir *names)
{
    uint64_t newest = j->count ? j->segments[j->count - 1]->first : 0;

    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->names[i];
        uint64_t first = sk_segment_name_read(name, ".idx");
        if ((first != 0 && (first == newest || !has_segment(j, first))) ||
            sk_segment_name_read(name, ".tmp") != 0)
            (void)unlinkat(j->dir, name, 0);
    }
}

/* Cuts what is not a record, and makes room again behind the end, if there is space. */
static int tidy_tail(struct sk_journal *j, struct sk_segment *s, bool is_dirty, struct sk_err *err)
{
    const uint64_t most = (uint64_t)SK_SEGMENT_MOST + SK_JOURNAL_RECORD_MAX * 2;
    struct stat st;

    if (is_dirty && sk_journal_ops.truncate(j->fd, (off_t)j->end) < 0)
        return sk_journal_fail(err, "cutting", s->first);
    (void)sk_journal_ops.allocate(j->fd, 0, (off_t)j->opts.segment_bytes);
    if (sk_journal_ops.sync(j->fd) < 0 || sk_journal_ops.sync(j->dir) < 0 || fstat(j->fd, &st) < 0)
        return sk_journal_fail(err, "syncing", s->first);
    j->bytes -= s->bytes;
    s->bytes = (uint64_t)st.st_size;
    j->bytes += s->bytes;
    j->room = s->bytes < most ? s->bytes : most;
    return 0;
}

/* Reads the last segment and goes on in it. */
static int recover(struct sk_journal *j, struct sk_err *err)
{
    char name[SK_SEGMENT_NAME];
    struct sk_segment_found found;

    if (j->count == 0)
        return 0;
    struct sk_segment *s = j->segments[j->count - 1];
    sk_segment_name(s->first, ".seg", name);
    j->fd = openat(j->dir, name, O_RDWR | O_CLOEXEC);
    if (j->fd < 0)
        return sk_journal_fail(err, "opening", s->first);
    if (sk_segment_read(j, s, j->fd, 0, &found, err) < 0)
        return -1;
    j->next = found.next;
    s->index = found.index;
    if (found.index->count == 0) { /* begun anew by the first record, under this number */
        sk_close(&j->fd);
        sk_index_free(SK_TAKE(s->index));
        return 0;
    }
    j->active = s;
    j->is_cut = found.is_cut;
    j->mark = s->mark = found.mark;
    j->end = j->zeroed = found.end; /* zeros behind it may only have been allocated */
    return tidy_tail(j, s, found.is_dirty, err);
}

static int open_dir(struct sk_journal *j, const char *dir, struct sk_err *err)
{
    if (sk_mkdirs(dir, 0700, err) < 0)
        return -1;
    j->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (j->dir < 0)
        return sk_fail_errno(err, "journal '%s'", dir);
    if (flock(j->dir, LOCK_EX | LOCK_NB) < 0)
        return sk_fail(err, SK_BUSY, "journal '%s': in use by another process", dir);
    /* Else it would be found out by the first record. */
    if (faccessat(j->dir, ".", W_OK | X_OK, AT_EACCESS) < 0)
        return sk_fail_errno(err, "journal '%s': cannot be written to", dir);
    return 0;
}

static int set_options(struct sk_journal *j, const struct sk_journal_options *opts,
                       struct sk_err *err)
{
    struct sk_journal_options *o = &j->opts;

    *o = *opts;
    o->dir = NULL;
    if (!o->segment_bytes)
        o->segment_bytes = SEGMENT_BYTES;
    if (!o->worth_records)
        o->worth_records = WORTH_A_SYNC;
    if (!o->max_queue_bytes)
        o->max_queue_bytes = QUEUE_BYTES;
    if (!o->max_group_bytes)
        o->max_group_bytes = GROUP_BYTES;
    if (!o->zero_bytes)
        o->zero_bytes = SK_ZERO_PIECE;
    if (o->segment_bytes < SK_SEGMENT_LEAST || o->segment_bytes > SK_SEGMENT_MOST)
        return sk_fail(err, SK_INVALID,
                       "journal: a segment of %" PRIu64 " bytes; %d to %d are possible",
                       o->segment_bytes, SK_SEGMENT_LEAST, SK_SEGMENT_MOST);
    if (o->zero_bytes % SK_JOURNAL_BLOCK != 0)
        return sk_fail(err, SK_INVALID,
                       "journal: %" PRIu32 " bytes of zeros ahead are not a multiple of %d",
                       o->zero_bytes, SK_JOURNAL_BLOCK);
    return 0;
}

static int init_locks(struct sk_journal *j, struct sk_err *err)
{
    int rc = pthread_mutex_init(&j->mutex, NULL);

    if (rc == 0 && (rc = pthread_mutex_init(&j->trim_mutex, NULL)) != 0)
        (void)pthread_mutex_destroy(&j->mutex);
    errno = rc;
    if (rc != 0)
        return sk_fail_errno(err, "journal: mutex");
    if (sk_cond_init(&j->wake, err) < 0) {
        (void)pthread_mutex_destroy(&j->mutex);
        (void)pthread_mutex_destroy(&j->trim_mutex);
        return -1;
    }
    j->has_mutexes = true;
    return 0;
}

int sk_journal_open(const struct sk_journal_options *opts, struct sk_journal **out,
                    struct sk_err *err)
{
    SK_OWN(sk_journal_close) struct sk_journal *j = calloc(1, sizeof *j);
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };

    if (!j)
        return sk_nomem(err);
    j->dir = j->fd = -1;
    j->next = 1;
    j->wake_at = SIZE_MAX;
    atomic_init(&j->damaged, 0);
    if (init_locks(j, err) < 0 || set_options(j, opts, err) < 0 ||
        open_dir(j, opts->dir, err) < 0 || sk_dir_read(opts->dir, &names, err) < 0 ||
        list_segments(j, &names, err) < 0)
        return -1;
    remove_leftovers(j, &names);
    sk_spare_drop(j); /* nobody knows how much of it was written */
    if (recover(j, err) < 0 ||
        sk_thread_start(&j->thread, "sk-journal", sk_journal_run, j, err) < 0)
        return -1;
    j->has_thread = true;
    *out = SK_TAKE(j);
    return 0;
}

void sk_journal_close(struct sk_journal *j)
{
    if (!j)
        return;
    if (j->has_thread) {
        (void)pthread_mutex_lock(&j->mutex);
        j->is_closing = true;
        (void)pthread_cond_signal(&j->wake);
        (void)pthread_mutex_unlock(&j->mutex);
        (void)pthread_join(j->thread, NULL);
    }
    if (j->has_thread)
        sk_journal_drop_spare(j);
    for (size_t i = 0; i < j->count; i++)
        sk_segment_unref(j->segments[i]);
    free(j->segments);
    free(j->waiting.bytes);
    free(j->waiting.pending);
    free(j->taken.bytes);
    free(j->taken.pending);
    sk_close(&j->fd);
    sk_close(&j->dir);
    if (j->has_mutexes) {
        (void)pthread_mutex_destroy(&j->mutex);
        (void)pthread_mutex_destroy(&j->trim_mutex);
        (void)pthread_cond_destroy(&j->wake);
    }
    free(j);
}

/* ---- appending ---- */

static int group_reserve(struct sk_group *g, size_t size, struct sk_err *err)
{
    if (g->count == g->pending_cap) {
        size_t cap = g->pending_cap ? g->pending_cap * 2 : LEAST;
        struct sk_pending *more = reallocarray(g->pending, cap, sizeof *more);
        if (!more)
            return sk_nomem(err);
        g->pending = more;
        g->pending_cap = cap;
    }
    if (g->cap - g->len < size) {
        size_t cap = g->cap ? g->cap * 2 : 64 << 10;
        while (cap < g->len + size)
            cap *= 2;
        uint8_t *more = realloc(g->bytes, cap);
        if (!more)
            return sk_nomem(err);
        g->bytes = more;
        g->cap = cap;
    }
    return 0;
}

int sk_journal_append(struct sk_journal *j, const struct sk_journal_record *r, struct sk_err *err)
{
    if (r->key.len > SK_JOURNAL_KEY_MAX)
        return sk_fail(err, SK_TOO_LARGE, "journal: a key of %zu bytes exceeds %d", r->key.len,
                       SK_JOURNAL_KEY_MAX);
    if (r->body.len > SK_JOURNAL_RECORD_MAX)
        return sk_fail(err, SK_TOO_LARGE, "journal: a record of %zu bytes exceeds %d", r->body.len,
                       SK_JOURNAL_RECORD_MAX);
    size_t size = sk_record_size(r->key.len, r->body.len);
    int64_t time_ms = r->time_ms ? r->time_ms : (int64_t)sk_wall_ms();
    struct sk_group *g = &j->waiting;

    SK_LOCK(&j->mutex);
    if (j->queued_bytes > 0 && j->queued_bytes + size > j->opts.max_queue_bytes)
        return sk_fail(err, SK_BUSY, "journal: %zu bytes wait to be written", j->queued_bytes);
    if (group_reserve(g, size, err) < 0)
        return -1;
    sk_record_fill(g->bytes + g->len, r->key, time_ms, r->body);
    g->pending[g->count++] = (struct sk_pending){
        .done = r->done, .ctx = r->ctx, .size = (uint32_t)size, .key_len = (uint32_t)r->key.len
    };
    g->len += size;
    j->queued_bytes += size;
    if (g->count >= j->wake_at || g->len >= j->opts.max_group_bytes)
        (void)pthread_cond_signal(&j->wake);
    return 0;
}

struct waiter {
    pthread_mutex_t mutex;
    pthread_cond_t told;
    bool is_told, has_failed;
    uint64_t seq;
    struct sk_err err;
};

static void tell_waiter(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct waiter *w = ctx;

    SK_LOCK(&w->mutex);
    w->seq = seq;
    w->has_failed = failed;
    if (failed)
        w->err = *failed;
    w->is_told = true;
    (void)pthread_cond_signal(&w->told);
}

int sk_journal_write(struct sk_journal *j, const struct sk_journal_record *r, uint64_t *seq,
                     struct sk_err *err)
{
    struct waiter w = { .mutex = PTHREAD_MUTEX_INITIALIZER, .told = PTHREAD_COND_INITIALIZER };
    struct sk_journal_record told = *r;

    told.done = tell_waiter;
    told.ctx = &w;
    if (sk_journal_append(j, &told, err) < 0)
        return -1;
    (void)pthread_mutex_lock(&w.mutex);
    while (!w.is_told)
        (void)pthread_cond_wait(&w.told, &w.mutex);
    (void)pthread_mutex_unlock(&w.mutex);
    (void)pthread_cond_destroy(&w.told);
    (void)pthread_mutex_destroy(&w.mutex);
    if (w.has_failed) {
        *err = w.err;
        return -1;
    }
    if (seq)
        *seq = w.seq;
    return 0;
}

void sk_journal_state(struct sk_journal *j, struct sk_journal_state *out)
{
    const uint64_t block = SK_JOURNAL_BLOCK;
    SK_LOCK(&j->mutex);
    uint64_t disk_bytes = (j->spare + block - 1) / block * block;
    for (size_t i = 0; i < j->count; i++)
        disk_bytes += (j->segments[i]->bytes + block - 1) / block * block;
    *out = (struct sk_journal_state){
        .first = j->count ? j->segments[0]->first : j->next,
        .next = j->next,
        .first_end = j->count > 1 ? j->segments[1]->first : j->next,
        .bytes = j->bytes,
        .segments = j->count,
        .disk_bytes = disk_bytes,
        .groups = j->groups,
        .records = j->records,
        .damaged = atomic_load(&j->damaged),
        .is_cut = j->is_cut,
        .queued_bytes = j->queued_bytes,
        .is_failing = j->is_failing,
    };
}
