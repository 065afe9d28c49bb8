/*
 * link.c - what the line to the local hub tells, on the dialer's thread: it must not wait, so what
 * is to be done becomes a flag for the sender.
 *
 * The twin is always read whole: a patch of desired properties only says that there is something
 * to read. So a lost patch, or one that came out of order, does no harm.
 */
#include "reporter/reporter_priv.h"

#include "base/clock.h"
#include "base/log.h"

static void wake(struct sk_reporter *r)
{
    (void)pthread_cond_signal(&r->wake);
}

static void on_login(struct sk_mqtt_line *l, void *ctx)
{
    struct sk_reporter *r = ctx;
    (void)l;
    SK_LOCK(&r->lock);
    r->wants_login = true;
    wake(r);
}

static void on_up(struct sk_mqtt_line *l, bool session_present, void *ctx)
{
    struct sk_reporter *r = ctx;
    (void)l;
    (void)session_present;
    sk_log(SK_DEBUG, "reporter_up", "host=%s", r->env.gateway);
    SK_LOCK(&r->lock);
    r->is_up = r->may_publish = r->wants_twin = true;
    r->wants_trust = false;
    wake(r);
}

/* A CA that changed shows as a failed handshake. */
static void on_down(struct sk_mqtt_line *l, enum sk_mqtt_connack refusal, const char *why,
                    unsigned retry_ms, void *ctx)
{
    struct sk_reporter *r = ctx;
    (void)l;
    sk_log(SK_DEBUG, "reporter_down", "host=%s why=\"%s\" retry_ms=%u", r->env.gateway, why,
           retry_ms);
    SK_LOCK(&r->lock);
    r->wants_trust = !r->is_up && refusal == SK_MQTT_ACCEPTED;
    r->is_up = r->may_publish = r->wants_login = false;
    r->twin_rid = 0;
    r->renew_ms = 0;
    wake(r);
}

static void on_acked(struct sk_mqtt_line *l, uint64_t token, bool is_acked, void *ctx)
{
    struct sk_reporter *r = ctx;
    (void)l;
    SK_LOCK(&r->lock);
    if (token > 0) /* numbers from 1 on; 0: of the twin */
        r->sent += sk_rep_outbox_acked(&r->outbox, token - 1, is_acked);
    r->may_publish = r->is_up;
    wake(r);
}

static void on_writable(struct sk_mqtt_line *l, void *ctx)
{
    struct sk_reporter *r = ctx;
    (void)l;
    SK_LOCK(&r->lock);
    r->may_publish = r->is_up;
    wake(r);
}

/* ---- the twin ---- */

void sk_rep_apply(struct sk_reporter *r, const struct sk_json *desired)
{
    struct sk_err err = SK_ERR_INIT;
    struct sk_rep_settings next = r->settings;
    r->error[0] = '\0';
    if (sk_rep_settings_read(desired, &r->base, &next, &err) < 0)
        (void)snprintf(r->error, sizeof r->error, "%s", err.text);
    const bool is_new = next.mode != r->settings.mode || next.interval_s != r->settings.interval_s;
    if (!is_new) {
        r->settings = next;
        return;
    }
    if (r->settings.mode == SK_REPORT_SUMMARY && r->summary.count + r->summary.errors > 0)
        sk_rep_sum_up(r);
    r->settings = next;
    r->sample = 0;
    sk_rep_summary_clear(&r->summary, (int64_t)sk_wall_ms());
    r->summary_end_ms = sk_now_ms() + (uint64_t)next.interval_s * 1000;
}

/* "$iothub/twin/res/200/?$rid=7": whether it answers our question. */
static bool is_answer(struct sk_view topic, unsigned rid)
{
    char text[64];
    int n = snprintf(text, sizeof text, "$iothub/twin/res/200/?$rid=%u", rid);
    return topic.len >= (size_t)n && memcmp(topic.ptr, text, (size_t)n) == 0 &&
           (topic.len == (size_t)n || topic.ptr[n] == '&');
}

static void take_twin(struct sk_reporter *r, struct sk_view body)
{
    struct sk_err err = SK_ERR_INIT;
    SK_OWN(sk_json_free) struct sk_json *doc = NULL;
    if (sk_json_parse(body.ptr ? body.ptr : "", body.len, NULL, &doc, &err) < 0) {
        sk_log(SK_DEBUG, "reporter_twin", "error=\"%s\"", err.text);
        return;
    }
    SK_LOCK(&r->lock);
    r->twin_rid = 0;
    sk_rep_apply(r, sk_json_get(doc, "desired"));
    r->wants_report = !sk_rep_settings_are(sk_json_get(doc, "reported"), &r->settings, r->error);
    wake(r);
}

static void on_message(struct sk_mqtt_line *l, const struct sk_mqtt_message *m, void *ctx)
{
    static const char desired[] = "$iothub/twin/PATCH/properties/desired/";
    struct sk_reporter *r = ctx;
    unsigned rid = 0;
    if (m->topic.len >= sizeof desired - 1 &&
        memcmp(m->topic.ptr, desired, sizeof desired - 1) == 0) {
        SK_LOCK(&r->lock);
        r->wants_twin = true;
        wake(r);
    } else {
        SK_LOCK(&r->lock);
        rid = r->twin_rid;
    }
    if (rid > 0 && is_answer(m->topic, rid))
        take_twin(r, m->payload);
    if (m->qos > 0)
        sk_mqtt_line_puback(l, m->id);
}

const struct sk_mqtt_line_handler sk_rep_handler = {
    .login = on_login,
    .up = on_up,
    .down = on_down,
    .message = on_message,
    .acked = on_acked,
    .writable = on_writable,
};
