/*
 * writer.c - group commit: one thread that runs the small changes of many in one transaction.
 *
 * While one transaction syncs, the next one's jobs gather, so the batch grows by itself with the
 * load and nobody waits for company. Each job runs between SAVEPOINT and RELEASE; one that fails is
 * rolled back to its savepoint and the others go on. What breaks the transaction itself (a full
 * disk, a failed sync, an error after which SQLite rolls back on its own) makes all of its jobs run
 * again, each in a transaction of its own. When the database has no room for more, only those that
 * make room are run, each on its own too.
 *
 * Invariant: a job is in the queue or in the batch of the writer's thread, and is told exactly
 * once, after the commit or the failure that decides about it.
 */
#include "db/db_priv.h"

#include "base/clock.h"

static const size_t default_jobs = 20000;
static const unsigned default_slice_ms = 5;

struct job {
    struct sk_db_job what;
    struct job *next;
    bool has_failed;
    struct sk_err err; /* when it has */
};

struct queue {
    struct job *first, **end;
    size_t count;
};

struct sk_db_writer {
    struct sk_db_writer_options opts;
    pthread_t thread;
    bool has_mutex, has_cond, has_thread;

    pthread_mutex_t mutex; /* guards all below */
    pthread_cond_t changed;
    struct queue waiting;
    bool is_ending;
};

static void queue_init(struct queue *q)
{
    *q = (struct queue){ .end = &q->first };
}

static void queue_put(struct queue *q, struct job *j)
{
    j->next = NULL;
    *q->end = j;
    q->end = &j->next;
    q->count++;
}

static struct job *queue_take(struct queue *q)
{
    struct job *j = q->first;

    if (!j)
        return NULL;
    q->first = j->next;
    if (!q->first)
        q->end = &q->first;
    q->count--;
    return j;
}

/* The next job, or NULL when none waits now. */
static struct job *take(struct sk_db_writer *w)
{
    SK_LOCK(&w->mutex);
    return queue_take(&w->waiting);
}

/* The next job; NULL when the writer ends and nothing is left. */
static struct job *wait_for_job(struct sk_db_writer *w)
{
    SK_LOCK(&w->mutex);
    while (!w->waiting.first && !w->is_ending)
        (void)sk_cond_wait_until(&w->changed, &w->mutex, UINT64_MAX);
    return queue_take(&w->waiting);
}

static void tell(struct job *j)
{
    if (j->what.done)
        j->what.done(j->what.ctx, j->has_failed ? &j->err : NULL);
    free(j);
}

static void fail_job(struct job *j, const struct sk_err *why)
{
    j->has_failed = true;
    j->err = *why;
}

static void tell_all(struct queue *q)
{
    struct job *j;

    while ((j = queue_take(q)))
        tell(j);
}

static void fail_all(struct queue *q, const struct sk_err *why)
{
    for (struct job *j = q->first; j; j = j->next)
        fail_job(j, why);
    tell_all(q);
}

static void committed(struct sk_db_writer *w)
{
    if (w->opts.committed)
        w->opts.committed(w->opts.ctx);
}

static void taken_back(struct sk_db_writer *w)
{
    if (w->opts.taken_back)
        w->opts.taken_back(w->opts.ctx);
}

static int run_job(struct sk_tx *tx, struct job *j)
{
    j->has_failed = false;
    int failed = j->what.run(tx, j->what.ctx, &j->err);
    sk_tx_end_statements(tx);
    if (failed == 0 && tx->has_failed)
        failed = sk_fail(&j->err, SK_BUG, "%s: a job went on after an error", tx->db->what);
    j->has_failed = failed < 0;
    return failed;
}

/* -1: the transaction is of no use any more, and j->err says why unless the savepoint did it. */
static int run_in_batch(struct sk_tx *tx, struct job *j)
{
    struct sk_err err = SK_ERR_INIT;

    if (sk_tx_step(tx, "SAVEPOINT job", &err) < 0)
        return -1;
    int failed = run_job(tx, j);
    if (sqlite3_get_autocommit(tx->conn->handle))
        return -1;
    tx->has_failed = false;
    if (failed < 0 && sk_tx_step(tx, "ROLLBACK TO job", &err) < 0)
        return -1;
    return sk_tx_step(tx, "RELEASE job", &err);
}

/* Each on its own. When not even a begin works, the rest fails with it: waiting again for what was
 * waited for would take them the same time each. A lack of room is known at once, and not the
 * matter of all. */
static void run_alone(struct sk_db_writer *w, struct queue *q)
{
    struct job *j;

    while ((j = queue_take(q))) {
        struct sk_err err = SK_ERR_INIT;
        struct sk_tx *tx = NULL;
        enum sk_db_mode mode = j->what.is_shrinking ? SK_DB_SHRINK : w->opts.mode;
        if (sk_db_begin(w->opts.db, mode, &tx, &err) < 0) {
            fail_job(j, &err);
            tell(j);
            if (err.code != SK_FULL)
                fail_all(q, &err);
            continue;
        }
        if (run_job(tx, j) < 0)
            sk_tx_end(tx);
        else if (sk_tx_commit(&tx, &err) < 0)
            fail_job(j, &err);
        if (j->has_failed)
            taken_back(w);
        else
            committed(w);
        tell(j);
    }
}

static void take_all(struct sk_db_writer *w, struct queue *batch)
{
    struct job *j;

    while ((j = take(w)))
        queue_put(batch, j);
}

