/*
 * publish.c - what clients publish: messages into the spool, answers to methods, twin requests.
 *
 * PUBACK of a message comes back from a journal's thread as a post, when every endpoint that a
 * route gave has the message on the disk. One that could not be stored is never acknowledged; its
 * connection ends a second later, so that a full disk is not asked by everyone without pause, and
 * nothing that comes behind it is stored before it.
 *
 * A message gets its id here, once, when it has none: however often it is sent on, it keeps it. The
 * output is in the key under which it is stored, and not in its properties: the cloud is not told.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

struct stored {
    struct sk_mqtt_post post;
    struct sk_lh *hub;
    size_t bytes;
    uint64_t began_ns;
    const struct sk_lh_ident *ident;
    uint16_t id; /* 0: of QoS 0 */
    bool is_stored;
};

static void acknowledge(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct stored *s = (struct stored *)post;
    if (!c)
        return;
    ((struct sk_lh_session *)sk_mqtt_user(c))->unstored -= s->bytes;
    if (s->id != 0 && s->is_stored)
        sk_mqtt_puback(c, s->id);
    else if (s->id != 0)
        sk_lh_linger(c);
}

static void on_stored(void *ctx, const struct sk_err *failed)
{
    struct stored *s = ctx;
    const char *const labels[] = { "from", s->ident->key, "to", "", "priority", "", NULL };
    s->is_stored = !failed;
    sk_lh_count(s->hub, SK_LH_M_PROCESS_S, (double)(sk_now_ns() - s->began_ns) / 1e9, labels);
    if (failed)
        sk_log(SK_WARN, "message_refused", "error=\"%s\" next=\"%s\"", failed->text,
               s->id != 0 ? "the client sends it again" : "it is lost: QoS 0");
    sk_mqtt_post(s->hub->mqtt, &s->post);
}

static struct stored *stored_new(struct sk_mqtt_conn *c, const struct sk_lh_session *own,
                                 const struct sk_mqtt_message *m)
{
    struct stored *s = malloc(sizeof *s);
    if (s)
        *s = (struct stored){ .post = { .to = sk_mqtt_conn_ref(c), .run = acknowledge },
                              .hub = own->hub,
                              .ident = own->ident,
                              .bytes = m->topic.len + m->payload.len,
                              .began_ns = sk_now_ns(),
                              .id = m->qos > 0 ? m->id : 0 };
    return s;
}

/* ---- what is stored ---- */

static void add_id(struct sk_lh *h, size_t *room, bool *is_first, struct sk_buf *out)
{
    char id[80];
    const int len = snprintf(
        id, sizeof id, "%s-%llx", h->message_prefix,
        (unsigned long long)atomic_fetch_add_explicit(&h->next_message, 1, memory_order_relaxed));
    if (*room < (size_t)len)
        return; /* at the very limit of a message's size: it goes without */
    *room -= (size_t)len;
    sk_iot_bag_add(out, is_first, "$.mid", id);
}

/* The properties as they are kept: without stamps and output, with an id and a time. */
static void write_bag(struct sk_lh *h, const struct sk_iot_bag *bag, bool is_retained, size_t body,
                      struct sk_buf *out)
{
    const size_t size = sk_iot_message_size(body, bag);
    size_t room = size < SK_IOT_MESSAGE_MAX ? SK_IOT_MESSAGE_MAX - size : 0;
    char time[SK_TIME_TEXT];
    bool is_first = true;
    for (size_t i = 0; i < bag->count; i++) {
        const struct sk_iot_property *p = &bag->items[i];
        if (!sk_iot_property_is_stamp(p->name) && !sk_view_eq(p->name, "$.on"))
            sk_iot_bag_add(out, &is_first, p->name.ptr, p->has_value ? p->value.ptr : NULL);
    }
    if (!sk_iot_bag_find(bag, "$.mid"))
        add_id(h, &room, &is_first, out);
    if (!sk_iot_bag_find(bag, "$.ctime") && room >= SK_TIME_TEXT) {
        sk_time_text(sk_wall_ms(), time);
        sk_iot_bag_add(out, &is_first, "$.ctime", time);
    }
    if (is_retained && !sk_iot_bag_find(bag, "mqtt-retain") && room >= 64)
        sk_iot_bag_add(out, &is_first, "mqtt-retain", "true");
}

static void count_received(struct sk_lh *h, const struct sk_lh_ident *id, const char *output,
                           size_t bytes)
{
    const char *const labels[] = { "route_output", output, "id", id->key, NULL };
    sk_lh_count(h, SK_LH_M_RECEIVED, 1, labels);
    sk_lh_count(h, SK_LH_M_SIZE, (double)bytes, labels + 2);
}

static void count_dropped(struct sk_lh *h, const struct sk_lh_ident *id, const char *output,
                          const char *reason)
{
    const char *const labels[] = { "reason", reason, "from", id->key, "from_route_output",
                                   output,   NULL };
    sk_lh_count(h, SK_LH_M_DROPPED, 1, labels);
}

