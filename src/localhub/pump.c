/*
 * pump.c - the thread that takes messages out of the spool: up to the cloud (up.c), to inputs of
 * modules (deliver.c), and what candidates had kept aside (candidate.c).
 *
 * It sleeps until somebody has something for it: the spool has new messages, something was
 * acknowledged or lost, a line or a client came or went. Then it takes the acknowledgements, and
 * lets each reader go on as far as its windows allow. A reader of the spool belongs to one thread,
 * so all of them are this one's.
 *
 * What goes upstream is gathered for GATHER_MS after a turn that left nothing waiting: at 500
 * messages a second five of them share the wakes of four threads. What modules are to get is not.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    FIRST_ACKS = 64,
    GATHER_MS = 10
};

static const char upstream[] = "$upstream", candidates[] = "candidate/";

void sk_lh_pump_wake(struct sk_lh *h)
{
    SK_LOCK(&h->pump.lock);
    h->pump.is_woken = true;
    (void)pthread_cond_signal(&h->pump.wake);
}

/* With the pump's lock: there is something for the next turn. */
static void call_turn(struct sk_lh_pump *p, bool may_gather)
{
    p->has_gathered = true;
    p->is_woken |= !may_gather;
    if (p->is_woken || !p->is_gathering)
        (void)pthread_cond_signal(&p->wake);
}

void sk_lh_pump_ack(struct sk_lh *h, const struct sk_lh_ack *ack)
{
    struct sk_lh_pump *p = &h->pump;
    SK_LOCK(&p->lock);
    while (p->acks_count == p->acks_cap) {
        const size_t cap = p->acks_cap ? p->acks_cap * 2 : FIRST_ACKS;
        struct sk_lh_ack *acks = reallocarray(p->acks, cap, sizeof *acks);
        if (!acks)
            continue; /* bounded by what is in flight: memory comes, or the system ends us */
        p->acks = acks;
        p->acks_cap = cap;
    }
    p->acks[p->acks_count] = *ack;
    p->acks[p->acks_count++].at_ns = sk_now_ns();
    call_turn(p, ack->is_acked && !(ack->token & SK_LH_TOKEN_INPUT));
}

/* ---- endpoints ---- */

/* With the pump's lock. NULL: not there. */
static struct sk_lh_input *find_input(struct sk_lh_pump *p, const char *endpoint)
{
    for (struct sk_lh_input *in = p->inputs; in; in = in->next)
        if (strcmp(in->endpoint, endpoint) == 0)
            return in;
    return NULL;
}

static struct sk_lh_input *add_input(struct sk_lh_pump *p, const char *endpoint)
{
    const char *slash = strchr(endpoint, '/');
    struct sk_lh_input *in = find_input(p, endpoint);
    if (in || !slash || strlen(endpoint) >= sizeof in->endpoint)
        return in;
    in = calloc(1, sizeof *in);
    if (!in)
        return NULL; /* asked for again with the next message */
    memcpy(in->endpoint, endpoint, strlen(endpoint) + 1);
    if (!sk_starts_with(endpoint, candidates)) {
        (void)snprintf(in->module, sizeof in->module, "%.*s", (int)(slash - endpoint), endpoint);
        in->input = in->endpoint + (slash - endpoint) + 1;
    }
    in->next = p->inputs;
    p->inputs = in;
    return in;
}

void sk_lh_pump_endpoint(struct sk_lh *h, const char *endpoint)
{
    struct sk_lh_pump *p = &h->pump;
    const bool is_up = strcmp(endpoint, upstream) == 0;
    SK_LOCK(&p->lock);
    struct sk_lh_input *in = is_up ? NULL : add_input(p, endpoint);
    if (in)
        in->has_more = true;
    p->has_up |= is_up;
    call_turn(p, is_up);
}

/* What a candidate keeps aside stays where it is until it is released. */
void sk_lh_pump_arrived(void *hub, const char *endpoint)
{
    struct sk_lh *h = hub;
    struct sk_lh_pump *p = &h->pump;
    if (!sk_starts_with(endpoint, candidates)) {
        sk_lh_pump_endpoint(h, endpoint);
        return;
    }
    SK_LOCK(&p->lock);
    struct sk_lh_input *in = find_input(p, endpoint);
    if (!in)
        return;
    in->has_more = true;
    call_turn(p, false);
}

/* ---- rounds ---- */

