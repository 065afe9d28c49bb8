/*
 * client_resolve.c - names become addresses, on threads that nobody waits for.
 *
 * getaddrinfo() may hang for minutes and cannot be stopped. So it runs on at most SK_CLIENT_LOOKUPS
 * threads, started when there is work and gone when there is none, and all they share with the
 * dialer is the resolver, which is counted: whoever leaves last frees it. A lookup is in exactly
 * one list at a time:
 *
 *     queued -> running -> done -> the taker's
 *
 * One that its owner gives up while it runs has no owner from then on; its thread frees it, unless
 * somebody asks for the same name before: then that one inherits the wait. So a name that hangs
 * holds one thread, however often it is tried.
 */
#include "mqtt/client_priv.h"

#include "base/thread.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct sk_resolver {
    pthread_mutex_t lock; /* guards all but find */
    unsigned refs;        /* the dialer, each thread */
    unsigned threads;
    int wake_fd; /* -1: the dialer has left */
    struct sk_lookup *queued, *running, *done;
    sk_lookup_fn *find;
};

static void append(struct sk_lookup **list, struct sk_lookup *k)
{
    while (*list)
        list = &(*list)->next;
    k->next = NULL;
    *list = k;
}

static bool take_out(struct sk_lookup **list, struct sk_lookup *k)
{
    for (; *list; list = &(*list)->next)
        if (*list == k) {
            *list = k->next;
            k->next = NULL;
            return true;
        }
    return false;
}

static struct sk_lookup *pop(struct sk_lookup **list)
{
    struct sk_lookup *k = *list;

    if (k) {
        *list = k->next;
        k->next = NULL;
    }
    return k;
}

void sk_lookup_free(struct sk_lookup *k)
{
    if (!k)
        return;
    if (k->found)
        freeaddrinfo(k->found);
    free(k->host);
    free(k);
}

int sk_resolver_new(int wake_fd, sk_lookup_fn *find, struct sk_resolver **out, struct sk_err *err)
{
    struct sk_resolver *r = calloc(1, sizeof *r);

    if (!r)
        return sk_nomem(err);
    (void)pthread_mutex_init(&r->lock, NULL);
    r->refs = 1;
    r->wake_fd = wake_fd;
    r->find = find ? find : getaddrinfo;
    *out = r;
    return 0;
}

static void unref(struct sk_resolver *r)
{
    bool is_last;
    {
        SK_LOCK(&r->lock);
        is_last = --r->refs == 0;
    }
    if (!is_last)
        return;
    (void)pthread_mutex_destroy(&r->lock);
    free(r);
}

void sk_resolver_free(struct sk_resolver *r)
{
    if (!r)
        return;
    {
        SK_LOCK(&r->lock);
        r->wake_fd = -1;
        while (r->queued)
            sk_lookup_free(pop(&r->queued));
        while (r->done)
            sk_lookup_free(pop(&r->done));
        for (struct sk_lookup *k = r->running; k; k = k->next)
            k->owner = NULL;
    }
    unref(r);
}

/* ---- the threads ---- */

static void wake(const struct sk_resolver *r)
{
    const uint64_t one = 1;

    if (r->wake_fd >= 0 && write(r->wake_fd, &one, sizeof one) < 0)
        return; /* the counter is full, so it is awake */
}

static void find(sk_lookup_fn *by, struct sk_lookup *k, int flags)
{
    const struct addrinfo hints = { .ai_socktype = SOCK_STREAM,
                                    .ai_flags = AI_NUMERICSERV | flags };

    k->found = NULL;
    k->rc = by(k->host, k->port, &hints, &k->found);
    k->why = errno;
    if (k->rc != 0)
        k->found = NULL;
}

/* The next to look for, or NULL: then the thread is no longer counted as one that works. */
static struct sk_lookup *begin_next(struct sk_resolver *r)
{
    SK_LOCK(&r->lock);
    struct sk_lookup *k = pop(&r->queued);

    if (k)
        append(&r->running, k);
    else
        r->threads--;
    return k;
}

static void end_one(struct sk_resolver *r, struct sk_lookup *k)
{
    SK_LOCK(&r->lock);
    (void)take_out(&r->running, k);
    if (!k->owner) {
        sk_lookup_free(k);
        return;
    }
    append(&r->done, k);
    wake(r);
}

static void *run(void *arg)
{
    struct sk_resolver *r = arg;

    for (struct sk_lookup *k = begin_next(r); k; k = begin_next(r)) {
        find(r->find, k, 0);
        end_one(r, k);
    }
    unref(r);
    return NULL;
}

/* ---- what the dialer does ---- */

/* The lock is held. One more thread when there are few; without any there is nobody to answer. */
static int begin_thread(struct sk_resolver *r, struct sk_err *err)
{
    struct sk_err why = SK_ERR_INIT;
    pthread_t thread;

    if (r->threads == SK_CLIENT_LOOKUPS)
        return 0;
    r->refs++;
    r->threads++;
    if (sk_thread_start(&thread, "mqtt-names", run, r, &why) == 0) {
        (void)pthread_detach(thread);
        return 0;
    }
    r->refs--;
    r->threads--;
    if (r->threads > 0)
        return 0;
    *err = why;
    return -1;
}

static struct sk_lookup *inherit(struct sk_resolver *r, const struct sk_lookup *like)
{
    for (struct sk_lookup *k = r->running; k; k = k->next)
        if (!k->owner && strcmp(k->host, like->host) == 0 && strcmp(k->port, like->port) == 0)
            return k;
    return NULL;
}

int sk_resolver_ask(struct sk_resolver *r, const char *host, uint16_t port, void *owner,
                    struct sk_lookup **out, struct sk_err *err)
{
    SK_OWN(sk_lookup_free) struct sk_lookup *k = calloc(1, sizeof *k);

    if (!k)
        return sk_nomem(err);
    k->host = strdup(host);
    if (!k->host)
        return sk_nomem(err);
    k->resolver = r;
    k->owner = owner;
    (void)snprintf(k->port, sizeof k->port, "%u", port);
    find(getaddrinfo, k, AI_NUMERICHOST);
    SK_LOCK(&r->lock);
    if (k->rc == 0) {
        wake(r);
        append(&r->done, k);
        *out = SK_TAKE(k);
        return 0;
    }
    struct sk_lookup *running = inherit(r, k);
    if (running) {
        running->owner = owner;
        *out = running;
        return 0;
    }
    append(&r->queued, k);
    if (begin_thread(r, err) < 0) {
        (void)take_out(&r->queued, k);
        return -1;
    }
    *out = SK_TAKE(k);
    return 0;
}

struct sk_lookup *sk_resolver_take(struct sk_resolver *r)
{
    SK_LOCK(&r->lock);
    return pop(&r->done);
}

void sk_lookup_drop(struct sk_lookup *k)
{
    if (!k)
        return;
    struct sk_resolver *r = k->resolver;
    SK_LOCK(&r->lock);
    k->owner = NULL;
    if (take_out(&r->queued, k) || take_out(&r->done, k))
        sk_lookup_free(k);
}