/* Where it goes: what is stored for a candidate is kept aside whole; so is what comes behind it
 * while that is on its way. */
static size_t targets_of(struct sk_lh *h, struct sk_lh_ident *id, const char *instance,
                         const char *output, const struct sk_iot_bag *bag, struct sk_view body,
                         char aside[SK_SPOOL_ENDPOINT_MAX],
                         struct sk_spool_target out[SK_SPOOL_TARGETS_MAX])
{
    const struct sk_lh_instance *i = sk_lh_instance_find(id, instance);
    const int64_t now = (int64_t)sk_wall_ms();
    if (i && (i->role == SK_LH_CANDIDATE ||
              (i->role == SK_LH_ACTIVE && strcmp(id->releasing, instance) == 0 && *instance))) {
        sk_lh_aside_endpoint(instance, aside);
        out[0] = (struct sk_spool_target){ .endpoint = aside,
                                           .priority = SK_SPOOL_PRIORITIES - 1,
                                           .expires_ms = now + SK_LH_TTL_S * INT64_C(1000) };
        return 1;
    }
    return sk_lh_route(h->routes, id->module, id->device, output, bag, body, now, out);
}

/* One that goes aside: how many are on their way there is counted, so that nothing is overlooked
 * when all of it is released. */
struct aside {
    struct sk_lh_ident *ident;
    void (*done)(void *ctx, const struct sk_err *failed);
    void *ctx;
};

static void on_aside(void *ctx, const struct sk_err *failed)
{
    SK_OWN(free) struct aside *a = ctx;
    {
        SK_LOCK(&a->ident->hub->lock);
        a->ident->puts_aside--;
    }

    sk_lh_pump_wake(a->ident->hub);
    if (a->done)
        a->done(a->ctx, failed);
}

static int put_aside(struct sk_lh *h, struct sk_lh_ident *id, struct sk_spool_message *m,
                     const struct sk_spool_target *target, struct sk_err *err)
{
    SK_OWN(free) struct aside *a = malloc(sizeof *a);
    if (!a)
        return sk_nomem(err);
    *a = (struct aside){ .ident = id, .done = m->done, .ctx = m->ctx };
    m->done = on_aside;
    m->ctx = a;
    if (sk_spool_put(h->spool, m, target, 1, err) < 0)
        return -1;
    (void)SK_TAKE(a);
    id->puts_aside++; /* taken off with the lock, so not yet */
    return 0;
}

int sk_lh_put(struct sk_lh *h, struct sk_lh_ident *id, const char *instance, const char *output,
              const struct sk_iot_bag *bag, struct sk_view text, struct sk_view body,
              void (*done)(void *ctx, const struct sk_err *failed), void *ctx, struct sk_err *err)
{
    struct sk_spool_target targets[SK_SPOOL_TARGETS_MAX];
    char aside[SK_SPOOL_ENDPOINT_MAX];
    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(SK_IOT_KEY_MAX + SK_IOT_BAG_MAX);
    if (!h->spool)
        return sk_fail(err, SK_BUSY, "the spool is not open");
    const size_t count = targets_of(h, id, instance, output, bag, body, aside, targets);
    if (count == 0) {
        count_dropped(h, id, output, "no_route");
        return 1;
    }
    sk_buf_fmt(&key, "%s/%s/%s", id->device, id->module, output);
    if (!sk_buf_ok(&key))
        return sk_buf_fail(&key, err);
    struct sk_spool_message m = {
        .key = { key.data, key.len },
        .bag = text,
        .body = body,
        .done = done,
        .ctx = ctx,
    };
    if (targets[0].endpoint == aside)
        return put_aside(h, id, &m, &targets[0], err);
    return sk_spool_put(h->spool, &m, targets, count, err);
}

/* ---- messages ---- */

static void close_for_topic(struct sk_mqtt_conn *c, const struct sk_lh_session *s,
                            const struct sk_mqtt_message *m, const char *why)
{
    sk_log(SK_INFO, "bad_topic", "id=\"%s\" topic=\"%.*s\" why=\"%s\"", s->ident->key,
           (int)(m->topic.len < 200 ? m->topic.len : 200), m->topic.ptr, why);
    sk_mqtt_close(c, why);
}

static bool is_too_fast(struct sk_lh_session *s)
{
    const bool is_it = s->unstored >= SK_LH_UNSTORED_MAX;
    if (is_it && !s->is_dropping)
        sk_log(SK_WARN, "messages_dropped", "id=\"%s\" why=\"QoS 0, faster than the disk\"",
               s->ident->key);
    s->is_dropping = is_it;
    return is_it;
}

static const char *output_of(const struct sk_iot_bag *bag)
{
    const struct sk_iot_property *p = sk_iot_bag_find(bag, "$.on");
    return p && p->has_value && p->value.len <= SK_IOT_ID_MAX ? p->value.ptr : "";
}

