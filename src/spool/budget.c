/*
 * budget.c - the bytes of all queues together, as they lie on the disk.
 *
 * A journal asks here before it begins a segment; segments are allocated whole, so that nothing
 * else grows. Counted are segments in whole blocks, and for each queue its folders and its mark.
 * When there is not enough: segments that have passed go, then what is expired, then the last
 * segments of queues that are empty, and with `evicts` the oldest segment of the lowest priority
 * that is not higher than the one that asks. Else the journal refuses what it was to write. The
 * same is done after the disk itself was full, which others may have filled.
 */
#include "spool/spool_priv.h"

#include <inttypes.h>
#include <unistd.h>

enum {
    EXPIRE_MOST = 1 << 20, /* messages of a queue that are looked at */
    WAIT_MS = 100
};

struct all {
    struct sk_endpoint **endpoints;
    size_t count;
};

static void all_done(struct all *a)
{
    for (size_t i = 0; i < a->count; i++)
        sk_endpoint_unref(a->endpoints[i]);
    free(a->endpoints);
}

static uint64_t bytes_of(const struct all *a)
{
    uint64_t sum = SK_SPOOL_BLOCK;

    for (size_t i = 0; i < a->count; i++) {
        for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
            struct sk_queue *q = atomic_load(&a->endpoints[i]->queues[p]);
            if (!q)
                continue;
            /* In this order: what is settled in between is counted twice, not never. */
            sum += SK_SPOOL_QUEUE_COST + atomic_load(&q->reserved);
            sum += sk_queue_bytes(q);
        }
    }
    return sum;
}

uint64_t sk_budget_bytes(struct sk_spool *s)
{
    SK_AUTO(all_done) struct all a = { 0 };
    struct sk_err ignored = SK_ERR_INIT;

    return sk_spool_all(s, &a.endpoints, &a.count, &ignored) < 0 ? 0 : bytes_of(&a);
}

/* ---- giving back ---- */

struct ask {
    struct sk_spool *s;
    struct sk_queue *by; /* NULL: for a new queue */
    unsigned priority;
    uint64_t need;
    bool is_short; /* the disk was full */
    struct all all;
};

static bool fits(const struct ask *a)
{
    uint64_t have = bytes_of(&a->all);

    return have <= a->s->opts.max_bytes && a->need <= a->s->opts.max_bytes - have;
}

static void forget_passed(const struct ask *a, bool expires)
{
    struct sk_spool_now now = sk_spool_now((int64_t)sk_spool_clocks.wall_ms());

    for (size_t i = 0; i < a->all.count; i++) {
        for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
            struct sk_queue *q = atomic_load(&a->all.endpoints[i]->queues[p]);
            struct sk_journal *j = q ? sk_queue_pin_open(q) : NULL;
            if (!j)
                continue;
            if (expires)
                (void)sk_queue_expire(q, j, &now, EXPIRE_MOST);
            if (expires && q != a->by)
                sk_journal_drop_spare(j);
            sk_queue_forget(q, j, false);
            sk_queue_unpin(q);
        }
    }
}

/* How many empty queues still have a segment; asks their threads to remove it. That of the asker is
 * here, and its own stays. */
static unsigned ask_newest(const struct ask *a)
{
    unsigned count = 0;

    for (size_t i = 0; i < a->all.count; i++) {
        for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
            struct sk_queue *q = atomic_load(&a->all.endpoints[i]->queues[p]);
            struct sk_journal *j = q && q != a->by ? sk_queue_pin_open(q) : NULL;
            if (!j)
                continue;
            if (sk_queue_is_empty(q) && sk_queue_bytes(q) > 0) {
                sk_queue_forget(q, j, true);
                count++;
            }
            sk_queue_unpin(q);
        }
    }
    return count;
}

static void forget_newest(const struct ask *a)
{
    for (int ms = 0; ms < WAIT_MS && (a->is_short || !fits(a)) && ask_newest(a) > 0; ms++)
        (void)usleep(1000);
}

