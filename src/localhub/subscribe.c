/*
 * subscribe.c - subscriptions: a set of flags per instance, on the disk before SUBACK.
 *
 * Clients subscribe once and never again, so what they had is found again after a restart. A filter
 * that is none of the identity's own is answered with 0x80, and costs nothing else.
 */
#include "localhub/localhub_priv.h"

#include "base/log.h"

#include <string.h>

struct change {
    struct sk_lh_later later;
    struct sk_mqtt_post post;
    struct sk_lh *hub;
    bool is_subscribe, has_failed;
    unsigned subs; /* as they are from now on */
    uint16_t id;
    size_t count;
    unsigned char codes[SK_MQTT_FILTERS_MAX];
};

static void finish(struct sk_mqtt_conn *c, const struct change *ch)
{
    struct sk_lh_session *s = sk_mqtt_user(c);
    s->subs = ch->subs;
    if (!ch->is_subscribe) {
        sk_mqtt_unsuback(c, ch->id);
        return;
    }
    sk_mqtt_suback(c, ch->id, ch->codes, ch->count);
    sk_lh_methods_ready(c, s);
    sk_lh_pump_wake(s->hub);
    if (s->ident->kind == SK_LH_LEAF) { /* its line may have to ask for messages too */
        atomic_store(&s->hub->lines_are_due, true);
        sk_lh_wake(s->hub);
    }
}

static void finish_later(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free)
    struct change *ch = (struct change *)(void *)((char *)post - offsetof(struct change, post));
    if (c)
        ((struct sk_lh_session *)sk_mqtt_user(c))->changes--;
    if (c && ch->has_failed)
        sk_mqtt_close(c, "a subscription could not be stored");
    else if (c)
        finish(c, ch);
}

static void on_kept(struct sk_lh_later *later, const struct sk_err *failed)
{
    struct change *ch = (struct change *)later;
    ch->has_failed = failed != NULL;
    sk_mqtt_post(ch->hub->mqtt, &ch->post);
}

/* What others on their way will have changed is not known to the connection yet, so it goes behind
 * them. */
static void keep(struct sk_mqtt_conn *c, struct change *ch, unsigned add, unsigned remove)
{
    struct sk_lh_session *s = sk_mqtt_user(c);
    struct sk_lh *h = s->hub;
    SK_LOCK(&h->lock);
    struct sk_lh_instance *i = sk_lh_instance_find(s->ident, s->instance);
    ch->subs = ((i ? i->subs : 0) & ~remove) | add;
    if (i && s->changes == 0 && ch->subs == i->subs) {
        ch->later.run = NULL; /* nothing to write */
        return;
    }
    struct change *later = i ? malloc(sizeof *later) : NULL;
    if (!later) {
        ch->later.run = NULL;
        ch->has_failed = true;
        return;
    }
    *later = *ch;
    later->later.run = on_kept;
    later->post = (struct sk_mqtt_post){ .to = sk_mqtt_conn_ref(c), .run = finish_later };
    later->hub = h;
    ch->later.run = on_kept;
    s->changes++;
    i->subs = ch->subs;
    sk_lh_files_sessions(h, &later->later);
}

static void change(struct sk_mqtt_conn *c, struct change *ch, unsigned add, unsigned remove)
{
    keep(c, ch, add, remove);
    if (ch->has_failed)
        sk_mqtt_close(c, "a subscription could not be stored");
    else if (!ch->later.run)
        finish(c, ch);
}

void sk_lh_subscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    const struct sk_lh_session *s = sk_mqtt_user(c);
    struct change ch = { .is_subscribe = true, .id = f->id, .count = f->count };
    unsigned add = 0, remove = 0;
    (void)ctx;
    for (size_t i = 0; i < f->count; i++) {
        unsigned sub = sk_iot_filter_parse(f->topic[i], s->ident->device, s->ident->module);
        unsigned low = sub << SK_LH_AT_MOST_ONCE_SHIFT;
        ch.codes[i] = sub == SK_SUB_NONE ? SK_MQTT_SUB_FAILED : f->qos[i] > 0 ? 1 : 0;
        add |= sub | (f->qos[i] == 0 ? low : 0);
        remove |= f->qos[i] > 0 ? low : 0;
        if (sub == SK_SUB_NONE)
            sk_log(SK_INFO, "bad_filter", "id=\"%s\" filter=\"%.*s\"", s->ident->key,
                   (int)(f->topic[i].len < 200 ? f->topic[i].len : 200), f->topic[i].ptr);
    }
    change(c, &ch, add, remove & ~add);
}

void sk_lh_unsubscribe(struct sk_mqtt_conn *c, const struct sk_mqtt_filters *f, void *ctx)
{
    const struct sk_lh_session *s = sk_mqtt_user(c);
    struct change ch = { .id = f->id, .count = f->count };
    unsigned remove = 0;
    (void)ctx;
    for (size_t i = 0; i < f->count; i++) {
        unsigned sub = sk_iot_filter_parse(f->topic[i], s->ident->device, s->ident->module);
        remove |= sub | sub << SK_LH_AT_MOST_ONCE_SHIFT;
    }
    change(c, &ch, 0, remove);
}