static int store(struct sk_lh_session *s, const struct sk_iot_bag *bag, struct sk_view body,
                 bool is_retained, struct stored *pending, struct sk_err *err)
{
    struct sk_lh *h = s->hub;
    const char *output = output_of(bag);
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_IOT_BAG_MAX);
    if (sk_iot_message_size(body.len, bag) > SK_IOT_MESSAGE_MAX)
        return sk_fail(err, SK_TOO_LARGE, "a message beyond %d bytes", SK_IOT_MESSAGE_MAX);
    write_bag(h, bag, is_retained, body.len, &text);
    if (text.failed == SK_LIMIT)
        return sk_fail(err, SK_TOO_LARGE, "properties beyond %d bytes", SK_IOT_BAG_MAX);
    if (!sk_buf_ok(&text))
        return sk_buf_fail(&text, err);
    count_received(h, s->ident, output, body.len);
    SK_LOCK(&h->lock);
    return sk_lh_put(h, s->ident, s->instance, output, bag,
                     (struct sk_view){ text.data ? text.data : "", text.len }, body,
                     pending ? on_stored : NULL, pending, err);
}

static void refuse(struct sk_mqtt_conn *c, struct sk_lh_session *s, const struct sk_err *err)
{
    const char *const labels[] = { "reason",      "storage_failure",   "from",
                                   s->ident->key, "from_route_output", "",
                                   NULL };
    sk_log(SK_WARN, "message_refused", "id=\"%s\" error=\"%s\"", s->ident->key, err->text);
    if (err->code == SK_TOO_LARGE) {
        sk_mqtt_close(c, "a message beyond 256 KiB");
        return;
    }
    sk_lh_count(s->hub, SK_LH_M_UNACKED, 1, labels);
    sk_lh_linger(c);
}

static void take_event(struct sk_mqtt_conn *c, struct sk_lh_session *s,
                       const struct sk_iot_topic *t, const struct sk_mqtt_message *m)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    if (s->is_ending)
        return; /* one before it was refused: stored, it would be there out of order, and twice */
    if (!sk_view_eq(t->device, s->ident->device) || !sk_view_eq(t->module, s->ident->module)) {
        close_for_topic(c, s, m, "a publish to another identity's topic");
        return;
    }
    if (m->qos == 0 && is_too_fast(s))
        return;
    if (sk_iot_bag_parse(t->bag, &bag, &err) < 0) {
        sk_log(SK_INFO, "bad_message", "id=\"%s\" error=\"%s\"", s->ident->key, err.text);
        sk_mqtt_close(c,
                      err.code == SK_NOMEM ? "out of memory" : "a message with a bad property bag");
        return;
    }
    struct stored *pending = stored_new(c, s, m);
    if (!pending) {
        sk_mqtt_close(c, "out of memory");
        return;
    }
    const size_t bytes = pending->bytes;
    const int rc = store(s, &bag, m->payload, m->retain, pending, &err);
    if (rc == 0) {
        s->unstored += bytes; /* taken off on this loop, so not yet */
        return;
    }
    free(pending);
    if (rc < 0)
        refuse(c, s, &err);
    else if (m->qos > 0)
        sk_mqtt_puback(c, m->id); /* no route wants it */
}

void sk_lh_publish_will(struct sk_lh *h, const struct sk_lh_session *s)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_IOT_BAG_MAX);
    const struct sk_lh_will *w = s->will;
    const struct sk_iot_topic t = sk_iot_topic_parse(
        (struct sk_view){ w->topic.data, w->topic.len });
    const struct sk_view body = { w->payload.data ? w->payload.data : "", w->payload.len };
    bool is_first = true;
    if (sk_iot_bag_parse(t.bag, &bag, &err) < 0)
        return;
    write_bag(h, &bag, w->retain, body.len, &text);
    is_first = text.len == 0;
    sk_iot_bag_add(&text, &is_first, "iothub-MessageType", "Will");
    SK_LOCK(&h->lock);
    if (!sk_buf_ok(&text) ||
        sk_lh_put(h, s->ident, s->instance, output_of(&bag), &bag,
                  (struct sk_view){ text.data, text.len }, body, NULL, NULL, &err) < 0)
        sk_log(SK_WARN, "will_lost", "id=\"%s\" error=\"%s\"", s->ident->key, err.text);
}

void sk_lh_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct sk_lh_session *s = sk_mqtt_user(c);
    const struct sk_iot_topic t = sk_iot_topic_parse(m->topic);
    (void)ctx;
    switch (t.kind) {
    case SK_TOPIC_EVENTS:
        take_event(c, s, &t, m);
        return;
    case SK_TOPIC_METHOD_RESPONSE:
        sk_lh_methods_answer(s->hub, s, &t, m->payload);
        break;
    case SK_TOPIC_TWIN_GET:
        sk_lh_twin_get(c, s, &t);
        break;
    case SK_TOPIC_TWIN_REPORTED:
        sk_lh_twin_report(c, s, &t, m);
        return; /* acknowledged with its answer */
    case SK_TOPIC_NONE:
        close_for_topic(c, s, m, "a publish to a topic that is not a client's");
        return;
    }
    if (m->qos > 0)
        sk_mqtt_puback(c, m->id);
}