/* When the oldest segment of the queue began; false: it has none that may go. */
static bool first_time(struct sk_queue *q, int64_t *out)
{
    struct sk_journal *j = sk_queue_pin_open(q);
    SK_OWN(sk_journal_cursor_free) struct sk_journal_cursor *c = NULL;
    struct sk_err ignored = SK_ERR_INIT;
    struct sk_journal_item item = { 0 };
    struct sk_journal_state state;

    if (!j)
        return false;
    sk_journal_state(j, &state);
    bool may_go = state.first_end < state.next;
    if (may_go && sk_journal_cursor(j, &(struct sk_journal_filter){ 0 }, &c, &ignored) == 0 &&
        sk_journal_next(c, &item, &ignored) < 1)
        item.time_ms = INT64_MIN; /* nothing in it can be read */
    sk_queue_unpin(q);
    *out = item.time_ms;
    return may_go;
}

static bool evict(const struct ask *a, struct sk_queue *q)
{
    struct sk_journal *j = sk_queue_pin_open(q);
    struct sk_journal_state state;

    if (!j)
        return false;
    sk_journal_state(j, &state);
    bool may_go = state.first_end < state.next;
    if (may_go) {
        uint64_t count = sk_queue_pass_range(q, state.first, state.first_end);
        (void)atomic_fetch_add(&a->s->evicted, count);
        sk_queue_forget(q, j, false);
    }
    sk_queue_unpin(q);
    return may_go;
}

static bool evict_one(const struct ask *a)
{
    for (unsigned p = SK_SPOOL_PRIORITIES; p-- > a->priority;) {
        struct sk_queue *oldest = NULL;
        int64_t oldest_ms = 0, ms;
        for (size_t i = 0; i < a->all.count; i++) {
            struct sk_queue *q = atomic_load(&a->all.endpoints[i]->queues[p]);
            if (q && first_time(q, &ms) && (!oldest || ms < oldest_ms)) {
                oldest = q;
                oldest_ms = ms;
            }
        }
        if (oldest)
            return evict(a, oldest);
    }
    return false;
}

static int make_room(struct ask *a, struct sk_err *err)
{
    a->is_short = atomic_exchange(&a->s->is_short, false);
    if (fits(a) && !a->is_short)
        return 0;
    forget_passed(a, false);
    if (fits(a) && !a->is_short)
        return 0;
    forget_passed(a, true);
    forget_newest(a);
    if (fits(a)) {
        /* A disk that others filled: a segment for a segment. */
        if (a->is_short && a->s->opts.evicts)
            (void)evict_one(a);
        return 0;
    }
    while (a->s->opts.evicts && evict_one(a)) {
        if (fits(a))
            return 0;
    }
    return sk_fail(err, SK_FULL,
                   "spool: %" PRIu64 " of %" PRIu64 " bytes are in use, %" PRIu64
                   " more are needed",
                   bytes_of(&a->all), a->s->opts.max_bytes, a->need);
}

int sk_budget_room(void *queue, uint64_t bytes, struct sk_err *err)
{
    struct sk_queue *q = queue;
    const uint64_t block = SK_SPOOL_BLOCK;
    struct ask a = {
        .s = q->s, .by = q, .priority = q->priority, .need = (bytes + block - 1) / block * block
    };

    SK_LOCK(&q->s->budget_mutex);
    atomic_store(&q->reserved, 0); /* of an attempt before */
    int rc = sk_spool_all(q->s, &a.all.endpoints, &a.all.count, err);
    if (rc == 0)
        rc = make_room(&a, err);
    if (rc == 0)
        atomic_store(&q->reserved, a.need);
    all_done(&a.all);
    return rc;
}

void sk_budget_settle(struct sk_queue *q, bool is_full)
{
    /* It was given room here, and found none there. */
    if (atomic_exchange(&q->reserved, 0) > 0 && is_full)
        atomic_store(&q->s->is_short, true);
}

int sk_budget_queue(struct sk_spool *s, unsigned priority, struct sk_err *err)
{
    struct ask a = { .s = s, .priority = priority, .need = SK_SPOOL_QUEUE_COST };
    int rc = sk_spool_all(s, &a.all.endpoints, &a.all.count, err);

    if (rc == 0)
        rc = make_room(&a, err);
    all_done(&a.all);
    return rc;
}
