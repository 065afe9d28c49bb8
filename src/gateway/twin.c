/*
 * twin.c - twins on the wire: get, reported patches, desired patches.
 *
 * A reported patch is answered, and acknowledged, when it is committed. Errors are answers with a
 * status: 400 (malformed), 403 (too large, as IoT Hub words it), 429 (too much waits), 5xx. A
 * client that does not wait for its answers holds no more than a few of the places that all share.
 *
 * Answered is who has subscribed to answers; a GET also of who has subscribed to desired patches.
 * Python's SDK sends one after each reconnect, to learn what it has missed, but subscribes to
 * answers only when the application itself asks for the twin.
 */
#include "gateway/gateway_priv.h"

#include "base/log.h"

#include <stdlib.h>
#include <string.h>

enum {
    OF_REPORT = SK_SUB_TWIN_RESPONSES,
    OF_GET = SK_SUB_TWIN_RESPONSES | SK_SUB_TWIN_DESIRED,
    RID_MAX = 128,
    TOPIC_MAX = 512,
    TOO_BIG = 403100 /* DeviceModelMaxPropertiesExceeded */
};

struct report {
    struct sk_mqtt_post post;
    struct sk_mqtt_server *server;
    uint16_t id; /* to acknowledge; 0: none */
    bool is_counted;
    int64_t version;
    struct sk_err err;
    size_t rid_len;
    char rid[RID_MAX];
};

static int status_of(const struct sk_err *err)
{
    switch (err->code) {
    case SK_OK:
        return 204;
    case SK_TOO_LARGE:
        return 403;
    case SK_BUSY:
        return 429;
    default:
        return sk_code_http(err->code);
    }
}

/* To who has one of these subscriptions. */
static void answer(struct sk_mqtt_conn *c, unsigned subs, int status, struct sk_view rid,
                   int64_t version, struct sk_view body)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
    const struct sk_session *s = sk_mqtt_user(c);
    if (!s || (s->subs & subs) == 0)
        return;
    sk_iot_topic_twin_response(&topic, status, rid, version);
    sk_gateway_send(c, &topic, body);
}

static void answer_error(struct sk_mqtt_conn *c, unsigned subs, struct sk_view rid,
                         const struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4096);
    int status = status_of(err);
    sk_buf_str(&body, "{\"message\":");
    sk_buf_json_str(&body, err->text);
    sk_buf_fmt(&body, ",\"errorCode\":%d,\"trackingId\":\"\",\"details\":null}",
               err->code == SK_TOO_LARGE ? TOO_BIG : status * 1000);
    answer(c, subs, status, rid, -1, (struct sk_view){ body.data, body.len });
}

void sk_gateway_twin_get(struct sk_mqtt_conn *c, struct sk_session *s,
                         const struct sk_iot_topic *topic, const struct sk_mqtt_message *m)
{
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(4 * SK_TWIN_SECTION_MAX);
    (void)m;
    if (topic->rid.len > RID_MAX) {
        sk_mqtt_close(c, "a request id beyond 128 bytes");
        return;
    }
    atomic_fetch_add_explicit(&s->gateway->twin_gets, 1, memory_order_relaxed);
    if (sk_twin_device_get(s->gateway->opts.devices, s->identity, &body, &err) < 0)
        answer_error(c, OF_GET, topic->rid, &err);
    else
        answer(c, OF_GET, 200, topic->rid, -1, (struct sk_view){ body.data, body.len });
}

static void finish_report(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct report *r = (struct report *)post;
    if (c && r->is_counted)
        ((struct sk_session *)sk_mqtt_user(c))->reports--;
    struct sk_view rid = { r->rid, r->rid_len };
    if (c && r->err.code == SK_OK)
        answer(c, OF_REPORT, 204, rid, r->version, (struct sk_view){ "", 0 });
    else if (c)
        answer_error(c, OF_REPORT, rid, &r->err);
    if (c && r->id != 0)
        sk_mqtt_puback(c, r->id);
    free(r);
}

static void on_reported(void *ctx, int64_t version, const struct sk_err *failed)
{
    struct report *r = ctx;
    r->version = version;
    if (failed)
        r->err = *failed;
    sk_mqtt_post(r->server, &r->post);
}

void sk_gateway_twin_report(struct sk_mqtt_conn *c, struct sk_session *s,
                            const struct sk_iot_topic *topic, const struct sk_mqtt_message *m)
{
    struct sk_gateway *g = s->gateway;
    struct sk_err err = SK_ERR_INIT;
    if (topic->rid.len > RID_MAX) {
        sk_mqtt_close(c, "a request id beyond 128 bytes");
        return;
    }
    struct report *r = calloc(1, sizeof *r);
    if (!r) {
        sk_mqtt_close(c, "out of memory");
        return;
    }
    r->post = (struct sk_mqtt_post){ .to = sk_mqtt_conn_ref(c), .run = finish_report };
    r->server = g->mqtt;
    r->id = m->qos > 0 ? m->id : 0;
    r->rid_len = topic->rid.len;
    memcpy(r->rid, topic->rid.ptr, topic->rid.len);
    atomic_fetch_add_explicit(&g->twin_reports, 1, memory_order_relaxed);
    r->is_counted = s->reports < SK_GATEWAY_REPORTS_MAX;
    s->reports += r->is_counted;
    if (!r->is_counted)
        (void)sk_fail(&err, SK_BUSY, "ThrottlingException: %d reports wait already",
                      SK_GATEWAY_REPORTS_MAX);
    else if (sk_twin_report(g->opts.devices, s->identity, m->payload, on_reported, r, &err) == 0)
        return;
    r->err = err;
    finish_report(c, &r->post);
}

/* ---- desired ---- */

struct desired {
    struct sk_mqtt_post post;
    int64_t identity, version;
    size_t len;
    char body[];
};

static void send_desired(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct desired *d = (struct desired *)post;
    const struct sk_session *s = c ? sk_mqtt_user(c) : NULL;
    if (s && s->identity == d->identity && sk_session_wants(s, SK_SUB_TWIN_DESIRED)) {
        SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOPIC_MAX);
        sk_iot_topic_desired(&topic, d->version);
        atomic_fetch_add_explicit(&s->gateway->desired, 1, memory_order_relaxed);
        sk_gateway_send(c, &topic, (struct sk_view){ d->body, d->len });
    }
    free(d);
}

void sk_gateway_desired(struct sk_gateway *g, const struct sk_device_event *e)
{
    struct sk_mqtt_ref ref;
    if (!sk_live_find(&g->live, e->identity, &ref))
        return;
    struct desired *d = malloc(sizeof *d + e->body.len);
    if (!d) { /* it fetches its twin when it comes back */
        sk_gateway_cut(g, ref, "out of memory");
        return;
    }
    *d = (struct desired){ .post = { .to = ref, .run = send_desired },
                           .identity = e->identity,
                           .version = e->version,
                           .len = e->body.len };
    memcpy(d->body, e->body.ptr, e->body.len);
    sk_mqtt_post(g->mqtt, &d->post);
}
