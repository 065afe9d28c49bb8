/*
 * line.c - the lines upstream: one for each identity, with a token of its own.
 *
 * The main thread opens and closes them, since closing waits for the dialer; everything else of a
 * line happens on the dialer's thread. Tokens live SK_LH_TOKEN_S and are renewed when four fifths
 * of that are over, by logging in anew. A signature is the agent's; of a leaf it is made here.
 *
 * A message of the cloud for a leaf is acknowledged upstream when the leaf has acknowledged it: the
 * token of the one carries the id of the other, and the number of the line it came over. What it
 * did not take comes again when its line logs in anew.
 */
#include "localhub/localhub_priv.h"

#include "base/clock.h"
#include "base/log.h"

#include <string.h>

enum {
    RENEW_MS = SK_LH_TOKEN_S * 800, /* four fifths */
    RENEW_AGAIN_MS = 300000,
    TOPIC_MAX = 1024,
    KEEP_ALIVE_S = 20,  /* a line that fell silent is lost after 30 s */
    RETRY_MAX_MS = 8000 /* back within 10 s, however long it was away */
};

static struct sk_lh_ident *ident_of(void *ctx)
{
    return ctx;
}

/* ---- login ---- */

struct login {
    struct sk_lh_ident *ident;
    unsigned serial; /* of the line */
    int64_t expires_s;
    char resource[];
};

static void give(const struct login *l, const unsigned char signature[SK_SHA256_BYTES])
{
    struct sk_lh *h = l->ident->hub;
    SK_AUTO(sk_buf_done) struct sk_buf token = SK_BUF_INIT(SK_LH_TOKEN_MAX);
    sk_iot_sas_write(sk_view_of(l->resource), signature, l->expires_s, &token);
    SK_LOCK(&h->lock);
    if (!l->ident->line || l->ident->line_serial != l->serial)
        return; /* closed meanwhile */
    if (sk_buf_ok(&token))
        sk_mqtt_line_login(l->ident->line, token.data);
    else
        sk_mqtt_line_no_login(l->ident->line, "out of memory");
}

static void give_none(const struct login *l, const char *why)
{
    struct sk_lh *h = l->ident->hub;
    SK_LOCK(&h->lock);
    if (l->ident->line && l->ident->line_serial == l->serial)
        sk_mqtt_line_no_login(l->ident->line, why);
}

static void on_signed(void *ctx, const struct sk_json *answer, const struct sk_err *failed)
{
    SK_OWN(free) struct login *l = ctx;
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf mac = SK_BUF_INIT(256);
    const char *digest = sk_json_get_text(answer, "digest", "");
    if (failed)
        give_none(l, failed->text);
    else if (sk_base64_decode(digest, strlen(digest), &mac, &err) < 0 || mac.len != SK_SHA256_BYTES)
        give_none(l, "the agent gave no signature");
    else
        give(l, (const unsigned char *)mac.data);
}

static int sign_here(const struct login *l, const struct sk_buf *text, struct sk_err *err)
{
    struct sk_lh *h = l->ident->hub;
    unsigned char mac[SK_SHA256_BYTES];

    SK_AUTO(sk_buf_done) struct sk_buf key = SK_BUF_INIT(256);
    {
        SK_LOCK(&h->lock);
        const char *base64 = l->ident->keys[0] ? l->ident->keys[0] : l->ident->keys[1];
        if (!base64)
            return sk_fail(err, SK_DENIED,
                           "it has no key: only who logs in with one can be sent on");
        if (sk_base64_decode(base64, strlen(base64), &key, err) < 0 || key.len == 0)
            return -1;
    }

    if (sk_hmac_sha256(key.data, key.len, text->data, text->len, mac, err) < 0)
        return -1;
    give(l, mac);
    return 0;
}

