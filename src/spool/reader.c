/*
 * reader.c - taking messages of one endpoint.
 *
 * There is a lane for each priority, with a cursor in its journal; each item asks them from the
 * highest on. What passed before (delivered before the connection was lost) is stepped over. A
 * number that the journal steps over is damaged or was removed: it passes.
 */
#include "spool/spool_priv.h"

struct lane {
    struct sk_journal_cursor *cursor;
    unsigned opening; /* of the journal that the cursor is of */
    uint64_t at;      /* the next number to look at */
};

struct sk_spool_reader {
    struct sk_spool *s;
    struct sk_endpoint *endpoint;
    struct lane lanes[SK_SPOOL_PRIORITIES];
};

int sk_spool_reader(struct sk_spool *s, const char *endpoint, struct sk_spool_reader **out,
                    struct sk_err *err)
{
    SK_OWN(sk_endpoint_unref) struct sk_endpoint *e = NULL;
    SK_OWN(free) struct sk_spool_reader *r = calloc(1, sizeof *r);

    if (!r)
        return sk_nomem(err);
    if (sk_endpoint_get(s, endpoint, true, &e, err) < 0)
        return -1;
    SK_LOCK(&s->mutex);
    if (e->has_reader || e->is_dropping)
        return sk_fail(err, SK_BUSY, "spool '%s': %s", endpoint,
                       e->has_reader ? "it has a reader" : "it is being removed");
    e->has_reader = true;
    r->s = s;
    r->endpoint = SK_TAKE(e);
    *out = SK_TAKE(r);
    return 0;
}

static void drop_cursor(struct lane *lane)
{
    sk_journal_cursor_free(SK_TAKE(lane->cursor));
}

void sk_spool_reader_free(struct sk_spool_reader *r)
{
    if (!r)
        return;
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++)
        drop_cursor(&r->lanes[p]);
    (void)pthread_mutex_lock(&r->s->mutex);
    r->endpoint->has_reader = false;
    (void)pthread_mutex_unlock(&r->s->mutex);
    sk_endpoint_unref(r->endpoint);
    free(r);
}

void sk_spool_rewind(struct sk_spool_reader *r)
{
    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        drop_cursor(&r->lanes[p]);
        r->lanes[p].at = 0;
    }
}

/* ---- */

/* Where to look next, and up to where there is something. */
static void place(struct lane *lane, struct sk_queue *q, uint64_t *next)
{
    SK_LOCK(&q->mutex);
    *next = atomic_load(&q->next);
    if (lane->at < q->passed.mark)
        lane->at = q->passed.mark;
    while (lane->at < *next && sk_passed_has(&q->passed, lane->at))
        lane->at++;
}

/* A record from lane->at on: 1; 0: none; -1. */
static int read_on(struct lane *lane, struct sk_queue *q, struct sk_journal_item *out,
                   struct sk_err *err)
{
    struct sk_journal *j;
    int rc;

    if (sk_queue_pin(q, &j, err) < 0)
        return -1;
    if (lane->cursor && lane->opening != q->opening)
        drop_cursor(lane);
    lane->opening = q->opening; /* it does not change while it is pinned */
    rc = lane->cursor ? 0
                      : sk_journal_cursor(j, &(struct sk_journal_filter){ .from_seq = lane->at },
                                          &lane->cursor, err);
    while (rc >= 0 && (rc = sk_journal_next(lane->cursor, out, err)) == 1 && out->seq < lane->at)
        continue;
    sk_queue_unpin(q);
    return rc;
}

static void give(const struct sk_journal_item *item, const struct sk_spool_record *record,
                 unsigned priority, struct sk_spool_item *out)
{
    *out = (struct sk_spool_item){
        .priority = priority,
        .seq = item->seq,
        .time_ms = item->time_ms,
        .expires_ms = record->expires_ms,
        .key = record->key,
        .bag = record->bag,
        .body = record->body,
    };
}

static int next_of(struct lane *lane, struct sk_queue *q, const struct sk_spool_now *now,
                   struct sk_spool_item *out, struct sk_err *err)
{
    struct sk_journal_item item;
    struct sk_spool_record record;
    uint64_t next;

    for (;;) {
        place(lane, q, &next);
        if (lane->at >= next) {
            drop_cursor(lane);
            return 0;
        }
        int rc = read_on(lane, q, &item, err);
        if (rc < 0)
            return -1;
        uint64_t found = rc == 0 ? next : item.seq;
        if (found > lane->at)
            (void)sk_queue_pass_range(q, lane->at, found);
        lane->at = found;
        if (rc == 0)
            continue;
        lane->at++;
        if (!sk_spool_record_read(item.body, &record)) {
            if (sk_queue_pass(q, item.seq))
                (void)atomic_fetch_add(&q->s->damaged, 1);
        } else if (sk_spool_is_expired(&record, item.time_ms, now)) {
            if (sk_queue_pass(q, item.seq))
                (void)atomic_fetch_add(&q->s->expired, 1);
        } else {
            give(&item, &record, q->priority, out);
            return 1;
        }
    }
}

int sk_spool_next(struct sk_spool_reader *r, int64_t now_ms, struct sk_spool_item *out,
                  struct sk_err *err)
{
    struct sk_spool_now now = sk_spool_now(now_ms);

    for (unsigned p = 0; p < SK_SPOOL_PRIORITIES; p++) {
        struct sk_queue *q = atomic_load(&r->endpoint->queues[p]);
        int rc = q ? next_of(&r->lanes[p], q, &now, out, err) : 0;
        if (rc != 0)
            return rc;
    }
    return 0;
}

void sk_spool_delivered(struct sk_spool_reader *r, unsigned priority, uint64_t seq)
{
    struct sk_queue *q = priority < SK_SPOOL_PRIORITIES
                             ? atomic_load(&r->endpoint->queues[priority])
                             : NULL;

    /* A segment's space comes back when the last message in it is delivered. */
    if (!q || !sk_queue_pass(q, seq) || sk_queue_mark(q) < atomic_load(&q->forget_at))
        return;
    struct sk_journal *j = sk_queue_pin_open(q);
    if (j) {
        sk_queue_forget(q, j, false);
        sk_queue_unpin(q);
    }
}
