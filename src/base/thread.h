/*
 * thread.h - mutexes held for a scope, threads with names, the number of cores we may use.
 */
#ifndef SK_BASE_THREAD_H
#define SK_BASE_THREAD_H

#include "base/err.h"

#include <pthread.h>

static inline pthread_mutex_t *sk_lock_enter(pthread_mutex_t *m)
{
    (void)pthread_mutex_lock(m); /* fails only for misuse that a default mutex cannot have */
    return m;
}

static inline void sk_lock_leave(pthread_mutex_t **m)
{
    (void)pthread_mutex_unlock(*m);
}

#define SK_LOCK_NAME2(line) sk_lock_##line
#define SK_LOCK_NAME(line)  SK_LOCK_NAME2(line)
/* Holds the mutex until the end of the scope. */
#define SK_LOCK(m)                                                                                 \
    __attribute__((cleanup(sk_lock_leave), unused)) pthread_mutex_t *SK_LOCK_NAME(                 \
        __LINE__) = sk_lock_enter(m)

/* A condition variable on the monotonic clock. */
int sk_cond_init(pthread_cond_t *c, struct sk_err *err) SK_CHECK;
/* Waits until signalled or until the monotonic time deadline_ns (UINT64_MAX: for ever). Returns
 * ETIMEDOUT or 0. */
int sk_cond_wait_until(pthread_cond_t *c, pthread_mutex_t *m, unsigned long long deadline_ns);

/* All signals are blocked in the new thread. name: at most 15 bytes. */
int sk_thread_start(pthread_t *out, const char *name, void *(*run)(void *), void *arg,
                    struct sk_err *err) SK_CHECK;

/* Cores this process may use: the smaller of the affinity mask and the cgroup quota (v2 cpu.max of
 * the own group and its parents, v1 cpu.cfs_quota_us), rounded up, at least 1. Never the host's
 * count. */
unsigned sk_cpu_count(void);
/* The same with other roots, for tests: proc_cgroup such as "/proc/self/cgroup", cgroup_root
 * "/sys/fs/cgroup". */
unsigned sk_cpu_count_at(const char *proc_cgroup, const char *cgroup_root, unsigned affinity);

#endif
