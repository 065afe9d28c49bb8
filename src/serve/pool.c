/*
 * pool.c - the queue between event loops and workers.
 *
 * Invariants, all under `mutex`:
 *   - a job is in the list, or being run by one worker, or gone;
 *   - `queued` is the length of the list and never exceeds max_queue by a push (SK_JOB_AGAIN may,
 * by the number of workers at most);
 *   - guards[w].run is set only while worker w is inside an inference, so cancelling it never
 * touches a run that has been freed. A cancel that comes before the engine has begun does nothing,
 * so it is repeated until the worker takes the guard away.
 *
 * One timer thread sleeps until the earliest deadline of queue and guards. Deadlines of requests
 * are equal but for the `timeout` of the V2 protocol, so it walks at most max_queue entries once
 * per deadline.
 */
#include "serve/pool_priv.h"

#include "base/clock.h"
#include "base/thread.h"

enum {
    CANCEL_AGAIN_NS = 2000000
};

struct guard {
    struct sk_run *run; /* NULL: not in an inference */
    uint64_t deadline_ns;
};

struct worker {
    struct sk_pool *pool;
    unsigned index;
    pthread_t thread;
};

struct sk_pool {
    pthread_mutex_t mutex; /* guards everything below */
    pthread_cond_t work;   /* the list is not empty, or stopping */
    pthread_cond_t timer;  /* an earlier deadline, or stopping */
    struct sk_job *first, *last;
    size_t queued, max_queue;
    unsigned running;
    bool is_stopping;       /* no pushes; workers leave when the list is empty */
    bool is_cut;            /* everything is late */
    bool is_timer_stopping; /* after the workers: they may still need a deadline */
    uint64_t timer_wakes_ns;
    struct guard *guards; /* one per worker */

    unsigned worker_count, started; /* only sk_pool_new and end_threads change them */
    bool timer_started;
    struct worker *workers;
    pthread_t timer_thread;
};

static void append(struct sk_pool *p, struct sk_job *job)
{
    job->queued_ns = sk_now_ns();
    job->next = NULL;
    job->prev = p->last;
    if (p->last)
        p->last->next = job;
    else
        p->first = job;
    p->last = job;
    p->queued++;
}

static void unlink_job(struct sk_pool *p, struct sk_job *job)
{
    if (job->prev)
        job->prev->next = job->next;
    else
        p->first = job->next;
    if (job->next)
        job->next->prev = job->prev;
    else
        p->last = job->prev;
    job->next = job->prev = NULL;
    p->queued--;
}

