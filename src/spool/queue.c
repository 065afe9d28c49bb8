/*
 * queue.c - one endpoint's messages of one priority: a journal, and what has passed of it.
 *
 * The journal is open while there is something in it, or was lately. Who calls it pins it, so that
 * it is not closed meanwhile; the closing itself waits for its thread with no lock held, since that
 * thread may be asking for room. An empty queue has given back its space and thread; all that is
 * left is an empty file whose name is the next number.
 */
#include "spool/spool_priv.h"

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

enum {
    QUEUE_BYTES = 4 << 20,
    GROUP_BYTES = 256 << 10,
    HEADER_OF_SEGMENT = 64,
    NAME_DIGITS = 20
};

/* ---- folders ---- */

static int sync_folder(const char *path, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0 || fsync(fd) < 0)
        return sk_fail_errno(err, "spool: folder '%s'", path);
    return 0;
}

/* Made and synced, from the spool's folder on down: what is acknowledged hangs on these names. */
static int make_folders(const struct sk_queue *q, struct sk_err *err)
{
    size_t top = strlen(q->s->dir);
    SK_OWN(free) char *path = strdup(q->dir);

    if (!path)
        return sk_nomem(err);
    if (sk_is_dir(path))
        return 0;
    if (sk_mkdirs(path, 0700, err) < 0)
        return sk_wrap(err, "spool");
    for (char *p = strrchr(path, '/'); p && (size_t)(p - path) >= top; p = strrchr(path, '/')) {
        *p = 0;
        if (sync_folder(path, err) < 0)
            return -1;
    }
    return 0;
}

struct found {
    uint64_t newest;  /* number of the newest segment; 0: there is none */
    uint64_t bytes;   /* of all, in whole blocks */
    bool has_records; /* or what a crash left */
};

static int look(const char *dir, struct found *out, struct sk_err *err)
{
    SK_AUTO(sk_dir_done) struct sk_dir names = { 0 };
    SK_AUTO(sk_close) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const uint64_t block = SK_SPOOL_BLOCK;

    *out = (struct found){ 0 };
    if (fd < 0 && errno == ENOENT)
        return 0;
    if (fd < 0)
        return sk_fail_errno(err, "spool: folder '%s'", dir);
    if (sk_dir_read(dir, &names, err) < 0)
        return sk_wrap(err, "spool");
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.names[i];
        struct stat st;
        if (strcmp(name, "mark") == 0 || fstatat(fd, name, &st, 0) < 0)
            continue;
        if (strlen(name) == NAME_DIGITS + 4 && sk_ends_with(name, ".seg"))
            out->newest = strtoull(name, NULL, 10); /* they are sorted */
        out->bytes += ((uint64_t)st.st_size + block - 1) / block * block;
        out->has_records |= st.st_size > HEADER_OF_SEGMENT;
    }
    return 0;
}

/* ---- making ---- */

int sk_queue_new(struct sk_endpoint *e, unsigned priority, struct sk_spool *s,
                 struct sk_queue **out, struct sk_err *err)
{
    SK_OWN(free) struct sk_queue *q = calloc(1, sizeof *q);
    char name[16];

    if (!q)
        return sk_nomem(err);
    (void)snprintf(name, sizeof name, "%u", priority);
    q->s = s;
    q->endpoint = e;
    q->priority = priority;
    atomic_init(&q->next, 1);
    sk_passed_init(&q->passed, 1);
    q->dir = sk_path_join(e->path, name);
    if (!q->dir)
        return sk_nomem(err);
    int rc = pthread_mutex_init(&q->mutex, NULL);
    if (rc != 0) {
        free(q->dir);
        errno = rc;
        return sk_fail_errno(err, "spool: mutex");
    }
    if (sk_cond_init(&q->told, err) < 0) {
        (void)pthread_mutex_destroy(&q->mutex);
        free(q->dir);
        return -1;
    }
    *out = SK_TAKE(q);
    return 0;
}

