/*
 * client_dialer.c - the thread on which all lines of a dialer live.
 *
 *     round:  wait for epoll -> those that are ready -> names that were found -> mail -> deadlines
 *             -> free what has died
 *
 * What other threads want of a line they write into it, under its lock, and put the line into the
 * mail. A line in the mail is there once, however much is wanted of it. A deadline may be looked at
 * too early, never too late: next_due is the nearest of all, and they are all read when it is over.
 */
#include "mqtt/client_priv.h"

#include "base/clock.h"
#include "base/thread.h"
#include "crypto/crypto.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    EVENTS = 64,
    WAIT_MS = 60000
};

int sk_dialer_make(sk_lookup_fn *find, struct sk_mqtt_dialer **out, struct sk_err *err)
{
    struct epoll_event e = { .events = EPOLLIN };
    SK_OWN(sk_mqtt_dialer_free) struct sk_mqtt_dialer *d = calloc(1, sizeof *d);

    if (!d)
        return sk_nomem(err);
    d->epoll = d->wake = -1;
    d->clock = sk_now_ms;
    d->now_ms = d->clock();
    d->next_due = UINT64_MAX;
    d->mail_end = &d->mail;
    (void)pthread_mutex_init(&d->lock, NULL);
    (void)pthread_cond_init(&d->closed, NULL);
    d->scratch = malloc(SK_CLIENT_READ_BYTES);
    if (!d->scratch)
        return sk_nomem(err);
    if (sk_random(&d->random, sizeof d->random, err) < 0)
        return -1;
    d->random |= 1;
    d->epoll = epoll_create1(EPOLL_CLOEXEC);
    d->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (d->epoll < 0 || d->wake < 0 || epoll_ctl(d->epoll, EPOLL_CTL_ADD, d->wake, &e) < 0)
        return sk_fail_errno(err, "an event loop");
    if (sk_tls_clients_new(&d->tls, err) < 0)
        return -1;
    if (sk_resolver_new(d->wake, find, &d->resolver, err) < 0)
        return -1;
    *out = SK_TAKE(d);
    return 0;
}

unsigned sk_dialer_random(struct sk_mqtt_dialer *d, unsigned n)
{
    d->random ^= d->random << 13;
    d->random ^= d->random >> 7;
    d->random ^= d->random << 17;
    return n > 0 ? (unsigned)((d->random >> 16) % n) : 0;
}

void sk_dialer_set_due(struct sk_mqtt_dialer *d, uint64_t due_ms)
{
    if (due_ms < d->next_due)
        d->next_due = due_ms;
}

/* ---- mail ---- */

static void wake_up(struct sk_mqtt_dialer *d)
{
    const uint64_t one = 1;

    if (write(d->wake, &one, sizeof one) < 0)
        return; /* the counter is full, so it is awake */
}

void sk_dialer_post(struct sk_mqtt_line *l)
{
    struct sk_mqtt_dialer *d = l->dialer;
    SK_LOCK(&d->lock);

    if (l->is_mailed || l->is_closed)
        return;
    if (!d->mail)
        wake_up(d);
    l->is_mailed = true;
    l->next_mail = NULL;
    *d->mail_end = l;
    d->mail_end = &l->next_mail;
}

/* Out of the mail one by one: what a line's functions do may put others, and itself, in again. */
static struct sk_mqtt_line *next_mail(struct sk_mqtt_dialer *d, struct sk_mqtt_line **list)
{
    SK_LOCK(&d->lock);
    struct sk_mqtt_line *l = *list;

    if (!l)
        return NULL;
    *list = l->next_mail;
    l->is_mailed = false;
    return l;
}

static bool take_mail(struct sk_mqtt_dialer *d)
{
    struct sk_mqtt_line *list;
    bool is_stopping;
    {
        SK_LOCK(&d->lock);
        list = SK_TAKE(d->mail);
        d->mail_end = &d->mail;
        is_stopping = d->is_stopping;
    }

    for (struct sk_mqtt_line *l = next_mail(d, &list); l; l = next_mail(d, &list))
        sk_line_mail(l);
    return is_stopping;
}

static void take_answers(struct sk_mqtt_dialer *d)
{
    for (struct sk_lookup *k = sk_resolver_take(d->resolver); k; k = sk_resolver_take(d->resolver))
        sk_line_resolved(k->owner, k);
}

