/*
 * sender.c - the thread that sends.
 *
 * A round does what is due: asks for the trust bundle, signs, renews, asks for the twin and reports
 * settings, makes messages of results while there is room, publishes them. Then it sleeps until
 * something happens or is due. It alone calls what waits.
 *
 * The CA is in a file without a name, reached as /proc/self/fd/N, since the line reads it at each
 * dial; a new one takes the place of the old in one step (dup3).
 */
#include "reporter/reporter_priv.h"

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#include <fcntl.h>
#include <sys/mman.h>

enum {
    PAUSE_MIN_MS = 100,
    PAUSE_MAX_MS = 10000,
    TRUST_AGAIN_MS = 1000,
    TOKEN_BYTES = 4096,
    INFLIGHT = 64
};

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* ---- the CA, and the line ---- */

static int put_ca(struct sk_reporter *r, const struct sk_buf *pem, struct sk_err *err)
{
    SK_AUTO(sk_close) int fd = memfd_create("ca", MFD_CLOEXEC);
    if (fd < 0 || sk_write_all(fd, pem->data, pem->len) < 0)
        return sk_fail_errno(err, "the trust bundle");
    if (r->ca_fd < 0)
        r->ca_fd = sk_take_fd(&fd);
    else if (dup3(fd, r->ca_fd, O_CLOEXEC) < 0)
        return sk_fail_errno(err, "the trust bundle");
    return 0;
}

static int open_line(struct sk_reporter *r, struct sk_err *err)
{
    static const char *const filters[] = { "$iothub/twin/res/#",
                                           "$iothub/twin/PATCH/properties/desired/#", NULL };
    const struct sk_rep_env *e = &r->env;
    char ca[64], id[SK_REP_TEXT];
    SK_AUTO(sk_buf_done) struct sk_buf user = SK_BUF_INIT(TOKEN_BYTES);
    (void)snprintf(ca, sizeof ca, "/proc/self/fd/%d", r->ca_fd);
    (void)snprintf(id, sizeof id, "%s/%s", e->device, e->module);
    sk_buf_fmt(&user, "%s/%s/?api-version=2021-04-12&DeviceClientType=skerry-serve", e->hub, id);
    if (!sk_buf_ok(&user))
        return sk_buf_fail(&user, err);
    const struct sk_mqtt_line_options o = { .host = e->gateway,
                                            .port = e->port,
                                            .ca_file = ca,
                                            .client_id = id,
                                            .username = user.data,
                                            .filters = filters,
                                            .is_clean = true,
                                            .max_inflight = INFLIGHT,
                                            .retry_max_ms = PAUSE_MAX_MS,
                                            .handler = &sk_rep_handler,
                                            .ctx = r };
    if (!r->dialer && sk_mqtt_dialer_new(&r->dialer, err) < 0)
        return -1;
    return sk_mqtt_line_open(r->dialer, &o, &r->line, err);
}

/* Returns when it is due again, or UINT64_MAX. */
static uint64_t care_for_trust(struct sk_reporter *r, uint64_t now)
{
    bool wants = !r->line;
    if (r->line) {
        SK_LOCK(&r->lock);
        wants = r->wants_trust;
    }
    if (!wants)
        return UINT64_MAX;
    const uint64_t pause = r->line ? TRUST_AGAIN_MS : r->pause_ms;
    if (r->trust_ms > 0 && now < r->trust_ms + pause)
        return r->trust_ms + pause;
    SK_AUTO(sk_buf_done) struct sk_buf pem = SK_BUF_INIT(1 << 20);
    struct sk_err err = SK_ERR_INIT;
    int result = sk_rep_trust(&r->env, &pem, &err);
    if (result == 0)
        result = put_ca(r, &pem, &err);
    if (result == 0 && !r->line)
        result = open_line(r, &err);
    r->trust_ms = sk_now_ms();
    if (result == 0) {
        SK_LOCK(&r->lock);
        r->wants_trust = false;
        return UINT64_MAX;
    }
    r->pause_ms = r->pause_ms ? (unsigned)min_of(2u * r->pause_ms, PAUSE_MAX_MS) : PAUSE_MIN_MS;
    sk_log(SK_DEBUG, "reporter_trust", "error=\"%s\" retry_ms=%u", err.text, r->pause_ms);
    return r->trust_ms + (r->line ? TRUST_AGAIN_MS : r->pause_ms);
}

