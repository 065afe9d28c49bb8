/*
 * pass.c - looking at many units, in small changes that go through the devices' writer.
 *
 *     plan and units are read  ->  batches of 10 units  ->  at most 2 wait for the writer
 *
 * A batch is one job of the writer, about a millisecond, so the changes of others stand behind a
 * few of them at most. Each looks first whether its plan is still the newest, and a pass for
 * deploy_work notes in the same change how far it is, until a batch fails: those behind it may have
 * gone through, and what it left must be found again. What it wrote by an older plan is written
 * again by the pass that follows, which looks at all.
 *
 * Invariant: composed contents live until all batches that name them are done.
 */
#include "deploy/deploy_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    TOLD_MAX = 1 << 20,
    BUSY_MS = 20
};

struct pass;

struct batch {
    struct pass *pass;
    const struct sk_unit *units;
    size_t count;
    const struct sk_composed *composed[SK_DEPLOY_BATCH];
    int64_t done; /* for deploy_work; 0: not noted */
    bool is_last; /* nothing is left after it */
    struct sk_buf told;
    bool is_out; /* given to the writer; of the pass's thread */
    /* Guarded by the module's mutex: */
    bool is_done, has_failed;
    struct sk_err err;
};

struct pass {
    struct sk_deploy *d;
    enum sk_pass_kind kind;
    struct sk_plan plan;
    struct sk_units units;
    struct batch batches[SK_DEPLOY_WINDOW];
    bool has_gap; /* of the writer's thread: a batch has failed */

    struct {
        uint32_t set;
        struct sk_composed *composed;
    } kept[SK_DEPLOY_COMPOSED_MAX];
};

/* ---- one batch, on the writer's thread ---- */