/* The timer must wake for this deadline. */
static void arm(struct sk_pool *p, uint64_t deadline_ns)
{
    if (deadline_ns < p->timer_wakes_ns) {
        p->timer_wakes_ns = deadline_ns;
        (void)pthread_cond_signal(&p->timer);
    }
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct sk_pool *p = w->pool;

    (void)pthread_mutex_lock(&p->mutex);
    for (;;) {
        while (!p->first && !p->is_stopping)
            (void)pthread_cond_wait(&p->work, &p->mutex);
        struct sk_job *job = p->first;
        if (!job)
            break;
        unlink_job(p, job);
        p->running++;
        (void)pthread_mutex_unlock(&p->mutex);
        enum sk_job_next next = job->run(job, w->index);
        (void)pthread_mutex_lock(&p->mutex);
        p->running--;
        if (next == SK_JOB_AGAIN) {
            append(p, job);
            arm(p, job->deadline_ns);
            (void)pthread_cond_signal(&p->work);
        }
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

/* Takes the jobs that are late out of the list and cancels the runs that are; returns the late
 * jobs, linked by next, and the time of the next deadline. */
static struct sk_job *collect_late(struct sk_pool *p, uint64_t now, uint64_t *next_ns)
{
    struct sk_job *late = NULL, **tail = &late, *following;

    *next_ns = UINT64_MAX;
    for (struct sk_job *job = p->first; job; job = following) {
        following = job->next;
        if (p->is_cut || job->deadline_ns <= now) {
            unlink_job(p, job);
            *tail = job;
            tail = &job->next;
        } else if (job->deadline_ns < *next_ns) {
            *next_ns = job->deadline_ns;
        }
    }
    for (unsigned w = 0; w < p->worker_count; w++) {
        struct guard *g = &p->guards[w];
        if (!g->run)
            continue;
        if (p->is_cut || g->deadline_ns <= now) {
            sk_run_cancel(g->run);
            g->deadline_ns = now + CANCEL_AGAIN_NS;
        }
        if (g->deadline_ns < *next_ns)
            *next_ns = g->deadline_ns;
    }
    return late;
}

static void *keep_time(void *arg)
{
    struct sk_pool *p = arg;
    struct sk_err why = SK_ERR_INIT;

    (void)sk_fail(&why, SK_TIMEOUT, "the deadline passed while the request waited for a free core");
    (void)pthread_mutex_lock(&p->mutex);
    while (!p->is_timer_stopping) {
        struct sk_job *late = collect_late(p, sk_now_ns(), &p->timer_wakes_ns);
        if (late) {
            (void)pthread_mutex_unlock(&p->mutex);
            while (late) {
                struct sk_job *job = late;
                late = job->next;
                job->drop(job, &why);
            }
            (void)pthread_mutex_lock(&p->mutex);
            continue;
        }
        (void)sk_cond_wait_until(&p->timer, &p->mutex, p->timer_wakes_ns);
    }
    (void)pthread_mutex_unlock(&p->mutex);
    return NULL;
}

static int start_threads(struct sk_pool *p, struct sk_err *err)
{
    if (sk_thread_start(&p->timer_thread, "sk-timer", keep_time, p, err) < 0)
        return -1;
    p->timer_started = true;
    for (; p->started < p->worker_count; p->started++) {
        struct worker *w = &p->workers[p->started];
        *w = (struct worker){ .pool = p, .index = p->started };
        if (sk_thread_start(&w->thread, "sk-worker", work, w, err) < 0)
            return -1;
    }
    return 0;
}

int sk_pool_new(unsigned workers, size_t max_queue, struct sk_pool **out, struct sk_err *err)
{
    struct sk_pool *p = calloc(1, sizeof *p);

    if (!p)
        return sk_nomem(err);
    (void)pthread_mutex_init(&p->mutex, NULL);
    p->max_queue = max_queue;
    p->worker_count = workers;
    p->timer_wakes_ns = UINT64_MAX;
    if (sk_cond_init(&p->work, err) < 0 || sk_cond_init(&p->timer, err) < 0) {
        free(p);
        return -1;
    }
    p->workers = calloc(workers, sizeof *p->workers);
    p->guards = calloc(workers, sizeof *p->guards);
    if (!p->workers || !p->guards) {
        sk_pool_free(p);
        return sk_nomem(err);
    }
    if (start_threads(p, err) < 0) {
        sk_pool_free(p);
        return -1;
    }
    *out = p;
    return 0;
}

/* Workers first: until they have ended they may need a deadline. */
static void end_threads(struct sk_pool *p)
{
    (void)pthread_mutex_lock(&p->mutex);
    p->is_stopping = true;
    (void)pthread_cond_broadcast(&p->work);
    (void)pthread_mutex_unlock(&p->mutex);
    while (p->started > 0)
        (void)pthread_join(p->workers[--p->started].thread, NULL);
    (void)pthread_mutex_lock(&p->mutex);
    p->is_timer_stopping = true;
    (void)pthread_cond_signal(&p->timer);
    (void)pthread_mutex_unlock(&p->mutex);
    if (p->timer_started)
        (void)pthread_join(p->timer_thread, NULL);
    p->timer_started = false;
}

void sk_pool_stop(struct sk_pool *p)
{
    {
        SK_LOCK(&p->mutex);
        p->is_stopping = true;
        p->is_cut = true;
        arm(p, 0);
    }
    end_threads(p);
}

void sk_pool_free(struct sk_pool *p)
{
    if (!p)
        return;
    end_threads(p);
    (void)pthread_cond_destroy(&p->work);
    (void)pthread_cond_destroy(&p->timer);
    (void)pthread_mutex_destroy(&p->mutex);
    free(p->workers);
    free(p->guards);
    free(p);
}

int sk_pool_push(struct sk_pool *p, struct sk_job *const *jobs, size_t count, struct sk_err *err)
{
    SK_LOCK(&p->mutex);
    if (p->is_stopping)
        return sk_fail(err, SK_BUSY, "the server is stopping");
    if (count > p->max_queue || p->queued > p->max_queue - count)
        return sk_fail(err, SK_BUSY,
                       "the queue is full (%zu waiting, --max-queue %zu): try again later",
                       p->queued, p->max_queue);
    for (size_t i = 0; i < count; i++) {
        append(p, jobs[i]);
        arm(p, jobs[i]->deadline_ns);
        (void)pthread_cond_signal(&p->work);
    }
    return 0;
}

unsigned sk_pool_workers(const struct sk_pool *p)
{
    return p->worker_count;
}

bool sk_pool_is_lone(struct sk_pool *p)
{
    SK_LOCK(&p->mutex);
    return p->running <= 1 && p->queued == 0;
}

void sk_pool_counts(struct sk_pool *p, size_t *queued, unsigned *running)
{
    SK_LOCK(&p->mutex);
    *queued = p->queued;
    *running = p->running;
}

int sk_pool_guard(struct sk_pool *p, unsigned worker, uint64_t deadline_ns, struct sk_run *run,
                  struct sk_err *err)
{
    if (sk_now_ns() >= deadline_ns)
        return sk_fail(err, SK_TIMEOUT, "the deadline passed before the model could run");
    SK_LOCK(&p->mutex);
    if (p->is_cut)
        return sk_fail(err, SK_BUSY, "the server is stopping");
    p->guards[worker] = (struct guard){ .run = run, .deadline_ns = deadline_ns };
    arm(p, deadline_ns);
    return 0;
}

void sk_pool_unguard(struct sk_pool *p, unsigned worker)
{
    SK_LOCK(&p->mutex);
    p->guards[worker].run = NULL;
}
