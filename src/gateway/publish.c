/*
 * publish.c - what clients publish: messages into telemetry, answers to methods, twin requests.
 *
 * PUBACK of a message comes back from the journal's thread as a post, when the message is on the
 * disk. A message that could not be stored is not acknowledged; its connection ends a little later,
 * so that a full disk is not asked by everyone without pause.
 *
 * What waits for the disk is bounded for all together by the journal, and for each: by the packets
 * that may wait for their acknowledgement, and for QoS 0, which waits for none, by bytes. So a
 * client that sends more than the disk takes loses its own messages, and none of others'.
 */
#include "gateway/gateway_priv.h"

#include "base/log.h"

#include <stdlib.h>

struct stored {
    struct sk_mqtt_post post;
    struct sk_mqtt_server *server;
    size_t bytes;
    uint16_t id; /* 0: of QoS 0 */
    bool is_stored;
};

static void acknowledge(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct stored *s = (struct stored *)post;
    if (c)
        ((struct sk_session *)sk_mqtt_user(c))->unstored -= s->bytes;
    if (c && s->id != 0 && s->is_stored)
        sk_mqtt_puback(c, s->id);
    else if (c && s->id != 0)
        sk_gateway_linger(c);
    free(s);
}

static void on_stored(void *ctx, uint64_t seq, const struct sk_err *failed)
{
    struct stored *s = ctx;
    (void)seq;
    s->is_stored = !failed;
    if (failed)
        sk_log(SK_WARN, "message_refused", "error=\"%s\" next=\"%s\"", failed->text,
               s->id != 0 ? "the client sends it again" : "it is lost: QoS 0");
    sk_mqtt_post(s->server, &s->post);
}

static struct stored *stored_new(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m)
{
    struct stored *s = malloc(sizeof *s);
    if (s)
        *s = (struct stored){ .post = { .to = sk_mqtt_conn_ref(c), .run = acknowledge },
                              .server = sk_mqtt_conn_server(c),
                              .bytes = m->topic.len + m->payload.len,
                              .id = m->qos > 0 ? m->id : 0 };
    return s;
}

/* The stamps and the rest of what is stored. */
static struct sk_message message_of(const struct sk_session *s, const struct sk_iot_bag *bag,
                                    struct sk_view body)
{
    return (struct sk_message){
        .device = s->device,
        .module = s->module,
        .source = "Telemetry",
        .generation = s->generation,
        .auth_method = s->auth_method,
        .bag = bag,
        .body = body,
    };
}

static bool is_too_fast(struct sk_session *s)
{
    const bool is_it = s->unstored >= SK_GATEWAY_UNSTORED_MAX;
    if (is_it && !s->is_dropping)
        sk_log(SK_WARN, "messages_dropped",
               "device=\"%s\" module=\"%s\" why=\"QoS 0, faster than the disk\"", s->device,
               s->module);
    s->is_dropping = is_it;
    return is_it;
}

static void close_for_topic(struct sk_mqtt_conn *c, const struct sk_session *s,
                            const struct sk_mqtt_message *m, const char *why)
{
    sk_log(SK_INFO, "bad_topic", "device=\"%s\" module=\"%s\" topic=\"%.*s\" why=\"%s\"", s->device,
           s->module, (int)(m->topic.len < 200 ? m->topic.len : 200), m->topic.ptr, why);
    sk_mqtt_close(c, why);
}

static void take_event(struct sk_mqtt_conn *c, struct sk_session *s, const struct sk_iot_topic *t,
                       const struct sk_mqtt_message *m)
{
    struct sk_gateway *g = s->gateway;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    if (s->is_ending)
        return; /* one before it was refused: stored, it would be there out of order, and twice */
    if (!sk_view_eq(t->device, s->device) || !sk_view_eq(t->module, s->module)) {
        close_for_topic(c, s, m, "a publish to another identity's topic");
        return;
    }
    if (m->qos == 0 && is_too_fast(s))
        return;
    if (sk_iot_bag_parse(t->bag, &bag, &err) < 0) {
        sk_log(SK_INFO, "bad_message", "device=\"%s\" module=\"%s\" error=\"%s\"", s->device,
               s->module, err.text);
        sk_mqtt_close(c,
                      err.code == SK_NOMEM ? "out of memory" : "a message with a bad property bag");
        return;
    }
    struct stored *pending = stored_new(c, m);
    if (!pending) {
        sk_mqtt_close(c, "out of memory");
        return;
    }
    const size_t bytes = pending->bytes;
    struct sk_message message = message_of(s, &bag, m->payload);
    message.is_retained = m->retain;
    if (sk_telemetry_add(g->opts.telemetry, &message, on_stored, pending, &err) < 0) {
        free(pending);
        sk_log(SK_WARN, "message_refused", "device=\"%s\" module=\"%s\" error=\"%s\"", s->device,
               s->module, err.text);
        if (err.code == SK_TOO_LARGE)
            sk_mqtt_close(c, "a message beyond 256 KiB");
        else
            sk_gateway_linger(c);
        return;
    }
    s->unstored += bytes; /* taken off on this loop, so not yet */
    atomic_fetch_add_explicit(&g->messages_in, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&g->bytes_in, m->payload.len, memory_order_relaxed);
}

void sk_gateway_will(struct sk_gateway *g, const struct sk_session *s)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_iot_bag_done) struct sk_iot_bag bag = { 0 };
    struct sk_view topic = { s->will->topic.data, s->will->topic.len };
    struct sk_iot_topic t = sk_iot_topic_parse(topic);
    struct sk_message m = message_of(
        s, &bag, (struct sk_view){ s->will->payload.data, s->will->payload.len });
    m.is_will = true;
    m.is_retained = s->will->retain;
    if (sk_iot_bag_parse(t.bag, &bag, &err) < 0 ||
        sk_telemetry_add(g->opts.telemetry, &m, NULL, NULL, &err) < 0)
        sk_log(SK_WARN, "will_lost", "device=\"%s\" module=\"%s\" error=\"%s\"", s->device,
               s->module, err.text);
}

void sk_gateway_publish(struct sk_mqtt_conn *c, const struct sk_mqtt_message *m, void *ctx)
{
    struct sk_session *s = sk_mqtt_user(c);
    struct sk_iot_topic t = sk_iot_topic_parse(m->topic);
    (void)ctx;
    switch (t.kind) {
    case SK_TOPIC_EVENTS:
        take_event(c, s, &t, m);
        return;
    case SK_TOPIC_METHOD_RESPONSE:
        sk_methods_answer(s->gateway, s, &t, m->payload);
        break;
    case SK_TOPIC_TWIN_GET:
        sk_gateway_twin_get(c, s, &t, m);
        break;
    case SK_TOPIC_TWIN_REPORTED:
        sk_gateway_twin_report(c, s, &t, m);
        return; /* acknowledged with its answer */
    case SK_TOPIC_NONE:
        close_for_topic(c, s, m, "a publish to a topic that is not a client's");
        return;
    }
    if (m->qos > 0)
        sk_mqtt_puback(c, m->id);
}