static int is_newest(struct sk_tx *tx, int64_t generation, struct sk_err *err)
{
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_tx_query(tx, &s, err, "SELECT generation FROM deploy_work WHERE id = 1", "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    return sk_stmt_int(s, 0) == generation;
}

static int write_batch(struct sk_change *c, struct batch *b, struct sk_err *err)
{
    struct sk_tx *tx = sk_change_tx(c);
    const struct sk_plan *plan = &b->pass->plan;
    sk_buf_clear(&b->told);
    int newest = is_newest(tx, plan->generation, err);
    if (newest <= 0)
        return newest;
    for (size_t i = 0; i < b->count; i++)
        if (sk_unit_write(b->pass->d, c, &b->units[i], b->composed[i], plan->is_full, &b->told,
                          err) < 0)
            return -1;
    if (b->is_last)
        return sk_tx_run(tx, err, "UPDATE deploy_work SET done = ?1, is_full = 0 WHERE id = 1", "i",
                         SK_DEPLOY_DONE);
    if (b->done == 0 || b->pass->has_gap)
        return 0;
    return sk_tx_run(tx, err, "UPDATE deploy_work SET done = ?1 WHERE id = 1", "i", b->done);
}

static int run_batch(struct sk_change *c, void *ctx, struct sk_err *err)
{
    struct batch *b = ctx;
    int failed = write_batch(c, b, err);
    b->pass->has_gap |= failed < 0;
    return failed;
}

static void end_batch(void *ctx, const struct sk_err *failed)
{
    struct batch *b = ctx;
    struct sk_deploy *d = b->pass->d;
    b->pass->has_gap |= failed != NULL;
    SK_LOCK(&d->mutex);
    b->has_failed = failed != NULL;
    if (failed)
        b->err = *failed;
    b->is_done = true;
    (void)pthread_cond_broadcast(&d->changed);
}

/* ---- the rest is on the module's thread ---- */

static void tell_progress(const struct sk_deploy *d, const struct sk_buf *told)
{
    const char *at = told->data, *end = at ? at + told->len : at;
    while (at < end) {
        const char *json = at + strlen(at) + 1;
        if (d->progress)
            d->progress(d->ctx, at, json);
        at = json + strlen(json) + 1;
    }
}

/* One that holds up the others of its batch. */
static int run_alone(struct batch *from, size_t i, struct sk_err *err)
{
    struct batch b = { .pass = from->pass,
                       .units = from->units + i,
                       .count = 1,
                       .composed = { from->composed[i] },
                       .told = SK_BUF_INIT(TOLD_MAX) };
    int failed = sk_devices_write(b.pass->d->devices, run_batch, &b, err);
    if (failed == 0) {
        tell_progress(b.pass->d, &b.told);
    } else if (sk_is_about_content(err) || err->code == SK_NOT_FOUND || err->code == SK_CORRUPT) {
        sk_log(SK_ERROR, "deployment_failed", "identity=%lld error=\"%s\" next=skipped",
               (long long)b.units->id, err->text);
        failed = 0;
    }
    sk_buf_done(&b.told);
    return failed;
}

/* Waits for a batch, and sees to what it left behind. */
static int finish(struct batch *b, struct sk_err *err)
{
    struct sk_deploy *d = b->pass->d;
    if (!b->is_out)
        return 0;
    {
        SK_LOCK(&d->mutex);
        while (!b->is_done)
            (void)sk_cond_wait_until(&d->changed, &d->mutex, UINT64_MAX);
        d->in_hand -= b->count < d->in_hand ? b->count : d->in_hand - 1;
    }
    b->is_out = false;
    if (!b->has_failed) {
        tell_progress(d, &b->told);
        return 0;
    }
    if (b->count == 0 || (!sk_is_about_content(&b->err) && b->err.code != SK_NOT_FOUND &&
                          b->err.code != SK_CORRUPT)) {
        *err = b->err;
        return -1;
    }
    for (size_t i = 0; i < b->count; i++)
        if (run_alone(b, i, err) < 0)
            return -1;
    return 0;
}

static int finish_all(struct pass *p, struct sk_err *err)
{
    int failed = 0;
    for (size_t i = 0; i < SK_DEPLOY_WINDOW; i++)
        if (finish(&p->batches[i], err) < 0)
            failed = -1;
    return failed;
}

static int find_composed(struct pass *p, uint32_t set, const struct sk_composed **out,
                         struct sk_err *err)
{
    size_t slot = set % SK_DEPLOY_COMPOSED_MAX;
    if (!p->kept[slot].composed || p->kept[slot].set != set) {
        if (p->kept[slot].composed && finish_all(p, err) < 0)
            return -1;
        sk_composed_free(SK_TAKE(p->kept[slot].composed));
        if (sk_composed_new(p->d, &p->plan, set, &p->kept[slot].composed, err) < 0)
            return -1;
        p->kept[slot].set = set;
    }
    *out = p->kept[slot].composed;
    return 0;
}

static void wait_ms(struct sk_deploy *d, uint64_t ms)
{
    const uint64_t until_ns = sk_now_ns() + ms * 1000000;
    SK_LOCK(&d->mutex);
    while (!d->is_stopping && sk_now_ns() < until_ns)
        (void)sk_cond_wait_until(&d->changed, &d->mutex, until_ns);
}

static int give(struct batch *b, struct sk_err *err)
{
    struct sk_deploy *d = b->pass->d;
    b->is_done = b->has_failed = false;
    while (sk_devices_push(d->devices, run_batch, end_batch, b, err) < 0) {
        if (err->code != SK_BUSY)
            return -1;
        if (sk_deploy_is_stale(d))
            return 0;
        wait_ms(d, BUSY_MS);
    }
    b->is_out = true;
    return 0;
}

/* Two sets of one batch must not share a place among the kept. */
static size_t fill(struct pass *p, size_t at)
{
    size_t count = 1;
    const struct sk_unit *u = p->units.items + at;
    for (; count < SK_DEPLOY_BATCH && at + count < p->units.count; count++)
        for (size_t i = 0; i < count; i++)
            if (u[i].set != u[count].set &&
                u[i].set % SK_DEPLOY_COMPOSED_MAX == u[count].set % SK_DEPLOY_COMPOSED_MAX)
                return count;
    return count;
}

static int run_next(struct pass *p, struct batch *b, size_t *at, struct sk_err *err)
{
    const struct sk_units *u = &p->units;
    if (finish(b, err) < 0)
        return -1;
    b->units = u->items + *at;
    b->count = fill(p, *at);
    for (size_t i = 0; i < b->count; i++)
        if (find_composed(p, b->units[i].set, &b->composed[i], err) < 0)
            return -1;
    *at += b->count;
    b->done = 0;
    if (p->kind == SK_PASS_WORK) {
        int64_t last = b->units[b->count - 1].id;
        b->done = *at < u->count && u->items[*at].id == last ? last - 1 : last;
    }
    return give(b, err);
}

static int run_units(struct pass *p, struct sk_err *err)
{
    size_t at = 0, turn = 0;
    while (at < p->units.count) {
        if (sk_deploy_is_stale(p->d))
            return 0;
        if (run_next(p, &p->batches[turn++ % SK_DEPLOY_WINDOW], &at, err) < 0)
            return -1;
    }
    if (p->kind != SK_PASS_WORK)
        return 0;
    if (finish_all(p, err) < 0)
        return -1;
    struct batch last = { .pass = p, .is_last = true, .told = SK_BUF_INIT(TOLD_MAX) };
    return sk_devices_write(p->d->devices, run_batch, &last, err);
}

/* ---- reading ---- */

static int read_flags(struct sk_deploy *d, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    SK_OWN(sk_stmt_end) struct sk_stmt *s = NULL;
    if (sk_db_begin(d->db, SK_DB_READ, &tx, err) < 0 ||
        sk_tx_query(tx, &s, err,
                    "SELECT count(*), total(instr(target, 'reported')) > 0 FROM configuration",
                    "") < 0 ||
        sk_stmt_next(s, err) < 0)
        return -1;
    SK_LOCK(&d->mutex);
    d->has_any = sk_stmt_int(s, 0) > 0;
    d->uses_reported = sk_stmt_int(s, 1) != 0;
    return 0;
}

/* The transaction ends with it: a pass may take long, and the log of the database could not be cut
 * meanwhile. */
static int read_pass(struct pass *p, const int64_t *identities, size_t count, struct sk_err *err)
{
    SK_OWN(sk_tx_end) struct sk_tx *tx = NULL;
    if (sk_db_begin(p->d->db, SK_DB_READ, &tx, err) < 0 || sk_plan_read(tx, &p->plan, err) < 0)
        return -1;
    if (p->kind == SK_PASS_WORK)
        return p->plan.done == SK_DEPLOY_DONE
                   ? 0
                   : sk_units_find(&p->plan, tx, p->plan.is_full, &p->units, err);
    p->plan.is_full = false;
    p->plan.done = 0;
    if (p->kind == SK_PASS_ALL)
        return sk_units_find(&p->plan, tx, false, &p->units, err);
    for (size_t i = 0; i < count; i++)
        if (sk_units_of(&p->plan, tx, identities[i], &p->units, err) < 0)
            return -1;
    return 0;
}

static void pass_free(struct pass *p)
{
    struct sk_err err = SK_ERR_INIT;
    if (!p)
        return;
    (void)finish_all(p, &err); /* what failed is looked at again by the next pass */
    for (size_t i = 0; i < SK_DEPLOY_WINDOW; i++)
        sk_buf_done(&p->batches[i].told);
    for (size_t i = 0; i < SK_DEPLOY_COMPOSED_MAX; i++)
        sk_composed_free(p->kept[i].composed);
    sk_units_done(&p->units);
    sk_plan_done(&p->plan);
    free(p);
}

SK_DEFINE_OWN(struct pass, pass_free);

int sk_pass_run(struct sk_deploy *d, enum sk_pass_kind kind, const int64_t *identities,
                size_t count, struct sk_err *err)
{
    SK_OWN(pass_free) struct pass *p = calloc(1, sizeof *p);
    if (!p)
        return sk_nomem(err);
    p->d = d;
    p->kind = kind;
    for (size_t i = 0; i < SK_DEPLOY_WINDOW; i++)
        p->batches[i] = (struct batch){ .pass = p, .told = SK_BUF_INIT(TOLD_MAX) };
    if (read_flags(d, err) < 0 || read_pass(p, identities, count, err) < 0)
        return -1;
    if (kind == SK_PASS_WORK && p->plan.done == SK_DEPLOY_DONE)
        return 0;
    {
        SK_LOCK(&d->mutex);
        d->in_hand = p->units.count + 1;
        d->is_counted = true;
    }
    if (run_units(p, err) < 0)
        return -1;
    return finish_all(p, err);
}
