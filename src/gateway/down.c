/*
 * down.c - messages down: cloud-to-device, and to inputs of modules.
 *
 * They wait in the database and leave it when the client has acknowledged them. A connection sends
 * them in order, as many as its window takes; each acknowledgement makes room for the next. After a
 * break those that were not acknowledged are sent again.
 */
#include "gateway/gateway_priv.h"

#include "base/log.h"

struct sending {
    struct sk_mqtt_conn *conn;
    struct sk_session *session;
};

static void topic_of(const struct sk_session *s, const struct sk_down *m, struct sk_buf *out)
{
    if (*m->input)
        sk_iot_topic_input(out, s->device, s->module, m->input);
    else
        sk_iot_topic_c2d(out, s->device);
    sk_buf_str(out, m->properties);
}

static int send_one(void *ctx, const struct sk_down *m, struct sk_err *err)
{
    struct sending *to = ctx;
    struct sk_session *s = to->session;
    const enum sk_iot_sub sub = *m->input ? SK_SUB_INPUTS : SK_SUB_C2D;
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(SK_IOT_BAG_MAX);
    if (!sk_session_wants(s, sub))
        return 0; /* it stays, for when it is subscribed to */
    unsigned qos = s->subs & (unsigned)sub << SK_SUB_AT_MOST_ONCE_SHIFT ? 0 : 1;
    topic_of(s, m, &topic);
    if (!sk_buf_ok(&topic))
        return sk_buf_fail(&topic, err);
    if (sk_mqtt_publish(to->conn, (struct sk_view){ topic.data, topic.len }, m->body, qos,
                        (uint64_t)m->id, err) < 0)
        return -1;
    s->last_down = m->id;
    atomic_fetch_add_explicit(&s->gateway->messages_down, 1, memory_order_relaxed);
    if (qos == 0)
        sk_down_complete(s->gateway->opts.devices, s->identity, m->id);
    else
        sk_down_delivered(s->gateway->opts.devices, s->identity, m->id);
    return 0;
}

void sk_gateway_down(struct sk_mqtt_conn *c, struct sk_session *s)
{
    struct sk_err err = SK_ERR_INIT;
    struct sending to = { .conn = c, .session = s };
    int rc = 0;
    for (;;) {
        const int64_t before = s->last_down;
        unsigned window = sk_mqtt_window(c);
        s->down_is_due = window == 0;
        if (window == 0)
            return;
        rc = sk_down_read(s->gateway->opts.devices, s->identity, before, window, send_one, &to,
                          &err);
        if (rc < 0 || s->last_down == before)
            break;
    }
    s->down_is_due = rc < 0;
    if (rc < 0 && err.code != SK_BUSY)
        sk_log(SK_WARN, "message_down_waits", "device=\"%s\" error=\"%s\"", s->device, err.text);
}

void sk_gateway_acked(struct sk_mqtt_conn *c, uint64_t token, void *ctx)
{
    struct sk_session *s = sk_mqtt_user(c);
    (void)ctx;
    sk_down_complete(s->gateway->opts.devices, s->identity, (int64_t)token);
    if (s->down_is_due)
        sk_gateway_down(c, s);
}

void sk_gateway_drained(struct sk_mqtt_conn *c, void *ctx)
{
    struct sk_session *s = sk_mqtt_user(c);
    (void)ctx;
    if (s)
        sk_gateway_begin(c, s);
}