void sk_queue_free(struct sk_queue *q)
{
    if (!q)
        return;
    sk_journal_close(q->journal);
    sk_passed_done(&q->passed);
    (void)pthread_cond_destroy(&q->told);
    (void)pthread_mutex_destroy(&q->mutex);
    free(q->dir);
    free(q);
}

/* ---- opening ---- */

static void committed(void *ctx, uint64_t first, uint64_t last)
{
    struct sk_queue *q = ctx;

    (void)first;
    atomic_store(&q->next, last + 1);
    sk_budget_settle(q, false);
    if (q->s->opts.arrived)
        q->s->opts.arrived(q->s->opts.ctx, q->endpoint->name);
}

/* What the mark says, as far as it fits what is there: else all is sent again. Under mutex. */
static void place_mark(struct sk_queue *q, const struct sk_journal_state *state)
{
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t mark = q->passed.mark;

    if (q->opening == 0) {
        sk_mark_load(q->dir, &q->saved);
        mark = q->saved.below;
    }
    if (mark < state->first || mark > state->next)
        mark = state->first;
    if (q->opening == 0 || mark != q->passed.mark) {
        sk_passed_done(&q->passed);
        sk_passed_init(&q->passed, mark);
    }
    /* So that its space is taken. */
    if (q->saved.count == 0 && sk_mark_save(q->dir, &q->saved, &ignored) < 0)
        return;
}

/* Under mutex. */
static int open_journal(struct sk_queue *q, struct sk_err *err)
{
    const struct sk_journal_options opts = {
        .dir = q->dir,
        .segment_bytes = q->s->opts.segment_bytes,
        .max_queue_bytes = QUEUE_BYTES,
        .max_group_bytes = GROUP_BYTES,
        .committed = committed,
        .ctx = q,
        .room = sk_budget_room,
        .room_ctx = q,
        .zero_bytes = SK_SPOOL_ZEROS,
        .has_no_index = true,
        .reuses_space = true,
        .min_sync_ms = sk_spool_clocks.sync_ms,
    };
    struct sk_journal_state state;

    if (make_folders(q, err) < 0 || sk_journal_open(&opts, &q->journal, err) < 0)
        return sk_wrap(err, "spool '%s', priority %u", q->endpoint->name, q->priority);
    sk_journal_state(q->journal, &state);
    atomic_store(&q->next, state.next);
    place_mark(q, &state);
    q->opening++;
    return 0;
}

int sk_queue_look(struct sk_queue *q, struct sk_err *err)
{
    struct sk_journal *j;
    struct found found;

    if (look(q->dir, &found, err) < 0)
        return -1;
    if (!found.has_records) {
        SK_LOCK(&q->mutex);
        atomic_store(&q->next, found.newest ? found.newest : 1);
        sk_passed_init(&q->passed, found.newest ? found.newest : 1);
        q->closed_bytes = found.bytes;
        return 0;
    }
    if (sk_queue_pin(q, &j, err) < 0)
        return -1;
    sk_queue_unpin(q);
    if (sk_queue_is_empty(q))
        sk_queue_close(q, true);
    return 0;
}

int sk_queue_pin(struct sk_queue *q, struct sk_journal **out, struct sk_err *err)
{
    SK_LOCK(&q->mutex);
    while (q->is_closing)
        (void)sk_cond_wait_until(&q->told, &q->mutex, UINT64_MAX);
    if (q->is_dead)
        return sk_fail(err, SK_BUSY, "spool: '%s' is being removed", q->endpoint->name);
    if (!q->journal && open_journal(q, err) < 0)
        return -1;
    q->pins++;
    q->used_at = sk_spool_clocks.boot_ms();
    *out = q->journal;
    return 0;
}

struct sk_journal *sk_queue_pin_open(struct sk_queue *q)
{
    SK_LOCK(&q->mutex);
    if (!q->journal || q->is_closing)
        return NULL;
    q->pins++;
    return q->journal;
}

void sk_queue_unpin(struct sk_queue *q)
{
    SK_LOCK(&q->mutex);
    if (--q->pins == 0)
        (void)pthread_cond_broadcast(&q->told);
}

