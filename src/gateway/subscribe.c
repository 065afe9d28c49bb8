/*
 * subscribe.c - subscriptions: a set of flags per identity, on the disk before SUBACK.
 *
 * A filter that is none of the identity's own is answered with 0x80 and costs nothing else. What is
 * subscribed already is answered at once, so a storm of reconnecting clients writes nothing.
 */
#include "gateway/gateway_priv.h"

#include "base/log.h"

#include <stdlib.h>

struct change {
    struct sk_mqtt_post post;
    struct sk_mqtt_server *server;
    bool is_subscribe, has_failed;
    unsigned add, remove;
    uint16_t id;
    size_t count;
    unsigned char codes[SK_MQTT_FILTERS_MAX];
};

static void finish(struct sk_mqtt_conn *c, struct change *ch)
{
    struct sk_session *s = sk_mqtt_user(c);
    s->subs = (s->subs & ~ch->remove) | ch->add;
    if (!ch->is_subscribe) {
        sk_mqtt_unsuback(c, ch->id);
        return;
    }
    sk_mqtt_suback(c, ch->id, ch->codes, ch->count);
    sk_gateway_begin(c, s);
}

static void finish_later(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    struct change *ch = (struct change *)post;
    if (c)
        ((struct sk_session *)sk_mqtt_user(c))->changes--;
    if (c && ch->has_failed)
        sk_mqtt_close(c, "a subscription could not be stored");
    else if (c)
        finish(c, ch);
    free(ch);
}

static void on_kept(void *ctx, const struct sk_err *failed)
{
    struct change *ch = ctx;
    ch->has_failed = failed != NULL;
    if (failed)
        sk_log(SK_WARN, "subscription_refused", "error=\"%s\"", failed->text);
    sk_mqtt_post(ch->server, &ch->post);
}

/* Makes it durable when it changes anything. What others on their way will have changed is not
 * known yet, so it goes behind them. */
static void keep(struct sk_mqtt_conn *c, const struct change *ch)
{
    struct sk_session *s = sk_mqtt_user(c);
    struct sk_err err = SK_ERR_INIT;
    if (s->changes == 0 && ((s->subs & ~ch->remove) | ch->add) == s->subs) {
        struct change now = *ch;
        finish(c, &now);
        return;
    }
    struct change *later = malloc(sizeof *later);
    if (!later) {
        sk_mqtt_close(c, "out of memory");
        return;
    }
    *later = *ch;
    later->post = (struct sk_mqtt_post){ .to = sk_mqtt_conn_ref(c), .run = finish_later };
    later->server = s->gateway->mqtt;
    if (sk_session_change(s->gateway->opts.devices, s->identity, ch->add, ch->remove, on_kept,
                          later, &err) == 0) {
        s->changes++;
        return;
    }
    free(later);
    sk_log(SK_WARN, "subscription_refused", "device=\"%s\" error=\"%s\"", s->device, err.text);
    sk_mqtt_close(c, "a subscription could not be stored");
}

void sk_gateway_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    const struct sk_session *s = sk_mqtt_user(c);
    struct change ch = { .is_subscribe = true, .id = f->id, .count = f->count };
    (void)ctx;
    for (size_t i = 0; i < f->count; i++) {
        unsigned sub = sk_iot_filter_parse(f->topic[i], s->device, s->module);
        unsigned low = sub << SK_SUB_AT_MOST_ONCE_SHIFT;
        ch.codes[i] = sub == SK_SUB_NONE ? SK_MQTT_SUB_FAILED : f->qos[i] > 0 ? 1 : 0;
        ch.add |= sub | (f->qos[i] == 0 ? low : 0);
        ch.remove |= f->qos[i] > 0 ? low : 0;
        if (sub == SK_SUB_NONE)
            sk_log(SK_INFO, "bad_filter", "device=\"%s\" module=\"%s\" filter=\"%.*s\"", s->device,
                   s->module, (int)(f->topic[i].len < 200 ? f->topic[i].len : 200),
                   f->topic[i].ptr);
    }
    ch.remove &= ~ch.add;
    keep(c, &ch);
}

void sk_gateway_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    const struct sk_session *s = sk_mqtt_user(c);
    struct change ch = { .id = f->id, .count = f->count };
    (void)ctx;
    for (size_t i = 0; i < f->count; i++) {
        unsigned sub = sk_iot_filter_parse(f->topic[i], s->device, s->module);
        ch.remove |= sub | sub << SK_SUB_AT_MOST_ONCE_SHIFT;
    }
    keep(c, &ch);
}

void sk_gateway_begin(struct sk_mqtt_conn *c, struct sk_session *s)
{
    if (s->subs & (SK_SUB_C2D | SK_SUB_INPUTS))
        sk_gateway_down(c, s);
    if (sk_session_wants(s, SK_SUB_METHODS))
        sk_methods_ready(s->gateway, c, s);
}
