/*
 * pool_priv.h - workers, one per core, in front of one bounded queue.
 *
 * A job is embedded in what it works on. It is pushed once and ends in exactly one way: its run()
 * returns SK_JOB_DONE, or its drop() is called because its deadline passed in the queue or the pool
 * stops. After either the pool does not touch it again. run() may return SK_JOB_AGAIN to go to the
 * end of the queue, so that a request with many pictures does not hold a core against others.
 *
 * A job whose deadline passes while it runs is told through the run it guards: sk_run_cancel() ends
 * the inference, and the job itself answers.
 */
#ifndef SK_SERVE_POOL_PRIV_H
#define SK_SERVE_POOL_PRIV_H

#include "base/cleanup.h"
#include "base/err.h"
#include "engine/engine.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sk_pool;

enum sk_job_next {
    SK_JOB_DONE,
    SK_JOB_AGAIN
};

struct sk_job {
    struct sk_job *next, *prev;
    uint64_t queued_ns;   /* set by push and by SK_JOB_AGAIN */
    uint64_t deadline_ns; /* monotonic; UINT64_MAX: none */
    enum sk_job_next (*run)(struct sk_job *job, unsigned worker);
    void (*drop)(struct sk_job *job, const struct sk_err *why);
};

int sk_pool_new(unsigned workers, size_t max_queue, struct sk_pool **out,
                struct sk_err *err) SK_CHECK;
/* Runs what is queued, then ends the threads. Pushing during or after it is SK_BUSY. */
void sk_pool_free(struct sk_pool *p);
SK_DEFINE_OWN(struct sk_pool, sk_pool_free);
/* Drops what is queued, cancels what runs, and ends the threads. Pushing stays possible, and
 * SK_BUSY. */
void sk_pool_stop(struct sk_pool *p);

/* Queues all of the jobs or none: SK_BUSY when the queue cannot hold them. Any thread. */
int sk_pool_push(struct sk_pool *p, struct sk_job *const *jobs, size_t count,
                 struct sk_err *err) SK_CHECK;

unsigned sk_pool_workers(const struct sk_pool *p);
/* True when the calling worker is the only one at work and nothing waits: then all cores are its
 * own. */
bool sk_pool_is_lone(struct sk_pool *p);
void sk_pool_counts(struct sk_pool *p, size_t *queued, unsigned *running);

/* Between these two a deadline cancels `run`, also when the inference begins only after it.
 * SK_TIMEOUT when the deadline has already passed. */
int sk_pool_guard(struct sk_pool *p, unsigned worker, uint64_t deadline_ns, struct sk_run *run,
                  struct sk_err *err) SK_CHECK;
void sk_pool_unguard(struct sk_pool *p, unsigned worker);

#endif