/* ---- rounds ---- */

static void bury_dead(struct sk_mqtt_dialer *d)
{
    struct sk_link *next;

    for (struct sk_link *k = d->links; k; k = next) {
        next = k->next;
        if (!k->is_dead)
            continue;
        struct sk_mqtt_line *waiter = k->waiter;
        sk_link_free(k);
        if (waiter) {
            waiter->old = NULL;
            sk_line_dial(waiter);
        }
    }
}

static void look_at_deadlines(struct sk_mqtt_dialer *d)
{
    if (d->next_due > d->now_ms)
        return;
    d->next_due = UINT64_MAX;
    for (struct sk_mqtt_line *l = d->lines; l; l = l->next) {
        if (sk_line_due(l) <= d->now_ms)
            sk_line_tick(l);
        sk_dialer_set_due(d, sk_line_due(l));
    }
    for (struct sk_link *k = d->links; k; k = k->next) {
        if (k->is_dead || k->line)
            continue;
        if (k->by_ms <= d->now_ms)
            sk_link_kill(k);
        else
            sk_dialer_set_due(d, k->by_ms);
    }
}

bool sk_dialer_round(struct sk_mqtt_dialer *d, int wait_ms)
{
    struct epoll_event events[EVENTS];
    uint64_t count;
    int n = epoll_wait(d->epoll, events, EVENTS, wait_ms);

    d->now_ms = d->clock();
    for (int i = 0; i < n; i++) {
        struct sk_link *k = events[i].data.ptr;
        if (!k && read(d->wake, &count, sizeof count) < 0)
            continue; /* nobody has called */
        if (!k || k->is_dead)
            continue;
        if (k->line)
            sk_line_ready(k->line, events[i].events);
        else
            sk_link_drain(k);
    }
    take_answers(d);
    bool is_stopping = take_mail(d);
    look_at_deadlines(d);
    bury_dead(d);
    return is_stopping;
}

static int time_to_wait(const struct sk_mqtt_dialer *d)
{
    uint64_t now = d->clock();

    if (d->next_due <= now)
        return 0;
    return d->next_due - now < WAIT_MS ? (int)(d->next_due - now) : WAIT_MS;
}

static void *run(void *arg)
{
    struct sk_mqtt_dialer *d = arg;

    while (!sk_dialer_round(d, time_to_wait(d)))
        continue;
    return NULL;
}

/* The lines end, and what they have to say leaves, within a bounded time. */
static void end_all(struct sk_mqtt_dialer *d)
{
    (void)take_mail(d);
    while (d->lines) {
        struct sk_mqtt_line *l = d->lines;
        sk_line_end(l);
        sk_line_free(l);
    }
    uint64_t by_ms = d->clock() + SK_MQTT_LINGER_MS;
    while (d->links && d->clock() < by_ms) {
        int wait = time_to_wait(d);
        uint64_t left = by_ms - d->clock();
        (void)sk_dialer_round(d, (uint64_t)wait < left ? wait : (int)left);
    }
    while (d->links)
        sk_link_free(d->links);
}

/* ---- the public face ---- */

int sk_mqtt_dialer_new(struct sk_mqtt_dialer **out, struct sk_err *err)
{
    SK_OWN(sk_mqtt_dialer_free) struct sk_mqtt_dialer *d = NULL;

    if (sk_dialer_make(NULL, &d, err) < 0)
        return -1;
    if (sk_thread_start(&d->thread, "mqtt-lines", run, d, err) < 0)
        return -1;
    d->has_thread = true;
    *out = SK_TAKE(d);
    return 0;
}

void sk_mqtt_dialer_free(struct sk_mqtt_dialer *d)
{
    if (!d)
        return;
    if (d->has_thread) {
        {
            SK_LOCK(&d->lock);
            d->is_stopping = true;
            wake_up(d);
        }
        (void)pthread_join(d->thread, NULL);
    }
    if (d->resolver)
        end_all(d);
    sk_resolver_free(d->resolver);
    sk_tls_clients_free(d->tls);
    sk_close(&d->epoll);
    sk_close(&d->wake);
    free(d->scratch);
    (void)pthread_cond_destroy(&d->closed);
    (void)pthread_mutex_destroy(&d->lock);
    free(d);
}
