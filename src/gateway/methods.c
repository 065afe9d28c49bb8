/*
 * methods.c - direct methods: a call waits for its device, then for its answer.
 *
 *     WAITING  --the device is connected and subscribed-->  SENT  --its answer-->  done
 *        |  connect_ms: SK_NOT_FOUND                          |  response_ms: SK_TIMEOUT
 *                                                           |  its connection ends: SK_NOT_FOUND
 *
 * A call is in the list exactly until its done is due; whoever takes it out calls done, so it is
 * called once. One thread looks after the deadlines.
 */
#include "gateway/gateway_priv.h"

#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

enum {
    TICK_MS = 100,
    RID_TEXT = 24,
    RESPONSE_MS_MIN = 5000,
    TOPIC_MAX = 1024
};

struct sk_pending {
    struct sk_mqtt_post post;      /* first: it is sent as a post */
    struct sk_pending *next, **at; /* at NULL: not in the list */
    struct sk_gateway *gateway;
    int64_t identity;
    uint64_t rid, deadline_ms;
    unsigned response_ms;
    const struct sk_session *on; /* was sent on its connection, which is not closed; NULL: not sent
                                  */
    bool is_posted;   /* to a connection that has yet to look at it: no deadline comes before */
    unsigned holders; /* the list, and the post under way */
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
    size_t payload_len;
    char name[SK_IOT_METHOD_NAME_MAX + 1];
    char payload[];
};

/* With the lock held. */
static void drop(struct sk_pending *p)
{
    if (--p->holders == 0)
        free(p);
}

static void unlink_call(struct sk_methods *m, struct sk_pending *p)
{
    *p->at = p->next;
    if (p->next)
        p->next->at = p->at;
    else
        m->last = p->at;
    p->at = NULL;
    m->count--;
}

/* Of what a call needs for its end, so that it can be freed before. */
struct end {
    void (*done)(void *ctx, int status, struct sk_view payload, const struct sk_err *failed);
    void *ctx;
};

static struct end take_out(struct sk_methods *m, struct sk_pending *p)
{
    struct end e = { p->done, p->ctx };
    unlink_call(m, p);
    drop(p);
    return e;
}

/* ---- sending ---- */

/* With the lock held. From now on its answer is waited for. False: the client does not take it now;
 * it stays as it is, for when what waits for the client has left. */
static bool send_to(struct sk_mqtt_conn *c, struct sk_session *s, struct sk_pending *p)
{
    char rid[RID_TEXT];
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
    (void)snprintf(rid, sizeof rid, "%llx", (unsigned long long)p->rid);
    sk_iot_topic_method(&topic, p->name, rid);
    if (!sk_buf_ok(&topic) ||
        sk_mqtt_publish(c, (struct sk_view){ topic.data, topic.len },
                        (struct sk_view){ p->payload, p->payload_len }, 0, 0, &err) < 0)
        return false;
    p->on = s;
    s->was_called = true;
    p->deadline_ms = sk_now_ms() + p->response_ms;
    atomic_fetch_add_explicit(&p->gateway->method_calls, 1, memory_order_relaxed);
    return true;
}

static void send_call(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct sk_pending *p = (struct sk_pending *)post;
    struct sk_methods *m = &p->gateway->methods;
    struct sk_session *s = c ? sk_mqtt_user(c) : NULL;
    SK_LOCK(&m->lock);
    p->is_posted = false;
    if (p->at && !p->on && sk_session_wants(s, SK_SUB_METHODS))
        (void)send_to(c, s, p);
    if (p->at && !p->on) /* its time may be over */
        (void)pthread_cond_signal(&m->wake);
    drop(p);
}

void sk_methods_ready(struct sk_gateway *g, struct sk_mqtt_conn *c, struct sk_session *s)
{
    struct sk_methods *m = &g->methods;
    SK_LOCK(&m->lock);
    for (struct sk_pending *p = m->first; p; p = p->next)
        if (p->identity == s->identity && !p->on && !send_to(c, s, p))
            return;
}

/* ---- answers ---- */

static bool read_rid(struct sk_view text, uint64_t *out)
{
    char digits[RID_TEXT], *end = NULL;
    if (text.len == 0 || text.len > 16)
        return false;
    memcpy(digits, text.ptr, text.len);
    digits[text.len] = '\0';
    *out = strtoull(digits, &end, 16);
    return *end == '\0';
}