static int ask_agent(struct login *l, const struct sk_buf *text, struct sk_err *err)
{
    SK_AUTO(sk_buf_done) struct sk_buf ask = SK_BUF_INIT(4 * SK_LH_TOKEN_MAX);
    sk_buf_str(&ask, "{\"type\":\"sign\",\"module\":");
    sk_buf_json_str(&ask, l->ident->module);
    sk_buf_str(&ask, ",\"data\":\"");
    sk_base64(&ask, text->data, text->len);
    sk_buf_str(&ask, "\"}");
    if (!sk_buf_ok(&ask))
        return sk_buf_fail(&ask, err);
    return sk_lh_ask(l->ident->hub, (struct sk_view){ ask.data, ask.len }, 0, on_signed, l, err);
}

static struct login *login_new(struct sk_lh_ident *id)
{
    struct sk_lh *h = id->hub;
    SK_AUTO(sk_buf_done) struct sk_buf resource = SK_BUF_INIT(4096);
    SK_LOCK(&h->lock);
    sk_lh_sas_resource(h->config.hub_name, id->device, id->module, &resource);
    struct login *l = sk_buf_ok(&resource) ? malloc(sizeof *l + resource.len + 1) : NULL;
    if (!l)
        return NULL;
    *l = (struct login){ .ident = id,
                         .serial = id->line_serial,
                         .expires_s = (int64_t)(sk_wall_ms() / 1000) + SK_LH_TOKEN_S };
    memcpy(l->resource, resource.data, resource.len + 1);
    id->renew_at_ms = sk_now_ms() + RENEW_MS;
    return l;
}

static void on_login(struct sk_mqtt_line *line, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    struct sk_err err = SK_ERR_INIT;
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(SK_LH_TOKEN_MAX);
    SK_OWN(free) struct login *l = login_new(id);
    if (!l) {
        sk_mqtt_line_no_login(line, "out of memory");
        return;
    }
    sk_buf_fmt(&text, "%s\n%lld", l->resource, (long long)l->expires_s);
    if (!sk_buf_ok(&text)) {
        sk_mqtt_line_no_login(line, "out of memory");
        return;
    }
    if (id->kind == SK_LH_LEAF) {
        if (sign_here(l, &text, &err) < 0)
            sk_mqtt_line_no_login(line, err.text);
        return;
    }
    if (ask_agent(l, &text, &err) < 0)
        sk_mqtt_line_no_login(line, err.text);
    else
        (void)SK_TAKE(l);
}

/* ---- up and down ---- */

static void on_up(struct sk_mqtt_line *line, bool session_present, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    struct sk_lh *h = id->hub;
    const char *const labels[] = { "id", id->key, NULL };
    (void)line;
    (void)session_present;
    {
        SK_LOCK(&h->lock);
        id->is_up = true;
        id->refusals = 0;
        if (id->down_since_ms != 0)
            sk_lh_count(h, SK_LH_M_OFFLINE_S, (double)(sk_now_ms() - id->down_since_ms) / 1e3,
                        labels);
        id->down_since_ms = 0;
        id->held_since_ms = 0;
        if (id->kind == SK_LH_HUB)
            sk_lh_tell_uplink(h, true, "");
        sk_lh_sync_up(id);
    }
    sk_log(SK_INFO, "line_up", "id=\"%s\"", id->key);
    sk_lh_pump_wake(h);
}

/* The hub does not know one of ours, or knows it by another key: the agent registers it again. */
static void tell_refused(const struct sk_lh_ident *id)
{
    SK_AUTO(sk_buf_done) struct sk_buf text = SK_BUF_INIT(1024);
    const char *slash = strchr(id->key, '/');
    if (id->kind == SK_LH_LEAF || !slash)
        return;
    sk_buf_str(&text, "{\"type\":\"refused\",\"module\":");
    sk_buf_json_str(&text, slash + 1);
    sk_buf_chr(&text, '}');
    if (sk_buf_ok(&text))
        sk_lh_tell(id->hub, (struct sk_view){ text.data, text.len });
}