static void take_ack(struct sk_lh *h, struct sk_lh_input *inputs, const struct sk_lh_ack *ack)
{
    if (!(ack->token & SK_LH_TOKEN_INPUT)) {
        sk_lh_up_ack(h, ack);
        return;
    }
    for (struct sk_lh_input *in = inputs; in; in = in->next)
        if (sk_lh_deliver_ack(h, in, ack))
            return;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* When the next round is due. */
static uint64_t do_round(struct sk_lh *h, struct sk_lh_input *inputs)
{
    const uint64_t now = sk_now_ms();
    uint64_t due = sk_lh_up_round(h, now);
    for (struct sk_lh_input *in = inputs; in; in = in->next)
        due = sooner(due,
                     in->input ? sk_lh_deliver_round(h, in, now) : sk_lh_release_round(h, in, now));
    return due;
}

struct turn {
    struct sk_lh_ack *acks;
    size_t acks_count;
    struct sk_lh_input *inputs;
    bool is_over;
};

/* Waits until there is something to do, at most until due_ms; when there is no such time, nothing
 * of the last turn waits, and what comes is gathered first. */
static struct turn wait_for_turn(struct sk_lh *h, uint64_t due_ms)
{
    struct sk_lh_pump *p = &h->pump;
    const bool may_gather = due_ms == UINT64_MAX;
    const uint64_t until = may_gather ? UINT64_MAX : due_ms * UINT64_C(1000000);
    const uint64_t gathered = sk_now_ns() + GATHER_MS * UINT64_C(1000000);
    SK_LOCK(&p->lock);
    p->is_gathering = may_gather;
    while (may_gather && !p->is_woken && !p->is_stopping &&
           sk_cond_wait_until(&p->wake, &p->lock, gathered) == 0)
        continue;
    p->is_gathering = false;
    while (!p->has_gathered && !p->is_woken && !p->is_stopping &&
           sk_cond_wait_until(&p->wake, &p->lock, until) == 0)
        continue;
    const struct turn t = {
        .acks = p->acks, .acks_count = p->acks_count, .inputs = p->inputs, .is_over = p->is_stopping
    };
    p->is_woken = p->has_gathered = false;
    p->turn = p->inputs;
    p->acks = NULL;
    p->acks_count = p->acks_cap = 0;
    p->up_has_more |= p->has_up;
    p->has_up = false;
    return t;
}

static void *run(void *arg)
{
    struct sk_lh *h = arg;
    uint64_t due = 0;
    for (;;) {
        const struct turn t = wait_for_turn(h, due);
        SK_OWN(free) struct sk_lh_ack *acks = t.acks;
        for (size_t i = 0; i < t.acks_count; i++)
            take_ack(h, t.inputs, &acks[i]);
        if (t.is_over)
            return NULL;
        due = do_round(h, t.inputs);
    }
}

/* ---- life ---- */

static int note_endpoint(void *ctx, const char *endpoint, struct sk_err *err)
{
    struct sk_buf *names = ctx;
    sk_buf_add(names, endpoint, strlen(endpoint) + 1);
    return sk_buf_ok(names) ? 0 : sk_buf_fail(names, err);
}

static void find_endpoint(struct sk_lh *h, const char *endpoint)
{
    if (!sk_starts_with(endpoint, candidates)) {
        sk_lh_pump_endpoint(h, endpoint);
        return;
    }
    /* Left from before a restart: of one that is still a candidate, or was on its way out. */
    const char *instance = endpoint + sizeof candidates - 1;
    SK_LOCK(&h->lock);
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        const struct sk_lh_instance *i = sk_lh_instance_find(id, instance);
        if (i && i->role == SK_LH_CANDIDATE)
            return;
        if (strcmp(id->releasing, instance) == 0) {
            sk_lh_pump_endpoint(h, endpoint);
            return;
        }
    }
    sk_lh_drop_aside(h, NULL, instance);
}

/* Their names first: the spool's lock is not held while ours are taken. */
static int find_endpoints(struct sk_lh *h, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf names = SK_BUF_INIT(1 << 20);
    if (sk_spool_endpoints(h->spool, note_endpoint, &names, err) < 0)
        return -1;
    for (size_t at = 0; at < names.len; at += strlen(names.data + at) + 1)
        find_endpoint(h, names.data + at);
    return 0;
}

/* One whose messages have all gone, though nobody noted that. */
static void resume_releases(struct sk_lh *h)
{
    char endpoint[SK_SPOOL_ENDPOINT_MAX];
    SK_LOCK(&h->lock);
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (*id->releasing) {
            sk_lh_aside_endpoint(id->releasing, endpoint);
            sk_lh_pump_endpoint(h, endpoint);
        }
}

int sk_lh_pump_start(struct sk_lh *h, struct sk_err *err)
{
    struct sk_lh_pump *p = &h->pump;
    p->next_token = 1;
    sk_lh_pace_init(&p->pace);
    p->up_has_more = true;
    if (sk_spool_reader(h->spool, upstream, &p->up, err) < 0 || find_endpoints(h, err) < 0)
        return -1;
    resume_releases(h);
    if (sk_thread_start(&p->thread, "sk-pump", run, h, err) < 0)
        return -1;
    p->has_thread = true;
    return 0;
}

void sk_lh_pump_stop(struct sk_lh *h)
{
    struct sk_lh_pump *p = &h->pump;
    if (p->has_thread) {
        {
            SK_LOCK(&p->lock);
            p->is_stopping = true;
            (void)pthread_cond_signal(&p->wake);
        }
        (void)pthread_join(p->thread, NULL);
        p->has_thread = false;
    }
    sk_spool_reader_free(SK_TAKE(p->up));

    struct sk_lh_input *in;
    {
        SK_LOCK(&p->lock);
        in = p->inputs;
    }

    for (; in; in = in->next) /* those that come from now on have no reader */
        sk_spool_reader_free(SK_TAKE(in->reader));
}

void sk_lh_pump_free(struct sk_lh *h)
{
    struct sk_lh_pump *p = &h->pump;
    for (struct sk_lh_input *in = p->inputs, *next; in; in = next) {
        next = in->next;
        free(in);
    }
    p->inputs = NULL;
    free(SK_TAKE(p->acks));
    p->acks_count = p->acks_cap = 0;
}