void sk_methods_answer(struct sk_gateway *g, const struct sk_session *s,
                       const struct sk_iot_topic *topic, struct sk_view payload)
{
    struct sk_methods *m = &g->methods;
    struct end e = { 0 };
    uint64_t rid = 0;
    if (!read_rid(topic->rid, &rid))
        return;
    {
        SK_LOCK(&m->lock);
        struct sk_pending *p = m->first;
        while (p && !(p->rid == rid && p->identity == s->identity && p->on))
            p = p->next;
        if (!p)
            return; /* too late, or never asked */
        e = take_out(m, p);
    }
    e.done(e.ctx, topic->status, payload, NULL);
}

/* ---- the end of a connection ---- */

/* Those that were sent on it, out of the list, in their order. */
static struct sk_pending *take_sent(struct sk_methods *m, const struct sk_session *s)
{
    struct sk_pending *taken = NULL, **last = &taken, *next;
    SK_LOCK(&m->lock);
    for (struct sk_pending *p = m->first; p; p = next) {
        next = p->next;
        if (p->on != s)
            continue;
        unlink_call(m, p);
        p->next = NULL;
        *last = p;
        last = &p->next;
    }
    return taken;
}

void sk_methods_closed(struct sk_gateway *g, const struct sk_session *s)
{
    struct sk_methods *m = &g->methods;
    struct sk_err err = SK_ERR_INIT;
    if (!s->was_called)
        return;
    (void)sk_fail(&err, SK_NOT_FOUND,
                  "DeviceConnectionClosedRemotely: the device's connection ended before it "
                  "answered");
    for (struct sk_pending *p = take_sent(m, s), *next; p; p = next) {
        next = p->next;
        p->done(p->ctx, 0, (struct sk_view){ "", 0 }, &err);
        SK_LOCK(&m->lock);
        drop(p);
    }
}

/* ---- deadlines ---- */

/* The first call whose time is over, or any when the gateway stops. */
static bool take_late(struct sk_methods *m, struct end *out, struct sk_err *err)
{
    uint64_t now = sk_now_ms();
    SK_LOCK(&m->lock);
    struct sk_pending *p = m->first;
    while (p && !m->is_stopping && (p->deadline_ms > now || p->is_posted))
        p = p->next;
    if (!p)
        return false;
    if (m->is_stopping)
        (void)sk_fail(err, SK_CANCELLED, "ServiceUnavailable: the hub stops");
    else if (p->on)
        (void)sk_fail(err, SK_TIMEOUT, "GatewayTimeout: the device did not answer in %u s",
                      p->response_ms / 1000);
    else
        (void)sk_fail(err, SK_NOT_FOUND,
                      "DeviceNotOnline: the device is not connected, or does not take methods");
    *out = take_out(m, p);
    return true;
}

static void *watch(void *arg)
{
    struct sk_methods *m = arg;
    bool is_over = false;
    while (!is_over) {
        struct end e;

        struct sk_err err = SK_ERR_INIT;
        {
            SK_LOCK(&m->lock);
            if (!m->is_stopping)
                (void)sk_cond_wait_until(
                    &m->wake, &m->lock, m->first ? sk_now_ns() + TICK_MS * 1000000ull : UINT64_MAX);
            is_over = m->is_stopping;
        }

        while (take_late(m, &e, &err))
            e.done(e.ctx, 0, (struct sk_view){ "", 0 }, &err);
    }
    return NULL;
}

int sk_methods_init(struct sk_gateway *g, struct sk_err *err)
{
    struct sk_methods *m = &g->methods;
    (void)pthread_mutex_init(&m->lock, NULL);
    m->last = &m->first;
    m->next_rid = sk_now_ns(); /* not those of the run before: their answers may still come */
    if (sk_cond_init(&m->wake, err) < 0 ||
        sk_thread_start(&m->thread, "sk-methods", watch, m, err) < 0)
        return -1;
    m->has_thread = true;
    return 0;
}

