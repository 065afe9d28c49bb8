/*
 * loop.c - an event loop: its thread, its inbox, its connections and their deadlines.
 *
 *     round:  wait for epoll -> read those that are ready -> inbox: new connections, posts
 *             -> deadlines -> settle each connection that was touched: write, ask epoll
 *
 * Connections that log in, and for ten seconds after, lie in an epoll of their own, of which a
 * round takes a few when the rest is done: a login costs as much as ten messages, and of ten
 * thousand devices that come back at once nobody who is already there shall take notice.
 *
 * What happens to a connection in a round touches it; it is settled once, at the end, with one
 * write for all that was queued meanwhile: the acknowledgements that a hundred posts bring leave
 * together. One whose share of the round was not enough waits in `later` for the next.
 *
 * A connection's slot and the loop's running number (serial) make its reference; a slot is used
 * again, a serial never.
 *
 * Deadlines lie in an array of their own, one for each slot. A look at all of them reads 8 bytes
 * a connection (80 KB for 10,000, in about 10 us), at most every SK_MQTT_TICK_MS and only when the
 * nearest is over. A sign of life does not touch the array: an entry may be too early, never too
 * late, and is put right when it is over.
 */
#include "mqtt/mqtt_priv.h"

#include "base/clock.h"
#include "base/thread.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

enum {
    EVENTS = 64,
    FIRST_SLOTS = 64,
    NO_SLOT = UINT32_MAX >> 1
};

int sk_loop_init(struct sk_mqtt_loop *l, struct sk_mqtt_server *s, unsigned index,
                 struct sk_err *err)
{
    struct epoll_event e = { .events = EPOLLIN };
    struct epoll_event young = { .events = EPOLLIN, .data.ptr = &l->young };

    *l = (struct sk_mqtt_loop){ .server = s,
                                .index = index,
                                .epoll = -1,
                                .wake = -1,
                                .young = -1,
                                .clock = sk_now_ms,
                                .next_due = UINT64_MAX,
                                .free_slot = NO_SLOT };
    l->posts_end = &l->posts;
    (void)pthread_mutex_init(&l->lock, NULL);
    l->now_ms = l->clock();
    l->scratch = malloc(SK_MQTT_READ_BYTES);
    if (!l->scratch)
        return sk_nomem(err);
    l->epoll = epoll_create1(EPOLL_CLOEXEC);
    l->young = epoll_create1(EPOLL_CLOEXEC);
    l->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (l->epoll < 0 || l->young < 0 || l->wake < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->wake, &e) < 0 ||
        epoll_ctl(l->epoll, EPOLL_CTL_ADD, l->young, &young) < 0)
        return sk_fail_errno(err, "an event loop");
    return 0;
}

void sk_loop_done(struct sk_mqtt_loop *l)
{
    sk_close(&l->epoll);
    sk_close(&l->young);
    sk_close(&l->wake);
    free(l->scratch);
    free(l->slots);
    free(l->due);
    free(l->next_free);
    (void)pthread_mutex_destroy(&l->lock);
}

/* ---- slots and deadlines ---- */

static bool grow_slots(struct sk_mqtt_loop *l)
{
    size_t cap = l->slots_cap ? (size_t)l->slots_cap * 2 : FIRST_SLOTS;
    struct sk_mqtt_conn **slots = reallocarray(l->slots, cap, sizeof *slots);

    if (!slots)
        return false;
    l->slots = slots;
    uint64_t *due = reallocarray(l->due, cap, sizeof *due);
    if (!due)
        return false;
    l->due = due;
    uint32_t *next_free = reallocarray(l->next_free, cap, sizeof *next_free);
    if (!next_free)
        return false;
    l->next_free = next_free;
    l->slots_cap = (uint32_t)cap;
    return true;
}

static bool give_slot(struct sk_mqtt_loop *l, struct sk_mqtt_conn *c)
{
    if (l->free_slot != NO_SLOT) {
        c->slot = l->free_slot;
        l->free_slot = l->next_free[c->slot];
    } else if (l->slots_used < l->slots_cap || grow_slots(l)) {
        c->slot = l->slots_used++;
    } else {
        return false;
    }
    l->slots[c->slot] = c;
    c->serial = ++l->serial;
    l->due[c->slot] = UINT64_MAX;
    l->open++;
    return true;
}