/* ---- closing ---- */

/* The journal, when nobody uses it any more. */
static struct sk_journal *take_journal(struct sk_queue *q, bool only_if_empty)
{
    struct sk_journal_state state;

    SK_LOCK(&q->mutex);
    while (q->is_closing)
        (void)sk_cond_wait_until(&q->told, &q->mutex, UINT64_MAX);
    if (!q->journal)
        return NULL;
    sk_journal_state(q->journal, &state);
    if (only_if_empty && (q->pins > 0 || state.queued_bytes > 0 || q->passed.mark < state.next))
        return NULL;
    q->is_closing = true;
    while (q->pins > 0)
        (void)sk_cond_wait_until(&q->told, &q->mutex, UINT64_MAX);
    q->closed_bytes = state.disk_bytes;
    q->damaged += state.damaged;
    q->cut += state.is_cut;
    return SK_TAKE(q->journal);
}

void sk_queue_close(struct sk_queue *q, bool gives_back)
{
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_journal *j = take_journal(q, gives_back);
    struct found found;

    if (!j)
        return;
    if (gives_back && sk_journal_forget(j, atomic_load(&q->next), true, &ignored) < 0) {
        /* Its space is given back another time. */
    }
    sk_journal_close(j);
    bool is_known = look(q->dir, &found, &ignored) == 0;
    SK_LOCK(&q->mutex);
    if (is_known)
        q->closed_bytes = found.bytes;
    q->is_closing = false;
    (void)pthread_cond_broadcast(&q->told);
}

/* ---- what has passed ---- */

bool sk_queue_pass(struct sk_queue *q, uint64_t seq)
{
    SK_LOCK(&q->mutex);
    q->used_at = sk_spool_clocks.boot_ms();
    return seq < atomic_load(&q->next) && sk_passed_add(&q->passed, seq);
}

uint64_t sk_queue_pass_range(struct sk_queue *q, uint64_t from, uint64_t until)
{
    SK_LOCK(&q->mutex);
    return sk_passed_add_range(&q->passed, from, until);
}

uint64_t sk_queue_mark(struct sk_queue *q)
{
    SK_LOCK(&q->mutex);
    return q->passed.mark;
}

bool sk_queue_is_empty(struct sk_queue *q)
{
    SK_LOCK(&q->mutex);
    return q->passed.mark >= atomic_load(&q->next);
}

/* Whether it has passed: before, or now since it is expired or no message. */
static bool passes(struct sk_queue *q, const struct sk_journal_item *item,
                   const struct sk_spool_now *now, bool *is_expired)
{
    struct sk_spool_record r;

    *is_expired = false;
    (void)pthread_mutex_lock(&q->mutex);
    bool has_passed = sk_passed_has(&q->passed, item->seq);
    (void)pthread_mutex_unlock(&q->mutex);
    if (has_passed)
        return true;
    if (!sk_spool_record_read(item->body, &r)) {
        if (sk_queue_pass(q, item->seq))
            (void)atomic_fetch_add(&q->s->damaged, 1);
        return true;
    }
    *is_expired = sk_spool_is_expired(&r, item->time_ms, now);
    if (!*is_expired) {
        SK_LOCK(&q->mutex);
        q->kept = item->seq;
        q->kept_ms = sk_spool_look_again(&r, item->time_ms, now);
    }
    return *is_expired;
}

/* The first that has not passed, if it may be expired by now: to find that out costs reading its
 * segment. 0: nothing to do. */
static uint64_t expires_from(struct sk_queue *q, const struct sk_spool_now *now)
{
    SK_LOCK(&q->mutex);
    uint64_t mark = q->passed.mark;
    bool is_kept = mark == q->kept && now->boot_ms < q->kept_ms;
    return mark >= atomic_load(&q->next) || is_kept ? 0 : mark;
}