void sk_methods_stop(struct sk_gateway *g)
{
    struct sk_methods *m = &g->methods;
    if (!m->has_thread)
        return;
    {
        SK_LOCK(&m->lock);
        m->is_stopping = true;
        (void)pthread_cond_signal(&m->wake);
    }
    (void)pthread_join(m->thread, NULL);
    m->has_thread = false;
}

void sk_methods_done(struct sk_gateway *g)
{
    (void)pthread_cond_destroy(&g->methods.wake);
    (void)pthread_mutex_destroy(&g->methods.lock);
}

/* ---- calls ---- */

static int check_call(const struct sk_method_call *call, struct sk_err *err)
{
    size_t len = strlen(call->name);
    if (len == 0 || len > SK_IOT_METHOD_NAME_MAX)
        return sk_fail(err, SK_INVALID, "ArgumentInvalid: methodName must have 1 to %d characters",
                       SK_IOT_METHOD_NAME_MAX);
    if (call->payload.len > SK_IOT_METHOD_PAYLOAD_MAX)
        return sk_fail(err, SK_TOO_LARGE, "MessageTooLarge: the payload is beyond %d bytes",
                       SK_IOT_METHOD_PAYLOAD_MAX);
    if (call->response_ms < RESPONSE_MS_MIN || call->response_ms > SK_METHOD_RESPONSE_MS_MAX)
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: responseTimeoutInSeconds must be 5 to 300");
    if (call->connect_ms > SK_METHOD_CONNECT_MS_MAX)
        return sk_fail(err, SK_INVALID,
                       "ArgumentInvalid: connectTimeoutInSeconds must be 0 to 300");
    return 0;
}

static struct sk_pending *pending_new(struct sk_gateway *g, const struct sk_method_call *call,
                                      int64_t identity)
{
    struct sk_pending *p = calloc(1, sizeof *p + call->payload.len);
    if (!p)
        return NULL;
    p->gateway = g;
    p->identity = identity;
    p->response_ms = call->response_ms;
    p->deadline_ms = sk_now_ms() + call->connect_ms;
    p->done = call->done;
    p->ctx = call->ctx;
    p->payload_len = call->payload.len;
    (void)snprintf(p->name, sizeof p->name, "%s", call->name);
    if (call->payload.len > 0)
        memcpy(p->payload, call->payload.ptr, call->payload.len);
    return p;
}

/* Into the list, unless there are too many. */
static int enlist(struct sk_methods *m, struct sk_pending *p, struct sk_err *err)
{
    unsigned same = 0;
    for (const struct sk_pending *q = m->first; q; q = q->next)
        same += q->identity == p->identity;
    if (m->is_stopping)
        return sk_fail(err, SK_BUSY, "ServiceUnavailable: the hub stops");
    if (m->count >= SK_GATEWAY_METHODS_MAX || same >= SK_GATEWAY_METHODS_EACH)
        return sk_fail(err, SK_BUSY, "ThrottlingException: too many methods wait for an answer");
    p->rid = m->next_rid++;
    p->holders = 1;
    p->at = m->last;
    *m->last = p;
    m->last = &p->next;
    m->count++;
    (void)pthread_cond_signal(&m->wake);
    return 0;
}

int sk_gateway_invoke(struct sk_gateway *g, const struct sk_method_call *call, struct sk_err *err)
{
    struct sk_methods *m = &g->methods;
    struct sk_identity identity;
    struct sk_mqtt_ref ref;
    if (check_call(call, err) < 0 ||
        sk_identity_get(g->opts.devices, call->device, call->module, &identity, err) < 0)
        return -1;
    SK_OWN(free) struct sk_pending *p = pending_new(g, call, identity.id);
    if (!p)
        return sk_nomem(err);
    bool is_live;

    struct sk_pending *listed = p;
    {
        SK_LOCK(&m->lock);
        if (enlist(m, p, err) < 0)
            return -1;
        p = NULL; /* the list's */
        /* Who connects after this line looks into the list; who was there before is found. */
        is_live = sk_live_find(&g->live, identity.id, &ref);
        if (is_live) {
            listed->holders++;
            listed->is_posted = true;
        }
    }

    if (is_live) {
        listed->post.to = ref;
        listed->post.run = send_call;
        sk_mqtt_post(g->mqtt, &listed->post);
    }
    return 0;
}