void sk_loop_forget(struct sk_mqtt_conn *c)
{
    struct sk_mqtt_loop *l = c->loop;

    l->slots[c->slot] = NULL;
    l->due[c->slot] = UINT64_MAX;
    l->next_free[c->slot] = l->free_slot;
    l->free_slot = c->slot;
    l->open--;
    (void)atomic_fetch_sub(&l->server->connections, 1);
}

void sk_loop_set_due(struct sk_mqtt_conn *c)
{
    struct sk_mqtt_loop *l = c->loop;
    uint64_t due = sk_conn_due(c);

    l->due[c->slot] = due;
    if (due < l->next_due)
        l->next_due = due;
}

static void look_at_deadlines(struct sk_mqtt_loop *l)
{
    uint64_t next = UINT64_MAX;

    if (l->next_due > l->now_ms || l->now_ms - l->last_tick_ms < SK_MQTT_TICK_MS)
        return;
    l->last_tick_ms = l->now_ms;
    for (uint32_t i = 0; i < l->slots_used; i++) {
        if (l->due[i] <= l->now_ms) {
            sk_conn_tick(l->slots[i]);
            l->due[i] = sk_conn_due(l->slots[i]);
        }
        if (l->due[i] < next)
            next = l->due[i];
    }
    l->next_due = next;
}

/* Of those that the handler may be given. */
static struct sk_mqtt_conn *find(const struct sk_mqtt_loop *l, struct sk_mqtt_ref ref)
{
    struct sk_mqtt_conn *c = ref.slot < l->slots_used ? l->slots[ref.slot] : NULL;

    return c && c->serial == ref.serial && c->state < SK_CONN_FLUSHING ? c : NULL;
}

/* ---- what is to be settled ---- */

static void push(struct sk_mqtt_conn **list, struct sk_mqtt_conn *c)
{
    if (c->is_touched)
        return;
    c->is_touched = true;
    c->next = *list;
    *list = c;
}

void sk_loop_touch(struct sk_mqtt_conn *c)
{
    push(&c->loop->touched, c);
}

void sk_loop_touch_later(struct sk_mqtt_conn *c)
{
    push(&c->loop->later, c);
}

static void take_later(struct sk_mqtt_loop *l)
{
    while (l->later) {
        struct sk_mqtt_conn *c = l->later;
        l->later = c->next;
        c->next = l->touched;
        l->touched = c;
    }
}

static void settle_all(struct sk_mqtt_loop *l)
{
    while (l->touched) {
        struct sk_mqtt_conn *c = l->touched;
        l->touched = c->next;
        sk_conn_settle(c);
    }
}

/* ---- the inbox ---- */

static void wake_up(struct sk_mqtt_loop *l)
{
    const uint64_t one = 1;

    if (write(l->wake, &one, sizeof one) < 0)
        return; /* the counter is full, so it is awake */
}

int sk_loop_add(struct sk_mqtt_loop *l, struct sk_mqtt_conn *c)
{
    SK_LOCK(&l->lock);
    if (l->is_gone || l->is_stopping)
        return -1;
    if (!l->adds && !l->posts)
        wake_up(l);
    c->next = l->adds;
    l->adds = c;
    return 0;
}

static bool put_post(struct sk_mqtt_loop *l, struct sk_mqtt_post *post)
{
    SK_LOCK(&l->lock);
    if (l->is_gone)
        return false;
    if (!l->adds && !l->posts)
        wake_up(l);
    post->next = NULL;
    *l->posts_end = post;
    l->posts_end = &post->next;
    return true;
}

void sk_loop_post(struct sk_mqtt_loop *l, struct sk_mqtt_post *post)
{
    if (!put_post(l, post))
        post->run(NULL, post);
}

static void begin(struct sk_mqtt_loop *l, struct sk_mqtt_conn *c)
{
    if (l->is_ending || !give_slot(l, c)) {
        sk_conn_free(c);
        (void)atomic_fetch_sub(&l->server->connections, 1);
        return;
    }
    sk_loop_set_due(c);
    sk_loop_touch(c); /* settling asks epoll, and finds what TLS has read already */
}

static void run_posts(struct sk_mqtt_loop *l, struct sk_mqtt_post *posts)
{
    while (posts) {
        struct sk_mqtt_post *p = posts;
        posts = p->next; /* run may free it */
        p->run(find(l, p->to), p);
    }
}

