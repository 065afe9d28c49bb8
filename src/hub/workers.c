/*
 * workers.c - the threads that answer, and the queue in front of them.
 *
 * Event loops push, workers take from the front. A push beyond max_queue fails, so that a hub that
 * is behind says so at once; calls whose body was taken already are let in past that (each holds a
 * connection, so they are bounded). Invariant, under `lock`: a call is in the list, or being run by
 * one worker, or gone.
 */
#include "hub/hub_priv.h"

#include <stdlib.h>

struct sk_hub_workers {
    pthread_mutex_t lock; /* guards everything below */
    pthread_cond_t work;
    struct sk_hub_call *first, *last;
    size_t queued, max_queue;
    bool is_stopping;
    unsigned count; /* started */
    pthread_t threads[];
};

static void *work(void *arg)
{
    struct sk_hub_workers *w = arg;
    (void)pthread_mutex_lock(&w->lock);
    for (;;) {
        while (!w->first && !w->is_stopping)
            (void)pthread_cond_wait(&w->work, &w->lock);
        struct sk_hub_call *call = w->first;
        if (!call)
            break;
        w->first = call->next;
        if (!w->first)
            w->last = NULL;
        w->queued--;
        (void)pthread_mutex_unlock(&w->lock);
        call->job(call);
        (void)pthread_mutex_lock(&w->lock);
    }
    (void)pthread_mutex_unlock(&w->lock);
    return NULL;
}

int sk_hub_workers_new(unsigned count, size_t max_queue, struct sk_hub_workers **out,
                       struct sk_err *err)
{
    struct sk_hub_workers *w = calloc(1, sizeof *w + count * sizeof w->threads[0]);
    if (!w)
        return sk_nomem(err);
    if (sk_cond_init(&w->work, err) < 0) {
        free(w);
        return -1;
    }
    (void)pthread_mutex_init(&w->lock, NULL);
    w->max_queue = max_queue;
    for (; w->count < count; w->count++) {
        if (sk_thread_start(&w->threads[w->count], "sk-hub-worker", work, w, err) < 0) {
            sk_hub_workers_stop(w);
            sk_hub_workers_free(w);
            return -1;
        }
    }
    *out = w;
    return 0;
}

static void append(struct sk_hub_workers *w, struct sk_hub_call *call)
{
    call->next = NULL;
    if (w->last)
        w->last->next = call;
    else
        w->first = call;
    w->last = call;
    w->queued++;
    (void)pthread_cond_signal(&w->work);
}

int sk_hub_workers_push(struct sk_hub_workers *w, struct sk_hub_call *call, struct sk_err *err)
{
    SK_LOCK(&w->lock);
    if (w->is_stopping)
        return sk_fail(err, SK_BUSY, "the hub is stopping");
    if (w->queued >= w->max_queue)
        return sk_fail(err, SK_BUSY, "the hub has %zu requests waiting: try again later",
                       w->queued);
    append(w, call);
    return 0;
}

bool sk_hub_workers_add(struct sk_hub_workers *w, struct sk_hub_call *call)
{
    SK_LOCK(&w->lock);
    if (w->is_stopping)
        return false;
    append(w, call);
    return true;
}

void sk_hub_workers_stop(struct sk_hub_workers *w)
{
    {
        SK_LOCK(&w->lock);
        w->is_stopping = true;
        (void)pthread_cond_broadcast(&w->work);
    }
    while (w->count > 0)
        (void)pthread_join(w->threads[--w->count], NULL);
}

void sk_hub_workers_free(struct sk_hub_workers *w)
{
    if (!w)
        return;
    (void)pthread_cond_destroy(&w->work);
    (void)pthread_mutex_destroy(&w->lock);
    free(w);
}