static void on_down(struct sk_mqtt_line *line, enum sk_mqtt_connack refusal, const char *why,
                    unsigned retry_ms, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    struct sk_lh *h = id->hub;
    const char *const labels[] = { "id", id->key, "operation", "connect", NULL };
    const char *const of_id[] = { "id", id->key, NULL };
    bool was_up = false;
    (void)line;
    {
        SK_LOCK(&h->lock);
        was_up = id->is_up;
        id->is_up = false;
        /* Of the whole device it says nothing while that is not let in either. */
        if (h->is_uplink &&
            (refusal == SK_MQTT_BAD_CREDENTIALS || refusal == SK_MQTT_NOT_AUTHORIZED))
            id->refusals++;
        if (was_up)
            id->held_since_ms = 0;
        if (was_up && retry_ms > 0)
            id->down_since_ms = sk_now_ms();
        sk_lh_sync_down(id);
        if (id->kind == SK_LH_HUB && retry_ms > 0) /* not while it logs in anew */
            sk_lh_tell_uplink(h, false, why);
    }
    if (was_up && retry_ms > 0)
        sk_lh_count(h, SK_LH_M_OFFLINE, 1, of_id);
    else if (!was_up)
        sk_lh_count(h, SK_LH_M_RETRIES, 1, labels);
    /* The first loss is an event; the tries that follow are not. */
    sk_log(was_up && retry_ms > 0 ? SK_INFO : SK_DEBUG, "line_down",
           "id=\"%s\" code=%d why=\"%s\" retry_ms=%u", id->key, (int)refusal, why, retry_ms);
    if (refusal == SK_MQTT_BAD_CREDENTIALS || refusal == SK_MQTT_NOT_AUTHORIZED)
        tell_refused(id);
    sk_lh_pump_wake(h);
}

static void on_acked(struct sk_mqtt_line *line, uint64_t token, bool is_acked, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    const struct sk_lh_ack ack = { .token = token, .is_acked = is_acked };
    (void)line;
    if (token != 0)
        sk_lh_pump_ack(id->hub, &ack);
}

static void on_writable(struct sk_mqtt_line *line, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    (void)line;
    {
        SK_LOCK(&id->hub->lock);
        sk_lh_sync(id);
    }
    sk_lh_pump_wake(id->hub);
}

/* ---- messages of the cloud for leaves ---- */

struct down {
    struct sk_mqtt_post post;
    uint64_t token;
    size_t topic_len, payload_len;
    char bytes[]; /* topic, payload */
};

static void send_down(struct sk_mqtt_conn *c, struct sk_mqtt_post *post)
{
    SK_OWN(free) struct down *d = (struct down *)post;
    struct sk_lh_session *s = c ? sk_mqtt_user(c) : NULL;
    struct sk_err err = SK_ERR_INIT;
    const struct sk_view topic = { d->bytes, d->topic_len };
    const struct sk_view payload = { d->bytes + d->topic_len, d->payload_len };
    if (!s || (s->subs & SK_SUB_C2D) == 0)
        return;
    const bool is_once = (s->subs & SK_SUB_C2D << SK_LH_AT_MOST_ONCE_SHIFT) != 0;
    if (sk_mqtt_publish(c, topic, payload, is_once ? 0 : 1, d->token, &err) < 0)
        sk_mqtt_close(c, "it does not take what it is sent");
    else if (is_once)
        sk_lh_line_taken(s->ident, d->token);
}

static void take_down(struct sk_lh_ident *id, const struct sk_mqtt_message *m)
{
    struct sk_lh *h = id->hub;
    SK_LOCK(&h->lock);
    const struct sk_lh_instance *i = sk_lh_instance_live(id);
    struct down *d = i ? malloc(sizeof *d + m->topic.len + m->payload.len) : NULL;
    if (!d) {
        id->has_unacked = true; /* comes again at the next login */
        return;
    }
    *d = (struct down){ .post = { .to = i->ref, .run = send_down },
                        .token = SK_LH_TOKEN_CLOUD | (uint64_t)(id->line_serial & 0xffffffu) << 16 |
                                 m->id,
                        .topic_len = m->topic.len,
                        .payload_len = m->payload.len };
    memcpy(d->bytes, m->topic.ptr, m->topic.len);
    if (m->payload.len > 0)
        memcpy(d->bytes + m->topic.len, m->payload.ptr, m->payload.len);
    id->has_unacked = true;
    sk_mqtt_post(h->mqtt, &d->post);
}