/* One transaction, begun by a first job. */
static void run_slice(struct sk_db_writer *w, struct job *first)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_tx *tx = NULL;
    struct queue batch;
    int failed = 0;

    queue_init(&batch);
    if (sk_db_begin(w->opts.db, w->opts.mode, &tx, &err) < 0) {
        queue_put(&batch, first);
        take_all(w, &batch);
        if (err.code == SK_FULL)
            run_alone(w, &batch);
        else
            fail_all(&batch, &err);
        return;
    }
    uint64_t until_ns = sk_now_ns() + (uint64_t)w->opts.slice_ms * 1000000;
    for (struct job *j = first; j; j = sk_now_ns() < until_ns ? take(w) : NULL) {
        queue_put(&batch, j);
        failed = run_in_batch(tx, j);
        if (failed < 0)
            break;
    }
    if (failed == 0)
        failed = sk_tx_commit(&tx, &err);
    sk_tx_end(tx);
    if (failed < 0) {
        taken_back(w);
        run_alone(w, &batch);
        return;
    }
    committed(w);
    tell_all(&batch);
}

static void *work(void *arg)
{
    struct sk_db_writer *w = arg;
    struct job *j;

    while ((j = wait_for_job(w)))
        run_slice(w, j);
    return NULL;
}

static int start(struct sk_db_writer *w, struct sk_err *err)
{
    w->has_mutex = pthread_mutex_init(&w->mutex, NULL) == 0;
    if (!w->has_mutex)
        return sk_nomem(err);
    if (sk_cond_init(&w->changed, err) < 0)
        return -1;
    w->has_cond = true;
    if (sk_thread_start(&w->thread, "db-writer", work, w, err) < 0)
        return -1;
    w->has_thread = true;
    return 0;
}

int sk_db_writer_new(const struct sk_db_writer_options *opts, struct sk_db_writer **out,
                     struct sk_err *err)
{
    SK_OWN(sk_db_writer_free) struct sk_db_writer *w = calloc(1, sizeof *w);

    if (!w)
        return sk_nomem(err);
    w->opts = *opts;
    if (w->opts.mode == SK_DB_READ)
        return sk_fail(err, SK_BUG, "a writer that reads");
    if (w->opts.max_jobs == 0)
        w->opts.max_jobs = default_jobs;
    if (w->opts.slice_ms == 0)
        w->opts.slice_ms = default_slice_ms;
    queue_init(&w->waiting);
    if (start(w, err) < 0)
        return -1;
    *out = SK_TAKE(w);
    return 0;
}

void sk_db_writer_free(struct sk_db_writer *w)
{
    if (!w)
        return;
    if (w->has_thread) {
        {
            SK_LOCK(&w->mutex);
            w->is_ending = true;
            (void)pthread_cond_broadcast(&w->changed);
        }
        (void)pthread_join(w->thread, NULL);
    }
    if (w->has_cond)
        (void)pthread_cond_destroy(&w->changed);
    if (w->has_mutex)
        (void)pthread_mutex_destroy(&w->mutex);
    free(w);
}

int sk_db_writer_push(struct sk_db_writer *w, const struct sk_db_job *job, struct sk_err *err)
{
    struct job *j = malloc(sizeof *j);

    if (!j)
        return sk_nomem(err);
    j->what = *job;
    j->has_failed = false;
    SK_LOCK(&w->mutex);
    if (w->waiting.count >= w->opts.max_jobs) {
        free(j);
        return sk_fail(err, SK_BUSY, "%s: %zu changes wait already", w->opts.db->what,
                       w->opts.max_jobs);
    }
    queue_put(&w->waiting, j);
    (void)pthread_cond_signal(&w->changed);
    return 0;
}

/* ---- waiting ---- */

struct wait {
    pthread_mutex_t mutex; /* guards is_done, has_failed and err */
    pthread_cond_t changed;
    bool is_done, has_failed;
    struct sk_err err;
    int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err);
    void *ctx;
};

static int run_waited(struct sk_tx *tx, void *ctx, struct sk_err *err)
{
    struct wait *t = ctx;

    return t->run(tx, t->ctx, err);
}

static void end_wait(void *ctx, const struct sk_err *failed)
{
    struct wait *t = ctx;

    SK_LOCK(&t->mutex);
    t->is_done = true;
    t->has_failed = failed != NULL;
    if (failed)
        t->err = *failed;
    (void)pthread_cond_signal(&t->changed);
}

static int run_and_wait(struct sk_db_writer *w, bool is_shrinking,
                        int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err), void *ctx,
                        struct sk_err *err)
{
    struct wait t = { .mutex = PTHREAD_MUTEX_INITIALIZER, .run = run, .ctx = ctx };

    if (pthread_equal(w->thread, pthread_self()))
        return sk_fail(err, SK_BUG, "%s: the writer waits for itself", w->opts.db->what);
    if (sk_cond_init(&t.changed, err) < 0)
        return -1;
    const struct sk_db_job job = { run_waited, end_wait, &t, is_shrinking };
    int failed = sk_db_writer_push(w, &job, err);
    if (failed == 0) {
        SK_LOCK(&t.mutex);
        while (!t.is_done)
            (void)sk_cond_wait_until(&t.changed, &t.mutex, UINT64_MAX);
        failed = t.has_failed ? -1 : 0;
        if (t.has_failed)
            *err = t.err;
    }
    (void)pthread_cond_destroy(&t.changed);
    (void)pthread_mutex_destroy(&t.mutex);
    return failed;
}

int sk_db_writer_run(struct sk_db_writer *w,
                     int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err), void *ctx,
                     struct sk_err *err)
{
    return run_and_wait(w, false, run, ctx, err);
}

int sk_db_writer_shrink(struct sk_db_writer *w,
                        int (*run)(struct sk_tx *tx, void *ctx, struct sk_err *err), void *ctx,
                        struct sk_err *err)
{
    return run_and_wait(w, true, run, ctx, err);
}

size_t sk_db_writer_waiting(struct sk_db_writer *w)
{
    SK_LOCK(&w->mutex);
    return w->waiting.count;
}
