/*
 * session.c - what clients have subscribed to, and who is connected.
 *
 * Connections that come and go are gathered: one job writes those that are known when it runs, so
 * many of them at most that others need not wait long, and the next job the rest. What a failed
 * write leaves is written by a later one.
 */
#include "devices/devices_priv.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

/* ---- sessions ---- */

int sk_session_read(struct sk_devices *d, int64_t identity, unsigned *subs, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err, "SELECT subs FROM session WHERE identity = ?1", "i", identity) < 0)
        return -1;
    int found = sk_stmt_next(s, err);
    if (found < 0)
        return -1;
    *subs = found ? (unsigned)sk_stmt_int(s, 0) : 0;
    return 0;
}

struct session_job {
    int64_t identity;
    unsigned add, remove;
    void (*done)(void *ctx, const struct sk_err *failed);
    void *ctx;
};

static int take_away(struct sk_change *c, const struct session_job *job, struct sk_err *err)
{
    return sk_tx_run(c->tx, err, "DELETE FROM session WHERE identity = ?1 AND subs & ~?2 = 0", "ii",
                     job->identity, (int64_t)job->remove) < 0
               ? -1
               : sk_tx_run(c->tx, err,
                           "UPDATE session SET subs = subs & ~?2 "
                           "WHERE identity = ?1 AND subs & ?2 <> 0",
                           "ii", job->identity, (int64_t)job->remove);
}

static int run_session(struct sk_change *c, void *ctx, struct sk_err *err)
{
    const struct session_job *job = ctx;
    if (job->add == 0)
        return take_away(c, job, err);
    if (sk_tx_run(c->tx, err,
                  "INSERT INTO session(identity, subs) SELECT id, ?2 & ~?3 FROM identity "
                  "WHERE id = ?1 "
                  "ON CONFLICT(identity) DO UPDATE SET subs = (subs | ?2) & ~?3",
                  "iii", job->identity, (int64_t)job->add, (int64_t)job->remove) < 0)
        return -1;
    if (sk_tx_changes(c->tx) == 0)
        return sk_identity_gone(err);
    return 0;
}

static void end_session(void *ctx, const struct sk_err *failed)
{
    struct session_job *job = ctx;
    if (job->done)
        job->done(job->ctx, failed);
    free(job);
}

int sk_session_change(struct sk_devices *d, int64_t identity, unsigned add, unsigned remove,
                      void (*done)(void *ctx, const struct sk_err *failed), void *ctx,
                      struct sk_err *err)
{
    SK_OWN(free) struct session_job *job = malloc(sizeof *job);
    if (!job)
        return sk_nomem(err);
    *job = (struct session_job){ identity, add, remove, done, ctx };
    if ((add ? sk_devices_push : sk_devices_push_shrink)(d, run_session, end_session, job, err) < 0)
        return -1;
    (void)SK_TAKE(job);
    return 0;
}

/* ---- connections ---- */

static bool add_seen(struct seen_list *l, const struct seen *item)
{
    if (l->count == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : 64;
        struct seen *items = cap <= SK_DEVICES_SEEN_MAX ? reallocarray(l->items, cap, sizeof *items)
                                                        : NULL;
        if (!items)
            return false;
        l->items = items;
        l->cap = cap;
    }
    l->items[l->count++] = *item;
    return true;
}

/* Moves what comes next to the writer's side, behind what a failed write left there. */
static void gather(struct sk_devices *d)
{
    SK_LOCK(&d->mutex);
    size_t moved = 0;
    while (moved < d->seen.count && d->writing.count < SK_DEVICES_SEEN_SLICE &&
           add_seen(&d->writing, &d->seen.items[moved]))
        moved++;
    d->seen.count -= moved;
    if (moved > 0 && d->seen.count > 0)
        memmove(d->seen.items, d->seen.items + moved, d->seen.count * sizeof *d->seen.items);
}

static int run_seen(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct sk_devices *d = ctx;
    gather(d);
    for (size_t i = 0; i < d->writing.count; i++) {
        const struct seen *s = &d->writing.items[i];
        if (sk_tx_run(c->tx, err,
                      "UPDATE identity SET connection_ms = "
                      "CASE WHEN is_connected = ?2 THEN connection_ms ELSE ?3 END, "
                      "is_connected = ?2, activity_ms = max(activity_ms, ?3) WHERE id = ?1",
                      "iii", s->identity, (int64_t)s->is_connected, s->at_ms) < 0)
            return -1;
    }
    return 0;
}

static void push_seen(struct sk_devices *d);

static void end_seen(void *ctx, const struct sk_err *failed)
{
    struct sk_devices *d = ctx;
    bool is_more;
    if (!failed)
        d->writing.count = 0;
    {
        SK_LOCK(&d->mutex);
        d->is_seen_pushed = false;
        d->is_seen_left = failed != NULL;
        is_more = !failed && d->seen.count > 0;
    }
    if (is_more)
        push_seen(d);
}

static void push_seen(struct sk_devices *d)
{
    struct sk_err err = SK_ERR_INIT;
    {
        SK_LOCK(&d->mutex);
        if (d->is_seen_pushed)
            return;
        d->is_seen_pushed = true;
    }

    if (sk_devices_push(d, run_seen, end_seen, d, &err) == 0)
        return;
    SK_LOCK(&d->mutex);
    d->is_seen_pushed = false; /* the next one tries again */
}

void sk_identity_seen(struct sk_devices *d, int64_t identity, bool is_connected, int64_t at_ms)
{
    const struct seen item = { identity, at_ms, is_connected };
    bool is_first_lost;
    {
        SK_LOCK(&d->mutex);
        bool is_lost = !add_seen(&d->seen, &item);
        is_first_lost = is_lost && !d->is_losing;
        d->is_losing = is_lost;
    }
    if (is_first_lost)
        sk_log(SK_WARN, "connection_states_lost", "identity=%lld", (long long)identity);
    push_seen(d);
}

void sk_identity_seen_again(struct sk_devices *d)
{
    {
        SK_LOCK(&d->mutex);
        if (!d->is_seen_left && d->seen.count == 0)
            return;
    }

    push_seen(d);
}