void sk_lh_line_taken(struct sk_lh_ident *id, uint64_t token)
{
    const uint16_t packet = (uint16_t)token;
    SK_LOCK(&id->hub->lock);
    if (packet != 0 && id->line && ((token >> 16) & 0xffffffu) == (id->line_serial & 0xffffffu))
        sk_mqtt_line_puback(id->line, packet);
}

static void on_message(struct sk_mqtt_line *line, const struct sk_mqtt_message *m, void *ctx)
{
    struct sk_lh_ident *id = ident_of(ctx);
    struct sk_lh *h = id->hub;
    const struct sk_lh_down d = sk_lh_down_parse(m->topic);
    switch (d.kind) {
    case SK_LH_DOWN_TWIN: {
        SK_LOCK(&h->lock);
        sk_lh_sync_answer(id, &d, m->payload);
        break;
    }
    case SK_LH_DOWN_DESIRED: {
        SK_LOCK(&h->lock);
        sk_lh_sync_desired(id, d.version, m->payload);
        break;
    }
    case SK_LH_DOWN_METHOD:
        sk_lh_methods_from_above(id, &d, m->payload);
        break;
    case SK_LH_DOWN_MESSAGE:
        if (m->qos > 0 && id->kind == SK_LH_LEAF) {
            take_down(id, m);
            return; /* acknowledged when it has it */
        }
        break;
    case SK_LH_DOWN_NONE:
        sk_log(SK_DEBUG, "message_not_known", "id=\"%s\" topic=\"%.*s\"", id->key,
               (int)(m->topic.len < 200 ? m->topic.len : 200), m->topic.ptr);
        break;
    }
    if (m->qos > 0)
        sk_mqtt_line_puback(line, m->id);
}

static const struct sk_mqtt_line_handler handler = {
    .login = on_login,
    .up = on_up,
    .down = on_down,
    .message = on_message,
    .acked = on_acked,
    .writable = on_writable,
};

/* ---- opening and closing: the main thread ---- */

static bool is_wanted(const struct sk_lh_ident *id, uint64_t now_ms)
{
    struct sk_lh_ident *own = (struct sk_lh_ident *)(uintptr_t)id;
    switch (id->kind) {
    case SK_LH_AGENT:
    case SK_LH_HUB:
        return true;
    case SK_LH_MODULE:
        if (id->is_listed)
            return id->is_registered;
        break;
    case SK_LH_LEAF:
        if (!id->is_listed)
            return false;
        break;
    }
    if (id->up_in_flight > 0 || id->needs_rewind)
        return true; /* what it left is sent on, or refused until it is dropped */
    return id->is_used && (sk_lh_instance_live(own) || now_ms < id->left_ms + SK_LH_LEASE_MS);
}

static int open_line(struct sk_lh *h, struct sk_lh_ident *id, struct sk_err *err)
{
    static const char *const filters[] = { "$iothub/methods/POST/#", "$iothub/twin/res/#",
                                           "$iothub/twin/PATCH/properties/desired/#", NULL };
    const struct sk_lh_config *c = &h->config;
    SK_AUTO(sk_buf_done) struct sk_buf username = SK_BUF_INIT(2048);
    sk_buf_fmt(&username, "%s/%s/?api-version=2021-04-12&DeviceClientType=skerry%%2F", c->hub_name,
               id->key);
    sk_buf_percent(&username, SK_VERSION, strlen(SK_VERSION), "");
    if (!sk_buf_ok(&username))
        return sk_buf_fail(&username, err);
    const struct sk_mqtt_line_options o = {
        .host = c->hub_address,
        .port = c->hub_port,
        .verify_name = strcmp(c->hub_address, c->hub_name) == 0 ? NULL : c->hub_name,
        .ca_file = *c->hub_ca ? c->hub_ca : NULL,
        .client_id = id->key,
        .username = username.data,
        .filters = filters,
        .max_inflight = 2 * SK_LH_WINDOW,
        .keep_alive_s = KEEP_ALIVE_S,
        .retry_max_ms = RETRY_MAX_MS,
        .handler = &handler,
        .ctx = id,
    };
    id->line_serial++;
    return sk_mqtt_line_open(h->dialer, &o, &id->line, err);
}