static void log_in(struct sk_reporter *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(TOKEN_BYTES);
    struct sk_err err = SK_ERR_INIT;
    const uint64_t now = sk_now_ms();
    {
        SK_LOCK(&r->lock);
        if (!r->wants_login)
            return;
        r->wants_login = false;
    }
    if (sk_rep_token(&r->env, (int64_t)(sk_wall_ms() / 1000) + r->env.ttl_s, &token, &err) < 0) {
        sk_log(SK_DEBUG, "reporter_login", "error=\"%s\"", err.text);
        sk_mqtt_line_no_login(r->line, err.text);
        return;
    }
    {
        SK_LOCK(&r->lock);
        r->renew_ms = now + (uint64_t)r->env.ttl_s * 800;
    }
    sk_mqtt_line_login(r->line, token.data);
}

/* Returns when it is due. */
static uint64_t renew(struct sk_reporter *r, uint64_t now)
{
    {
        SK_LOCK(&r->lock);
        if (!r->is_up || r->renew_ms == 0)
            return UINT64_MAX;
        if (now < r->renew_ms)
            return r->renew_ms;
        r->renew_ms = 0;
    }
    sk_mqtt_line_renew(r->line);
    return UINT64_MAX;
}

/* ---- the twin ---- */

enum outcome {
    TAKEN,
    LATER, /* there is no room, or no line */
    NEVER  /* it cannot be said in MQTT, or memory is out */
};

/* may_publish ends before the call, so that what the line tells meanwhile is not overwritten. */
static enum outcome publish(struct sk_reporter *r, const struct sk_buf *topic,
                            const struct sk_buf *payload, uint64_t token)
{
    struct sk_err err = SK_ERR_INIT;
    if (!sk_buf_ok(topic) || !sk_buf_ok(payload))
        return NEVER;
    {
        SK_LOCK(&r->lock);
        r->may_publish = false;
    }
    int result = sk_mqtt_line_publish(r->line, (struct sk_view){ topic->data, topic->len },
                                      (struct sk_view){ payload->data, payload->len }, 1, token,
                                      &err);
    if (result < 0 && (err.code == SK_BUSY || err.code == SK_CANCELLED))
        return LATER;
    SK_LOCK(&r->lock);
    r->may_publish = r->is_up;
    return result < 0 ? NEVER : TAKEN;
}

/* Returns when it is due. */
static uint64_t ask_for_twin(struct sk_reporter *r, uint64_t now)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(256);

    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(256);
    {
        SK_LOCK(&r->lock);
        if (r->is_up && r->twin_rid > 0 && now >= r->twin_end_ms)
            r->wants_twin = true;
        if (!r->is_up || !r->may_publish || !r->wants_twin)
            return r->is_up && r->twin_rid > 0 ? r->twin_end_ms : UINT64_MAX;
        r->wants_twin = false;
        r->twin_rid = ++r->next_rid;
        r->twin_end_ms = now + SK_REP_TWIN_MS;
        sk_buf_fmt(&topic, "$iothub/twin/GET/?$rid=%u", r->twin_rid);
        sk_buf_str(&body, " "); /* as the SDKs have it */
    }

    if (publish(r, &topic, &body, 0) == LATER) {
        SK_LOCK(&r->lock);
        r->wants_twin = true;
        r->twin_rid = 0;
        return UINT64_MAX;
    }
    return now + SK_REP_TWIN_MS;
}

static void report_settings(struct sk_reporter *r)
{
    SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(256);

    SK_AUTO(sk_buf_done) struct sk_buf body = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
    {
        SK_LOCK(&r->lock);
        if (!r->is_up || !r->may_publish || !r->wants_report)
            return;
        r->wants_report = false;
        sk_buf_fmt(&topic, "$iothub/twin/PATCH/properties/reported/?$rid=%u", ++r->next_rid);
        sk_rep_settings_write(&r->settings, r->error, &body);
    }

    if (publish(r, &topic, &body, 0) == LATER) {
        SK_LOCK(&r->lock);
        r->wants_report = true;
    }
}

/* ---- messages ---- */

/* Results become messages while the line is up and there is room for them: what must be lost is
 * lost as a result, the oldest first. */
static void fill_outbox(struct sk_reporter *r)
{
    for (;;) {
        struct sk_rep_result one;
        {
            SK_LOCK(&r->lock);
            if (!r->is_up || r->ring_count == 0 || sk_rep_outbox_is_full(&r->outbox))
                return;
            one = r->ring[r->ring_first];
            r->ring_first = (r->ring_first + 1) % SK_REP_RING;
            r->ring_count--;
        }
        SK_AUTO(sk_buf_done) struct sk_buf b = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
        sk_rep_message(&one, &r->model, &b);
        const size_t len = b.len;
        char *payload = sk_buf_take(&b);
        SK_LOCK(&r->lock);
        sk_rep_post(r, payload, len);
    }
}