uint64_t sk_queue_expire(struct sk_queue *q, struct sk_journal *j, const struct sk_spool_now *now,
                         unsigned most)
{
    uint64_t at = expires_from(q, now), next = atomic_load(&q->next), count = 0;
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_journal_item item;
    bool is_expired;
    int rc = 0;

    if (at == 0 ||
        sk_journal_cursor(j, &(struct sk_journal_filter){ .from_seq = at }, &c, &ignored) < 0)
        return 0;
    while (most-- > 0 && (rc = sk_journal_next(c, &item, &ignored)) == 1) {
        if (item.seq > at) /* damaged, or removed */
            (void)sk_queue_pass_range(q, at, item.seq);
        if (!passes(q, &item, now, &is_expired))
            return count;
        if (is_expired && sk_queue_pass(q, item.seq)) {
            (void)atomic_fetch_add(&q->s->expired, 1);
            count++;
        }
        at = item.seq + 1;
    }
    if (rc == 0)
        (void)sk_queue_pass_range(q, at, next);
    return count;
}

void sk_queue_forget(struct sk_queue *q, struct sk_journal *j, bool newest_too)
{
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_journal_state state;

    if (sk_journal_forget(j, sk_queue_mark(q), newest_too, &ignored) < 0) {
        /* It is tried again at the next call. */
    }
    sk_journal_state(j, &state);
    atomic_store(&q->forget_at, state.first_end);
}

void sk_queue_save(struct sk_queue *q, bool must)
{
    struct sk_err ignored = SK_ERR_INIT;
    uint64_t now = sk_spool_clocks.boot_ms();

    SK_LOCK(&q->mutex);
    if (q->opening == 0 || q->passed.mark == q->saved.below ||
        (!must && now - q->saved_at < SK_SPOOL_MARK_MS))
        return;
    struct sk_mark m = { q->saved.count + 1, q->passed.mark };
    q->saved_at = now;
    if (sk_mark_save(q->dir, &m, &ignored) == 0)
        q->saved = m;
}

uint64_t sk_queue_bytes(struct sk_queue *q)
{
    struct sk_journal_state state;

    SK_LOCK(&q->mutex);
    if (!q->journal)
        return q->closed_bytes;
    sk_journal_state(q->journal, &state);
    return state.disk_bytes;
}

static bool is_idle(struct sk_queue *q, uint64_t boot_ms)
{
    SK_LOCK(&q->mutex);
    return q->journal && q->passed.mark >= atomic_load(&q->next) &&
           boot_ms - q->used_at >= SK_SPOOL_IDLE_MS;
}

void sk_queue_tick(struct sk_queue *q, const struct sk_spool_now *now, unsigned most)
{
    struct sk_journal *j = sk_queue_pin_open(q);

    if (!j)
        return;
    (void)sk_queue_expire(q, j, now, most);
    sk_queue_forget(q, j, false);
    sk_queue_save(q, false);
    sk_queue_unpin(q);
    if (is_idle(q, now->boot_ms))
        sk_queue_close(q, true);
}

void sk_queue_kill(struct sk_queue *q, bool is_dead)
{
    SK_LOCK(&q->mutex);
    q->is_dead = is_dead;
}

void sk_queue_add_state(struct sk_queue *q, struct sk_spool_state *out)
{
    struct sk_journal_state state = { 0 };

    SK_LOCK(&q->mutex);
    if (q->journal)
        sk_journal_state(q->journal, &state);
    out->damaged += q->damaged + state.damaged;
    out->cut += q->cut + state.is_cut;
    out->is_failing |= state.is_failing;
}

uint64_t sk_queue_length(struct sk_queue *q)
{
    SK_LOCK(&q->mutex);
    uint64_t next = atomic_load(&q->next);
    return next > q->passed.mark ? next - q->passed.mark - q->passed.beyond : 0;
}

void sk_queue_range(struct sk_queue *q, struct sk_spool_range *out)
{
    SK_LOCK(&q->mutex);
    out->next = atomic_load(&q->next);
    out->first = q->passed.mark < out->next ? q->passed.mark : out->next;
}