/* A leaf that takes messages of the cloud. */
static void subscribe_down(struct sk_lh_ident *id)
{
    char filter[SK_IOT_ID_MAX + 64];
    struct sk_err err = SK_ERR_INIT;
    const struct sk_lh_instance *i = sk_lh_instance_live(id);
    if (id->kind != SK_LH_LEAF || !id->line || !sk_lh_wants(i, SK_SUB_C2D))
        return;
    (void)snprintf(filter, sizeof filter, "devices/%s/messages/devicebound/#", id->device);
    if (sk_mqtt_line_subscribe(id->line, filter, &err) < 0)
        sk_log(SK_WARN, "not_subscribed", "id=\"%s\" error=\"%s\"", id->key, err.text);
    if (id->has_unacked && id->is_up)
        sk_mqtt_line_renew(id->line);
    id->has_unacked = false;
}

/* One that is to be closed: out of the identity, so that it is closed without the lock. */
static struct sk_mqtt_line *next_unwanted(struct sk_lh *h)
{
    SK_LOCK(&h->lock);
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        if (!id->line || is_wanted(id, sk_now_ms()))
            continue;
        struct sk_mqtt_line *line = SK_TAKE(id->line);
        id->line_serial++;
        id->is_up = false;
        sk_lh_sync_down(id);
        return line;
    }
    return NULL;
}

void sk_lh_lines_settle(struct sk_lh *h)
{
    struct sk_err err = SK_ERR_INIT;
    for (struct sk_mqtt_line *line; (line = next_unwanted(h)) != NULL;)
        sk_mqtt_line_close(line);
    SK_LOCK(&h->lock);
    if (!h->config.is_known || !h->dialer)
        return;
    for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
        if (!id->line && is_wanted(id, sk_now_ms()) && open_line(h, id, &err) < 0)
            sk_log(SK_ERROR, "line_not_opened", "id=\"%s\" error=\"%s\"", id->key, err.text);
        subscribe_down(id);
    }
}

void sk_lh_lines_tick(struct sk_lh *h, uint64_t now_ms)
{
    bool has_unwanted = false;
    {
        SK_LOCK(&h->lock);
        for (struct sk_lh_ident *id = h->idents; id; id = id->next) {
            has_unwanted |= id->line && !is_wanted(id, now_ms);
            if (!id->line || !id->is_up || now_ms < id->renew_at_ms)
                continue;
            id->renew_at_ms = now_ms + RENEW_AGAIN_MS;
            sk_mqtt_line_renew(id->line);
        }
    }
    if (has_unwanted)
        sk_lh_lines_settle(h);
}

void sk_lh_lines_poke(struct sk_lh *h)
{
    for (struct sk_lh_ident *id = h->idents; id; id = id->next)
        if (id->line && !id->is_up)
            sk_mqtt_line_poke(id->line);
}

void sk_lh_lines_close(struct sk_lh *h)
{
    for (;;) {
        struct sk_mqtt_line *line = NULL;
        {
            SK_LOCK(&h->lock);
            for (struct sk_lh_ident *id = h->idents; id && !line; id = id->next)
                if (id->line) {
                    line = SK_TAKE(id->line);
                    id->line_serial++;
                    id->is_up = false;
                }
        }

        if (!line)
            return;
        sk_mqtt_line_close(line);
    }
}