/* A copy: the mail may be acknowledged, and freed, while it is being handed over. */
static bool take_mail(struct sk_reporter *r, uint64_t *number, struct sk_buf *topic,
                      struct sk_buf *payload)
{
    char id[64];
    SK_LOCK(&r->lock);
    if (!r->is_up || !r->may_publish || !sk_rep_outbox_next(&r->outbox, 0, number))
        return false;
    struct sk_rep_mail *m = &r->outbox.mails[*number % SK_REP_OUTBOX];
    (void)snprintf(id, sizeof id, "%s-%llu", r->id_prefix, (unsigned long long)*number);
    sk_rep_topic(&r->env, r->output, id, topic);
    sk_buf_add(payload, m->payload, m->len);
    m->state = SK_REP_SENT;
    return true;
}

static void publish_all(struct sk_reporter *r)
{
    for (;;) {
        uint64_t number = 0;
        SK_AUTO(sk_buf_done) struct sk_buf topic = SK_BUF_INIT(TOKEN_BYTES);
        SK_AUTO(sk_buf_done) struct sk_buf payload = SK_BUF_INIT(SK_REP_MESSAGE_BYTES);
        if (!take_mail(r, &number, &topic, &payload))
            return;
        const enum outcome how = publish(r, &topic, &payload, number + 1);
        if (how == TAKEN)
            continue;
        SK_LOCK(&r->lock);
        (void)sk_rep_outbox_acked(&r->outbox, number, how == NEVER);
        r->dropped += how == NEVER;
        if (how == LATER)
            return;
    }
}

/* Returns when the next is due. */
static uint64_t sum_up(struct sk_reporter *r, uint64_t now)
{
    SK_LOCK(&r->lock);
    if (r->settings.mode != SK_REPORT_SUMMARY)
        return UINT64_MAX;
    if (now >= r->summary_end_ms)
        sk_rep_sum_up(r);
    return r->summary_end_ms;
}

/* ---- the thread ---- */

static uint64_t do_round(struct sk_reporter *r)
{
    const uint64_t now = sk_now_ms();
    uint64_t due = sum_up(r, now);
    due = min_of(due, care_for_trust(r, now));
    if (!r->line)
        return due;
    log_in(r);
    due = min_of(due, renew(r, now));
    due = min_of(due, ask_for_twin(r, now));
    report_settings(r);
    fill_outbox(r);
    publish_all(r);
    return due;
}

/* With the lock held: whether the thread may end. */
static bool is_over(const struct sk_reporter *r)
{
    return r->stops && ((r->ring_count == 0 && sk_rep_outbox_is_empty(&r->outbox)) ||
                        sk_now_ms() >= r->stop_ms);
}

/* With the lock held: what became due while the round ran. */
static uint64_t due_by_now(const struct sk_reporter *r, uint64_t due)
{
    if (r->stops)
        due = min_of(due, r->stop_ms);
    if (r->wants_trust)
        due = min_of(due, r->trust_ms + TRUST_AGAIN_MS);
    if (r->settings.mode == SK_REPORT_SUMMARY)
        due = min_of(due, r->summary_end_ms);
    return due;
}

/* With the lock held: whether a round has something to do at once. */
static bool has_work(const struct sk_reporter *r)
{
    uint64_t number = 0;
    if (r->wants_login)
        return true;
    if (!r->is_up || !r->may_publish)
        return false;
    return r->wants_twin || r->wants_report || sk_rep_outbox_next(&r->outbox, 0, &number) ||
           (r->ring_count > 0 && !sk_rep_outbox_is_full(&r->outbox));
}

static bool sleep_until(struct sk_reporter *r, uint64_t due)
{
    SK_LOCK(&r->lock);
    if (is_over(r))
        return false;
    due = due_by_now(r, due);
    if (!has_work(r))
        (void)sk_cond_wait_until(&r->wake, &r->lock,
                                 due > UINT64_MAX / 1000000 ? UINT64_MAX : due * 1000000);
    return !is_over(r);
}

void *sk_rep_sender(void *reporter)
{
    struct sk_reporter *r = reporter;
    while (sleep_until(r, do_round(r)))
        continue;
    sk_mqtt_line_close(r->line);
    r->line = NULL;
    sk_mqtt_dialer_free(r->dialer);
    r->dialer = NULL;
    SK_LOCK(&r->lock);
    r->is_up = false;
    return NULL;
}