/* Returns whether the loop is to stop. */
static bool empty_inbox(struct sk_mqtt_loop *l)
{
    struct sk_mqtt_post *posts = NULL;
    struct sk_mqtt_conn *adds = NULL;
    bool is_stopping;
    uint64_t count;

    if (read(l->wake, &count, sizeof count) < 0)
        count = 0; /* nobody has called */
    {
        SK_LOCK(&l->lock);
        posts = SK_TAKE(l->posts);
        l->posts_end = &l->posts;
        adds = SK_TAKE(l->adds);
        is_stopping = l->is_stopping;
    }
    while (adds) {
        struct sk_mqtt_conn *c = adds;
        adds = c->next;
        c->next = NULL;
        begin(l, c);
    }
    run_posts(l, posts);
    return is_stopping;
}

/* ---- rounds ---- */

static void end_all(struct sk_mqtt_loop *l)
{
    if (l->is_ending)
        return;
    l->is_ending = true;
    for (uint32_t i = 0; i < l->slots_used; i++)
        if (l->slots[i])
            sk_conn_end(l->slots[i], false, SK_WS_GOING_AWAY, "the server stops");
}

void sk_loop_round(struct sk_mqtt_loop *l, int wait_ms)
{
    struct epoll_event events[EVENTS];
    int n = epoll_wait(l->epoll, events, EVENTS, l->later ? 0 : wait_ms);
    bool has_mail = n == EVENTS, has_young = n == EVENTS; /* they may stand behind those */

    l->round++;
    l->now_ms = l->clock();
    take_later(l);
    for (int i = 0; i < n; i++) {
        if (!events[i].data.ptr)
            has_mail = true;
        else if (events[i].data.ptr == &l->young)
            has_young = true;
        else
            sk_conn_ready(events[i].data.ptr);
    }
    if (has_mail && empty_inbox(l))
        end_all(l);
    look_at_deadlines(l);
    settle_all(l);
    n = has_young ? epoll_wait(l->young, events, SK_MQTT_YOUNG_EVENTS, 0) : 0;
    for (int i = 0; i < n; i++)
        sk_conn_ready(events[i].data.ptr);
    settle_all(l);
}

/* Until the nearest deadline, but not before the next look at them. */
static int time_to_wait(const struct sk_mqtt_loop *l)
{
    uint64_t at = l->last_tick_ms + SK_MQTT_TICK_MS;
    uint64_t now = l->clock();

    if (l->next_due == UINT64_MAX)
        return -1;
    if (at < l->next_due)
        at = l->next_due;
    if (at <= now)
        return 0;
    return at - now < 60000 ? (int)(at - now) : 60000;
}

static void *run(void *arg)
{
    struct sk_mqtt_loop *l = arg;

    while (!l->is_ending)
        sk_loop_round(l, time_to_wait(l));
    while (l->open > 0 && l->clock() < l->stop_by_ms) {
        uint64_t left = l->stop_by_ms - l->clock();
        int wait = time_to_wait(l);
        sk_loop_round(l, wait >= 0 && (uint64_t)wait < left ? wait : (int)left);
    }
    sk_loop_leave(l);
    return NULL;
}

int sk_loop_start(struct sk_mqtt_loop *l, struct sk_err *err)
{
    char name[16];

    (void)snprintf(name, sizeof name, "mqtt-%u", l->index);
    if (sk_thread_start(&l->thread, name, run, l, err) < 0)
        return -1;
    l->has_thread = true;
    return 0;
}

void sk_loop_stop(struct sk_mqtt_loop *l, uint64_t by_ms)
{
    SK_LOCK(&l->lock);
    l->stop_by_ms = by_ms;
    l->is_stopping = true;
    wake_up(l);
}

void sk_loop_leave(struct sk_mqtt_loop *l)
{
    end_all(l);
    for (uint32_t i = 0; i < l->slots_used; i++)
        if (l->slots[i]) {
            struct sk_mqtt_conn *c = l->slots[i];
            sk_loop_forget(c);
            sk_conn_free(c);
        }
    l->touched = l->later = NULL;
    {
        SK_LOCK(&l->lock);
        l->is_stopping = true;
    }
    /* what a post posts is run here too */
    for (;;) {
        (void)empty_inbox(l);
        SK_LOCK(&l->lock);
        if (l->posts)
            continue;
        l->is_gone = true;
        return;
    }
}
